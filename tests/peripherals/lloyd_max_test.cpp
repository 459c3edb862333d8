// Fitted thresholds and values against the published optima of known laws.

#include "peripherals/lloyd_max.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "peripherals/adc.h"

namespace bitline {
namespace {

struct Law {
    std::vector<double> at, weight;
    double total = 0, square = 0;
    void add(double x, double w) {
        at.push_back(x);
        weight.push_back(w);
        total += w;
        square += w * x * x;
    }
};

Law normal_law() {
    Law law;
    for (int i = -20000; i <= 20000; ++i) law.add(i * 3e-4, std::exp(-0.5 * std::pow(i * 3e-4, 2)));
    return law;
}

double error_of(const Law& law, const Quantization& fit) {
    double error = 0;
    for (size_t i = 0; i < law.at.size(); ++i) {
        const auto above = std::upper_bound(fit.threshold.begin(), fit.threshold.end(), law.at[i]);
        error += law.weight[i] * std::pow(law.at[i] - fit.value[size_t(above - fit.threshold.begin())], 2);
    }
    return error / law.total;
}

TEST(LloydMax, ReachesTheOptimaOfTheNormalLaw) {
    // Max (1960), table I: mean square error of 2, 4, 8, 16 and 32 outputs, of the variance. His figure for 32 is too
    // low by a quarter of a percent (Jayant, Noll, "Digital Coding of Waveforms", 1984: 26.01 dB, that is 0.002506).
    const Law law = normal_law();
    const std::vector<std::pair<int, double>> optima{
        {2, 0.3634}, {4, 0.1175}, {8, 0.03454}, {16, 0.009497}, {32, 0.002499}};
    for (const auto& [levels, optimum] : optima)
        EXPECT_NEAR(error_of(law, fit_lloyd_max(law.at, law.weight, levels)), optimum, 0.003 * optimum) << levels;
    const Quantization four = fit_lloyd_max(law.at, law.weight, 4);
    const double thresholds[] = {-0.9816, 0, 0.9816}, values[] = {-1.510, -0.4528, 0.4528, 1.510};
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(four.threshold[k], thresholds[k], 1e-3);
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(four.value[k], values[k], 1e-3);
}

TEST(LloydMax, ReachesTheOptimaOfTheExponentialLaw) {
    // Of mean 1: what lies above a threshold t has the mean t + 1, what lies below 1 - t / (exp(t) - 1), and t is
    // midway between the two at t = 2 - t / (exp(t) - 1) = 1.5936.
    Law law;
    for (int i = 0; i < 60000; ++i) law.add((i + 0.5) * 5e-4, std::exp(-(i + 0.5) * 5e-4));
    const Quantization fit = fit_lloyd_max(law.at, law.weight, 2);
    EXPECT_NEAR(fit.threshold[0], 1.5936, 1e-3);
    EXPECT_NEAR(fit.value[0], 0.5936, 1e-3);
    EXPECT_NEAR(fit.value[1], 2.5936, 1e-3);
}

TEST(LloydMax, HoldsFewPlacesExactly) {
    const Quantization fit = fit_lloyd_max({-3, 0, 10, 11}, {1, 5, 2, 2}, 4);
    Law law;
    for (const auto& [x, w] : std::vector<std::pair<double, double>>{{-3, 1}, {0, 5}, {10, 2}, {11, 2}}) law.add(x, w);
    EXPECT_LT(error_of(law, fit), 0.3);  // at worst 10 and 11 share a value
    const Quantization one = fit_lloyd_max({7}, {1}, 4);
    EXPECT_TRUE(std::is_sorted(one.value.begin(), one.value.end()));
    EXPECT_EQ(one.value.back(), 7);
}

TEST(LloydMax, FitsAConvertersThresholdsAndValues) {
    SumHistogram histogram;
    histogram.low = -5000;
    histogram.bins = 10001;
    histogram.classes = 1;
    Law law;
    for (int64_t l = -5000; l <= 5000; ++l) {
        histogram.count.push_back(std::llround(1e9 * std::exp(-0.5 * static_cast<double>(l * l) / (500.0 * 500.0))));
        law.add(static_cast<double>(l), static_cast<double>(histogram.count.back()));
    }
    AdcOptions options;
    options.range = AdcOptions::Range::calibrated;
    options.thresholds = AdcOptions::Thresholds::lloyd_max;
    for (const auto& [bits, optimum] : std::vector<std::pair<int, double>>{{1, 0.3634}, {2, 0.1175}, {3, 0.03454}}) {
        options.bits = bits;
        const AdcRange range = calibrated_range(options, {-5000, 5000, 5000}, histogram);
        Quantization fit;
        for (const double at : range.thresholds) fit.threshold.push_back((at - range.offset) * range.step);
        for (const int32_t value : range.values) fit.value.push_back(value * range.unit());
        EXPECT_NEAR(error_of(law, fit) / (500 * 500), optimum, 0.002 * optimum) << bits;
        EXPECT_LE(*std::max_element(range.values.begin(), range.values.end()), 32767);
        EXPECT_EQ(range.policy, "calibrated (Lloyd-Max)");
    }
    options.thresholds = AdcOptions::Thresholds::uniform;
    options.bits = 3;
    options.sense_amplifier = true;  // of three bits: the same references
    EXPECT_EQ(calibrated_range(options, {-5000, 5000, 5000}, histogram).thresholds.size(), 7U);
}

}  // namespace
}  // namespace bitline
