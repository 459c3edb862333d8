#pragma once

// Layers and images of random numbers that suit small chips.

#include <vector>

#include "mapping/compensation.h"
#include "support/random_network.h"
#include "training/tensor.h"

namespace bitline::testing {

inline std::vector<float> uniform_numbers(RandomSource& random, int64_t count, double low, double high) {
    std::vector<float> numbers;
    for (int64_t i = 0; i < count; ++i) numbers.push_back(float(random.real(low, high)));
    return numbers;
}

/// A convolution that keeps the image's size; fully connected where `kernel` is 0. `largest_bias` 0: none.
inline MatVec random_layer(RandomSource& random, int64_t in, int64_t out, int64_t kernel, double largest_bias) {
    MatVec op;
    op.in_channels = in;
    op.out_channels = out;
    op.is_convolution = kernel > 0;
    if (op.is_convolution) {
        op.window.kernel_h = op.window.kernel_w = kernel;
        op.window.pad_top = op.window.pad_left = op.window.pad_bottom = op.window.pad_right = kernel / 2;
    }
    op.real_weights = uniform_numbers(random, out * op.rows(), -0.5, 0.5);
    if (largest_bias > 0) op.real_bias = uniform_numbers(random, out, -largest_bias, largest_bias);
    return op;
}

inline BatchNorm random_norm(RandomSource& random, int64_t channels) {
    BatchNorm op;
    op.gamma = uniform_numbers(random, channels, 0.5, 1.5);
    op.beta = uniform_numbers(random, channels, -0.2, 0.4);
    op.mean = uniform_numbers(random, channels, -0.2, 0.2);
    op.variance = uniform_numbers(random, channels, 0.5, 1.5);
    return op;
}

constexpr int64_t kImages = 20;

/// 20 images of 2 x 8 x 8, always the same ones.
inline training::Tensor images() {
    RandomSource random(2);
    training::Tensor x;
    x.resize({2, 8, 8}, kImages);
    x.values = uniform_numbers(random, x.elements() * kImages, 0, 1);
    return x;
}

/// Reads them.
inline SampleReader image_reader() {
    return [](int64_t first, int64_t count) {
        const training::Tensor x = images();
        return std::vector<float>(x.sample(first), x.sample(first) + count * x.elements());
    };
}

}  // namespace bitline::testing
