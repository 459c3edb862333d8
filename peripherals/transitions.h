#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/kernels.h"

namespace bitline {

/// Where the converters of one array go from each code to the next, offset and gain included: the column sum in levels,
/// (converters x codes - 1), ascending, equal where a code never comes. `level_step`: of make_converter. A sense
/// amplifier of one bit has one transition.
std::vector<double> transitions(const kernels::Converter& converter, int columns_per_converter, int32_t level_step);

}  // namespace bitline
