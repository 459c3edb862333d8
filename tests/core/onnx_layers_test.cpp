// Convolutions and fully connected layers of the ONNX reader, against the sums written out.

#include <gmock/gmock.h>

#include <cmath>

#include "core/onnx_builder.h"

namespace bitline::test {
namespace {

using onnx::TensorProto;
using testing::ElementsAre;
using testing::HasSubstr;

struct ConvCase {
    const char* name;
    Attributes attributes;
    int64_t groups, stride_h, stride_w, dilation_h, dilation_w;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
};

// Input 4 x 7 x 6, kernel 3 x 2. The pads of auto_pad are written out by hand.
const std::vector<ConvCase> kConvCases = {
    {"plain", {}, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {"stride", {{"strides", std::vector<int64_t>{2, 3}}}, 1, 2, 3, 1, 1, 0, 0, 0, 0},
    {"asymmetric_pads", {{"pads", std::vector<int64_t>{1, 0, 2, 1}}}, 1, 1, 1, 1, 1, 1, 0, 2, 1},
    {"dilation", {{"dilations", std::vector<int64_t>{2, 3}}}, 1, 1, 1, 2, 3, 0, 0, 0, 0},
    {"same_upper", {{"auto_pad", std::string("SAME_UPPER")}}, 1, 1, 1, 1, 1, 1, 0, 1, 1},
    {"same_lower", {{"auto_pad", std::string("SAME_LOWER")}}, 1, 1, 1, 1, 1, 1, 1, 1, 0},
    {"same_upper_stride",
     {{"auto_pad", std::string("SAME_UPPER")}, {"strides", std::vector<int64_t>{2, 2}}},
     1,
     2,
     2,
     1,
     1,
     1,
     0,
     1,
     0},
    {"valid", {{"auto_pad", std::string("VALID")}, {"strides", std::vector<int64_t>{2, 2}}}, 1, 2, 2, 1, 1, 0, 0, 0, 0},
    {"groups", {{"group", int64_t(2)}}, 2, 1, 1, 1, 1, 0, 0, 0, 0},
    {"depthwise", {{"group", int64_t(4)}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}}, 4, 1, 1, 1, 1, 1, 1, 1, 1},
};

constexpr int64_t kChannels = 4, kHeight = 7, kWidth = 6, kOut = 8, kKernelH = 3, kKernelW = 2;

std::vector<float> convolve(const ConvCase& c, const std::vector<float>& x, const std::vector<float>& w,
                            const std::vector<float>& bias) {
    const int64_t out_h = (kHeight + c.pad_top + c.pad_bottom - c.dilation_h * (kKernelH - 1) - 1) / c.stride_h + 1;
    const int64_t out_w = (kWidth + c.pad_left + c.pad_right - c.dilation_w * (kKernelW - 1) - 1) / c.stride_w + 1;
    const int64_t per_group = kChannels / c.groups;
    std::vector<float> y;
    for (int64_t o = 0; o < kOut; ++o)
        for (int64_t i = 0; i < out_h; ++i)
            for (int64_t j = 0; j < out_w; ++j) {
                double sum = bias[size_t(o)];
                for (int64_t k = 0; k < per_group; ++k)
                    for (int64_t a = 0; a < kKernelH; ++a)
                        for (int64_t b = 0; b < kKernelW; ++b) {
                            const int64_t channel = o / (kOut / c.groups) * per_group + k;
                            const int64_t row = i * c.stride_h + a * c.dilation_h - c.pad_top;
                            const int64_t column = j * c.stride_w + b * c.dilation_w - c.pad_left;
                            if (row < 0 || row >= kHeight || column < 0 || column >= kWidth) continue;
                            sum += x[size_t((channel * kHeight + row) * kWidth + column)] *
                                   w[size_t(((o * per_group + k) * kKernelH + a) * kKernelW + b)];
                        }
                y.push_back(static_cast<float>(sum));
            }
    return y;
}

class Convolutions : public testing::TestWithParam<ConvCase> {};

TEST_P(Convolutions, RealOnesComputeTheirSum) {
    const ConvCase& c = GetParam();
    const auto x = numbers(kChannels * kHeight * kWidth, 2), bias = numbers(kOut, 4);
    const auto w = numbers(size_t(kOut * kChannels / c.groups * kKernelH * kKernelW), 3);
    OnnxBuilder model({kChannels, kHeight, kWidth});
    const auto weights = model.real(w, {kOut, kChannels / c.groups, kKernelH, kKernelW});
    const Network network = model.read(model.node("Conv", {"x", weights, model.real(bias, {kOut})}, c.attributes));
    EXPECT_THAT(evaluate(network, x), testing::Pointwise(testing::FloatNear(1e-5F), convolve(c, x, w, bias)));
}

TEST_P(Convolutions, QuantizedOnesComputeTheSameOnCodes) {
    const ConvCase& c = GetParam();
    const auto x = numbers(kChannels * kHeight * kWidth, 2);  // multiples of 1/64: quantized without loss
    const auto bias = numbers(kOut, 4);
    const size_t count = size_t(kOut * kChannels / c.groups * kKernelH * kKernelW);
    const auto weight_codes = codes(count, -128, 127, 5);
    std::vector<float> scale, w;
    for (int64_t o = 0; o < kOut; ++o) scale.push_back(static_cast<float>(o + 1) / 256.0F);
    for (size_t i = 0; i < count; ++i)
        w.push_back(static_cast<float>(weight_codes[i] - 3) * scale[i / (count / size_t(kOut))]);

    OnnxBuilder model({kChannels, kHeight, kWidth});
    const auto input = model.quantized("x", 1.0F / 64, TensorProto::UINT8, 70);
    const auto stored = model.whole(TensorProto::INT8, weight_codes, {kOut, kChannels / c.groups, kKernelH, kKernelW});
    const auto zero = model.whole(TensorProto::INT8, std::vector<int64_t>(size_t(kOut), 3), {kOut});
    const auto weights =
        model.node("DequantizeLinear", {stored, model.real(scale, {kOut}), zero}, {{"axis", int64_t(0)}});
    const Network network = model.read(model.node("Conv", {input, weights, model.real(bias, {kOut})}, c.attributes));

    const auto& layer = find_op<MatVec>(network);
    EXPECT_TRUE(layer.quantized_weights());
    EXPECT_EQ(layer.weight.zero_point, std::vector<int32_t>(size_t(kOut), 3));
    EXPECT_EQ(layer.weight.scale, scale);
    EXPECT_EQ(std::get<ScaleOutput>(layer.output).scale[2], scale[2] * (1.0F / 64));
    EXPECT_THAT(evaluate(network, x), testing::Pointwise(testing::FloatNear(2e-4F), convolve(c, x, w, bias)));
}

INSTANTIATE_TEST_SUITE_P(Onnx, Convolutions, testing::ValuesIn(kConvCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(OnnxLayers, SequencesAreImagesOfHeightOne) {
    OnnxBuilder model({2, 5});
    const auto y = model.node("Conv", {"x", model.real({1, 2, 3, 4, 5, 6}, {1, 2, 3})},
                              {{"pads", std::vector<int64_t>{1, 0}}, {"strides", std::vector<int64_t>{2}}});
    const Network network = model.read(model.node("Relu", {y}));
    EXPECT_EQ(output_value(network).shape, (Shape{1, 2}));
    EXPECT_THAT(evaluate(network, {1, 0, 0, 0, 0, 0, 0, 0, 1, 0}), ElementsAre(2, 6));
    const Network pooled = model.read(model.node("GlobalAveragePool", {y}));
    EXPECT_EQ(output_value(pooled).shape, (Shape{1, 1}));
    EXPECT_THAT(evaluate(pooled, {1, 0, 0, 0, 0, 0, 0, 0, 1, 0}), ElementsAre(4));
}

TEST(OnnxLayers, GemmTakesTransposedWeightsAlphaBetaAndScalarBias) {
    OnnxBuilder model({3});
    const auto w = model.real({1, 2, 3, 4, 5, 6}, {2, 3});
    const auto y =
        model.node("Gemm", {"x", w, model.real(4)}, {{"transB", int64_t(1)}, {"alpha", 0.5F}, {"beta", 0.25F}});
    EXPECT_THAT(evaluate(model.read(y), {1, 10, 100}), ElementsAre(161.5F, 328));
    const auto plain = model.node("Gemm", {"x", model.real({1, 2, 3, 4, 5, 6}, {3, 2})});
    EXPECT_THAT(evaluate(model.read(plain), {1, 10, 100}), ElementsAre(531, 642));
}

TEST(OnnxLayers, AnAdditionBehindARealLayerIsItsBias) {
    OnnxBuilder model({3});
    const auto product = model.node("MatMul", {"x", model.real({1, 2, 3, 4, 5, 6}, {3, 2})});
    const auto sum = model.node("Add", {model.real({0.5F, 0.25F}, {1, 2}), product});
    const Network network = model.read(sum);
    EXPECT_THAT(origins(network), ElementsAre("MatMul+Add"));
    EXPECT_EQ(output_value(network).name, sum);
    EXPECT_THAT(find_op<MatVec>(network).real_bias, ElementsAre(0.5F, 0.25F));
    EXPECT_THAT(evaluate(network, {1, 10, 100}), ElementsAre(531.5F, 642.25F));
    // Where the sum without the bias is read too, both stay.
    const Network both = model.read(model.node("Sub", {sum, product}));
    EXPECT_THAT(evaluate(both, {1, 10, 100}), ElementsAre(0.5F, 0.25F));
}

/// x (scale 1/2, zero point 10) times 2 x 3 int8 codes of scale 1/4, plus `bias`.
Network with_bias(OnnxBuilder& model, const std::string& bias) {
    const auto w = model.node("DequantizeLinear", {model.whole(TensorProto::INT8, {1, -2, 3, 4, 5, -128}, {2, 3}),
                                                   model.real(0.25F), model.whole(TensorProto::INT8, 0)});
    const auto x = model.quantized("x", 0.5F, TensorProto::UINT8, 10);
    return model.read(model.node("Gemm", {x, w, bias}, {{"transB", int64_t(1)}}));
}

TEST(OnnxLayers, BiasesInUnitsOfTheSumsBecomeCodes) {
    OnnxBuilder dequantized({3});
    const auto codes = dequantized.whole(TensorProto::INT32, {7, -900000}, {2});
    const Network a = with_bias(dequantized, dequantized.node("DequantizeLinear", {codes, dequantized.real(0.125F)}));
    EXPECT_THAT(find_op<MatVec>(a).bias_codes, ElementsAre(7, -900000));
    EXPECT_TRUE(std::get<ScaleOutput>(find_op<MatVec>(a).output).bias.empty());

    OnnxBuilder multiple({3});
    const Network b = with_bias(multiple, multiple.real({0.25F, -12.5F}, {2}));
    EXPECT_THAT(find_op<MatVec>(b).bias_codes, ElementsAre(2, -100));

    OnnxBuilder other({3});
    const Network c = with_bias(other, other.real({0.25F, -12.51F}, {2}));
    EXPECT_TRUE(find_op<MatVec>(c).bias_codes.empty());
    EXPECT_THAT(std::get<ScaleOutput>(find_op<MatVec>(c).output).bias, ElementsAre(0.25F, -12.51F));

    OnnxBuilder coarse({3});  // another scale than that of the sums: its numbers count, not its codes
    const auto coarse_codes = coarse.whole(TensorProto::INT32, {3, 1}, {2});
    const Network d = with_bias(coarse, coarse.node("DequantizeLinear", {coarse_codes, coarse.real(0.25F)}));
    EXPECT_THAT(find_op<MatVec>(d).bias_codes, ElementsAre(6, 2));
}

TEST(OnnxLayers, MatMulTakesScalesPerColumn) {
    OnnxBuilder model({2});
    const auto stored = model.whole(TensorProto::INT8, {1, 2, 3, 4, 5, 6}, {2, 3});
    const auto w = model.node("DequantizeLinear", {stored, model.real({1, 0.5F, 0.25F}, {3})}, {{"axis", int64_t(1)}});
    const Network network = model.read(model.node("MatMul", {model.quantized("x", 1, TensorProto::INT8, 0), w}));
    EXPECT_THAT(find_op<MatVec>(network).codes, ElementsAre(1, 4, 2, 5, 3, 6));
    EXPECT_THAT(evaluate(network, {1, 10}), ElementsAre(41, 26, 15.75F));
}

TEST(OnnxLayers, ScalesAlongTheInputsLeaveTheLayerReal) {
    OnnxBuilder model({2});
    const auto stored = model.whole(TensorProto::INT8, {1, 2, 3, 4, 5, 6}, {2, 3});
    const auto w = model.node("DequantizeLinear", {stored, model.real({1, 0.5F}, {2})}, {{"axis", int64_t(0)}});
    const Network network = model.read(model.node("MatMul", {model.quantized("x", 1, TensorProto::INT8, 0), w}));
    EXPECT_FALSE(find_op<MatVec>(network).quantized_weights());
    EXPECT_THAT(evaluate(network, {1, 10}), ElementsAre(21, 27, 33));
}

TEST(OnnxLayers, CodesSurviveTransposeAndReshapeOfWeights) {
    OnnxBuilder model({2});
    const auto stored = model.whole(TensorProto::INT8, {1, 2, 3, 4, 5, 6}, {3, 2, 1});
    auto w = model.node("DequantizeLinear", {stored, model.real({1, 0.5F, 0.25F}, {3})}, {{"axis", int64_t(0)}});
    w = model.node("Reshape", {w, model.shape({3, -1})});
    w = model.node("Transpose", {model.node("Identity", {w})});
    const Network network = model.read(model.node("MatMul", {model.quantized("x", 1, TensorProto::INT8, 0), w}));
    EXPECT_THAT(find_op<MatVec>(network).codes, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_THAT(find_op<MatVec>(network).weight.scale, ElementsAre(1, 0.5F, 0.25F));
}

TEST(OnnxLayers, QLinearConvRequantizes) {
    OnnxBuilder model({1, 1, 2});
    const auto s = model.real(0.5F), z = model.whole(TensorProto::UINT8, 100);
    const auto x = model.node("QuantizeLinear", {"x", s, z});
    const auto ys = model.real(0.75F), yz = model.whole(TensorProto::INT8, -3);
    const auto y =
        model.node("QLinearConv",
                   {x, s, z, model.whole(TensorProto::INT8, {3, -2}, {2, 1, 1, 1}), model.real({0.25F, 0.5F}, {2}),
                    model.whole(TensorProto::INT8, {0, 1}, {2}), ys, yz, model.whole(TensorProto::INT32, {5, 6}, {2})});
    const Network network = model.read(y);
    const auto& layer = find_op<MatVec>(network);
    EXPECT_THAT(std::get<RequantizeOutput>(layer.output).multiplier,
                ElementsAre(0.5F * 0.25F / 0.75F, 0.5F * 0.5F / 0.75F));
    EXPECT_THAT(layer.bias_codes, ElementsAre(5, 6));
    // x codes less zero point: 4, -6. Sums: 3*4+5 = 17, 3*-6+5 = -13; -3*4+6 = -6, -3*-6+6 = 24.
    // Times 1/6 and 1/3: 2.83, -2.17, -2, 8.
    EXPECT_THAT(evaluate(network, {2, -3}), ElementsAre(3 * 0.75F, -2 * 0.75F, -2 * 0.75F, 8 * 0.75F));
    EXPECT_EQ(output_value(network).quantizer->zero_point[0], -3);
}

TEST(OnnxLayers, QLinearMatMulTakesWeightZeroPoints) {
    OnnxBuilder model({2});
    const auto s = model.real(1), z = model.whole(TensorProto::UINT8, 7);
    const auto x = model.node("QuantizeLinear", {"x", s, z});
    const auto y = model.node(
        "QLinearMatMul", {x, s, z, model.whole(TensorProto::UINT8, {130, 128, 0, 255}, {2, 2}), model.real(0.5F),
                          model.whole(TensorProto::UINT8, 128), model.real(1), model.whole(TensorProto::UINT8, 0)});
    // (1, 2) times ((2, 0), (-128, 127)) / 2 = (-127, 127), clipped at 0.
    EXPECT_THAT(evaluate(model.read(y), {1, 2}), ElementsAre(0, 127));
}

TEST(OnnxLayers, IntegerProductsGiveBareSumsAndTakeIntegerBiases) {
    OnnxBuilder model({2}, 13, TensorProto::UINT8);
    auto y = model.node("MatMulInteger", {"x", model.whole(TensorProto::INT8, {1, 2, 3, -4}, {2, 2}),
                                          model.whole(TensorProto::UINT8, 5)});
    y = model.node("Add", {y, model.whole(TensorProto::INT32, {20000001, 2}, {2})});
    y = model.node("Cast", {y}, {{"to", int64_t(TensorProto::FLOAT)}});
    const Network network = model.read(model.node("Mul", {y, model.real(0.5F)}));
    EXPECT_THAT(find_op<MatVec>(network).bias_codes, ElementsAre(20000001, 2));
    // (3, 10) less the zero point: (-2, 5). Sums: -2 + 15 + 20000001, -4 - 20 + 2.
    EXPECT_THAT(evaluate(network, {3, 10}), ElementsAre(10000007, -11));
}

TEST(OnnxLayers, ConvIntegerPadsWithTheZeroPoint) {
    OnnxBuilder model({1, 1, 3}, 13, TensorProto::UINT8);
    const auto y =
        model.node("ConvInteger",
                   {"x", model.whole(TensorProto::INT8, {1, 1, 1}, {1, 1, 1, 3}), model.whole(TensorProto::UINT8, 5)},
                   {{"pads", std::vector<int64_t>{0, 1, 0, 1}}});
    EXPECT_THAT(evaluate(model.read(y), {5, 6, 8}), ElementsAre(1, 4, 4));
}

TEST(OnnxLayers, PadsFoldIntoTheLayerBehindThem) {
    OnnxBuilder model({1, 2, 2});
    const auto padded = model.node("Pad", {"x", model.shape({0, 0, 1, 0, 0, 0, 0, 2})});
    const auto kernel = model.real({1, 1, 1, 1}, {1, 1, 2, 2});
    const Network network = model.read(model.node("Conv", {padded, kernel}));
    EXPECT_EQ(network.nodes.size(), 1U);
    EXPECT_THAT(evaluate(network, {1, 2, 3, 4}), ElementsAre(3, 2, 0, 10, 6, 0));
    EXPECT_THAT(refusal([&] { model.read(model.node("Relu", {padded})); }), HasSubstr("Pad"));
}

}  // namespace
}  // namespace bitline::test
