#include "peripherals/column_transfer.h"

#include <gtest/gtest.h>

#include <cmath>

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

}  // namespace
}  // namespace bitline
