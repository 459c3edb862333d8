// Where a fit begins: which parameters a law has, and a model near the data.

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/options.h"
#include "devices/pulse_fit_parts.h"

namespace bitline::pulse_fit {

namespace {

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

}  // namespace

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

}  // namespace bitline::pulse_fit
