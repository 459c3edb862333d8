// What makes each method itself: its equation on numbers worked out by hand, its gradient, its levels.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "core/error.h"
#include "support/method_numbers.h"
#include "support/moments.h"
#include "training/method.h"

namespace bitline::training {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using testing::normal_numbers;
using ::testing::Pointwise;
using testing::real_weights;

std::unique_ptr<WeightQuantizer> weights_of(const std::string& method, int bits, int64_t channels = 1) {
    return find_method(method).make({})->weights({"layer", bits, channels, false, 1});
}

std::unique_ptr<InputQuantizer> inputs_of(const std::string& method, int bits, bool negative = false,
                                          int64_t features = 1) {
    return find_method(method).make({})->inputs({"layer", bits, 1, negative, features});
}

struct Result {
    QuantizedWeights quantized;
    std::vector<float> real;
};

Result quantize(WeightQuantizer& quantizer, const std::vector<float>& w, int64_t channels = 1, bool adapt = false) {
    Result result;
    quantizer.quantize(w, adapt, result.quantized);
    result.real = real_weights(result.quantized, channels);
    return result;
}

Result quantize(const std::string& method, int bits, const std::vector<float>& w, int64_t channels = 1) {
    const auto quantizer = weights_of(method, bits, channels);
    quantizer->start(w);
    return quantize(*quantizer, w, channels);
}

std::vector<float> weight_gradient(const std::string& method, int bits, const std::vector<float>& w,
                                   const std::vector<float>& gradient, int64_t channels = 1) {
    const auto quantizer = weights_of(method, bits, channels);
    quantizer->start(w);
    const Result result = quantize(*quantizer, w, channels);
    std::vector<float> out(w.size());
    quantizer->backward(w, result.quantized, gradient, out);
    return out;
}

std::vector<float> forward(const InputQuantizer& quantizer, const std::vector<float>& x) {
    std::vector<float> out(x.size());
    quantizer.forward(x, out);
    return out;
}

struct InputGradients {
    std::vector<float> x;
    std::vector<double> parameters;
};

InputGradients backward(InputQuantizer& quantizer, const std::vector<float>& x, const std::vector<float>& gradient) {
    InputGradients out{std::vector<float>(x.size()), std::vector<double>(quantizer.parameters().size())};
    quantizer.backward(x, gradient, out.x, out.parameters);
    return out;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    return sum;
}

std::set<float> distinct(const std::vector<float>& x) { return {x.begin(), x.end()}; }

std::vector<float> uniform_numbers(size_t count, float low, float high, uint64_t seed = 4) {
    PhiloxEngine engine(stream_key(seed, 0, Purpose::test), 0, 0, 0);
    std::vector<float> numbers(count);
    for (float& x : numbers) x = low + (high - low) * float(uniform(engine()));
    return numbers;
}

/// Squared error of the grid scale * {-top .. top} (whole numbers, or every second one) for the best of many scales.
double best_uniform_error(const std::vector<float>& w, int top, bool odd) {
    double best = std::numeric_limits<double>::infinity();
    for (double scale = 0.01; scale < 4; scale *= 1.01) {
        double error = 0;
        for (const float x : w) {
            const double scaled = std::clamp(double(x) / scale, -double(top), double(top));
            const double code = odd ? 2 * std::nearbyint((scaled - top) / 2) + top : std::nearbyint(scaled);
            error += (double(x) - code * scale) * (double(x) - code * scale);
        }
        best = std::min(best, error);
    }
    return best;
}

// ---------------------------------------------------------------------------------------------- ste

TEST(Ste, RoundsToTheNearestCodeOfEachChannel) {
    // The largest of each channel is the code 7: among these numbers, all whole, no range has a smaller error.
    const std::vector<float> w{7, -3, 2.4F, 0, 14, -14, 5, 2};
    const Result result = quantize("ste", 4, w, 2);
    EXPECT_THAT(result.quantized.planes[0].codes, ElementsAre(7, -3, 2, 0, 7, -7, 2, 1));  // 2.5 and 1: half to even
    EXPECT_THAT(result.quantized.planes[0].quantizer.scale, ElementsAre(FloatEq(1), FloatEq(2)));
    EXPECT_TRUE(result.quantized.planes[0].quantizer.narrow);
}

TEST(Ste, ChoosesTheRangeOfLeastSquares) {
    const std::vector<float> w = normal_numbers(20000, 1);
    for (const int bits : {2, 3, 4}) {
        const double own = squared_error(quantize("ste", bits, w).real, w);
        const double best = best_uniform_error(w, (1 << (bits - 1)) - 1, false);
        EXPECT_LT(own, 1.03 * best) << bits;
        EXPECT_GE(own, 0.999 * best) << bits;
    }
}

TEST(Ste, LetsTheRangeFollowTheWeights) {
    const auto quantizer = weights_of("ste", 2);
    quantizer->start(uniform_numbers(4000, -1, 1));
    const std::vector<float> w = normal_numbers(4000, 0.2F);  // another shape, another size
    const double stale = squared_error(quantize(*quantizer, w).real, w);
    for (int step = 0; step < 40; ++step) quantize(*quantizer, w, 1, true);
    const double own = squared_error(quantize(*quantizer, w).real, w),
                 best = squared_error(quantize("ste", 2, w).real, w);
    EXPECT_LT(own, 1.03 * best);
    EXPECT_GT(stale, 1.2 * best);
}

TEST(Ste, LetsEveryWeightGradientThrough) {
    const std::vector<float> w = normal_numbers(100, 1), g = normal_numbers(100, 1, 2);
    EXPECT_EQ(weight_gradient("ste", 2, w, g), g);
}

TEST(Ste, KeepsGradientsInsideTheRangeOnly) {
    const auto quantizer = inputs_of("ste", 4);
    quantizer->observe({std::vector<float>{15, 0, 1, 2, 3}}, true);  // step 1: no error at all
    EXPECT_THAT(forward(*quantizer, {-1, 0.4F, 0.6F, 14.6F, 16}), ElementsAre(0, 0, 1, 15, 15));
    EXPECT_THAT(backward(*quantizer, {-0.1F, 0, 7, 15, 15.1F}, {1, 2, 3, 4, 5}).x, ElementsAre(0, 2, 3, 4, 0));

    const auto both = inputs_of("ste", 4, true);
    both->observe({std::vector<float>{7, -7, 1, 2}}, true);
    EXPECT_THAT(forward(*both, {-9, -0.6F, 0.4F, 8}), ElementsAre(-7, -1, 0, 7));
    EXPECT_THAT(backward(*both, {-7.1F, -7, 0, 7, 7.1F}, {1, 2, 3, 4, 5}).x, ElementsAre(0, 2, 3, 4, 0));
}

TEST(Ste, MovesInputRangesByATwentiethOfTheWay) {
    const auto quantizer = inputs_of("ste", 4);
    quantizer->observe(std::vector<float>{15, 0, 1, 2, 3}, true);
    quantizer->observe(std::vector<float>{30, 0, 2, 4, 6}, false);
    EXPECT_THAT(quantizer->states()[0]->value, ElementsAre(FloatEq(0.95F * 15 + 0.05F * 30)));
    quantizer->observe(std::vector<float>{45, 0, 3, 6, 9}, true);
    EXPECT_THAT(quantizer->states()[0]->value, ElementsAre(FloatEq(45)));
}

TEST(Ste, SeesEveryPartOfALargeBatch) {
    std::vector<float> x(1 << 20, 0.5F);
    for (size_t i = 0; i < x.size(); i += 32) x[i] = 0;  // a column of images 32 wide: must not fill the sample
    const auto quantizer = inputs_of("ste", 8);
    quantizer->observe(x, true);
    EXPECT_NEAR(quantizer->states()[0]->value[0], 0.5, 1e-6);
    for (float& v : x) v = v == 0 ? 100.0F : 0.0F;
    quantizer->observe(x, true);
    EXPECT_NEAR(quantizer->states()[0]->value[0], 100, 1e-3);
}

// ---------------------------------------------------------------------------------------------- signs

TEST(BinaryConnect, TakesSignsAndLimitsWeights) {
    const std::vector<float> w{-2, -0.1F, -0.0F, 0, 0.3F, 5};
    const Result result = quantize("binaryconnect", 1, w);
    EXPECT_THAT(result.real, ElementsAre(-1, -1, 1, 1, 1, 1));
    EXPECT_EQ(result.quantized.planes[0].quantizer.kind, Quantizer::Kind::bipolar);
    EXPECT_EQ(weights_of("binaryconnect", 1)->weight_limit(), 1);
    EXPECT_THAT(weight_gradient("binaryconnect", 1, w, {1, 2, 3, 4, 5, 6}), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Bnn, TakesSignsOfInputsWithTheGradientOfHardTanh) {
    const auto quantizer = inputs_of("bnn", 1, true);
    EXPECT_THAT(forward(*quantizer, {-3, -1e-30F, -0.0F, 0, 2}), ElementsAre(-1, -1, 1, 1, 1));
    const float above = std::nextafter(1.0F, 2.0F);
    EXPECT_THAT(backward(*quantizer, {-above, -1, 0, 1, above}, {1, 2, 3, 4, 5}).x, ElementsAre(0, 2, 3, 4, 0));
    EXPECT_THAT(quantize("bnn", 1, {-0.5F, 0, 2}).real, ElementsAre(-1, 1, 1));
    EXPECT_EQ(weights_of("bnn", 1)->weight_limit(), 1);
    EXPECT_EQ(*find_method("bnn").make({})->activation(), (Activation{Activation::Kind::clip, -1, 1}));
}

TEST(Xnor, ScalesEachChannelByItsMeanMagnitude) {
    const std::vector<float> w{0.1F, -0.3F, 0.5F, -2, 2, 4};
    const Result result = quantize("xnor", 1, w, 2);
    EXPECT_THAT(result.quantized.planes[0].codes, ElementsAre(1, -1, 1, -1, 1, 1));
    EXPECT_THAT(result.quantized.planes[0].quantizer.scale, ElementsAre(FloatEq(0.3F), FloatEq(8.0F / 3)));
}

TEST(Xnor, HasThePapersGradient) {
    // g (1/n + alpha [|w| <= 1]) with n = 3, alpha = 0.3 and 8/3
    const std::vector<float> w{0.1F, -0.3F, 0.5F, -2, 1, 5};
    EXPECT_THAT(weight_gradient("xnor", 1, w, {1, -2, 3, 4, 5, 6}, 2),
                Pointwise(FloatNear(1e-5F), {1 / 3.0F + 0.3F, -2 * (1 / 3.0F + 0.3F), 3 * (1 / 3.0F + 0.3F), 4 / 3.0F,
                                             5 * (1 / 3.0F + 8 / 3.0F), 2.0F}));
}

// ---------------------------------------------------------------------------------------------- ternary

TEST(Ternary, KeepsWhatLiesAboveTheThreshold) {
    // mean |w| = 0.5, threshold 0.35; channel 2: mean 2, threshold 1.4
    const std::vector<float> w{1, -0.6F, 0.3F, -0.1F, 1.3F, -1.5F, 2.2F, -3};
    const Result result = quantize("ternary", 2, w, 2);
    EXPECT_THAT(result.quantized.planes[0].codes, ElementsAre(1, -1, 0, 0, 0, -1, 1, -1));
    EXPECT_THAT(result.quantized.planes[0].quantizer.scale, ElementsAre(FloatEq(0.8F), FloatEq(6.7F / 3)));
    EXPECT_THAT(weight_gradient("ternary", 2, w, w, 2), Pointwise(FloatEq(), w));
}

TEST(Ternary, ThresholdIsNearlyTheBestThereIs) {
    for (const auto& w : {normal_numbers(20000, 1), uniform_numbers(20000, -1, 1)}) {
        std::vector<double> sorted;
        for (const float x : w) sorted.push_back(std::abs(double(x)));
        std::sort(sorted.rbegin(), sorted.rend());
        double kept = 0, gain = 0, total = 0;  // |w - a t|^2 = |w|^2 - (sum of kept)^2 / number of kept
        for (size_t n = 0; n < sorted.size(); ++n) {
            kept += sorted[n];
            gain = std::max(gain, kept * kept / double(n + 1));
            total += sorted[n] * sorted[n];
        }
        const double best = total - gain, own = squared_error(quantize("ternary", 2, w).real, w);
        EXPECT_GE(own, best * 0.99999);
        EXPECT_LT(own, 1.01 * best);
    }
}

// ---------------------------------------------------------------------------------------------- dorefa

TEST(DoReFa, WeightsAreOddCodesOfTanh) {
    const std::vector<float> w = normal_numbers(500, 0.8F);
    float largest = 0;
    for (const float x : w) largest = std::max(largest, std::abs(x));
    for (const int bits : {2, 3, 4, 8}) {
        const Result result = quantize("dorefa", bits, w);
        const double n = double((1 << bits) - 1);
        int unlike = 0;
        for (size_t i = 0; i < w.size(); ++i) {
            const double share = std::tanh(double(w[i])) / (2 * std::tanh(double(largest))) + 0.5;
            const double expected = 2 * std::nearbyint(n * share) / n - 1;
            unlike += std::abs(double(result.real[i]) - expected) > 1e-6 ? 1 : 0;  // a tie may go the other way
            EXPECT_EQ(std::abs(result.quantized.planes[0].codes[i]) % 2, 1);
        }
        EXPECT_LE(unlike, 1) << bits;
        EXPECT_EQ(result.quantized.planes[0].quantizer.bits, bits + 1);
        const auto outermost =
            size_t(std::find_if(w.begin(), w.end(), [&](float x) { return std::abs(x) == largest; }) - w.begin());
        EXPECT_EQ(result.quantized.planes[0].codes[outermost], w[outermost] > 0 ? int(n) : -int(n));
        EXPECT_LE(distinct(result.real).size(), size_t(1) << bits);
        EXPECT_GE(distinct(result.real).size(), std::min<size_t>(size_t(1) << bits, 16));
    }
}

TEST(DoReFa, WeightsDoNotDependOnTinySizes) {
    const std::vector<float> w = normal_numbers(100, 1e-12F);  // tanh w = w
    float largest = 0;
    for (const float x : w) largest = std::max(largest, std::abs(x));
    const Result result = quantize("dorefa", 4, w);
    for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(result.real[i], w[i] / largest, 1.0 / 15 + 1e-6);
}

TEST(DoReFa, WeightGradientIsThatOfTheSmoothPart) {
    const std::vector<float> w{-1.5F, -0.2F, 1e-4F, 0.4F, 2};
    const double largest = std::tanh(2.0);
    const std::vector<float> gradient = weight_gradient("dorefa", 3, w, {1, 1, 1, 1, 1});
    for (size_t i = 0; i < w.size(); ++i) {
        const double h = 1e-5, x = double(w[i]);  // w_q without rounding: tanh(w) / max
        EXPECT_NEAR(gradient[i], (std::tanh(x + h) - std::tanh(x - h)) / (2 * h) / largest, 1e-5) << w[i];
    }
}

TEST(DoReFa, OneBitWeightsHaveTheLayersMean) {
    const std::vector<float> w{1, -2, 3, 0};
    const Result result = quantize("dorefa", 1, w, 2);
    EXPECT_THAT(result.real, ElementsAre(1.5F, -1.5F, 1.5F, 1.5F));
    EXPECT_TRUE(result.quantized.planes[0].quantizer.per_tensor());
    EXPECT_THAT(weight_gradient("dorefa", 1, w, w, 2), Pointwise(FloatEq(), w));
}

TEST(DoReFa, InputsLieBetweenZeroAndOne) {
    const auto two = inputs_of("dorefa", 2);
    EXPECT_THAT(forward(*two, {-1, 0.1F, 0.2F, 0.6F, 0.9F, 7}),
                Pointwise(FloatEq(), {0.0F, 0.0F, 1 / 3.0F, 2 / 3.0F, 1.0F, 1.0F}));
    EXPECT_THAT(backward(*two, {-0.1F, 0, 0.5F, 1, 1.1F}, {1, 2, 3, 4, 5}).x, ElementsAre(0, 2, 3, 4, 0));
    EXPECT_THAT(forward(*inputs_of("dorefa", 1), {-1, 0.4F, 0.6F, 2}), ElementsAre(0, 0, 1, 1));
    EXPECT_THAT(forward(*inputs_of("dorefa", 2, true), {-3, -0.6F, 0.4F, 0.6F}), ElementsAre(-1, -1, 0, 1));
    EXPECT_THAT(forward(*inputs_of("dorefa", 1, true), {-3, -0.6F, 0.4F, 0.6F}), ElementsAre(-1, -1, 1, 1));
}

Tensor gradients(int64_t samples) {
    Tensor tensor;
    tensor.resize({6}, samples);
    for (int64_t s = 0; s < samples; ++s) {
        const std::vector<float> g{0.9F, -0.31F, 0.05F, 0, -0.9F, 0.6F};
        std::copy(g.begin(), g.end(), tensor.sample(s));
    }
    return tensor;
}

TEST(DoReFa, GradientsAreUnbiasedOnFewLevels) {
    for (const int bits : {1, 2, 4}) {
        const auto method = find_method("dorefa").make({bits});
        const int64_t samples = 20000;
        const Tensor before = gradients(samples);
        Tensor after = before;
        method->quantize_gradient({true, false, 11, 3}, 2, after);
        const double n = double((1 << bits) - 1), step = 2 * 0.9 / n;
        std::set<float> levels;
        for (size_t i = 0; i < 6; ++i) {
            testing::Moments moments;
            for (int64_t s = 0; s < samples; ++s) {
                const float g = after.sample(s)[i];
                levels.insert(g);
                moments.add(double(g));
                EXPECT_LE(std::abs(double(g) - double(before.sample(s)[i])), step * 1.0001);
            }
            // 4.5 standard errors; the ends of the range come out exactly
            const double error = 4.5 * std::sqrt(moments.variance() / double(samples)) + 1e-6;
            EXPECT_NEAR(moments.mean, double(before.sample(0)[i]), error) << bits << " bits, " << i;
        }
        EXPECT_LE(levels.size(), size_t(1) << bits);
        EXPECT_NEAR(*levels.rbegin(), 0.9, 1e-6);
    }
}

TEST(DoReFa, GradientsScaleBySampleAndNoiseByPlace) {
    const auto method = find_method("dorefa").make({4});
    Tensor large = gradients(20);
    for (float& g : large.values) g *= 1000;
    for (int64_t i = 0; i < 6; ++i) large.sample(7)[i] = 0;
    Tensor again = large, other_step = large, other_layer = large;
    const Pass pass{true, false, 11, 3}, next{true, false, 11, 4};
    method->quantize_gradient(pass, 2, large);
    method->quantize_gradient(pass, 2, again);
    method->quantize_gradient(next, 2, other_step);
    method->quantize_gradient(pass, 3, other_layer);
    EXPECT_EQ(large.values, again.values);
    EXPECT_NE(large.values, other_step.values);
    EXPECT_NE(large.values, other_layer.values);
    EXPECT_THAT((std::vector<float>(large.sample(7), large.sample(8))), Each(0.0F));
    EXPECT_NEAR(large.sample(3)[0], 900, 1e-3);

    EXPECT_TRUE(method->quantizes_gradients());
    EXPECT_FALSE(find_method("dorefa").make({})->quantizes_gradients());
    Tensor broken = gradients(1);
    broken.values[2] = std::numeric_limits<float>::quiet_NaN();
    method->quantize_gradient(pass, 2, broken);
    EXPECT_TRUE(std::isnan(broken.values[2]));
    EXPECT_THROW(find_method("dorefa").make({9}), ConfigError);
    EXPECT_THROW(find_method("dorefa").make({0}), ConfigError);
}

// ---------------------------------------------------------------------------------------------- lq-net

TEST(LqNet, BeatsEveryUniformQuantizerOnNormalWeights) {
    const std::vector<float> w = normal_numbers(40000, 1);
    const double own = squared_error(quantize("lq-net", 2, w).real, w);
    EXPECT_LT(own, 0.995 * best_uniform_error(w, 3, true));  // 4 uniform levels
    EXPECT_LT(own, 0.65 * best_uniform_error(w, 1, false));  // 2 bits with a level at 0
    // The best 4 levels for a normal distribution leave 0.1175 of its variance (Max 1960), and are such a basis.
    EXPECT_NEAR(own / double(w.size()), 0.1175, 0.002);
}

TEST(LqNet, AlternationNeverRaisesTheError) {
    for (const int bits : {1, 2, 3, 4}) {
        const std::vector<float> w = normal_numbers(3000, 0.1F);
        const auto quantizer = weights_of("lq-net", bits);
        quantizer->start(w);
        const double settled = squared_error(quantize(*quantizer, w).real, w);
        std::vector<float>& basis = quantizer->states()[0]->value;
        for (size_t j = 0; j < basis.size(); ++j) basis[j] = 0.02F * float(j + 1);  // from somewhere else
        double last = squared_error(quantize(*quantizer, w).real, w);
        const double first = last;
        for (int step = 0; step < 200; ++step) {
            const double error = squared_error(quantize(*quantizer, w, 1, true).real, w);
            EXPECT_LE(error, last * (1 + 1e-6)) << "bits " << bits << ", step " << step;
            last = error;
        }
        EXPECT_LT(last, first);
        EXPECT_LT(last, 1.35 * settled) << bits;  // another valley of the same depth, or nearly so
    }
}

TEST(LqNet, FollowsItsFitByATenth) {
    const std::vector<float> w{1, -1, 3, -3};  // exact with v = (1, 2)
    const auto quantizer = weights_of("lq-net", 2);
    quantizer->states()[0]->value = {0.9F, 2.2F};  // same bits, so the fit is (1, 2)
    quantize(*quantizer, w, 1, true);
    EXPECT_THAT(quantizer->states()[0]->value, ElementsAre(FloatNear(0.91F, 1e-5F), FloatNear(2.18F, 1e-5F)));
}

TEST(LqNet, TakesTheNearestOfItsLevels) {
    const auto quantizer = weights_of("lq-net", 3);
    quantizer->states()[0]->value = {0.5F, 0.7F, 0.9F};  // 0.5 + 0.7 > 0.9: levels are not in the order of the bits
    const std::vector<float> w = normal_numbers(2000, 1);
    const Result result = quantize(*quantizer, w);
    ASSERT_EQ(result.quantized.planes.size(), 3U);
    for (size_t i = 0; i < w.size(); ++i) {
        float nearest = 100;
        for (int p = 0; p < 8; ++p) {
            const float level = float(p & 1 ? 0.5 : -0.5) + float(p & 2 ? 0.7 : -0.7) + float(p & 4 ? 0.9 : -0.9);
            if (std::abs(level - w[i]) < std::abs(nearest - w[i])) nearest = level;
        }
        EXPECT_NEAR(result.real[i], nearest, 1e-6) << w[i];
    }
}

TEST(LqNet, InputsAreBinaryPlanes) {
    const auto quantizer = inputs_of("lq-net", 2);
    quantizer->states()[0]->value = {1, 3};  // levels 0, 1, 3, 4
    EXPECT_THAT(forward(*quantizer, {-5, 0.4F, 0.6F, 1.9F, 2.1F, 3.4F, 3.6F, 99}), ElementsAre(0, 0, 1, 1, 3, 3, 4, 4));
    const std::vector<Operator> planes = quantizer->planes();
    ASSERT_EQ(planes.size(), 2U);
    const auto& low = std::get<Bucketize>(planes[0]);
    const auto& high = std::get<Bucketize>(planes[1]);
    EXPECT_THAT(low.threshold, ElementsAre(0.5F, 2, 3.5F));
    EXPECT_THAT(low.codes, ElementsAre(0, 1, 0, 1));
    EXPECT_THAT(high.threshold, ElementsAre(2));
    EXPECT_THAT(high.codes, ElementsAre(0, 1));
    EXPECT_EQ(high.to.scale[0], 3);
    EXPECT_THAT(backward(*quantizer, {-1, 2, 4, 4.1F}, {1, 2, 3, 4}).x, ElementsAre(1, 2, 3, 0));

    const auto both = inputs_of("lq-net", 2, true);
    both->states()[0]->value = {1, 3};  // levels -4, -2, 2, 4
    EXPECT_THAT(forward(*both, {-9, -2.9F, -0.1F, 0.1F, 3.1F}), ElementsAre(-4, -2, -2, 2, 4));
}

TEST(LqNet, FitsInputsBetterThanUniformCodes) {
    std::vector<float> half = normal_numbers(16384, 1, 5), grouped = normal_numbers(16384, 0.03F, 6);
    for (float& x : half) x = std::max(x, 0.0F);
    for (size_t i = 0; i < grouped.size(); ++i) grouped[i] += std::array{0.0F, 0.25F, 1.0F, 1.25F}[i % 4];
    const auto gain = [](const std::vector<float>& x) {
        const auto lq = inputs_of("lq-net", 2), ste = inputs_of("ste", 2);
        lq->observe(x, true);
        ste->observe(x, true);
        return squared_error(forward(*ste, x), x) / squared_error(forward(*lq, x), x);
    };
    EXPECT_GT(gain(half), 1);
    EXPECT_GT(gain(grouped), 5);
}

// ---------------------------------------------------------------------------------------------- pact

TEST(Pact, ClipsAtAlphaAndLearnsIt) {
    const auto quantizer = inputs_of("pact", 2);
    quantizer->observe(std::vector<float>{0, 1.5F, 6, 2}, true);
    Parameter& alpha = *quantizer->parameters()[0];
    EXPECT_EQ(alpha.name, "alpha");
    EXPECT_THAT(alpha.value, ElementsAre(6));
    EXPECT_EQ(alpha.decay, 1);
    EXPECT_GT(alpha.low, 0);
    quantizer->observe(std::vector<float>{9}, false);  // from now on only its gradient moves it
    EXPECT_THAT(alpha.value, ElementsAre(6));

    EXPECT_THAT(forward(*quantizer, {-1, 0.9F, 1.1F, 5.1F, 8}), Pointwise(FloatEq(), {0.0F, 0.0F, 2.0F, 6.0F, 6.0F}));
    const InputGradients g = backward(*quantizer, {-1, 0, 3, 6, 7}, {1, 2, 4, 8, 16});
    EXPECT_THAT(g.x, ElementsAre(0, 2, 4, 0, 0));
    EXPECT_THAT(g.parameters, ElementsAre(24));
    EXPECT_EQ(quantize("pact", 3, {0.5F, -0.2F, 0.1F}).real, quantize("dorefa", 3, {0.5F, -0.2F, 0.1F}).real);
}

TEST(Pact, ClipsBothSidesOfInputsThatCanBeNegative) {
    const auto quantizer = inputs_of("pact", 3, true);
    quantizer->observe(std::vector<float>{-6, 3}, true);
    EXPECT_THAT(forward(*quantizer, {-9, -1.1F, 0.9F, 7}), Pointwise(FloatEq(), {-6.0F, -2.0F, 0.0F, 6.0F}));
    const InputGradients g = backward(*quantizer, {-7, -6, -1, 5, 6}, {1, 2, 4, 8, 16});
    EXPECT_THAT(g.x, ElementsAre(0, 0, 4, 8, 0));
    EXPECT_THAT(g.parameters, ElementsAre(16 - 3));
}

// ---------------------------------------------------------------------------------------------- lsq

TEST(Lsq, StartsItsStepsAtTwiceTheMean) {
    const std::vector<float> w{1, -2, 3, -2};
    const auto weights = weights_of("lsq", 3);
    weights->start(w);
    EXPECT_THAT(weights->parameters()[0]->value, ElementsAre(FloatEq(float(2 * 2 / std::sqrt(3.0)))));
    EXPECT_EQ(weights->parameters()[0]->name, "step");
    EXPECT_EQ(weights->parameters()[0]->decay, 0);
    const auto inputs = inputs_of("lsq", 3);
    inputs->observe(std::vector<float>{1, 2, 3, 2}, true);
    EXPECT_THAT(inputs->parameters()[0]->value, ElementsAre(FloatEq(float(2 * 2 / std::sqrt(7.0)))));
    inputs->observe(std::vector<float>{100}, false);
    EXPECT_THAT(inputs->parameters()[0]->value, ElementsAre(FloatEq(float(2 * 2 / std::sqrt(7.0)))));
}

TEST(Lsq, UsesTheWholeSignedRange) {
    const auto quantizer = weights_of("lsq", 2);
    quantizer->parameters()[0]->value = {0.5F};
    const Result result = quantize(*quantizer, {-9, -1, -0.6F, 0.2F, 0.4F, 9});
    EXPECT_THAT(result.quantized.planes[0].codes, ElementsAre(-2, -2, -1, 0, 1, 1));
}

/// Equation 3 with s = 0.5, Q_N = 2, Q_P = 1: (round(v/s) - v/s), -Q_N, Q_P; g = 1 / sqrt(N Q_P).
TEST(Lsq, StepGradientIsThePapers) {
    const auto quantizer = weights_of("lsq", 2);
    quantizer->parameters()[0]->value = {0.5F};
    const std::vector<float> w{-9, -1, -0.6F, 0.2F, 0.4F, 9}, c{1, 10, 100, 1000, 10000, 100000};
    QuantizedWeights quantized;
    quantizer->quantize(w, false, quantized);
    std::vector<float> gradient(6);
    quantizer->backward(w, quantized, c, gradient);
    const double sum = -2 * 1 - 2 * 10 + (-1 + 1.2) * 100 + (0 - 0.4) * 1000 + (1 - 0.8) * 10000 + 1 * 100000;
    EXPECT_NEAR(quantizer->parameters()[0]->gradient[0], sum / std::sqrt(6.0), 0.05);
    EXPECT_THAT(gradient, ElementsAre(0, 0, 100, 1000, 10000, 0));
}

/// Where round() is let through as the identity, v_q(s) = s (round(u) + v / s - u) with u = v / s at the working point.
TEST(Lsq, StepGradientIsThatOfTheSmoothPart) {
    const std::vector<float> x = normal_numbers(400, 1, 9), c = normal_numbers(400, 1, 10);
    for (const bool negative : {false, true}) {
        const auto quantizer = inputs_of("lsq", 3, negative, 50);
        const double step = 0.37, low = negative ? -4 : 0, high = negative ? 3 : 7;
        quantizer->parameters()[0]->value = {float(step)};
        const auto cost = [&](double s) {
            double sum = 0;
            for (size_t i = 0; i < x.size(); ++i) {
                const double u = double(x[i]) / step, clipped = std::clamp(u, low, high);
                const bool inside = u > low && u < high;
                sum += double(c[i]) * s * (inside ? std::nearbyint(u) + double(x[i]) / s - u : clipped);
            }
            return sum;
        };
        const double h = 1e-4, expected = (cost(step + h) - cost(step - h)) / (2 * h) / std::sqrt(50 * high);
        EXPECT_NEAR(backward(*quantizer, x, c).parameters[0], expected, 1e-4 * std::abs(expected) + 1e-5);
    }
}

// ---------------------------------------------------------------------------------------------- power of two

TEST(PowerOfTwo, HasPowersAndZeroOnly) {
    for (const int bits : {2, 3, 4, 5}) {
        const Result result = quantize("power-of-two", bits, normal_numbers(100000, 1));
        const std::vector<int32_t>& codes = result.quantized.planes[0].codes;
        for (const int32_t code : codes) EXPECT_EQ(std::abs(code) & (std::abs(code) - 1), 0) << code;
        const int exponents = (1 << (bits - 1)) - 1;
        EXPECT_EQ(*std::max_element(codes.begin(), codes.end()), 1 << (exponents - 1));
        EXPECT_EQ(result.quantized.planes[0].quantizer.bits, exponents + 1);
        EXPECT_LE(distinct(result.real).size(), size_t(2 * exponents + 1));
        EXPECT_GE(distinct(result.real).size(), size_t(std::min(2 * exponents + 1, 15)));
    }
}

TEST(PowerOfTwo, TakesTheNearestPower) {
    const auto quantizer = weights_of("power-of-two", 4);  // 0, 1, 2, ..., 64
    std::vector<float> w{64};
    for (float x = -70; x < 70; x += 0.37F) w.push_back(x);
    for (const float x : {0.49F, 0.51F, 1.49F, 1.51F, 2.9F, 3.1F, -47.0F, -49.0F}) w.push_back(x);
    quantizer->states()[0]->value = {64.0F / 70};
    w.push_back(-70);  // the range's end, so that the step is 1
    const Result result = quantize(*quantizer, w);
    EXPECT_FLOAT_EQ(result.quantized.planes[0].quantizer.scale[0], 1);
    for (size_t i = 0; i < w.size(); ++i) {
        float nearest = 0;
        for (float level = 1; level <= 64; level *= 2) {
            for (const float candidate : {level, -level}) {
                if (std::abs(candidate - w[i]) < std::abs(nearest - w[i])) nearest = candidate;
            }
        }
        EXPECT_NEAR(std::abs(result.real[i] - w[i]), std::abs(nearest - w[i]), 1e-4) << w[i];
    }
}

TEST(PowerOfTwo, FitsNormalWeightsBetterThanThreeLevels) {
    const std::vector<float> w = normal_numbers(20000, 1);
    const double three = squared_error(quantize("power-of-two", 2, w).real, w);
    const double seven = squared_error(quantize("power-of-two", 3, w).real, w);
    const double fifteen = squared_error(quantize("power-of-two", 4, w).real, w);
    EXPECT_LT(three, 1.03 * best_uniform_error(w, 1, false));
    EXPECT_LT(seven, 0.6 * three);
    EXPECT_LT(fifteen, seven);
    EXPECT_EQ(weight_gradient("power-of-two", 4, w, w), w);
}

}  // namespace
}  // namespace bitline::training
