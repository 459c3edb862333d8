// What a fit says to its user.

#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "devices/pulse_fit_parts.h"

namespace bitline::pulse_fit {

namespace {

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
        if (part == &Noise::read) p.unit = "S";
        p.determined = relative < 1;
        p.value = value * unit;
        p.error = p.determined ? value * unit * relative : value * unit;
        fit.parameters.push_back(std::move(p));
    }
}

}  // namespace

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

}  // namespace bitline::pulse_fit
