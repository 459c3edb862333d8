#pragma once

#include <string>

#include "devices/pulse_data.h"
#include "devices/pulse_fit.h"

namespace bitline::cli {

/// Measured and fitted conductance over pulses as an SVG picture: dots for readings after pulses up and down, a line
/// for the mean curve of the law, a panel for each of the first six devices.
std::string fit_svg(const PulseData& data, const PulseFit& fit, const std::string& title);

/// device,pulse,direction,measured,fitted with one line per reading, conductances in S.
std::string fit_csv(const PulseData& data, const PulseFit& fit);

}  // namespace bitline::cli
