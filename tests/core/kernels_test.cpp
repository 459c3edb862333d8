// The scalar kernel against its own definition, and which kernel is chosen.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/kernel_problems.h"

namespace bitline::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// Two rows, three columns, one vector, one cycle; digits 1 and 2.
std::unique_ptr<Problem> small_problem() {
    auto problem = std::make_unique<Problem>();
    problem->block.rows = 2;
    problem->block.cols = 3;
    problem->block.g = {10, -4, 7, 1, 3, -100};
    problem->converter = {{0.5, 0.25, 0.5}, {0, 0, 0}, {}, -8, 7, false, false, {}};
    problem->readout = {{0, 1, 1}, {1, 10, 1000}, 2};
    problem->digits = {1, 2};
    problem->cycle_weight = {3};
    problem->drive.digits = problem->digits.data();
    problem->drive.vectors = problem->drive.cycles = 1;
    problem->drive.cycle_weight = problem->cycle_weight.data();
    return problem;
}

TEST(Kernels, SumsAreExactProducts) {
    for (const Kernel* kernel : available_kernels()) {
        EXPECT_THAT(sums(*kernel, *small_problem()), testing::ElementsAre(12, 2, -193)) << kernel->name;
    }
}

TEST(Kernels, CodesAreRoundedHalfToEvenClippedCountedAndShifted) {
    // t = 6, 0.5 and -96.5: codes 6, 0 (even) and -8 (clipped).
    for (const Kernel* kernel : available_kernels()) {
        const Result result = convert(*kernel, *small_problem());
        EXPECT_THAT(result.acc, testing::ElementsAre(5 + 6 * 3, 5 + (0 * 10 - 8 * 1000) * 3)) << kernel->name;
        EXPECT_EQ(result.clipped, 1) << kernel->name;
    }
}

TEST(Kernels, SenseAmplifierGivesTheSignWithZeroAsPlus) {
    for (const bool wide : {false, true}) {
        auto problem = small_problem();
        problem->converter.one_bit = true;
        problem->converter.wide = wide;
        problem->converter.offset = {-6, -0.625, 0};  // t = 0, -0.125, -96.5
        for (const Kernel* kernel : available_kernels()) {
            const Result result = convert(*kernel, *problem);
            EXPECT_THAT(result.acc, testing::ElementsAre(5 + 3, 5 + (-10 - 1000) * 3)) << kernel->name;
            EXPECT_EQ(result.clipped, 0) << kernel->name;
        }
    }
}

TEST(Kernels, NarrowAndWideDifferWhereFloatRounds) {
    // t = 1/2 + 10^-9 is a tie in float32 (down to 0) and above it in double (up to 1).
    auto problem = small_problem();
    problem->block.g = {1, 0, 0, 0, 0, 0};
    problem->converter.inv_step = {0.5 + 1e-9, 1, 1};
    for (const Kernel* kernel : available_kernels()) {
        problem->converter.wide = false;
        EXPECT_EQ(convert(*kernel, *problem).acc[0], 5) << kernel->name;
        problem->converter.wide = true;
        EXPECT_EQ(convert(*kernel, *problem).acc[0], 5 + 3) << kernel->name;
    }
}

/// The code of a sum of one column whose converter takes `step` grid steps per code.
int64_t code_of(const Kernel& kernel, int32_t sum, double step, bool wide) {
    auto problem = small_problem();
    problem->block.g = {sum, 0, 0, 0, 0, 0};
    problem->converter = {{1 / step, 1, 1}, {0, 0, 0}, {}, -128, 127, false, wide, {}};
    problem->cycle_weight = {1};
    problem->drive.cycle_weight = problem->cycle_weight.data();
    kernel.pack(problem->block);
    return convert(kernel, *problem).acc[0] - 5;
}

TEST(Kernels, SumsMidwayBetweenCodesAreMidwayThoughTheReciprocalOfTheStepIsRounded) {
    for (const Kernel* kernel : available_kernels()) {
        for (int32_t level = 1001; level < 16384; level += 34) {  // grid steps per level, two levels per code
            for (int32_t code = -127 + level % 7; code < 126; code += 5) {
                const int32_t sum = (2 * code + 1) * level, even = code % 2 == 0 ? code : code + 1;
                for (const bool wide : {false, true}) {
                    ASSERT_EQ(code_of(*kernel, sum, 2.0 * level, wide), even) << kernel->name << ' ' << level;
                }
                ASSERT_EQ(code_of(*kernel, sum - 2, 2.0 * level, true), code) << kernel->name << ' ' << level;
                ASSERT_EQ(code_of(*kernel, sum + 2, 2.0 * level, true), code + 1) << kernel->name << ' ' << level;
            }
        }
    }
}

TEST(Kernels, ThresholdsCountThoseThatAreCrossed) {
    // t = 6, 0.5 and -96.5 at thresholds of codes 0 .. 3. The second converter's code 2 is missing.
    for (const bool wide : {false, true}) {
        for (const bool values : {false, true}) {
            auto problem = small_problem();
            problem->converter.lo = 0;
            problem->converter.hi = 3;
            problem->converter.wide = wide;
            Transfer& transfer = problem->converter.transfer;
            transfer.threshold = {-1, 0.25, 0.75, 2, 5, -96.5, -3, 0.5, 0.5, 8};
            transfer.converter = {0, 1, 1};
            if (values) transfer.value = {-70, 100, 200, 301};
            lay_out(problem->converter);
            problem->block.at_thresholds = true;
            const int64_t first = values ? 301 : 3, second = values ? 301 : 3, third = values ? -70 : 0;
            for (const Kernel* kernel : available_kernels()) {
                const Result result = convert(*kernel, *problem);
                EXPECT_THAT(result.acc, testing::ElementsAre(5 + first * 3, 5 + (second * 10 + third * 1000) * 3))
                    << kernel->name;
                EXPECT_EQ(result.clipped, 1) << kernel->name;  // 6 lies beyond 5, -96.5 just inside
            }
        }
    }
}

TEST(Kernels, ThresholdsOfEqualStepsGiveTheBitsOfRounding) {
    for (int bits = 1; bits <= 16; ++bits) {
        for (const bool wide : {false, true}) {
            if (bits > 12 && !wide) continue;
            Shape shape;
            shape.rows = 40;
            shape.cols = 37;
            shape.vectors = 40;
            shape.adc_bits = bits;
            shape.largest_g = bits % 2 ? 3 : 1 << 14;  // few sums, often ties, or many
            shape.wide = wide;
            const auto problem = make_problem(shape, 60 + uint32_t(bits));
            problem->converter.lo = std::max(problem->converter.lo, -4096);
            problem->converter.hi = wide ? problem->converter.hi : std::min(problem->converter.hi, 4096);
            const Result expected = convert(scalar(), *problem);
            EXPECT_GT(expected.clipped, 0);
            set_equal_steps(*problem);
            for (const bool as_bits : {false, true}) {
                if (as_bits) drive_bits(*problem);
                for (const Kernel* kernel : available_kernels()) {
                    EXPECT_EQ(convert(*kernel, *problem), expected) << kernel->name << ' ' << bits << ' ' << wide;
                }
            }
        }
    }
}

TEST(Kernels, AgreeAtAnyThresholds) {
    uint32_t number = 500;
    for (const double spread : {0.05, 0.4, 3.0, 50.0}) {
        for (const int bits : {1, 2, 3, 5, 8, 11, 12}) {
            for (const int kind : {0, 1, 2}) {
                Shape shape;
                shape.rows = 70;
                shape.cols = 23;
                shape.vectors = 41;
                shape.adc_bits = bits;
                shape.noisy = kind == 1;
                shape.wide = kind == 2;
                const auto problem = make_problem(shape, ++number);
                Source source(number + 1000);
                problem->converter.lo = std::max(problem->converter.lo, -2000);
                problem->converter.hi = std::min(problem->converter.hi, 2000);
                set_thresholds(*problem, source, spread);
                const auto expected_sums = sums(scalar(), *problem);
                const auto expected = convert(scalar(), *problem);
                expect_all_give(shape, *problem, expected_sums, expected);
                drive_bits(*problem);
                expect_all_give(shape, *problem, expected_sums, expected);
            }
        }
    }
}

TEST(Kernels, NoiseFollowsItsFormula) {
    Shape shape;
    shape.cols = 6;
    shape.vectors = 40;
    shape.wide = true;
    shape.noisy = true;
    const auto problem = make_problem(shape, 1);  // noise of cells and of converters
    // One output per column and a converter that passes the sum on unchanged; the last cycle only.
    problem->converter.inv_step.assign(6, 1);
    problem->converter.offset.assign(6, 0);
    problem->converter.lo = -(1 << 23);
    problem->converter.hi = 1 << 23;
    problem->readout = {{0, 1, 2, 3, 4, 5}, {1, 1, 1, 1, 1, 1}, 6};
    problem->cycle_weight = {0, 0, 0, 1};
    const auto clean = sums(scalar(), *problem);
    for (const bool bits : {false, true}) {
        if (bits) drive_bits(*problem);
        for (const Kernel* kernel : available_kernels()) {
            const Result result = convert(*kernel, *problem);
            for (int i = 0; i < shape.vectors * 6; ++i) {
                const int col = i % 6, vector = i / 6, cycle = 3;
                double variance = problem->converter.deviation[col] * problem->converter.deviation[col];
                for (int row = 0; row < shape.rows; ++row) {
                    const int64_t digit = problem->digits[size_t(vector * shape.cycles + cycle) * shape.rows + row];
                    variance += double(digit * problem->block.variance[row * 6 + col]) * shape.variance_unit;
                }
                const Counter words = ars({uint32_t(cycle * 2 + col / 4), problem->position[vector],
                                           problem->sample[vector], problem->noise.block},
                                          {problem->noise.key.k0, problem->noise.key.k1, 0, 0}, kNoiseRounds);
                const double z = noise_deviate(words[size_t(col) % 4]) / std::sqrt(kNoiseVariance);
                const double x = double(clean[(vector * 4 + cycle) * 6 + col]) + std::sqrt(variance) * z;
                EXPECT_NEAR(double(result.acc[i] - 5), x, 0.5 + 1e-5 * std::abs(std::sqrt(variance) * z))
                    << kernel->name;
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- choice

TEST(Kernels, ScalarIsLastAndAlwaysThere) {
    EXPECT_STREQ(scalar().name, "scalar");
    EXPECT_TRUE(scalar().available());
}

TEST(Kernels, TheForcedKernelIsTheOneInUse) {
    const char* forced = std::getenv("BITLINE_KERNEL");
    EXPECT_STREQ(active().name, forced && *forced ? forced : available_kernels().front()->name);
}

TEST(Kernels, WhatIsMissingIsNamedWhereAKernelIsNotAvailable) {
    for (const Kernel* kernel : all()) EXPECT_EQ(kernel->missing().empty(), kernel->available()) << kernel->name;
}

TEST(Kernels, ChoiceTakesTheBestOneThatTheMachineHas) {
    Kernel missing = scalar(), present = scalar();
    missing.name = "first";
    missing.missing = [] { return std::string("AVX9"); };
    missing.available = [] { return false; };
    present.name = "second";
    const std::vector<const Kernel*> table = {&missing, &present, &scalar()};
    EXPECT_STREQ(select(table, "").name, "second");
    EXPECT_STREQ(select(table, "scalar").name, "scalar");
    try {
        select(table, "first");
        ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(), "BITLINE_KERNEL=first: this machine lacks AVX9");
    }
    try {
        select(table, "fastest");
        ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), AllOf(HasSubstr("BITLINE_KERNEL=fastest"), HasSubstr("first, second, scalar")));
    }
}
}  // namespace
}  // namespace bitline::kernels
