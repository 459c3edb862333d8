#pragma once

#include <string>

#include "devices/pulse_fit.h"

namespace bitline {

/// YAML of an architecture whose cells are what a fit found, all else being the preset `default`. `source`: the file
/// that was fitted, as one line for a comment.
std::string fitted_architecture(const PulseFit& fit, const std::string& source);

}  // namespace bitline
