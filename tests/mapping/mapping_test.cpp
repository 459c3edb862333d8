#include "mapping/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "support/random_network.h"
#include "support/small_networks.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;
using testing::RandomSource;

std::vector<int32_t> random_weights(size_t n, int32_t reach) {
    RandomSource random(n);
    std::vector<int32_t> weights(n);
    for (int32_t& w : weights) w = static_cast<int32_t>(random.between(-reach, reach));
    weights[0] = reach;
    return weights;
}

Network layer_512() { return testing::fully_connected(512, 512, random_weights(512 * 512, 127)); }

TEST(Mapping, CountsArraysOfTheDifferentialEncoding) {
    // 512 outputs x 4 slices x 2 cells = 4096 bit lines = 32 arrays of 128; 512 rows = 4 tiles.
    const Mapping mapping = map_network(layer_512(), {});
    const MappedLayer& layer = mapping.layers.at(0);
    EXPECT_EQ(mapping.arrays, 128);
    EXPECT_EQ(layer.stored.slices.size(), 4U);
    EXPECT_DOUBLE_EQ(layer.utilisation, 1);
    EXPECT_EQ(layer.cells_used, 512 * 512 * 8);
    EXPECT_EQ(layer.cycles_per_vector, 8);
    EXPECT_LE(layer.lossless_bits, 10);  // 128 rows x 3 levels on each side
    EXPECT_GE(layer.lossless_bits, 9);
}

TEST(Mapping, CountsArraysOfOtherEncodings) {
    Architecture a;
    a.weights.encoding = WeightEncoding::offset;  // half the bit lines
    EXPECT_EQ(map_network(layer_512(), a).arrays, 64);
    a.weights.offset_correction = WeightOptions::OffsetCorrection::reference_column;  // 31 outputs per array, not 32
    EXPECT_EQ(map_network(layer_512(), a).arrays, 4 * 17);
    a.weights.encoding = WeightEncoding::twos_complement;  // 5 columns per output
    EXPECT_EQ(map_network(layer_512(), a).arrays, 4 * 20);
}

TEST(Mapping, IsaacFlippingKeepsSumsWithinEightBits) {
    const Architecture isaac = read_architecture("isaac");
    for (uint64_t seed : {1, 2, 3}) {
        RandomSource random(seed);
        std::vector<int32_t> weights(512 * 64);
        const int32_t bias = static_cast<int32_t>(random.between(-100, 100));  // columns far from the middle
        for (int32_t& w : weights) w = std::clamp(bias + static_cast<int32_t>(random.between(-60, 60)), -128, 127);
        const Mapping mapping = map_network(testing::fully_connected(512, 64, weights), isaac);
        EXPECT_LE(mapping.layers[0].bounds.high, 192);
        EXPECT_LE(mapping.layers[0].lossless_bits, 8);
        Architecture offset = isaac;
        offset.weights.encoding = WeightEncoding::offset;
        EXPECT_GT(map_network(testing::fully_connected(512, 64, weights), offset).layers[0].bounds.high, 192);
    }
}

TEST(Mapping, PartialRowsTakeMoreCyclesAndFewerBits) {
    Architecture a;
    a.array.active_rows = 16;
    const Mapping mapping = map_network(layer_512(), a);
    EXPECT_EQ(mapping.layers[0].cycles_per_vector, 8 * 8);
    EXPECT_LE(mapping.layers[0].lossless_bits, 7);  // +-48
}

TEST(Mapping, DepthwiseLayersShareArrays) {
    const Network network = testing::depthwise(64, 8, random_weights(64 * 9, 127));
    Architecture a;
    const Mapping packed = map_network(network, a);
    EXPECT_EQ(packed.layers[0].packs.size(), 5U);  // 14 groups of 9 rows in 128 rows
    EXPECT_EQ(packed.arrays, 5);
    a.pack_groups = false;
    EXPECT_EQ(map_network(network, a).arrays, 64);
}

TEST(Mapping, BiasRowsHoldTheBiasExactly) {
    RandomSource random(9);
    for (int bits : {1, 2, 4, 8}) {
        Network network = testing::fully_connected(50, 20, random_weights(1000, 100), 8, testing::codes(bits, false));
        auto& op = std::get<MatVec>(network.nodes[1].op);
        for (int c = 0; c < 20; ++c) op.bias_codes.push_back(random.between(-20000, 20000));
        Architecture a;
        a.bias.place = BiasOptions::Place::rows;
        const MappedLayer layer = map_network(network, a).layers[0];
        ASSERT_FALSE(layer.bias_drive.empty());
        EXPECT_TRUE(layer.digital_bias.empty());
        for (size_t c = 0; c < 20; ++c) {
            int64_t sum = 0;
            for (size_t r = 0; r < layer.bias_drive.size(); ++r)
                sum += int64_t{layer.bias_drive[r]} * layer.bias_weights[c * layer.bias_drive.size() + r];
            EXPECT_EQ(sum, op.bias_codes[c]);
        }
    }
}

TEST(Mapping, BiasThatWouldTakeTooManyRowsStaysDigitalAndSaysSo) {
    Network network = testing::fully_connected(4, 1, {1, 1, -1, 1}, 2, testing::codes(1, false));
    std::get<MatVec>(network.nodes[1].op).bias_codes = {1000000};
    Architecture a;
    a.bias.place = BiasOptions::Place::rows;
    const MappedLayer layer = map_network(network, a).layers[0];
    EXPECT_TRUE(layer.bias_drive.empty());
    EXPECT_THAT(layer.note, HasSubstr("digital"));
}

TEST(Mapping, SaysByHowMuchANetworkDoesNotFit) {
    Architecture a;
    a.chip = {8, 2, 1};
    try {
        map_network(layer_512(), a);
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("needs 128 arrays, 112 more than the 16"));
        EXPECT_THAT(error.what(), HasSubstr("layer (128 arrays)"));
    }
    a.cell.reprogrammable = true;
    EXPECT_EQ(map_network(layer_512(), a).reloads, 8);
}

TEST(Mapping, WeightClippingNarrowsWhatIsStored) {
    Architecture a;
    a.weights.clip = 0.4;
    const MappedLayer layer = map_network(layer_512(), a).layers[0];
    EXPECT_EQ(*std::max_element(layer.weights.begin(), layer.weights.end()), 51);
    EXPECT_EQ(layer.stored.slices.size(), 3U);
}

TEST(Mapping, NarrowWeightsUseTheWholeConductanceWindow) {
    Architecture a;
    a.cell.bits = 4;
    a.cell.g_min = 1e-6;
    for (const auto& [reach, levels] : {std::pair{1, 2}, {3, 4}, {7, 8}, {127, 16}}) {
        const Mapping mapping = map_network(testing::fully_connected(64, 8, random_weights(64 * 8, reach)), a);
        const Grid& grid = mapping.layers[0].grid;
        EXPECT_EQ((grid.g_max - grid.g_min) / grid.level_step, levels - 1) << reach;
        EXPECT_NEAR(grid.g_max * grid.siemens, a.cell.g_max, 1e-3 * a.cell.g_max) << reach;
    }
}

TEST(Mapping, RefusesConvertersThatWouldNeedTooManyBits) {
    MatVec op;
    op.in_channels = 1024;
    op.out_channels = 2;
    op.codes = random_weights(2 * 1024, 32767);
    op.weight = testing::codes(16, true);
    const Network network = testing::one_layer(op, {1024}, {2}, testing::codes(16, false));
    Architecture a = read_architecture("ideal");
    a.array.rows = 1024;
    a.cell.bits = 16;
    a.input.bits_per_cycle = 8;
    a.weights.encoding = WeightEncoding::offset;
    EXPECT_THAT([&] { map_network(network, a); },
                ::testing::ThrowsMessage<ConfigError>(::testing::AllOf(HasSubstr("layer"), HasSubstr("array.rows"))));
    a.array.active_rows = 64;
    EXPECT_LE(map_network(network, a).layers[0].lossless_bits, kMostConverterBits);
}

TEST(Mapping, LargestSumCountsTheLeakOfSingleColumns) {
    Architecture a;
    a.weights.encoding = WeightEncoding::offset;
    a.cell.g_min = 5e-5;  // three level spacings
    const Network network = layer_512();
    EXPECT_EQ(map_network(network, a).layers[0].bounds.largest, 128 * (3 + 3));
    a.weights.encoding = WeightEncoding::differential;  // pairs cancel it
    EXPECT_EQ(map_network(network, a).layers[0].bounds.largest, 128 * 3);
}

TEST(Mapping, SignedOneBitInputsKeepTheBiasDigital) {
    MatVec op;
    op.in_channels = 8;
    op.out_channels = 2;
    op.codes = random_weights(16, 7);
    op.weight = testing::codes(4, true);
    op.bias_codes = {5, -300};
    Architecture a;
    a.input.signed_codes = InputOptions::SignedCodes::twos_complement;
    a.input.binary_codes = InputOptions::BinaryCodes::zero_one;
    a.bias.place = BiasOptions::Place::rows;
    const Mapping mapping = map_network(testing::one_layer(op, {8}, {2}, testing::codes(1, true)), a);
    EXPECT_THAT(mapping.layers[0].note, HasSubstr("digital"));
    EXPECT_EQ(mapping.layers[0].digital_bias, (std::vector<int64_t>{5, -300}));
}

TEST(Mapping, RefusesANetworkWithoutIntegerLayers) {
    Network network = layer_512();
    network.values[1].quantizer.reset();
    network.nodes[1].inputs = {0};
    EXPECT_THROW(map_network(network, {}), ConfigError);
}

}  // namespace
}  // namespace bitline
