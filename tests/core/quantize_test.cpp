#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/error.h"
#include "core/model_io.h"
#include "core/parallel.h"
#include "core/quantize_parts.h"
#include "core/reference.h"
#include "support/random_network.h"

namespace bitline {
namespace {

using quantization::Histogram;
using quantization::Range;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Method = QuantizeOptions::Method;

/// Samples in memory: normally distributed by a sum of uniform numbers, the same on every machine.
class MemoryDataset : public Dataset {
 public:
    MemoryDataset(Shape shape, int64_t samples)
        : shape_(std::move(shape)), x_(size_t(samples * element_count(shape_))) {
        testing::RandomSource random(11);
        for (float& x : x_) {
            for (int i = 0; i < 4; ++i) x += float(random.real(-1, 1));
        }
    }
    int64_t size() const override { return int64_t(x_.size()) / element_count(shape_); }
    const Shape& shape() const override { return shape_; }
    void read(int64_t first, int64_t count, float* out) const override {
        const int64_t elements = element_count(shape_);
        std::copy_n(x_.begin() + first * elements, count * elements, out);
    }
    const std::vector<int32_t>& labels() const override { return labels_; }
    const std::vector<std::string>& files() const override { return files_; }
    const std::string& spec() const override { return spec_; }
    std::vector<float> x() const { return x_; }

 private:
    Shape shape_;
    std::vector<float> x_;
    std::vector<int32_t> labels_;
    std::string spec_ = "memory";
    std::vector<std::string> files_;
};

MatVec layer(int64_t in, int64_t out, int64_t kernel) {
    MatVec op;
    op.is_convolution = kernel > 0;
    op.in_channels = in;
    op.out_channels = out;
    if (kernel > 0) {
        op.window.kernel_h = op.window.kernel_w = kernel;
        op.window.pad_top = op.window.pad_bottom = op.window.pad_left = op.window.pad_right = kernel / 2;
    }
    testing::RandomSource random(uint64_t(in * 1000 + out * 10 + kernel));
    for (int64_t i = 0; i < out * op.rows(); ++i) op.real_weights.push_back(float(random.real(-0.5, 0.5)));
    for (int64_t c = 0; c < out; ++c) op.real_bias.push_back(float(random.real(-0.5, 0.5)));
    return op;
}

struct Graph {
    Network network;

    explicit Graph(const Shape& input) {
        network.name = "graph";
        network.values.push_back({"input", input, std::nullopt});
        network.input = 0;
    }
    /// Returns the value that the new node writes; it and the node carry `name`.
    int add(const std::string& name, const Operator& op, const std::vector<int>& inputs, const Shape& wanted = {}) {
        std::vector<Shape> shapes;
        for (const int input : inputs) shapes.push_back(network.values[size_t(input)].shape);
        network.output = int(network.values.size());
        network.values.push_back({name, infer_shape(op, shapes, wanted), std::nullopt});
        network.nodes.push_back({name, "", inputs, network.output, op});
        return network.output;
    }
};

Pool pool(Pool::Kind kind, int64_t size) {
    Pool op;
    op.kind = kind;
    op.window.kernel_h = op.window.kernel_w = op.window.stride_h = op.window.stride_w = size;
    return op;
}

/// Convolution, residual block, average, fully connected layer.
Network residual_network() {
    Graph g({2, 4, 4});
    const int a = g.add("relu_a", Activation{}, {g.add("conv_a", layer(2, 3, 3), {0})});
    const int b = g.add("conv_b", layer(3, 3, 3), {a});
    const int sum = g.add("relu_sum", Activation{}, {g.add("sum", AddValues{}, {a, b})});
    const int flat = g.add("flat", Reshape{}, {g.add("average", pool(Pool::Kind::average, 4), {sum})}, {3});
    g.add("probabilities", Softmax{}, {g.add("dense", layer(3, 4, 0), {flat})});
    return g.network;
}

std::vector<std::string> quantized_values(const Network& network) {
    const quantization::Plan plan = quantization::plan_quantizers(network);
    std::vector<std::string> names;
    for (size_t v = 0; v < network.values.size(); ++v) {
        if (plan.group[v] >= 0) names.push_back(network.values[v].name);
    }
    return names;
}

std::vector<float> outputs(const Network& network, const MemoryDataset& data) {
    return run(network, *make_exact_engine(network), data.x(), data.size(), 0);
}

Network quantized(const Network& network, const QuantizeOptions& options = {}, QuantizeSummary* summary = nullptr) {
    return quantize_network(network, MemoryDataset(network.values[0].shape, 32), {}, options, summary);
}

// ---------------------------------------------------------------------------------------------- input

TEST(Quantize, OptionsStateTheViolatedRelation) {
    const auto message = [](const QuantizeOptions& options) {
        try {
            validate(options);
        } catch (const ConfigError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    QuantizeOptions options;
    EXPECT_EQ(message(options), "");
    options.weight_bits = 1;
    EXPECT_EQ(message(options), "weight_bits = 1 violates 2 <= weight_bits <= 16");
    options = {};
    options.input_bits = 17;
    EXPECT_EQ(message(options), "input_bits = 17 violates 2 <= input_bits <= 16");
    options = {};
    options.calibration_samples = 0;
    EXPECT_EQ(message(options), "calibration_samples = 0 violates calibration_samples >= 1");
    options = {};
    options.percentile = std::nan("");
    EXPECT_EQ(message(options), "");  // not used by least squares
    options.method = Method::percentile;
    EXPECT_THAT(message(options), HasSubstr("violates 50 < percentile <= 100"));
}

TEST(Quantize, RefusesWhatIsQuantizedOrHasNothingToQuantize) {
    EXPECT_THROW(quantized(quantized(residual_network())), ConfigError);
    Graph nothing({4});
    nothing.add("relu", Activation{}, {0});
    EXPECT_THROW(quantized(nothing.network), ConfigError);
    EXPECT_THROW(quantize_network(residual_network(), MemoryDataset({3, 4, 4}, 4), {}, {}), ConfigError);
}

TEST(Quantize, RefusesActivationsThatAreNotFinite) {
    Graph g({3});
    MatVec op = layer(3, 2, 0);
    std::fill(op.real_weights.begin(), op.real_weights.end(), 3e38F);
    g.add("dense", layer(2, 2, 0), {g.add("overflow", op, {0})});
    try {
        quantized(g.network);
        FAIL() << "accepted infinite activations";
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("value 'overflow'"));
    }
}

// ---------------------------------------------------------------------------------------------- folding

TEST(Quantize, FoldsBatchNormAndConstantsIntoTheLayerBefore) {
    Graph g({2, 4, 4});
    int v = g.add("conv", layer(2, 3, 3), {0});
    v = g.add("norm", BatchNorm{{1, -2, 0.5F}, {0.1F, 0.2F, 0.3F}, {0.5F, 0, -1}, {1, 2, 0.1F}, 1e-3F}, {v});
    v = g.add("add", Arithmetic{Arithmetic::Kind::add, {1, 2, 3}}, {v});
    v = g.add("divide", Arithmetic{Arithmetic::Kind::divide, {4}}, {v});
    v = g.add("from", Arithmetic{Arithmetic::Kind::subtract_from, {1}}, {v});
    v = g.add("relu", Activation{}, {v});
    g.add("scale", Arithmetic{Arithmetic::Kind::multiply, {2}}, {v});  // behind the ReLU: stays
    Network folded = g.network;
    EXPECT_EQ(quantization::fold_constants(folded), 4);
    validate(folded);
    ASSERT_EQ(folded.nodes.size(), 3U);
    EXPECT_EQ(folded.values.size(), 4U);
    const MemoryDataset data({2, 4, 4}, 8);
    const std::vector<float> before = outputs(g.network, data), after = outputs(folded, data);
    for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 2e-5 * (1 + std::abs(before[i])));
}

TEST(Quantize, DoesNotFoldWhatOthersRead) {
    Graph g({2, 4, 4});
    const int conv = g.add("conv", layer(2, 3, 3), {0});
    const int scaled = g.add("scaled", Arithmetic{Arithmetic::Kind::multiply, {2}}, {conv});
    g.add("sum", AddValues{}, {conv, scaled});
    EXPECT_EQ(quantization::fold_constants(g.network), 0);

    Graph zero({3});
    zero.add("divide", Arithmetic{Arithmetic::Kind::divide, {0}}, {zero.add("dense", layer(3, 2, 0), {0})});
    EXPECT_EQ(quantization::fold_constants(zero.network), 0);  // infinite weights
}

// ---------------------------------------------------------------------------------------------- where quantizers go

TEST(Quantize, StandsWhereLayersReadAndResidualsMeet) {
    EXPECT_THAT(quantized_values(residual_network()), ElementsAre("input", "relu_a", "conv_b", "relu_sum", "average"));
}

TEST(Quantize, StandsBeforeOperatorsThatKeepCodes) {
    Graph g({2, 4, 4});
    const int relu = g.add("relu", Activation{}, {g.add("conv", layer(2, 3, 3), {0})});
    const int flat = g.add("flat", Reshape{}, {g.add("pool", pool(Pool::Kind::max, 2), {relu})}, {12});
    g.add("dense", layer(12, 2, 0), {flat});
    EXPECT_THAT(quantized_values(g.network), ElementsAre("input", "relu"));
    const Network network = quantized(g.network);
    for (const Node& node : network.nodes) {
        const bool has_weights = std::holds_alternative<MatVec>(node.op);
        EXPECT_EQ(is_mappable(network, node), has_weights) << node.name;
    }
}

TEST(Quantize, StandsBehindReluThatFollowsMaxPooling) {
    Graph g({2, 4, 4});
    const int pooled = g.add("pool", pool(Pool::Kind::max, 2), {g.add("conv", layer(2, 3, 3), {0})});
    g.add("last", layer(3, 2, 1), {g.add("relu", Activation{}, {pooled})});
    EXPECT_THAT(quantized_values(g.network), ElementsAre("input", "relu"));
}

TEST(Quantize, LeavesEverythingBehindTheLastLayerReal) {
    Graph g({2, 4, 4});
    const int relu = g.add("relu", Activation{}, {g.add("conv", layer(2, 3, 3), {0})});
    g.add("softmax", Softmax{}, {g.add("average", pool(Pool::Kind::average, 4), {relu})});
    EXPECT_THAT(quantized_values(g.network), ElementsAre("input"));
}

TEST(Quantize, InputsOfAConcatenationShareAQuantizer) {
    Graph g({2, 4, 4});
    const int a = g.add("relu", Activation{}, {g.add("conv_a", layer(2, 3, 3), {0})});
    const int b = g.add("conv_b", layer(2, 2, 1), {0});
    g.add("last", layer(5, 2, 1), {g.add("joined", Concat{0}, {a, b})});
    EXPECT_THAT(quantized_values(g.network), ElementsAre("input", "relu", "conv_b"));
    const Network network = quantized(g.network);
    const auto joined = std::find_if(network.values.begin(), network.values.end(),
                                     [](const Value& value) { return value.name == "joined"; });
    ASSERT_TRUE(joined->quantizer.has_value());
    EXPECT_GT(joined->quantizer->zero_point[0], 0);  // conv_b has negative values
}

// ---------------------------------------------------------------------------------------------- ranges

Histogram histogram_of(const std::vector<float>& values, int bins = 8192) {
    Histogram h{*std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end()), {}};
    h.counts.assign(size_t(bins), 0);
    const double width = (double(h.high) - double(h.low)) / bins;
    for (const float x : values) {
        ++h.counts[size_t(std::clamp<double>((double(x) - double(h.low)) / width, 0, bins - 1))];
    }
    return h;
}

double squared_error(const std::vector<float>& values, const Range& range, int bits) {
    const Quantizer q = quantization::activation_quantizer(range, bits);
    double sum = 0;
    for (const float x : values) {
        const double code = std::clamp(std::nearbyint(double(x) / double(q.scale[0])) + q.zero_point[0],
                                       double(q.code_min()), double(q.code_max()));
        const double error = double(x) - (code - q.zero_point[0]) * double(q.scale[0]);
        sum += error * error;
    }
    return sum;
}

TEST(QuantizeRange, HoldsZeroExactly) {
    for (const Range& range : {Range{0, 3}, Range{-2, 0}, Range{-1.234, 5.678}, Range{0, 0}, Range{-1e-38, 1e-38}}) {
        for (int bits = 2; bits <= 16; ++bits) {
            const Quantizer q = quantization::activation_quantizer(range, bits);
            EXPECT_GT(q.scale[0], 0);
            EXPECT_GE(q.zero_point[0], q.code_min());
            EXPECT_LE(q.zero_point[0], q.code_max());
            EXPECT_FALSE(q.is_signed);
        }
    }
    EXPECT_EQ(quantization::activation_quantizer({0, 255}, 8).scale[0], 1.0F);  // grey levels stay what they are
    EXPECT_EQ(quantization::activation_quantizer({0, 3}, 8).zero_point[0], 0);
    EXPECT_EQ(quantization::activation_quantizer({-1, 2}, 8).zero_point[0], 85);
}

TEST(QuantizeRange, MinmaxTakesEverything) {
    QuantizeOptions options;
    options.method = Method::minmax;
    const Range range = quantization::choose_range({0.5F, 2.5F, {}}, options);
    EXPECT_EQ(range.low, 0);  // 0 belongs to every range
    EXPECT_EQ(range.high, 2.5);
}

TEST(QuantizeRange, PercentileAgreesWithSortedValues) {
    std::vector<float> values = MemoryDataset({1000}, 20).x();
    QuantizeOptions options;
    options.method = Method::percentile;
    options.percentile = 99;
    const Range range = quantization::choose_range(histogram_of(values), options);
    std::sort(values.begin(), values.end());
    EXPECT_NEAR(range.high, values[size_t(0.99 * double(values.size()))], 0.01);
    EXPECT_NEAR(range.low, values[size_t(0.01 * double(values.size()))], 0.01);
}

TEST(QuantizeRange, LeastSquaresIsAsGoodAsAnyRange) {
    std::vector<float> values = MemoryDataset({1000}, 5).x();
    for (float& x : values) x = x * x * x + 0.5F;  // long tails
    const Histogram h = histogram_of(values);
    for (const int bits : {2, 4, 8}) {
        QuantizeOptions options;
        options.input_bits = bits;
        double best = squared_error(values, {h.low, h.high}, bits);
        for (int low = 1; low <= 25; ++low) {
            for (int high = 1; high <= 25; ++high) {
                best = std::min(best, squared_error(values, {h.low * low / 25.0, h.high * high / 25.0}, bits));
            }
        }
        EXPECT_LE(squared_error(values, quantization::choose_range(h, options), bits), 1.02 * best) << bits;
    }
}

// ---------------------------------------------------------------------------------------------- layers

TEST(QuantizeLayer, WeightsAreSymmetricPerOutputChannel) {
    const MatVec real = layer(4, 3, 3);
    MatVec op = real;
    const Quantizer input = quantization::activation_quantizer({-1, 2}, 8);
    QuantizeOptions options;
    options.weight_bits = 4;
    options.method = Method::minmax;
    quantization::quantize_layer(op, input, options);
    EXPECT_TRUE(op.weight.narrow);
    EXPECT_EQ(op.weight.code_min(), -7);
    const auto& output = std::get<ScaleOutput>(op.output);
    for (size_t c = 0; c < 3; ++c) {
        const auto first = op.codes.begin() + int64_t(c * 36);
        EXPECT_EQ(
            std::abs(*std::max_element(first, first + 36, [](int a, int b) { return std::abs(a) < std::abs(b); })), 7);
        EXPECT_EQ(op.weight.zero_point[c], 0);
        EXPECT_EQ(output.scale[c], input.scale[0] * op.weight.scale[c]);
        EXPECT_NEAR(double(op.bias_codes[c]) * double(output.scale[c]), real.real_bias[c], output.scale[c]);
        for (size_t r = 0; r < 36; ++r) {
            EXPECT_LE(std::abs(float(first[int64_t(r)]) * op.weight.scale[c] - real.real_weights[c * 36 + r]),
                      0.5001F * op.weight.scale[c]);
        }
    }
}

TEST(QuantizeLayer, LeastSquaresClipsAFewLargeWeights) {
    const std::vector<float> tails = MemoryDataset({1000}, 1).x();
    MatVec op = layer(1000, 1, 0);
    for (size_t i = 0; i < tails.size(); ++i) op.real_weights[i] = tails[i] * tails[i] * tails[i];
    const std::vector<float> real = op.real_weights;
    std::vector<double> error;
    for (const auto method : {Method::minmax, Method::mse}) {
        QuantizeOptions options;
        options.weight_bits = 3;
        options.method = method;
        MatVec integer = op;
        quantization::quantize_layer(integer, quantization::activation_quantizer({0, 1}, 8), options);
        error.push_back(0);
        for (size_t i = 0; i < real.size(); ++i) {
            error.back() += std::pow(double(real[i]) - integer.codes[i] * double(integer.weight.scale[0]), 2);
        }
    }
    EXPECT_LT(error[1], 0.7 * error[0]);
}

TEST(QuantizeLayer, BiasesStayWithin32Bits) {
    MatVec op = layer(2, 3, 0);
    op.real_weights = {1e-9F, -1e-9F, 0, 0, 0, 0};
    op.real_bias = {1000, -5, 0};
    const MatVec real = op;
    quantization::quantize_layer(op, quantization::activation_quantizer({0, 1e-3}, 8), {});
    for (size_t c = 0; c < 3; ++c) {
        EXPECT_LE(std::abs(op.bias_codes[c]), int64_t(1) << 31);
        const double scale = std::get<ScaleOutput>(op.output).scale[c];
        EXPECT_NEAR(double(op.bias_codes[c]) * scale, real.real_bias[c], 1e-6 * std::abs(real.real_bias[c]));
    }
}

// ---------------------------------------------------------------------------------------------- whole networks

TEST(Quantize, MoreBitsComeCloserToTheFloatNetwork) {
    QuantizeOptions options;
    double last = -100;
    for (const int bits : {3, 5, 8, 12, 16}) {
        options.weight_bits = options.input_bits = bits;
        QuantizeSummary summary;
        const Network network = quantized(residual_network(), options, &summary);
        ASSERT_EQ(summary.layers.size(), 3U);
        ASSERT_TRUE(summary.layers.back().sqnr_db.has_value());
        EXPECT_GT(*summary.layers.back().sqnr_db, last + 3);
        last = *summary.layers.back().sqnr_db;
        for (const Node& node : network.nodes) {
            EXPECT_EQ(is_mappable(network, node), std::holds_alternative<MatVec>(node.op)) << node.name;
        }
    }
    EXPECT_GT(last, 70);  // 16 bits: about 6 dB per bit, less what three layers add up to
}

TEST(Quantize, DoesNotDependOnTheNumberOfThreads) {
    const int before = threads();
    for (const auto method : {Method::minmax, Method::percentile, Method::mse}) {
        QuantizeOptions options;
        options.method = method;
        QuantizeSummary one_summary, two_summary;
        set_threads(1);
        const Network one = quantized(residual_network(), options, &one_summary);
        set_threads(2);
        EXPECT_TRUE(one == quantized(residual_network(), options, &two_summary));
        for (size_t i = 0; i < one_summary.layers.size(); ++i) {
            EXPECT_EQ(one_summary.layers[i].sqnr_db, two_summary.layers[i].sqnr_db);
        }
    }
    set_threads(before);
}

TEST(Quantize, KeepsMetadataAndTakesThePreprocess) {
    Network network = residual_network();
    network.metadata = {{"author", "someone"}};
    const Preprocess half{0.5F, {0.25F}, {2.0F}};
    const Network result = quantize_network(network, MemoryDataset({2, 4, 4}, 3), half, {});
    EXPECT_TRUE(result.preprocess == half);
    EXPECT_EQ(result.metadata, network.metadata);
    EXPECT_EQ(result.values[size_t(result.output)].name, "probabilities");
    EXPECT_FALSE(result.values[size_t(result.output)].quantizer.has_value());
}

double accuracy(const Network& network, const Dataset& data, const Preprocess& preprocess) {
    const Shape& shape = network.values[size_t(network.input)].shape;
    std::vector<float> x(size_t(data.size() * element_count(shape)));
    data.read(0, data.size(), x.data());
    apply(preprocess, shape, data.size(), x.data());
    const std::vector<float> y = run(network, *make_exact_engine(network), x, data.size(), 0);
    const auto classes = size_t(element_count(network.values[size_t(network.output)].shape));
    int64_t right = 0;
    for (int64_t i = 0; i < data.size(); ++i) {
        right += top1({y.data() + size_t(i) * classes, classes}) == data.labels()[size_t(i)];
    }
    return double(right) / double(data.size());
}

TEST(Quantize, RealDigitsKeepTheirAccuracy) {
    const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../examples/digits";
    const Network real = read_network((folder / "digits_float.onnx").string());
    const auto calibration = open_dataset((folder / "digits_calibration.h5").string());
    const auto test = open_dataset((folder / "digits.h5").string());
    const double before = accuracy(real, *test, *real.preprocess);
    EXPECT_GT(before, 0.98);
    for (const auto method : {Method::minmax, Method::percentile, Method::mse}) {
        QuantizeOptions options;
        options.method = method;
        const Network network = quantize_network(real, *calibration, *real.preprocess, options);
        EXPECT_NEAR(accuracy(network, *test, *real.preprocess), before, 0.01);
    }
}

}  // namespace
}  // namespace bitline
