// Hand-computed cases of each operator but the product.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/one_node.h"

namespace bitline {
namespace {

using testing::bipolar;
using ::testing::ElementsAre;
using testing::evaluate;
using ::testing::FloatEq;
using testing::kInf;
using testing::kNan;
using testing::on_reals;
using testing::one_node;
using testing::quantized;
using testing::quantizer;

// ------------------------------------------------------------------------------------------ quantizing

TEST(Quantize, RoundsHalfToEvenAndClips) {
    const Quantize op{quantizer(4, true, 0.5F, 1)};
    EXPECT_THAT(quantized(op, {0, 0.25F, 0.75F, -0.25F, 100, -100, kInf, -kInf, kNan}),
                ElementsAre(1, 1, 3, 1, 7, -8, 7, -8, 1));
}

TEST(Quantize, ZeroPointInsideTheRounding) {
    // 0.5 + 1 = 1.5 rounds to 2; outside it would be rne(0.5) + 1 = 1.
    Quantize op{quantizer(4, true, 1, 1)};
    EXPECT_THAT(quantized(op, {0.5F}), ElementsAre(1));
    op.zero_point_inside = true;
    EXPECT_THAT(quantized(op, {0.5F, 1.5F, kNan, kInf, -kInf}), ElementsAre(2, 2, 1, 7, -8));
}

TEST(Quantize, RoundingModes) {
    const std::vector<float> x{1.5F, 2.5F, -1.5F, 1.25F, -1.75F, kNan, kInf};
    const auto with = [&](Rounding rounding) { return quantized({quantizer(4, true), rounding, false}, x); };
    EXPECT_THAT(with(Rounding::half_even), ElementsAre(2, 2, -2, 1, -2, 0, 7));
    EXPECT_THAT(with(Rounding::toward_zero), ElementsAre(1, 2, -1, 1, -1, 0, 7));
    EXPECT_THAT(with(Rounding::floor), ElementsAre(1, 2, -2, 1, -2, 0, 7));
    EXPECT_THAT(with(Rounding::ceil), ElementsAre(2, 3, -1, 2, -1, 0, 7));
    EXPECT_THAT(with(Rounding::half_up), ElementsAre(2, 3, -2, 1, -2, 0, 7));
    EXPECT_THAT(with(Rounding::half_away), ElementsAre(2, 3, -2, 1, -2, 0, 7));
    EXPECT_THAT(with(Rounding::half_down), ElementsAre(1, 2, -1, 1, -2, 0, 7));
    EXPECT_THAT(with(Rounding::away_from_zero), ElementsAre(2, 3, -2, 2, -2, 0, 7));
}

TEST(Quantize, BipolarIsTheSignWithZeroPositive) {
    Quantizer q = bipolar();
    q.scale = {100};  // a tiny negative number divided by it would be -0
    EXPECT_THAT(quantized({q}, {0, -0.0F, 2, -3, -1e-45F, kNan}), ElementsAre(1, 1, 1, -1, -1, 1));
}

TEST(Quantize, SixteenBits) {
    EXPECT_THAT(quantized({quantizer(16, false, 1, 65535)}, {0, -65535, -70000, 10}), ElementsAre(65535, 0, 0, 65535));
}

TEST(Truncate, DropsLowBits) {
    Truncate op{quantizer(4, false), 0.5F, 0, 2, Rounding::floor};
    const auto codes = [&] {
        return evaluate(one_node(op, {{"x", {6}, std::nullopt}}, {}, op.to), {{{}, {0, 1.5F, 2, 3.9F, 100, kNan}}})
            .codes;
    };
    EXPECT_THAT(codes(), ElementsAre(0, 0, 1, 2, 15, 0));  // 3.9 / 0.5 rounds to 8 before the bits are dropped
    op.rounding = Rounding::ceil;
    EXPECT_THAT(codes(), ElementsAre(0, 1, 1, 2, 15, 0));
    op.input_zero_point = 4;
    EXPECT_THAT(codes(), ElementsAre(1, 2, 2, 3, 15, 1));
}

TEST(Bucketize, CountsTheThresholdsReached) {
    const Bucketize op{{-1, 0.5F, 2}, {2, 0, 1, 3}, quantizer(2, false)};
    const Block out =
        evaluate(one_node(op, {{"x", {7}, std::nullopt}}, {}, op.to), {{{}, {-1.5F, -1, 0.4F, 0.5F, 2, 1e30F, kNan}}});
    EXPECT_THAT(out.codes, ElementsAre(2, 0, 0, 1, 3, 3, 2));
}

// ------------------------------------------------------------------------------------------ other operators

TEST(Arithmetic, EachKind) {
    using Kind = Arithmetic::Kind;
    const std::vector<float> x{1, 2, -3, 4};
    const auto with = [&](Kind kind, std::vector<float> c) {
        return on_reals(Arithmetic{kind, std::move(c)}, {2, 2}, x);
    };
    EXPECT_THAT(with(Kind::add, {1}), ElementsAre(2, 3, -2, 5));
    EXPECT_THAT(with(Kind::subtract, {1, 2}), ElementsAre(0, 1, -5, 2));
    EXPECT_THAT(with(Kind::subtract_from, {1, 2}), ElementsAre(0, -1, 5, -2));
    EXPECT_THAT(with(Kind::multiply, {1, 2, 3, 4}), ElementsAre(1, 4, -9, 16));
    EXPECT_THAT(with(Kind::divide, {2}), ElementsAre(0.5F, 1, -1.5F, 2));
    EXPECT_THAT(with(Kind::divide_into, {12}), ElementsAre(12, 6, -4, 3));
}

TEST(Arithmetic, Power) {
    const std::vector<float> x{0.5F, 3, 0, -2, 1e4F};
    const auto with = [&](float y) { return on_reals(Arithmetic{Arithmetic::Kind::power, {y}}, {5}, x); };
    EXPECT_THAT(with(2), ElementsAre(0.25F, 9, 0, 4, 1e8F));
    EXPECT_THAT(with(3), ElementsAre(0.125F, 27, 0, -8, 1e12F));
    EXPECT_THAT(with(-1), ElementsAre(2, 1.0F / 3, kInf, -0.5F, 1e-4F));
    EXPECT_THAT(with(0), ElementsAre(1, 1, 1, 1, 1));
    for (const float y : {0.5F, 1.7F, -0.3F}) {
        const auto result = with(y);
        for (const size_t i : {0, 1, 4}) EXPECT_THAT(result[i], FloatEq(std::pow(x[i], y)));
        EXPECT_EQ(result[2], y > 0 ? 0.0F : kInf);
        EXPECT_TRUE(std::isnan(result[3]));
    }
    const std::vector<float> near_one{1.001F, -1.001F};
    const auto odd = on_reals(Arithmetic{Arithmetic::Kind::power, {2047}}, {2}, near_one);
    EXPECT_THAT(odd, ElementsAre(FloatEq(std::pow(1.001F, 2047.0F)), FloatEq(-std::pow(1.001F, 2047.0F))));
}

TEST(BatchNorm, FoldsToFactorAndOffset) {
    const BatchNorm op{{2, 0.5F}, {1, -1}, {3, 0.1F}, {4, 0.7F}, 1e-3F};
    const float a0 = 2 / std::sqrt(4 + 1e-3F), a1 = 0.5F / std::sqrt(0.7F + 1e-3F);
    const float b0 = 1 - 3 * a0, b1 = -1 - 0.1F * a1;
    EXPECT_THAT(on_reals(op, {2, 1, 2}, {1, 2, 3, 4}), ElementsAre(1 * a0 + b0, 2 * a0 + b0, 3 * a1 + b1, 4 * a1 + b1));
}

TEST(Activation, EachKind) {
    using Kind = Activation::Kind;
    const std::vector<float> x{-2, -0.0F, 0.5F, 30, -30, 1e-5F};
    EXPECT_THAT(on_reals(Activation{Kind::relu}, {6}, x), ElementsAre(0, 0, 0.5F, 30, 0, 1e-5F));
    EXPECT_THAT(on_reals(Activation{Kind::clip, 0, 6}, {6}, x), ElementsAre(0, 0, 0.5F, 6, 0, 1e-5F));
    EXPECT_THAT(on_reals(Activation{Kind::clip, -kInf, 1}, {6}, x), ElementsAre(-2, 0, 0.5F, 1, -30, 1e-5F));
    EXPECT_THAT(on_reals(Activation{Kind::sign}, {6}, x), ElementsAre(-1, 0, 1, 1, -1, 1));
    const auto sigmoid = on_reals(Activation{Kind::sigmoid}, {6}, x), tanh = on_reals(Activation{Kind::tanh}, {6}, x);
    for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_THAT(sigmoid[i], FloatEq(float(1 / (1 + std::exp(-double(x[i]))))));
        EXPECT_THAT(tanh[i], FloatEq(float(std::tanh(double(x[i])))));
    }
    EXPECT_THAT(on_reals(Activation{Kind::sigmoid}, {2}, {kInf, -kInf}), ElementsAre(1, 0));
    EXPECT_THAT(on_reals(Activation{Kind::tanh}, {2}, {kInf, -kInf}), ElementsAre(1, -1));
}

TEST(Activation, SignWritesCodesWhereItsValueHasAQuantizer) {
    const Network n = one_node(Activation{Activation::Kind::sign}, {{"x", {3}, quantizer(4, false, 0.5F, 8)}}, {},
                               quantizer(2, true));
    EXPECT_THAT(evaluate(n, {{{7, 8, 9}, {}}}).codes, ElementsAre(-1, 0, 1));
}

/// 3 x 3 entries 0 .. 8, kernel 2, stride 2, one row and column of padding in front.
Pool padded_pool(Pool::Kind kind) {
    Pool pool{kind, {}, false};
    pool.window.kernel_h = pool.window.kernel_w = 2;
    pool.window.stride_h = pool.window.stride_w = 2;
    pool.window.pad_top = pool.window.pad_left = 1;
    return pool;
}

TEST(Pool, MaxIgnoresPadding) {
    const std::vector<float> x{0, -1, -2, -3, -4, -5, -6, -7, -8};
    EXPECT_THAT(on_reals(padded_pool(Pool::Kind::max), {1, 3, 3}, x), ElementsAre(0, -1, -3, -4));
}

TEST(Pool, MaxKeepsCodesAndIgnoresPaddingOfBipolarOnes) {
    const Network n = one_node(padded_pool(Pool::Kind::max), {{"x", {1, 3, 3}, bipolar()}}, {}, bipolar());
    EXPECT_THAT(evaluate(n, {{{-1, -1, 1, -1, -1, -1, -1, -1, -1}, {}}}).codes, ElementsAre(-1, 1, -1, -1));
}

TEST(Pool, AverageWithAndWithoutPadding) {
    const std::vector<float> x{0, 1, 2, 3, 4, 5, 6, 7, 8};
    Pool pool = padded_pool(Pool::Kind::average);
    EXPECT_THAT(on_reals(pool, {1, 3, 3}, x), ElementsAre(0, 1.5F, 4.5F, 6));
    pool.count_padding = true;
    EXPECT_THAT(on_reals(pool, {1, 3, 3}, x), ElementsAre(0, 0.75F, 2.25F, 6));
}

TEST(Pool, DilatedWindows) {
    const std::vector<float> x{9, 1, 2, 3, 4, 5, 6, 7, 0};
    Pool pool;
    pool.window.kernel_h = pool.window.kernel_w = 2;
    pool.window.dilation_h = pool.window.dilation_w = 2;
    EXPECT_THAT(on_reals(pool, {1, 3, 3}, x), ElementsAre(9));
    pool.window.pad_top = pool.window.pad_left = 1;  // taps at -1 and 1, 0 and 2
    EXPECT_THAT(on_reals(pool, {1, 3, 3}, x), ElementsAre(4, 5, 7, 9));
}

TEST(AddValues, AddsDequantizedCodes) {
    const Network n = one_node(AddValues{}, {{"a", {2}, quantizer(8, false, 0.1F, 3)}, {"b", {2}, std::nullopt}});
    const Block sum = evaluate(n, {{{3, 13}, {}}, {{}, {1, 0.5F}}});
    EXPECT_THAT(sum.real, ElementsAre(1, 10 * 0.1F + 0.5F));
}

TEST(Concat, JoinsAlongAnAxisPerSample) {
    const Value a{"a", {1, 2}, std::nullopt}, b{"b", {1, 1}, quantizer(4, false, 0.5F)};
    const Block x{{}, {1, 2, 5, 6}}, y{{3, 7}, {}};
    EXPECT_THAT(evaluate(one_node(Concat{1}, {a, b}), {x, y}, 2).real, ElementsAre(1, 2, 1.5F, 5, 6, 3.5F));
    const Value c{"c", {1, 2}, b.quantizer}, d{"d", {2, 2}, b.quantizer};
    const Block codes = evaluate(one_node(Concat{0}, {c, d}, {}, b.quantizer), {{{1, 2}, {}}, {{3, 4, 5, 6}, {}}});
    EXPECT_THAT(codes.codes, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Permute, MovesAxes) {
    std::vector<float> x(12);
    for (size_t i = 0; i < 12; ++i) x[i] = float(i);
    const Network n = one_node(Permute{{2, 0, 1}}, {{"x", {1, 2, 3}, std::nullopt}});
    EXPECT_THAT(evaluate(n, {{{}, x}}, 2).real, ElementsAre(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11));
}

TEST(Softmax, OverAnAxisOrAllBehindIt) {
    const std::vector<float> x{1000, 1001, 2, 5};
    const double e = std::exp(-1.0);
    const auto rows = on_reals(Softmax{-1}, {2, 2}, x);
    EXPECT_THAT(rows[0], FloatEq(float(e / (1 + e))));
    EXPECT_THAT(rows[1], FloatEq(float(1 / (1 + e))));
    EXPECT_THAT(rows[3], FloatEq(float(1 / (1 + std::exp(-3.0)))));
    const auto cols = on_reals(Softmax{0}, {2, 2}, x);
    EXPECT_THAT(cols, ElementsAre(1, 1, 0, 0));
    const auto all = on_reals(Softmax{0, true}, {2, 2}, x);
    EXPECT_THAT(all, ElementsAre(FloatEq(float(e / (1 + e))), FloatEq(float(1 / (1 + e))), 0, 0));
}

}  // namespace
}  // namespace bitline
