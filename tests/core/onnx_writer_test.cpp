#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "core/data.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model_io.h"
#include "core/onnx/narrow_bits.h"
#include "core/reference.h"
#include "support/random_network.h"

namespace bitline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string temporary_path(const std::string& name) {
    return (std::filesystem::path(::testing::TempDir()) / ("bitline_onnx_writer_" + name)).string();
}

Quantizer quantizer(int bits, bool is_signed, float scale, int32_t zero_point = 0) {
    Quantizer q;
    q.bits = bits;
    q.is_signed = is_signed;
    q.scale = {scale};
    q.zero_point = {zero_point};
    return q;
}

Quantizer bipolar(float scale) { return {Quantizer::Kind::bipolar, {scale}, {0}, 0, 1, true, false}; }

/// Adds nodes one behind the other.
struct Chain {
    Network network;
    int last = 0;

    explicit Chain(const Shape& input) {
        network.name = "chain";
        network.values.push_back({"input", input, std::nullopt});
        network.input = 0;
    }
    int add(const Operator& op, const std::optional<Quantizer>& q = {}, std::vector<int> inputs = {},
            const Shape& wanted = {}) {
        if (inputs.empty()) inputs = {last};
        std::vector<Shape> shapes;
        for (const int input : inputs) shapes.push_back(network.values[size_t(input)].shape);
        last = int(network.values.size());
        network.values.push_back({"v" + std::to_string(last), infer_shape(op, shapes, wanted), q});
        network.nodes.push_back({"n" + std::to_string(last), "", inputs, last, op});
        network.output = last;
        return last;
    }
    void quantize(const Quantizer& q) { add(Quantize{q}, q); }
};

MatVec convolution(int64_t in, int64_t out, const Quantizer& weight, float input_scale) {
    MatVec op;
    op.is_convolution = true;
    op.in_channels = in;
    op.out_channels = out;
    op.window.kernel_h = op.window.kernel_w = 3;
    op.window.pad_top = op.window.pad_left = 1;
    op.weight = weight;
    testing::RandomSource random(7);
    for (int64_t i = 0; i < out * in * 9; ++i) op.codes.push_back(testing::random_code(random, weight));
    for (int64_t c = 0; c < out; ++c) op.bias_codes.push_back(100 * c - 150);
    ScaleOutput output;
    for (int64_t c = 0; c < out; ++c) {
        output.scale.push_back(input_scale * weight.scale[weight.per_tensor() ? 0 : size_t(c)]);
    }
    op.output = output;
    return op;
}

Quantizer per_channel(Quantizer q, const std::vector<float>& scales) {
    q.scale = scales;
    q.zero_point.assign(scales.size(), q.zero_point[0]);
    return q;
}

/// Quantize, convolution, ReLU, Quantize, convolution.
Network two_layers(int bits) {
    Chain chain({2, 5, 5});
    const Quantizer in = quantizer(bits, true, 2.5F / float(1 << bits), 3), mid = quantizer(bits, false, 0.05F);
    chain.quantize(in);
    Quantizer weight = per_channel(quantizer(bits, true, 1), {0.01F, 0.02F, 0.03F});
    weight.narrow = true;
    chain.add(convolution(2, 3, weight, in.scale[0]));
    chain.add(Activation{});
    chain.quantize(mid);
    chain.add(convolution(3, 2, quantizer(bits, true, 0.02F), mid.scale[0]));
    return chain.network;
}

onnx::ModelProto parse(const std::string& path) {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(read_file(path, "model")));
    return model;
}

std::vector<std::string> operators(const onnx::ModelProto& model) {
    std::vector<std::string> names;
    for (const auto& node : model.graph().node()) names.push_back(node.op_type());
    return names;
}

const onnx::TensorProto& initializer(const onnx::ModelProto& model, const std::string& name) {
    for (const auto& tensor : model.graph().initializer()) {
        if (tensor.name() == name) return tensor;
    }
    throw std::runtime_error("no initializer " + name);
}

std::vector<float> outputs(const Network& network, int64_t samples = 4) {
    const std::vector<float> input = testing::random_input(network, samples, 5);
    return run(network, *make_exact_engine(network), input, samples, 0);
}

Network written_and_read(const Network& network) {
    const std::string path = temporary_path("round_trip.onnx");
    write_onnx(network, path);
    return read_onnx(path);
}

std::string refusal(const Network& network) {
    try {
        write_onnx(network, temporary_path("refused.onnx"));
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "";
}

TEST(OnnxWriter, WritesTheQdqFormOfOpset13) {
    const std::string path = temporary_path("qdq.onnx");
    write_onnx(two_layers(8), path);
    const onnx::ModelProto model = parse(path);
    EXPECT_EQ(model.opset_import(0).version(), 13);
    EXPECT_EQ(model.ir_version(), 7);
    EXPECT_THAT(operators(model), ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear",
                                              "DequantizeLinear", "Conv", "Relu", "QuantizeLinear", "DequantizeLinear",
                                              "DequantizeLinear", "DequantizeLinear", "Conv"));
    EXPECT_EQ(initializer(model, "n2_weights").data_type(), onnx::TensorProto::INT8);
    EXPECT_THAT(initializer(model, "n2_weights").dims(), ElementsAre(3, 2, 3, 3));
    EXPECT_EQ(initializer(model, "n2_bias").data_type(), onnx::TensorProto::INT32);
    EXPECT_EQ(initializer(model, "v4_zero_point").data_type(), onnx::TensorProto::UINT8);
    EXPECT_EQ(model.graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "N");
}

TEST(OnnxWriter, BiasScaleIsTheFloat32ProductOfInputAndWeightScales) {
    const std::string path = temporary_path("bias.onnx");
    write_onnx(two_layers(8), path);
    const std::string raw = initializer(parse(path), "n2_bias_scale").raw_data();
    std::vector<float> scale(raw.size() / sizeof(float));
    std::memcpy(scale.data(), raw.data(), raw.size());
    const float s_x = 2.5F / 256;
    EXPECT_THAT(scale, ElementsAre(s_x * 0.01F, s_x * 0.02F, s_x * 0.03F));
}

TEST(OnnxWriter, NarrowCodesAreClippedAndTheirWidthKept) {
    const Network network = two_layers(4);
    const std::string path = temporary_path("narrow.onnx");
    write_onnx(network, path);
    const std::vector<std::string> names = operators(parse(path));
    EXPECT_EQ(std::count(names.begin(), names.end(), "Clip"), 2);

    onnx::ModelProto plain = parse(path);
    plain.clear_metadata_props();  // as other readers see it
    EXPECT_EQ(outputs(read_onnx_bytes(plain.SerializeAsString(), "plain.onnx")), outputs(network));

    const Network again = read_onnx(path);
    validate(again);
    EXPECT_EQ(outputs(again), outputs(network));
    EXPECT_TRUE(again.metadata.empty());
    ASSERT_EQ(again.nodes.size(), network.nodes.size());
    EXPECT_TRUE(again.values == network.values);
    EXPECT_EQ(std::get<MatVec>(again.nodes[1].op).weight, std::get<MatVec>(network.nodes[1].op).weight);
    EXPECT_EQ(std::get<MatVec>(again.nodes[4].op).weight.bits, 4);
}

TEST(OnnxWriter, WidthsThatDoNotFitTheCodesAreRefused) {
    Network network = two_layers(8);
    for (const char* width : {"0", "17", "four", "-1", "16", "2", ""}) {
        network.metadata = {{"bitline.bits:n2_weights", width}};
        EXPECT_THROW(onnx_writer::restore_bits(network), FormatError) << width;
    }
    network.metadata = {{"bitline.bits:v1", "1"}};  // its zero point is 3
    EXPECT_THROW(onnx_writer::restore_bits(network), FormatError);
}

TEST(OnnxWriter, MoreThan8BitsNeedOpset21) {
    const Network network = two_layers(12);
    const std::string path = temporary_path("wide.onnx");
    write_onnx(network, path);
    const onnx::ModelProto model = parse(path);
    EXPECT_EQ(model.opset_import(0).version(), 21);
    EXPECT_EQ(model.ir_version(), 10);
    EXPECT_EQ(initializer(model, "n2_weights").data_type(), onnx::TensorProto::INT16);
    EXPECT_EQ(outputs(read_onnx(path)), outputs(network));
}

TEST(OnnxWriter, KeepsPreprocessAndMetadata) {
    Network network = two_layers(8);
    network.preprocess = Preprocess{1.0F / 255, {0.5F, 0.25F}, {0.229F, 1.0F}};
    network.metadata = {{"author", "someone"}};
    const Network again = written_and_read(network);
    EXPECT_TRUE(again.preprocess == network.preprocess);
    const std::map<std::string, std::string> without_widths{{"author", "someone"}};
    EXPECT_EQ(again.metadata, without_widths);
}

Network requantized(bool is_convolution) {
    Chain chain(is_convolution ? Shape{2, 5, 5} : Shape{12});
    const Quantizer in = quantizer(8, false, 0.01F, 100), out = quantizer(8, false, 0.07F, 108);
    chain.quantize(in);
    MatVec op = convolution(2, 3, per_channel(quantizer(8, true, 1), {0.01F, 0.02F, 0.03F}), in.scale[0]);
    if (!is_convolution) {
        op.is_convolution = false;
        op.in_channels = 12;
        op.window = Window{};
        op.codes.resize(36);
        op.bias_codes.clear();
    }
    RequantizeOutput output;
    for (const float w : op.weight.scale) output.multiplier.push_back(in.scale[0] * w / out.scale[0]);
    op.output = output;
    chain.add(op, out);
    return chain.network;
}

TEST(OnnxWriter, RequantizedLayersTakeTheOperatorForm) {
    for (const bool is_convolution : {false, true}) {
        const Network network = requantized(is_convolution);
        const std::string path = temporary_path("operator_form.onnx");
        write_onnx(network, path);
        EXPECT_THAT(operators(parse(path)), ::testing::Contains(is_convolution ? "QLinearConv" : "QLinearMatMul"));
        EXPECT_EQ(outputs(read_onnx(path)), outputs(network));
    }
}

Network float_operators() {
    Chain chain({4, 6, 6});
    MatVec op;
    op.is_convolution = true;
    op.in_channels = op.out_channels = 4;
    op.groups = 2;
    op.window.kernel_h = 3;
    op.window.dilation_h = 2;
    op.window.pad_top = op.window.pad_bottom = 2;
    for (int i = 0; i < 24; ++i) op.real_weights.push_back(0.1F * float(i % 7) - 0.3F);
    op.real_bias = {0.1F, -0.2F, 0.3F, 0.4F};
    chain.add(op);
    const int branch = chain.add(BatchNorm{{1, 2, 0.5F, 1}, {0.1F, 0, 0.2F, 0}, {0.5F, 0, 0, 1}, {1, 2, 3, 4}, 1e-3F});
    chain.add(Activation{Activation::Kind::clip, -0.5F, 1});
    chain.add(AddValues{}, {}, {branch, chain.last});
    for (const auto kind : {Arithmetic::Kind::subtract_from, Arithmetic::Kind::multiply, Arithmetic::Kind::divide}) {
        chain.add(Arithmetic{kind, {1, 2, 3, 4}});
    }
    chain.add(Activation{Activation::Kind::sigmoid});
    for (const auto kind : {Arithmetic::Kind::power, Arithmetic::Kind::subtract, Arithmetic::Kind::divide_into}) {
        chain.add(Arithmetic{kind, {2}});
    }
    std::vector<float> each(4 * 6 * 6);
    for (size_t i = 0; i < each.size(); ++i) each[i] = 0.01F * float(i);
    chain.add(Arithmetic{Arithmetic::Kind::add, each});
    chain.add(Activation{Activation::Kind::tanh});
    Pool pool{Pool::Kind::average, {}, true};
    pool.window.kernel_h = pool.window.kernel_w = 2;
    pool.window.pad_left = pool.window.stride_h = 1;
    const int average = chain.add(pool);
    pool.count_padding = false;
    chain.add(pool, {}, {average - 1});
    chain.add(Concat{0}, {}, {average, chain.last});
    chain.add(Permute{{1, 2, 0}});
    chain.add(Softmax{1, true});
    chain.add(Softmax{-1, false});
    chain.add(Reshape{}, {}, {}, {6, 40});
    chain.add(Reshape{}, {}, {}, {240});
    MatVec dense;
    dense.in_channels = 240;
    dense.out_channels = 3;
    for (int i = 0; i < 720; ++i) dense.real_weights.push_back(0.1F * float(i % 11) - 0.5F);
    chain.add(dense);
    return chain.network;
}

TEST(OnnxWriter, KeepsFloatNetworks) {
    const Network network = float_operators();
    validate(network);
    const std::vector<float> before = outputs(network), after = outputs(written_and_read(network));
    EXPECT_EQ(after, before);
}

/// Quantize, convolution, batch norm's clip, Bucketize, convolution: with weights of -1 and +1.
Network steps_and_signs(const Operator& first, const Quantizer& in, const Bucketize& second) {
    Chain chain({2, 5, 5});
    chain.add(first, in);
    chain.add(convolution(2, 3, per_channel(bipolar(1), {0.25F, 0.5F, 0.3F}), in.scale[0]));
    chain.add(Activation{Activation::Kind::clip, -1, 1});
    chain.add(second, second.to);
    chain.add(convolution(3, 2, bipolar(0.7F), second.to.scale[0]));
    return chain.network;
}

TEST(OnnxWriter, SignsAndStepsComeBackToTheBit) {
    const Quantizer sign = bipolar(0.3F);
    const Bucketize steps{{-0.5F, 0, 0.1F, 0.6F}, {0, 1, 0, 3, 3}, quantizer(2, false, 0.4F)};
    const Bucketize around_zero{{-0.2F, 0.7F}, {2, 5, 6}, quantizer(3, false, 0.4F, 5)};
    const Bucketize to_signs{{0.25F}, {1, -1}, bipolar(2)};
    for (const Bucketize& second : {steps, around_zero, to_signs}) {
        const Network network = steps_and_signs(Quantize{sign}, sign, second);
        validate(network);
        const Network restored = written_and_read(network);
        validate(restored);
        EXPECT_EQ(outputs(restored, 20), outputs(network, 20));
        std::vector<Quantizer> weights, inputs;
        for (const Node& node : restored.nodes) {
            if (!is_mappable(restored, node)) continue;
            weights.push_back(std::get<MatVec>(node.op).weight);
            inputs.push_back(*restored.values[size_t(node.inputs[0])].quantizer);
        }
        EXPECT_THAT(inputs, ElementsAre(sign, second.to));
        ASSERT_EQ(weights.size(), 2U);
        for (const Quantizer& weight : weights) EXPECT_EQ(weight.kind, Quantizer::Kind::bipolar);
    }
}

TEST(OnnxWriter, RefusesBipolarNotesThatDoNotFit) {
    const Quantizer sign = bipolar(0.3F);
    Network network = written_and_read(steps_and_signs(Quantize{sign}, sign, {{0.5F}, {0, 1}, quantizer(1, false, 1)}));
    const auto why = [&](const std::string& tensor) -> std::string {
        Network changed = network;
        changed.metadata = {{"bitline.bits:" + tensor, "1 bipolar"}};
        try {
            onnx_writer::restore_bits(changed);
        } catch (const FormatError& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_THAT(why("v4"), HasSubstr("signed ones with zero point 0"));  // unsigned codes
    EXPECT_EQ(why("n2_weights"), "");
    for (Node& node : network.nodes) {
        if (auto* op = std::get_if<MatVec>(&node.op)) op->codes[0] = 0;
    }
    EXPECT_THAT(why("n2_weights"), HasSubstr("a weight violates '1 bipolar'"));
}

/// Random networks: what is written gives the same bits when it is read again, and the rest is refused by name.
TEST(OnnxWriter, RandomNetworksComeBackToTheBit) {
    testing::RandomNetworkOptions options;
    options.max_layers = 2;
    options.max_weight_bits = options.max_activation_bits = 12;
    int written = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
        const Network network = testing::random_network(seed, options);
        const std::string why = refusal(network);
        if (!why.empty()) {
            EXPECT_THAT(why, HasSubstr("layer 'node")) << seed;
            continue;
        }
        ++written;
        const Network again = written_and_read(network);
        validate(again);
        EXPECT_EQ(outputs(again), outputs(network)) << seed;
    }
    EXPECT_GE(written, 25);
}

TEST(OnnxWriter, RefusesWhatQdqCannotExpress) {
    Network network = two_layers(8);
    std::get<MatVec>(network.nodes[1].op).bias_codes[1] = int64_t(1) << 32;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n2'"), HasSubstr("32 bits")));

    network = two_layers(8);
    std::get<ScaleOutput>(std::get<MatVec>(network.nodes[1].op).output).scale[2] = 0.5F;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n2'"), HasSubstr("output scale 0.5")));

    network = two_layers(8);
    std::get<Quantize>(network.nodes[3].op).rounding = Rounding::floor;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n4'"), HasSubstr("half to even")));

    network = two_layers(8);
    std::get<Quantize>(network.nodes[0].op).zero_point_inside = true;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n1'"), HasSubstr("zero point")));

    network = requantized(true);
    std::get<RequantizeOutput>(std::get<MatVec>(network.nodes[1].op).output).multiplier[0] *= 2;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n2'"), HasSubstr("multiplier")));

    network = requantized(true);
    auto& signed_output = network.values.back().quantizer;
    signed_output->is_signed = true;
    signed_output->zero_point = {-20};
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n2'"), HasSubstr("signed to signed")));

    network = requantized(true);
    std::get<MatVec>(network.nodes[1].op).weight = bipolar(0.1F);
    for (int32_t& code : std::get<MatVec>(network.nodes[1].op).codes) code = code < 0 ? -1 : 1;
    EXPECT_THAT(refusal(network), ::testing::AllOf(HasSubstr("layer 'n2'"), HasSubstr("bipolar")));

    Chain flat({3});
    flat.add(Bucketize{{0.5F}, {1, 1}, quantizer(2, true, 1)}, quantizer(2, true, 1));
    EXPECT_THAT(refusal(flat.network), ::testing::AllOf(HasSubstr("layer 'n1'"), HasSubstr("the same")));

    Chain truncated({3});
    const Quantizer q = quantizer(4, true, 1);
    truncated.add(Truncate{q, 1, 0, 4, Rounding::floor}, q);
    EXPECT_THAT(refusal(truncated.network), ::testing::AllOf(HasSubstr("layer 'n1'"), HasSubstr("Trunc")));
}

TEST(OnnxWriter, RefusedNetworksLeaveNoFile) {
    Network network = two_layers(8);
    std::get<Quantize>(network.nodes[0].op).rounding = Rounding::floor;
    const std::string path = temporary_path("nothing.onnx");
    EXPECT_THROW(write_onnx(network, path), ConfigError);
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_THROW(write_onnx(two_layers(8), "/nowhere/at/all.onnx"), ConfigError);
}

}  // namespace
}  // namespace bitline
