#pragma once

// Layers on made-up batches, and finite differences of them.

#include <cmath>
#include <functional>
#include <vector>

#include "core/random.h"
#include "tests/support/one_node.h"
#include "training/layers/layers.h"

namespace bitline::testing {

inline std::vector<float> random_numbers(int64_t count, uint32_t stream, float scale = 1) {
    std::vector<float> x;
    for (int64_t i = 0; i < count; ++i)
        x.push_back(scale * gaussian(philox({static_cast<uint32_t>(i), stream, 0, 0}, {7, 1})[0]));
    return x;
}

inline training::Tensor tensor(const Shape& shape, int64_t samples, std::vector<float> values) {
    return {shape, samples, std::move(values)};
}

inline training::Tensor random_tensor(const Shape& shape, int64_t samples, uint32_t stream, float scale = 1) {
    return tensor(shape, samples, random_numbers(samples * element_count(shape), stream, scale));
}

/// A node, its layer and a batch of inputs.
struct LayerRun {
    Network network;
    std::unique_ptr<training::Layer> layer;
    std::vector<training::Tensor> x, x_gradient;
    training::Tensor y;

    LayerRun(const Operator& op, std::vector<training::Tensor> inputs, const Shape& wanted = {}, bool affine = true)
        : x(std::move(inputs)) {
        std::vector<Value> values;
        for (const training::Tensor& input : x) values.push_back({"x", input.shape, std::nullopt});
        network = one_node(op, values, wanted);
        layer = training::make_layer(network, 0, 3, affine);
        y.resize(network.values.back().shape, x[0].samples);
    }

    std::vector<const training::Tensor*> inputs() const {
        std::vector<const training::Tensor*> list;
        for (const training::Tensor& input : x) list.push_back(&input);
        return list;
    }

    const std::vector<float>& forward(const training::Pass& pass) {
        layer->forward(pass, inputs(), y);
        return y.values;
    }

    /// Gradients by the inputs from that by the output; `start` is what they hold before.
    void backward(const training::Pass& pass, const training::Tensor& gradient, float start = 0) {
        x_gradient = x;
        std::vector<training::Tensor*> list;
        for (training::Tensor& g : x_gradient) {
            std::fill(g.values.begin(), g.values.end(), start);
            list.push_back(&g);
        }
        layer->backward(pass, inputs(), y, gradient, list);
    }

    /// What core computes for the node.
    std::vector<float> reference() const {
        std::vector<Block> blocks;
        for (const training::Tensor& input : x) blocks.push_back({{}, input.values});
        return evaluate(network, blocks, x[0].samples).real;
    }
};

/// Sum of weight * value in double.
inline double weighted(const std::vector<float>& weight, const std::vector<float>& value) {
    double sum = 0;
    for (size_t i = 0; i < value.size(); ++i) sum += static_cast<double>(weight[i]) * static_cast<double>(value[i]);
    return sum;
}

/// (f(v + h) - f(v - h)) / 2h for a number v, with the steps that float32 really takes.
inline double slope(float& v, float h, const std::function<double()>& f) {
    const float at = v, above = at + h, below = at - h;
    v = above;
    const double high = f();
    v = below;
    const double low = f();
    v = at;
    return (high - low) / (static_cast<double>(above) - static_cast<double>(below));
}

}  // namespace bitline::testing
