// Every kernel against the scalar one, to the bit, and the scalar one against its own definition.

#include "core/kernels/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/random/uniform_int_distribution.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/error.h"
#include "core/kernels/amx_kernel.h"
#include "core/kernels/noise.h"
#include "core/kernels/x86_kernels.h"

namespace bitline::kernels {

#if defined(__x86_64__)
namespace amx {
extern const Vector kEmulatedTiles;  // tests/core/amx_emulated.cpp
}
#endif

namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<int> kAwkward = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};

#if defined(__x86_64__)
using EmulatedTiles = amx::Tiles<amx::kEmulatedTiles, kAvx2>;
const Kernel kEmulatedAmx = {"amx (emulated)",       kAvx2.needs,         kAvx2.available,
                             kAvx2.missing,          EmulatedTiles::pack, EmulatedTiles::sums,
                             EmulatedTiles::convert, EmulatedTiles::bits, EmulatedTiles::gaussians};
#endif

/// Those that this machine runs, and the steps of the tile kernel wherever its fallback runs.
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

/// What a random problem looks like.
struct Shape {
    int rows = 8, cols = 8, vectors = 3, cycles = 4;
    int32_t largest_g = 1 << 14;
    int smallest_digit = 0, largest_digit = 1;
    int adc_bits = 8;
    bool one_bit = false, wide = false, noisy = false, shared_outputs = true;
    double variance_unit = 0.01;
};

struct Problem {
    Block block;
    Converter converter;
    Readout readout;
    std::vector<int16_t> digits;
    std::vector<uint64_t> bits;
    std::vector<int64_t> cycle_weight;
    std::vector<uint32_t> sample, position;
    Drive drive;
    Noise noise{{0x12345678, 0x9abcdef0}, 77};
    bool noisy = false;
};

class Source {
 public:
    explicit Source(uint32_t number) : engine_(stream_key(number, 0, Purpose::test), 0, 0, 0) {}
    int64_t integer(int64_t lo, int64_t hi) {
        return boost::random::uniform_int_distribution<int64_t>(lo, hi)(engine_);
    }
    double real(double lo, double hi) { return boost::random::uniform_real_distribution<double>(lo, hi)(engine_); }

 private:
    PhiloxEngine engine_;
};

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

/// Thresholds that are crossed exactly where equal steps round to the next code: a tie goes to the even one.
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

/// Thresholds of three converters, `spread` codes off; some heaped on one place, some results not the codes.
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

/// The same digits as bits.
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

struct Result {
    std::vector<int64_t> acc;
    int64_t clipped = 0;
    bool operator==(const Result&) const = default;
};

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

// ---------------------------------------------------------------------------------------------- the specification

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

// ---------------------------------------------------------------------------------------------- all kernels agree

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

// ---------------------------------------------------------------------------------------------- noise of real sizes

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

// ---------------------------------------------------------------------------------------------- bounds

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
