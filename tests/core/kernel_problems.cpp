#include "core/kernel_problems.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/kernels/amx_kernel.h"
#include "core/kernels/x86_kernels.h"

namespace bitline::kernels {

#if defined(__x86_64__)
namespace amx {
extern const Vector kEmulatedTiles;  // tests/core/amx_emulated.cpp
}
#endif

namespace {

#if defined(__x86_64__)
using EmulatedTiles = amx::Tiles<amx::kEmulatedTiles, kAvx2>;
const Kernel kEmulatedAmx = {"amx (emulated)",       kAvx2.needs,         kAvx2.available,
                             kAvx2.missing,          EmulatedTiles::pack, EmulatedTiles::sums,
                             EmulatedTiles::convert, EmulatedTiles::bits, EmulatedTiles::gaussians};
#endif

void fill_block(const Shape& shape, Source& source, Block& block) {
    block.rows = shape.rows;
    block.cols = shape.cols;
    block.variance_unit = shape.variance_unit;
    for (int i = 0; i < shape.rows * shape.cols; ++i) {
        block.g.push_back(int32_t(source.integer(-int64_t(shape.largest_g), shape.largest_g)));
        if (shape.noisy) block.variance.push_back(int32_t(source.integer(0, 32767)));
    }
    if (shape.noisy) block.variance[0] = 0;
}

/// Codes that are often ties, often clipped, and sometimes neither.
void fill_converter(const Shape& shape, Source& source, Converter& converter) {
    const int64_t range = int64_t(1) << shape.adc_bits;
    converter.lo = int32_t(source.integer(-range, 0));
    converter.hi = int32_t(converter.lo + range - 1);
    converter.one_bit = shape.one_bit;
    converter.wide = shape.wide;
    const double typical = std::sqrt(double(shape.rows)) * shape.largest_g * std::max(1, shape.largest_digit);
    for (int col = 0; col < shape.cols; ++col) {
        const double step = double(range) / typical * source.real(0.2, 0.8);
        converter.inv_step.push_back(col % 3 == 0 ? std::exp2(std::floor(std::log2(step))) : step);
        converter.offset.push_back(col % 2 == 0 ? 0.5 * double(source.integer(-4, 4)) : source.real(-3, 3));
    }
}

/// Noise of the converters, about as large as that of the cells.
void fill_deviation(const Shape& shape, Source& source, Converter& converter) {
    const double typical = std::sqrt(shape.variance_unit * 16384 * shape.rows) * std::max(1, shape.largest_digit);
    for (int col = 0; col < shape.cols; ++col) converter.deviation.push_back(source.real(0, typical));
    converter.deviation[0] = 0;
}

void fill_readout(const Shape& shape, Source& source, Readout& readout) {
    readout.outputs = shape.shared_outputs ? (shape.cols + 3) / 4 : shape.cols;
    for (int col = 0; col < shape.cols; ++col) {
        const int output = shape.shared_outputs ? int(source.integer(0, readout.outputs - 1)) : col;
        readout.column_output.push_back(col % 5 == 4 ? readout.column_output.back() : output);
        readout.column_weight.push_back(source.integer(-1, 1) * (int64_t(1) << source.integer(0, 20)));
    }
}

void fill_drive(const Shape& shape, Source& source, Problem& problem) {
    for (int64_t i = 0; i < int64_t(shape.vectors) * shape.cycles * shape.rows; ++i) {
        problem.digits.push_back(int16_t(source.integer(shape.smallest_digit, shape.largest_digit)));
    }
    for (int cycle = 0; cycle < shape.cycles; ++cycle) problem.cycle_weight.push_back(int64_t(1) << cycle);
    problem.cycle_weight.back() *= -1;
    for (int vector = 0; vector < shape.vectors; ++vector) {
        problem.sample.push_back(uint32_t(source.integer(0, 0xFFFFFFFF)));
        problem.position.push_back(uint32_t(vector % 7));
    }
    problem.drive.digits = problem.digits.data();
    problem.drive.vectors = shape.vectors;
    problem.drive.cycles = shape.cycles;
    problem.drive.cycle_weight = problem.cycle_weight.data();
    problem.drive.sample = problem.sample.data();
    problem.drive.position = problem.position.data();
}

}  // namespace

std::vector<const Kernel*> available_kernels() {
    std::vector<const Kernel*> kernels;
    for (const Kernel* kernel : all()) {
        if (kernel->available()) kernels.push_back(kernel);
    }
#if defined(__x86_64__)
    if (kAvx2.available()) kernels.push_back(&kEmulatedAmx);
#endif
    return kernels;
}

const Kernel& scalar() { return *all().back(); }
void set_equal_steps(Problem& problem) {
    Converter& converter = problem.converter;
    for (int64_t code = converter.lo; code <= int64_t{converter.hi} + 1; ++code) {
        double at = double(code) - 0.5;
        if (code % 2 != 0) at = converter.wide ? std::nextafter(at, 1e9) : std::nextafterf(float(at), 1e9F);
        converter.transfer.threshold.push_back(at);
    }
    converter.transfer.converter.assign(size_t(problem.block.cols), 0);
    problem.block.at_thresholds = true;
    lay_out(converter);
}

void set_thresholds(Problem& problem, Source& source, double spread) {
    Converter& converter = problem.converter;
    const int codes = converter.hi - converter.lo + 1;
    for (int i = 0; i < 3; ++i) {
        std::vector<double> row;
        for (int code = 0; code <= codes; ++code) {
            row.push_back(converter.lo + code - 0.5 + spread * source.real(-1, 1));
            if (code > 0 && code < codes && source.integer(0, 19) == 0) row.back() = row[size_t(code) - 1];
        }
        std::sort(row.begin(), row.end());
        row.back() = std::max(row.back(), row.front() + 1);
        converter.transfer.threshold.insert(converter.transfer.threshold.end(), row.begin(), row.end());
    }
    for (int col = 0; col < problem.block.cols; ++col) converter.transfer.converter.push_back(col / 4 % 3);
    problem.block.at_thresholds = true;
    if (source.integer(0, 1) == 0) {
        for (int code = 0; code < codes; ++code) {
            converter.transfer.value.push_back(int32_t(source.integer(-30000, 30000)));
        }
    }
    lay_out(converter);
}

void drive_bits(Problem& problem) {
    const int rows = problem.block.rows, words = words_of(rows);
    const size_t digit_rows = size_t(problem.drive.vectors) * problem.drive.cycles;
    problem.bits.assign(digit_rows * words, 0);
    for (size_t i = 0; i < digit_rows * rows; ++i) {
        const size_t row = i % rows;
        problem.bits[i / rows * words + row / 64] |= uint64_t(problem.digits[i]) << (row % 64);
    }
    problem.drive.bits = problem.bits.data();
    problem.drive.digits = nullptr;
    problem.block.one_bit_digits = true;
}

std::unique_ptr<Problem> make_problem(const Shape& shape, uint32_t number) {
    Source source(number);
    auto problem = std::make_unique<Problem>();
    fill_block(shape, source, problem->block);
    fill_converter(shape, source, problem->converter);
    fill_readout(shape, source, problem->readout);
    fill_drive(shape, source, *problem);
    problem->noisy = shape.noisy;
    if (shape.noisy && number % 3 != 0) fill_deviation(shape, source, problem->converter);
    if (shape.noisy && number % 3 == 2) problem->block.variance.clear();
    return problem;
}

Result convert(const Kernel& kernel, Problem& problem) {
    kernel.pack(problem.block);
    Result result;
    result.acc.assign(size_t(problem.drive.vectors) * problem.readout.outputs, 5);  // added to, not overwritten
    result.clipped = kernel.convert(problem.block, problem.converter, problem.readout, problem.drive,
                                    problem.noisy ? &problem.noise : nullptr, result.acc.data());
    return result;
}

std::vector<int64_t> sums(const Kernel& kernel, Problem& problem) {
    kernel.pack(problem.block);
    std::vector<int64_t> out(size_t(problem.drive.vectors) * problem.drive.cycles * problem.block.cols, -1);
    kernel.sums(problem.block, problem.drive, out.data());
    return out;
}

void expect_all_give(const Shape& shape, Problem& problem, const std::vector<int64_t>& expected_sums,
                     const Result& expected) {
    for (const Kernel* kernel : available_kernels()) {
        const std::string where = std::string(kernel->name) + " rows " + std::to_string(shape.rows) + " cols " +
                                  std::to_string(shape.cols) + " vectors " + std::to_string(shape.vectors) +
                                  " cycles " + std::to_string(shape.cycles) + " bits " + std::to_string(shape.adc_bits);
        EXPECT_EQ(sums(*kernel, problem), expected_sums) << where;
        const Result result = convert(*kernel, problem);
        EXPECT_EQ(result.clipped, expected.clipped) << where;
        EXPECT_EQ(result.acc, expected.acc) << where;
    }
}

void expect_all_agree(const Shape& shape, uint32_t number) {
    const auto problem = make_problem(shape, number);
    const auto expected_sums = sums(scalar(), *problem);
    const auto expected = convert(scalar(), *problem);
    expect_all_give(shape, *problem, expected_sums, expected);
    if (shape.smallest_digit < 0 || shape.largest_digit > 1) return;
    drive_bits(*problem);
    expect_all_give(shape, *problem, expected_sums, expected);
    problem->block.compact = true;
    expect_all_give(shape, *problem, expected_sums, expected);
}

}  // namespace bitline::kernels
