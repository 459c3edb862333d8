// Parameters and noises that explain the data best.

#include <cmath>

#include "devices/least_squares.h"
#include "devices/pulse_fit_parts.h"

namespace bitline::pulse_fit {

namespace {

using Eigen::VectorXd;

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

}  // namespace

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

}  // namespace bitline::pulse_fit
