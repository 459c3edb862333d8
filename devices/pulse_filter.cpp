// The extended Kalman filter that follows a device through its pulses.

#include <cmath>

#include "devices/pulse_fit_parts.h"

namespace bitline::pulse_fit {

namespace {

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

}  // namespace

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

FilterResult run_filter(const Problem& problem, const Model& model, const Noise& noise) {
    FilterResult result;
    for (size_t d = 0; d < problem.data.traces.size(); ++d)
        filter_trace(model, problem.data.traces[d], device_of(model, problem.own[d]), noise, result);
    if (!std::isfinite(result.log_likelihood)) result.log_likelihood = -kUnlikely;
    return result;
}

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

}  // namespace bitline::pulse_fit
