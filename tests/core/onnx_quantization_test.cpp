// Quantizers of the ONNX reader: QDQ, QONNX, and what keeps codes codes.

#include <gmock/gmock.h>

#include "core/onnx_builder.h"

namespace bitline::test {
namespace {

using onnx::TensorProto;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(OnnxQdq, APairIsOneNodeNamedAfterItsCodes) {
    OnnxBuilder model({4});
    const auto s = model.real(0.5F), z = model.whole(TensorProto::UINT8, 3);
    const auto q = model.node("QuantizeLinear", {"x", s, z});
    const Network network = model.read(model.node("DequantizeLinear", {q, s, z}));
    ASSERT_EQ(network.nodes.size(), 1U);
    EXPECT_EQ(output_value(network).name, q);
    const Quantizer& quantizer = *output_value(network).quantizer;
    EXPECT_THAT(quantizer.scale, ElementsAre(0.5F));
    EXPECT_THAT(quantizer.zero_point, ElementsAre(3));
    EXPECT_EQ(quantizer.bits, 8);
    EXPECT_FALSE(quantizer.is_signed);
    EXPECT_THAT(evaluate(network, {-9, 0.25F, 0.75F, 1000}), ElementsAre(-1.5F, 0, 1, 126));
}

struct CodeType {
    int type;
    int bits;
    bool is_signed;
};

class CodeTypes : public testing::TestWithParam<CodeType> {};

TEST_P(CodeTypes, OfActivationsAndWeights) {
    const CodeType& t = GetParam();
    OnnxBuilder model({2}, 21);
    const auto packed = [&](int64_t first, int64_t second) {  // two codes; 4-bit types lie in one byte
        auto& tensor = model.tensor(t.type, {2, 1});
        if (t.bits == 4) {
            tensor.set_raw_data(std::string(1, static_cast<char>((first & 15) | (second & 15) << 4)));
        } else {
            tensor.add_int32_data(static_cast<int32_t>(first));
            tensor.add_int32_data(static_cast<int32_t>(second));
        }
        return tensor.name();
    };
    auto& zero = model.tensor(t.type, {});
    if (t.bits == 4) {
        zero.set_raw_data(std::string(1, '\1'));
    } else {
        zero.add_int32_data(1);
    }
    const auto s = model.real(1);
    const auto x =
        model.node("DequantizeLinear", {model.node("QuantizeLinear", {"x", s, zero.name()}), s, zero.name()});
    const int64_t low = t.is_signed ? -(int64_t(1) << (t.bits - 1)) : 0;
    const int64_t high = low + (int64_t(1) << t.bits) - 1;
    const auto w = model.node("DequantizeLinear", {packed(low, high), s});
    const Network network = model.read(model.node("MatMul", {x, w}));
    const MatVec& layer = find_op<MatVec>(network);
    EXPECT_THAT(layer.codes, ElementsAre(low, high));
    EXPECT_EQ(layer.weight.bits, t.bits);
    EXPECT_EQ(layer.weight.is_signed, t.is_signed);
    // The input clips at the same code range, shifted by its zero point.
    EXPECT_THAT(evaluate(network, {-1e6F, 2}), ElementsAre(static_cast<float>((low - 1) * low + 2 * high)));
}

INSTANTIATE_TEST_SUITE_P(Onnx, CodeTypes,
                         testing::Values(CodeType{TensorProto::INT8, 8, true}, CodeType{TensorProto::UINT8, 8, false},
                                         CodeType{TensorProto::INT16, 16, true}, CodeType{kInt4, 4, true},
                                         CodeType{kUint4, 4, false}),
                         [](const auto& tested) {
                             return (tested.param.is_signed ? "int" : "uint") + std::to_string(tested.param.bits);
                         });

TEST(OnnxQdq, QuantizingWhatWasDequantizedIsTheIdentity) {
    OnnxBuilder model({4});
    const auto once = model.quantized("x", 0.5F, TensorProto::UINT8, 3);
    EXPECT_EQ(model.read(model.quantized(once, 0.5F, TensorProto::UINT8, 3)).nodes.size(), 1U);
    EXPECT_EQ(model.read(model.quantized(once, 0.25F, TensorProto::UINT8, 3)).nodes.size(), 2U);
    EXPECT_EQ(model.read(model.quantized(once, 0.5F, TensorProto::INT8, 3)).nodes.size(), 2U);
}

TEST(OnnxQdq, CodesSurviveWhatOnlyMovesOrScalesThem) {
    OnnxBuilder model({1, 2, 2});
    auto y = model.quantized("x", 0.5F, TensorProto::UINT8, 3);
    y = model.node("MaxPool", {y}, {{"kernel_shape", std::vector<int64_t>{1, 2}}});
    y = model.node("Transpose", {model.node("Identity", {y})}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    y = model.node("Flatten", {model.node("Dropout", {y})});
    y = model.node("Div", {model.node("Mul", {y, model.real(3)}), model.real({2}, {1})});
    const auto w = model.node("DequantizeLinear", {model.whole(TensorProto::INT8, {1, 10}, {2, 1}), model.real(1)});
    const Network network = model.read(model.node("MatMul", {y, w}));
    const MatVec& layer = find_op<MatVec>(network);
    EXPECT_TRUE(layer.quantized_weights());
    EXPECT_THAT(std::get<ScaleOutput>(layer.output).scale, ElementsAre(0.75F));
    EXPECT_THAT(evaluate(network, {1, 2, 4, 3}), ElementsAre(1.5F * (2 + 40)));
    // Asked for real numbers, the factors are nodes of the network.
    const Network real = model.read(model.node("Relu", {y}));
    EXPECT_THAT(evaluate(real, {1, 2, 4, 3}), ElementsAre(3, 6));
}

TEST(OnnxQdq, ASecondScaleOnTheSameCodesIsAFactor) {
    OnnxBuilder model({2});
    const auto z = model.whole(TensorProto::INT8, 1);
    const auto q = model.node("QuantizeLinear", {"x", model.real(0.5F), z});
    EXPECT_THAT(evaluate(model.read(model.node("DequantizeLinear", {q, model.real(2), z})), {1, -1}),
                ElementsAre(4, -4));
    const auto other = model.whole(TensorProto::INT8, 2);
    EXPECT_THAT(refusal([&] {
                    model.read(model.node("DequantizeLinear", {q, model.real(2), other}));
                }),
                HasSubstr("zero point"));
}

TEST(OnnxQdq, CodesAsTheGraphsInput) {
    OnnxBuilder model({2}, 13, TensorProto::UINT8);
    const auto x = model.node("DequantizeLinear", {"x", model.real(0.5F), model.whole(TensorProto::UINT8, 4)});
    const auto w = model.node("DequantizeLinear", {model.whole(TensorProto::INT8, {1, 10}, {2, 1}), model.real(1)});
    const Network network = model.read(model.node("MatMul", {x, w}));
    EXPECT_TRUE(find_op<MatVec>(network).quantized_weights());
    EXPECT_THAT(evaluate(network, {6, 3}), ElementsAre(1 - 5));
}

TEST(OnnxQdq, ActivationsAreQuantizedPerTensor) {
    OnnxBuilder model({2});
    const auto equal = model.real({0.5F, 0.5F}, {2});
    EXPECT_NO_THROW(model.read(model.node("QuantizeLinear", {"x", equal})));
    const auto different = model.real({0.5F, 0.25F}, {2});
    EXPECT_THAT(refusal([&] { model.read(model.node("QuantizeLinear", {"x", different})); }), HasSubstr("per tensor"));
}

// ---------------------------------------------------------------------------------------------- QONNX

std::string quant(OnnxBuilder& model, const std::string& x, float scale, float zero, float bits, int64_t is_signed,
                  int64_t narrow, const std::string& mode = "ROUND", const std::string& domain = "onnx.brevitas") {
    return model.node("Quant", {x, model.real(scale), model.real(zero), model.real(bits)},
                      {{"signed", is_signed}, {"narrow", narrow}, {"rounding_mode", mode}}, domain);
}

struct RoundingCase {
    std::string mode;
    std::vector<float> rounded;  // of -2.5, -1.75, -0.5, 0.5, 1.25, 1.5
};

class QonnxRounding : public testing::TestWithParam<RoundingCase> {};

TEST_P(QonnxRounding, FollowsQonnx) {
    OnnxBuilder values({6});
    EXPECT_THAT(evaluate(values.read(quant(values, "x", 1, 0, 8, 1, 0, GetParam().mode)),
                         {-2.5F, -1.75F, -0.5F, 0.5F, 1.25F, 1.5F}),
                testing::ElementsAreArray(GetParam().rounded));
    OnnxBuilder constants({6});  // the same of a constant, which is folded
    const auto c = constants.real({-2.5F, -1.75F, -0.5F, 0.5F, 1.25F, 1.5F}, {6});
    const auto y = constants.node("Add", {"x", quant(constants, c, 1, 0, 8, 1, 0, GetParam().mode)});
    EXPECT_THAT(evaluate(constants.read(y), std::vector<float>(6, 0)), testing::ElementsAreArray(GetParam().rounded));
}

INSTANTIATE_TEST_SUITE_P(
    Onnx, QonnxRounding,
    testing::Values(RoundingCase{"ROUND", {-2, -2, 0, 0, 1, 2}}, RoundingCase{"HALF_EVEN", {-2, -2, 0, 0, 1, 2}},
                    RoundingCase{"FLOOR", {-3, -2, -1, 0, 1, 1}}, RoundingCase{"CEIL", {-2, -1, 0, 1, 2, 2}},
                    RoundingCase{"UP", {-3, -2, -1, 1, 2, 2}}, RoundingCase{"DOWN", {-2, -1, 0, 0, 1, 1}},
                    RoundingCase{"HALF_UP", {-3, -2, -1, 1, 1, 2}}, RoundingCase{"HALF_DOWN", {-2, -2, 0, 0, 1, 1}}),
    [](const auto& tested) { return tested.param.mode; });

TEST(Qonnx, CodeRanges) {
    const auto ends = [](float bits, int64_t is_signed, int64_t narrow) {
        OnnxBuilder model({2});
        const auto y = evaluate(model.read(quant(model, "x", 1, 0, bits, is_signed, narrow)), {-1e6F, 1e6F});
        return std::pair(y[0], y[1]);
    };
    EXPECT_EQ(ends(4, 1, 0), std::pair(-8.0F, 7.0F));
    EXPECT_EQ(ends(4, 1, 1), std::pair(-7.0F, 7.0F));
    EXPECT_EQ(ends(4, 0, 0), std::pair(0.0F, 15.0F));
    EXPECT_EQ(ends(4, 0, 1), std::pair(0.0F, 14.0F));
    EXPECT_EQ(ends(1, 0, 0), std::pair(0.0F, 1.0F));
    EXPECT_EQ(ends(16, 1, 0), std::pair(-32768.0F, 32767.0F));
}

TEST(Qonnx, OneSignedBitIsBipolar) {
    for (const std::string domain : {"qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general", ""}) {
        OnnxBuilder model({3});
        const Network one_bit = model.read(quant(model, "x", 0.5F, 0, 1, 1, 1, "ROUND", domain));
        const Network bipolar = model.read(model.node("BipolarQuant", {"x", model.real(0.5F)}, {}, domain));
        for (const Network& network : {one_bit, bipolar}) {
            EXPECT_EQ(output_value(network).quantizer->kind, Quantizer::Kind::bipolar);
            EXPECT_THAT(evaluate(network, {-0.25F, 0, 2}), ElementsAre(-0.5F, 0.5F, 0.5F));
        }
    }
}

TEST(Qonnx, ZeroPointsAreAddedBeforeRounding) {
    OnnxBuilder model({4});
    const Network network = model.read(quant(model, "x", 0.5F, 3, 4, 0, 0));
    EXPECT_TRUE(find_op<Quantize>(network).zero_point_inside);
    // 0.75 / 0.5 + 3 = 4.5 rounds to 4, that is 0.5; without the zero point 1.5 would round to 2, that is 1.
    EXPECT_THAT(evaluate(network, {0.75F, -9, 9, 0}), ElementsAre(0.5F, -1.5F, 6, 0));
}

TEST(Qonnx, WeightsKeepTheirCodes) {
    OnnxBuilder model({2, 1, 1});
    const auto w = model.node("Quant",
                              {model.real({0.6F, -0.2F, 3, 1}, {2, 2, 1, 1}), model.real({0.25F, 1}, {2, 1, 1, 1}),
                               model.real(0), model.real(3)},
                              {{"signed", int64_t(1)}, {"narrow", int64_t(1)}}, "qonnx.custom_op.general");
    const Network network = model.read(model.node("Conv", {quant(model, "x", 1, 0, 4, 0, 0), w}));
    const MatVec& layer = find_op<MatVec>(network);
    EXPECT_THAT(layer.codes, ElementsAre(2, -1, 3, 1));
    EXPECT_THAT(layer.weight.scale, ElementsAre(0.25F, 1));
    EXPECT_EQ(layer.weight.bits, 3);
    EXPECT_TRUE(layer.weight.narrow);
    EXPECT_THAT(evaluate(network, {2, 5}), ElementsAre(-0.25F, 11));
}

TEST(Qonnx, TruncDropsLowBits) {
    OnnxBuilder model({4});
    const auto x = quant(model, "x", 0.5F, 0, 6, 1, 0);
    const auto y = model.node("Trunc", {x, model.real(0.5F), model.real(0), model.real(6), model.real(4)},
                              {{"rounding_mode", std::string("FLOOR")}}, "qonnx.custom_op.general");
    // Codes 7, -7, 31, 2 over 4, rounded down, times the input's scale.
    EXPECT_THAT(evaluate(model.read(y), {3.5F, -3.5F, 99, 1}), ElementsAre(0.5F, -1, 3.5F, 0));
}

TEST(Qonnx, ImpossibleQuantizersAreRefused) {
    const auto refused = [](float scale, float zero, float bits) {
        OnnxBuilder model({2});
        return refusal([&] { model.read(quant(model, "x", scale, zero, bits, 1, 0)); });
    };
    EXPECT_THAT(refused(1, 0, 0), HasSubstr("1 <= bits"));
    EXPECT_THAT(refused(1, 0, 40), HasSubstr("bits <= 16"));
    EXPECT_THAT(refused(1, 0, 2.5F), HasSubstr("whole number"));
    EXPECT_THAT(refused(1, 0.5F, 4), HasSubstr("whole number"));
    EXPECT_THAT(refused(0, 0, 4), HasSubstr("scale > 0"));
    EXPECT_THAT(refused(-1, 0, 4), HasSubstr("scale > 0"));
    EXPECT_THAT(refused(1, 99, 4), HasSubstr("zero point"));
    EXPECT_THAT(refused(1, 1, 1), HasSubstr("bipolar"));
}

}  // namespace
}  // namespace bitline::test
