// Counted codes against the definition of a conversion, and against what products add up.

#include "mapping/code_counts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using testing::RandomSource;

constexpr int64_t kRows = 70, kCols = 9, kSamples = 11, kFirst = 3;
constexpr int kBits = 4;

Network network_of_bits() {
    RandomSource random(12);
    std::vector<int32_t> weights(kRows * kCols);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-15, 15));
    return testing::fully_connected(kRows, kCols, weights, 5, testing::codes(kBits, false));
}

std::vector<int32_t> inputs() {
    RandomSource random(13);
    std::vector<int32_t> codes(kRows * kSamples);
    for (int32_t& code : codes) code = static_cast<int32_t>(random.between(0, (1 << kBits) - 1));
    return codes;
}

/// Several arrays, several parts of rows, converters that clip.
Architecture small_arrays(const std::vector<Setting>& more = {}) {
    std::vector<Setting> settings{{"array.rows", "32"},      {"array.cols", "8"},    {"array.active_rows", "20"},
                                  {"cell.bits", "2"},        {"adc.bits", "4"},      {"adc.range", "fixed"},
                                  {"adc.full_scale", "0.1"}, {"cell.g_min", "1e-6"}, {"cell.g_max", "1e-4"}};
    settings.insert(settings.end(), more.begin(), more.end());
    return parse_architecture("name: small", "small.yaml", settings);
}

CodeCounts by_definition(const Mapping& mapping, const Chip& chip, const std::vector<int32_t>& inputs) {
    const ChipLayer& layer = chip.layers[0];
    CodeCounts counts;
    counts.lo = layer.adc.lo;
    counts.count.resize(static_cast<size_t>(layer.adc.hi - layer.adc.lo) + 1);
    for (size_t a = 0; a < layer.arrays.size(); ++a) {
        const kernels::Converter& converter = layer.arrays[a].converter;
        for (const ChipBlock& block : layer.arrays[a].blocks) {
            for (int64_t i = 0; i < kSamples * kBits * block.cells.cols; ++i) {
                const int64_t sample = i / (kBits * block.cells.cols), bit = i / block.cells.cols % kBits;
                const auto col = static_cast<size_t>(i % block.cells.cols);
                double sum = 0;
                for (int64_t r = 0; r < block.rows; ++r) {
                    const int32_t x = inputs[static_cast<size_t>(sample * kRows + block.first_row + r)];
                    if (x >> bit & 1) sum += block.cells.g[static_cast<size_t>(r * block.cells.cols) + col];
                }
                const double t = std::nearbyint(sum * converter.inv_step[col] + converter.offset[col]);
                const double code = std::clamp<double>(t, layer.adc.lo, layer.adc.hi);
                if (code != t) ++counts.clipped;
                ++counts.count[static_cast<size_t>(code - layer.adc.lo)];
            }
        }
    }
    EXPECT_GT(mapping.layers[0].arrays.size(), 3U);
    return counts;
}

TEST(CodeCounts, AreThoseOfEveryConversion) {
    const Network network = network_of_bits();
    const Mapping mapping = map_network(network, small_arrays({{"cell.programming_error.sigma", "0.03"}}));
    const Chip chip = program(mapping, static_ranges(mapping), 4, 0);
    const CodeCounts counts = count_codes(network, mapping, chip, 0, inputs(), kSamples, 0);
    const CodeCounts expected = by_definition(mapping, chip, inputs());
    EXPECT_EQ(counts.lo, expected.lo);
    EXPECT_EQ(counts.count, expected.count);
    EXPECT_EQ(counts.clipped, expected.clipped);
    EXPECT_GT(counts.clipped, 0);
    EXPECT_LT(counts.clipped, std::accumulate(counts.count.begin(), counts.count.end(), int64_t{0}) / 2);
}

/// Of a layer whose slices and cycles all count one, the products add up to the sum of all codes.
double sum_of_products(const Network& network, Mapping mapping, const Chip& chip, int64_t first_sample) {
    for (int64_t& weight : mapping.layers[0].input.cycle_weight) weight = 1;
    ChipEngine engine(network, mapping, chip);
    std::vector<double> acc(kCols * kSamples);
    engine.product(network, 1, inputs(), kSamples, first_sample, acc);
    return std::accumulate(acc.begin(), acc.end(), 0.0);
}

TEST(CodeCounts, DrawTheNoiseOfTheProducts) {
    const Network network = network_of_bits();
    for (const bool traps : {false, true}) {  // noise of a conversion alone, and noise that lasts longer
        std::vector<Setting> noise{{"cell.bits", "4"}, {"cell.read_noise.sigma", "0.1"}, {"adc.noise_sigma", "0.5"}};
        if (traps) noise.push_back({"cell.read_noise.telegraph.amplitude", "0.3"});
        const Mapping mapping = map_network(network, small_arrays(noise));
        ASSERT_EQ(mapping.layers[0].stored.slices.size(), 1U);
        const Chip chip = program(mapping, static_ranges(mapping), 4, 0);
        const CodeCounts counts = count_codes(network, mapping, chip, 0, inputs(), kSamples, kFirst);
        double sum = 0;
        for (size_t code = 0; code < counts.count.size(); ++code)
            sum += (counts.lo + static_cast<double>(code)) * static_cast<double>(counts.count[code]);
        const double step = chip.layers[0].adc.step;
        EXPECT_NEAR(sum_of_products(network, mapping, chip, kFirst), sum * step, 1e-6);
        EXPECT_NE(sum_of_products(network, mapping, chip, kFirst + 1), sum * step);
    }
}

TEST(CodeCounts, AreOfCodesWhateverTheyCountAs) {
    const Network network = network_of_bits();
    const Mapping mapping = map_network(network, small_arrays());
    std::vector<AdcRange> ranges = static_ranges(mapping);
    const CodeCounts plain = count_codes(network, mapping, program(mapping, ranges, 4, 0), 0, inputs(), kSamples, 0);
    for (int32_t code = ranges[0].lo; code < ranges[0].hi; ++code) {  // equal steps: a tie goes to the even code
        const double middle = code + 0.5;
        ranges[0].thresholds.push_back(code % 2 == 0 ? middle + 0x1p-10 : middle);
    }
    ranges[0].values.assign(ranges[0].thresholds.size() + 1, 7);  // all alike
    const CodeCounts valued = count_codes(network, mapping, program(mapping, ranges, 4, 0), 0, inputs(), kSamples, 0);
    EXPECT_EQ(valued.count, plain.count);
    EXPECT_EQ(valued.lo, plain.lo);
}

TEST(CodeCounts, RefuseConvertersOfTooManyBits) {
    const Network network = network_of_bits();
    const Mapping mapping = map_network(network, small_arrays());
    std::vector<AdcRange> ranges = static_ranges(mapping);
    ranges[0].bits = 21;
    const Chip chip = program(mapping, ranges, 4, 0);
    EXPECT_THROW(count_codes(network, mapping, chip, 0, inputs(), kSamples, 0), ConfigError);
}

}  // namespace
}  // namespace bitline
