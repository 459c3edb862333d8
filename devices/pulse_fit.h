#pragma once

// Switching laws from measured pulses.
//
// Two noises mix in a measured curve: pulses vary (and what one adds, all later readings keep), and readings vary (and
// the next knows nothing of it). Least squares on the curve is right for the second alone, on the steps for the first
// alone. Here an extended Kalman filter follows the state of each device, so that both are weighed as they are:
// u' = u +- f(u) + cycle noise, reading = G(u) + read noise. Levenberg and Marquardt's method minimises the
// standardised innovations over the law's parameters, the noises maximise the likelihood, in turns until both rest.
// Standard errors are those of the normal equations at the end.
// Where noise presses a state against an end of its window, its distribution there is matched in mean and variance
// only, and the two noises can come out some 10 % off.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/pulse_data.h"
#include "devices/switching.h"

namespace bitline {

struct PulseFitOptions {
    SwitchingLaw law = SwitchingLaw::exponential;
    SwitchingOptions start;              // what is not fitted: all of vteam but k_on and k_off
    std::optional<double> g_min, g_max;  // S, of the window; not given: fitted where the law shows them, else the
                                         // mean over devices of their least and largest reading
    std::optional<SwitchingOptions::CycleNoise> cycle_noise;  // not given: step or range, whichever is likelier
    int table_nodes = 5;                                      // piecewise: 2 to 16
};

struct FittedParameter {
    std::string name;  // of SwitchingOptions ("step_up"), "g_min", "g_max", "read_sigma"
    double value = 0, error = 0;
    std::string unit;        // "", "S", "1/s"
    bool determined = true;  // false: the data do not fix it (error larger than its scale)
};

struct PulseFit {
    SwitchingOptions switching;
    double g_min = 0, g_max = 0;  // S
    bool g_min_fitted = false, g_max_fitted = false;
    std::vector<FittedParameter> parameters;
    double read_sigma = 0;                            // S
    bool mirrored_up = false, mirrored_down = false;  // no pulses that way in the data: taken from the other direction
    int64_t readings = 0, devices = 0;
    double log_likelihood = 0, bic = 0;
    double pulse_rms = 0;                     // S, of reading minus prediction from the readings before
    double curve_rms = 0;                     // S, of reading minus the mean curve from each device's first reading
    double r_squared = 0;                     // of the mean curve
    double states_up = 0, states_down = 0;    // number of mean pulses from one end to 99 % of the window; 0: never
    std::vector<std::vector<double>> curves;  // (devices)(readings) S, the mean curves
};

/// Throws ConfigError where options contradict each other or the data (vteam without thresholds, g_min >= g_max).
PulseFit fit_pulses(const PulseData& data, const PulseFitOptions& options);

/// Every law that needs no further knowledge (all but vteam), best (least BIC) first.
std::vector<PulseFit> fit_every_law(const PulseData& data, const PulseFitOptions& options);

}  // namespace bitline
