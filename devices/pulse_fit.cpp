#include "devices/pulse_fit.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/options.h"

namespace bitline {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using Law = SwitchingLaw;
using CycleNoise = SwitchingOptions::CycleNoise;

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

constexpr double kLeastNoise = 1e-9;
constexpr double kUnlikely = 1e300;

SwitchingDevice device_of(const Model& model, const OwnFactors& own) {
    SwitchingOptions o = model.switching;
    if (o.law == Law::exponential) {
        o.label_up = std::clamp(o.label_up + own.up, -9.0, 9.0);
        o.label_down = std::clamp(o.label_down + own.down, -9.0, 9.0);
    }
    SwitchingDevice device = nominal_device(o, model.g_min, model.g_max);
    if (o.law != Law::exponential) {
        for (auto [branch, factor] : {std::pair(&device.up, 1 + own.up), std::pair(&device.down, 1 + own.down)}) {
            branch->step *= std::max(0.0, factor);
            branch->travel *= std::max(0.0, factor);
        }
    }
    return device;
}

double inside(double u) { return std::clamp(u, 0.0, 1.0); }

PulseDirection direction_of(int8_t sign) { return sign > 0 ? PulseDirection::up : PulseDirection::down; }

// ---------------------------------------------------------------------------------------------- the filter

struct Prediction {
    double mean = 0, variance = 0;
};

/// A normal number clipped to the window, 0 to 1: noise ends where the window does.
Prediction clipped(double mean, double variance) {
    constexpr double kFar = 7;  // deviations; beyond them nothing is cut
    const double s = std::sqrt(variance);
    if (mean - kFar * s > 0 && mean + kFar * s < 1) return {mean, variance};
    if (s < kLeastNoise) return {inside(mean), 0};
    const auto density = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * M_PI); };
    const auto below = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
    const double a = -mean / s, b = (1 - mean) / s;
    const double whole = below(b) - below(a), above = 1 - below(b);
    const double first = mean * whole - s * (density(b) - density(a));
    const double second = (mean * mean + variance) * whole - 2 * mean * s * (density(b) - density(a)) -
                          variance * (b * density(b) - a * density(a));
    const double clipped_mean = first + above;
    return {clipped_mean, std::max(0.0, second + above - clipped_mean * clipped_mean)};
}

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

/// Variance of one pulse's noise, shares of the window squared.
double cycle_variance(const SwitchingOptions& o, const SwitchingDevice::Branch& branch, double step, double sigma) {
    const double unit = o.cycle_noise == CycleNoise::step        ? step
                        : o.cycle_noise == CycleNoise::mean_step ? branch.step
                                                                 : 1.0;
    return sigma * sigma * unit * unit;
}

void filter_trace(const Model& model, const PulseTrace& trace, const SwitchingDevice& device, const Noise& noise,
                  FilterResult& result) {
    const double range = device.g_high - device.g_low, read = noise.read * noise.read;
    const SwitchingOptions& o = model.switching;
    double u = (trace.g[0] - device.g_low) / range, p = read;
    for (size_t i = 1; i < trace.g.size(); ++i) {
        const PulseDirection direction = direction_of(trace.sign[i]);
        const double sign = trace.sign[i];
        const auto& branch = trace.sign[i] > 0 ? device.up : device.down;
        for (int64_t n = trace.pulse[i - 1]; n < trace.pulse[i]; ++n) {
            constexpr double kReach = 1e-4;
            const double at = inside(u), step = mean_step(o, device, at, direction);
            const double low = std::max(0.0, at - kReach), high = std::min(1.0, at + kReach);
            const double slope =
                1 +
                sign * (mean_step(o, device, high, direction) - mean_step(o, device, low, direction)) / (high - low);
            const double variance = slope * slope * p + cycle_variance(o, branch, step, noise.cycle);
            result.weights.variance.push_back(variance);
            const Prediction next = clipped(at + sign * step, variance);
            u = next.mean;
            p = next.variance;
        }
        const double variance = std::max(p + read, kLeastNoise * kLeastNoise);
        const double innovation = (trace.g[i] - device.g_low) / range - u;
        const double gain = p / variance;
        result.log_likelihood -=
            0.5 * (innovation * innovation / variance + std::log(2 * M_PI * variance * range * range));
        result.squares += innovation * innovation * range * range;
        ++result.count;
        result.weights.gain.push_back(gain);
        result.weights.deviation.push_back(std::sqrt(variance) * range);
        u += gain * innovation;
        p *= 1 - gain;
    }
}

struct Problem {
    const PulseData& data;
    std::vector<Slot> slots;
    std::vector<OwnFactors> own;  // (devices)
};

FilterResult run_filter(const Problem& problem, const Model& model, const Noise& noise) {
    FilterResult result;
    for (size_t d = 0; d < problem.data.traces.size(); ++d)
        filter_trace(model, problem.data.traces[d], device_of(model, problem.own[d]), noise, result);
    if (!std::isfinite(result.log_likelihood)) result.log_likelihood = -kUnlikely;
    return result;
}

/// Standardised innovations of one trace with given weights.
void append_innovations(const Model& model, const PulseTrace& trace, const SwitchingDevice& device,
                        const Weights& weights, size_t& next, size_t& pulse, double* out) {
    const double range = device.g_high - device.g_low;
    double u = (trace.g[0] - device.g_low) / range;
    for (size_t i = 1; i < trace.g.size(); ++i, ++next) {
        for (int64_t n = trace.pulse[i - 1]; n < trace.pulse[i]; ++n) {
            const double at = inside(u);
            const double step = mean_step(model.switching, device, at, direction_of(trace.sign[i]));
            u = clipped(at + trace.sign[i] * step, weights.variance[pulse++]).mean;
        }
        const double innovation = (trace.g[i] - device.g_low) / range - u;
        out[next] = innovation * range / weights.deviation[next];
        u += weights.gain[next] * innovation;
    }
}

// ---------------------------------------------------------------------------------------------- Levenberg, Marquardt

struct LeastSquares {
    VectorXd x;
    MatrixXd covariance;
    double cost = 0;
};

using Residuals = std::function<VectorXd(const VectorXd&)>;

MatrixXd jacobian(const Residuals& residuals, const VectorXd& x, const VectorXd& at, const VectorXd& low,
                  const VectorXd& high) {
    constexpr double kStep = 1e-5;  // of a parameter's scale, which is 1 here
    MatrixXd j(at.size(), x.size());
    for (Eigen::Index c = 0; c < x.size(); ++c) {
        VectorXd up = x, down = x;
        up[c] = std::min(high[c], x[c] + kStep);
        down[c] = std::max(low[c], x[c] - kStep);
        j.col(c) = (residuals(up) - residuals(down)) / (up[c] - down[c]);
    }
    return j;
}

/// Inverse; directions that the data say nothing about get a large variance instead of none.
MatrixXd covariance_of(const MatrixXd& normal) {
    constexpr double kFloor = 1e-13;  // of the largest diagonal element
    const MatrixXd identity = MatrixXd::Identity(normal.rows(), normal.cols());
    return (normal + std::max(normal.diagonal().maxCoeff(), 1e-30) * kFloor * identity).ldlt().solve(identity);
}

/// Least squares within bounds; steps are cut at them.
LeastSquares minimise(const Residuals& residuals, VectorXd x, const VectorXd& low, const VectorXd& high,
                      int most_iterations) {
    LeastSquares best;
    VectorXd r = residuals(x);
    double cost = r.squaredNorm(), damping = 1e-3;
    MatrixXd normal = MatrixXd::Zero(x.size(), x.size());
    for (int iteration = 0; iteration < most_iterations; ++iteration) {
        const MatrixXd j = jacobian(residuals, x, r, low, high);
        normal = j.transpose() * j;
        const VectorXd gradient = j.transpose() * r;
        bool improved = false;
        double gained = 0;
        for (int attempt = 0; attempt < 12 && !improved; ++attempt, damping *= 4) {
            MatrixXd damped = normal;
            for (Eigen::Index i = 0; i < x.size(); ++i) damped(i, i) += damping * (normal(i, i) + 1e-12);
            const VectorXd trial = (x - damped.ldlt().solve(gradient)).cwiseMax(low).cwiseMin(high);
            if (!trial.allFinite()) continue;
            const VectorXd trial_r = residuals(trial);
            const double trial_cost = trial_r.squaredNorm();
            if (!(trial_cost < cost)) continue;
            gained = cost - trial_cost;
            x = trial;
            r = trial_r;
            cost = trial_cost;
            improved = true;
            damping /= 40;
        }
        damping = std::clamp(damping, 1e-12, 1e8);
        if (!improved || gained < 1e-9 * cost) break;
    }
    const MatrixXd j = jacobian(residuals, x, r, low, high);
    best.covariance = covariance_of(j.transpose() * j);
    best.x = x;
    best.cost = cost;
    return best;
}

// ---------------------------------------------------------------------------------------------- parameters

std::vector<Slot> law_slots(const PulseData& data, const PulseFitOptions& options, const Model& model) {
    std::vector<Slot> slots;
    const auto add = [&](bool up, const char* name, auto member, double low, double high, double scale,
                         const char* unit = "") {
        if (!(up ? data.has_up : data.has_down)) return;
        slots.push_back({name, unit, [member](Model& m) -> double& { return member(m.switching); }, low, high, scale});
    };
    using O = SwitchingOptions;
    const SwitchingOptions& o = model.switching;
    const bool steps = o.law != Law::exponential && o.law != Law::vteam && o.law != Law::piecewise;
    if (steps) {
        add(true, "step_up", member_of(&O::step_up), 1e-7, 1, o.step_up);
        add(false, "step_down", member_of(&O::step_down), 1e-7, 1, o.step_down);
    }
    switch (o.law) {
        case Law::exponential:
            add(true, "label_up", member_of(&O::label_up), -9, 9, 1);
            add(false, "label_down", member_of(&O::label_down), -9, 9, 1);
            break;
        case Law::linear:
            add(true, "slope_up", member_of(&O::slope_up), -10, 1, 1);
            add(false, "slope_down", member_of(&O::slope_down), -10, 1, 1);
            break;
        case Law::exp_step:
            add(true, "exp_factor_up", member_of(&O::exp_factor_up), -1e4, 1e4, 1);
            add(true, "exp_rate_up", member_of(&O::exp_rate_up), -50, 50, 1);
            add(false, "exp_factor_down", member_of(&O::exp_factor_down), -1e4, 1e4, 1);
            add(false, "exp_rate_down", member_of(&O::exp_rate_down), -50, 50, 1);
            break;
        case Law::pow_step:
            add(true, "power_up", member_of(&O::power_up), 0, 20, 1);
            add(false, "power_down", member_of(&O::power_down), 0, 20, 1);
            break;
        case Law::vteam:
            add(true, "vteam.k_on", member_of(&O::vteam, &VteamOptions::k_on), -1e15, -1e-9, -o.vteam.k_on, "1/s");
            add(false, "vteam.k_off", member_of(&O::vteam, &VteamOptions::k_off), 1e-9, 1e15, o.vteam.k_off, "1/s");
            break;
        case Law::piecewise:
            for (size_t i = 0; i < o.table_up.size(); ++i) {
                const auto up = [i](SwitchingOptions& s) -> double& { return s.table_up[i]; };
                const auto down = [i](SwitchingOptions& s) -> double& { return s.table_down[i]; };
                add(true, fmt::format("table_up[{}]", i).c_str(), up, 0, 1e6, 1);
                add(false, fmt::format("table_down[{}]", i).c_str(), down, 0, 1e6, 1);
            }
            break;
        case Law::constant:
        case Law::soft_bounds:
            break;
    }
    // Only where a law's steps end at its bounds do pulses show where these are.
    const double range = model.g_max - model.g_min;
    if (o.law == Law::exponential || o.law == Law::soft_bounds || o.law == Law::pow_step) {
        const double margin = 0.45 * range;
        if (!options.g_max && data.has_up)
            slots.push_back({"g_max", "S", [](Model& m) -> double& { return m.g_max; }, model.g_max - margin,
                             model.g_max + 10 * range, range});
        if (!options.g_min && data.has_down)
            slots.push_back({"g_min", "S", [](Model& m) -> double& { return m.g_min; },
                             std::max(0.0, model.g_min - 10 * range), model.g_min + margin, range});
    }
    return slots;
}

/// Largest number of pulses one way without turning back: P of the exponential law.
int longest_run(const PulseData& data, int8_t sign) {
    int64_t longest = 0;
    for (const PulseTrace& trace : data.traces) {
        int64_t run = 0;
        for (size_t i = 1; i < trace.g.size(); ++i) {
            run = trace.sign[i] == sign ? run + trace.pulse[i] - trace.pulse[i - 1] : 0;
            longest = std::max(longest, run);
        }
    }
    return static_cast<int>(std::clamp<int64_t>(longest, 2, 1000000));
}

/// Step at the start of a branch and its slope, by a straight line through the measured steps.
struct RoughStep {
    double step = 0.01, slope = 0;
};

RoughStep rough_step(const PulseData& data, const Model& model, int8_t sign) {
    const double range = model.g_max - model.g_min;
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (const PulseTrace& trace : data.traces) {
        for (size_t i = 1; i < trace.g.size(); ++i) {
            if (trace.sign[i] != sign) continue;
            const double u = ((trace.g[i] + trace.g[i - 1]) / 2 - model.g_min) / range;
            const double done = sign > 0 ? u : 1 - u;
            const double step =
                sign * (trace.g[i] - trace.g[i - 1]) / range / static_cast<double>(trace.pulse[i] - trace.pulse[i - 1]);
            n += 1;
            x += done;
            y += step;
            xx += done * done;
            xy += done * step;
        }
    }
    RoughStep rough;
    if (n == 0) return rough;
    const double spread = n * xx - x * x;
    const double tilt = spread > 1e-12 * n * n ? (n * xy - x * y) / spread : 0;
    rough.step = std::clamp((y - tilt * x) / n, 1e-6, 1.0);
    if (rough.step <= 1e-6) rough.step = std::clamp(y / n, 1e-6, 1.0);
    rough.slope = std::clamp(-tilt / rough.step, -10.0, 1.0);
    return rough;
}

Model first_model(const PulseData& data, const PulseFitOptions& options) {
    Model model;
    model.switching = options.start;
    SwitchingOptions& o = model.switching;
    o.law = options.law;
    double least = 0, most = 0;
    for (const PulseTrace& trace : data.traces) {
        least += *std::min_element(trace.g.begin(), trace.g.end());
        most += *std::max_element(trace.g.begin(), trace.g.end());
    }
    const auto devices = static_cast<double>(data.traces.size());
    model.g_min = options.g_min.value_or(least / devices);
    model.g_max = options.g_max.value_or(most / devices);
    if (!(model.g_min < model.g_max)) {
        throw ConfigError(fmt::format("g_min = {} violates g_min < g_max = {} S", model.g_min, model.g_max));
    }
    const RoughStep up = rough_step(data, model, 1), down = rough_step(data, model, -1);
    o.step_up = up.step;
    o.step_down = down.step;
    switch (o.law) {
        case Law::exponential:
            o.pulses_up = longest_run(data, 1);
            o.pulses_down = longest_run(data, -1);
            o.label_up = std::clamp(label_of_curvature(up.slope * up.step * o.pulses_up), -8.0, 8.0);
            o.label_down = std::clamp(label_of_curvature(down.slope * down.step * o.pulses_down), -8.0, 8.0);
            break;
        case Law::linear:
            o.slope_up = up.slope;
            o.slope_down = down.slope;
            break;
        case Law::pow_step:
            o.power_up = o.power_down = 1;
            break;
        case Law::piecewise: {
            const auto table = [&](const RoughStep& rough) {
                std::vector<double> values;
                for (int i = 0; i < options.table_nodes; ++i)
                    values.push_back(std::max(0.1, 1 - rough.slope * i / (options.table_nodes - 1)));
                return values;
            };
            o.table_up = table(up);
            o.table_down = table(down);
            std::reverse(o.table_down.begin(), o.table_down.end());
            break;
        }
        case Law::exp_step:
            o.exp_a = o.exp_b = 0.5;
            break;
        case Law::vteam: {
            if (o.vteam.k_on == 0) o.vteam.k_on = -1;
            if (o.vteam.k_off == 0) o.vteam.k_off = 1;
            // Rates that make a pulse as long as the measured steps; the check below speaks of what remains.
            o.vteam.k_on *= up.step / std::max(nominal_device(o, model.g_min, model.g_max).up.travel, 1e-300);
            o.vteam.k_off *= down.step / std::max(nominal_device(o, model.g_min, model.g_max).down.travel, 1e-300);
            break;
        }
        case Law::constant:
        case Law::soft_bounds:
            break;
    }
    if (const std::string violation = find_switching_violation(o, model.g_min, model.g_max); !violation.empty())
        throw ConfigError("law " + to_string(o.law) + ": " + violation);
    return model;
}

// ---------------------------------------------------------------------------------------------- the fit

VectorXd values_of(const Problem& problem, Model model) {
    VectorXd x(static_cast<Eigen::Index>(problem.slots.size()));
    for (size_t i = 0; i < problem.slots.size(); ++i)
        x[static_cast<Eigen::Index>(i)] = problem.slots[i].at(model) / problem.slots[i].scale;
    return x;
}

Model model_with(const Problem& problem, Model model, const VectorXd& x) {
    for (size_t i = 0; i < problem.slots.size(); ++i)
        problem.slots[i].at(model) = x[static_cast<Eigen::Index>(i)] * problem.slots[i].scale;
    return model;
}

LeastSquares fit_parameters(const Problem& problem, Model& model, const Weights& weights, int iterations) {
    const auto count = static_cast<Eigen::Index>(problem.slots.size());
    VectorXd low(count), high(count);
    for (Eigen::Index i = 0; i < count; ++i) {
        const Slot& slot = problem.slots[static_cast<size_t>(i)];
        low[i] = slot.low / slot.scale;
        high[i] = slot.high / slot.scale;
    }
    const Residuals residuals = [&](const VectorXd& x) {
        const Model trial = model_with(problem, model, x);
        VectorXd out(static_cast<Eigen::Index>(weights.gain.size()));
        size_t next = 0, pulse = 0;
        for (size_t d = 0; d < problem.data.traces.size(); ++d)
            append_innovations(trial, problem.data.traces[d], device_of(trial, problem.own[d]), weights, next, pulse,
                               out.data());
        return out;
    };
    const LeastSquares best = minimise(residuals, values_of(problem, model), low, high, iterations);
    model = model_with(problem, model, best.x);
    return best;
}

/// Largest value of a function of one variable by golden sections.
double best_between(const std::function<double(double)>& f, double low, double high, int sections) {
    constexpr double kGolden = 0.6180339887498949;
    double a = high - kGolden * (high - low), b = low + kGolden * (high - low);
    double fa = f(a), fb = f(b);
    for (int i = 0; i < sections; ++i) {
        if (fa > fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - kGolden * (high - low);
            fa = f(a);
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + kGolden * (high - low);
            fb = f(b);
        }
    }
    return (low + high) / 2;
}

/// Both noises by maximum likelihood, each in turn on a logarithmic scale around the last.
double climb_noise(const Problem& problem, const Model& model, Noise& noise, double reach, int rounds) {
    double best = -kUnlikely;
    for (int round = 0; round < rounds; ++round, reach /= 2) {
        for (double Noise::*part : {&Noise::cycle, &Noise::read}) {
            const double centre = std::log(std::max(noise.*part, kLeastNoise * 10));
            const auto likelihood = [&](double x) {
                Noise trial = noise;
                trial.*part = std::exp(x);
                return run_filter(problem, model, trial).log_likelihood;
            };
            noise.*part = std::exp(best_between(likelihood, std::max(std::log(kLeastNoise), centre - reach),
                                                std::min(std::log(100.0), centre + reach), 14));
        }
        const double now = run_filter(problem, model, noise).log_likelihood;
        if (now - best < 0.01) return std::max(now, best);
        best = now;
    }
    return best;
}

/// The likelihood may have two tops, one where cycles and one where readings explain more: climbs from both sides.
void fit_noise(const Problem& problem, const Model& model, Noise& noise, double reach) {
    constexpr int kRounds = 4;
    Noise best = noise;
    double top = climb_noise(problem, model, best, reach, kRounds);
    for (const Noise& start :
         {Noise{best.cycle * 0.7, std::max(best.read * 3, 1e-4)}, Noise{best.cycle * 0.05, best.read * 2}}) {
        Noise trial = start;
        const double reached = climb_noise(problem, model, trial, 1, kRounds);
        if (reached > top) {
            top = reached;
            best = trial;
        }
    }
    noise = best;
}

/// Own factors of each device with the common parameters held.
void fit_devices(Problem& problem, const Model& model, const Weights& weights, std::vector<OwnFactors>& errors) {
    size_t first = 0, first_pulse = 0;
    errors.assign(problem.own.size(), {});
    for (size_t d = 0; d < problem.own.size(); ++d) {
        const PulseTrace& trace = problem.data.traces[d];
        const size_t count = trace.g.size() - 1;
        const auto pulses = static_cast<size_t>(trace.pulse.back() - trace.pulse.front());
        const auto part = [](const std::vector<double>& all, size_t begin, size_t size) {
            const auto from = all.begin() + static_cast<std::ptrdiff_t>(begin);
            return std::vector<double>(from, from + static_cast<std::ptrdiff_t>(size));
        };
        const Weights own{part(weights.gain, first, count), part(weights.deviation, first, count),
                          part(weights.variance, first_pulse, pulses)};
        first += count;
        first_pulse += pulses;
        const Residuals residuals = [&](const VectorXd& x) {
            VectorXd out(static_cast<Eigen::Index>(count));
            size_t next = 0, pulse = 0;
            append_innovations(model, trace, device_of(model, {x[0], x[1]}), own, next, pulse, out.data());
            return out;
        };
        const bool labels = model.switching.law == Law::exponential;
        const VectorXd low = VectorXd::Constant(2, labels ? -9 : -0.99), high = VectorXd::Constant(2, labels ? 9 : 20);
        const LeastSquares best = minimise(residuals, VectorXd::Zero(2), low, high, 20);
        problem.own[d] = {best.x[0], best.x[1]};
        errors[d] = {std::sqrt(best.covariance(0, 0)), std::sqrt(best.covariance(1, 1))};
    }
}

struct Spread {
    double mean = 0, sigma = 0;
};

/// Of numbers that each carry a known variance of estimation.
Spread spread_of(const std::vector<double>& values, double estimation_variance) {
    Spread s;
    const auto n = static_cast<double>(values.size());
    for (double v : values) s.mean += v / n;
    for (double v : values) s.sigma += (v - s.mean) * (v - s.mean) / (n - 1);
    s.sigma = std::sqrt(std::max(0.0, s.sigma - estimation_variance));
    return s;
}

void fit_spread(Problem& problem, const PulseData& data, Model& model, const Weights& weights) {
    std::vector<OwnFactors> errors;
    fit_devices(problem, model, weights, errors);
    std::vector<double> up, down, common, difference;
    double variance_up = 0, variance_down = 0;
    for (size_t d = 0; d < errors.size(); ++d) {
        up.push_back(problem.own[d].up);
        down.push_back(problem.own[d].down);
        common.push_back((up[d] + down[d]) / 2);
        difference.push_back((up[d] - down[d]) / 2);
        variance_up += errors[d].up * errors[d].up / static_cast<double>(errors.size());
        variance_down += errors[d].down * errors[d].down / static_cast<double>(errors.size());
    }
    SwitchingSpread& spread = model.switching.spread;
    spread = {};
    const bool both = data.has_up && data.has_down;
    const std::vector<double>& only = data.has_up ? up : down;
    const double only_variance = data.has_up ? variance_up : variance_down;
    if (model.switching.law == Law::exponential) {
        const double a = spread_of(up, variance_up).sigma, b = spread_of(down, variance_down).sigma;
        spread.label = both ? std::sqrt((a * a + b * b) / 2) : spread_of(only, only_variance).sigma;
    } else if (both) {
        spread.step = spread_of(common, (variance_up + variance_down) / 4).sigma;
        spread.asymmetry = spread_of(difference, (variance_up + variance_down) / 4).sigma;
    } else {
        spread.step = spread_of(only, only_variance).sigma;
    }
}

/// Parameters and noises in turns until the likelihood rests.
struct Converged {
    Model model;
    Noise noise;
    FilterResult filter;
    MatrixXd covariance;
};

Converged converge(Problem& problem, const Model& start, Noise noise) {
    Converged state{start, noise, {}, {}};
    double before = -kUnlikely, reach = 4;
    for (int turn = 0; turn < 12; ++turn) {
        fit_noise(problem, state.model, state.noise, reach);
        const FilterResult weighed = run_filter(problem, state.model, state.noise);
        const Model last = state.model;
        state.covariance = fit_parameters(problem, state.model, weighed.weights, turn == 0 ? 30 : 8).covariance;
        state.filter = run_filter(problem, state.model, state.noise);
        if (state.filter.log_likelihood < weighed.log_likelihood - 1) {  // the weights of the turn misled it
            state.model = last;
            state.filter = weighed;
            break;
        }
        reach = 1;
        if (std::abs(state.filter.log_likelihood - before) < 0.01) break;
        before = state.filter.log_likelihood;
    }
    return state;
}

/// step (1 - A exp(rate z)) through the measured steps of one direction by linear least squares at a given rate.
struct ExponentialStart {
    double step = 0.01, factor = 0, rate = 1;
    double squares = kUnlikely;
};

ExponentialStart exponential_start(const PulseData& data, const Model& model, int8_t sign, double rate) {
    const double range = model.g_max - model.g_min;
    Eigen::Matrix2d normal = Eigen::Matrix2d::Zero();
    Eigen::Vector2d right = Eigen::Vector2d::Zero();
    double total = 0;
    for (const PulseTrace& trace : data.traces) {
        for (size_t i = 1; i < trace.g.size(); ++i) {
            if (trace.sign[i] != sign) continue;
            const double u = inside(((trace.g[i] + trace.g[i - 1]) / 2 - model.g_min) / range);
            const double step =
                sign * (trace.g[i] - trace.g[i - 1]) / range / static_cast<double>(trace.pulse[i] - trace.pulse[i - 1]);
            const Eigen::Vector2d basis(1, std::exp(sign * rate * u));
            normal += basis * basis.transpose();
            right += basis * step;
            total += step * step;
        }
    }
    const Eigen::Vector2d x = normal.ldlt().solve(right);
    ExponentialStart start;
    if (!x.allFinite() || !(x[0] > 1e-6 && x[0] < 1)) return start;
    start.step = x[0];
    start.factor = -x[1] / x[0];
    start.rate = rate;
    start.squares = total - right.dot(x);
    return start;
}

/// Starting points: the exponents of exp_step have more than one valley; growing and falling ones are tried apart.
std::vector<Model> starts(const PulseData& data, const Model& model) {
    if (model.switching.law != Law::exp_step) return {model};
    const auto best = [&](int8_t sign, std::initializer_list<double> rates) {
        ExponentialStart found;
        for (double rate : rates) {
            const ExponentialStart one = exponential_start(data, model, sign, rate);
            if (one.squares < found.squares) found = one;
        }
        return found;
    };
    std::vector<Model> all;
    for (bool up_grows : {true, false}) {
        for (bool down_grows : {true, false}) {
            const ExponentialStart up = up_grows ? best(1, {1, 2, 4, 8, 16}) : best(1, {-1, -2, -4, -8, -16});
            const ExponentialStart down = down_grows ? best(-1, {1, 2, 4, 8, 16}) : best(-1, {-1, -2, -4, -8, -16});
            Model one = model;
            SwitchingOptions& o = one.switching;
            if (data.has_up) o.step_up = up.step, o.exp_factor_up = up.factor, o.exp_rate_up = up.rate;
            if (data.has_down) o.step_down = down.step, o.exp_factor_down = down.factor, o.exp_rate_down = down.rate;
            all.push_back(one);
        }
    }
    return all;
}

double standard_error(const std::function<double(double)>& likelihood, double centre) {
    constexpr double kStep = 0.05;  // of a logarithm
    const double curvature = likelihood(centre + kStep) - 2 * likelihood(centre) + likelihood(centre - kStep);
    return curvature < -1e-9 ? kStep / std::sqrt(-curvature) : std::numeric_limits<double>::infinity();
}

void mirror(const PulseData& data, PulseFit& fit) {
    SwitchingOptions& o = fit.switching;
    fit.mirrored_up = !data.has_up;
    fit.mirrored_down = !data.has_down;
    const auto copy = [&](auto& up, auto& down) {
        if (fit.mirrored_up) up = down;
        if (fit.mirrored_down) down = up;
    };
    copy(o.pulses_up, o.pulses_down);
    copy(o.label_up, o.label_down);
    copy(o.step_up, o.step_down);
    copy(o.slope_up, o.slope_down);
    copy(o.power_up, o.power_down);
    if ((fit.mirrored_up || fit.mirrored_down) && o.law == Law::piecewise) {
        std::vector<double> table = fit.mirrored_up ? o.table_down : o.table_up;
        std::reverse(table.begin(), table.end());
        (fit.mirrored_up ? o.table_up : o.table_down) = table;
    }
    // f_down(u) = f_up(1 - u): A exp(-gamma_down z) = A_up exp(gamma_up (1 - z)) at z = u.
    if (o.law == Law::exp_step && fit.mirrored_down) {
        o.exp_rate_down = o.exp_rate_up;
        o.exp_factor_down = o.exp_factor_up * std::exp(o.exp_rate_up);
    }
    if (o.law == Law::exp_step && fit.mirrored_up) {
        o.exp_rate_up = o.exp_rate_down;
        o.exp_factor_up = o.exp_factor_down * std::exp(-o.exp_rate_down);
    }
}

double pulses_across(const SwitchingOptions& o, const SwitchingDevice& device, PulseDirection direction) {
    constexpr int kMost = 1000000;
    constexpr double kAcross = 0.99;
    const bool up = direction == PulseDirection::up;
    double u = up ? 0 : 1;
    for (int pulse = 0; pulse < kMost; ++pulse) {
        if ((up ? u : 1 - u) >= kAcross) return pulse;
        const double next = apply_pulse(o, device, u, direction, 0);
        if (next == u) return 0;
        u = next;
    }
    return 0;
}

void add_curves(const Problem& problem, const Model& model, PulseFit& fit) {
    double squares = 0, mean = 0, total = 0;
    int64_t count = 0;
    for (const PulseTrace& trace : problem.data.traces)
        for (double g : trace.g) mean += g / static_cast<double>(problem.data.readings);
    for (size_t d = 0; d < problem.data.traces.size(); ++d) {
        const PulseTrace& trace = problem.data.traces[d];
        const SwitchingDevice device = device_of(model, problem.own[d]);
        std::vector<double> curve{trace.g[0]};
        double u = device.position(trace.g[0]);
        total += (trace.g[0] - mean) * (trace.g[0] - mean);
        for (size_t i = 1; i < trace.g.size(); ++i) {
            for (int64_t n = trace.pulse[i - 1]; n < trace.pulse[i]; ++n)
                u = inside(u + trace.sign[i] * mean_step(model.switching, device, u, direction_of(trace.sign[i])));
            curve.push_back(device.conductance(u));
            squares += (trace.g[i] - curve[i]) * (trace.g[i] - curve[i]);
            total += (trace.g[i] - mean) * (trace.g[i] - mean);
            ++count;
        }
        fit.curves.push_back(std::move(curve));
    }
    fit.curve_rms = std::sqrt(squares / static_cast<double>(count));
    fit.r_squared = 1 - squares / total;
}

void add_parameters(const Problem& problem, const Converged& state, PulseFit& fit) {
    Model model = state.model;
    const SwitchingSpread& spread = model.switching.spread;
    const auto devices = static_cast<double>(problem.data.traces.size());
    for (size_t i = 0; i < problem.slots.size(); ++i) {
        const Slot& slot = problem.slots[i];
        FittedParameter p;
        p.name = slot.name;
        p.unit = slot.unit;
        p.value = slot.at(model);
        const auto c = static_cast<Eigen::Index>(i);
        p.error = std::sqrt(state.covariance(c, c)) * std::abs(slot.scale);
        // The mean of a few devices is uncertain by their spread, too.
        const bool scales = p.name.rfind("step_", 0) == 0 || p.name.rfind("vteam.k", 0) == 0;
        if (scales)
            p.error = std::hypot(p.error, p.value * std::hypot(spread.step, spread.asymmetry) / std::sqrt(devices));
        if (p.name.rfind("label_", 0) == 0) p.error = std::hypot(p.error, spread.label / std::sqrt(devices));
        p.determined = p.error < std::max(std::abs(p.value), std::abs(slot.scale));
        fit.g_min_fitted = fit.g_min_fitted || p.name == "g_min";
        fit.g_max_fitted = fit.g_max_fitted || p.name == "g_max";
        fit.parameters.push_back(std::move(p));
    }
    const double range = model.g_max - model.g_min;
    for (auto [name, part, unit] :
         {std::tuple("cycle_sigma", &Noise::cycle, 1.0), std::tuple("read_sigma", &Noise::read, range)}) {
        const double value = state.noise.*part;
        const auto likelihood = [&](double x) {
            Noise trial = state.noise;
            trial.*part = std::exp(x);
            return run_filter(problem, state.model, trial).log_likelihood;
        };
        const double relative = standard_error(likelihood, std::log(value));
        FittedParameter p;
        p.name = name;
        p.unit = part == &Noise::read ? "S" : "";
        p.determined = relative < 1;
        p.value = value * unit;
        p.error = p.determined ? value * unit * relative : value * unit;
        fit.parameters.push_back(std::move(p));
    }
}

PulseFit describe(Problem& problem, const Converged& state) {
    PulseFit fit;
    fit.switching = state.model.switching;
    fit.g_min = state.model.g_min;
    fit.g_max = state.model.g_max;
    fit.read_sigma = state.noise.read * (fit.g_max - fit.g_min);
    fit.readings = problem.data.readings;
    fit.devices = static_cast<int64_t>(problem.data.traces.size());
    fit.log_likelihood = state.filter.log_likelihood;
    const auto n = static_cast<double>(state.filter.count);
    fit.bic = (static_cast<double>(problem.slots.size()) + 2) * std::log(n) - 2 * fit.log_likelihood;
    fit.pulse_rms = std::sqrt(state.filter.squares / n);
    add_parameters(problem, state, fit);
    add_curves(problem, state.model, fit);
    mirror(problem.data, fit);
    const SwitchingDevice device = nominal_device(fit.switching, fit.g_min, fit.g_max);
    fit.states_up = pulses_across(fit.switching, device, PulseDirection::up);
    fit.states_down = pulses_across(fit.switching, device, PulseDirection::down);
    return fit;
}

PulseFit fit_with_noise(const PulseData& data, const PulseFitOptions& options, CycleNoise kind) {
    Model model = first_model(data, options);
    model.switching.cycle_noise = kind;
    Problem problem{data, law_slots(data, options, model), std::vector<OwnFactors>(data.traces.size())};
    const Noise noise{kind == CycleNoise::range ? 0.01 : 0.3, 0.01};
    std::optional<Converged> best;
    for (const Model& start : starts(data, model)) {
        Converged one = converge(problem, start, noise);
        if (!best || one.filter.log_likelihood > best->filter.log_likelihood) best = std::move(one);
    }
    if (data.traces.size() > 1) {
        fit_spread(problem, data, best->model, best->filter.weights);
        fit_noise(problem, best->model, best->noise, 2);
        best->filter = run_filter(problem, best->model, best->noise);
    }
    best->model.switching.cycle_sigma = best->noise.cycle <= 10 * kLeastNoise ? 0 : best->noise.cycle;
    return describe(problem, *best);
}

}  // namespace

PulseFit fit_pulses(const PulseData& data, const PulseFitOptions& options) {
    if (options.cycle_noise) return fit_with_noise(data, options, *options.cycle_noise);
    PulseFit step = fit_with_noise(data, options, CycleNoise::step);
    PulseFit range = fit_with_noise(data, options, CycleNoise::range);
    return step.log_likelihood >= range.log_likelihood ? step : range;
}

std::vector<PulseFit> fit_every_law(const PulseData& data, const PulseFitOptions& options) {
    std::vector<PulseFit> fits;
    for (Law law : {Law::exponential, Law::constant, Law::linear, Law::soft_bounds, Law::exp_step, Law::pow_step,
                    Law::piecewise}) {
        PulseFitOptions one = options;
        one.law = law;
        fits.push_back(fit_pulses(data, one));
        check_interrupt();
    }
    std::stable_sort(fits.begin(), fits.end(), [](const PulseFit& a, const PulseFit& b) { return a.bic < b.bic; });
    return fits;
}

}  // namespace bitline
