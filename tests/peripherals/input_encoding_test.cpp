#include "peripherals/input_encoding.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace bitline {
namespace {

Quantizer codes(int bits, bool is_signed, int32_t zero_point) {
    Quantizer q;
    q.bits = bits;
    q.is_signed = is_signed;
    q.scale = {1};
    q.zero_point = {zero_point};
    return q;
}

Quantizer bipolar() {
    Quantizer q = codes(1, true, 0);
    q.kind = Quantizer::Kind::bipolar;
    return q;
}

/// x = scale * sum over cycles of digit * weight - center, for every code.
void expect_digits_stand_for_codes(const InputPlan& plan, const Quantizer& quantizer, int step) {
    for (int32_t q = quantizer.code_min(); q <= quantizer.code_max(); q += step) {
        int32_t driven = 0;
        drive_codes(plan, &q, 1, &driven);
        std::vector<int16_t> digits(static_cast<size_t>(plan.cycles()));
        make_digits(plan, &driven, 1, digits.data());
        int64_t value = 0;
        for (size_t c = 0; c < digits.size(); ++c) {
            EXPECT_GE(digits[c], plan.digit_min);
            EXPECT_LE(digits[c], plan.digit_max);
            value += digits[c] * plan.cycle_weight[c];
        }
        EXPECT_EQ(plan.scale * value - plan.center, q - quantizer.zero_point[0]) << q;
        EXPECT_LE(driven, plan.driven_max);
    }
}

TEST(InputEncoding, EveryCodeOfEveryWidthAndDriver) {
    for (int bits = 1; bits <= 16; ++bits)
        for (int d = 1; d <= 8; ++d)
            for (bool is_signed : {false, true})
                for (auto way : {InputOptions::SignedCodes::offset, InputOptions::SignedCodes::twos_complement}) {
                    if (bits == 1 && is_signed) continue;
                    InputOptions options;
                    options.bits_per_cycle = d;
                    options.signed_codes = way;
                    const Quantizer q = codes(bits, is_signed, bits > 2 ? 1 : 0);
                    const InputPlan plan = plan_input(options, q, false, true, "layer");
                    expect_digits_stand_for_codes(plan, q, bits > 10 ? 37 : 1);
                    EXPECT_EQ(plan.pad_code, q.zero_point[0]);
                }
}

TEST(InputEncoding, SerialCyclesAreCountedAsTheHardwareTakesThem) {
    InputOptions options;
    EXPECT_EQ(plan_input(options, codes(8, false, 0), false, false, "l").cycles(), 8);
    options.bits_per_cycle = 3;
    EXPECT_EQ(plan_input(options, codes(8, false, 0), false, false, "l").cycles(), 3);
    options.signed_codes = InputOptions::SignedCodes::twos_complement;
    EXPECT_EQ(plan_input(options, codes(8, true, 0), false, false, "l").cycles(), 4);  // 7 bits in 3, then the sign
}

TEST(InputEncoding, BinaryCodes) {
    InputOptions options;
    const InputPlan lines = plan_input(options, bipolar(), false, true, "l");
    EXPECT_EQ(lines.coding, InputPlan::Coding::bipolar);
    EXPECT_EQ(lines.digit_min, -1);
    options.binary_codes = InputOptions::BinaryCodes::zero_one;
    const InputPlan shifted = plan_input(options, bipolar(), false, false, "l");
    const int32_t minus = -1, plus = 1;
    int32_t low = 9, high = 9;
    drive_codes(shifted, &minus, 1, &low);
    drive_codes(shifted, &plus, 1, &high);
    EXPECT_EQ(shifted.scale * low - shifted.center, -1);
    EXPECT_EQ(shifted.scale * high - shifted.center, 1);
    EXPECT_THROW(plan_input(options, bipolar(), false, true, "conv1"), ConfigError);
}

TEST(InputEncoding, XnorPairsDriveALineAndItsComplement) {
    const InputPlan plan = plan_input({}, bipolar(), true, true, "l");
    const std::vector<int32_t> driven{1, -1, 0};
    std::vector<int16_t> digits(6);
    make_digits(plan, driven.data(), 3, digits.data());
    EXPECT_EQ(digits, (std::vector<int16_t>{1, 0, 0, 1, 0, 0}));
}

}  // namespace
}  // namespace bitline
