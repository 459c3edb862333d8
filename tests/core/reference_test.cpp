#include "core/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "tests/support/one_node.h"
#include "tests/support/random_network.h"

namespace bitline {
namespace {

using ::testing::ElementsAre;
using ::testing::Pointwise;

using testing::bipolar;
using testing::evaluate;
using testing::kInf;
using testing::kNan;
using testing::one_node;
using testing::quantizer;

// ------------------------------------------------------------------------------------------ naive references

/// The seven loops of a convolution, straight from its definition. (out_channels x positions) of one sample.
template <typename T, typename In, typename Weight>
std::vector<T> naive_product(const MatVec& op, const Shape& in, In x, Weight w) {
    const int64_t height = op.is_convolution ? in[1] : 1, width = op.is_convolution ? in[2] : 1;
    const Shape out = infer_shape(op, {in}, {});
    const int64_t out_h = op.is_convolution ? out[1] : 1, out_w = op.is_convolution ? out[2] : 1;
    const int64_t per_group = op.in_channels / op.groups, cols = op.out_channels / op.groups;
    std::vector<T> y;
    for (int64_t oc = 0; oc < op.out_channels; ++oc) {
        for (int64_t oy = 0; oy < out_h; ++oy) {
            for (int64_t ox = 0; ox < out_w; ++ox) {
                T sum = 0;
                for (int64_t c = 0; c < per_group; ++c) {
                    for (int64_t ky = 0; ky < op.window.kernel_h; ++ky) {
                        for (int64_t kx = 0; kx < op.window.kernel_w; ++kx) {
                            const int64_t iy = oy * op.window.stride_h + ky * op.window.dilation_h - op.window.pad_top;
                            const int64_t ix = ox * op.window.stride_w + kx * op.window.dilation_w - op.window.pad_left;
                            if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                            const int64_t channel = oc / cols * per_group + c;
                            sum += x((channel * height + iy) * width + ix) *
                                   w(((oc * per_group + c) * op.window.kernel_h + ky) * op.window.kernel_w + kx, oc);
                        }
                    }
                }
                y.push_back(sum);
            }
        }
    }
    return y;
}

std::vector<int64_t> naive_sums(const Network& network, const Node& node, const int32_t* codes) {
    const auto& op = std::get<MatVec>(node.op);
    const Value& input = network.values[size_t(node.inputs[0])];
    const auto x = [&](int64_t i) { return int64_t(codes[i]) - input.quantizer->zero_point[0]; };
    const auto w = [&](int64_t i, int64_t oc) {
        return int64_t(op.codes[size_t(i)]) - op.weight.zero_point[op.weight.per_tensor() ? 0 : size_t(oc)];
    };
    std::vector<int64_t> sums = naive_product<int64_t>(op, input.shape, x, w);
    const size_t positions = sums.size() / size_t(op.out_channels);
    for (size_t i = 0; i < sums.size() && !op.bias_codes.empty(); ++i) sums[i] += op.bias_codes[i / positions];
    return sums;
}

/// Compares every quantized layer's sums with the seven loops, on the codes that the layer received.
void expect_naive_sums(const Network& network, uint64_t seed, int64_t samples) {
    const auto engine = make_exact_engine(network);
    std::vector<Block> values;
    run(network, *engine, testing::random_input(network, samples, seed), samples, 0, &values);
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const Node& node = network.nodes[i];
        if (!is_mappable(network, node)) continue;
        const int64_t in_size = element_count(network.values[size_t(node.inputs[0])].shape);
        const int64_t out_size = element_count(network.values[size_t(node.output)].shape);
        const auto& codes = values[size_t(node.inputs[0])].codes;
        std::vector<double> acc(size_t(samples * out_size));
        engine->product(network, int(i), codes, samples, 0, acc);
        for (int64_t s = 0; s < samples; ++s) {
            const auto expected = naive_sums(network, node, codes.data() + s * in_size);
            for (int64_t j = 0; j < out_size; ++j) {
                ASSERT_EQ(acc[size_t(s * out_size + j)], double(expected[size_t(j)]))
                    << "seed " << seed << ", node " << i << ", sample " << s << ", output " << j;
            }
        }
    }
}

TEST(ExactEngine, EqualsTheDefinitionOnRandomNetworks) {
    for (uint64_t seed = 0; seed < 300; ++seed) expect_naive_sums(testing::random_network(seed), seed, 3);
}

TEST(ExactEngine, EqualsTheDefinitionAtSixteenBits) {
    testing::RandomNetworkOptions options;
    options.max_weight_bits = options.max_activation_bits = 16;
    for (uint64_t seed = 0; seed < 200; ++seed) expect_naive_sums(testing::random_network(seed, options), seed, 2);
}

TEST(ExactEngine, EqualsTheDefinitionOnBipolarNetworks) {
    testing::RandomNetworkOptions options;
    options.only_bipolar = true;
    for (uint64_t seed = 0; seed < 100; ++seed) expect_naive_sums(testing::random_network(seed, options), seed, 2);
}

/// Every code at its extreme: the largest sums that the bit widths allow, in narrow and wide paths, grouped or not.
TEST(ExactEngine, HoldsTheLargestSums) {
    for (const int64_t groups : {1, 4}) {
        for (const int bits : {8, 16}) {
            MatVec op;
            op.is_convolution = true;
            op.in_channels = op.out_channels = 4;
            op.groups = groups;
            op.window.kernel_h = op.window.kernel_w = 3;
            op.weight = quantizer(bits, true, 1, (1 << (bits - 1)) - 1);  // q_w - z_w = -(2^bits - 1)
            op.codes.assign(size_t(4 * op.rows()), op.weight.code_min());
            op.output = ScaleOutput{{1, 1, 1, 1}, {}};
            const Network n = one_node(op, {{"x", {4, 3, 3}, quantizer(bits, false)}});
            validate(n);
            const std::vector<int32_t> codes(36, (1 << bits) - 1);
            std::vector<double> acc(4);
            make_exact_engine(n)->product(n, 0, codes, 1, 0, acc);
            const double one = double((1 << bits) - 1);
            EXPECT_THAT(acc, ::testing::Each(-one * one * double(op.rows())))
                << groups << " groups, " << bits << " bits";
        }
    }
}

/// Large enough for several chunks of gathered rows, with a ragged last one.
TEST(ExactEngine, ChunksDoNotShow) {
    testing::RandomSource random(7);
    MatVec op;
    op.is_convolution = true;
    op.in_channels = 16;
    op.out_channels = 10;
    op.window.kernel_h = op.window.kernel_w = 5;
    op.window.pad_top = op.window.pad_left = 2;
    op.weight = quantizer(8, true);
    for (int64_t i = 0; i < op.out_channels * op.rows(); ++i)
        op.codes.push_back(testing::random_code(random, op.weight));
    op.output = ScaleOutput{std::vector<float>(10, 1), {}};
    const Network n = one_node(op, {{"x", {16, 41, 37}, quantizer(8, false, 1, 128)}});
    validate(n);
    std::vector<int32_t> codes(size_t(element_count(n.values[0].shape)));
    for (int32_t& q : codes) q = int32_t(random.between(0, 255));
    std::vector<double> acc(size_t(element_count(n.values[1].shape)));
    make_exact_engine(n)->product(n, 0, codes, 1, 0, acc);
    const auto expected = naive_sums(n, n.nodes[0], codes.data());
    EXPECT_THAT(acc, Pointwise(::testing::Eq(), expected));
}

TEST(GatherRows, EqualsTheDefinition) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
        const Network n = testing::random_network(seed);
        for (const Node& node : n.nodes) {
            const auto* op = std::get_if<MatVec>(&node.op);
            if (!op) continue;
            const Shape& in = n.values[size_t(node.inputs[0])].shape;
            std::vector<int32_t> x(size_t(element_count(in)));
            for (size_t i = 0; i < x.size(); ++i) x[i] = int32_t(i) + 1;
            // A weight of 1 on one row picks that row out of the definition.
            const int64_t positions = output_positions(n, node), cols = op->out_channels / op->groups;
            const int64_t first = positions / 2, count = positions - first;
            for (int64_t g = 0; g < op->groups; ++g) {
                std::vector<int32_t> rows(size_t(count * op->rows()));
                gather_rows(*op, in, x.data(), g, first, count, 0, rows.data());
                for (int64_t r = 0; r < op->rows(); ++r) {
                    const auto picked = naive_product<int64_t>(
                        *op, in, [&](int64_t i) { return int64_t(x[size_t(i)]); },
                        [&](int64_t i, int64_t oc) { return int64_t(i % op->rows() == r && oc == g * cols); });
                    for (int64_t p = 0; p < count; ++p) {
                        ASSERT_EQ(rows[size_t(p * op->rows() + r)], picked[size_t(g * cols * positions + first + p)]);
                    }
                }
            }
        }
    }
}

TEST(GatherRows, PadsWithTheGivenCode) {
    MatVec op;
    op.is_convolution = true;
    op.in_channels = op.out_channels = 1;
    op.window.kernel_w = 3;
    op.window.pad_left = 1;
    op.window.pad_top = 1;
    std::vector<int32_t> rows(12);
    const int32_t x[] = {5, 6};
    op.window.pad_right = 1;
    gather_rows(op, {1, 1, 2}, x, 0, 0, 4, 9, rows.data());
    EXPECT_THAT(rows, ElementsAre(9, 9, 9, 9, 9, 9, 9, 5, 6, 5, 6, 9));
}

// ------------------------------------------------------------------------------------------ outputs of a layer

Network layer_with_output(std::variant<ScaleOutput, RequantizeOutput, ThresholdOutput> output,
                          std::optional<Quantizer> out) {
    MatVec op;
    op.in_channels = 1;
    op.out_channels = 1;
    op.codes = {1};
    op.weight = quantizer(2, true);
    op.output = std::move(output);
    return one_node(op, {{"x", {1}, quantizer(16, true)}}, {}, std::move(out));
}

std::vector<int32_t> finished(const Network& n, const std::vector<double>& acc) {
    validate(n);
    return finish_product(n, n.nodes[0], acc, int64_t(acc.size())).codes;
}

TEST(FinishProduct, ScalesInFloat32OneRoundingAtATime) {
    const Network n = layer_with_output(ScaleOutput{{0.1F}, {0.3F}}, std::nullopt);
    const double acc = 16777217;  // 2^24 + 1 rounds to 2^24 in float32
    const float product = 16777216.0F * 0.1F;
    EXPECT_THAT(finish_product(n, n.nodes[0], std::vector<double>{acc}, 1).real, ElementsAre(product + 0.3F));
}

TEST(FinishProduct, RequantizesHalfToEvenAndClips) {
    const Network n = layer_with_output(RequantizeOutput{{0.5F}}, quantizer(4, true, 1, 2));
    EXPECT_THAT(finished(n, {0, 1, 2, 3, 5, -1, -3, 1000, -1000, 1e15, -1e15}),
                ElementsAre(2, 2, 3, 4, 4, 2, 0, 7, -8, 7, -8));
}

TEST(FinishProduct, RequantizesToBipolarBySign) {
    const Network n = layer_with_output(RequantizeOutput{{0.5F}}, bipolar());
    EXPECT_THAT(finished(n, {-1, 0, 1}), ElementsAre(-1, 1, 1));
}

TEST(FinishProduct, CountsRisingThresholds) {
    const Network n = layer_with_output(ThresholdOutput{{-5, 0, 0, 7}, {0}, {-2, -1, 0, 1, 5}}, quantizer(4, true));
    EXPECT_THAT(finished(n, {-6, -5, -1, 0, 6, 7, 100}), ElementsAre(-2, -1, -1, 1, 1, 5, 5));
}

TEST(FinishProduct, CountsFallingThresholds) {
    const Network n = layer_with_output(ThresholdOutput{{-5, 0, 0, 7}, {1}, {-2, -1, 0, 1, 5}}, quantizer(4, true));
    EXPECT_THAT(finished(n, {-6, -5, -4, 0, 1, 7, 8}), ElementsAre(5, 5, 1, 1, -1, -1, -2));
}

TEST(FinishProduct, ThresholdsOutOfReachAreNeverOrAlwaysCrossed) {
    const int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
    const Network rising = layer_with_output(ThresholdOutput{{low, high}, {0}, {0, 1, 2}}, quantizer(4, true));
    EXPECT_THAT(finished(rising, {-9e15, 0, 9e15}), ElementsAre(1, 1, 1));
    const Network falling = layer_with_output(ThresholdOutput{{low, high}, {1}, {0, 1, 2}}, quantizer(4, true));
    EXPECT_THAT(finished(falling, {-9e15, 0, 9e15}), ElementsAre(1, 1, 1));
}

// ------------------------------------------------------------------------------------------ real layers

TEST(RealProduct, IsCloseToTheDefinition) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
        const Network integer = testing::random_network(seed);
        testing::RandomSource random(seed);
        for (const Node& node : integer.nodes) {
            if (!std::holds_alternative<MatVec>(node.op)) continue;
            MatVec op = std::get<MatVec>(node.op);
            for (const int32_t code : op.codes) op.real_weights.push_back(float(code) * 0.37F);
            op.codes.clear();
            op.bias_codes.clear();
            op.output = ScaleOutput{};
            for (int64_t c = 0; c < op.out_channels; ++c) op.real_bias.push_back(float(random.real(-9, 9)));
            const Network n = one_node(op, {{"x", integer.values[size_t(node.inputs[0])].shape, std::nullopt}});
            const auto x = testing::random_input(n, 1, seed);
            const auto y = evaluate(n, {{{}, x}}).real;
            const auto expected = naive_product<double>(
                op, n.values[0].shape, [&](int64_t i) { return double(x[size_t(i)]); },
                [&](int64_t i, int64_t) { return double(op.real_weights[size_t(i)]); });
            for (size_t i = 0; i < y.size(); ++i) {
                const double bias = op.real_bias[i / (y.size() / size_t(op.out_channels))];
                ASSERT_NEAR(y[i], expected[i] + bias, 2e-6 * double(op.rows()) * 60) << seed;
            }
        }
    }
}

TEST(RealProduct, DequantizesIntegerWeightsAndInputs) {
    MatVec op;
    op.in_channels = 2;
    op.out_channels = 2;
    op.codes = {1, 3, -2, 0};
    op.weight = quantizer(4, true, 0.5F, 1);
    op.output = ScaleOutput{{0.5F, 0.5F}, {10, 20}};
    const Network weights = one_node(op, {{"x", {2}, std::nullopt}});
    EXPECT_THAT(evaluate(weights, {{{}, {4, 8}}}).real, ElementsAre(18, 10));  // 8 * 1 + 10, -1.5 * 4 - 0.5 * 8 + 20

    MatVec real;
    real.in_channels = 2;
    real.out_channels = 1;
    real.real_weights = {0.25F, -1};
    const Network input = one_node(real, {{"x", {2}, quantizer(8, false, 0.5F, 10)}});
    EXPECT_THAT(evaluate(input, {{{18, 4}, {}}}).real, ElementsAre(4));  // 0.25 * 4 - 1 * -3
}

// ------------------------------------------------------------------------------------------ whole networks

/// Runs all samples in blocks of the given size.
std::vector<float> run_in_blocks(const Network& network, ProductEngine& engine, const std::vector<float>& x,
                                 int64_t samples, int64_t block) {
    const int64_t size = element_count(network.values[size_t(network.input)].shape);
    std::vector<float> y;
    for (int64_t first = 0; first < samples; first += block) {
        const int64_t count = std::min(block, samples - first);
        const auto part =
            run(network, engine, std::span(x).subspan(size_t(first * size), size_t(count * size)), count, first);
        y.insert(y.end(), part.begin(), part.end());
    }
    return y;
}

/// The same network with real weights in every layer that has a real output.
Network with_real_weights(Network n) {
    for (Node& node : n.nodes) {
        auto* op = std::get_if<MatVec>(&node.op);
        if (!op || !std::holds_alternative<ScaleOutput>(op->output)) continue;
        for (const int32_t code : op->codes) op->real_weights.push_back(float(code) * 0.013F);
        op->codes.clear();
        op->bias_codes.clear();
        op->output = ScaleOutput{};
    }
    return n;
}

TEST(Run, BlockSizeDoesNotShow) {
    for (uint64_t seed = 0; seed < 120; ++seed) {
        Network n = testing::random_network(seed);
        if (seed % 2 == 1) n = with_real_weights(std::move(n));
        validate(n);
        const auto engine = make_exact_engine(n);
        const auto x = testing::random_input(n, 8, seed);
        const auto whole = run_in_blocks(n, *engine, x, 8, 8);
        EXPECT_EQ(whole, run_in_blocks(n, *engine, x, 8, 1)) << seed;
        EXPECT_EQ(whole, run_in_blocks(n, *engine, x, 8, 3)) << seed;
    }
}

TEST(Run, KeepsEveryValueOnRequestAndRunNodeRepeatsEach) {
    for (uint64_t seed = 0; seed < 60; ++seed) {
        const Network n = testing::random_network(seed);
        const auto engine = make_exact_engine(n);
        const auto x = testing::random_input(n, 3, seed);
        std::vector<Block> values;
        const auto y = run(n, *engine, x, 3, 0, &values);
        EXPECT_EQ(y, run(n, *engine, x, 3, 0)) << seed;
        ASSERT_EQ(values.size(), n.values.size());
        for (size_t i = 0; i < n.nodes.size(); ++i) {
            std::vector<const Block*> inputs;
            for (const int value : n.nodes[i].inputs) inputs.push_back(&values[size_t(value)]);
            const Block again = run_node(n, int(i), *engine, inputs, 3, 0);
            const Block& kept = values[size_t(n.nodes[i].output)];
            EXPECT_EQ(again.codes, kept.codes);
            EXPECT_EQ(again.real, kept.real);
            const Value& out = n.values[size_t(n.nodes[i].output)];
            EXPECT_EQ(out.quantizer ? kept.codes.size() : kept.real.size(), size_t(3 * element_count(out.shape)));
        }
    }
}

TEST(Run, CodesStayWithinTheirQuantizer) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
        const Network n = testing::random_network(seed);
        const auto engine = make_exact_engine(n);
        std::vector<Block> values;
        std::vector<float> x = testing::random_input(n, 2, seed);
        x[0] = kNan;
        x.back() = -kInf;
        run(n, *engine, x, 2, 0, &values);
        for (size_t v = 0; v < values.size(); ++v) {
            for (const int32_t code : values[v].codes) {
                ASSERT_GE(code, n.values[v].quantizer->code_min());
                ASSERT_LE(code, n.values[v].quantizer->code_max());
            }
        }
    }
}

TEST(Run, QuantizesAnInputThatHoldsCodes) {
    const Network n = one_node(Reshape{}, {{"x", {2}, quantizer(4, false, 0.5F)}}, {2, 1}, quantizer(4, false, 0.5F));
    validate(n);
    const auto engine = make_exact_engine(n);
    EXPECT_THAT(run(n, *engine, std::vector<float>{0.7F, 100}, 1, 0), ElementsAre(0.5F, 7.5F));
}

TEST(Top1, TiesGoToTheLowestIndex) {
    EXPECT_EQ(top1(std::vector<float>{1, 3, 3, 2}), 1);
    EXPECT_EQ(top1(std::vector<float>{-1, -1}), 0);
}

}  // namespace
}  // namespace bitline
