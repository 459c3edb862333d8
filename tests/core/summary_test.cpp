#include "core/summary.h"

#include <gtest/gtest.h>

#include "tests/support/random_network.h"

namespace bitline {
namespace {

Quantizer codes_of(int bits) {
    Quantizer quantizer;
    quantizer.scale = {0.5F};
    quantizer.zero_point = {0};
    quantizer.bits = bits;
    return quantizer;
}

MatVec convolution(int64_t in_channels, int64_t out_channels) {
    MatVec layer;
    layer.is_convolution = true;
    layer.in_channels = in_channels;
    layer.out_channels = out_channels;
    layer.window.kernel_h = layer.window.kernel_w = 3;
    return layer;
}

/// 4-bit convolution with biases (3x6x6 -> 2x4x4), batch norm, convolution with real weights (2x4x4 -> 1x2x2).
Network mixed_network() {
    MatVec quantized = convolution(3, 2);
    quantized.codes.assign(2 * 3 * 9, 1);
    quantized.weight = codes_of(4);
    quantized.bias_codes = {5, -5};
    quantized.output = ScaleOutput{{0.25F}, {}};
    MatVec real = convolution(2, 1);
    real.real_weights.assign(2 * 9, 0.5F);
    Network network;
    network.values = {{"x", {3, 6, 6}, codes_of(6)}, {"a", {2, 4, 4}, {}}, {"b", {2, 4, 4}, {}}, {"y", {1, 2, 2}, {}}};
    network.nodes = {{"first", "Conv", {0}, 1, quantized},
                     {"norm", "BatchNormalization", {1}, 2, BatchNorm{{1, 1}, {0, 0}, {0, 0}, {1, 1}, 1e-5F}},
                     {"last", "Conv", {2}, 3, real}};
    network.input = 0;
    network.output = 3;
    return network;
}

TEST(Summary, CountsParametersAtTheirOwnWidth) {
    const NetworkSummary summary = summarize(mixed_network());
    ASSERT_EQ(summary.nodes.size(), 3U);
    EXPECT_EQ(summary.nodes[0].parameters.count, 54 + 2);
    EXPECT_EQ(summary.nodes[0].parameters.bits, 54 * 4 + 2 * 32);
    EXPECT_EQ(summary.nodes[1].parameters.bits, 4 * 2 * 32);
    EXPECT_EQ(summary.nodes[2].parameters.bits, 18 * 32);
    EXPECT_EQ(summary.parameters.count, 56 + 8 + 18);
    EXPECT_DOUBLE_EQ(summary.average_bits(), (54 * 4 + 28 * 32) / 82.0);
}

TEST(Summary, SaysWhatIsMappedAndWhyNot) {
    const NetworkSummary summary = summarize(mixed_network());
    EXPECT_TRUE(summary.nodes[0].mapped);
    EXPECT_EQ(summary.nodes[0].why_digital, "");
    EXPECT_EQ(summary.nodes[0].weight_bits, 4);
    EXPECT_EQ(summary.nodes[0].input_bits, 6);
    EXPECT_EQ(summary.nodes[0].output_bits, std::nullopt);
    EXPECT_FALSE(summary.nodes[1].mapped);
    EXPECT_EQ(summary.nodes[1].why_digital, "");  // multiplies no matrix
    EXPECT_FALSE(summary.nodes[2].mapped);
    EXPECT_EQ(summary.nodes[2].why_digital, "its weights are real numbers");
    EXPECT_EQ(summary.mapped_layers, 1);
    EXPECT_EQ(summary.digital_layers, 1);
    EXPECT_EQ(summary.macs, 16 * 54 + 4 * 18);
    EXPECT_EQ(summary.mapped_macs, 16 * 54);

    Network real_input = mixed_network();
    real_input.values[0].quantizer.reset();
    EXPECT_EQ(summarize(real_input).nodes[0].why_digital, "its input is real numbers");
}

TEST(Summary, EmptyNetworkHasNoAverage) { EXPECT_EQ(summarize(Network{}).average_bits(), 0); }

TEST(Summary, TotalsAreSumsOverNodes) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        const Network network = testing::random_network(seed);
        const NetworkSummary summary = summarize(network);
        int64_t parameters = 0, macs = 0;
        for (const NodeSummary& node : summary.nodes) {
            parameters += node.parameters.count;
            macs += node.macs;
        }
        EXPECT_EQ(summary.parameters.count, parameters);
        EXPECT_EQ(summary.macs, macs);
        EXPECT_EQ(summary.nodes.size(), network.nodes.size());
    }
}

}  // namespace
}  // namespace bitline
