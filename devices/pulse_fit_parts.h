#pragma once

// What the files of pulse_fit.h share: the model that a fit varies, and the steps of the fit.

#include <Eigen/Dense>
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "devices/pulse_fit.h"

namespace bitline::pulse_fit {

using Law = SwitchingLaw;
using CycleNoise = SwitchingOptions::CycleNoise;

constexpr double kLeastNoise = 1e-9;
constexpr double kUnlikely = 1e300;

/// What a fit varies.
struct Model {
    SwitchingOptions switching;
    double g_min = 0, g_max = 1;
};

struct Slot {
    std::string name, unit;
    std::function<double&(Model&)> at;
    double low = 0, high = 0;
    double scale = 1;  // of one unit of change; a parameter with a larger error is not determined
};

/// Own factors of a device's steps; exponential: own additions to its labels.
struct OwnFactors {
    double up = 0, down = 0;
};

/// Standard deviations in shares of the window.
struct Noise {
    double cycle = 0.1, read = 0.01;
};

struct Problem {
    const PulseData& data;
    std::vector<Slot> slots;
    std::vector<OwnFactors> own;  // (devices)
};

inline double inside(double u) { return std::clamp(u, 0.0, 1.0); }

inline PulseDirection direction_of(int8_t sign) { return sign > 0 ? PulseDirection::up : PulseDirection::down; }

SwitchingDevice device_of(const Model& model, const OwnFactors& own);

// ---------------------------------------------------------------------------------------------- pulse_filter.cpp

/// How the filter weighs each reading, kept while parameters are varied.
struct Weights {
    std::vector<double> gain;       // (readings of all traces)
    std::vector<double> deviation;  // of the innovation, S
    std::vector<double> variance;   // (pulses of all traces) of the state before it is clipped
};

struct FilterResult {
    double log_likelihood = 0;
    double squares = 0;  // of the innovations, S^2
    int64_t count = 0;
    Weights weights;
};

/// Follows the state of every device from reading to reading.
FilterResult run_filter(const Problem& problem, const Model& model, const Noise& noise);

/// Standardised innovations of one trace with given weights, from out[next] on.
void append_innovations(const Model& model, const PulseTrace& trace, const SwitchingDevice& device,
                        const Weights& weights, size_t& next, size_t& pulse, double* out);

// ---------------------------------------------------------------------------------------------- pulse_start.cpp

/// What of a law the data show.
std::vector<Slot> law_slots(const PulseData& data, const PulseFitOptions& options, const Model& model);

/// A model near the data. Throws ConfigError where the options leave none.
Model first_model(const PulseData& data, const PulseFitOptions& options);

/// Starting points: the exponents of exp_step have more than one valley; growing and falling ones are tried apart.
std::vector<Model> starts(const PulseData& data, const Model& model);

// ---------------------------------------------------------------------------------------------- pulse_converge.cpp

/// Noises by maximum likelihood; `reach`: how far from the given ones, in logarithms.
void fit_noise(const Problem& problem, const Model& model, Noise& noise, double reach);

/// Each device's own factors, and what they say of the spread from device to device.
void fit_spread(Problem& problem, const PulseData& data, Model& model, const Weights& weights);

/// Parameters and noises in turns until the likelihood rests.
struct Converged {
    Model model;
    Noise noise;
    FilterResult filter;
    Eigen::MatrixXd covariance;
};

Converged converge(Problem& problem, const Model& start, Noise noise);

// ---------------------------------------------------------------------------------------------- pulse_description.cpp

/// The fit as its user sees it: parameters with errors, curves, number of states.
PulseFit describe(Problem& problem, const Converged& state);

}  // namespace bitline::pulse_fit
