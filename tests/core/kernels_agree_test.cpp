// Every kernel against the scalar one, to the bit.

#include <gtest/gtest.h>

#include <algorithm>

#include <cmath>
#include <cstdlib>

#include "core/kernel_problems.h"

namespace bitline::kernels {
namespace {

TEST(Kernels, AgreeAtAwkwardSizes) {
    uint32_t number = 100;
    const int cycles[] = {1, 2, 4, 8, 16};
    for (const int rows : kAwkward) {
        for (const int cols : kAwkward) {
            Shape shape;
            shape.rows = rows;
            shape.cols = cols;
            shape.vectors = 1 + int(number % 9);
            shape.cycles = cycles[number % 5];
            shape.noisy = number % 3 == 0;
            shape.shared_outputs = number % 2 == 0;
            expect_all_agree(shape, number++);
        }
    }
}

TEST(Kernels, AgreeForEveryNumberOfVectors) {
    uint32_t number = 1000;
    for (const int vectors : kAwkward) {
        for (const int cycles : {1, 2, 3, 8}) {
            Shape shape;
            shape.rows = 33;
            shape.cols = 17;
            shape.vectors = vectors;
            shape.cycles = cycles;
            shape.noisy = number % 2 == 0;
            shape.largest_digit = 3;
            expect_all_agree(shape, number++);
        }
    }
}

TEST(Kernels, AgreeWhereVectorsExceedOnePassThroughTheCache) {
    Shape shape;
    shape.rows = 700;
    shape.vectors = 19;
    shape.smallest_digit = -1;
    shape.largest_digit = 1;
    shape.noisy = true;
    expect_all_agree(shape, 1500);
}

TEST(Kernels, AgreeForEveryConverterWidth) {
    for (int bits = 1; bits <= 16; ++bits) {
        for (int variant = 0; variant < 8; ++variant) {
            Shape shape;
            shape.rows = 63;
            shape.cols = 33;
            shape.adc_bits = bits;
            shape.wide = variant & 1;
            shape.noisy = variant & 2;
            shape.one_bit = variant & 4;
            shape.largest_digit = shape.wide ? 255 : 1;
            expect_all_agree(shape, uint32_t(2000 + bits * 8 + variant));
        }
    }
}

TEST(Kernels, AgreeForNegativeAndWideDigits) {
    uint32_t number = 3000;
    const int ranges[][2] = {{-1, 1}, {0, 1}, {0, 0}, {0, 3}, {-15, 15}, {-16, 16}, {0, 255}, {-255, 255}, {-255, 0}};
    for (const auto& range : ranges) {
        for (const int32_t largest_g : {1, 100, 32767, 32768, 70000}) {
            for (const int rows : {9, 128, 600}) {
                Shape shape;
                shape.rows = rows;
                shape.cols = 18;
                shape.smallest_digit = range[0];
                shape.largest_digit = range[1];
                shape.largest_g = largest_g;
                shape.wide = int64_t(rows) * largest_g * std::max(-range[0], range[1]) >= 1 << 24;
                shape.noisy = number % 2 == 0;
                shape.variance_unit = shape.wide ? 0.5 : 1e-4;
                expect_all_agree(shape, number++);
            }
        }
    }
}

TEST(Kernels, AgreeForConductancesOfAnySize) {
    uint32_t number = 4000;
    for (const int32_t largest_g : {1 << 15, 1 << 20, (1 << 30) - 1, 1 << 30, 0x7FFFFFFF}) {
        for (const int largest_digit : {1, 255}) {
            Shape shape;
            shape.rows = 1000;
            shape.cols = 5;
            shape.largest_g = largest_g;
            shape.largest_digit = largest_digit;
            shape.wide = true;
            shape.noisy = true;
            shape.variance_unit = double(largest_g);
            expect_all_agree(shape, number++);
        }
    }
}

TEST(Kernels, AgreeAtTheLargestSums) {
    // Every product at its bound: what an accumulator must hold at worst.
    for (const int sign : {-1, 1}) {
        for (const int32_t g : {32767, 32768, (1 << 30) - 1}) {
            Shape shape;
            shape.rows = 1500;
            shape.cols = 3;
            shape.smallest_digit = shape.largest_digit = 255;
            shape.wide = shape.noisy = true;
            const auto problem = make_problem(shape, 5000);
            std::fill(problem->block.g.begin(), problem->block.g.end(), sign * g);
            std::fill(problem->block.variance.begin(), problem->block.variance.end(), 32767);
            const auto expected_sums = sums(scalar(), *problem);
            EXPECT_EQ(expected_sums[0], int64_t(1500) * 255 * g * sign);
            const Result expected = convert(scalar(), *problem);
            for (const Kernel* kernel : available_kernels()) {
                EXPECT_EQ(sums(*kernel, *problem), expected_sums) << kernel->name;
                EXPECT_EQ(convert(*kernel, *problem), expected) << kernel->name;
            }
        }
    }
}

/// Each `per` neighbouring columns add to one output.
Readout neighbours(Source& source, int cols, int per, bool ordered, int largest_shift) {
    Readout readout;
    readout.outputs = (cols + per - 1) / per;
    for (int col = 0; col < cols; ++col) {
        readout.column_output.push_back(ordered ? col / per : readout.outputs - 1 - col / per);
        readout.column_weight.push_back(source.integer(-1, 1) * (int64_t(1) << source.integer(0, largest_shift)));
    }
    return readout;
}

TEST(Kernels, AgreeForNeighbouringColumnsThatShareAnOutput) {
    uint32_t number = 5500;
    for (const int per : {1, 2, 3, 4, 8}) {
        for (const bool ordered : {true, false}) {
            for (const int largest_shift : {4, 15, 40}) {
                for (const int cycles : {3, 8, 16}) {
                    Shape shape;
                    shape.rows = 50;
                    shape.cols = 38;
                    shape.vectors = 21;
                    shape.cycles = cycles;
                    shape.one_bit = number % 5 == 0;
                    const auto problem = make_problem(shape, number);
                    Source source(number++);
                    problem->readout = neighbours(source, shape.cols, per, ordered, largest_shift);
                    if (number % 2 == 0) problem->cycle_weight.back() *= -1;  // 2^15 or -2^15
                    drive_bits(*problem);
                    const auto expected_sums = sums(scalar(), *problem);
                    expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
                }
            }
        }
    }
}

TEST(Kernels, AgreeForConductancesOfOneAndTwoBytes) {
    uint32_t number = 5800;
    for (const int32_t largest_g : {127, 128, 129, 255, 32512, 32513, 32514, 32767, 65152, 65153}) {
        for (const int lowest : {-1, 0}) {         // of the largest
            for (const int32_t factor : {1, 3}) {  // of all
                for (const int rows : {64, 65, 129, 200}) {
                    Shape shape;
                    shape.rows = rows;
                    shape.cols = 20;
                    shape.vectors = 18;
                    shape.largest_g = largest_g;
                    const auto problem = make_problem(shape, number++);
                    for (int32_t& g : problem->block.g) g = (lowest == 0 ? std::abs(g) : g) * factor;
                    problem->block.g[3] = largest_g * factor;
                    problem->block.g[4] = lowest * largest_g * factor;
                    problem->converter.wide = true;
                    drive_bits(*problem);
                    const auto expected_sums = sums(scalar(), *problem);
                    expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
                }
            }
        }
    }
}

TEST(Kernels, AgreeWithLargeWeights) {
    for (const int shift : {30, 31, 40}) {
        Shape shape;
        const auto problem = make_problem(shape, 6000);
        problem->cycle_weight.back() = -(int64_t(1) << shift);
        const Result expected = convert(scalar(), *problem);
        for (const Kernel* kernel : available_kernels())
            EXPECT_EQ(convert(*kernel, *problem), expected) << kernel->name;
    }
}

TEST(Kernels, DoNotCareWhereAPackedBlockLies) {
    Shape shape;
    shape.noisy = true;
    const auto problem = make_problem(shape, 6500);
    for (const Kernel* kernel : available_kernels()) {
        const Result expected = convert(*kernel, *problem);
        const std::vector<Block> copies(5, problem->block);
        for (const Block& copy : copies) {
            Result result;
            result.acc.assign(expected.acc.size(), 5);
            result.clipped = kernel->convert(copy, problem->converter, problem->readout, problem->drive,
                                             &problem->noise, result.acc.data());
            EXPECT_EQ(result, expected) << kernel->name;
        }
    }
}

TEST(Kernels, TakeTheSameBits) {
    Source source(7000);
    for (const int rows : kAwkward) {
        for (const int largest_shift : {0, 7, 15}) {
            std::vector<int32_t> codes(rows);
            for (int32_t& code : codes) code = int32_t(source.integer(-32768, 65535));
            std::vector<int> shifts;
            for (int shift = largest_shift; shift >= 0; --shift) shifts.push_back(shift);
            const int words = words_of(rows);
            for (const Kernel* kernel : available_kernels()) {
                std::vector<uint64_t> out(shifts.size() * words, ~uint64_t(0));
                kernel->bits(codes.data(), rows, shifts.data(), int(shifts.size()), out.data());
                for (size_t i = 0; i < out.size() * 64; ++i) {
                    const size_t row = i / 64 % words * 64 + i % 64;
                    const uint64_t expected = row < size_t(rows) ? codes[row] >> shifts[i / 64 / words] & 1 : 0;
                    ASSERT_EQ(out[i / 64] >> (i % 64) & 1, expected) << kernel->name << " rows " << rows;
                }
            }
        }
    }
}

TEST(Kernels, DrawTheSameGaussians) {
    const StreamKey key{3, 4};
    for (const uint32_t first : {0u, 5u, 0xFFFFFFFEu}) {
        for (const int n : kAwkward) {
            std::vector<float> expected(n);
            for (int i = 0; i < n; ++i) {
                expected[i] = gaussian(philox({first + uint32_t(i) / 4, 7, 8, 9}, key)[size_t(i) % 4]);
            }
            for (const Kernel* kernel : available_kernels()) {
                std::vector<float> out(n + 1, -99.0f);
                kernel->gaussians(key, first, 7, 8, 9, size_t(n), out.data());
                EXPECT_EQ(out.back(), -99.0f) << kernel->name;
                out.pop_back();
                EXPECT_EQ(out, expected) << kernel->name << " n " << n;
            }
        }
    }
}
}  // namespace
}  // namespace bitline::kernels
