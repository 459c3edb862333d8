#include "training/zoo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/reference.h"

namespace bitline::training {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const Shape kDigits{1, 28, 28}, kImages{3, 32, 32};

std::vector<const MatVec*> products(const Network& network) {
    std::vector<const MatVec*> all;
    for (const Node& node : network.nodes)
        if (const auto* op = std::get_if<MatVec>(&node.op)) all.push_back(op);
    return all;
}

int64_t weights(const Network& network) {
    int64_t sum = 0;
    for (const MatVec* op : products(network)) sum += static_cast<int64_t>(op->real_weights.size());
    return sum;
}

template <class Op>
int64_t count(const Network& network) {
    int64_t number = 0;
    for (const Node& node : network.nodes) number += std::holds_alternative<Op>(node.op) ? 1 : 0;
    return number;
}

Network by_name(const std::string& name, const Shape& input = kImages, const NetworkOptions& options = {}) {
    return build_network(name, input, 10, options, 1).network;
}

// Weights without biases and batch norm, by hand from the papers' tables.
TEST(Zoo, NetworksHaveTheWeightsOfTheirPapers) {
    EXPECT_EQ(weights(by_name("lenet5", kDigits)), 6 * 25 + 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10);
    EXPECT_EQ(weights(by_name("vgg-small")),
              9 * (3 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512) + 8192 * 10);
    // 6n+2 layers, and two shortcuts.
    EXPECT_EQ(weights(by_name("resnet20")),
              9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64) + 16 * 32 + 32 * 64 + 640);
    EXPECT_EQ(products(by_name("resnet20")).size(), 22U);
    EXPECT_EQ(products(by_name("resnet18-cifar")).size(), 21U);
    EXPECT_EQ(weights(by_name("resnet18-cifar")), 11164352);  // torchvision's 11.69 M less 1000-class head, 7x7 stem
    const Network mobile = by_name("mobilenetv1-small");
    EXPECT_EQ(products(mobile).size(), 16U);
    EXPECT_EQ(products(mobile)[1]->groups, 32);
}

TEST(Zoo, EveryNetworkRunsAndIsListed) {
    for (const NetworkEntry& entry : list_networks()) {
        NetworkOptions options;
        options.width = 0.125;
        const Shape input = entry.name == "lenet5" ? kDigits : kImages;
        const Network network = by_name(entry.name, input, options);
        const auto engine = make_exact_engine(network);
        const std::vector<float> x(static_cast<size_t>(element_count(input)), 0.5F);
        const std::vector<float> y = run(network, *engine, x, 1, 0);
        ASSERT_EQ(y.size(), 10U) << entry.name;
        for (const float v : y) EXPECT_TRUE(std::isfinite(v)) << entry.name;
        EXPECT_FALSE(entry.summary.empty());
    }
}

TEST(Zoo, OptionsChangeWhatTheySay) {
    const auto with = [](auto change) {
        NetworkOptions options;
        change(options);
        return build_network("lenet5", kDigits, 10, options, 1);
    };
    const Network usual = by_name("lenet5", kDigits);
    EXPECT_EQ(count<BatchNorm>(usual), 4);
    EXPECT_TRUE(products(usual)[0]->real_bias.empty());
    EXPECT_EQ(products(usual)[4]->real_bias.size(), 10U);
    const Network plain = with([](auto& o) { o.batch_norm = false; }).network;
    EXPECT_EQ(count<BatchNorm>(plain), 0);
    EXPECT_EQ(products(plain)[0]->real_bias.size(), 6U);
    EXPECT_EQ(products(with([](auto& o) { o.bias = true; }).network)[0]->real_bias.size(), 6U);
    EXPECT_TRUE(products(with([](auto& o) { o.bias = false; }).network)[4]->real_bias.empty());
    EXPECT_FALSE(with([](auto& o) { o.affine = false; }).affine);
    const Network wide = with([](auto& o) { o.width = 2.5; }).network;
    EXPECT_EQ(products(wide)[0]->out_channels, 15);
    EXPECT_EQ(products(wide)[4]->out_channels, 10);
    EXPECT_EQ(products(with([](auto& o) { o.width = 0.01; }).network)[0]->out_channels, 1);
    const Network hard = with([](auto& o) { o.activation = {Activation::Kind::clip, -1, 1}; }).network;
    for (const Node& node : hard.nodes) {
        if (const auto* op = std::get_if<Activation>(&node.op)) {
            EXPECT_EQ(op->kind, Activation::Kind::clip);
        }
    }
    const TrainingNetwork dropped = with([](auto& o) { o.dropout = 0.25F; });
    ASSERT_EQ(dropped.dropout.size(), 1U);
    EXPECT_EQ(dropped.network.values[static_cast<size_t>(dropped.dropout.begin()->first)].name, "fc2.act");
}

TEST(Zoo, AffineOffReachesWhatTheModelLearns) {
    const auto learned = [](bool affine) {
        NetworkOptions options;
        options.affine = affine;
        Model model(build_network("lenet5", kDigits, 10, options, 1), {});
        int64_t factors = 0;
        for (const Parameter* p : model.parameters()) factors += p->name.ends_with(".gamma") ? 1 : 0;
        return factors;
    };
    EXPECT_EQ(learned(true), 4);
    EXPECT_EQ(learned(false), 0);
}

// Mean and variance of n normal numbers lie within 5 standard errors.
TEST(Zoo, InitialWeightsAreHeNormalAndAFunctionOfSeedLayerAndIndex) {
    const Network network = by_name("vgg-small");
    const auto all = products(network);
    for (size_t l = 0; l < all.size(); ++l) {
        const auto& w = all[l]->real_weights;
        const auto n = static_cast<double>(w.size());
        double sum = 0, squares = 0;
        for (const float v : w)
            sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
        const double variance = (l + 1 == all.size() ? 1.0 : 2.0) / static_cast<double>(all[l]->rows());
        EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(variance / n));
        EXPECT_NEAR(squares / n, variance, 5 * variance * std::sqrt(2 / n));
    }
    EXPECT_EQ(by_name("vgg-small"), network);
    const auto standard = [&](size_t l) {
        return static_cast<double>(all[l]->real_weights[0]) * std::sqrt(static_cast<double>(all[l]->rows()));
    };
    EXPECT_GT(std::abs(standard(1) - standard(3)), 1e-3);  // layers draw from streams of their own
    NetworkOptions plain;
    plain.batch_norm = false;  // other nodes, same numbers of layers with weights
    EXPECT_EQ(products(by_name("vgg-small", kImages, plain))[3]->real_weights, all[3]->real_weights);
    EXPECT_NE(build_network("vgg-small", kImages, 10, {}, 2).network, network);
}

TEST(Zoo, RefusesWithTheNearestNameOrTheViolatedRelation) {
    const auto build = [](const std::string& name, const Shape& input, const NetworkOptions& options = {}) {
        return [=] { build_network(name, input, 10, options, 1); };
    };
    EXPECT_THAT(build("lenet", kDigits), ThrowsMessage<ConfigError>(HasSubstr("nearest is lenet5")));
    EXPECT_THAT(build("lenet5", {784}), ThrowsMessage<ConfigError>(HasSubstr("channels x height x width")));
    EXPECT_THAT(build("vgg-small", {3, 4, 4}), ThrowsMessage<ConfigError>(HasSubstr("vgg-small")));
    NetworkOptions narrow;
    narrow.width = 0;
    EXPECT_THAT(build("lenet5", kDigits, narrow), ThrowsMessage<ConfigError>(HasSubstr("0 < width <= 16")));
    NetworkOptions dropped;
    dropped.dropout = 1;
    EXPECT_THAT(build("lenet5", kDigits, dropped), ThrowsMessage<ConfigError>(HasSubstr("0 <= dropout < 1")));
}

// ---------------------------------------------------------------------------------------------- YAML

TrainingNetwork parse(const std::string& yaml, const Shape& input = kDigits, const NetworkOptions& options = {}) {
    return parse_network(yaml, "net.yaml", input, 10, options, 1);
}

constexpr const char* kLenet = R"(name: lenet5
input: [1, 28, 28]
layers:
  conv1: {type: convolution, channels: 6, kernel: 5, pad: 2}
  conv1_bn: {type: batch_norm}
  act1: {type: activation}
  pool1: {type: max_pool, kernel: 2}
  conv2: {type: convolution, channels: 16, kernel: [5, 5]}
  conv2_bn: {type: batch_norm}
  act2: {type: activation}
  pool2: {type: max_pool, kernel: 2, stride: 2}
  flat: {type: flatten}
  fc1: {type: fully_connected, channels: 120}
  fc1_bn: {type: batch_norm}
  act3: {type: activation}
  fc2: {type: fully_connected, channels: 84}
  fc2_bn: {type: batch_norm}
  act4: {type: activation}
  fc3: {type: fully_connected, channels: classes}
)";

TEST(ZooYaml, TheSameLayersGiveTheSameNetwork) {
    for (const double width : {1.0, 0.5}) {
        for (const bool batch_norm : {true, false}) {
            NetworkOptions options;
            options.width = width;
            options.batch_norm = batch_norm;
            const Network yaml = parse(kLenet, kDigits, options).network, named = by_name("lenet5", kDigits, options);
            ASSERT_EQ(yaml.nodes.size(), named.nodes.size());
            for (size_t i = 0; i < yaml.nodes.size(); ++i) {
                EXPECT_EQ(yaml.nodes[i].op, named.nodes[i].op) << i;
                EXPECT_EQ(yaml.nodes[i].inputs, named.nodes[i].inputs) << i;
            }
        }
    }
}

TEST(ZooYaml, ReadsBranchesGroupsAndDropout) {
    const TrainingNetwork made = parse(R"(layers:
  a: {type: convolution, channels: 8, kernel: 3, pad: 1, bias: true}
  b: {type: convolution, kernel: [3, 1], pad: [1, 0], groups: depthwise, bias: false}
  c: {type: convolution, channels: 8, kernel: 1, groups: 2}
  sum: {type: add, from: a}
  wide: {type: concat, from: [sum, b, input]}
  relu6: {type: relu6}
  hard: {type: hard_tanh, from: wide}
  pool: {type: global_average_pool, from: relu6}
  flat: {type: flatten}
  drop: {type: dropout, share: 20%}
  fc: {type: fully_connected, channels: classes}
)");
    const Network& n = made.network;
    const auto node = [&](const std::string& name) -> const Node& {
        for (const Node& candidate : n.nodes)
            if (candidate.name == name) return candidate;
        throw std::runtime_error(name);
    };
    const auto names = [&](const std::string& name) {
        std::vector<std::string> read;
        for (const int i : node(name).inputs) read.push_back(n.values[static_cast<size_t>(i)].name);
        return read;
    };
    EXPECT_THAT(names("sum"), ::testing::ElementsAre("c", "a"));
    EXPECT_THAT(names("wide"), ::testing::ElementsAre("sum", "b", "input"));
    EXPECT_THAT(names("hard"), ::testing::ElementsAre("wide"));
    EXPECT_EQ(n.values[static_cast<size_t>(node("wide").output)].shape, (Shape{17, 28, 28}));
    const auto& b = std::get<MatVec>(node("b").op);
    EXPECT_EQ(b.groups, 8);
    EXPECT_EQ(b.window.kernel_w, 1);
    EXPECT_EQ(b.window.pad_bottom, 1);
    EXPECT_TRUE(b.real_bias.empty());
    EXPECT_EQ(std::get<MatVec>(node("a").op).real_bias.size(), 8U);
    EXPECT_EQ(std::get<MatVec>(node("c").op).groups, 2);
    EXPECT_EQ(made.dropout.size(), 1U);
    EXPECT_EQ(made.dropout.begin()->second, 0.2F);
    EXPECT_EQ(n.values[static_cast<size_t>(made.dropout.begin()->first)].name, "flat");
}

std::string refusal(const std::string& yaml) {
    try {
        parse(yaml);
    } catch (const InputError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(ZooYaml, RefusesWithFileAndLine) {
    const auto expect = [](const std::string& yaml, const std::string& text) {
        EXPECT_THAT(refusal(yaml), ::testing::AllOf(HasSubstr("net.yaml"), HasSubstr(text))) << yaml;
    };
    const std::string end = "  fc: {type: fully_connected, channels: classes}\n";
    expect("layers:\n  a: {type: convolutoin, channels: 3, kernel: 3}\n", "net.yaml:2");
    expect("layers:\n  a: {type: convolutoin, channels: 3, kernel: 3}\n", "convolution");
    expect("layers:\n  a: {type: convolution, chanels: 3, kernel: 3}\n", "channels");
    expect("layers:\n  a: {type: convolution, channels: 3}\n", "states no kernel");
    expect("layers:\n  a: {type: convolution, channels: 0, kernel: 3}\n", "1 <= channels");
    expect("layers:\n  a: {type: convolution, channels: 3, kernel: [1, 2, 3]}\n", "[height, width]");
    expect("layers:\n  a: {type: relu, kernel: 3}\n", "kernel has no effect");
    expect("layers:\n  a: {kernel: 3}\n", "states no type");
    expect("layers:\n  a: {}\n", "states no type");
    expect("layers:\n  a: relu\n", "takes keys");
    expect("layers:\n  a: {type: add}\n", "states no from");
    expect("layers:\n  conv: {type: relu}\n  b: {type: add, from: conf}\n", "net.yaml:3: layer b: from: conf is no");
    expect("layers:\n  conv: {type: relu}\n  b: {type: add, from: conf}\n", "nearest is conv");
    expect("layers:\n  a: {type: relu}\n  b: {type: relu, from: [a, input]}\n", "more than one");
    expect("layers:\n  a: {type: convolution, channels: 3, kernel: 40}\n", "kernel extent <= padded input");
    expect("layers:\n" + end, "violates a flat one");
    expect("layers:\n  f: {type: flatten}\n  a: {type: fully_connected, channels: 3}\n", "each of 10 classes");
    expect("layers:\n  a: {type: flatten}\n", "no layer with weights");
    expect("input: [3, 28, 28]\nlayers:\n  f: {type: flatten}\n" + end, "net.yaml:1: input [3, 28, 28] violates");
    expect("layer:\n  f: {type: flatten}\n", "nearest is layers.f.type");
    expect("name: x\n", "states no layers");
    expect("layers:\n  a: {type: dropout, share: 1}\n", "share");
    expect("layers:\n  input: {type: relu}\n", "not input");
    expect("layers:\n  a: {type: convolution, channels: 1048576, kernel: 1048576, pad: 1048576}\n", "net.yaml:2");
    expect("layers: [1, 2]\n", "net.yaml:1");
    EXPECT_EQ(refusal("layers:\n  f: {type: flatten}\n" + end), "accepted");
}

TEST(ZooYaml, MissingFileIsNamed) {
    EXPECT_THAT([] { read_network("/nowhere/net.yaml", kDigits, 10, {}, 1); },
                ThrowsMessage<FormatError>(HasSubstr("/nowhere/net.yaml")));
}

}  // namespace
}  // namespace bitline::training
