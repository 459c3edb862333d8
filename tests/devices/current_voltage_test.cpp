#include "devices/current_voltage.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bitline {
namespace {

using Model = CurrentVoltageOptions::Model;

constexpr double kG = 5e-5;  // S
constexpr int kLargest = 15;

CellOptions sinh_cell(double v0) {
    CellOptions cell;
    cell.current_voltage.model = Model::sinh;
    cell.current_voltage.read_voltage = 0.3;
    cell.current_voltage.v0 = v0;
    return cell;
}

CellOptions measured_cell() {
    CellOptions cell;
    cell.current_voltage.model = Model::table;
    cell.current_voltage.read_voltage = 0.2;
    cell.current_voltage.voltages = {0.1, 0.2, 0.4};
    // 10 uS and 40 uS at 0.2 V; the first bends, the second is straight.
    cell.current_voltage.currents = {0.5e-6, 2e-6, 8e-6, 4e-6, 8e-6, 16e-6};
    return cell;
}

TEST(CurrentVoltage, OwnHyperbolicFunctionsAgreeWithTheLibrary) {
    for (double x = 1e-9; x < 600; x *= 1.07) {
        EXPECT_NEAR(fixed_sinh(x) / std::sinh(x), 1, 1e-13) << x;
        EXPECT_NEAR(fixed_asinh(x) / std::asinh(x), 1, 1e-13) << x;
        EXPECT_EQ(fixed_sinh(-x), -fixed_sinh(x));
    }
}

TEST(CurrentVoltage, OhmicCellsAreLinear) {
    CellOptions cell;
    EXPECT_TRUE(is_ohmic(cell));
    const CurrentVoltageLaw law = make_current_voltage(cell, kLargest);
    for (double drive : {-15.0, -0.5, 0.0, 1.0, 7.3}) EXPECT_NEAR(current_of(law, kG, drive), kG * drive, 1e-15 * kG);
}

TEST(CurrentVoltage, SinhLawHoldsTheConductanceAtTheReadVoltageAndItsFormulaBelow) {
    for (double v0 : {0.05, 0.1, 0.3, 1.0}) {
        const CellOptions cell = sinh_cell(v0);
        EXPECT_FALSE(is_ohmic(cell));
        const CurrentVoltageLaw law = make_current_voltage(cell, kLargest);
        EXPECT_NEAR(current_of(law, kG, kLargest), kG * kLargest, 1e-12 * kG);
        for (int digit = -kLargest; digit <= kLargest; ++digit) {
            const double v = 0.3 * digit / kLargest;
            const double amperes = kG * 0.3 * std::sinh(v / v0) / std::sinh(0.3 / v0);
            EXPECT_NEAR(current_of(law, kG, digit), amperes / (0.3 / kLargest), 1e-12 * kG) << v0 << ' ' << digit;
        }
    }
}

TEST(CurrentVoltage, SinhLawBecomesOhmicAsItsVoltageGrows) {
    double last = 1;
    for (double v0 : {3.0, 30.0, 300.0}) {
        const CurrentVoltageLaw law = make_current_voltage(sinh_cell(v0), kLargest);
        const double error = 1 - current_of(law, kG, 5) / (5 * kG);
        // sinh(x / 3) / sinh(x) = 1/3 (1 - 4 x^2 / 27 ..), x = 0.3 / v0.
        EXPECT_NEAR(error, 4 * std::pow(0.3 / v0, 2) / 27, 0.02 * error);
        EXPECT_LT(error, 0.02 * last);
        last = error;
    }
}

TEST(CurrentVoltage, NonlinearityOfHalfTheVoltageGivesV0) {
    const double ratio = 10, v0 = 0.3 / (2 * std::acosh(ratio / 2));
    const CurrentVoltageLaw law = make_current_voltage(sinh_cell(v0), 2);
    EXPECT_NEAR(current_of(law, kG, 2) / current_of(law, kG, 1), ratio, 1e-11);
}

TEST(CurrentVoltage, MeasuredCurvesAreFollowedAndScaled) {
    const CurrentVoltageLaw law = make_current_voltage(measured_cell(), 4);  // 1 LSB = 0.05 V
    const auto amperes = [&](double conductance, double volts) {
        return current_of(law, conductance, volts / 0.05) * 0.05;
    };
    EXPECT_NEAR(amperes(10e-6, 0.05), 0.25e-6, 1e-18);
    EXPECT_NEAR(amperes(10e-6, 0.15), 1.25e-6, 1e-18);
    EXPECT_NEAR(amperes(10e-6, 0.3), 5e-6, 1e-18);
    EXPECT_NEAR(amperes(10e-6, 0.5), 11e-6, 1e-18);  // along the last piece
    EXPECT_NEAR(amperes(10e-6, -0.15), -1.25e-6, 1e-18);
    EXPECT_NEAR(amperes(40e-6, 0.1), 4e-6, 1e-18);
    EXPECT_NEAR(amperes(5e-6, 0.1), 0.25e-6, 1e-18);  // below all curves: the first one's shape
    EXPECT_NEAR(amperes(80e-6, 0.1), 8e-6, 1e-18);
    // Halfway between the conductances: both shapes count half.
    EXPECT_NEAR(amperes(25e-6, 0.1), 0.5 * (25e-6 * 0.05 + 25e-6 * 0.1), 1e-18);
    for (double g : {1e-6, 10e-6, 17e-6, 40e-6, 90e-6}) EXPECT_NEAR(amperes(g, 0.2), g * 0.2, 1e-17);
}

TEST(CurrentVoltage, ThresholdSelectorHasItsClosedForm) {
    CellOptions cell;
    cell.current_voltage.read_voltage = 0.3;
    cell.selector.model = SelectorOptions::Model::threshold;
    cell.selector.threshold = 0.1;
    cell.selector.resistance = 2e3;
    cell.series.resistance = 3e3;
    const CurrentVoltageLaw law = make_current_voltage(cell, 3);  // 1 LSB = 0.1 V
    EXPECT_FALSE(is_ohmic(cell));
    EXPECT_EQ(current_of(law, kG, 0.9), 0);
    EXPECT_EQ(current_of(law, kG, -1), 0);
    EXPECT_EQ(current_of(law, 0, 3), 0);
    const double amperes = 0.2 / (1 / kG + 5e3);
    EXPECT_NEAR(current_of(law, kG, 3) * 0.1, amperes, 1e-12 * amperes);
    EXPECT_NEAR(current_of(law, kG, -3) * 0.1, -amperes, 1e-12 * amperes);
}

// Kirchhoff: the voltages over the cell, the resistance and the selector at the current found add up to what is driven.
TEST(CurrentVoltage, VoltagesInSeriesAddUp) {
    for (double v0 : {0.02, 0.1, 1.0})
        for (double scale : {1e-9, 1e-6, 1e-3})
            for (double conductance : {1e-9, 1e-6, 1e-3})
                for (double resistance : {0.0, 1e3, 1e6}) {
                    CellOptions cell = sinh_cell(v0);
                    cell.series.resistance = resistance;
                    cell.selector.model = SelectorOptions::Model::sinh;
                    cell.selector.current = scale;
                    cell.selector.v0 = 0.05;
                    const CurrentVoltageLaw law = make_current_voltage(cell, 3);
                    double last = 0;
                    for (double drive : {0.01, 0.7, 1.0, 3.0, 6.0}) {
                        const double i = current_of(law, conductance, drive) * 0.1;
                        const double unit = conductance * 0.3 / std::sinh(0.3 / v0);
                        const double v = v0 * std::asinh(i / unit) + i * resistance + 0.05 * std::asinh(i / scale);
                        EXPECT_NEAR(v / (drive * 0.1), 1, 1e-9) << v0 << ' ' << scale << ' ' << conductance;
                        EXPECT_GT(i, last);
                        last = i;
                    }
                }
}

TEST(CurrentVoltage, MeasuredCurveInSeriesAddsUp) {
    CellOptions cell = measured_cell();
    cell.series.resistance = 1e5;
    const CurrentVoltageLaw law = make_current_voltage(cell, 2);
    // Piece through (0.1 V, 0.5 uA) and (0.2 V, 2 uA): i = 0.5 uA + 15 uS (v - 0.1), v + 1e5 i = 0.2.
    const double amperes = 0.5e-6 + 15e-6 * (0.05 / 2.5);
    EXPECT_NEAR(current_of(law, 10e-6, 2) * 0.1, amperes, 1e-12 * amperes);
}

}  // namespace
}  // namespace bitline
