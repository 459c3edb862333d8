// What a programmed layer computes, as one matrix: the plan's own weights for perfect cells, and what the chip gives
// with cells that differ, for every encoding.

#include "mapping/effective_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;

struct Case {
    std::string name;
    std::vector<Setting> settings;
    bool binary = false;
    bool is_signed = false;
};

class Encodings : public ::testing::TestWithParam<Case> {};

constexpr int kRows = 50, kCols = 6, kSamples = 8;

Network network_of(const Case& one) {
    RandomSource random(8);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights)
        w = one.binary ? (random.chance(0.5) ? 1 : -1) : static_cast<int32_t>(random.between(-15, 15));
    Quantizer codes = testing::codes(one.binary ? 1 : 4, one.is_signed);
    if (one.binary) codes.kind = Quantizer::Kind::bipolar;
    return testing::fully_connected(kRows, kCols, weights, one.binary ? 2 : 5, codes);
}

Mapping mapping_of(const Case& one, const Network& network) {
    std::vector<Setting> settings{{"cell.g_min", "5e-6"}, {"array.rows", "32"},   {"array.cols", "16"},
                                  {"adc.bits", "16"},     {"adc.range", "fixed"}, {"bias.place", "rows"}};
    settings.insert(settings.end(), one.settings.begin(), one.settings.end());
    return map_network(network, parse_architecture("name: small", "small.yaml", settings));
}

TEST_P(Encodings, ArePlannedWeightsForPerfectCells) {
    const Network network = network_of(GetParam());
    const Mapping mapping = mapping_of(GetParam(), network);
    const EffectiveWeights effective = effective_weights(mapping, program_ideal(mapping), 0);
    for (size_t i = 0; i < effective.weight.size(); ++i)
        EXPECT_NEAR(effective.weight[i], mapping.layers[0].weights[i], 1e-4) << i;
    for (const float offset : effective.offset) EXPECT_NEAR(offset, 0, 1e-3);
}

TEST_P(Encodings, AreWhatTheChipMultipliesBy) {
    Case erring = GetParam();
    erring.settings.push_back({"cell.programming_error.sigma", "0.05"});
    const Network network = network_of(erring);
    const Mapping mapping = mapping_of(erring, network);
    const Chip chip = program(mapping, static_ranges(mapping), 5, 0);
    const EffectiveWeights effective = effective_weights(mapping, chip, 0);
    ChipEngine engine(network, mapping, chip);
    RandomSource random(9);
    std::vector<int32_t> inputs(kRows * kSamples);
    for (int32_t& x : inputs)
        x = erring.binary      ? (random.chance(0.5) ? 1 : -1)
            : erring.is_signed ? static_cast<int32_t>(random.between(-8, 7))
                               : static_cast<int32_t>(random.between(0, 15));
    std::vector<double> acc(kCols * kSamples);
    engine.product(network, 1, inputs, kSamples, 0, acc);
    double moved = 0;
    for (int s = 0; s < kSamples; ++s) {
        for (int c = 0; c < kCols; ++c) {
            double expected = effective.offset[size_t(c)], planned = 0;
            for (int r = 0; r < kRows; ++r) {
                expected += double(effective.weight[size_t(c * kRows + r)]) * inputs[size_t(s * kRows + r)];
                planned += double(mapping.layers[0].weights[size_t(c * kRows + r)]) * inputs[size_t(s * kRows + r)];
            }
            EXPECT_NEAR(acc[size_t(s * kCols + c)], expected, 0.4) << s << ' ' << c;  // steps of the converters
            moved = std::max(moved, std::abs(expected - planned));
        }
    }
    EXPECT_GT(moved, 1);  // the errors of the cells are in it
}

INSTANTIATE_TEST_SUITE_P(
    All, Encodings,
    ::testing::Values(
        Case{"differential", {{"weights.encoding", "differential"}}},
        Case{"differential_signed", {{"weights.encoding", "differential"}}, false, true},
        Case{"differential_signed_twos",
             {{"weights.encoding", "differential"}, {"input.signed_codes", "twos_complement"}},
             false,
             true},
        Case{"digital", {{"weights.encoding", "differential"}, {"weights.subtraction", "digital"}}},
        Case{"offset", {{"weights.encoding", "offset"}}},
        Case{"offset_signed", {{"weights.encoding", "offset"}}, false, true},
        Case{"reference", {{"weights.encoding", "offset"}, {"weights.offset_correction", "reference_column"}}},
        Case{"twos", {{"weights.encoding", "twos_complement"}}}, Case{"flipped", {{"weights.encoding", "flipped"}}},
        Case{"multilevel", {{"weights.encoding", "multilevel"}, {"cell.bits", "5"}}},
        Case{"zero_one", {{"input.binary_codes", "zero_one"}}, true},
        Case{"bipolar", {{"input.binary_codes", "bipolar"}}, true}, Case{"xnor", {{"weights.encoding", "xnor"}}, true}),
    [](const auto& one) { return one.param.name; });

TEST(EffectiveWeights, OfGroupsAreThoseOfEachChannel) {
    RandomSource random(3);
    std::vector<int32_t> weights(5 * 9);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-127, 127));
    const Network network = testing::depthwise(5, 4, weights);
    const Mapping mapping = map_network(network, read_architecture("ideal"));
    const EffectiveWeights effective = effective_weights(mapping, program_ideal(mapping), 0);
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_NEAR(effective.weight[i], float(weights[i]), 1e-3);
}

TEST(EffectiveWeights, RefuseCurrentsThatAreNoProducts) {
    const Case selector{"selector", {{"cell.selector.model", "threshold"}, {"cell.selector.threshold", "50 mV"}}};
    const Network network = network_of(selector);
    const Mapping mapping = mapping_of(selector, network);
    const Chip chip = program(mapping, static_ranges(mapping), 5, 0);
    EXPECT_THROW(effective_weights(mapping, chip, 0), ConfigError);
}

}  // namespace
}  // namespace bitline
