// The products against sums in double precision written down from their definitions, over awkward shapes.

#include "training/products/products.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "core/random.h"
#include "training/products/correlate.h"
#include "training/products/tiles.h"

namespace bitline::training {

namespace products {
extern const TileSet kWideTiles;  // tests/training/wide_tiles.cpp
}

namespace {

using Numbers = std::vector<float>;

struct Case {
    std::string name;
    ConvolutionShape shape;
    int64_t samples = 1;
};

Case convolution(const std::string& name, int64_t samples, int64_t in, int64_t h, int64_t w, int64_t out,
                 int64_t groups, Window window) {
    return {name, {in, h, w, out, groups, window}, samples};
}

/// kernel, stride, dilation, pads alike on all sides
Window square(int64_t kernel, int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1) {
    return {kernel, kernel, stride, stride, dilation, dilation, pad, pad, pad, pad};
}

const std::vector<Case>& cases() {
    static const std::vector<Case> table = {
        convolution("one number", 1, 1, 1, 1, 1, 1, {}),
        convolution("3 x 3", 3, 5, 9, 11, 7, 1, square(3, 1, 1)),
        convolution("3 x 3 on whole vectors", 2, 16, 16, 16, 16, 1, square(3, 1, 1)),
        convolution("3 x 3 on lines of whole vectors, no pads", 2, 3, 18, 18, 20, 1, square(3)),
        convolution("stride 2, even size", 2, 6, 8, 8, 9, 1, square(3, 2, 1)),
        convolution("stride 2, odd size", 5, 4, 9, 7, 12, 1, square(3, 2, 1)),
        convolution("stride 3 beyond the kernel", 2, 3, 14, 13, 5, 1, square(2, 3)),
        convolution("stride 2, last elements unmet", 2, 3, 8, 10, 4, 1, square(3, 2)),
        convolution("unequal strides, pads and dilations", 2, 3, 13, 17, 5, 1, {3, 2, 2, 3, 2, 1, 2, 0, 1, 3}),
        convolution("dilated and strided", 2, 2, 15, 16, 3, 1, square(3, 2, 2, 3)),
        convolution("pads wider than the kernel", 2, 2, 4, 3, 3, 1, {2, 2, 1, 1, 1, 1, 3, 4, 2, 5}),
        convolution("kernel larger than the input", 3, 2, 3, 2, 4, 1, {5, 5, 1, 1, 1, 1, 2, 2, 1, 3}),
        convolution("kernel as large as the input", 4, 3, 5, 5, 10, 1, square(5)),
        convolution("1 x 1", 3, 10, 7, 5, 17, 1, square(1)),
        convolution("1 x 1 on whole vectors", 2, 10, 8, 8, 17, 1, square(1)),
        convolution("1 x 1, stride 2", 3, 8, 9, 8, 16, 1, square(1, 2)),
        convolution("1 x 1 with pads", 2, 3, 4, 4, 5, 1, square(1, 1, 1)),
        convolution("kernel 2 x 1, stride 2", 2, 3, 8, 6, 2, 1, {2, 1, 2, 1, 1, 1, 0, 0, 0, 0}),
        convolution("samples side by side", 6, 5, 10, 10, 6, 1, square(3, 1, 1)),
        convolution("samples side by side, stride 2", 6, 5, 6, 6, 7, 1, square(3, 2, 1)),
        convolution("groups", 2, 12, 7, 8, 18, 3, square(3, 1, 1)),
        convolution("groups of few outputs", 3, 12, 9, 9, 9, 3, square(3, 2, 1)),
        convolution("depthwise", 3, 21, 10, 10, 21, 21, square(3, 1, 1)),
        convolution("depthwise, stride 2", 2, 9, 17, 16, 9, 9, square(3, 2, 1)),
        convolution("depthwise of two outputs each", 2, 5, 6, 19, 10, 5, square(5, 1, 2)),
        convolution("depthwise on single pixels", 9, 6, 1, 1, 6, 6, square(1)),
        convolution("one output", 3, 11, 20, 6, 1, 1, square(3, 1, 1)),
        convolution("small planes, many samples", 37, 9, 4, 4, 30, 1, square(3, 1, 1)),
        convolution("5 x 5 to 10 x 10", 7, 6, 14, 14, 16, 1, square(5)),
        convolution("first layer of LeNet", 3, 1, 28, 28, 6, 1, square(5)),
        convolution("several blocks of weights", 3, 80, 6, 6, 150, 1, square(3, 1, 1)),
        convolution("several chunks of samples", 70, 20, 12, 12, 24, 1, square(3, 1, 1)),
        {"fully connected", fully_connected(37, 11), 19},
        {"fully connected, one sample", fully_connected(130, 70), 1},
        {"fully connected, several blocks", fully_connected(700, 131), 33},
    };
    return table;
}

/// Uniform on (-1, 1), by place.
Numbers random_numbers(int64_t count, uint32_t what) {
    const StreamKey key = stream_key(5, 0, Purpose::test);
    Numbers numbers;
    for (uint32_t i = 0; i < uint32_t(count); ++i)
        numbers.push_back(float(int32_t(philox({i / 4, what, 0, 0}, key)[i % 4])) * 0x1p-31F);
    return numbers;
}

struct Data {
    Numbers x, w, gy;
};

Data data_of(const Case& c) {
    return {random_numbers(c.samples * c.shape.in_size(), 1), random_numbers(c.shape.weight_size(), 2),
            random_numbers(c.samples * c.shape.out_size(), 3)};
}

/// Calls visit(index in x, index in w, index in y) for every product of the definition.
template <class Visit>
void each_product(const Case& c, const Visit& visit) {
    const ConvolutionShape& s = c.shape;
    const Window& v = s.window;
    const int64_t in = s.in_channels / s.groups, out = s.out_channels / s.groups;
    int64_t y = 0;
    for (int64_t n = 0; n < c.samples; ++n) {
        for (int64_t o = 0; o < s.out_channels; ++o) {
            for (int64_t row = 0; row < s.out_h(); ++row) {
                for (int64_t col = 0; col < s.out_w(); ++col, ++y) {
                    for (int64_t i = 0; i < in; ++i) {
                        for (int64_t a = 0; a < v.kernel_h; ++a) {
                            for (int64_t b = 0; b < v.kernel_w; ++b) {
                                const int64_t p = row * v.stride_h + a * v.dilation_h - v.pad_top;
                                const int64_t q = col * v.stride_w + b * v.dilation_w - v.pad_left;
                                if (p < 0 || p >= s.in_h || q < 0 || q >= s.in_w) continue;
                                const int64_t channel = o / out * in + i;
                                visit(((n * s.in_channels + channel) * s.in_h + p) * s.in_w + q,
                                      ((o * in + i) * v.kernel_h + a) * v.kernel_w + b, y);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A result of the definition, and the sum of the magnitudes of its products, which bounds the error of any order.
struct Expected {
    std::vector<double> value, magnitude;
    explicit Expected(size_t size) : value(size, 0), magnitude(size, 0) {}
    void add(int64_t i, double a, double b) {
        value[size_t(i)] += a * b;
        magnitude[size_t(i)] += std::abs(a * b);
    }
};

/// Rounding of a chain of n products errs by at most n ulps of the sum of magnitudes; chains here are random, so far
/// less.
void expect_near(const Numbers& got, const Expected& expected, const std::string& what) {
    ASSERT_EQ(got.size(), expected.value.size());
    for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(got[i], expected.value[i], 1e-6 * expected.magnitude[i] + 1e-30) << what << ", number " << i;
    }
}

/// What the three products give with the tiles given.
struct Results {
    Numbers y, gx, gw;
};

std::vector<const products::TileSet*> all_tiles() {
    std::vector<const products::TileSet*> sets = products::available_tiles();
    sets.push_back(&products::kWideTiles);
    return sets;
}

constexpr float kUntouched = 1e30F;  // what is overwritten must not show

Results run(const Case& c, const Data& data, const products::TileSet& tiles) {
    Results results{Numbers(data.gy.size(), kUntouched), Numbers(data.x.size(), 0), Numbers(data.w.size(), kUntouched)};
    const float *x = data.x.data(), *w = data.w.data(), *gy = data.gy.data();
    products::correlate(products::forward(c.shape), tiles, c.samples, x, w, false, results.y.data());
    products::correlate(products::input_gradient(c.shape), tiles, c.samples, gy, w, true, results.gx.data());
    products::weight_gradient(c.shape, tiles, c.samples, x, gy, results.gw.data());
    return results;
}

Results run(const Case& c, const Data& data) {
    Results results{Numbers(data.gy.size(), kUntouched), Numbers(data.x.size(), 0), Numbers(data.w.size(), kUntouched)};
    convolve(c.shape, c.samples, data.x.data(), data.w.data(), results.y.data());
    convolve_input_gradient(c.shape, c.samples, data.gy.data(), data.w.data(), results.gx.data());
    convolve_weight_gradient(c.shape, c.samples, data.x.data(), data.gy.data(), results.gw.data());
    return results;
}

bool same_bits(const Numbers& a, const Numbers& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool same_bits(const Results& a, const Results& b) {
    return same_bits(a.y, b.y) && same_bits(a.gx, b.gx) && same_bits(a.gw, b.gw);
}

double dot(const Numbers& a, const Numbers& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
    return sum;
}

double norm(const Numbers& a) { return std::sqrt(dot(a, a)); }

class Products : public testing::TestWithParam<Case> {};

TEST_P(Products, EqualTheirDefinitionsOnEveryInstructionSet) {
    const Case& c = GetParam();
    const Data data = data_of(c);
    Expected y(data.gy.size()), gx(data.x.size()), gw(data.w.size());
    each_product(c, [&](int64_t i, int64_t k, int64_t o) {
        const double x = data.x[size_t(i)], w = data.w[size_t(k)], g = data.gy[size_t(o)];
        y.add(o, x, w);
        gx.add(i, g, w);
        gw.add(k, g, x);
    });
    for (const products::TileSet* tiles : all_tiles()) {
        const Results results = run(c, data, *tiles);
        expect_near(results.y, y, std::string(tiles->name) + ": output");
        expect_near(results.gx, gx, std::string(tiles->name) + ": input gradient");
        expect_near(results.gw, gw, std::string(tiles->name) + ": weight gradient");
    }
}

TEST_P(Products, AreAdjoint) {
    const Case& c = GetParam();
    const Data data = data_of(c);
    const Results results = run(c, data);
    const double forward = dot(results.y, data.gy);
    const double scale = 1e-6 * norm(results.y) * norm(data.gy);
    EXPECT_NEAR(dot(data.x, results.gx), forward, scale + 1e-6 * norm(data.x) * norm(results.gx));
    EXPECT_NEAR(dot(data.w, results.gw), forward, scale + 1e-6 * norm(data.w) * norm(results.gw));
}

TEST_P(Products, HaveTheSameBitsForAnyNumberOfThreadsAndInstructionSet) {
    const Case& c = GetParam();
    const Data data = data_of(c);
    set_threads(1);
    const Results expected = run(c, data);
    for (const products::TileSet* tiles : all_tiles())
        EXPECT_TRUE(same_bits(run(c, data, *tiles), expected)) << tiles->name;
    for (const int threads : {2, 7}) {
        set_threads(threads);
        EXPECT_TRUE(same_bits(run(c, data), expected)) << threads << " threads";
    }
    set_threads(0);
}

/// Forward and input gradient of a sample do not depend on which others come with it.
TEST_P(Products, ASampleKeepsItsBitsInAnyBatch) {
    const Case& c = GetParam();
    const Data data = data_of(c);
    const Results together = run(c, data);
    const int64_t last = c.samples - 1;
    Case alone = c;
    alone.samples = 1;
    const auto part = [&](const Numbers& all, int64_t size) {
        return Numbers(all.begin() + last * size, all.begin() + (last + 1) * size);
    };
    const Data one{part(data.x, c.shape.in_size()), data.w, part(data.gy, c.shape.out_size())};
    const Results single = run(alone, one);
    EXPECT_TRUE(same_bits(single.y, part(together.y, c.shape.out_size())));
    EXPECT_TRUE(same_bits(single.gx, part(together.gx, c.shape.in_size())));
}

/// <y, gy> is linear in each number of x and of w, so its difference quotient over any step is the gradient.
TEST_P(Products, GradientsAreDifferenceQuotients) {
    const Case& c = GetParam();
    Data data = data_of(c);
    const Results results = run(c, data);
    const auto quotient = [&](float& number) {
        constexpr float kStep = 0.5F;
        const float kept = number;
        Numbers high(data.gy.size()), low(data.gy.size());
        number = kept + kStep;
        convolve(c.shape, c.samples, data.x.data(), data.w.data(), high.data());
        number = kept - kStep;
        convolve(c.shape, c.samples, data.x.data(), data.w.data(), low.data());
        number = kept;
        double sum = 0;
        for (size_t i = 0; i < high.size(); ++i) sum += (double(high[i]) - double(low[i])) * double(data.gy[i]);
        return sum / (2 * double(kStep));
    };
    const double error = 2e-6 * norm(results.y) * norm(data.gy) + 1e-6;
    for (const size_t i : {size_t(0), data.x.size() / 2, data.x.size() - 1})
        EXPECT_NEAR(quotient(data.x[i]), results.gx[i], error) << "x " << i;
    for (const size_t i : {size_t(0), data.w.size() / 3, data.w.size() - 1})
        EXPECT_NEAR(quotient(data.w[i]), results.gw[i], error) << "weight " << i;
}

TEST_P(Products, InputGradientsAreAdded) {
    const Case& c = GetParam();
    const Data data = data_of(c);
    const Results results = run(c, data);
    const Numbers before = random_numbers(int64_t(data.x.size()), 4);
    Numbers gx = before, expected = before;
    convolve_input_gradient(c.shape, c.samples, data.gy.data(), data.w.data(), gx.data());
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += results.gx[i];
    EXPECT_TRUE(same_bits(gx, expected));
}

INSTANTIATE_TEST_SUITE_P(Shapes, Products, testing::ValuesIn(cases()), [](const auto& param) {
    std::string name = param.param.name;
    for (char& letter : name) {
        if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
    }
    return name;
});

TEST(Products, NoSamplesLeaveNoWeightGradient) {
    const ConvolutionShape shape = fully_connected(3, 2);
    Numbers gw(6, kUntouched);
    convolve(shape, 0, nullptr, gw.data(), nullptr);
    convolve_weight_gradient(shape, 0, nullptr, nullptr, gw.data());
    EXPECT_EQ(gw, Numbers(6, 0.0F));
}

}  // namespace
}  // namespace bitline::training
