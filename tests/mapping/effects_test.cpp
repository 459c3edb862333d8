// Every pair of effects with every encoding on a small network: it runs, it gives finite numbers, and neither effect
// hides the other.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "mapping/chip.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;
using Settings = std::vector<Setting>;

struct Effect {
    std::string name;
    Settings settings;
};

const std::vector<Effect>& effects() {
    static const std::vector<Effect> all{
        {"independent", {{"cell.programming_error.model", "independent"}, {"cell.programming_error.sigma", "0.03"}}},
        {"lognormal", {{"cell.programming_error.model", "lognormal"}, {"cell.programming_error.sigma", "0.05"}}},
        {"state",
         {{"cell.programming_error.model", "state"}, {"cell.programming_error.deviation.polynomial", "2e-6, 1e-6"}}},
        {"error_table",
         {{"cell.programming_error.model", "table"}, {"cell.programming_error.table", "2e-6, 4e-6, 1e-6"}}},
        {"uniform", {{"cell.programming_error.model", "uniform"}, {"cell.programming_error.sigma", "0.02"}}},
        {"logarithmic_levels", {{"cell.levels.placement", "logarithmic"}}},
        {"device_to_device", {{"cell.device_to_device.sigma", "0.05"}}},
        {"stuck", {{"cell.stuck_at.low_rate", "0.05"}, {"cell.stuck_at.high_rate", "0.05"}}},
        {"open_lines", {{"array.line_faults.open_word_lines", "0.2"}, {"array.line_faults.open_bit_lines", "0.05"}}},
        {"power_drift",
         {{"cell.drift.model", "power"},
          {"cell.drift.exponent.polynomial", "0.05"},
          {"cell.drift.deviation.polynomial", "0.01"}}},
        {"logarithmic_drift", {{"cell.drift.model", "logarithmic"}, {"cell.drift.exponent.polynomial", "0.05"}}},
        {"relaxation", {{"cell.relaxation.times", "1, 1e6"}, {"cell.relaxation.deviation", "1e-6, 4e-6"}}},
        {"decay", {{"cell.retention.model", "decay"}, {"cell.retention.tau", "1e6"}}},
        {"flip", {{"cell.retention.model", "flip"}, {"cell.retention.tau", "1e6"}}},
        {"heat", {{"cell.temperature.activation_energy", "0.1"}}},
        {"endurance", {{"cell.endurance.loss", "0.1"}, {"cell.endurance.writes", "1e8"}}},
        {"read_disturb", {{"cell.read_disturb.rate", "1e-4"}, {"cell.read_disturb.reads", "1000"}}},
        {"read_noise", {{"cell.read_noise.sigma", "0.05"}}},
        {"thermal", {{"cell.read_noise.thermal", "true"}, {"cell.read_noise.bandwidth", "1e13"}}},
        {"shot", {{"cell.read_noise.shot", "true"}, {"cell.read_noise.bandwidth", "1e13"}}},
        {"flicker_product",
         {{"cell.read_noise.flicker.amplitude.polynomial", "0.01"}, {"cell.read_noise.flicker.persists", "product"}}},
        {"flicker_chip",
         {{"cell.read_noise.flicker.amplitude.polynomial", "0.01"}, {"cell.read_noise.flicker.persists", "chip"}}},
        {"flicker_conversion",
         {{"cell.read_noise.flicker.amplitude.polynomial", "0.02"},
          {"cell.read_noise.flicker.persists", "conversion"}}},
        {"telegraph_sample", {{"cell.read_noise.telegraph.amplitude", "0.2"}}},
        {"telegraph_conversion",
         {{"cell.read_noise.telegraph.amplitude", "0.3"}, {"cell.read_noise.telegraph.persists", "conversion"}}},
        {"series", {{"cell.series.resistance", "10 kohm"}}},
        {"adc_offset", {{"adc.offset_sigma", "300"}}},
        {"adc_gain", {{"adc.gain_sigma", "0.1"}}},
        {"adc_noise", {{"adc.noise_sigma", "500"}}},
        {"dac_gain", {{"input.dac.gain_sigma", "0.05"}}},
        {"dac_offset", {{"input.dac.offset_sigma", "0.1"}}},
        {"dac_noise", {{"input.dac.noise_sigma", "0.1"}}},
        {"selector", {{"cell.selector.model", "threshold"}, {"cell.selector.threshold", "50 mV"}}},
        {"charge_sharing", {{"array.transfer.model", "charge_sharing"}, {"array.transfer.parasitic", "0.2"}}},
        {"wires", {{"wires.row_ohm", "20"}, {"wires.col_ohm", "10"}, {"wires.drive", "both"}}},
        {"wire_targets", {{"wires.row_ohm", "20"}, {"wires.col_ohm", "10"}, {"compensation.wires", "targets"}}},
    };
    return all;
}

bool is_one_of(const Effect& effect, std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return effect.name == name; });
}

/// What a chip cannot have together: linear wires need linear cells and bit lines at a fixed voltage.
bool is_refused(const Effect& a, const Effect& b) {
    return is_one_of(b, {"wires", "wire_targets"}) && is_one_of(a, {"selector", "charge_sharing"});
}

/// Effects that fill the same slot of the cell: one of them at a time.
bool exclude_each_other(const Effect& a, const Effect& b) {
    if (is_one_of(a, {"wires"}) && is_one_of(b, {"wire_targets"})) return true;
    for (const Setting& one : a.settings)
        for (const Setting& other : b.settings)
            if (one.first == other.first && one.second != other.second) return true;
    return false;
}

struct Case {
    std::string encoding;
    Settings settings;
    bool binary = false;
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all{
        {"differential", {{"weights.encoding", "differential"}}},
        {"differential, digital", {{"weights.encoding", "differential"}, {"weights.subtraction", "digital"}}},
        {"balanced, 2 bits a cycle",
         {{"weights.encoding", "differential"},
          {"weights.differential_split", "balanced"},
          {"input.bits_per_cycle", "2"}}},
        {"offset", {{"weights.encoding", "offset"}}},
        {"reference column", {{"weights.encoding", "offset"}, {"weights.offset_correction", "reference_column"}}},
        {"twos complement", {{"weights.encoding", "twos_complement"}}},
        {"flipped", {{"weights.encoding", "flipped"}}},
        {"multilevel", {{"weights.encoding", "multilevel"}, {"cell.bits", "5"}}},
        {"xnor", {{"weights.encoding", "xnor"}}, true},
    };
    return all;
}

constexpr int kRows = 20, kCols = 6, kSamples = 4;

Network network_of(const Case& one) {
    RandomSource random(8);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights)
        w = one.binary ? (random.chance(0.5) ? 1 : -1) : static_cast<int32_t>(random.between(-15, 15));
    Quantizer codes = testing::codes(one.binary ? 1 : 4, false);
    if (one.binary) codes.kind = Quantizer::Kind::bipolar;
    return testing::fully_connected(kRows, kCols, weights, one.binary ? 2 : 5, codes);
}

/// What the chip gives a day after it was written; converters finer than a level.
std::vector<double> run_chip(const Case& one, const std::vector<const Effect*>& some) {
    Settings settings{{"cell.g_min", "1e-5"},
                      {"array.rows", "64"},
                      {"adc.bits", "16"},
                      {"adc.range", "fixed"},
                      {"adc.columns_per_converter", "1"}};
    settings.insert(settings.end(), one.settings.begin(), one.settings.end());
    for (const Effect* effect : some) settings.insert(settings.end(), effect->settings.begin(), effect->settings.end());
    const Network network = network_of(one);
    const Mapping mapping = map_network(network, parse_architecture("name: small", "small.yaml", settings));
    const Chip chip = program(mapping, static_ranges(mapping), 5, 0, {86400, 330});
    ChipEngine engine(network, mapping, chip);
    RandomSource random(9);
    std::vector<int32_t> inputs(kRows * kSamples);
    for (int32_t& x : inputs)
        x = one.binary ? (random.chance(0.5) ? 1 : -1) : static_cast<int32_t>(random.between(0, 15));
    std::vector<double> acc(kCols * kSamples);
    engine.product(network, 1, inputs, kSamples, 0, acc);
    return acc;
}

class Pairs : public ::testing::TestWithParam<size_t> {};

TEST_P(Pairs, OfEffectsAllShow) {
    const Case& one = cases()[GetParam()];
    std::vector<Effect> some;
    for (const Effect& effect : effects()) {
        // Two levels lie at both ends of every placement.
        if (!one.binary || effect.name != "logarithmic_levels") some.push_back(effect);
    }
    std::vector<std::vector<double>> alone;
    const std::vector<double> none = run_chip(one, {});
    for (const Effect& effect : some) {
        alone.push_back(run_chip(one, {&effect}));
        EXPECT_NE(alone.back(), none) << one.encoding << ": " << effect.name << " has no effect";
    }
    for (size_t i = 0; i < some.size(); ++i) {
        for (size_t j = i + 1; j < some.size(); ++j) {
            const Effect &first = some[i], &second = some[j];
            if (exclude_each_other(first, second)) continue;
            if (is_refused(first, second)) {
                EXPECT_THROW(run_chip(one, {&first, &second}), ConfigError) << first.name << " with " << second.name;
                continue;
            }
            const std::vector<double> both = run_chip(one, {&first, &second});
            const std::string where = one.encoding + ": " + first.name + " with " + second.name;
            for (const double x : both) ASSERT_TRUE(std::isfinite(x)) << where;
            EXPECT_NE(both, alone[i]) << where;
            EXPECT_NE(both, alone[j]) << where;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(EveryEncoding, Pairs, ::testing::Range(size_t{0}, cases().size()));

}  // namespace
}  // namespace bitline
