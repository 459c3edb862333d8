#include "devices/pulse_fit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.h"
#include "devices/pulse_fit_parts.h"

namespace bitline {

namespace {

using namespace pulse_fit;

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
