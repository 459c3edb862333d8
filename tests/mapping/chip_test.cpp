// Imperfect chips against closed forms: what errors of the cells and the converters do to a column's sum.

#include "mapping/chip.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/moments.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::Moments;
using testing::RandomSource;

/// A layer of one-bit inputs, all driven, into one array: the sum of a column is in levels.
constexpr int kRows = 64, kCols = 32;

Network all_driven() {
    RandomSource random(4);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-3, 3));
    weights[0] = 3;
    return testing::fully_connected(kRows, kCols, weights, 3, testing::codes(1, false));
}

Architecture fine_converters() {
    Architecture a;
    a.array.rows = 64;
    a.cell.g_min = 1e-6;
    a.adc.bits = 16;
    a.adc.range = AdcOptions::Range::fixed;  // steps far below a level
    return a;
}

std::vector<double> column_sums(const Network& network, const Mapping& mapping, const Chip& chip, int64_t sample) {
    ChipEngine engine(network, mapping, chip);
    const std::vector<int32_t> ones(kRows, 1);
    std::vector<double> acc(kCols);
    engine.product(network, 1, ones, 1, sample, acc);
    return acc;
}

TEST(Chip, ProgrammingErrorOfAColumnHasItsClosedFormVariance) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.cell.g_min = 4e-5;  // far from the lower limit, so that nothing is clipped
    a.cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.02, {}, {}};
    const Mapping mapping = map_network(network, a);
    const Grid& grid = mapping.layers[0].grid;
    const auto exact = make_exact_engine(network);
    std::vector<double> expected(kCols);
    exact->product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, expected);
    Moments error;
    for (uint32_t trial = 0; trial < 200; ++trial) {
        const Chip chip = program(mapping, static_ranges(mapping), 1, trial);
        EXPECT_EQ(chip.report.cells, 2 * kRows * kCols);
        const std::vector<double> sums = column_sums(network, mapping, chip, 0);
        for (size_t c = 0; c < kCols; ++c) error.add(sums[c] - expected[c]);
    }
    // Two cells of sigma 0.02 G_max per row, in levels.
    const double sigma = 0.02 * grid.g_max / grid.level_step;
    const double variance = 2 * kRows * sigma * sigma;
    EXPECT_NEAR(error.mean, 0, 5 * std::sqrt(variance / error.n));
    EXPECT_NEAR(error.variance(), variance, 5 * variance * std::sqrt(2 / error.n));
}

TEST(Chip, ReadNoiseOfAColumnCountsBothCellsOfAPair) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.cell.read_noise.sigma = 0.05;
    const Mapping mapping = map_network(network, a);
    const MappedLayer& layer = mapping.layers[0];
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
    const auto& weights = layer.weights;
    std::vector<Moments> noise(kCols);
    const int reads = 4000;
    for (int64_t sample = 0; sample < reads; ++sample) {
        const std::vector<double> sums = column_sums(network, mapping, chip, sample);
        for (size_t c = 0; c < kCols; ++c) noise[c].add(sums[c]);
    }
    double ratio = 0;
    for (size_t c = 0; c < kCols; ++c) {
        double variance = 0, exact = 0;
        for (size_t r = 0; r < kRows; ++r) {
            const int32_t w = weights[c * kRows + r];
            const double plus = layer.grid.g_min + layer.grid.level_step * std::max(w, 0);
            const double minus = layer.grid.g_min + layer.grid.level_step * std::max(-w, 0);
            variance += 0.05 * 0.05 * (plus * plus + minus * minus) / std::pow(layer.grid.level_step, 2);
            exact += w;
        }
        EXPECT_NEAR(noise[c].mean, exact, 5 * std::sqrt(variance / reads));
        EXPECT_NEAR(noise[c].variance(), variance, 5.5 * variance * std::sqrt(2.0 / reads)) << c;
        ratio += noise[c].variance() / variance / kCols;
    }
    EXPECT_NEAR(ratio, 1, 5 * std::sqrt(2.0 / reads / kCols));
}

TEST(Chip, ReadNoiseBelongsToTheSampleAndTheTrial) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.cell.read_noise.sigma = 0.05;
    const Mapping mapping = map_network(network, a);
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0),
               again = program(mapping, static_ranges(mapping), 1, 0);
    const Chip other = program(mapping, static_ranges(mapping), 1, 1);
    EXPECT_EQ(column_sums(network, mapping, chip, 5), column_sums(network, mapping, again, 5));
    EXPECT_NE(column_sums(network, mapping, chip, 5), column_sums(network, mapping, chip, 6));
    EXPECT_NE(column_sums(network, mapping, chip, 5), column_sums(network, mapping, other, 5));
}

TEST(Chip, ConverterOffsetShiftsASumByItsLsb) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.adc.range = AdcOptions::Range::lossless;
    a.adc.offset_sigma = 3;
    a.adc.columns_per_converter = 1;
    const Mapping mapping = map_network(network, a);
    const auto exact = make_exact_engine(network);
    std::vector<double> expected(kCols);
    exact->product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, expected);
    Moments error;
    for (uint32_t trial = 0; trial < 300; ++trial) {
        const Chip chip = program(mapping, static_ranges(mapping), 8, trial);
        const std::vector<double> sums = column_sums(network, mapping, chip, 0);
        for (size_t c = 0; c < kCols; ++c) error.add(sums[c] - expected[c]);
    }
    const double variance = 9 + 1.0 / 12;  // one LSB is one level; rounding adds 1/12
    EXPECT_NEAR(error.variance(), variance, 5 * variance * std::sqrt(2 / error.n));
}

TEST(Chip, ConverterNoiseIsFreshAtEveryConversion) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.adc.range = AdcOptions::Range::lossless;
    a.adc.noise_sigma = 3;
    const Mapping mapping = map_network(network, a);
    const auto exact = make_exact_engine(network);
    std::vector<double> expected(kCols);
    exact->product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, expected);
    const Chip chip = program(mapping, static_ranges(mapping), 8, 0);
    Moments error;
    for (int64_t sample = 0; sample < 300; ++sample) {
        const std::vector<double> sums = column_sums(network, mapping, chip, sample);
        EXPECT_EQ(column_sums(network, mapping, chip, sample), sums);  // of the sample alone
        for (size_t c = 0; c < kCols; ++c) error.add(sums[c] - expected[c]);
    }
    const double variance = 9 + 1.0 / 12;  // one LSB is one level; rounding adds 1/12
    EXPECT_NEAR(error.variance(), variance, 5 * variance * std::sqrt(2 / error.n));
    EXPECT_NEAR(error.mean, 0, 5 * std::sqrt(variance / error.n));
}

TEST(Chip, SenseAmplifierGivesTheSignOfAColumn) {
    RandomSource random(4);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = random.chance(0.5) ? 1 : -1;
    for (size_t c = 0; c < kCols; ++c) weights[c * kRows] = weights[c * kRows + 1];  // sums of even rows may be 0
    const Network network = testing::fully_connected(kRows, kCols, weights, 2, testing::codes(1, false));
    const auto exact = make_exact_engine(network);
    std::vector<double> expected(kCols);
    exact->product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, expected);
    for (auto encoding : {WeightEncoding::differential, WeightEncoding::offset}) {
        Architecture a = fine_converters();
        a.weights.encoding = encoding;
        a.cell.bits = encoding == WeightEncoding::offset ? 2 : 1;
        a.cell.g_min = 0;
        a.adc = {};
        a.adc.bits = 1;
        a.adc.sense_amplifier = true;
        const Mapping mapping = map_network(network, a);
        const Chip chip = program_nominal(mapping, static_ranges(mapping));
        const std::vector<double> sums = column_sums(network, mapping, chip, 0);
        const AdcRange& range = chip.layers[0].adc;
        for (size_t c = 0; c < kCols; ++c) {
            // offset: stored = w + 2, so all 64 rows driven add 128 levels to the sum.
            const double offset = encoding == WeightEncoding::offset ? 2.0 * kRows : 0.0;
            const bool above = expected[c] + offset >= range.threshold;
            EXPECT_DOUBLE_EQ(sums[c], range.threshold + (above ? range.step : -range.step) - offset);
        }
    }
}

TEST(Chip, ClippingIsCounted) {
    const Network network = all_driven();
    Architecture a = fine_converters();
    a.adc.bits = 3;
    a.adc.full_scale = 0.02;  // 192 levels * 0.02: most sums lie outside
    const Mapping mapping = map_network(network, a);
    const Chip chip = program_nominal(mapping, static_ranges(mapping));
    const auto exact = make_exact_engine(network);
    std::vector<double> expected(kCols);
    exact->product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, expected);
    int64_t outside = 0;
    const AdcRange& range = chip.layers[0].adc;
    for (double sum : expected) {
        const double code = std::nearbyint(sum / range.step);
        outside += code < range.lo || code > range.hi;
    }
    ChipEngine engine(network, mapping, chip);
    std::vector<LayerRecord> records(1);
    engine.compare_with(*exact, records, 0);
    std::vector<double> acc(kCols);
    engine.product(network, 1, std::vector<int32_t>(kRows, 1), 1, 0, acc);
    EXPECT_EQ(records[0].conversions, kCols);
    EXPECT_EQ(records[0].clipped, outside);
    EXPECT_GT(outside, 0);
    EXPECT_LT(outside, kCols);
}

TEST(Chip, CalibrationBeatsTheWorstCaseRange) {
    RandomSource random(3);
    std::vector<int32_t> weights(256 * 40);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-127, 127));
    const Network network = testing::fully_connected(256, 40, weights);
    std::vector<float> input(16 * 256);
    for (float& x : input) x = static_cast<float>(random.between(0, 255));
    const auto exact = make_exact_engine(network);
    for (auto encoding : {WeightEncoding::differential, WeightEncoding::offset, WeightEncoding::flipped}) {
        Architecture a;
        a.weights.encoding = encoding;
        a.adc.bits = 6;
        const auto error = [&](const std::vector<AdcRange>& ranges, const Mapping& mapping) {
            const Chip chip = program_nominal(mapping, ranges);
            ChipEngine engine(network, mapping, chip);
            std::vector<LayerRecord> records(16);
            engine.compare_with(*exact, records, 0);
            run(network, engine, input, 16, 0);
            double sum = 0;
            for (const LayerRecord& record : records) sum += record.error;
            return sum;
        };
        const Mapping mapping = map_network(network, a);
        a.adc.range = AdcOptions::Range::calibrated;
        const Mapping calibrated = map_network(network, a);
        const double worst = error(static_ranges(mapping), mapping);
        const auto read = [&](int64_t first, int64_t count) {
            return std::vector<float>(input.begin() + first * 256, input.begin() + (first + count) * 256);
        };
        const double best = error(calibrate_ranges(network, calibrated, read, 16), calibrated);
        EXPECT_LT(best, 0.5 * worst) << to_string(encoding);
    }
}

/// Whether two chips would give the same products for the same seeds.
void expect_same_cells(const Chip& chip, const Chip& expected) {
    ASSERT_EQ(chip.layers.size(), expected.layers.size());
    EXPECT_EQ(chip.report, expected.report);
    for (size_t l = 0; l < chip.layers.size(); ++l) {
        ASSERT_EQ(chip.layers[l].arrays.size(), expected.layers[l].arrays.size());
        for (size_t a = 0; a < chip.layers[l].arrays.size(); ++a) {
            const ChipArray &is = chip.layers[l].arrays[a], &want = expected.layers[l].arrays[a];
            ASSERT_EQ(is.blocks.size(), want.blocks.size());
            EXPECT_EQ(is.outputs, want.outputs);
            for (size_t b = 0; b < is.blocks.size(); ++b) {
                EXPECT_EQ(is.blocks[b].first_row, want.blocks[b].first_row);
                EXPECT_EQ(is.blocks[b].rows, want.blocks[b].rows);
                EXPECT_EQ(is.blocks[b].cells.g, want.blocks[b].cells.g);
                EXPECT_EQ(is.blocks[b].cells.variance, want.blocks[b].cells.variance);
                EXPECT_EQ(is.blocks[b].cells.variance_unit, want.blocks[b].cells.variance_unit);
                EXPECT_EQ(is.blocks[b].wander.rms, want.blocks[b].wander.rms);
                EXPECT_EQ(is.blocks[b].wander.trap, want.blocks[b].wander.trap);
                EXPECT_EQ(is.blocks[b].wander.places, want.blocks[b].wander.places);
            }
        }
    }
}

/// Chips that differ in what their cells carry and in the size of their blocks.
std::vector<Architecture> unlike_architectures() {
    std::vector<Architecture> all(5, fine_converters());
    all[1].cell.programming_error = {ProgrammingErrorOptions::Model::independent, 0.02, {}, {}};
    all[1].cell.read_noise.sigma = 0.05;
    all[2].cell.read_noise.telegraph = {0.1, 0.3, 1, 1, Persistence::sample};
    all[3].cell.read_noise.flicker.amplitude.polynomial = {0.02};
    all[3].cell.read_noise.flicker.persists = Persistence::sample;
    all[3].array.active_rows = 24;
    all[4].array.rows = all[4].array.cols = 20;
    all[4].cell.read_noise.sigma = 0.01;
    return all;
}

TEST(Chip, IsTheSameInTheMemoryOfAnyOther) {
    const Network network = all_driven();
    const std::vector<Architecture> architectures = unlike_architectures();
    const Conditions conditions{1000, 300};
    const auto make = [&](const Architecture& a, Chip worn) {
        const Mapping mapping = map_network(network, a);
        return program(mapping, static_ranges(mapping), 5, 2, conditions, std::move(worn));
    };
    for (const Architecture& a : architectures) {
        const Mapping mapping = map_network(network, a);
        const Chip fresh = make(a, {});
        for (const Architecture& other : architectures) {
            const Chip chip = make(a, make(other, {}));
            expect_same_cells(chip, fresh);
            EXPECT_EQ(column_sums(network, mapping, chip, 3), column_sums(network, mapping, fresh, 3));
        }
    }
}

}  // namespace
}  // namespace bitline
