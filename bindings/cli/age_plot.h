#pragma once

#include <string>
#include <vector>

#include "mapping/simulate.h"

namespace bitline::cli {

/// Throws ConfigError where `ages` (s) are too few for a curve over time.
void require_ages_to_plot(const std::vector<double>& ages);

/// Accuracy over time since programming as an SVG picture: the mean over the trials with a band of one standard
/// deviation and a bar of the 95 % interval of the mean, on a logarithmic axis in seconds, the fresh chip apart on its
/// left, the software network's accuracy beside it. Ages that the cell's model does not cover say n/a, with the reason.
std::string age_svg(const SimulationResult& result, const std::string& title);

}  // namespace bitline::cli
