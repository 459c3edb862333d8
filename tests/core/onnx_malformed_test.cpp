// What the ONNX reader refuses: always with a FormatError that says where, never with a crash.

#include <gmock/gmock.h>

#include <fstream>
#include <limits>

#include "core/onnx_builder.h"

namespace bitline::test {
namespace {

using onnx::TensorProto;
using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kHuge = int64_t(1) << 62;

std::string refused(OnnxBuilder& model, const std::string& output) {
    return refusal([&] { model.read(output); });
}

/// A small QDQ network with most kinds of nodes.
std::string good_model() {
    OnnxBuilder model({2, 6, 6});
    auto y = model.quantized("x", 0.05F, TensorProto::UINT8, 100);
    const auto stored = model.whole(TensorProto::INT8, codes(4 * 2 * 9, -128, 127), {4, 2, 3, 3});
    const auto w =
        model.node("DequantizeLinear", {stored, model.real(numbers(4, 9), {4}, "scales")}, {{"axis", int64_t(0)}});
    for (float& s : *model.graph().mutable_initializer(model.graph().initializer_size() - 1)->mutable_float_data())
        s = s * s + 0.01F;
    y = model.node("Conv", {y, w, model.real(numbers(4), {4})}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    y = model.node("Relu", {y});
    y = model.quantized(y, 0.1F, TensorProto::UINT8, 0);
    y = model.node("MaxPool", {y},
                   {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
    const auto batch = model.node("Gather", {model.node("Shape", {y}), model.whole(TensorProto::INT64, 0)});
    const auto target = model.node("Concat", {model.node("Unsqueeze", {batch, model.shape({0})}), model.shape({-1})},
                                   {{"axis", int64_t(0)}});
    y = model.node("Reshape", {y, target});
    const auto quantized =
        model.node("Quant", {model.real(numbers(36 * 3), {36, 3}), model.real(0.125F), model.real(0), model.real(4)},
                   {{"signed", int64_t(1)}, {"narrow", int64_t(0)}}, "onnx.brevitas");
    y = model.node("MatMul", {y, quantized});
    return model.bytes(model.node("Softmax", {y}));
}

// ---------------------------------------------------------------------------------------------- bytes

TEST(OnnxBytes, EveryTruncationIsRefusedOrReadWhole) {
    const std::string bytes = good_model();
    const Network whole = read_onnx_bytes(bytes, "m.onnx");
    for (size_t size = 0; size < bytes.size(); ++size) {
        // The bytes end in the opset, so some prefixes hold the whole graph: those say that the opset is missing.
        EXPECT_NE(refusal([&] { read_onnx_bytes(bytes.substr(0, size), "m.onnx"); }), "") << size;
    }
    EXPECT_EQ(read_onnx_bytes(bytes, "m.onnx"), whole);
}

TEST(OnnxBytes, EveryFlippedByteIsReadOrRefused) {
    const std::string bytes = good_model();
    for (size_t i = 0; i < bytes.size(); ++i)
        for (const unsigned char mask : {0x01, 0x80, 0xFF}) {
            std::string broken = bytes;
            broken[i] = static_cast<char>(static_cast<unsigned char>(broken[i]) ^ mask);
            refusal([&] { read_onnx_bytes(broken, "m.onnx"); });  // anything but a FormatError fails the test
        }
}

TEST(OnnxBytes, WhatIsNoModelIsNamed) {
    EXPECT_THAT(refusal([] { read_onnx_bytes("", "m.onnx"); }), AllOf(HasSubstr("m.onnx"), HasSubstr("empty")));
    EXPECT_THAT(refusal([] { read_onnx_bytes("P5 28 28 255", "m.onnx"); }), HasSubstr("no ONNX model"));
    EXPECT_THAT(refusal([] { read_onnx_bytes(std::string(1000, '\0'), "m.onnx"); }), HasSubstr("no ONNX model"));
    EXPECT_THAT(refusal([] { read_onnx_bytes(onnx::ModelProto().SerializeAsString() + "\x08\x08", "m.onnx"); }),
                HasSubstr("no graph"));
    EXPECT_THAT(refusal([] { read_onnx("/nonexistent/m.onnx"); }), HasSubstr("/nonexistent/m.onnx"));
    EXPECT_THAT(refusal([] { read_network("/"); }), HasSubstr("/"));
}

TEST(OnnxBytes, DeepNestingIsRefused) {
    // graph { node { attribute { g { node { attribute ... : field numbers 7, 1, 5, 6 of the messages.
    std::string inner;
    const auto wrap = [](int field, const std::string& body) {
        std::string out(1, static_cast<char>(field << 3 | 2));
        for (size_t size = body.size();; size >>= 7) {
            out += static_cast<char>((size & 127) | (size > 127 ? 128 : 0));
            if (size <= 127) break;
        }
        return out + body;
    };
    for (int depth = 0; depth < 2000; ++depth) inner = wrap(1, wrap(5, wrap(6, inner)));
    EXPECT_THAT(refusal([&] { read_onnx_bytes(wrap(7, inner), "m.onnx"); }), HasSubstr("no ONNX model"));
}

// ---------------------------------------------------------------------------------------------- graph

TEST(OnnxGraph, OpsetsAreChecked) {
    for (const int64_t opset : {int64_t(-1), int64_t(0), int64_t(6), int64_t(22), kHuge}) {
        OnnxBuilder model({2}, opset);
        EXPECT_THAT(refused(model, model.node("Relu", {"x"})), HasSubstr("7 <= opset <= 21"));
    }
    for (int64_t opset = 7; opset <= 21; ++opset) {
        OnnxBuilder model({2}, opset);
        EXPECT_EQ(refused(model, model.node("Relu", {"x"})), "");
    }
    OnnxBuilder model({2});
    const auto y = model.node("Relu", {"x"});
    model.model.clear_opset_import();
    EXPECT_THAT(refused(model, y), HasSubstr("opset"));
}

TEST(OnnxGraph, UnknownOperatorsAreNamedWithTheirNode) {
    OnnxBuilder model({2});
    const auto y = model.node("LSTM", {"x"});
    EXPECT_THAT(refused(model, y), AllOf(HasSubstr("LSTM_1"), HasSubstr("bitline list operators")));
    const auto z = model.node("Gelu", {"x"}, {}, "com.microsoft");
    EXPECT_THAT(refused(model, z), HasSubstr("com.microsoft:Gelu"));
    const auto w = model.node("Relu", {"x"}, {}, "my.domain");
    EXPECT_THAT(refused(model, w), HasSubstr("my.domain:Relu"));
    model.graph().mutable_node(0)->clear_name();
    EXPECT_THAT(refused(model, y), HasSubstr("'" + y + "'"));
}

TEST(OnnxGraph, CyclesMissingAndRepeatedTensors) {
    OnnxBuilder cycle({2});
    const auto a = cycle.node("Add", {"x", "b"});
    cycle.node("Relu", {a});
    cycle.graph().mutable_node(1)->set_output(0, "b");
    EXPECT_THAT(refused(cycle, a), HasSubstr("cycle"));

    OnnxBuilder itself({2});
    const auto own = itself.node("Relu", {"x"});
    itself.graph().mutable_node(0)->set_input(0, own);
    EXPECT_NE(refused(itself, own), "");

    OnnxBuilder missing({2});
    EXPECT_THAT(refused(missing, missing.node("Add", {"x", "nowhere"})), HasSubstr("nowhere"));
    EXPECT_THAT(refused(missing, "nothing"), HasSubstr("nothing"));

    OnnxBuilder twice({2});
    const auto y = twice.node("Relu", {"x"});
    twice.node("Tanh", {"x"});
    twice.graph().mutable_node(1)->set_output(0, y);
    EXPECT_THAT(refused(twice, y), HasSubstr("already given"));

    OnnxBuilder shadowed({2});
    shadowed.node("Relu", {"x"});
    shadowed.graph().mutable_node(0)->set_output(0, "x");
    EXPECT_THAT(refused(shadowed, "x"), HasSubstr("already given"));

    OnnxBuilder constants({2});
    constants.real({1}, {1}, "c");
    constants.real({2}, {1}, "c");
    EXPECT_THAT(refused(constants, constants.node("Relu", {"x"})), HasSubstr("two initializers"));
}

TEST(OnnxGraph, NodesInAnyOrderAreSorted) {
    OnnxBuilder model({2});
    const auto y = model.node("Tanh", {model.node("Relu", {"x"})});
    model.graph().mutable_node()->SwapElements(0, 1);
    EXPECT_THAT(origins(model.read(y)), testing::ElementsAre("Relu", "Tanh"));
}

TEST(OnnxGraph, InputsAndOutputs) {
    OnnxBuilder two({2});
    two.graph().add_input()->set_name("other");
    EXPECT_THAT(refused(two, two.node("Add", {"x", "other"})), AllOf(HasSubstr("x"), HasSubstr("other")));
    EXPECT_EQ(refused(two, two.node("Relu", {"x"})), "");  // an input that nothing reads does not matter

    OnnxBuilder listed({2});  // as IR versions before 4 list initializers
    const auto c = listed.real({1, 2}, {2});
    listed.graph().add_input()->set_name(c);
    EXPECT_EQ(refused(listed, listed.node("Add", {"x", c})), "");

    OnnxBuilder constant({2});
    EXPECT_NE(refused(constant, constant.node("Relu", {constant.real(1)})), "");
    OnnxBuilder empty({2});
    EXPECT_THAT(refused(empty, "x"), HasSubstr("no graph with nodes"));
    OnnxBuilder outputs({2});
    const auto y = outputs.node("Relu", {"x"});
    outputs.bytes(y);
    outputs.graph().add_output()->set_name("x");
    EXPECT_THAT(refusal([&] { read_onnx_bytes(outputs.model.SerializeAsString(), "m"); }), HasSubstr("2 outputs"));
}

TEST(OnnxGraph, InputShapes) {
    for (const int64_t size : {int64_t(0), int64_t(-3), kHuge, std::numeric_limits<int64_t>::min()}) {
        OnnxBuilder model({2, size});
        EXPECT_THAT(refused(model, model.node("Relu", {"x"})), HasSubstr("'x'")) << size;
    }
    OnnxBuilder huge({int64_t(1) << 32, int64_t(1) << 32});
    EXPECT_THAT(refused(huge, huge.node("Relu", {"x"})), HasSubstr("elements"));
    OnnxBuilder flat({});
    EXPECT_THAT(refused(flat, flat.node("Relu", {"x"})), HasSubstr("axes"));
    OnnxBuilder open({2});
    open.graph()
        .mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(1)
        ->set_dim_param("W");
    EXPECT_THAT(refused(open, open.node("Relu", {"x"})), HasSubstr("axis 1"));
    OnnxBuilder text({2}, 13, TensorProto::STRING);
    EXPECT_THAT(refused(text, text.node("Relu", {"x"})), HasSubstr("STRING"));
    OnnxBuilder bare({2});
    bare.graph().mutable_input(0)->clear_type();
    EXPECT_THAT(refused(bare, bare.node("Relu", {"x"})), HasSubstr("shape"));
}

// ---------------------------------------------------------------------------------------------- tensors

TEST(OnnxTensors, NumbersThatAreNotFiniteAreNamed) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        OnnxBuilder model({2});
        const auto c = model.real({1, bad}, {2}, "poison");
        EXPECT_THAT(refused(model, model.node("Add", {"x", c})), HasSubstr("poison"));
        EXPECT_THAT(refused(model, model.node("QuantizeLinear", {"x", c})), HasSubstr("poison"));
        OnnxBuilder attribute({2}, 10);
        EXPECT_THAT(refused(attribute, attribute.node("Clip", {"x"}, {{"min", bad}})), HasSubstr("min"));
    }
    OnnxBuilder folded({2});
    const auto quotient = folded.node("Div", {folded.real(1), folded.real(0)});
    EXPECT_THAT(refused(folded, folded.node("Add", {"x", quotient})), HasSubstr(quotient));
    OnnxBuilder unread({2});  // a tensor that no node reads is nobody's business
    unread.real({std::numeric_limits<float>::infinity()}, {1});
    EXPECT_EQ(refused(unread, unread.node("Relu", {"x"})), "");
}

TEST(OnnxTensors, DataThatDoNotFitTheirShape) {
    const auto broken = [](const std::function<void(TensorProto&)>& breaks) {
        OnnxBuilder model({2});
        auto& tensor = model.tensor(TensorProto::FLOAT, {2}, "w");
        tensor.add_float_data(1);
        tensor.add_float_data(2);
        breaks(tensor);
        return refused(model, model.node("Add", {"x", "w"}));
    };
    EXPECT_EQ(broken([](TensorProto&) {}), "");
    EXPECT_THAT(broken([](TensorProto& t) { t.add_float_data(3); }), HasSubstr("'w'"));
    EXPECT_THAT(broken([](TensorProto& t) { t.clear_float_data(); }), HasSubstr("'w'"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_raw_data("abc"); }), HasSubstr("bytes"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_dims(0, 0); }), HasSubstr("'w'"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_dims(0, -2); }), HasSubstr("size >= 1"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_dims(0, kHuge); }), HasSubstr("elements"));
    EXPECT_THAT(broken([](TensorProto& t) {
                    t.add_dims(kHuge);
                    t.add_dims(kHuge);
                }),
                HasSubstr("elements"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_data_type(TensorProto::STRING); }), HasSubstr("STRING"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_data_type(99); }), HasSubstr("99"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_data_location(TensorProto::EXTERNAL); }), HasSubstr("another file"));
    EXPECT_THAT(broken([](TensorProto& t) { t.set_data_type(TensorProto::INT8); }), HasSubstr("entries"));
    EXPECT_THAT(broken([](TensorProto& t) {
                    t.set_data_type(TensorProto::INT8);
                    t.clear_float_data();
                    t.add_int32_data(1);
                    t.add_int32_data(200);
                }),
                HasSubstr("entry <= 127"));
}

// ---------------------------------------------------------------------------------------------- operators

using Ints = std::vector<int64_t>;

struct BadNode {
    const char* name;
    std::function<std::string(OnnxBuilder&)> build;  // gives the output; the input is 2 x 4 x 4
};

std::string conv(OnnxBuilder& m, const Ints& dims, const Attributes& attributes) {
    size_t count = 1;
    for (const int64_t d : dims) count *= static_cast<size_t>(d);
    return m.node("Conv", {"x", m.real(numbers(count), dims)}, attributes);
}

std::string pool(OnnxBuilder& m, const Attributes& attributes) { return m.node("AveragePool", {"x"}, attributes); }

const std::vector<BadNode> kBadNodes = {
    {"conv_channels",
     [](auto& m) {
         return conv(m, {3, 5, 3, 3}, {});
     }},
    {"conv_rank",
     [](auto& m) {
         return conv(m, {3, 2, 3}, {});
     }},
    {"conv_matrix",
     [](auto& m) {
         return conv(m, {3, 2}, {});
     }},
    {"conv_group_zero",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"group", int64_t(0)}});
     }},
    {"conv_group_negative",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"group", int64_t(-2)}});
     }},
    {"conv_group_three",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"group", int64_t(3)}});
     }},
    {"conv_kernel_shape",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"kernel_shape", Ints{2, 2}}});
     }},
    {"conv_large_kernel",
     [](auto& m) {
         return conv(m, {1, 2, 5, 5}, {});
     }},
    {"conv_stride_zero",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"strides", Ints{0, 1}}});
     }},
    {"conv_stride_negative",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"strides", Ints{1, -1}}});
     }},
    {"conv_strides_count",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"strides", Ints{1, 1, 1}}});
     }},
    {"conv_dilation_huge",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"dilations", Ints{kHuge, kHuge}}});
     }},
    {"conv_dilation_zero",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"dilations", Ints{0, 0}}});
     }},
    {"conv_pads_huge",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"pads", Ints{kHuge, 0, kHuge, 0}}});
     }},
    {"conv_pads_large",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"pads", Ints{1 << 30, 1 << 30, 1 << 30, 1 << 30}}});
     }},
    {"conv_pads_negative",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"pads", Ints{-1, 0, 0, 0}}});
     }},
    {"conv_pads_count",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"pads", Ints{1, 1}}});
     }},
    {"conv_auto_pad",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"auto_pad", std::string("SAME")}});
     }},
    {"conv_attribute_type",
     [](auto& m) {
         return conv(m, {3, 2, 3, 3}, {{"strides", 1.0F}});
     }},
    {"conv_no_weights", [](auto& m) { return m.node("Conv", {"x"}); }},
    {"conv_empty_weights",
     [](auto& m) {
         return m.node("Conv", {"x", ""});
     }},
    {"conv_dynamic_weights",
     [](auto& m) {
         return m.node("Conv", {"x", m.node("Relu", {"x"})});
     }},
    {"conv_bias_count",
     [](auto& m) {
         return m.node("Conv", {"x", m.real(numbers(2), {1, 2, 1, 1}), m.real(numbers(3), {3})});
     }},
    {"conv_of_constant",
     [](auto& m) {
         return m.node("Conv", {m.real(numbers(2), {1, 2, 1, 1}), "x"});
     }},
    {"conv_integer_weights",
     [](auto& m) {
         return m.node("Conv", {"x", m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1})});
     }},
    {"gemm_on_image",
     [](auto& m) {
         return m.node("Gemm", {"x", m.real(numbers(8), {4, 2})});
     }},
    {"gemm_trans_a",
     [](auto& m) {
         return m.node("Gemm", {"x", m.real(numbers(8), {4, 2})}, {{"transA", int64_t(1)}});
     }},
    {"matmul_of_images",
     [](auto& m) {
         return m.node("MatMul", {"x", m.real(numbers(8), {4, 2})});
     }},
    {"matmul_left",
     [](auto& m) {
         return m.node("MatMul", {m.real(numbers(8), {2, 4}), "x"});
     }},
    {"matmul_vector",
     [](auto& m) {
         return m.node("MatMul", {"x", m.real(numbers(4), {4})});
     }},
    {"add_shape",
     [](auto& m) {
         return m.node("Add", {"x", m.real(numbers(3), {3})});
     }},
    {"add_grows",
     [](auto& m) {
         return m.node("Add", {"x", m.real(numbers(6), {3, 2, 1, 1})});
     }},
    {"add_rank",
     [](auto& m) {
         return m.node("Add", {"x", m.real(numbers(1), {1, 1, 1, 1, 1})});
     }},
    {"add_types",
     [](auto& m) {
         return m.node("Add", {"x", m.whole(TensorProto::INT32, 1)});
     }},
    {"add_one_operand", [](auto& m) { return m.node("Add", {"x"}); }},
    {"pow_of_constant",
     [](auto& m) {
         return m.node("Pow", {m.real(2), "x"});
     }},
    {"no_output",
     [](auto& m) {
         const auto y = m.node("Relu", {m.node("Relu", {"x"})});
         m.graph().mutable_node(0)->clear_output();
         return y;
     }},
    {"batch_norm_count",
     [](auto& m) {
         const auto c = m.real(numbers(3), {3});
         return m.node("BatchNormalization", {"x", c, c, c, c});
     }},
    {"batch_norm_variance",
     [](auto& m) {
         const auto c = m.real({-1, -1}, {2});
         return m.node("BatchNormalization", {"x", c, c, c, c});
     }},
    {"batch_norm_missing",
     [](auto& m) {
         return m.node("BatchNormalization", {"x", m.real(numbers(2), {2})});
     }},
    {"batch_norm_training",
     [](auto& m) {
         const auto c = m.real({1, 1}, {2});
         return m.node("BatchNormalization", {"x", c, c, c, c}, {{"training_mode", int64_t(1)}});
     }},
    {"clip_order",
     [](auto& m) {
         return m.node("Clip", {"x", m.real(2), m.real(1)});
     }},
    {"pool_no_kernel", [](auto& m) { return pool(m, {}); }},
    {"pool_zero_kernel",
     [](auto& m) {
         return pool(m, {{"kernel_shape", Ints{0, 2}}});
     }},
    {"pool_huge_kernel",
     [](auto& m) {
         return pool(m, {{"kernel_shape", Ints{kHuge, kHuge}}});
     }},
    {"pool_large_kernel",
     [](auto& m) {
         return pool(m, {{"kernel_shape", Ints{5, 5}}});
     }},
    {"pool_pads_as_kernel",
     [](auto& m) {
         return pool(m, {{"kernel_shape", Ints{2, 2}}, {"pads", Ints{2, 2, 2, 2}}});
     }},
    {"pool_ceil",
     [](auto& m) {
         return pool(m, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t(1)}});
     }},
    {"pool_indices",
     [](auto& m) {
         const auto y = m.node("MaxPool", {"x"}, {{"kernel_shape", Ints{2, 2}}});
         m.graph().mutable_node(0)->add_output("indices");
         return y;
     }},
    {"softmax_axis",
     [](auto& m) {
         return m.node("Softmax", {"x"}, {{"axis", int64_t(4)}});
     }},
    {"transpose_axes",
     [](auto& m) {
         return m.node("Transpose", {"x"}, {{"perm", Ints{0, 1, 1, 2}}});
     }},
    {"transpose_rank",
     [](auto& m) {
         return m.node("Transpose", {"x"}, {{"perm", Ints{0, 1}}});
     }},
    {"concat_axis",
     [](auto& m) {
         return m.node("Concat", {"x", "x"}, {{"axis", int64_t(0)}});
     }},
    {"concat_sizes",
     [](auto& m) {
         return m.node("Concat", {"x", m.node("GlobalAveragePool", {"x"})}, {{"axis", int64_t(2)}});
     }},
    {"concat_constant",
     [](auto& m) {
         return m.node("Concat", {"x", m.real(numbers(32), {1, 2, 4, 4})}, {{"axis", int64_t(1)}});
     }},
    {"gather_of_value",
     [](auto& m) {
         return m.node("Gather", {"x", m.whole(TensorProto::INT64, 0)}, {{"axis", int64_t(1)}});
     }},
    {"gather_index",
     [](auto& m) {
         return m.node("Reshape", {"x", m.node("Gather", {m.shape({1}), m.shape({7})})});
     }},
    {"slice_step",
     [](auto& m) {
         return m.node("Reshape",
                       {"x", m.node("Slice", {m.shape({1}), m.shape({0}), m.shape({1}), m.shape({0}), m.shape({0})})});
     }},
    {"slice_nothing",
     [](auto& m) {
         return m.node("Reshape", {"x", m.node("Slice", {m.shape({1, 2}), m.shape({1}), m.shape({1})})});
     }},
    {"shape_of_huge_constant",
     [](auto& m) {
         return m.node("Add", {"x", m.node("ConstantOfShape", {m.shape({kHuge, 4})})});
     }},
    {"shape_of_large_constant",
     [](auto& m) {
         return m.node("Add", {"x", m.node("ConstantOfShape", {m.shape({1 << 30})})});
     }},
    {"broadcast_of_large_constants",
     [](auto& m) {
         const auto row = m.node("ConstantOfShape", {m.shape({1, 1 << 20})});
         const auto column = m.node("ConstantOfShape", {m.shape({1 << 20, 1})});
         return m.node("Add", {"x", m.node("Add", {row, column})});
     }},
    {"many_large_constants",
     [](auto& m) {
         const auto c = m.node("ConstantOfShape", {m.shape({1 << 22})});
         auto sum = c;
         for (int i = 0; i < 40; ++i) sum = m.node("Add", {sum, c});
         return m.node("Add", {"x", sum});
     }},
    {"scale_changed_forever",
     [](auto& m) {
         const auto z = m.whole(TensorProto::UINT8, 0);
         auto y = m.node("QuantizeLinear", {"x", m.real(1), z});
         for (int i = 2; i < 40; ++i) {
             const auto s = m.real(static_cast<float>(i));
             y = m.node("QuantizeLinear", {m.node("DequantizeLinear", {y, s, z}), s, z});
         }
         return y;
     }},
    {"reshape_real_shape",
     [](auto& m) {
         return m.node("Reshape", {"x", m.real({0, -1}, {2})});
     }},
    {"reshape_dynamic_shape",
     [](auto& m) {
         return m.node("Reshape", {"x", "x"});
     }},
    {"unsqueeze_no_axes", [](auto& m) { return m.node("Unsqueeze", {"x"}); }},
    {"squeeze_wrong_axis",
     [](auto& m) {
         return m.node("Squeeze", {"x", m.shape({1})});
     }},
    {"cast_to_int",
     [](auto& m) {
         return m.node("Cast", {"x"}, {{"to", int64_t(TensorProto::INT8)}});
     }},
    {"cast_to_half",
     [](auto& m) {
         return m.node("Cast", {"x"}, {{"to", int64_t(TensorProto::FLOAT16)}});
     }},
    {"cast_to_nothing",
     [](auto& m) {
         return m.node("Cast", {"x"}, {{"to", kHuge}});
     }},
    {"constant_without_value",
     [](auto& m) {
         return m.node("Add", {"x", m.node("Constant", {})});
     }},
    {"quantize_scale_zero",
     [](auto& m) {
         return m.node("QuantizeLinear", {"x", m.real(0)});
     }},
    {"quantize_scale_negative",
     [](auto& m) {
         return m.node("QuantizeLinear", {"x", m.real(-1)});
     }},
    {"quantize_to_int32",
     [](auto& m) {
         return m.node("QuantizeLinear", {"x", m.real(1), m.whole(TensorProto::INT32, 0)});
     }},
    {"quantize_dynamic_scale",
     [](auto& m) {
         return m.node("QuantizeLinear", {"x", "x"});
     }},
    {"quantize_real_zero_point",
     [](auto& m) {
         return m.node("QuantizeLinear", {"x", m.real(1), m.real(0)});
     }},
    {"dequantize_of_real",
     [](auto& m) {
         return m.node("DequantizeLinear", {"x", m.real(1)});
     }},
    {"relu_of_codes",
     [](auto& m) {
         return m.node("Relu", {m.node("QuantizeLinear", {"x", m.real(1)})});
     }},
    {"weight_scales",
     [](auto& m) {
         const auto w = m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1});
         return m.node("Conv", {"x", m.node("DequantizeLinear", {w, m.real({1, 2, 3}, {3})}, {{"axis", int64_t(0)}})});
     }},
    {"weight_scale_zero",
     [](auto& m) {
         const auto w = m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1});
         return m.node("Conv", {"x", m.node("DequantizeLinear", {w, m.real(0)})});
     }},
    {"weight_axis",
     [](auto& m) {
         const auto w = m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1});
         return m.node("Conv", {"x", m.node("DequantizeLinear", {w, m.real({1, 2}, {2})}, {{"axis", int64_t(9)}})});
     }},
    {"weight_blocks",
     [](auto& m) {
         const auto w = m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1});
         return m.node("Conv", {"x", m.node("DequantizeLinear", {w, m.real(1)}, {{"block_size", int64_t(2)}})});
     }},
    {"sums_underflow",
     [](auto& m) {
         const auto w = m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1});
         return m.node("Conv", {m.quantized("x", 1e-30F, TensorProto::UINT8, 0),
                                m.node("DequantizeLinear", {w, m.real(1e-30F)})});
     }},
    {"qlinear_missing_inputs",
     [](auto& m) {
         return m.node("QLinearConv", {m.node("QuantizeLinear", {"x", m.real(1)}), m.real(1)});
     }},
    {"conv_integer_of_real",
     [](auto& m) {
         return m.node("ConvInteger", {"x", m.whole(TensorProto::INT8, {1, 2}, {1, 2, 1, 1})});
     }},
};

class BadNodes : public testing::TestWithParam<BadNode> {};

TEST_P(BadNodes, AreRefusedByName) {
    OnnxBuilder model({2, 4, 4});
    const std::string output = GetParam().build(model);
    const std::string message = refused(model, output);
    EXPECT_THAT(message, HasSubstr("test.onnx: "));
    EXPECT_THAT(message, testing::AnyOf(HasSubstr("node "), HasSubstr("tensor "))) << message;
}

INSTANTIATE_TEST_SUITE_P(Onnx, BadNodes, testing::ValuesIn(kBadNodes),
                         [](const auto& tested) { return std::string(tested.param.name); });

// ---------------------------------------------------------------------------------------------- metadata, dispatch

TEST(OnnxMetadata, PreprocessAndTheRest) {
    OnnxBuilder model({3, 2, 2});
    const auto y = model.node("Relu", {"x"});
    const auto add = [&](const std::string& key, const std::string& value) {
        auto* entry = model.model.add_metadata_props();
        entry->set_key(key);
        entry->set_value(value);
    };
    add("author", "somebody");
    add("bitline.preprocess", "imagenet");
    const Network network = model.read(y);
    EXPECT_THAT(network.metadata, testing::ElementsAre(std::pair("author", "somebody")));
    ASSERT_TRUE(network.preprocess.has_value());
    EXPECT_EQ(network.preprocess->mean.size(), 3U);
    EXPECT_EQ(network.name, "test");
    model.model.mutable_metadata_props(1)->set_value("nonsense=1");
    EXPECT_THAT(refused(model, y), HasSubstr("bitline.preprocess"));
}

TEST(ModelFiles, AreToldApartByTheirFirstBytes) {
    OnnxBuilder model({2});
    const std::string onnx_path = testing::TempDir() + "/bitline_dispatch.h5",
                      h5_path = testing::TempDir() + "/bitline_dispatch.onnx";
    std::ofstream(onnx_path, std::ios::binary) << model.bytes(model.node("Relu", {"x"}));
    const Network network = read_network(onnx_path);
    EXPECT_THAT(origins(network), testing::ElementsAre("Relu"));
    write_hdf5(network, h5_path);
    EXPECT_EQ(read_network(h5_path), network);
    std::remove(onnx_path.c_str());
    std::remove(h5_path.c_str());
}

}  // namespace
}  // namespace bitline::test
