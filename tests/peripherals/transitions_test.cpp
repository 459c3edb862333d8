// Where converters go from code to code, against what the scalar kernel makes of sums around those places.

#include "peripherals/transitions.h"

#include <gtest/gtest.h>

#include "peripherals/adc.h"

namespace bitline {
namespace {

constexpr int kLevelStep = 1001, kColumns = 6, kShared = 2;

/// Code of column `col` for a sum in grid steps.
int64_t code_of(const kernels::Converter& converter, size_t col, int64_t sum) {
    kernels::Converter one = converter;
    one.inv_step = {converter.inv_step[col]};
    one.offset = {converter.offset[col]};
    if (one.has_transfer()) one.transfer.converter = {converter.transfer.converter[col]};
    one.wide = true;
    kernels::lay_out(one);
    kernels::Block block;
    block.rows = block.cols = 1;
    block.g = {static_cast<int32_t>(sum)};
    block.one_bit_digits = true;
    block.at_thresholds = one.has_transfer();
    const kernels::Kernel& scalar = *kernels::find("scalar");
    scalar.pack(block);
    const uint64_t bit = 1;
    const int64_t weight = 1;
    kernels::Drive drive;
    drive.bits = &bit;
    drive.vectors = drive.cycles = 1;
    drive.cycle_weight = &weight;
    int64_t code = 0;
    scalar.convert(block, one, {{0}, {1}, 1}, drive, nullptr, &code);
    return code;
}

AdcOptions options_of(AdcOptions::Type type) {
    AdcOptions options;
    options.bits = 4;
    options.range = AdcOptions::Range::fixed;
    options.type = type;
    options.offset_sigma = 0.7;
    options.gain_sigma = 0.05;
    options.columns_per_converter = kShared;
    if (type == AdcOptions::Type::sar) options.capacitor_sigma = 0.1;
    if (type == AdcOptions::Type::flash) options.resistor_sigma = 0.1;
    return options;
}

TEST(Transitions, AreWhereCodesChange) {
    for (const auto type : {AdcOptions::Type::ideal, AdcOptions::Type::sar, AdcOptions::Type::flash}) {
        const AdcOptions options = options_of(type);
        const AdcRange range = static_range(options, {-90, 110, 120});
        const ConverterStreams streams = converter_streams(3, 1);
        const kernels::Converter converter = make_converter(options, range, kLevelStep, kColumns, 5, &streams);
        const std::vector<double> sums = transitions(converter, kShared, kLevelStep);
        const auto steps = static_cast<size_t>(range.hi - range.lo);
        ASSERT_EQ(sums.size(), kColumns / kShared * steps);
        for (size_t c = 0; c < kColumns; ++c) {
            const double* const own = sums.data() + c / kShared * steps;
            for (int64_t sum = -150 * kLevelStep; sum <= 150 * kLevelStep; sum += 97) {
                int64_t expected = range.lo;
                bool close = false;  // to a transition, where rounding may decide
                for (size_t k = 0; k < steps; ++k) {
                    const double beyond = static_cast<double>(sum) - own[k] * kLevelStep;
                    expected += beyond >= 0 ? 1 : 0;
                    close = close || std::abs(beyond) < 1;
                }
                if (!close) {
                    ASSERT_EQ(code_of(converter, c, sum), expected) << int(type) << ' ' << c << ' ' << sum;
                }
            }
        }
    }
}

TEST(Transitions, OfASenseAmplifierIsItsThreshold) {
    AdcOptions options;
    options.bits = 1;
    options.sense_amplifier = true;
    const AdcRange range = static_range(options, {0, 40, 40});
    const kernels::Converter converter = make_converter(options, range, kLevelStep, kColumns, 0, nullptr);
    const std::vector<double> sums = transitions(converter, kColumns, kLevelStep);
    ASSERT_EQ(sums.size(), 1U);
    EXPECT_NEAR(sums[0], 20, 1e-9);
}

}  // namespace
}  // namespace bitline
