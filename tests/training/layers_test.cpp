#include "training/layers/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/training/layer_runs.h"

namespace bitline::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LayerRun;
using testing::random_numbers;
using testing::random_tensor;
using testing::slope;
using testing::tensor;
using ::testing::ThrowsMessage;
using testing::weighted;

constexpr Pass kEvaluation{};
constexpr Pass kTraining{true, false, 5, 2};
constexpr Pass kFrozen{true, true, 5, 2};

BatchNorm batch_norm(int64_t channels) {
    BatchNorm op{random_numbers(channels, 11), random_numbers(channels, 12), random_numbers(channels, 13),
                 random_numbers(channels, 14)};
    for (float& v : op.variance) v = std::abs(v) + 0.5F;
    return op;
}

Pool pool(Pool::Kind kind, Window window, bool count_padding = false) { return {kind, window, count_padding}; }

Window window(int64_t kernel, int64_t stride, int64_t pad, int64_t dilation = 1) {
    return {kernel, kernel, stride, stride, dilation, dilation, pad, pad, pad, pad};
}

/// Every kind of layer with its inputs; differentiable at them.
struct Case {
    std::string name;
    Operator op;
    std::vector<Shape> inputs;
    Shape wanted;
};

std::vector<Case> cases() {
    const Shape image{3, 7, 6};
    std::vector<Case> all = {
        {"relu", Activation{Activation::Kind::relu, 0, 0}, {image}, {}},
        {"clip", Activation{Activation::Kind::clip, -0.5F, 0.75F}, {image}, {}},
        {"sigmoid", Activation{Activation::Kind::sigmoid, 0, 0}, {image}, {}},
        {"tanh", Activation{Activation::Kind::tanh, 0, 0}, {image}, {}},
        {"batch norm", batch_norm(3), {image}, {}},
        {"batch norm of features", batch_norm(20), {{20}}, {}},
        {"add values", AddValues{}, {image, image}, {}},
        {"concat", Concat{0}, {image, {2, 7, 6}, {1, 7, 6}}, {}},
        {"concat behind", Concat{2}, {image, {3, 7, 2}}, {}},
        {"reshape", Reshape{}, {image}, {126}},
        {"permute", Permute{{2, 0, 1}}, {image}, {}},
        {"softmax", Softmax{}, {{10}}, {}},
        {"softmax of channels", Softmax{0}, {image}, {}},
        {"softmax flattened", Softmax{1, true}, {image}, {}},
    };
    for (const auto kind : {Pool::Kind::max, Pool::Kind::average}) {
        for (const Window& w : {window(2, 2, 0), window(3, 2, 1), window(2, 1, 1), window(3, 3, 1), window(2, 2, 1, 2)})
            all.push_back({"pool", pool(kind, w), {image}, {}});
        all.push_back({"global pool", pool(kind, {7, 6, 1, 1, 1, 1, 0, 0, 0, 0}), {image}, {}});
    }
    all.push_back({"pool counting padding", pool(Pool::Kind::average, window(3, 2, 1), true), {image}, {}});
    for (const auto kind : {Arithmetic::Kind::add, Arithmetic::Kind::subtract, Arithmetic::Kind::subtract_from,
                            Arithmetic::Kind::multiply, Arithmetic::Kind::divide, Arithmetic::Kind::divide_into}) {
        for (const int64_t entries : {1, 3, 126})
            all.push_back({"arithmetic", Arithmetic{kind, random_numbers(entries, 15)}, {image}, {}});
    }
    return all;
}

LayerRun run_of(const Case& c, int64_t samples, float scale = 1) {
    std::vector<Tensor> inputs;
    for (const Shape& shape : c.inputs)
        inputs.push_back(random_tensor(shape, samples, static_cast<uint32_t>(inputs.size()), scale));
    return {c.op, std::move(inputs), c.wanted};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
        return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y) || (std::isnan(x) && std::isnan(y));
    });
}

TEST(Layers, EvaluationGivesTheBitsOfTheReference) {
    for (const Case& c : cases()) {
        for (const float scale : {1.0F, 1e-5F, 300.0F}) {
            LayerRun run = run_of(c, 19, scale);
            EXPECT_TRUE(same_bits(run.forward(kEvaluation), run.reference())) << c.name << " " << scale;
        }
    }
    LayerRun sign(Activation{Activation::Kind::sign, 0, 0}, {tensor({4}, 1, {0, -0.0F, 2, -1e-40F})});
    EXPECT_TRUE(same_bits(sign.forward(kEvaluation), sign.reference()));
}

TEST(Layers, EvaluationTreatsNumbersThatAreNotFiniteAsTheReference) {
    const std::vector<float> odd{testing::kNan, testing::kInf, -testing::kInf, 0, -0.0F, 1e30F, -1e30F, 1};
    for (const auto kind : {Activation::Kind::relu, Activation::Kind::clip, Activation::Kind::sign,
                            Activation::Kind::sigmoid, Activation::Kind::tanh}) {
        LayerRun run(Activation{kind, -1, 1}, {tensor({8}, 1, odd)});
        EXPECT_TRUE(same_bits(run.forward(kEvaluation), run.reference()));
    }
    LayerRun run(pool(Pool::Kind::max, window(2, 1, 0)), {tensor({1, 2, 4}, 1, odd)});
    EXPECT_TRUE(same_bits(run.forward(kEvaluation), run.reference()));
}

/// Near a kink or a tie within the step a difference says nothing.
bool near_kink(const Case& c, float v, float h) {
    const auto* op = std::get_if<Activation>(&c.op);
    if (!op) return false;
    const auto near = [&](float kink) { return std::abs(v - kink) <= h; };
    return near(0) || near(op->low) || near(op->high);
}

// Central differences of the float32 forward pass: rounding 1e-7 |y| / h and truncation h^2 y''' / 6 both stay below
// 2e-3 for h = 1/256 and numbers of order 1.
TEST(Layers, GradientsAreThoseOfFiniteDifferences) {
    constexpr float kStep = 1.0F / 256;
    for (const Case& c : cases()) {
        LayerRun run = run_of(c, 3);
        const auto* arithmetic = std::get_if<Arithmetic>(&c.op);
        if (arithmetic && arithmetic->kind == Arithmetic::Kind::divide_into)  // away from the pole
            for (float& v : run.x[0].values) v = std::copysign(1 + std::abs(v), v);
        const Tensor weight = random_tensor(run.y.shape, 3, 40);
        run.forward(kEvaluation);
        run.backward(kEvaluation, weight, 0.5F);
        int checked = 0;
        for (size_t input = 0; input < run.x.size(); ++input) {
            for (size_t i = 0; i < run.x[input].values.size(); ++i) {
                float& v = run.x[input].values[i];
                if (near_kink(c, v, kStep)) continue;
                const double wanted =
                    slope(v, kStep, [&] { return weighted(weight.values, run.forward(kEvaluation)); });
                const double got = static_cast<double>(run.x_gradient[input].values[i]) - 0.5;
                const bool tie = std::holds_alternative<Pool>(c.op) && std::abs(wanted - got) > 0.01;
                checked += tie ? 0 : 1;
                if (!tie) {
                    EXPECT_NEAR(got, wanted, 3e-3 * std::max(1.0, std::abs(wanted))) << c.name << " at " << i;
                }
            }
        }
        EXPECT_GE(checked, static_cast<int>(run.x[0].values.size()) * 95 / 100) << c.name;
    }
}

TEST(Layers, AValueReadTwiceCollectsBothGradients) {
    LayerRun run(AddValues{}, {tensor({2}, 1, {1, 2}), tensor({2}, 1, {3, 4})});
    run.forward(kTraining);
    Tensor sum = tensor({2}, 1, {0, 0});
    Tensor* const both[] = {&sum, &sum};
    run.layer->backward(kTraining, run.inputs(), run.y, tensor({2}, 1, {5, 7}), both);
    EXPECT_THAT(sum.values, ElementsAre(10, 14));
    Tensor* const none[] = {nullptr, &sum};
    run.layer->backward(kTraining, run.inputs(), run.y, tensor({2}, 1, {1, 1}), none);
    EXPECT_THAT(sum.values, ElementsAre(11, 15));
}

TEST(Layers, KinksHaveTheGradientThatTheHeaderStates) {
    const auto gradient = [](const Activation& op, const std::vector<float>& x) {
        LayerRun run(op, {tensor({static_cast<int64_t>(x.size())}, 1, x)});
        run.forward(kTraining);
        run.backward(kTraining, tensor(run.y.shape, 1, std::vector<float>(x.size(), 3)));
        return run.x_gradient[0].values;
    };
    EXPECT_THAT(gradient({Activation::Kind::sign, 0, 0}, {-1.5F, -1, -0.5F, 0, 1, 1.001F}),
                ElementsAre(0, 3, 3, 3, 3, 0));
    EXPECT_THAT(gradient({Activation::Kind::clip, -1, 1}, {-1.5F, -1, 0, 0.99F, 1, 2}), ElementsAre(0, 0, 3, 3, 0, 0));
    EXPECT_THAT(gradient({Activation::Kind::relu, 0, 0}, {-1, 0, 1}), ElementsAre(0, 0, 3));
}

TEST(PoolLayer, TheFirstOfEqualNumbersTakesTheGradient) {
    LayerRun run(pool(Pool::Kind::max, window(2, 1, 0)), {tensor({1, 2, 3}, 1, {4, 4, 1, 4, 4, 4})});
    run.forward(kTraining);
    run.backward(kTraining, tensor(run.y.shape, 1, {1, 10}));
    EXPECT_THAT(run.x_gradient[0].values, ElementsAre(1, 10, 0, 0, 0, 0));
}

// ---------------------------------------------------------------------------------------------- batch norm

/// In double: y of a channel's numbers by their own statistics, weighted.
double normalized(const std::vector<double>& x, const std::vector<double>& weight, double gamma, double beta) {
    double mean = 0, variance = 0, sum = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    for (size_t i = 0; i < x.size(); ++i)
        sum += weight[i] * ((x[i] - mean) / std::sqrt(variance + static_cast<double>(1e-5F)) * gamma + beta);
    return sum;
}

/// The numbers of one channel, over the batch.
std::vector<double> channel_of(const Tensor& t, int64_t c) {
    std::vector<double> numbers;
    const int64_t plane = t.elements() / t.shape[0];
    for (int64_t s = 0; s < t.samples; ++s)
        for (int64_t i = 0; i < plane; ++i) numbers.push_back(static_cast<double>(t.sample(s)[c * plane + i]));
    return numbers;
}

// Differences of the formula in double, h = 1e-6: exact to 1e-8; the layer's float32 sums to 1e-5 of the largest term.
TEST(BatchNormLayer, TrainingGradientIsThatOfTheFormula) {
    for (const Shape& shape : {Shape{3, 5, 4}, Shape{6}}) {
        const BatchNorm op = batch_norm(shape[0]);
        LayerRun run(op, {random_tensor(shape, 19, 1)});
        for (float& v : run.x[0].values) v = v * 2 + 3;
        const Tensor weight = random_tensor(shape, 19, 2);
        run.forward(kTraining);
        run.backward(kTraining, weight);
        const auto parameters = run.layer->parameters();
        ASSERT_EQ(parameters.size(), 2U);
        for (int64_t c = 0; c < shape[0]; ++c) {
            std::vector<double> x = channel_of(run.x[0], c);
            const std::vector<double> w = channel_of(weight, c), got = channel_of(run.x_gradient[0], c);
            const auto channel = static_cast<size_t>(c);
            const double gamma = op.gamma[channel], beta = op.beta[channel];
            for (size_t i = 0; i < x.size(); ++i) {
                const double at = x[i];
                x[i] = at + 1e-6;
                const double high = normalized(x, w, gamma, beta);
                x[i] = at - 1e-6;
                const double low = normalized(x, w, gamma, beta);
                x[i] = at;
                EXPECT_NEAR(got[i], (high - low) / 2e-6, 2e-5) << c << " " << i;
            }
            EXPECT_NEAR(parameters[0]->gradient[channel],
                        normalized(x, w, gamma + 0.5, beta) - normalized(x, w, gamma - 0.5, beta), 2e-4);
            EXPECT_NEAR(parameters[1]->gradient[channel],
                        normalized(x, w, gamma, beta + 0.5) - normalized(x, w, gamma, beta - 0.5), 2e-4);
            EXPECT_EQ(parameters[0]->decay, 0);
        }
    }
}

// torch.nn.BatchNorm1d(2), PyTorch 2.
TEST(BatchNormLayer, NormalizesAndFollowsAsPyTorch) {
    BatchNorm op{{1, 1}, {0, 0}, {0, 0}, {1, 1}};
    LayerRun run(op, {tensor({2}, 4, {1, 2, 3, -1, 0.5F, 4, 2, 2.5F})});
    const std::vector<float> wanted{-0.650941014F, 0.0688427687F, 1.43207037F, -1.58338284F,
                                    -1.17169380F,  1.17032647F,   0.39056468F, 0.34421369F};
    EXPECT_THAT(run.forward(kTraining), ::testing::Pointwise(::testing::FloatNear(1e-6F), wanted));
    const auto states = run.layer->states();
    EXPECT_THAT(states[0]->value, ElementsAre(::testing::FloatEq(0.1625F), ::testing::FloatEq(0.1875F)));
    EXPECT_THAT(states[1]->value, ElementsAre(::testing::FloatEq(1.02291667F), ::testing::FloatEq(1.33958328F)));
    EXPECT_EQ(std::get<BatchNorm>(run.layer->trained()).mean, states[0]->value);
    EXPECT_EQ(states[0]->name, "mean");
}

TEST(BatchNormLayer, FrozenUsesAndKeepsTheRunningStatistics) {
    const BatchNorm op = batch_norm(3);
    LayerRun run(op, {random_tensor({3, 4, 4}, 10, 1)});
    EXPECT_TRUE(same_bits(run.forward(kFrozen), run.reference()));
    EXPECT_EQ(run.layer->states()[0]->value, op.mean);
    EXPECT_EQ(run.layer->states()[1]->value, op.variance);
    const Tensor weight = random_tensor({3, 4, 4}, 10, 2);
    run.backward(kFrozen, weight);
    for (size_t c = 0; c < 3; ++c) {
        const double deviation = std::sqrt(static_cast<double>(op.variance[c]) + 1e-5);
        const auto x = channel_of(run.x[0], static_cast<int64_t>(c)), w = channel_of(weight, static_cast<int64_t>(c));
        const auto got = channel_of(run.x_gradient[0], static_cast<int64_t>(c));
        double gamma = 0;
        for (size_t i = 0; i < x.size(); ++i) {
            EXPECT_NEAR(got[i], w[i] * static_cast<double>(op.gamma[c]) / deviation, 1e-5);
            gamma += w[i] * (x[i] - static_cast<double>(op.mean[c])) / deviation;
        }
        EXPECT_NEAR(run.layer->parameters()[0]->gradient[c], gamma, 1e-3);
    }
}

TEST(BatchNormLayer, WithoutAffineLearnsNothing) {
    LayerRun run(batch_norm(3), {random_tensor({3, 4, 4}, 10, 1)}, {}, false);
    EXPECT_TRUE(run.layer->parameters().empty());
    EXPECT_EQ(run.layer->states().size(), 2U);
}

TEST(BatchNormLayer, RefusesOneNumberPerChannel) {
    LayerRun run(batch_norm(3), {random_tensor({3}, 1, 1)});
    EXPECT_THAT([&] { run.forward(kTraining); }, ThrowsMessage<ConfigError>(HasSubstr("at least 2 numbers")));
    run.forward(kFrozen);
}

// ---------------------------------------------------------------------------------------------- dropout

std::vector<float> dropped(Layer& layer, const Pass& pass, const Tensor& x) {
    Tensor y;
    y.resize(x.shape, x.samples);
    const Tensor* const inputs[] = {&x};
    layer.forward(pass, inputs, y);
    return y.values;
}

TEST(DropoutLayer, KeepsTheMeanAndIsAFunctionOfSeedStepAndLayer) {
    const Tensor ones = tensor({1000}, 100, std::vector<float>(100000, 1));
    const auto layer = make_dropout("drop", 4, 0.3F);
    const std::vector<float> y = dropped(*layer, kTraining, ones);
    const auto zeros = std::count(y.begin(), y.end(), 0.0F);
    EXPECT_NEAR(static_cast<double>(zeros), 30000, 5 * std::sqrt(100000 * 0.3 * 0.7));  // five standard deviations
    EXPECT_EQ(std::count(y.begin(), y.end(), 1 / (1 - 0.3F)), 100000 - zeros);
    EXPECT_EQ(dropped(*make_dropout("drop", 4, 0.3F), kTraining, ones), y);
    EXPECT_NE(dropped(*make_dropout("drop", 5, 0.3F), kTraining, ones), y);
    EXPECT_NE(dropped(*layer, Pass{true, false, 5, 3}, ones), y);
    EXPECT_NE(dropped(*layer, Pass{true, false, 6, 2}, ones), y);
    EXPECT_EQ(dropped(*layer, kEvaluation, ones), ones.values);
}

TEST(DropoutLayer, TheGradientPassesWhereTheNumberDid) {
    const Tensor x = random_tensor({37}, 20, 1);
    const auto layer = make_dropout("drop", 4, 0.5F);
    Tensor y, gradient = tensor({37}, 20, std::vector<float>(740, 0));
    y.resize(x.shape, x.samples);
    const Tensor* const inputs[] = {&x};
    Tensor* const gradients[] = {&gradient};
    layer->forward(kTraining, inputs, y);
    layer->backward(kTraining, inputs, y, x, gradients);
    EXPECT_EQ(gradient.values, y.values);
}

TEST(DropoutLayer, RefusesAShareOutsideOfItsRange) {
    for (const float share : {-0.1F, 1.0F, testing::kNan})
        EXPECT_THAT([&] { make_dropout("d", 0, share); }, ThrowsMessage<ConfigError>(HasSubstr("0 <= share < 1")));
}

// ---------------------------------------------------------------------------------------------- all

TEST(Layers, BitsDoNotDependOnThreads) {
    const auto results = [](int threads) {
        set_threads(threads);
        std::vector<float> all;
        for (const Case& c : cases()) {
            LayerRun run = run_of(c, 45);
            const auto y = run.forward(kTraining);
            run.backward(kTraining, random_tensor(run.y.shape, 45, 3));
            all.insert(all.end(), y.begin(), y.end());
            for (const Tensor& g : run.x_gradient) all.insert(all.end(), g.values.begin(), g.values.end());
            for (Parameter* p : run.layer->parameters()) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
            for (State* s : run.layer->states()) all.insert(all.end(), s->value.begin(), s->value.end());
        }
        set_threads(0);
        return all;
    };
    const auto one = results(1);
    EXPECT_TRUE(same_bits(one, results(4)));
    EXPECT_TRUE(same_bits(one, results(3)));
}

TEST(Layers, OperatorsWithoutALayerAreNamed) {
    const auto make = [](const Operator& op, const Shape& shape, std::optional<Quantizer> out = std::nullopt) {
        return [=] { make_layer(testing::one_node(op, {{"x", shape, std::nullopt}}, {}, out), 0, 0); };
    };
    MatVec product;
    product.in_channels = product.out_channels = 1;
    product.real_weights = {1};
    EXPECT_THAT(make(product, {1}), ThrowsMessage<ConfigError>(HasSubstr("fully connected")));
    EXPECT_THAT(make(Arithmetic{Arithmetic::Kind::power, {2}}, {1}), ThrowsMessage<ConfigError>(HasSubstr("power")));
    const Quantize quantize{testing::quantizer(4, true)};
    EXPECT_THAT(make(quantize, {1}, quantize.to), ThrowsMessage<ConfigError>(HasSubstr("integer codes")));
}

TEST(Layers, NamesAreUnique) {
    Network network = testing::one_node(Reshape{}, {{"x", {2}, std::nullopt}}, {2});
    network.nodes.push_back(network.nodes[0]);
    network.nodes.push_back({"", "", {0}, 1, Reshape{}});
    EXPECT_EQ(layer_name(network, 0), "node");
    EXPECT_EQ(layer_name(network, 1), "node_1");
    EXPECT_EQ(layer_name(network, 2), "layer2");
}

}  // namespace
}  // namespace bitline::training
