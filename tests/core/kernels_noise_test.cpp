// Noise of arrays of real sizes, and what it depends on, on every kernel.

#include <gtest/gtest.h>

#include <algorithm>

#include "core/kernel_problems.h"

namespace bitline::kernels {
namespace {

TEST(Kernels, AgreeOnTheNoiseOfAWholeArray) {
    for (const bool wide : {false, true}) {
        for (uint32_t number = 7000; number < 7003; ++number) {  // noise of cells, of both, of converters
            Shape shape;
            shape.rows = shape.cols = 128;
            shape.vectors = 40;
            shape.cycles = 8;
            shape.wide = wide;
            shape.noisy = true;
            shape.variance_unit = 0.3;
            const auto problem = make_problem(shape, number);
            drive_bits(*problem);
            const auto expected_sums = sums(scalar(), *problem);
            const Result expected = convert(scalar(), *problem);
            expect_all_give(shape, *problem, expected_sums, expected);
            problem->noisy = false;
            EXPECT_NE(convert(scalar(), *problem), expected) << "the noise must matter";
        }
    }
}

TEST(Kernels, AgreeOnNoiseWhereTablesExceedTheCache) {
    // Columns are then taken some at a time, and a block of them may begin within four that share their counters.
    uint32_t number = 7050;
    for (const int rows : {350, 700, 1000, 1500, 2000}) {
        for (const bool shared : {false, true}) {
            Shape shape;
            shape.rows = rows;
            shape.cols = 39;
            shape.vectors = 5;
            shape.cycles = 3;
            shape.wide = shape.noisy = true;
            shape.shared_outputs = shared;
            shape.largest_g = 1 << 18;
            shape.variance_unit = 1000;
            const auto problem = make_problem(shape, 3 * number++);  // noise of cells
            drive_bits(*problem);
            const auto expected_sums = sums(scalar(), *problem);
            expect_all_give(shape, *problem, expected_sums, convert(scalar(), *problem));
        }
    }
}

/// `convert` in calls of so many vectors.
Result convert_in_calls(const Kernel& kernel, Problem& problem, int vectors_per_call) {
    kernel.pack(problem.block);
    Result result;
    result.acc.assign(size_t(problem.drive.vectors) * problem.readout.outputs, 5);
    const int64_t rows = int64_t(problem.drive.cycles) * problem.block.rows;
    const int64_t words = int64_t(problem.drive.cycles) * words_of(problem.block.rows);
    for (int first = 0; first < problem.drive.vectors; first += vectors_per_call) {
        Drive part = problem.drive;
        part.vectors = std::min(vectors_per_call, problem.drive.vectors - first);
        if (part.bits) part.bits += first * words;
        if (part.digits) part.digits += first * rows;
        part.sample += first;
        part.position += first;
        result.clipped += kernel.convert(problem.block, problem.converter, problem.readout, part,
                                         problem.noisy ? &problem.noise : nullptr,
                                         result.acc.data() + int64_t(first) * problem.readout.outputs);
    }
    return result;
}

TEST(Kernels, DoNotCareHowVectorsAreSplitOverCalls) {
    for (uint32_t number = 7100; number < 7108; ++number) {
        Shape shape;
        shape.rows = 70;
        shape.cols = 21;
        shape.vectors = 131;
        shape.cycles = 1 + int(number % 4) * 3;
        shape.noisy = number % 4 != 3;
        shape.wide = number % 2 == 0;
        const auto problem = make_problem(shape, number);
        for (const bool bits : {false, true}) {
            if (bits) drive_bits(*problem);
            for (const Kernel* kernel : available_kernels()) {
                const Result whole = convert(*kernel, *problem);
                for (const int vectors : {1, 7, 33, 64}) {
                    EXPECT_EQ(convert_in_calls(*kernel, *problem, vectors), whole) << kernel->name << ' ' << vectors;
                }
            }
        }
    }
}

/// The first columns of a problem whose columns have an output each.
std::unique_ptr<Problem> first_columns(const Problem& problem, int cols) {
    auto part = std::make_unique<Problem>();
    part->block = problem.block;
    part->block.cols = cols;
    part->block.g.clear();
    part->block.variance.clear();
    for (int i = 0; i < problem.block.rows * problem.block.cols; ++i) {
        if (i % problem.block.cols >= cols) continue;
        part->block.g.push_back(problem.block.g[size_t(i)]);
        if (!problem.block.variance.empty()) part->block.variance.push_back(problem.block.variance[size_t(i)]);
    }
    part->converter = problem.converter;
    part->converter.inv_step.resize(size_t(cols));
    part->converter.offset.resize(size_t(cols));
    if (!part->converter.deviation.empty()) part->converter.deviation.resize(size_t(cols));
    part->readout = problem.readout;
    part->readout.column_output.resize(size_t(cols));
    part->readout.column_weight.resize(size_t(cols));
    part->drive = problem.drive;  // whose arrays remain the whole problem's
    part->noisy = problem.noisy;
    return part;
}

TEST(Kernels, DrawNoiseOfAColumnByItsCounterAlone) {
    // Columns that leave alone ceil(cols / 4), or any in a single cycle, change nothing in those before them.
    for (const int cycles : {1, 5}) {
        Shape shape;
        shape.rows = 33;
        shape.cols = 20;
        shape.vectors = 37;
        shape.cycles = cycles;
        shape.noisy = true;
        shape.shared_outputs = false;
        shape.variance_unit = 0.5;
        const auto problem = make_problem(shape, 7201);
        for (int col = 0; col < shape.cols; ++col) problem->readout.column_output[size_t(col)] = col;
        for (const bool bits : {false, true}) {
            if (bits) drive_bits(*problem);
            for (const Kernel* kernel : available_kernels()) {
                const Result whole = convert(*kernel, *problem);
                for (int cols = cycles == 1 ? 1 : 17; cols < shape.cols; ++cols) {
                    const auto part = first_columns(*problem, cols);
                    const Result result = convert(*kernel, *part);
                    for (int i = 0; i < shape.vectors * shape.cols; ++i) {
                        if (i % shape.cols < cols) {
                            ASSERT_EQ(result.acc[size_t(i)], whole.acc[size_t(i)]) << kernel->name << ' ' << cols;
                        }
                    }
                }
            }
        }
    }
}
}  // namespace
}  // namespace bitline::kernels
