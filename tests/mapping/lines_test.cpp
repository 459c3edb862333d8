// Currents that are not digit times conductance, against sums worked out in floating point.

#include "mapping/lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "mapping/chip.h"
#include "support/moments.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::Moments;
using testing::RandomSource;

constexpr int kRows = 40, kCols = 6;

std::vector<int32_t> some_weights() {
    RandomSource random(4);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-3, 3));
    weights[0] = 3;
    return weights;
}

std::vector<int32_t> some_codes(int bits) {
    RandomSource random(5);
    std::vector<int32_t> codes(kRows);
    for (int32_t& code : codes) code = static_cast<int32_t>(random.between(0, (1 << bits) - 1));
    codes[3] = 0;
    codes[4] = (1 << bits) - 1;
    return codes;
}

/// Differential pairs of cells that hold two bits, and converters whose steps lie far below a level.
Architecture fine_chip(int bits_per_cycle) {
    Architecture a;
    a.array.rows = 64;
    a.array.active_rows = 24;  // two parts
    a.cell.g_min = 1e-6;
    a.input.bits_per_cycle = bits_per_cycle;
    a.adc.bits = 16;
    a.adc.range = AdcOptions::Range::fixed;
    a.adc.full_scale = 1;
    return a;
}

struct Case {
    Network network;
    Mapping mapping;
    std::vector<int32_t> codes;

    Case(const Architecture& a, int code_bits)
        : network(testing::fully_connected(kRows, kCols, some_weights(), 3, testing::codes(code_bits, false))),
          mapping(map_network(network, a)),
          codes(some_codes(code_bits)) {}

    std::vector<double> run(const Chip& chip, int64_t sample = 0) const {
        ChipEngine engine(network, mapping, chip);
        std::vector<double> acc(kCols);
        engine.product(network, 1, codes, 1, sample, acc);
        return acc;
    }

    /// Levels that the two cells of a weight have above zero conductance.
    double level(int32_t weight) const {
        const Grid& grid = mapping.layers[0].grid;
        return std::max(weight, 0) + static_cast<double>(grid.g_min) / grid.level_step;
    }

    /// Half a code of each conversion, in levels of the output.
    double rounding(const Chip& chip) const {
        double sum = 0;
        for (int64_t weight : mapping.layers[0].input.cycle_weight) sum += static_cast<double>(std::abs(weight));
        return 2 * sum * (0.5 * chip.layers[0].adc.step + kRows * 1.0 / mapping.layers[0].grid.level_step);
    }
};

/// Sum over rows, cycles and both cells of current(row, digit, conductance in levels).
template <class Current>
std::vector<double> expected_sums(const Case& c, const Current& current) {
    const InputPlan& input = c.mapping.layers[0].input;
    const std::vector<int32_t>& weights = c.mapping.layers[0].weights;
    std::vector<double> sums(kCols, 0);
    for (size_t col = 0; col < kCols; ++col)
        for (size_t row = 0; row < kRows; ++row)
            for (size_t cycle = 0; cycle < input.cycle_weight.size(); ++cycle) {
                const int digit = c.codes[row] >> input.cycle_shift[cycle] & ((1 << input.cycle_bits[cycle]) - 1);
                const int32_t w = weights[col * kRows + row];
                sums[col] += static_cast<double>(input.cycle_weight[cycle]) *
                             (current(row, digit, c.level(w)) - current(row, digit, c.level(-w)));
            }
    return sums;
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
    return largest;
}

TEST(Lines, ErrorsOfTheRowDriversGiveTheirClosedFormSums) {
    std::vector<DacOptions> all(6);
    all[0].gain_sigma = 0.1;
    all[1].offset_sigma = 0.2;
    all[2].inl_sigma = 0.3;
    all[3].dnl_sigma = 0.3;
    all[4].levels = {};  // filled below
    all[5] = all[3];
    all[5].gain_sigma = 0.1;
    all[5].offset_sigma = 0.2;
    for (int bits = 1; bits <= 4; ++bits)
        for (size_t kind = 0; kind < all.size(); ++kind) {
            if (bits == 1 && (kind == 2 || kind == 3)) continue;  // no effect
            Architecture a = fine_chip(bits);
            a.input.dac = all[kind];
            for (int v = 0; kind == 4 && v < 1 << bits; ++v) a.input.dac.levels.push_back(1.2 * v - 0.03 * v * v + 0.1);
            const Case c(a, 4);
            const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
            const auto current = [&](size_t row, int digit, double level) {
                const auto line = static_cast<uint32_t>(row);
                return level * make_line_driver(a.input.dac, bits, dac_streams(11, 2), 0, line).output(digit);
            };
            const auto ideal = [](size_t, int digit, double level) { return level * digit; };
            const std::vector<double> expected = expected_sums(c, current);
            expect_near(c.run(chip), expected, c.rounding(chip));
            EXPECT_GT(distance(expected, expected_sums(c, ideal)), 3 * c.rounding(chip)) << bits << ' ' << kind;
        }
}

TEST(Lines, SinhCurrentsGiveTheirClosedFormSums) {
    for (int bits = 2; bits <= 4; ++bits) {
        Architecture a = fine_chip(bits);
        a.cell.current_voltage.model = CurrentVoltageOptions::Model::sinh;
        a.cell.current_voltage.v0 = 0.1;
        const Case c(a, 4);
        const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
        const double largest = (1 << bits) - 1;
        const auto current = [&](size_t, int digit, double level) {
            return level * largest * std::sinh(2 * digit / largest) / std::sinh(2.0);
        };
        expect_near(c.run(chip), expected_sums(c, current), c.rounding(chip));
    }
}

TEST(Lines, DigitsOfOneBitSeeACurveAtTheReadVoltageOnly) {
    Architecture a = fine_chip(1);
    a.cell.programming_error.sigma = 0.05;
    const Case plain(a, 4);
    const Chip before = program(plain.mapping, static_ranges(plain.mapping), 11, 2);
    a.cell.current_voltage.model = CurrentVoltageOptions::Model::sinh;
    a.cell.current_voltage.v0 = 0.05;
    const Case curved(a, 4);
    const Chip after = program(curved.mapping, static_ranges(curved.mapping), 11, 2);
    EXPECT_EQ(after.layers[0].arrays[0].blocks[0].cells.g, before.layers[0].arrays[0].blocks[0].cells.g);
    EXPECT_EQ(plain.run(before), curved.run(after));
    EXPECT_THAT(describe_lines(a, curved.mapping.layers[0].input, curved.mapping.layers[0].grid),
                ::testing::HasSubstr("no effect"));
}

TEST(Lines, SelectorsFoldIntoConductancesWhereDigitsAreBits) {
    Architecture a = fine_chip(1);
    a.cell.selector.model = SelectorOptions::Model::threshold;
    a.cell.selector.threshold = 0.05;
    a.cell.selector.resistance = 1e4;
    const Case c(a, 4);
    const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
    EXPECT_EQ(chip.layers[0].arrays[0].blocks[0].cells.rows, 24);  // as many as word lines
    EXPECT_TRUE(chip.layers[0].lines.one_bit_digits);
    const Grid& grid = c.mapping.layers[0].grid;
    const auto current = [&](size_t, int digit, double level) {
        const double siemens = level * grid.level_step * grid.siemens;
        return digit * level * 0.75 / (1 + siemens * 1e4);  // (0.2 V - 0.05 V) / 0.2 V
    };
    expect_near(c.run(chip), expected_sums(c, current), c.rounding(chip));
}

TEST(Lines, ReadNoiseFollowsTheDriveOfEachValue) {
    for (const bool on_lines : {false, true}) {
        Architecture a = fine_chip(4);
        a.cell.read_noise.sigma = 0.05;
        for (int v = 0; on_lines && v < 16; ++v) a.input.dac.levels.push_back(v);
        const Case c(a, 4);
        const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
        EXPECT_EQ(chip.layers[0].lines.copies(), on_lines ? 15U : 1U);
        const auto variance = [](size_t, int digit, double level) { return std::pow(0.05 * digit * level, 2); };
        const std::vector<int32_t>& weights = c.mapping.layers[0].weights;
        std::vector<Moments> sums(kCols);
        const int reads = 3000;
        for (int64_t sample = 0; sample < reads; ++sample) {
            const std::vector<double> acc = c.run(chip, sample);
            for (size_t col = 0; col < kCols; ++col) sums[col].add(acc[col]);
        }
        for (size_t col = 0; col < kCols; ++col) {
            double expected = 0;
            for (size_t row = 0; row < kRows; ++row) {
                const int32_t w = weights[col * kRows + row];
                expected += variance(row, c.codes[row], c.level(w)) + variance(row, c.codes[row], c.level(-w));
            }
            EXPECT_NEAR(sums[col].variance(), expected, 5.5 * expected * std::sqrt(2.0 / reads)) << on_lines;
        }
    }
}

// Telegraph and 1/f noise belong to the cell, not to the line of a value: a digit of v sees v times the same error.
TEST(Lines, LastingNoiseOfACellIsTheSameForEveryValue) {
    for (const auto persists : {Persistence::product, Persistence::sample}) {
        Architecture a = fine_chip(4);
        a.cell.read_noise.telegraph.amplitude = 0.2;
        a.cell.read_noise.telegraph.persists = persists;
        a.cell.read_noise.flicker.amplitude.polynomial = {0.02};
        a.cell.read_noise.flicker.persists = persists;
        const Case plain(a, 4);
        for (int v = 0; v < 16; ++v) a.input.dac.levels.push_back(v);
        const Case on_lines(a, 4);
        const Conditions later{100, 300};
        const Chip chip = program(plain.mapping, static_ranges(plain.mapping), 11, 2, later);
        const Chip other = program(on_lines.mapping, static_ranges(on_lines.mapping), 11, 2, later);
        EXPECT_EQ(other.layers[0].lines.copies(), 15U);
        const auto still = [](size_t, int digit, double level) { return digit * level; };
        for (int64_t sample : {0, 7}) {
            const std::vector<double> expected = plain.run(chip, sample);
            expect_near(on_lines.run(other, sample), expected, 8 * plain.rounding(chip));
            EXPECT_GT(distance(expected, expected_sums(plain, still)), 30 * plain.rounding(chip));
        }
    }
}

struct NoiseCase {
    int bits;
    bool curved;
};

class DriverNoise : public ::testing::TestWithParam<NoiseCase> {};

// Noise of a row is common to its cells: the sums of columns a and b have covariance
//   sigma^2 sum over rows and cycles of weight^2 slope^2 (level+ - level-)_a (level+ - level-)_b.
TEST_P(DriverNoise, HasItsClosedFormCovarianceBetweenColumns) {
    const auto [bits, curved] = GetParam();
    Architecture a = fine_chip(bits);
    a.input.dac.noise_sigma = 0.07;
    if (curved) {
        a.cell.current_voltage.model = CurrentVoltageOptions::Model::sinh;
        a.cell.current_voltage.v0 = 0.1;
    }
    const Case c(a, 4);
    const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
    const double largest = (1 << bits) - 1;
    const auto drive = [&](int digit) {
        return curved ? largest * std::sinh(2 * digit / largest) / std::sinh(2.0) : static_cast<double>(digit);
    };
    const auto slope = [&](int digit) { return curved ? 2 * std::cosh(2 * digit / largest) / std::sinh(2.0) : 1.0; };

    const int reads = 6000;
    std::vector<std::vector<double>> sums(reads);
    const std::vector<double> exact =
        expected_sums(c, [&](size_t, int digit, double level) { return level * drive(digit); });
    for (int i = 0; i < reads; ++i) {
        sums[static_cast<size_t>(i)] = c.run(chip, i);
        for (size_t col = 0; col < kCols; ++col) sums[static_cast<size_t>(i)][col] -= exact[col];
    }
    EXPECT_EQ(c.run(chip, 5), c.run(chip, 5));

    const InputPlan& input = c.mapping.layers[0].input;
    const std::vector<int32_t>& weights = c.mapping.layers[0].weights;
    double smallest_correlation = 1;
    for (size_t first = 0; first < kCols; ++first)
        for (size_t second = first; second < kCols; ++second) {
            const auto covariance = [&](size_t x, size_t y) {
                double sum = 0;
                for (size_t row = 0; row < kRows; ++row)
                    for (size_t cycle = 0; cycle < input.cycle_weight.size(); ++cycle) {
                        const int digit =
                            c.codes[row] >> input.cycle_shift[cycle] & ((1 << input.cycle_bits[cycle]) - 1);
                        const double step = 0.07 * slope(digit) * static_cast<double>(input.cycle_weight[cycle]);
                        sum += step * step * weights[x * kRows + row] * weights[y * kRows + row];
                    }
                return sum;
            };
            double seen = 0;
            for (const std::vector<double>& of_read : sums) seen += of_read[first] * of_read[second] / reads;
            const double expected = covariance(first, second);
            const double product = covariance(first, first) * covariance(second, second);
            EXPECT_NEAR(seen, expected,
                        5.5 * std::sqrt((product + expected * expected) / reads) + 0.015 * std::sqrt(product));
            smallest_correlation = std::min(smallest_correlation, expected / std::sqrt(product));
        }
    EXPECT_LT(smallest_correlation, -0.1);  // some columns move against each other: the test tells signs
}

INSTANTIATE_TEST_SUITE_P(Drives, DriverNoise,
                         ::testing::Values(NoiseCase{1, false}, NoiseCase{2, false}, NoiseCase{4, false},
                                           NoiseCase{1, true}, NoiseCase{2, true}, NoiseCase{4, true}),
                         [](const auto& i) {
                             return std::to_string(i.param.bits) + (i.param.curved ? "bits_sinh" : "bits_ohmic");
                         });

TEST(Lines, NoiseOfRowDriversDiffersBetweenCyclesPositionsSamplesAndBlocks) {
    LinePlan plan;
    plan.noise_sigma = 1;
    plan.noise_scale = 16;
    constexpr size_t kLines = 10;
    const auto noise = [&](uint32_t block, uint32_t sample, uint32_t position) {
        std::vector<int16_t> digits(2 * kLines, 0);
        add_line_noise(plan, 2, kLines, {stream_key(1, 2, Purpose::dac_noise), block, sample, position}, digits.data());
        return digits;
    };
    const std::vector<int16_t> one = noise(3, 4, 5);
    EXPECT_EQ(one, noise(3, 4, 5));
    EXPECT_NE(one, noise(4, 4, 5));
    EXPECT_NE(one, noise(3, 5, 5));
    EXPECT_NE(one, noise(3, 4, 6));
    // Five digits, then five noises, for each of two cycles.
    EXPECT_THAT(std::vector<int16_t>(one.begin(), one.begin() + 5), ::testing::Each(0));
    EXPECT_THAT(std::vector<int16_t>(one.begin() + 10, one.begin() + 15), ::testing::Each(0));
    const std::vector<float> xi = [] {
        std::vector<float> values(10);
        kernels::active().gaussians(stream_key(1, 2, Purpose::dac_noise), 0, 3, 4, 5, values.size(), values.data());
        return values;
    }();
    for (size_t l = 0; l < 5; ++l) {
        EXPECT_EQ(one[5 + l], std::floor(16 * static_cast<double>(xi[l]) + 0.5));
        EXPECT_EQ(one[15 + l], std::floor(16 * static_cast<double>(xi[5 + l]) + 0.5));
    }
}

TEST(Lines, NoiseDigitsUseTheRangeOfAKernel) {
    InputPlan input;
    Grid grid;
    grid.ceiling = 24576;
    for (double sigma : {1e-4, 0.003, 0.1, 1.0, 10.0}) {
        Architecture a;
        a.input.dac.noise_sigma = sigma;
        const LinePlan plan = plan_lines(a, input, grid);
        EXPECT_LE(plan.noise_scale * sigma * 6.4, 255);
        EXPECT_GT(plan.noise_scale * sigma * 6.5 * 2, 255);
        EXPECT_LE(plan.scale, plan.noise_scale);
        EXPECT_LE(2.0 * plan.scale * grid.ceiling, 0x1p29);
        EXPECT_FALSE(plan.one_bit_digits);
    }
}

TEST(Lines, EveryCodingHasALineForEveryValue) {
    RandomSource random(9);
    InputPlan bipolar;
    bipolar.coding = InputPlan::Coding::bipolar;
    bipolar.bits = 1;
    bipolar.cycle_shift = {0};
    bipolar.cycle_bits = {1};
    bipolar.cycle_weight = {1};
    bipolar.digit_min = -1;
    InputPlan xnor = bipolar;
    xnor.coding = InputPlan::Coding::xnor;
    xnor.digit_min = 0;
    InputPlan digits;
    digits.bits = 7;
    digits.cycle_shift = {0, 3, 6};
    digits.cycle_bits = {3, 3, 1};
    digits.cycle_weight = {1, 8, 64};
    digits.digit_max = 7;
    for (const InputPlan& input : {bipolar, xnor, digits})
        for (int64_t rows : {1, 3, 63, 64, 65, 130}) {
            const bool wide = input.coding == InputPlan::Coding::unsigned_codes;
            std::vector<int32_t> driven(static_cast<size_t>(rows));
            for (int32_t& code : driven)
                code = static_cast<int32_t>(wide ? random.between(0, 127) : random.between(-1, 1));
            const size_t lines = static_cast<size_t>(rows) * (input.coding == InputPlan::Coding::xnor ? 2 : 1);
            const size_t cycles = input.cycle_weight.size();
            std::vector<int16_t> expected(lines * cycles);
            make_digits(input, driven.data(), rows, expected.data());
            LinePlan plan;
            plan.one_bit_digits = true;
            plan.values = digit_values(input);
            const size_t count = plan.values.size() * lines;
            const auto words = static_cast<size_t>(kernels::words_of(static_cast<int>(count)));
            std::vector<uint64_t> bits(words * cycles, 0x123);
            std::vector<int16_t> as_digits(count * cycles, 77);
            make_line_bits(plan, input, driven.data(), rows, bits.data());
            make_line_digits(plan, input, driven.data(), rows, as_digits.data());
            for (size_t c = 0; c < cycles; ++c)
                for (size_t at = 0; at < words * 64; ++at) {
                    const bool on = bits[c * words + at / 64] >> (at % 64) & 1;
                    const bool wanted = at < count && expected[c * lines + at % lines] == plan.values[at / lines];
                    ASSERT_EQ(on, wanted) << rows << ' ' << c << ' ' << at;
                    if (at < count) {
                        ASSERT_EQ(as_digits[c * count + at], wanted);
                    }
                }
        }
}

// One number of all sums for each case: another would mean that a kernel, or the order of work, changed what a seed
// means.
TEST(Lines, EveryKernelGivesTheSameBits) {
    std::vector<int64_t> sums;
    for (int kind = 0; kind < 3; ++kind) {
        Architecture a = fine_chip(kind == 0 ? 1 : 3);
        a.input.dac.gain_sigma = 0.02;
        a.input.dac.offset_sigma = 0.1;
        if (kind > 0) a.input.dac.dnl_sigma = 0.1;
        if (kind > 0) a.cell.current_voltage.model = CurrentVoltageOptions::Model::sinh;
        if (kind == 2) a.input.dac.noise_sigma = 0.05;
        a.cell.read_noise.sigma = 0.02;
        const Case c(a, 4);
        const Chip chip = program(c.mapping, static_ranges(c.mapping), 11, 2);
        int64_t sum = 0;
        for (int64_t sample = 0; sample < 50; ++sample)
            for (double x : c.run(chip, sample)) sum = 3 * sum % 1000000007 + static_cast<int64_t>(std::floor(x * 1e6));
        sums.push_back(sum);
    }
    EXPECT_THAT(sums, ::testing::ElementsAre(413894096, -752396717, -289768822));
}

}  // namespace
}  // namespace bitline
