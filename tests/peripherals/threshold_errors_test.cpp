// What spread parts make of a converter's thresholds, against closed forms and a simulated search.

#include "peripherals/threshold_errors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace bitline {
namespace {

constexpr int kConverters = 4000;

AdcRange range_of_bits(int bits) {
    AdcRange range;
    range.bits = bits;
    range.lo = -(1 << (bits - 1));
    range.hi = -range.lo - 1;
    return range;
}

/// Mean square of the threshold errors, and of the errors of the steps, by code; [0] is no threshold.
struct Spread {
    std::vector<double> inl, dnl;
};

Spread measure(const AdcOptions& options, int bits) {
    const AdcRange range = range_of_bits(bits);
    const ConverterStreams streams = converter_streams(17, 2);
    const std::vector<double> ideal = nominal_thresholds(range);
    Spread spread{std::vector<double>(ideal.size() + 1), std::vector<double>(ideal.size() + 1)};
    for (uint32_t converter = 0; converter < kConverters; ++converter) {
        const std::vector<double> at = draw_thresholds(options, range, streams, converter, converter % 3);
        EXPECT_EQ(at.size(), ideal.size());
        for (size_t k = 0; k < at.size(); ++k) {
            spread.inl[k + 1] += std::pow(at[k] - ideal[k], 2) / kConverters;
            if (k + 1 < at.size()) spread.dnl[k + 1] += std::pow(at[k + 1] - at[k] - 1, 2) / kConverters;
        }
    }
    return spread;
}

/// A mean square of kConverters normal numbers; five standard errors, and a bias of second order in sigma.
void expect_variance(double measured, double expected, const std::string& what) {
    EXPECT_NEAR(measured, expected, expected * (5 * std::sqrt(2.0 / kConverters) + 0.02)) << what;
}

TEST(ThresholdErrors, NoErrorLeavesHalfSteps) {
    AdcOptions options;
    options.type = AdcOptions::Type::sar;
    EXPECT_FALSE(has_threshold_errors(options));
    const std::vector<double> at = draw_thresholds(options, range_of_bits(2), converter_streams(1, 0), 0, 0);
    EXPECT_EQ(at, (std::vector<double>{-1.5, -0.5, 0.5}));
}

TEST(ThresholdErrors, CapacitorsSpreadThresholdsAsABridgeAndTheMiddleStepMost) {
    AdcOptions options;
    options.type = AdcOptions::Type::sar;
    options.capacitor_sigma = 0.005;  // small, so that no code is missing and first order holds
    constexpr int kBits = 8, kCodes = 1 << kBits;
    const Spread spread = measure(options, kBits);
    const double variance = options.capacitor_sigma * options.capacitor_sigma;
    for (const int k : {1, 3, 64, 100, 128, 200, 255})
        expect_variance(spread.inl[size_t(k)], variance * k * (kCodes - k) / kCodes, "code " + std::to_string(k));
    // The step up to the middle: all lower capacitors against the top one.
    expect_variance(spread.dnl[kCodes / 2 - 1], variance * (kCodes - 1), "middle step");
    EXPECT_LT(spread.dnl[kCodes / 2], variance * 4);  // the step after it: one unit
}

TEST(ThresholdErrors, ThresholdsOfASearchAreWhatTheSearchFinds) {
    AdcOptions options;
    options.type = AdcOptions::Type::sar;
    options.capacitor_sigma = 0.2;  // many codes are missing
    constexpr int kBits = 6, kCodes = 1 << kBits;
    AdcRange range;
    range.bits = kBits;
    range.hi = kCodes - 1;
    const ConverterStreams streams = converter_streams(5, 0);
    size_t missing = 0;
    for (uint32_t converter = 0; converter < 50; ++converter) {
        const std::vector<double> at = draw_thresholds(options, range, streams, converter, 1);
        std::vector<double> capacitors = draw_capacitors(options.capacitor_sigma, kBits, streams, converter, 1);
        double all = 0;
        for (const double capacitor : capacitors) all += capacitor;
        capacitors.pop_back();
        std::set<int> seen;
        for (double x = -1; x < kCodes + 1; x += 0.0037) {
            const int code = search_code(capacitors, all, x);
            const auto crossed = std::count_if(at.begin(), at.end(), [&](double t) { return t + 0.5 <= x; });
            ASSERT_EQ(crossed, code) << x;
            seen.insert(code);
        }
        missing += size_t(kCodes) - seen.size();
    }
    EXPECT_GT(missing, 20U);
}

TEST(ThresholdErrors, ARampWalksAndNeverTurnsBack) {
    AdcOptions options;
    options.type = AdcOptions::Type::ramp;
    options.step_sigma = 0.02;
    const Spread spread = measure(options, 7);
    for (const int k : {1, 5, 64, 127}) expect_variance(spread.inl[size_t(k)], 0.0004 * k, "code " + std::to_string(k));
    for (const int k : {1, 64, 126}) expect_variance(spread.dnl[size_t(k)], 0.0004, "step " + std::to_string(k));
    options.step_sigma = 2;  // steps back: the level that was reached before counts
    const std::vector<double> at = draw_thresholds(options, range_of_bits(7), converter_streams(1, 0), 0, 0);
    EXPECT_TRUE(std::is_sorted(at.begin(), at.end()));
    EXPECT_NE(std::adjacent_find(at.begin(), at.end()), at.end());
}

TEST(ThresholdErrors, AFlashHasALadderAndAComparatorPerThreshold) {
    AdcOptions options;
    options.type = AdcOptions::Type::flash;
    options.resistor_sigma = 0.01;
    const Spread ladder = measure(options, 5);
    for (const int k : {1, 8, 16, 31})
        expect_variance(ladder.inl[size_t(k)], 0.0001 * k * (32 - k) / 32, "tap " + std::to_string(k));
    options.comparator_sigma = 0.1;
    const Spread both = measure(options, 5);
    for (const int k : {1, 16, 31})
        expect_variance(both.inl[size_t(k)], 0.01 + 0.0001 * k * (32 - k) / 32, "tap " + std::to_string(k));
}

TEST(ThresholdErrors, InlMovesThresholdsAndDnlMovesSteps) {
    AdcOptions options;
    options.inl_sigma = 0.1;
    const Spread inl = measure(options, 6);
    for (const int k : {1, 32, 63}) expect_variance(inl.inl[size_t(k)], 0.01, "inl " + std::to_string(k));
    for (const int k : {1, 32, 62}) expect_variance(inl.dnl[size_t(k)], 0.02, "inl, step " + std::to_string(k));
    options = {};
    options.dnl_sigma = 0.1;
    const Spread dnl = measure(options, 6);
    for (const int k : {1, 16, 32, 63})
        expect_variance(dnl.inl[size_t(k)], 0.01 * k * (64 - k) / 64, "dnl " + std::to_string(k));
    for (const int k : {1, 32, 62})
        expect_variance(dnl.dnl[size_t(k)], 0.01 * (1 - 1.0 / 64), "dnl, step " + std::to_string(k));
}

TEST(ThresholdErrors, MissingCodesHaveNoStep) {
    AdcOptions options;
    options.missing_codes = 0.1;
    const AdcRange range = range_of_bits(8);
    const ConverterStreams streams = converter_streams(9, 0);
    double missing = 0, codes = 0;
    for (uint32_t converter = 0; converter < 200; ++converter) {
        const std::vector<double> at = draw_thresholds(options, range, streams, converter, 0);
        for (size_t k = 1; k < at.size(); ++k, ++codes) missing += at[k] == at[k - 1];
        EXPECT_EQ(at.front(), range.lo + 0.5);
    }
    EXPECT_NEAR(missing / codes, 0.1, 5 * std::sqrt(0.09 / codes));
}

TEST(ThresholdErrors, FollowSeedTrialConverterAndArray) {
    AdcOptions options;
    options.inl_sigma = 0.3;
    const AdcRange range = range_of_bits(4);
    const auto drawn = [&](uint64_t seed, uint32_t trial, uint32_t converter, uint32_t array) {
        return draw_thresholds(options, range, converter_streams(seed, trial), converter, array);
    };
    EXPECT_EQ(drawn(1, 2, 3, 4), drawn(1, 2, 3, 4));
    for (const auto& other : {drawn(2, 2, 3, 4), drawn(1, 3, 3, 4), drawn(1, 2, 4, 4), drawn(1, 2, 3, 5)})
        EXPECT_NE(drawn(1, 2, 3, 4), other);
}

/// Codes that one column's converter gives to whole level sums.
std::vector<int64_t> transfer_curve(const kernels::Converter& converter, int level_step, int low, int high) {
    std::vector<int64_t> codes;
    const kernels::Kernel& scalar = *kernels::all().back();
    for (int level = low; level <= high; ++level) {
        kernels::Block block;
        block.rows = block.cols = 1;
        block.g = {level * level_step};
        scalar.pack(block);
        const int16_t digit = 1;
        const int64_t weight = 1;
        kernels::Drive drive;
        drive.digits = &digit;
        drive.vectors = drive.cycles = 1;
        drive.cycle_weight = &weight;
        int64_t out = 0;
        scalar.convert(block, converter, {{0}, {1}, 1}, drive, nullptr, &out);
        codes.push_back(out);
    }
    return codes;
}

TEST(ThresholdErrors, AConverterFollowsATable) {
    AdcOptions options;
    options.bits = 3;
    options.thresholds = AdcOptions::Thresholds::table;
    options.table = {1, 2.25, 2.25, 4, 4.5, 5, 6.75};  // code 2 is missing
    const AdcRange range = static_range(options, {0, 7, 7});
    kernels::Converter converter = make_converter(options, range, 101, 1, 0, nullptr);
    ASSERT_TRUE(converter.has_transfer());
    kernels::lay_out(converter);
    // Levels 0 .. 7 are codes: 1 reaches code 1, 3 lies beyond 2.25, 5 beyond 5, 7 beyond 6.75.
    EXPECT_EQ(transfer_curve(converter, 101, 0, 7), (std::vector<int64_t>{0, 1, 1, 3, 4, 6, 6, 7}));
}

TEST(ThresholdErrors, ConvertersWithoutErrorsStayPlain) {
    AdcOptions options;
    options.type = AdcOptions::Type::flash;
    const AdcRange range = static_range(options, {0, 255, 255});
    const ConverterStreams streams = converter_streams(1, 0);
    EXPECT_FALSE(make_converter(options, range, 101, 8, 0, &streams).has_transfer());
    options.comparator_sigma = 0.1;
    EXPECT_FALSE(make_converter(options, range, 101, 8, 0, nullptr).has_transfer());
    options.columns_per_converter = 3;
    const kernels::Converter converter = make_converter(options, range, 101, 8, 0, &streams);
    EXPECT_EQ(converter.transfer.converter, (std::vector<int32_t>{0, 0, 0, 1, 1, 1, 2, 2}));
    EXPECT_EQ(converter.transfer.threshold.size(), 3U * 257);
}

}  // namespace
}  // namespace bitline
