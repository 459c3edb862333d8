#include "peripherals/threshold_errors.h"

#include <algorithm>
#include <cmath>

namespace bitline {

namespace {

/// Numbers of one converter.
struct Draws {
    StreamKey key;
    uint32_t converter, array;

    uint32_t bits(size_t i) const { return philox({static_cast<uint32_t>(i / 4), converter, array, 0}, key)[i % 4]; }
    double normal(size_t i) const { return static_cast<double>(gaussian(bits(i))); }
};

using Errors = std::vector<double>;  // (codes): of the threshold where code k begins; [0] is no threshold

/// Sums of independent errors of `parts` steps whose ends are held: walk(k) - k / N * walk(N), relative to the mean
/// step where the steps themselves are scaled.
void add_bridge(const Draws& draws, double sigma, bool scaled, Errors& errors) {
    const size_t codes = errors.size();
    std::vector<double> walk(codes + 1, 0.0);
    for (size_t k = 1; k <= codes; ++k) walk[k] = walk[k - 1] + sigma * draws.normal(k - 1);
    const auto all = static_cast<double>(codes);
    const double total = scaled ? (all + walk[codes]) / all : 1.0;
    for (size_t k = 1; k < codes; ++k) {
        const auto at = static_cast<double>(k);
        errors[k] += scaled ? (at + walk[k]) / total - at : walk[k] - at / all * walk[codes];
    }
}

/// Least V(m), m >= k, minus k.
void add_search(const std::vector<double>& capacitors, Errors& errors) {
    double all = 0;
    for (const double capacitor : capacitors) all += capacitor;
    double least = static_cast<double>(errors.size());
    for (size_t k = errors.size() - 1; k > 0; --k) {
        double set = 0;
        for (size_t bit = 0; bit + 1 < capacitors.size(); ++bit) set += (k >> bit & 1) ? capacitors[bit] : 0.0;
        const double v = set / all * static_cast<double>(errors.size());
        // The top code's V may exceed N only where the closing capacitor is negative, which no spread allowed makes it.
        least = std::min(least, v);
        errors[k] += least - static_cast<double>(k);
    }
}

/// Where the ramp first reaches each level.
void add_ramp(const Draws& draws, double sigma, Errors& errors) {
    double level = 0, highest = 0;
    for (size_t k = 1; k < errors.size(); ++k) {
        level += 1.0 + sigma * draws.normal(k);
        highest = std::max(highest, level);
        errors[k] += highest - static_cast<double>(k);
    }
}

void add_independent(const Draws& draws, double sigma, Errors& errors) {
    for (size_t k = 1; k < errors.size(); ++k) errors[k] += sigma * draws.normal(k);
}

/// Takes the step of some inner codes.
void drop_codes(const Draws& draws, double share, std::vector<double>& thresholds) {
    for (size_t k = 1; k < thresholds.size(); ++k) {
        if (uniform(draws.bits(k)) < share) thresholds[k] = thresholds[k - 1];
    }
}

}  // namespace

double threshold_comparator_sigma(const AdcOptions& options) {
    return options.type == AdcOptions::Type::flash || options.sense_amplifier ? options.comparator_sigma : 0.0;
}

bool has_threshold_errors(const AdcOptions& options) {
    return options.capacitor_sigma > 0 || options.step_sigma > 0 || options.resistor_sigma > 0 ||
           threshold_comparator_sigma(options) > 0 || options.inl_sigma > 0 || options.dnl_sigma > 0 ||
           options.missing_codes > 0;
}

bool decides_at_thresholds(const AdcOptions& options) {
    const bool one_bit = options.sense_amplifier && options.bits == 1;
    return !one_bit && (options.thresholds != AdcOptions::Thresholds::uniform || fits_thresholds(options) ||
                        has_threshold_errors(options));
}

std::vector<double> nominal_thresholds(const AdcRange& range) {
    if (!range.thresholds.empty()) return range.thresholds;
    std::vector<double> thresholds;
    for (int64_t code = range.lo + int64_t{1}; code <= range.hi; ++code)
        thresholds.push_back(static_cast<double>(code) - 0.5);
    return thresholds;
}

std::vector<double> draw_capacitors(double sigma, int bits, const ConverterStreams& streams, uint32_t converter,
                                    uint32_t array) {
    const Draws draws{streams.capacitor, converter, array};
    std::vector<double> capacitors;
    for (int bit = 0; bit <= bits; ++bit) {
        const double units = bit == bits ? 1.0 : static_cast<double>(int64_t{1} << bit);
        capacitors.push_back(units + sigma * std::sqrt(units) * draws.normal(static_cast<size_t>(bit)));
    }
    return capacitors;
}

int search_code(const std::vector<double>& capacitors, double all, double x) {
    const size_t bits = capacitors.size();
    int code = 0;
    double set = 0;
    for (size_t bit = bits; bit-- > 0;) {
        const double trial = set + capacitors[bit];
        if (x < trial / all * static_cast<double>(int64_t{1} << bits)) continue;
        set = trial;
        code |= 1 << bit;
    }
    return code;
}

std::vector<double> draw_thresholds(const AdcOptions& options, const AdcRange& range, const ConverterStreams& streams,
                                    uint32_t converter, uint32_t array) {
    std::vector<double> thresholds = nominal_thresholds(range);
    Errors errors(thresholds.size() + 1, 0.0);
    const auto draws = [&](StreamKey key) { return Draws{key, converter, array}; };
    if (options.capacitor_sigma > 0)
        add_search(draw_capacitors(options.capacitor_sigma, range.bits, streams, converter, array), errors);
    if (options.step_sigma > 0) add_ramp(draws(streams.ramp_step), options.step_sigma, errors);
    if (options.resistor_sigma > 0) add_bridge(draws(streams.resistor), options.resistor_sigma, true, errors);
    if (threshold_comparator_sigma(options) > 0)
        add_independent(draws(streams.comparator), options.comparator_sigma, errors);
    if (options.inl_sigma > 0) add_independent(draws(streams.inl), options.inl_sigma, errors);
    if (options.dnl_sigma > 0) add_bridge(draws(streams.dnl), options.dnl_sigma, false, errors);
    for (size_t k = 0; k < thresholds.size(); ++k) thresholds[k] += errors[k + 1];
    std::sort(thresholds.begin(), thresholds.end());
    if (options.missing_codes > 0) drop_codes(draws(streams.missing_code), options.missing_codes, thresholds);
    return thresholds;
}

}  // namespace bitline
