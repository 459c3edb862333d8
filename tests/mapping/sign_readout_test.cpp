// ADC-free readout: one row part equals the integer reference, several equal a majority that is counted here by hand.

#include "mapping/sign_readout.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/model_io.h"
#include "core/parallel.h"
#include "mapping/simulate.h"
#include "support/listed_data.h"
#include "support/random_network.h"
#include "support/shared_data.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;

constexpr int64_t kSamples = 60;

Quantizer bipolar() {
    Quantizer q;
    q.kind = Quantizer::Kind::bipolar;
    q.bits = 1;
    q.scale = {1};
    q.zero_point = {0};
    return q;
}

/// Thresholds among the sums of random inputs, half of the channels falling.
ThresholdOutput random_thresholds(RandomSource& random, int64_t channels, double spread) {
    ThresholdOutput output;
    output.codes = {-1, 1};
    for (int64_t c = 0; c < channels; ++c) {
        output.threshold.push_back(static_cast<int64_t>(std::lround(random.real(-spread, spread))));
        output.falling.push_back(random.chance(0.5) ? 1 : 0);
    }
    return output;
}

Network with_output(Network network, const ThresholdOutput& output) {
    std::get<MatVec>(network.nodes[1].op).output = output;
    network.values[2].quantizer = bipolar();
    return network;
}

std::vector<int32_t> signs(RandomSource& random, int64_t count) {
    std::vector<int32_t> weights;
    for (int64_t i = 0; i < count; ++i) weights.push_back(random.chance(0.5) ? 1 : -1);
    return weights;
}

/// Fully connected, weights and inputs of -1 and +1, output of two levels.
Network binary_layer(RandomSource& random, int64_t in, int64_t out) {
    const double deviation = std::sqrt(static_cast<double>(in));
    Network network = testing::fully_connected(in, out, signs(random, in * out), 2, bipolar());
    return with_output(network, random_thresholds(random, out, deviation));
}

Architecture sign_chip(int rows = 128) {
    Architecture a = read_architecture("ideal");
    a.array.rows = rows;
    a.array.cols = 64;
    a.cell.bits = 1;
    a.adc.bits = 8;
    a.adc.readout = AdcOptions::Readout::sign;
    return a;
}

std::vector<float> random_signs(RandomSource& random, int64_t count) {
    std::vector<float> x;
    for (int64_t i = 0; i < count; ++i) x.push_back(random.chance(0.5) ? 1 : -1);
    return x;
}

std::vector<float> inputs_of(RandomSource& random, const Network& network) {
    return random_signs(random, kSamples * element_count(network.values[static_cast<size_t>(network.input)].shape));
}

/// What a chip with perfect cells gives through `architecture`'s readout.
std::vector<float> read_by_sign(const Network& network, const Architecture& architecture,
                                const std::vector<float>& input) {
    const Mapping mapping = map_network(network, architecture);
    for (const MappedLayer& layer : mapping.layers) EXPECT_TRUE(layer.sign.has_value()) << layer.note;
    const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
    ChipEngine engine(network, mapping, chip);
    return run(network, engine, input, kSamples, 0);
}

std::vector<float> exact(const Network& network, const std::vector<float>& input) {
    const auto engine = make_exact_engine(network);
    return run(network, *engine, input, kSamples, 0);
}

void expect_both_signs(const std::vector<float>& output) {
    int64_t positive = 0;
    for (const float y : output) positive += y > 0 ? 1 : 0;
    EXPECT_GT(positive, static_cast<int64_t>(output.size()) / 10);
    EXPECT_LT(positive, static_cast<int64_t>(output.size()) * 9 / 10);
}

// ------------------------------------------------------------------------------------------------ one part

struct Option {
    std::string name;
    void (*set)(Architecture&);
};

const std::vector<Option>& options() {
    static const std::vector<Option> all{
        {"plain", [](Architecture&) {}},
        {"balanced", [](Architecture& a) { a.weights.differential_split = WeightOptions::Split::balanced; }},
        {"zero_one", [](Architecture& a) { a.input.binary_codes = InputOptions::BinaryCodes::zero_one; }},
        {"xnor", [](Architecture& a) { a.weights.encoding = WeightEncoding::xnor; }},
        {"xnor_with_background",
         [](Architecture& a) {
             a.weights.encoding = WeightEncoding::xnor;
             a.cell.g_min = 3.7e-6;
         }},
        {"shared_comparators", [](Architecture& a) { a.adc.columns_per_converter = 16; }},
    };
    return all;
}

TEST(SignReadout, OneRowPartEqualsTheIntegerReference) {
    for (const Option& option : options()) {
        for (uint64_t seed = 0; seed < 6; ++seed) {
            RandomSource random(seed);
            const int64_t rows = random.between(1, 200);
            Network network = binary_layer(random, rows, 19);
            if (seed % 2 == 1) {
                auto& bias = std::get<MatVec>(network.nodes[1].op).bias_codes;
                for (int c = 0; c < 19; ++c) bias.push_back(random.between(-9, 9));
            }
            Architecture a = sign_chip(400);
            option.set(a);
            const std::vector<float> input = inputs_of(random, network);
            const std::vector<float> expected = exact(network, input);
            if (rows > 30) expect_both_signs(expected);
            EXPECT_EQ(read_by_sign(network, a, input), expected) << option.name << ", seed " << seed;
        }
    }
}

TEST(SignReadout, ThresholdsThatNoSumReachesAreNeverCrossed) {
    RandomSource random(4);
    Network network = binary_layer(random, 50, 6);
    auto& output = std::get<ThresholdOutput>(std::get<MatVec>(network.nodes[1].op).output);
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();
    output.threshold = {kMost, kLeast, kMost, kLeast, 51, -51};
    output.falling = {0, 0, 1, 1, 0, 1};
    const std::vector<float> input = inputs_of(random, network);
    for (const int rows : {64, 16})  // one part, four
        EXPECT_EQ(read_by_sign(network, sign_chip(rows), input), exact(network, input)) << rows;
}

TEST(SignReadout, ConvolutionsWithPaddingAndGroups) {
    for (const int64_t groups : {1, 2, 6}) {
        RandomSource random(static_cast<uint64_t>(groups));
        MatVec op;
        op.is_convolution = true;
        op.in_channels = op.out_channels = 6;
        op.groups = groups;
        op.window.kernel_h = op.window.kernel_w = 3;
        op.window.pad_top = op.window.pad_left = op.window.pad_bottom = op.window.pad_right = 1;
        op.codes = signs(random, 6 * 6 / groups * 9);
        op.weight = testing::codes(2, true);
        const Network network =
            with_output(testing::one_layer(op, {6, 5, 5}, {6, 5, 5}, bipolar()), random_thresholds(random, 6, 4));
        const std::vector<float> input = inputs_of(random, network);
        expect_both_signs(exact(network, input));
        EXPECT_EQ(read_by_sign(network, sign_chip(), input), exact(network, input)) << groups << " groups";
    }
}

// ------------------------------------------------------------------------------------------------ majority

/// (parts' first rows and their numbers) -> output of one channel, in whole numbers alone.
int majority(const MatVec& op, size_t channel, const float* x, const std::vector<std::pair<int64_t, int64_t>>& parts) {
    const auto& output = std::get<ThresholdOutput>(op.output);
    const int64_t rows = op.rows(), bias = op.bias_codes.empty() ? 0 : op.bias_codes[channel];
    const bool falling = output.falling[channel] != 0;
    const int64_t twice = 2 * (output.threshold[channel] - bias) + (falling ? 1 : -1);
    int64_t crossing = 0;
    for (const auto& [first, count] : parts) {
        int64_t sum = 0;
        for (int64_t r = first; r < first + count; ++r)
            sum += static_cast<int64_t>(x[r]) * op.codes[channel * static_cast<size_t>(rows) + static_cast<size_t>(r)];
        const int64_t left = 2 * sum * rows, right = twice * count;  // sum against twice / 2 * count / rows
        crossing += (falling ? left <= right : left >= right) ? 1 : 0;
    }
    return 2 * crossing >= static_cast<int64_t>(parts.size()) ? 1 : -1;
}

std::vector<std::pair<int64_t, int64_t>> cut(int64_t rows, int64_t size) {
    std::vector<std::pair<int64_t, int64_t>> parts;
    for (int64_t first = 0; first < rows; first += size) parts.emplace_back(first, std::min(size, rows - first));
    return parts;
}

std::vector<float> majorities(const Network& network, const std::vector<float>& input, int64_t part) {
    const auto& op = std::get<MatVec>(network.nodes[1].op);
    std::vector<float> output;
    for (int64_t s = 0; s < kSamples; ++s)
        for (size_t c = 0; c < static_cast<size_t>(op.out_channels); ++c)
            output.push_back(static_cast<float>(majority(op, c, input.data() + s * op.rows(), cut(op.rows(), part))));
    return output;
}

TEST(SignReadout, SeveralRowPartsEqualTheMajorityOfTheirVotes) {
    for (const Option& option : options()) {
        for (uint64_t seed = 10; seed < 16; ++seed) {
            RandomSource random(seed);
            const int64_t rows = random.between(40, 300), part = random.between(9, 60);
            Network network = binary_layer(random, rows, 23);
            if (seed % 2 == 1) {
                auto& bias = std::get<MatVec>(network.nodes[1].op).bias_codes;
                for (int c = 0; c < 23; ++c) bias.push_back(random.between(-9, 9));
            }
            Architecture a = sign_chip(static_cast<int>(part));
            option.set(a);
            if (a.weights.encoding == WeightEncoding::xnor) a.array.rows *= 2;
            const std::vector<float> input = inputs_of(random, network);
            const std::vector<float> votes = majorities(network, input, part);
            EXPECT_EQ(read_by_sign(network, a, input), votes)
                << option.name << ", seed " << seed << ", " << rows << " rows in parts of " << part;
            const int64_t parts = (rows + part - 1) / part;
            EXPECT_EQ(map_network(network, a).layers[0].sign->votes, parts);
            if (parts > 2) {
                EXPECT_NE(votes, exact(network, input));  // or the test would not tell the two apart
            }
        }
    }
}

TEST(SignReadout, RowsDrivenInTurnsVoteInTurns) {
    RandomSource random(3);
    const Network network = binary_layer(random, 160, 11);
    const std::vector<float> input = inputs_of(random, network);
    for (const auto encoding : {WeightEncoding::differential, WeightEncoding::xnor}) {
        const int lines = encoding == WeightEncoding::xnor ? 2 : 1;
        Architecture a = sign_chip(80 * lines);
        a.weights.encoding = encoding;
        a.array.active_rows = 20 * lines;
        EXPECT_EQ(read_by_sign(network, a, input), majorities(network, input, 20)) << to_string(encoding);
    }
}

/// A tie counts as crossed in both directions: negated weights and a mirrored threshold give the same output.
TEST(SignReadout, FallingChannelsAreTheMirrorImage) {
    RandomSource random(8);
    Network network = binary_layer(random, 120, 16);
    const std::vector<float> input = inputs_of(random, network);
    const std::vector<float> output = read_by_sign(network, sign_chip(30), input);  // four votes, so ties
    auto& op = std::get<MatVec>(network.nodes[1].op);
    auto& steps = std::get<ThresholdOutput>(op.output);
    for (int32_t& w : op.codes) w = -w;
    for (int64_t& t : steps.threshold) t = -t;
    for (int8_t& f : steps.falling) f = static_cast<int8_t>(1 - f);
    EXPECT_EQ(read_by_sign(network, sign_chip(30), input), output);
    for (int8_t& f : steps.falling) f = static_cast<int8_t>(1 - f);
    EXPECT_NE(read_by_sign(network, sign_chip(30), input), output);
}

TEST(SignReadout, EveryKernelGivesTheSameBits) {
    RandomSource random(6);
    Architecture a = sign_chip(48);
    a.cell.read_noise.sigma = 0.1;
    a.adc.comparator_sigma = 1.5;
    a.adc.noise_sigma = 0.7;
    a.cell.g_min = 1e-6;
    for (const auto encoding : {WeightEncoding::differential, WeightEncoding::xnor}) {
        const Network network = binary_layer(random, 150, 21);
        const std::vector<float> input = inputs_of(random, network);
        a.weights.encoding = encoding;
        const Mapping mapping = map_network(network, a);
        const Chip chip = program(mapping, static_ranges(mapping), 3, 0);
        for (const ChipArray& array : chip.layers[0].arrays) {
            const kernels::Block& cells = array.blocks[0].cells;
            const auto rows = static_cast<size_t>(cells.rows), cols = static_cast<size_t>(cells.cols);
            std::vector<int16_t> digits(rows);
            std::vector<uint64_t> bits(static_cast<size_t>(kernels::words_of(cells.rows)), 0);
            for (size_t r = 0; r < rows; ++r) {
                const bool one = random.chance(0.5);
                digits[r] = static_cast<int16_t>(one ? 1 : -1);
                if (one) bits[r / 64] |= uint64_t{1} << (r % 64);
            }
            const int64_t weight = 1;
            const uint32_t zero = 0;
            kernels::Drive drive{cells.one_bit_digits ? bits.data() : nullptr,
                                 cells.one_bit_digits ? nullptr : digits.data(),
                                 1,
                                 1,
                                 &weight,
                                 &zero,
                                 &zero};
            const kernels::Noise noise{chip.read_noise, 0};
            std::vector<int64_t> expected;
            for (auto kernel = kernels::all().rbegin(); kernel != kernels::all().rend(); ++kernel) {
                if (!(*kernel)->available()) continue;
                kernels::Block own = cells;
                own.packed.clear();
                own.has_tables = own.has_tiles = false;
                (*kernel)->pack(own);
                std::vector<int64_t> votes(cols, 0);
                (*kernel)->convert(own, array.converter, array.readout, drive, &noise, votes.data());
                if (expected.empty()) expected = votes;
                EXPECT_EQ(votes, expected) << (*kernel)->name;
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------ errors

/// Share of outputs that differ from the ideal comparators'.
double wrong_share(const Network& network, const Architecture& architecture, const std::vector<float>& input) {
    const std::vector<float> ideal = read_by_sign(network, sign_chip(architecture.array.rows), input);
    const std::vector<float> found = read_by_sign(network, architecture, input);
    int64_t wrong = 0;
    for (size_t i = 0; i < ideal.size(); ++i) wrong += ideal[i] != found[i] ? 1 : 0;
    return static_cast<double>(wrong) / static_cast<double>(ideal.size());
}

/// Sums of R products of random signs have the variance R; a threshold that errs by e is wrong for those between the
/// two, and with e of variance v the share is arctan(sqrt(v / R)) / pi where the threshold is 0 (the angle between the
/// two decisions). 60 x 400 outputs of 400 columns: the columns' errors, not the samples, limit the confidence.
TEST(SignReadout, ComparatorOffsetAndNoiseAreLevels) {
    constexpr double kPi = 3.14159265358979;
    RandomSource random(12);
    constexpr int64_t kRows = 256, kOut = 400;
    Network network = testing::fully_connected(kRows, kOut, signs(random, kRows * kOut), 2, bipolar());
    ThresholdOutput output;
    output.codes = {-1, 1};
    output.threshold.assign(kOut, 1);  // sums are even: between 0 and 2
    output.falling.assign(kOut, 0);
    network = with_output(network, output);
    const std::vector<float> input = inputs_of(random, network);
    Architecture a = sign_chip(256);
    a.adc.columns_per_converter = 1;
    const double expected = std::atan(std::sqrt(8.0 * 8.0 / 256)) / kPi;  // 0.148
    // Offsets: of one column, |error| / sqrt(2 pi R) on average, relative deviation 0.76 over columns; 4 sigma.
    const double margin = 4 * 0.8 * expected / std::sqrt(400.0) + 4 * std::sqrt(expected / (kSamples * 400));
    for (double AdcOptions::*sigma :
         {&AdcOptions::comparator_sigma, &AdcOptions::offset_sigma, &AdcOptions::noise_sigma}) {
        Architecture with = a;
        with.adc.*sigma = 8;
        EXPECT_NEAR(wrong_share(network, with, input), expected, margin);
    }
    a.adc.gain_sigma = 0.3;  // a threshold of next to 0 does not feel the gain
    EXPECT_LT(wrong_share(network, a, input), 0.03);
}

TEST(SignReadout, ComparatorsOfOneGroupOfColumnsShareTheirOffset) {
    RandomSource random(2);
    const Network network = binary_layer(random, 20, 64);
    Architecture a = sign_chip(32);
    a.adc.comparator_sigma = 3;
    const auto offsets = [&](int shared) {
        a.adc.columns_per_converter = shared;
        const Mapping mapping = map_network(network, a);
        const Chip chip = program(mapping, static_ranges(mapping), 1, 0);
        const ChipArray& array = chip.layers[0].arrays[0];
        std::vector<double> errors = comparator_levels(mapping.layers[0], mapping.layers[0].arrays[0]);
        for (size_t c = 0; c < errors.size(); ++c) errors[c] += array.converter.offset[c];
        return errors;
    };
    const std::vector<double> shared = offsets(8), own = offsets(1);
    for (size_t c = 1; c < shared.size(); ++c) {
        EXPECT_EQ(std::abs(shared[c] - shared[c - 1]) < 1e-9, c % 8 != 0) << c;
        EXPECT_GT(std::abs(own[c] - own[c - 1]), 1e-9) << c;
    }
}

/// Drift takes every sum towards 0 and leaves the thresholds; ranges that follow the cells take them along.
TEST(SignReadout, ThresholdsFollowAgedCellsWhereRangesDo) {
    RandomSource random(7);
    Network network = testing::fully_connected(200, 30, signs(random, 6000), 2, bipolar());
    ThresholdOutput output;
    output.codes = {-1, 1};
    for (int c = 0; c < 30; ++c) output.threshold.push_back(random.between(12, 24) * (c % 2 == 0 ? 1 : -1));
    output.falling.assign(30, 0);
    network = with_output(network, output);
    const testing::ListedData data({200}, inputs_of(random, network), std::vector<int32_t>(kSamples, 0));
    Architecture a = sign_chip(256);
    a.cell.drift.model = DriftOptions::Model::power;
    a.cell.drift.exponent.polynomial = {0.05};
    a.adc.range = AdcOptions::Range::calibrated;
    const auto sqnr = [&] {
        SimulateOptions run;
        run.ages = {31536000};
        return simulate(network, map_network(network, a), data, {}, nullptr, nullptr, run).layers[0].sqnr_db;
    };
    const auto aged = sqnr();
    ASSERT_TRUE(aged.has_value());
    EXPECT_LT(*aged, 20);
    a.compensation.adc_ranges = true;
    EXPECT_GT(sqnr().value_or(100), *aged + 10);
}

// ------------------------------------------------------------------------------------------------ which layers

TEST(SignReadout, OtherLayersKeepConvertersAndSayWhy) {
    const auto note = [](const Network& network, const Architecture& a) {
        try {
            return map_network(network, a).layers[0].note;
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
    };
    RandomSource random(1);
    const Network binary = binary_layer(random, 100, 8);
    Network levels = binary;
    auto& steps = std::get<ThresholdOutput>(std::get<MatVec>(levels.nodes[1].op).output);
    steps.codes = {-1, 0, 1};
    steps.threshold.resize(16, 100);
    std::sort(steps.threshold.begin(), steps.threshold.end());
    EXPECT_NE(note(levels, sign_chip()).find("3 levels"), std::string::npos);
    const Network real = testing::fully_connected(100, 8, signs(random, 800), 2, bipolar());
    EXPECT_NE(note(real, sign_chip()).find("not decided by thresholds"), std::string::npos);
    const Network wide = with_output(testing::fully_connected(100, 8, signs(random, 800), 2, testing::codes(4, false)),
                                     random_thresholds(random, 8, 9));
    EXPECT_NE(note(wide, sign_chip()).find("4 cycles"), std::string::npos);
    Architecture parallel = sign_chip();
    parallel.input.bits_per_cycle = 4;
    EXPECT_EQ(note(wide, parallel), "");
    std::vector<int32_t> heavy(800);
    for (int32_t& w : heavy) w = static_cast<int32_t>(random.between(-7, 7));
    const Network slices =
        with_output(testing::fully_connected(100, 8, heavy, 4, bipolar()), random_thresholds(random, 8, 9));
    EXPECT_NE(note(slices, sign_chip()).find("3 slices"), std::string::npos);
    Architecture one_cell = sign_chip();
    one_cell.cell.bits = 3;
    EXPECT_EQ(note(slices, one_cell), "");
    Architecture uneven = sign_chip();
    uneven.array.active_rows = 64;
    EXPECT_NE(note(binary, uneven).find("parts of 64 and 36"), std::string::npos);
    Architecture offset = sign_chip();
    offset.weights.encoding = WeightEncoding::multilevel;
    offset.weights.fallback = WeightEncoding::differential;
    offset.cell.bits = 4;
    EXPECT_NE(note(slices, offset).find("multilevel needs the sum of its inputs"), std::string::npos);
    // Ternary inputs leave pairs undriven.
    Quantizer ternary = testing::codes(2, true);
    ternary.narrow = true;
    Architecture pairs = sign_chip();
    pairs.weights.encoding = WeightEncoding::xnor;
    const Network zeros =
        with_output(testing::fully_connected(100, 8, signs(random, 800), 2, ternary), random_thresholds(random, 8, 9));
    EXPECT_NE(note(zeros, pairs).find("inputs of 0"), std::string::npos);
}

TEST(SignReadout, WhatItDoesNotGoWithIsRefused) {
    const auto message = [](std::vector<Setting> settings) {
        settings.emplace_back("adc.readout", "sign");
        try {
            read_architecture("default", settings);
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    EXPECT_EQ(message({}), "");
    EXPECT_EQ(message({{"weights.encoding", "multilevel"}, {"weights.fallback", "differential"}, {"cell.bits", "4"}}),
              "");
    EXPECT_NE(message({{"weights.encoding", "offset"}}).find("weights.encoding = offset"), std::string::npos);
    EXPECT_NE(message({{"weights.subtraction", "digital"}}).find("weights.subtraction=analog"), std::string::npos);
    EXPECT_NE(message({{"bias.place", "rows"}}).find("bias.place=digital"), std::string::npos);
    for (const auto& setting :
         {Setting{"compensation.drift_gain", "layer"}, Setting{"compensation.column_affine", "true"},
          Setting{"compensation.batch_norm", "true"}})
        EXPECT_NE(message({setting}).find("correct digital sums"), std::string::npos) << setting.first;
    EXPECT_NE(message({{"adc.readout", "comparator"}}), "no such readout");
}

TEST(SignReadout, ComparatorSpreadLeavesConvertersOfOtherLayersAlone) {
    AdcOptions options;
    options.readout = AdcOptions::Readout::sign;
    options.comparator_sigma = 5;
    const AdcRange range = static_range(options, {-100, 100, 100});
    const ConverterStreams streams = converter_streams(1, 0);
    EXPECT_FALSE(make_converter(options, range, 101, 8, 0, &streams).has_transfer());
}

// ------------------------------------------------------------------------------------------------ real models

/// Layers of real binary networks, fed what the integer reference feeds them, decided in one array each.
void expect_reference_on_model(const std::string& name) {
    const auto path = testing::shared_data() / "models" / (name + ".onnx");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing: set BITLINE_SHARED_DATA";
    const Network network = read_onnx(path.string());
    Architecture a = sign_chip(8192);
    const Mapping mapping = map_network(network, a);
    size_t by_sign = 0;
    for (const MappedLayer& layer : mapping.layers) {
        if (layer.sign) {
            EXPECT_EQ(layer.sign->votes, 1) << layer.name;
        }
        by_sign += layer.sign ? 1 : 0;
    }
    EXPECT_GE(by_sign, 3U);
    Architecture lossless = a;
    lossless.adc.bits = 0;
    const Mapping exactly = map_network(network, lossless);
    const Chip chip = program(exactly, static_ranges(exactly), 1, 0);
    ChipEngine engine(network, exactly, chip);
    RandomSource random(5);
    const int64_t size = element_count(network.values[static_cast<size_t>(network.input)].shape);
    std::vector<float> input;
    constexpr int64_t kImages = 3;
    for (int64_t i = 0; i < kImages * size; ++i) input.push_back(static_cast<float>(random.real(-1, 1)));
    const auto reference = make_exact_engine(network);
    EXPECT_EQ(run(network, engine, input, kImages, 0), run(network, *reference, input, kImages, 0));
}

TEST(SignReadout, TfcOnTallArraysEqualsTheReference) { expect_reference_on_model("TFC_1W1A_mnist"); }
TEST(SignReadout, CnvOnTallArraysEqualsTheReference) { expect_reference_on_model("cnvW1A1_cifar10_qonnx"); }

}  // namespace
}  // namespace bitline
