#include "peripherals/column_transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "peripherals/adc.h"

namespace bitline {
namespace {

using Model = ColumnTransferOptions::Model;

constexpr double kFull = 256;

ColumnTransferOptions divider(double ratio) {
    ColumnTransferOptions options;
    options.model = Model::divider;
    options.strength_ratio = ratio;
    return options;
}

TEST(ColumnTransfer, ChargeSharingAttenuatesByTheParasiticCapacitance) {
    ColumnTransferOptions options;
    options.model = Model::charge_sharing;
    // 28 nm, 64 cells of 1 fF: C_par = 0.3 N C_u + 2.04278 fF (Kavishwar and Shanbhag, arXiv 2507.09776).
    options.parasitic = 0.3 + 2.04278 / 64;
    EXPECT_NEAR(signal_of_sum(options, 64, 64), 64 * 64 / (64 + 0.3 * 64 + 2.04278), 1e-12);
    for (double sum : {-10.0, 0.0, 3.5, 300.0})
        EXPECT_NEAR(sum_of_signal(options, signal_of_sum(options, sum, 64), 64), sum, 1e-12);
}

// V / V_DD of n pull-ups of conductance a and N - n pull-downs of conductance b.
TEST(ColumnTransfer, DividerIsTheCircuit) {
    for (const double ratio : {0.25, 0.8, 1.0, 1.5, 6.0}) {
        const double up = 1e-4 * ratio, down = 1e-4;
        for (int n = 0; n <= 256; ++n) {
            const double volts = n * up / (n * up + (256 - n) * down);
            const double signal = signal_of_sum(divider(ratio), n, kFull);
            EXPECT_NEAR(signal, volts * kFull, 1e-10) << ratio << ' ' << n;
            EXPECT_NEAR(sum_of_signal(divider(ratio), signal, kFull), n, 1e-10);
        }
    }
    EXPECT_EQ(signal_of_sum(divider(3), -2.5, kFull), -2.5);
    EXPECT_EQ(signal_of_sum(divider(3), 300, kFull), 300);
    EXPECT_EQ(sum_of_signal(divider(3), 300, kFull), 300);
}

TEST(ColumnTransfer, TableIsPiecewiseLinearAndOdd) {
    ColumnTransferOptions options;
    options.model = Model::table;
    options.table = {0, 0.1, 0.5, 0.7, 0.9};  // at 0, 64, 128, 192, 256
    EXPECT_DOUBLE_EQ(signal_of_sum(options, 32, kFull), 0.05 * kFull);
    EXPECT_DOUBLE_EQ(signal_of_sum(options, 96, kFull), 0.3 * kFull);
    EXPECT_DOUBLE_EQ(signal_of_sum(options, 256, kFull), 0.9 * kFull);
    EXPECT_DOUBLE_EQ(signal_of_sum(options, 266, kFull), 0.9 * kFull + 10);
    double last = -1e9;
    for (double sum = -300; sum <= 300; sum += 0.37) {
        const double signal = signal_of_sum(options, sum, kFull);
        EXPECT_NEAR(signal, -signal_of_sum(options, -sum, kFull), 1e-12);
        EXPECT_NEAR(sum_of_signal(options, signal, kFull), sum, 1e-9);
        EXPECT_GT(signal, last);
        last = signal;
    }
}

/// What a converter makes of `levels`, by its definition in kernels.h; `margin` is how far t lies from a decision.
int code_of(const kernels::Converter& converter, size_t col, double levels, double per_level, double& margin) {
    const double t = levels * per_level * converter.inv_step[col] + converter.offset[col];
    if (converter.one_bit) {
        margin = std::abs(t);
        return t >= 0 ? 1 : -1;
    }
    const kernels::Transfer& transfer = converter.transfer;
    const int count = converter.hi - converter.lo + 2;
    int crossed = 0;
    margin = 1e9;
    for (int k = 0; k < count; ++k) {
        const double at = transfer.threshold.empty()
                              ? converter.lo + k - 0.5
                              : transfer.threshold[static_cast<size_t>(transfer.converter[col] * count + k)];
        crossed += at <= t;
        margin = std::min(margin, std::abs(at - t));
    }
    return std::clamp(converter.lo - 1 + crossed, converter.lo, converter.hi);
}

// A perfect curve in front of the converters that make_converter describes, against the moved ones.
TEST(ColumnTransfer, MovedDecisionsAreThoseOfAConverterBehindTheCurve) {
    ColumnTransferOptions table;
    table.model = Model::table;
    table.table = {0, 0.1, 0.5, 0.7, 0.9};
    ColumnTransferOptions sharing;
    sharing.model = Model::charge_sharing;
    sharing.parasitic = 0.3;
    constexpr double kPerLevel = 37;
    const ConverterStreams streams = converter_streams(5, 6);
    for (const bool with_sign : {false, true})
        for (const ColumnTransferOptions& transfer : {divider(0.4), divider(5), table, sharing})
            for (int kind = 0; kind < 4; ++kind) {
                const SumBounds bounds{with_sign ? -256 : 0, 256, 256};
                if (with_sign && transfer.model == Model::divider) continue;
                AdcOptions adc;
                adc.bits = kind == 3 ? 1 : 5;
                adc.sense_amplifier = kind == 3;
                adc.columns_per_converter = 2;
                if (kind >= 1) adc.offset_sigma = 0.3;
                if (kind >= 1) adc.gain_sigma = 0.05;
                if (kind == 2) adc.inl_sigma = 0.4;
                const AdcRange range = static_range(adc, bounds);
                const kernels::Converter behind = make_converter(adc, range, 37, 7, 3, &streams);
                kernels::Converter moved = behind;
                read_through(transfer, kFull, kPerLevel, 1 / range.step, moved);
                int differing = 0;
                for (size_t col = 0; col < 7; ++col)
                    for (double sum = with_sign ? -260 : -4; sum <= 260; sum += 0.25) {
                        double margin = 0, ignored = 0;
                        const double signal = signal_of_sum(transfer, sum, kFull);
                        const int code = code_of(behind, col, signal, kPerLevel, margin);
                        differing += code != code_of(behind, col, sum, kPerLevel, ignored);
                        if (margin < 1e-9) continue;
                        EXPECT_EQ(code_of(moved, col, sum, kPerLevel, ignored), code) << kind << ' ' << sum;
                    }
                EXPECT_GT(differing, kind < 3 ? 100 : -1);  // the curve matters
            }
}

TEST(ColumnTransfer, NoiseOfConvertersStaysAtTheirInputWhereTheSignalIsOnlySmaller) {
    AdcOptions adc;
    adc.noise_sigma = 0.7;
    const AdcRange range = static_range(adc, {0, 256, 256});
    const ConverterStreams streams = converter_streams(5, 6);
    kernels::Converter converter = make_converter(adc, range, 37, 2, 3, &streams);
    ColumnTransferOptions sharing;
    sharing.model = Model::charge_sharing;
    sharing.parasitic = 0.25;
    read_through(sharing, kFull, 37, 1 / range.step, converter);
    EXPECT_DOUBLE_EQ(converter.inv_step[1] * 37 * range.step, 0.8);
    EXPECT_DOUBLE_EQ(converter.deviation[1] * converter.inv_step[1], 0.7);
}

}  // namespace
}  // namespace bitline
