#pragma once

// Files that a cell's keys name: a map of faults, measurements.

#include <filesystem>
#include <string>
#include <vector>

#include "core/options.h"
#include "mapping/architecture.h"

namespace bitline {

/// Makes the names of files among the options of one YAML file relative to its folder.
void resolve_files(std::vector<OptionText>& options, const std::filesystem::path& folder);

/// Reads the files that the cell names. Throws FormatError or ConfigError with file, row and why.
void load_files(CellOptions& cell);

/// The architecture with the SHA-256 of each file in place of its name: equal where the contents are.
Architecture with_contents(Architecture architecture);

/// Names of the files.
std::vector<std::string> files_of(const CellOptions& cell);

}  // namespace bitline
