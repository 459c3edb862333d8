#pragma once

// Maps of an array with resistive wires as SVG.

#include <string>

#include "mapping/wire_study.h"

namespace bitline::cli {

/// The voltage across every cell while all rows are driven, and the error of every conductance between driver and
/// converter. Arrays of more than 128 lines are drawn in blocks of neighbouring cells, each with its mean.
std::string wire_maps(const WireStudy& study, double voltage, const WireOptions& lines, const std::string& title);

}  // namespace bitline::cli
