#include <algorithm>
#include <cmath>
#include <vector>

#include "peripherals/adc.h"
#include "peripherals/lloyd_max.h"

namespace bitline {

namespace {

/// The bins that were seen.
struct WeightedSums {
    std::vector<double> level;   // (bins) level sum at the centre
    std::vector<double> count;   // (bins)
    std::vector<double> weight;  // (bins), in the squared error of the layer's output
    double total_count = 0, total_weight = 0;
};

WeightedSums weigh(const SumHistogram& histogram) {
    WeightedSums sums;
    for (int64_t bin = 0; bin < histogram.bins; ++bin) {
        double count = 0, weight = 0;
        for (int k = 0; k < histogram.classes; ++k) {
            const auto seen = static_cast<double>(histogram.count[static_cast<size_t>(k * histogram.bins + bin)]);
            count += seen;
            weight += std::ldexp(seen, 2 * k);
        }
        if (count == 0) continue;
        const double centre = 0.5 * static_cast<double>(histogram.width - 1);
        sums.level.push_back(static_cast<double>(histogram.low + bin * histogram.width) + centre);
        sums.count.push_back(count);
        sums.weight.push_back(weight);
        sums.total_count += count;
        sums.total_weight += weight;
    }
    return sums;
}

double squared_error(const WeightedSums& sums, double step, double lo, double hi) {
    double error = 0;
    for (size_t i = 0; i < sums.level.size(); ++i) {
        const double code = std::clamp(std::nearbyint(sums.level[i] / step), lo, hi);
        const double difference = code * step - sums.level[i];
        error += sums.weight[i] * difference * difference;
    }
    return error;
}

/// Steps from the one that covers everything down to one level, and every whole number of levels between.
std::vector<double> candidate_steps(double largest) {
    std::vector<double> steps{1.0};
    for (double step = largest; step > 1.0; step *= 0.97) steps.push_back(step);
    for (double step = 2; step < largest && step < 64; ++step) steps.push_back(step);
    std::sort(steps.begin(), steps.end(), std::greater<>());
    return steps;
}

/// Level sum below which the given share of all sums lies; 0 gives the smallest one seen.
double quantile(const WeightedSums& sums, double share) {
    double below = 0;
    for (size_t i = 0; i < sums.level.size(); ++i) {
        below += sums.count[i];
        if (below > share * sums.total_count) return sums.level[i];
    }
    return sums.level.back();
}

AdcRange least_squares_range(const WeightedSums& sums, const SumBounds& bounds, AdcRange range) {
    const double codes = range.hi - range.lo;
    const bool with_sign = bounds.low < 0;
    const double reach = static_cast<double>(std::max(bounds.high, -bounds.low));
    std::vector<double> starts{0.0};
    if (!with_sign)
        for (double share : {0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2}) starts.push_back(quantile(sums, share));
    AdcRange best = range;
    double least = -1;
    for (double step : candidate_steps(std::max(1.0, reach / std::max(1, range.hi)))) {
        for (double start : starts) {
            const double lo = with_sign ? range.lo : std::floor(start / step);
            const double error = squared_error(sums, step, lo, lo + codes);
            if (least >= 0 && error >= least) continue;
            least = error;
            best.step = step;
            best.lo = static_cast<int32_t>(lo);
            best.hi = static_cast<int32_t>(lo + codes);
        }
    }
    return best;
}

AdcRange percentile_range(const WeightedSums& sums, const SumBounds& bounds, double percentile, AdcRange range) {
    const double outside = 1 - percentile / 100;
    if (bounds.low < 0) {
        const double reach = std::max(-quantile(sums, outside / 2), quantile(sums, 1 - outside / 2));
        range.step = std::max(1.0, reach / std::max(1, range.hi));
        return range;
    }
    const double low = quantile(sums, outside / 2), high = quantile(sums, 1 - outside / 2);
    range.step = std::max(1.0, (high - low) / range.hi);
    range.lo = static_cast<int32_t>(std::floor(low / range.step));
    range.hi += range.lo;
    return range;
}

/// Thresholds and values of least squared error. Steps are the mean distance of the thresholds, values multiples of
/// 2^-15 of the largest.
AdcRange fitted_range(const WeightedSums& sums, AdcRange range) {
    constexpr double kLargestValue = 32767;
    const int64_t codes = int64_t{1} << range.bits;
    range.lo = 0;
    range.hi = static_cast<int32_t>(codes - 1);
    Quantization fit = fit_lloyd_max(sums.level, sums.weight, static_cast<int>(codes));
    // Sums are whole levels: half a level below the first that is to cross, no rounding decides.
    for (double& at : fit.threshold) at = std::ceil(at) - 0.5;
    const double span = codes > 2 ? (fit.threshold.back() - fit.threshold.front()) / static_cast<double>(codes - 2)
                                  : fit.value.back() - fit.value.front();
    range.step = std::max(span, 1e-3);
    range.offset = 0.5 - fit.threshold.front() / range.step;
    for (const double at : fit.threshold) range.thresholds.push_back(at / range.step + range.offset);
    range.value_unit = std::max({std::abs(fit.value.front()), std::abs(fit.value.back()), 1e-3}) / kLargestValue;
    for (const double value : fit.value)
        range.values.push_back(static_cast<int32_t>(std::nearbyint(value / range.value_unit)));
    return range;
}

/// A sense amplifier decides at the mean and counts as the mean distance from it.
AdcRange sense_range(const WeightedSums& sums, const SumBounds& bounds, AdcRange range) {
    double mean = 0, distance = 0;
    if (bounds.low >= 0) {
        for (size_t i = 0; i < sums.level.size(); ++i) mean += sums.weight[i] * sums.level[i];
        mean /= sums.total_weight;
    }
    for (size_t i = 0; i < sums.level.size(); ++i) distance += sums.weight[i] * std::abs(sums.level[i] - mean);
    range.threshold = mean;
    range.step = std::max(distance / sums.total_weight, 1e-3);
    return range;
}

}  // namespace

AdcRange calibrated_range(const AdcOptions& options, const SumBounds& bounds, const SumHistogram& histogram) {
    AdcOptions uncalibrated = options;
    uncalibrated.range = AdcOptions::Range::lossless;
    uncalibrated.thresholds = AdcOptions::Thresholds::uniform;
    AdcRange range = static_range(uncalibrated, bounds);
    const bool mse = options.calibration == AdcOptions::Calibration::mse;
    const WeightedSums sums = weigh(histogram);
    range.policy = mse ? "calibrated (mse)" : "calibrated (percentile)";
    if (range.lossless || sums.level.empty()) {
        set_table(options, range);
        return range;
    }
    if (range.one_bit) return sense_range(sums, bounds, range);
    if (fits_thresholds(options)) {
        range.policy = "calibrated (Lloyd-Max)";
        return fitted_range(sums, range);
    }
    range = mse ? least_squares_range(sums, bounds, range) : percentile_range(sums, bounds, options.percentile, range);
    set_table(options, range);
    return range;
}

}  // namespace bitline
