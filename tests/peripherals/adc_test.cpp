#include "peripherals/adc.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bitline {
namespace {

TEST(Adc, LosslessBitsAreTheLeastThatHoldTheSum) {
    EXPECT_EQ(lossless_bits({0, 192, 384}), 8);  // ISAAC: 128 rows of flipped 2-bit cells
    EXPECT_EQ(lossless_bits({0, 255, 255}), 8);
    EXPECT_EQ(lossless_bits({0, 256, 256}), 9);
    EXPECT_EQ(lossless_bits({0, 1, 1}), 1);
    EXPECT_EQ(lossless_bits({-128, 127, 384}), 8);
    EXPECT_EQ(lossless_bits({0, int64_t{1} << 33, int64_t{1} << 33}), 34);
    EXPECT_EQ(lossless_bits({-(int64_t{1} << 33), 0, int64_t{1} << 33}), 34);
    EXPECT_EQ(lossless_bits({-129, 127, 384}), 9);
    EXPECT_EQ(lossless_bits({-384, 384, 384}), 10);
}

TEST(Adc, LosslessPolicyWidensItsStepWhereBitsRunOut) {
    AdcOptions options;
    options.bits = 8;
    const AdcRange exact = static_range(options, {0, 192, 384});
    EXPECT_TRUE(exact.lossless);
    EXPECT_EQ(exact.step, 1);
    EXPECT_EQ(exact.hi, 255);
    const AdcRange coarse = static_range(options, {0, 510, 510});
    EXPECT_FALSE(coarse.lossless);
    EXPECT_DOUBLE_EQ(coarse.step, 2);
    const AdcRange both = static_range(options, {-254, 254, 254});
    EXPECT_EQ(both.lo, -128);
    EXPECT_EQ(both.hi, 127);
    EXPECT_DOUBLE_EQ(both.step, 2);
}

TEST(Adc, FixedPolicyTakesItsShareOfTheFullScale) {
    AdcOptions options;
    options.range = AdcOptions::Range::fixed;
    options.full_scale = 0.25;
    options.bits = 4;
    EXPECT_DOUBLE_EQ(static_range(options, {0, 100, 240}).step, 60.0 / 15);
    EXPECT_DOUBLE_EQ(static_range(options, {-100, 100, 240}).step, 60.0 / 7);
}

/// A histogram of the integers of a discretised normal law, one class.
SumHistogram normal_histogram(int64_t reach, double sigma) {
    SumHistogram histogram;
    histogram.low = -reach;
    histogram.bins = 2 * reach + 1;
    histogram.classes = 1;
    for (int64_t l = -reach; l <= reach; ++l)
        histogram.count.push_back(std::llround(1e9 * std::exp(-0.5 * static_cast<double>(l * l) / (sigma * sigma))));
    return histogram;
}

double error_of(const SumHistogram& histogram, const AdcRange& range) {
    double error = 0;
    for (int64_t bin = 0; bin < histogram.bins; ++bin) {
        const auto level = static_cast<double>(histogram.low + bin);
        const double code = std::min(std::max(std::nearbyint(level / range.step), 1.0 * range.lo), 1.0 * range.hi);
        error +=
            static_cast<double>(histogram.count[static_cast<size_t>(bin)]) * std::pow(code * range.step - level, 2);
    }
    return error;
}

TEST(Adc, CalibrationFindsTheOptimalUniformQuantizerOfANormalLaw) {
    AdcOptions options;
    options.range = AdcOptions::Range::calibrated;
    options.bits = 4;
    const double sigma = 500;
    const SumHistogram histogram = normal_histogram(5000, sigma);
    const AdcRange range = calibrated_range(options, {-5000, 5000, 5000}, histogram);
    // Max (1960), table II: the optimal uniform step for 16 outputs is 0.3352 sigma, mid-rise. Ours is mid-tread with
    // 7 codes above zero: a little wider.
    EXPECT_NEAR(range.step / sigma, 0.3352, 0.03);
    for (double factor : {0.8, 0.9, 1.1, 1.25}) {
        AdcRange other = range;
        other.step *= factor;
        EXPECT_GT(error_of(histogram, other), error_of(histogram, range)) << factor;
    }
}

TEST(Adc, CalibrationMovesAnUnsignedWindowToWhereTheSumsAre) {
    AdcOptions options;
    options.range = AdcOptions::Range::calibrated;
    options.bits = 4;
    SumHistogram histogram;
    histogram.bins = 1001;
    histogram.classes = 1;
    histogram.count.assign(1001, 0);
    for (int64_t l = 600; l < 616; ++l) histogram.count[static_cast<size_t>(l)] = 1000;
    const AdcRange range = calibrated_range(options, {0, 1000, 1000}, histogram);
    EXPECT_EQ(range.step, 1);
    EXPECT_EQ(range.lo, 600);
    EXPECT_EQ(range.hi, 615);
}

TEST(Adc, PercentileCoversItsShare) {
    AdcOptions options;
    options.range = AdcOptions::Range::calibrated;
    options.calibration = AdcOptions::Calibration::percentile;
    options.percentile = 95.45;
    options.bits = 6;
    const AdcRange range = calibrated_range(options, {-5000, 5000, 5000}, normal_histogram(5000, 500));
    EXPECT_NEAR(range.step * range.hi, 1000, 10);  // two sigma
}

TEST(Adc, PercentileCountsEverySumOnceWhateverItsSignificance) {
    // Ninety-nine of a hundred sums are insignificant and lie within +-100; the rest count 4^7 times as much.
    SumHistogram histogram;
    histogram.low = -1000;
    histogram.bins = 2001;
    histogram.classes = 8;
    histogram.count.assign(8 * 2001, 0);
    for (int64_t l = -100; l <= 100; ++l) histogram.count[static_cast<size_t>(l + 1000)] = 99;
    for (int64_t l : {-1000, 1000}) histogram.count[static_cast<size_t>(7 * 2001 + l + 1000)] = 100;
    AdcOptions options;
    options.range = AdcOptions::Range::calibrated;
    options.calibration = AdcOptions::Calibration::percentile;
    options.percentile = 98;
    options.bits = 6;
    const AdcRange range = calibrated_range(options, {-1000, 1000, 1000}, histogram);
    EXPECT_NEAR(range.step * range.hi, 100, 2);
}

TEST(Adc, ConvertersShareTheirErrorsAndFollowTheirSpread) {
    AdcOptions options;
    options.bits = 8;
    options.offset_sigma = 0.5;
    options.gain_sigma = 0.01;
    options.columns_per_converter = 4;
    const AdcRange range = static_range(options, {0, 255, 255});
    const ConverterStreams streams = converter_streams(3, 1);
    double offset = 0, offset2 = 0, gain2 = 0;
    const int arrays = 500, columns = 128, converters = columns / 4;
    for (uint32_t array = 0; array < arrays; ++array) {
        const kernels::Converter c = make_converter(options, range, 101, columns, array, &streams);
        for (size_t i = 0; i < columns; ++i) {
            EXPECT_EQ(c.offset[i], c.offset[i / 4 * 4]);
            EXPECT_EQ(c.inv_step[i], c.inv_step[i / 4 * 4]);
        }
        for (size_t i = 0; i < columns; i += 4) {
            offset += c.offset[i];
            offset2 += c.offset[i] * c.offset[i];
            gain2 += std::pow(c.inv_step[i] * 101 - 1, 2);
        }
    }
    const double n = arrays * converters;
    EXPECT_NEAR(offset / n, 0, 5 * 0.5 / std::sqrt(n));
    EXPECT_NEAR(std::sqrt(offset2 / n), 0.5, 5 * 0.5 / std::sqrt(2 * n));
    EXPECT_NEAR(std::sqrt(gain2 / n), 0.01, 5 * 0.01 / std::sqrt(2 * n));
    const kernels::Converter perfect = make_converter(options, range, 101, columns, 0, nullptr);
    EXPECT_EQ(perfect.offset[0], 0);
    EXPECT_DOUBLE_EQ(perfect.inv_step[0] * 101, 1);
}

}  // namespace
}  // namespace bitline
