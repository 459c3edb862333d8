#include "peripherals/lloyd_max.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace bitline {

namespace {

/// Running sums over the places, from the first one on: any interval's weight and mean in two differences.
struct Sums {
    std::vector<double> weight, moment;  // (places + 1)

    Sums(const std::vector<double>& at, const std::vector<double>& weights) : weight{0.0}, moment{0.0} {
        for (size_t i = 0; i < at.size(); ++i) {
            weight.push_back(weight.back() + weights[i]);
            moment.push_back(moment.back() + weights[i] * (at[i] - at[0]));
        }
    }
};

size_t first_from(const std::vector<double>& at, double threshold) {
    return static_cast<size_t>(std::lower_bound(at.begin(), at.end(), threshold) - at.begin());
}

/// Values at equal shares of the cube root of the density, counted in intervals of equal width.
std::vector<double> first_values(const std::vector<double>& at, const std::vector<double>& weight, int levels) {
    constexpr size_t kIntervals = 4096;
    const double low = at.front(), width = std::max(at.back() - low, 1e-300) / static_cast<double>(kIntervals);
    std::vector<double> density(kIntervals, 0.0);
    for (size_t i = 0; i < at.size(); ++i)
        density[std::min(kIntervals - 1, static_cast<size_t>((at[i] - low) / width))] += weight[i];
    double total = 0;
    for (double& d : density) total += d = d > 0 ? fixed_exp(fixed_log(d) / 3) : 0.0;
    std::vector<double> values;
    double below = 0;
    size_t interval = 0;
    for (int level = 0; level < levels; ++level) {
        const double share = total * (level + 0.5) / levels;
        while (interval + 1 < kIntervals && below + density[interval] < share) below += density[interval++];
        const double within = density[interval] > 0 ? (share - below) / density[interval] : 0.5;
        values.push_back(low + width * (static_cast<double>(interval) + std::clamp(within, 0.0, 1.0)));
    }
    return values;
}

}  // namespace

Quantization fit_lloyd_max(const std::vector<double>& at, const std::vector<double>& weight, int levels) {
    constexpr int kMostTurns = 10000;
    const Sums sums(at, weight);
    Quantization fit;
    fit.value = first_values(at, weight, levels);
    fit.threshold.resize(fit.value.size() - 1);
    const double reach = std::max(at.back() - at.front(), 1e-300);
    for (int turn = 0; turn < kMostTurns; ++turn) {
        for (size_t k = 0; k + 1 < fit.value.size(); ++k) fit.threshold[k] = 0.5 * (fit.value[k] + fit.value[k + 1]);
        double moved = 0;
        size_t begin = 0;
        for (size_t k = 0; k < fit.value.size(); ++k) {
            const size_t end = k < fit.threshold.size() ? first_from(at, fit.threshold[k]) : at.size();
            const double share = sums.weight[end] - sums.weight[begin];
            if (share > 0) {  // a value that nothing falls to stays
                const double mean = at[0] + (sums.moment[end] - sums.moment[begin]) / share;
                moved = std::max(moved, std::abs(mean - fit.value[k]));
                fit.value[k] = mean;
            }
            begin = end;
        }
        std::sort(fit.value.begin(), fit.value.end());
        if (moved <= 1e-9 * reach) break;
    }
    return fit;
}

}  // namespace bitline
