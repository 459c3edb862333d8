#pragma once

// What the files of measurements have in common.

#include <string>

#include "core/hdf5_file.h"

namespace bitline {

/// Whether the name ends in .h5 or .hdf5, or else in .csv. Throws ConfigError for any other name.
bool is_hdf5_name(const std::string& path, const std::string& what);

/// Shape of a data set of (arrays x rows x cols), none of them 0. Throws FormatError for another.
Shape require_arrays(const Hdf5Reader& file, const std::string& path, const std::string& dataset);

}  // namespace bitline
