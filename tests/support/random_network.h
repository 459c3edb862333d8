#pragma once

// Random quantized networks for property tests: every kind of layer, window, quantizer and output, from a seed alone.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/network.h"

namespace bitline::testing {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the same numbers on every machine and standard library.
class RandomSource {
 public:
    explicit RandomSource(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15U;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }
    int64_t between(int64_t low, int64_t high) { return low + int64_t(next() % uint64_t(high - low + 1)); }
    double real(double low, double high) { return low + (high - low) * (double(next() >> 11) * 0x1p-53); }
    bool chance(double probability) { return real(0, 1) < probability; }

 private:
    uint64_t state_;
};

struct RandomNetworkOptions {
    int max_layers = 3;           // MatVec layers, at least 1
    int max_channels = 9;         // also features of a flat input times 4
    int max_size = 9;             // height and width of the input
    int max_weight_bits = 8;      // 1 .. 16
    int max_activation_bits = 8;  // 1 .. 16
    bool bipolar = true;          // allow -1/+1 weights and activations
    bool only_bipolar = false;    // nothing but -1/+1 weights and activations
    bool weight_zero_points = true;
    bool between_layers = true;  // batch norm, relu, pooling, residual additions, reshapes
};

/// 1-bit codes are {0, 1} or {-1, +1}: a signed single bit means different things to different exporters.
inline Quantizer random_quantizer(RandomSource& random, int max_bits, const RandomNetworkOptions& options) {
    Quantizer q;
    q.bits = options.only_bipolar ? 1 : int(random.between(1, max_bits));
    q.is_signed = q.bits > 1 && random.chance(0.5);
    if (q.bits == 1 && (options.only_bipolar || (options.bipolar && random.chance(0.5)))) {
        q.kind = Quantizer::Kind::bipolar;
        q.is_signed = true;
    }
    q.narrow = q.bits > 1 && random.chance(0.2);
    q.scale = {float(random.real(0.01, 0.2))};
    q.zero_point = {0};
    return q;
}

inline Quantizer random_activation_quantizer(RandomSource& random, const RandomNetworkOptions& options) {
    Quantizer q = random_quantizer(random, options.max_activation_bits, options);
    if (q.kind == Quantizer::Kind::uniform && random.chance(0.4)) {
        q.zero_point = {int32_t(random.between(q.code_min(), q.code_max()))};
    }
    return q;
}

inline int32_t random_code(RandomSource& random, const Quantizer& q) {
    if (q.kind == Quantizer::Kind::bipolar) return random.chance(0.5) ? 1 : -1;
    return int32_t(random.between(q.code_min(), q.code_max()));
}

/// Builds a network value by value; `current` is the value that the next node reads.
class RandomNetworkBuilder {
 public:
    RandomNetworkBuilder(uint64_t seed, const RandomNetworkOptions& options) : random_(seed), options_(options) {}

    Network build() {
        const auto layers = random_.between(1, options_.max_layers);
        network_.name = "random";
        start();
        for (int64_t i = 0; i < layers; ++i) {
            if (options_.between_layers && shape().size() == 3) reshape_sometimes();
            add_layer(i + 1 == layers);
        }
        network_.output = current_;
        return std::move(network_);
    }

 private:
    const Shape& shape() const { return network_.values[size_t(current_)].shape; }
    const std::optional<Quantizer>& quantizer() const { return network_.values[size_t(current_)].quantizer; }

    int add_value(const Shape& value_shape, std::optional<Quantizer> q) {
        network_.values.push_back({"value" + std::to_string(network_.values.size()), value_shape, std::move(q)});
        return int(network_.values.size()) - 1;
    }

    void add_node(Operator op, std::vector<int> inputs, const Shape& wanted, std::optional<Quantizer> q) {
        std::vector<Shape> shapes;
        for (const int input : inputs) shapes.push_back(network_.values[size_t(input)].shape);
        const Shape out = infer_shape(op, shapes, wanted);
        current_ = add_value(out, std::move(q));
        const std::string name = "node" + std::to_string(network_.nodes.size());
        network_.nodes.push_back({name, "", std::move(inputs), current_, std::move(op)});
    }

    void add_node(Operator op, std::optional<Quantizer> q) {
        const int input = current_;
        add_node(std::move(op), {input}, {}, std::move(q));
    }

    void start() {
        const int64_t c = random_.between(1, options_.max_channels);
        const bool flat = random_.chance(0.3);
        const Shape in = flat ? Shape{c * 4}
                              : Shape{c, random_.between(1, options_.max_size), random_.between(1, options_.max_size)};
        current_ = network_.input = add_value(in, std::nullopt);
        quantize(1.0);
    }

    /// Quantizes a real value of about +-`amplitude`.
    void quantize(double amplitude) {
        Quantizer q = random_activation_quantizer(random_, options_);
        q.scale = {float(2 * amplitude / (q.code_max() - q.code_min()))};
        add_node(Quantize{q}, q);
    }

    void reshape_sometimes() {
        if (random_.chance(0.15)) {
            add_node(Permute{{0, 2, 1}}, quantizer());
        }
        if (random_.chance(0.25) && shape()[1] > 1 && shape()[2] > 1) {
            Pool pool;
            pool.window = random_window(random_.between(2, 3), random_.between(2, 3), true);
            add_node(pool, quantizer());
        }
        if (random_.chance(0.2)) add_node(Reshape{}, {current_}, {element_count(shape())}, quantizer());
    }

    /// A window that fits the current value.
    Window random_window(int64_t kernel_h, int64_t kernel_w, bool small_pads) {
        Window w;
        w.kernel_h = std::min(kernel_h, shape()[1]);
        w.kernel_w = std::min(kernel_w, shape()[2]);
        w.stride_h = random_.between(1, 3);
        w.stride_w = random_.between(1, 3);
        if (!small_pads && (w.kernel_h - 1) * 2 < shape()[1] && random_.chance(0.3)) w.dilation_h = 2;
        if (!small_pads && (w.kernel_w - 1) * 2 < shape()[2] && random_.chance(0.3)) w.dilation_w = 2;
        const int64_t high_h = small_pads ? w.kernel_h - 1 : w.kernel_h,
                      high_w = small_pads ? w.kernel_w - 1 : w.kernel_w;
        w.pad_top = random_.between(0, high_h);
        w.pad_bottom = random_.between(0, high_h);
        w.pad_left = random_.between(0, high_w);
        w.pad_right = random_.between(0, high_w);
        return w;
    }

    void choose_layout(MatVec& op) {
        op.is_convolution = shape().size() == 3;
        op.in_channels = shape()[0];
        op.out_channels = random_.between(1, options_.max_channels);
        if (!op.is_convolution) return;
        op.window = random_window(random_.between(1, 3), random_.between(1, 3), false);
        if (random_.chance(0.25)) {  // depthwise, with a channel multiplier
            op.groups = op.in_channels;
            op.out_channels = op.in_channels * random_.between(1, 2);
        } else if (op.in_channels % 2 == 0 && random_.chance(0.3)) {
            op.groups = 2;
            op.out_channels = 2 * random_.between(1, std::max(1, options_.max_channels / 2));
        } else if (random_.chance(0.3)) {  // shape stays: a residual addition may follow
            op.out_channels = op.in_channels;
            op.window = Window{};
        }
    }

    void choose_weights(MatVec& op) {
        op.weight = random_quantizer(random_, options_.max_weight_bits, options_);
        if (op.weight.kind == Quantizer::Kind::uniform && options_.weight_zero_points && random_.chance(0.25)) {
            op.weight.zero_point = {int32_t(random_.between(op.weight.code_min(), op.weight.code_max()))};
        }
        if (random_.chance(0.5)) {
            op.weight.zero_point.assign(size_t(op.out_channels), op.weight.zero_point[0]);
            op.weight.scale.clear();
            for (int64_t c = 0; c < op.out_channels; ++c) op.weight.scale.push_back(float(random_.real(0.01, 0.2)));
        }
        for (int64_t i = 0; i < op.out_channels * op.rows(); ++i) op.codes.push_back(random_code(random_, op.weight));
    }

    /// About how far the sums of a layer reach: two standard deviations of independent, equally spread codes.
    double sum_reach(const MatVec& op) const {
        const Quantizer &x = *quantizer(), &w = op.weight;
        const double span_x = x.code_max() - x.code_min(), span_w = w.code_max() - w.code_min();
        return std::max(1.0, 2 * std::sqrt(double(op.rows())) * span_x * span_w / 8);
    }

    void add_layer(bool last) {
        MatVec op;
        choose_layout(op);
        choose_weights(op);
        const double reach = sum_reach(op);
        if (random_.chance(0.6)) {
            for (int64_t c = 0; c < op.out_channels; ++c) {
                op.bias_codes.push_back(random_.between(-int64_t(reach), int64_t(reach)));
            }
        }
        switch (random_.between(0, 2)) {
            case 0:
                return add_scaled(std::move(op), reach, last);
            case 1:
                return add_requantized(std::move(op), reach);
            default:
                return add_thresholds(std::move(op), reach);
        }
    }

    void add_scaled(MatVec op, double reach, bool last) {
        ScaleOutput output;
        const int before = current_;
        for (int64_t c = 0; c < op.out_channels; ++c) {
            output.scale.push_back(quantizer()->scale[0] * op.weight.scale[op.weight.per_tensor() ? 0 : size_t(c)]);
        }
        const double amplitude = reach * double(output.scale[0]);
        if (random_.chance(0.3)) {
            for (int64_t c = 0; c < op.out_channels; ++c) {
                output.bias.push_back(float(random_.real(-amplitude, amplitude)));
            }
        }
        op.output = output;
        add_node(std::move(op), std::nullopt);
        if (options_.between_layers) add_real_operators(before, amplitude);
        if (!last) quantize(amplitude);
    }

    void add_real_operators(int before, double amplitude) {
        if (random_.chance(0.3)) {
            BatchNorm norm;
            for (int64_t c = 0; c < shape()[0]; ++c) {
                norm.gamma.push_back(float(random_.real(-1.5, 1.5)));
                norm.beta.push_back(float(random_.real(-amplitude, amplitude)));
                norm.mean.push_back(float(random_.real(-amplitude, amplitude)));
                norm.variance.push_back(float(random_.real(0.5, 1.5)));
            }
            add_node(norm, std::nullopt);
        }
        if (random_.chance(0.4)) add_node(Activation{}, std::nullopt);
        if (shape() == network_.values[size_t(before)].shape && random_.chance(0.7)) {
            const int branch = current_;
            add_node(AddValues{}, {before, branch}, {}, std::nullopt);
        }
    }

    void add_requantized(MatVec op, double reach) {
        const Quantizer q = random_activation_quantizer(random_, options_);
        RequantizeOutput output;
        for (int64_t c = 0; c < op.out_channels; ++c) {
            output.multiplier.push_back(float((q.code_max() - q.code_min()) / (2 * reach) * random_.real(0.5, 2)));
        }
        op.output = output;
        add_node(std::move(op), q);
    }

    void add_thresholds(MatVec op, double reach) {
        const Quantizer q = random_activation_quantizer(random_, options_);
        ThresholdOutput output;
        for (int32_t code = q.code_min(); code <= q.code_max(); ++code) {
            if (q.kind == Quantizer::Kind::uniform || code != 0) output.codes.push_back(code);
        }
        for (int64_t c = 0; c < op.out_channels; ++c) {
            std::vector<int64_t> steps(output.codes.size() - 1);
            for (int64_t& step : steps) step = random_.between(-int64_t(reach) - 1, int64_t(reach) + 1);
            std::sort(steps.begin(), steps.end());
            output.threshold.insert(output.threshold.end(), steps.begin(), steps.end());
            output.falling.push_back(random_.chance(0.4) ? 1 : 0);
        }
        op.output = output;
        add_node(std::move(op), q);
    }

    RandomSource random_;
    RandomNetworkOptions options_;
    Network network_;
    int current_ = -1;
};

/// A valid network that reads real numbers of about -1 .. 1, quantizes them, and runs 1 .. max_layers layers.
inline Network random_network(uint64_t seed, const RandomNetworkOptions& options = {}) {
    return RandomNetworkBuilder(seed, options).build();
}

/// Inputs for `random_network`, (samples x elements); a few lie outside of the quantizer's range.
inline std::vector<float> random_input(const Network& network, int64_t samples, uint64_t seed) {
    RandomSource random(seed);
    std::vector<float> x(size_t(samples * element_count(network.values[size_t(network.input)].shape)));
    for (float& v : x) v = float(random.real(-1.2, 1.2));
    return x;
}

}  // namespace bitline::testing
