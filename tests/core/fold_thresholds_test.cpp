// Folding into integer thresholds: the network before is the oracle of the network after, to the bit.

#include <gmock/gmock.h>

#include <functional>

#include "core/model_io.h"
#include "core/onnx_builder.h"

namespace bitline {
namespace {

constexpr int64_t kInputs = 12;

/// One quantized layer; what follows it is appended by the tests.
struct Builder {
    Network network;
    int64_t channels;

    Builder(int64_t out_channels, const Quantizer& input, int weight_bits = 4) : channels(out_channels) {
        network.name = "folding";
        network.values.push_back({"x", {kInputs}, std::nullopt});
        network.input = 0;
        add("quantize", Quantize{input}, input);
        MatVec op;
        op.in_channels = kInputs;
        op.out_channels = channels;
        op.weight.scale = {0.03125F};
        op.weight.zero_point = {0};
        op.weight.bits = weight_bits;
        for (const int64_t code :
             test::codes(size_t(kInputs * channels), op.weight.code_min(), op.weight.code_max(), 3))
            op.codes.push_back(static_cast<int32_t>(code));
        op.bias_codes = test::codes(size_t(channels), -20, 20, 4);
        op.output = ScaleOutput{std::vector<float>(size_t(channels), input.scale[0] * 0.03125F), {}};
        add("layer", op, std::nullopt, {channels});
    }

    void add(const std::string& name, const Operator& op, const std::optional<Quantizer>& codes = std::nullopt,
             Shape shape = {}) {
        if (shape.empty()) shape = network.values.back().shape;
        const auto output = static_cast<int>(network.values.size());
        network.values.push_back({name + "_out", shape, codes});
        network.nodes.push_back({name, name, {output - 1}, output, op});
        network.output = output;
    }

    std::vector<float> constants(uint32_t seed) const { return test::numbers(size_t(channels), seed); }
};

Quantizer quantizer(int bits, bool is_signed, float scale, int32_t zero) {
    Quantizer out;
    out.bits = bits;
    out.is_signed = is_signed;
    out.scale = {scale};
    out.zero_point = {zero};
    return out;
}

Quantizer bipolar() {
    Quantizer out = quantizer(1, true, 1, 0);
    out.kind = Quantizer::Kind::bipolar;
    return out;
}

BatchNorm batch_norm(const Builder& b) {
    BatchNorm op{b.constants(5), b.constants(6), b.constants(7), b.constants(8), 0.01F};
    for (float& v : op.variance) v = v * v;
    op.gamma[0] = 0;  // a channel that does not depend on its sum
    op.gamma[1] = -op.gamma[1] - 1;
    return op;
}

std::vector<int32_t> output_codes(const Network& network, const std::vector<float>& input) {
    const auto engine = make_exact_engine(network);
    std::vector<Block> values;
    run(network, *engine, input, static_cast<int64_t>(input.size()) / kInputs, 0, &values);
    return values[size_t(network.output)].codes;
}

/// Folds, and compares codes for many inputs, from far inside to far outside of the input's range.
void expect_same_codes(const Network& before, int folded) {
    validate(before);
    Network after = before;
    EXPECT_EQ(fold_thresholds(after), folded);
    validate(after);
    std::vector<float> input = test::numbers(size_t(kInputs * 400), 9);
    for (size_t i = 0; i < input.size(); ++i) input[i] *= static_cast<float>(1U << (i / size_t(kInputs) % 6));
    EXPECT_EQ(output_codes(before, input), output_codes(after, input));
    EXPECT_EQ(after.values[size_t(after.output)].name, before.values[size_t(before.output)].name);
}

const Quantizer kInput = quantizer(4, false, 0.125F, 5);

TEST(FoldThresholds, BatchNormAndSign) {
    Builder b(40, kInput);
    b.add("norm", batch_norm(b));
    Quantizer ternary = quantizer(2, true, 1, 0);
    ternary.narrow = true;
    b.add("sign", Activation{Activation::Kind::sign}, ternary);
    expect_same_codes(b.network, 1);
    fold_thresholds(b.network);
    EXPECT_EQ(b.network.nodes.size(), 2U);
    EXPECT_EQ(b.network.nodes[1].origin, "layer+norm+sign");
    EXPECT_EQ(std::get<ThresholdOutput>(std::get<MatVec>(b.network.nodes[1].op).output).codes,
              (std::vector<int32_t>{-1, 0, 1}));
}

TEST(FoldThresholds, SignOfZeroFollowsTheOperator) {
    // acc - 3 in whole numbers: Sign gives 0 at acc = 3, BipolarQuant gives +1.
    for (const bool to_bipolar : {false, true}) {
        Builder b(2, quantizer(4, false, 32, 0));  // s_x * s_w = 1
        b.add("shift", Arithmetic{Arithmetic::Kind::subtract, {3, 3}});
        if (to_bipolar) b.add("quantize2", Quantize{bipolar()}, bipolar());
        Quantizer ternary = quantizer(2, true, 1, 0);
        if (!to_bipolar) b.add("sign", Activation{Activation::Kind::sign}, ternary);
        expect_same_codes(b.network, 1);
        fold_thresholds(b.network);
        const auto& output = std::get<ThresholdOutput>(std::get<MatVec>(b.network.nodes[1].op).output);
        const auto expected = to_bipolar ? std::vector<int64_t>{3, 3} : std::vector<int64_t>{3, 4, 3, 4};
        EXPECT_EQ(output.threshold, expected);
    }
}

TEST(FoldThresholds, ConstantArithmeticReluAndClip) {
    Builder b(33, kInput);
    b.add("add", Arithmetic{Arithmetic::Kind::add, b.constants(10)});
    b.add("from", Arithmetic{Arithmetic::Kind::subtract_from, {0.5F}});
    b.add("multiply", Arithmetic{Arithmetic::Kind::multiply, b.constants(11)});
    b.add("clip", Activation{Activation::Kind::clip, -0.75F, 0.8F});
    b.add("divide", Arithmetic{Arithmetic::Kind::divide, {-0.3F}});
    b.add("relu", Activation{Activation::Kind::relu});
    const Quantizer to = quantizer(8, true, 0.011F, -7);
    b.add("quantize2", Quantize{to}, to);
    expect_same_codes(b.network, 1);
}

TEST(FoldThresholds, EveryRoundingAndRange) {
    for (const Rounding rounding : {Rounding::half_even, Rounding::toward_zero, Rounding::floor, Rounding::ceil,
                                    Rounding::half_up, Rounding::half_down, Rounding::away_from_zero})
        for (const Quantizer& to : {quantizer(1, false, 0.25F, 0), quantizer(2, true, 0.25F, -1),
                                    quantizer(4, false, 0.06F, 9), quantizer(8, true, 0.01F, 0), bipolar()}) {
            Builder b(10, kInput);
            b.add("norm", batch_norm(b));
            b.add("quantize2", Quantize{to, rounding, rounding != Rounding::half_even}, to);
            expect_same_codes(b.network, 1);
        }
}

TEST(FoldThresholds, BiasOfTheScaleOutputIsPartOfTheChain) {
    Builder b(10, kInput);
    std::get<ScaleOutput>(std::get<MatVec>(b.network.nodes[1].op).output).bias = b.constants(12);
    b.add("norm", batch_norm(b));
    b.add("quantize2", Quantize{quantizer(4, true, 0.1F, 0)}, quantizer(4, true, 0.1F, 0));
    expect_same_codes(b.network, 1);
}

TEST(FoldThresholds, ThresholdsOutsideOfTheSumsAreNeverOrAlwaysCrossed) {
    Builder b(3, kInput);
    b.add("shift", Arithmetic{Arithmetic::Kind::add, {1e6F, -1e6F, 0}});
    b.add("quantize2", Quantize{bipolar()}, bipolar());
    expect_same_codes(b.network, 1);
}

/// What is not folded, and stays as it was.
void expect_untouched(Network network) {
    validate(network);
    const Network before = network;
    EXPECT_EQ(fold_thresholds(network), 0);
    EXPECT_EQ(network, before);
}

TEST(FoldThresholds, ChainsThatStay) {
    const Quantizer eight = quantizer(8, true, 0.01F, 0), nine = quantizer(9, true, 0.01F, 0);
    Builder plain(4, kInput);
    plain.add("relu", Activation{Activation::Kind::relu});
    plain.add("scale", Arithmetic{Arithmetic::Kind::multiply, {2}});
    plain.add("quantize2", Quantize{eight}, eight);
    expect_untouched(plain.network);

    Builder wide(4, kInput);
    wide.add("norm", batch_norm(wide));
    wide.add("quantize2", Quantize{nine}, nine);
    expect_untouched(wide.network);

    Builder power(4, kInput);
    power.add("norm", batch_norm(power));
    power.add("power", Arithmetic{Arithmetic::Kind::power, {2}});
    power.add("quantize2", Quantize{eight}, eight);
    expect_untouched(power.network);

    Builder real(4, kInput);
    real.add("norm", batch_norm(real));
    expect_untouched(real.network);

    Builder shared(4, kInput);  // the sum itself is read twice
    shared.add("norm", batch_norm(shared));
    const auto norm = shared.network.output;
    shared.add("quantize2", Quantize{eight}, eight);
    shared.network.values.push_back({"total", {4}, std::nullopt});
    shared.network.nodes.push_back({"total", "", {shared.network.output, norm}, norm + 2, AddValues{}});
    shared.network.output = norm + 2;
    expect_untouched(shared.network);

    Builder overflow(4, kInput);  // a number on the way is infinite
    overflow.add("huge", Arithmetic{Arithmetic::Kind::multiply, std::vector<float>(4, 3e38F)});
    overflow.add("huge2", Arithmetic{Arithmetic::Kind::multiply, {3e38F}});
    overflow.add("quantize2", Quantize{eight}, eight);
    expect_untouched(overflow.network);
}

TEST(FoldThresholds, ConvolutionsFoldPerChannel) {
    test::OnnxBuilder model({2, 5, 5});
    auto y = model.quantized("x", 0.1F, onnx::TensorProto::INT8, 4);
    const auto stored = model.whole(onnx::TensorProto::INT8, test::codes(3 * 2 * 9, -128, 127), {3, 2, 3, 3});
    const auto w = model.node("DequantizeLinear", {stored, model.real(0.02F)});
    y = model.node("Conv", {y, w}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    const auto tail = [&](const std::string& chain) {
        return model.quantized(chain, 0.3F, onnx::TensorProto::UINT8, 7);
    };
    const auto c = model.real({0.5F, -1.5F, 2}, {3, 1, 1});
    const Network folded = model.read(tail(model.node("Mul", {y, c})));
    EXPECT_TRUE(std::holds_alternative<ThresholdOutput>(test::find_op<MatVec>(folded).output));
    // A second reader of the product keeps the chain as it is: the same numbers without thresholds.
    const auto product = model.node("Mul", {y, c});
    const auto q = tail(product);
    const auto zero = model.node("Mul", {model.node("Relu", {product}), model.real(0)});
    const Network plain = model.read(model.node("Add", {q, zero}));
    EXPECT_FALSE(std::holds_alternative<ThresholdOutput>(test::find_op<MatVec>(plain).output));
    const auto x = test::numbers(2 * 25 * 8, 21);
    EXPECT_EQ(test::evaluate(folded, x), test::evaluate(plain, x));
}

}  // namespace
}  // namespace bitline
