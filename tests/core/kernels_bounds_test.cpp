// Every kernel against the scalar one where numbers are as large as they get.

#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/kernel_problems.h"

namespace bitline::kernels {
namespace {

enum class Pattern { positive, negative, alternating, one_large };

void fill_conductances(Problem& problem, Pattern pattern, int32_t g) {
    for (size_t i = 0; i < problem.block.g.size(); ++i) {
        const int row = int(i) / problem.block.cols;
        const bool negative = pattern == Pattern::negative || (pattern == Pattern::alternating && row % 2 == 1);
        const bool small = pattern == Pattern::one_large && row != 1;
        problem.block.g[i] = (negative ? -1 : 1) * (small ? 1 : g);
    }
    problem.block.g.back() = 1;  // a common factor would make the others small
}

/// With bits all one in the first vector, all zero in the second, and random ones behind.
void extreme_digits(Problem& problem) {
    const size_t vector = size_t(problem.drive.cycles) * size_t(problem.block.rows);
    std::fill_n(problem.digits.begin(), vector, int16_t(1));
    std::fill_n(problem.digits.begin() + int64_t(vector), vector, int16_t(0));
}

void expect_all_agree_at(const Shape& shape, Pattern pattern, int32_t g, uint32_t number) {
    const auto problem = make_problem(shape, number);
    fill_conductances(*problem, pattern, g);
    extreme_digits(*problem);
    drive_bits(*problem);
    const auto expected_sums = sums(scalar(), *problem);
    for (int col = 0; col < shape.cols; ++col) {  // a converter that resolves what there is
        problem->converter.inv_step[size_t(col)] = 100.0 / (1.0 + double(std::abs(expected_sums[size_t(col)])));
    }
    const Result expected = convert(scalar(), *problem);
    SCOPED_TRACE(testing::Message() << "g " << g << " pattern " << int(pattern) << (shape.wide ? " wide" : " narrow")
                                    << (shape.noisy ? " noisy" : ""));
    expect_all_give(shape, *problem, expected_sums, expected);
}

TEST(Kernels, AgreeWhereTablesNeedOneToFourPlanesAndBeyond) {
    // Tables of four rows hold entries below 2^6, 2^12, 2^18 and 2^24, those of eight rows half as large numbers;
    // columns of more than 2048 rows or of more than 2^30 steps have none. |S| < 2^24 wherever the converters are
    // narrow.
    uint32_t number = 8000;
    for (const int rows : {3, 4, 64, 255, 2000, 2048, 2049, 5000}) {
        for (const int32_t edge : {8, 16, 512, 1024, 1 << 15, 1 << 16, 1 << 19, 1 << 21, 1 << 22, 1 << 23}) {
            for (const int32_t g : {edge - 1, edge}) {
                for (const Pattern pattern :
                     {Pattern::positive, Pattern::negative, Pattern::alternating, Pattern::one_large}) {
                    Shape shape;
                    shape.rows = rows;
                    shape.cols = 2;
                    shape.cycles = 2;
                    shape.noisy = number % 2 == 0;
                    shape.wide = int64_t(rows) * g >= 1 << 24 || (number / 2) % 3 == 0;
                    shape.variance_unit = 0.1 * double(g);
                    expect_all_agree_at(shape, pattern, g, number++);
                    ++number;
                    shape.noisy = !shape.noisy;
                    if (rows < 2000) expect_all_agree_at(shape, pattern, g, number);
                }
            }
        }
    }
}

TEST(Kernels, AgreeForConductancesWithACommonFactor) {
    uint32_t number = 8500;
    for (const int32_t factor : {2, 3, 1000, 4096, 65536, 1 << 22, 1 << 30}) {
        for (const bool exact : {false, true}) {  // or but for a single cell
            for (int variant = 0; variant < 4; ++variant, ++number) {
                Shape shape;
                shape.rows = 61;
                shape.cols = 7;
                shape.vectors = 35;
                shape.noisy = variant % 2 == 1;
                shape.largest_g = std::min(factor > 4096 ? 1 : 40, (1 << 30) / factor);
                shape.wide = variant >= 2 || int64_t(61) * shape.largest_g * factor + 1 >= 1 << 24;
                const auto problem = make_problem(shape, number);
                for (int32_t& g : problem->block.g) g *= factor;
                for (double& step : problem->converter.inv_step) step /= factor;
                problem->block.g[9] += exact ? 0 : 1;
                drive_bits(*problem);
                const auto expected_sums = sums(scalar(), *problem);
                expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
            }
        }
    }
}

TEST(Kernels, AgreeForBlocksOfZerosAndOfTheLeastNumber) {
    for (const int32_t g : {0, std::numeric_limits<int32_t>::min()}) {
        for (const bool alone : {false, true}) {
            Shape shape;
            shape.wide = shape.noisy = true;
            const auto problem = make_problem(shape, 8600);
            std::fill(problem->block.g.begin(), problem->block.g.end(), alone ? 0 : g);
            problem->block.g[3] = g;
            for (const bool bits : {false, true}) {
                if (bits) drive_bits(*problem);
                const auto expected_sums = sums(scalar(), *problem);
                expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
            }
        }
    }
}

TEST(Kernels, AgreeForFewVectorsOfManyCyclesAndAnyWeights) {
    // What shares a tile, and how its weights are split, depends on both numbers.
    const std::vector<std::vector<int64_t>> extremes = {
        {1, 2, 4, 8, 16, 32, 64, -128},
        {65534, -65536, 0, 1, -1, 32767, -32768, 32768, -32769},  // all that two 16-bit halves can hold
        {65534},
        {-65536},
        {0},
        {1, 1 << 20},  // more than they can hold
        {65535},
        {-65537},
    };
    uint32_t number = 9000;
    for (int vectors = 1; vectors <= 9; ++vectors) {
        for (int cycles = 1; cycles <= 17; ++cycles, ++number) {
            Shape shape;
            shape.rows = 70;
            shape.cols = 9;
            shape.vectors = vectors;
            shape.cycles = cycles;
            shape.adc_bits = 1 + int(number % 8);
            shape.noisy = number % 3 == 0;
            shape.one_bit = number % 7 == 0;
            shape.wide = number % 5 == 0;
            const auto problem = make_problem(shape, number);
            const auto& weights = extremes[number % extremes.size()];
            for (size_t i = 0; i < problem->cycle_weight.size(); ++i)
                problem->cycle_weight[i] = weights[i % weights.size()];
            if (number % 4 == 0) problem->readout.column_weight.assign(9, number % 8 == 0 ? 1 : -3);
            drive_bits(*problem);
            const auto expected_sums = sums(scalar(), *problem);
            expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
        }
    }
}

TEST(Kernels, AgreeForEveryNumberOfVectorsDrivenByBits) {
    uint32_t number = 9300;
    for (int vectors = 1; vectors <= 100; vectors += vectors < 70 ? 1 : 13, ++number) {
        Shape shape;
        shape.rows = 9;
        shape.cols = 5;
        shape.vectors = vectors;
        shape.cycles = 1 + int(number % 9);
        shape.noisy = number % 2 == 0;
        expect_all_agree(shape, number);
    }
}

TEST(Kernels, AgreeWithLargeColumnWeights) {
    // A run of columns whose totals fit in 32 bits, columns that need 64 each, and both among each other.
    const std::vector<std::vector<int64_t>> columns = {
        {int64_t(1) << 40},
        {-(int64_t(1) << 40), 1},
        {1, 1, 1, int64_t(1) << 40, 1, 1},
        {32767, -32768, 1 << 16, 1 << 23, -(1 << 24)},
        {0, 0, 7},
        {int64_t(1) << 31, -(int64_t(1) << 31), (int64_t(1) << 31) - 1},
    };
    uint32_t number = 9500;
    for (const auto& weights : columns) {
        for (int variant = 0; variant < 8; ++variant, ++number) {
            Shape shape;
            shape.rows = 40;
            shape.cols = 50;
            shape.vectors = 33;
            shape.cycles = 8;
            shape.adc_bits = variant < 4 ? 4 : 8;
            shape.noisy = variant % 2 == 1;
            const auto problem = make_problem(shape, number);
            for (size_t col = 0; col < 50; ++col) {
                problem->readout.column_weight[col] = weights[col % weights.size()];
                problem->readout.column_output[col] = variant % 4 < 2 ? 0 : int32_t(col / 8);
            }
            drive_bits(*problem);
            const auto expected_sums = sums(scalar(), *problem);
            expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
        }
    }
}
}  // namespace
}  // namespace bitline::kernels
