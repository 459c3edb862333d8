#include "devices/switching.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitline {

namespace {

using Branch = SwitchingDevice::Branch;

constexpr double kLabelFactor = 10.1015;
constexpr double kLargestLabel = 9;
constexpr double kSeries = 0.1;        // below it the closed form cancels, and three terms give 11 digits
constexpr double kLargestTravel = 10;  // of x in units of its range, by one pulse

double clip(double x) { return x < 0 ? 0 : x < 1 ? x : 1; }

/// max_x (f(x) - x) for k > 0, at f'(x) = 1.
double bulge(double k) {
    if (k < kSeries) return k * (1.0 / 8 - k * k * (1.0 / 576 - k * k / 25920));
    const double d = -fixed_expm1(-k);
    return (1 - d / k) / d + fixed_log(d / k) / k;
}

/// Its derivative: by the envelope theorem that of f at the fixed x of the maximum.
double bulge_slope(double k) {
    if (k < kSeries) return 1.0 / 8 - k * k * (1.0 / 192 - k * k / 5184);
    const double d = -fixed_expm1(-k);
    const double decay = d / k, x = -fixed_log(decay) / k;  // decay = exp(-k x)
    return (x * decay * d - (1 - decay) * fixed_exp(-k)) / (d * d);
}

// ---------------------------------------------------------------------------------------------- VTEAM

double window(const VteamOptions& o, bool off, double x) {
    switch (o.window) {
        case VteamOptions::Window::none:
            return 1;
        case VteamOptions::Window::biolek: {
            const double y = off ? x : 1 - x;
            double power = 1;
            for (int i = 0; i < o.window_power; ++i) power *= y * y;
            return 1 - power;
        }
        case VteamOptions::Window::team:
            return fixed_exp(-fixed_exp((off ? x - o.a_off : o.a_on - x) / o.window_width));
    }
    return 0;
}

/// Fourth-order Runge-Kutta over one pulse; steps so short that the window changes little in each.
double integrate(const VteamOptions& o, bool off, double x, double travel) {
    if (o.window == VteamOptions::Window::none) return clip(off ? x + travel : x - travel);
    const double per_unit = o.window == VteamOptions::Window::team ? 8 / o.window_width : 32.0 * o.window_power;
    const double steps = std::max(8.0, std::ceil(travel * per_unit));
    const double h = (off ? travel : -travel) / steps;
    for (double i = 0; i < steps; ++i) {
        const double k1 = window(o, off, x);
        const double k2 = window(o, off, clip(x + h / 2 * k1));
        const double k3 = window(o, off, clip(x + h / 2 * k2));
        const double k4 = window(o, off, clip(x + h * k3));
        x = clip(x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4));
    }
    return x;
}

/// x from u and back; ratio = G_high / G_low.
double internal_state(const VteamOptions& o, double ratio, double u) {
    if (o.resistance == VteamOptions::Resistance::linear) return (1 - u) / (1 + (ratio - 1) * u);
    return clip(1 - fixed_log(1 + (ratio - 1) * u) / fixed_log(ratio));
}

double position_of(const VteamOptions& o, double ratio, double x) {
    if (o.resistance == VteamOptions::Resistance::linear) return (1 - x) / (1 + (ratio - 1) * x);
    return clip(fixed_expm1((1 - x) * fixed_log(ratio)) / (ratio - 1));
}

double vteam_step(const VteamOptions& o, const SwitchingDevice& device, double u, bool up) {
    const double ratio = device.g_high / device.g_low, distance = up ? device.up.travel : device.down.travel;
    if (distance == 0) return 0;  // not what is left of u after the way to x and back
    const double x = integrate(o, !up, internal_state(o, ratio, u), distance);
    const double moved = position_of(o, ratio, x) - u;
    return std::max(0.0, up ? moved : -moved);
}

double travel(double rate, double voltage, double threshold, double alpha, double width) {
    const double overdrive = voltage / threshold - 1;
    return overdrive > 0 ? std::abs(rate) * fixed_pow(overdrive, alpha) * width : 0;
}

// ---------------------------------------------------------------------------------------------- branches

double table_value(const std::vector<double>& table, double u) {
    const double at = u * static_cast<double>(table.size() - 1);
    const size_t node = std::min(static_cast<size_t>(at), table.size() - 2);
    const double share = at - static_cast<double>(node);
    return table[node] * (1 - share) + table[node + 1] * share;
}

/// Own numbers of a device: factors of the steps, additions to labels or slopes.
struct Variation {
    double factor_up = 1, factor_down = 1;
    double shift_up = 0, shift_down = 0;
};

Branch make_branch(const SwitchingOptions& o, bool up, double factor, double shift) {
    Branch branch;
    branch.step = (up ? o.step_up : o.step_down) * factor;
    if (o.law == SwitchingLaw::exponential) {
        const double label = (up ? o.label_up : o.label_down) + shift;
        const double k = curvature_of_label(std::clamp(label, -kLargestLabel, kLargestLabel));
        const double pulses = up ? o.pulses_up : o.pulses_down;
        branch.step = 1 / pulses;
        branch.asymptote = k == 0 ? 0 : -1 / fixed_expm1(-k);
        branch.gain = k == 0 ? 1 / pulses : -fixed_expm1(-k / pulses);
    } else if (o.law == SwitchingLaw::linear) {
        branch.slope = std::min(1.0, (up ? o.slope_up : o.slope_down) + shift);
    } else if (o.law == SwitchingLaw::pow_step) {
        branch.slope = std::max(0.0, (up ? o.power_up : o.power_down) + shift);
    } else if (o.law == SwitchingLaw::vteam) {
        const VteamOptions& v = o.vteam;
        branch.travel = factor * (up ? travel(v.k_on, o.voltage_up, v.v_on, v.alpha_on, o.pulse_width)
                                     : travel(v.k_off, o.voltage_down, v.v_off, v.alpha_off, o.pulse_width));
        branch.travel = std::min(branch.travel, kLargestTravel);
        branch.step = branch.travel;
    }
    return branch;
}

SwitchingDevice make_device(const SwitchingOptions& o, double g_low, double g_high, const Variation& own) {
    SwitchingDevice device;
    device.g_low = g_low;
    device.g_high = g_high;
    device.up = make_branch(o, true, own.factor_up, own.shift_up);
    device.down = make_branch(o, false, own.factor_down, own.shift_down);
    return device;
}

}  // namespace

std::string to_string(SwitchingLaw law) {
    switch (law) {
        case SwitchingLaw::exponential:
            return "exponential";
        case SwitchingLaw::constant:
            return "constant";
        case SwitchingLaw::linear:
            return "linear";
        case SwitchingLaw::soft_bounds:
            return "soft_bounds";
        case SwitchingLaw::exp_step:
            return "exp_step";
        case SwitchingLaw::pow_step:
            return "pow_step";
        case SwitchingLaw::piecewise:
            return "piecewise";
        case SwitchingLaw::vteam:
            return "vteam";
    }
    return "";
}

std::string find_switching_violation(const SwitchingOptions& o, double g_min, double g_max) {
    if (o.law == SwitchingLaw::piecewise) {
        for (const auto& [name, table] : {std::pair("table_up", &o.table_up), std::pair("table_down", &o.table_down)}) {
            if (table->size() < 2) return fmt::format("{} has {} values and needs at least 2", name, table->size());
        }
    }
    if (o.law != SwitchingLaw::vteam) return {};
    const VteamOptions& v = o.vteam;
    if (!(g_min > 0 && g_min < g_max))
        return "law = vteam needs g_min > 0: an off resistance without limit has no state";
    if (!(v.v_on < 0)) return fmt::format("vteam.v_on = {} violates vteam.v_on < 0 V", v.v_on);
    if (!(v.v_off > 0)) return fmt::format("vteam.v_off = {} violates vteam.v_off > 0 V", v.v_off);
    if (!(v.k_on < 0)) return fmt::format("vteam.k_on = {} violates vteam.k_on < 0 1/s", v.k_on);
    if (!(v.k_off > 0)) return fmt::format("vteam.k_off = {} violates vteam.k_off > 0 1/s", v.k_off);
    if (!(o.voltage_up < v.v_on)) {
        return fmt::format("voltage_up = {} violates voltage_up < vteam.v_on = {} V: no pulse would switch",
                           o.voltage_up, v.v_on);
    }
    if (!(o.voltage_down > v.v_off)) {
        return fmt::format("voltage_down = {} violates voltage_down > vteam.v_off = {} V: no pulse would switch",
                           o.voltage_down, v.v_off);
    }
    const double up = travel(v.k_on, o.voltage_up, v.v_on, v.alpha_on, o.pulse_width);
    const double down = travel(v.k_off, o.voltage_down, v.v_off, v.alpha_off, o.pulse_width);
    if (!(std::max(up, down) <= kLargestTravel)) {
        return fmt::format(
            "|k| (v / v_threshold - 1)^alpha * pulse_width = {:.4g} violates <= {}: one pulse would "
            "cross the whole range that often; shorten it",
            std::max(up, down), kLargestTravel);
    }
    return {};
}

double label_of_curvature(double k) { return k < 0 ? -kLabelFactor * bulge(-k) : k > 0 ? kLabelFactor * bulge(k) : 0; }

double curvature_of_label(double label) {
    if (label == 0) return 0;
    const double target = std::abs(label) / kLabelFactor;
    // The bulge is concave in k and below k / 8: Newton's iterates rise to the root and never pass it.
    double k = 8 * target;
    for (int i = 0; i < 64; ++i) {
        const double change = (target - bulge(k)) / bulge_slope(k);
        k += change;
        if (change < 1e-14 * k) break;
    }
    return label < 0 ? -k : k;
}

double SwitchingDevice::position(double g) const { return clip((g - g_low) / (g_high - g_low)); }

SwitchingDevice nominal_device(const SwitchingOptions& options, double g_min, double g_max) {
    return make_device(options, g_min, g_max, {});
}

SwitchingDevice sample_device(const SwitchingOptions& options, double g_min, double g_max, StreamKey spread,
                              uint32_t array, uint32_t row, uint32_t column) {
    const SwitchingSpread& s = options.spread;
    const Counter first = philox({column, array, row, 0}, spread);
    const double common = 1 + s.step * gaussian(first[0]), asymmetry = s.asymmetry * gaussian(first[1]);
    Variation own;
    own.factor_up = std::max(0.0, common + asymmetry);
    own.factor_down = std::max(0.0, common - asymmetry);
    const double shift = options.law == SwitchingLaw::exponential ? s.label : s.slope;
    if (shift > 0) {
        const Counter second = philox({column, array, row, 1}, spread);
        own.shift_up = shift * gaussian(second[0]);
        own.shift_down = shift * gaussian(second[1]);
    }
    constexpr double kLeastWindow = 0.1;
    const double range = g_max - g_min;
    double low = g_min, high = g_max;
    if (s.range > 0) {
        const double middle = g_min + range / 2, half = kLeastWindow / 2 * range;
        low = std::clamp(g_min + range * s.range * gaussian(first[2]), std::min(g_min, 0.001 * range), middle - half);
        high = std::max(g_max + range * s.range * gaussian(first[3]), middle + half);
    }
    return make_device(options, low, high, own);
}

double mean_step(const SwitchingOptions& o, const SwitchingDevice& device, double u, PulseDirection direction) {
    const bool up = direction == PulseDirection::up;
    const Branch& branch = up ? device.up : device.down;
    const double done = up ? u : 1 - u;  // share of the window behind the state
    switch (o.law) {
        case SwitchingLaw::exponential:
            return branch.asymptote == 0 ? branch.gain : (branch.asymptote - done) * branch.gain;
        case SwitchingLaw::constant:
            return branch.step;
        case SwitchingLaw::linear:
            return branch.step * std::max(0.0, 1 - branch.slope * done);
        case SwitchingLaw::soft_bounds:
            return branch.step * (1 - done);
        case SwitchingLaw::exp_step: {
            const double z = o.exp_a * (2 * u - 1) + o.exp_b;
            const double factor = up ? o.exp_factor_up : o.exp_factor_down;
            return branch.step * std::max(0.0, 1 - factor * fixed_exp(up ? o.exp_rate_up * z : -o.exp_rate_down * z));
        }
        case SwitchingLaw::pow_step:
            return branch.step * fixed_pow(1 - done, branch.slope);
        case SwitchingLaw::piecewise:
            return branch.step * table_value(up ? o.table_up : o.table_down, u);
        case SwitchingLaw::vteam:
            return vteam_step(o.vteam, device, u, up);
    }
    return 0;
}

double apply_pulse(const SwitchingOptions& o, const SwitchingDevice& device, double u, PulseDirection direction,
                   double xi) {
    const bool up = direction == PulseDirection::up;
    double step = mean_step(o, device, u, direction);
    if (o.cycle_sigma > 0) {
        const double unit = o.cycle_noise == SwitchingOptions::CycleNoise::step ? step
                            : o.cycle_noise == SwitchingOptions::CycleNoise::mean_step
                                ? (up ? device.up : device.down).step
                                : 1.0;
        step += o.cycle_sigma * unit * xi;
    }
    return clip(up ? u + step : u - step);
}

double CellGaussians::next() {
    if (lane_ == 4) {
        block_ = philox(counter_, key_);
        ++counter_[3];
        lane_ = 0;
    }
    return gaussian(block_[static_cast<size_t>(lane_++)]);
}

std::vector<double> apply_pulses(const SwitchingOptions& options, const SwitchingDevice& device, double u,
                                 PulseDirection direction, int count, CellGaussians* noise) {
    std::vector<double> positions(static_cast<size_t>(count));
    for (double& position : positions) {
        u = apply_pulse(options, device, u, direction, noise ? noise->next() : 0);
        position = u;
    }
    return positions;
}

}  // namespace bitline
