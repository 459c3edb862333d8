#pragma once

// The seam between the training engine and a quantization-aware method. A method says how weights and inputs of the
// layers that go on crossbars become codes, and what gradient passes through that. One method is one file in
// training/methods; it makes its quantizers, and the table in methods.cpp names it.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/network.h"
#include "training/layer.h"

namespace bitline::training {

/// w = sum over planes of scale * (code - zero point), float32 in the order of the planes. One plane is the rule; a
/// basis of several binary planes (LQ-Net) has one for each.
struct QuantizedWeights {
    struct Plane {
        std::vector<int32_t> codes;  // as MatVec::codes
        Quantizer quantizer;         // one scale, or one per output channel
    };
    std::vector<Plane> planes;
};

class WeightQuantizer {
 public:
    virtual ~WeightQuantizer() = default;

    /// Once, before the first step, with the float weights (channels x weights per channel).
    virtual void start(std::span<const float> weights) { static_cast<void>(weights); }

    /// `adapt`: a training step, so that fitted numbers (a basis) may follow the weights.
    virtual void quantize(std::span<const float> weights, bool adapt, QuantizedWeights& quantized) = 0;

    /// From the gradient by the quantized weights: overwrites that by the float weights and by own parameters.
    virtual void backward(std::span<const float> weights, const QuantizedWeights& quantized,
                          std::span<const float> gradient, std::span<float> weight_gradient) = 0;

    virtual std::vector<Parameter*> parameters() { return {}; }
    virtual std::vector<State*> states() { return {}; }

    /// Where the optimizer is to keep the float weights, e.g. [-1, 1] of BinaryConnect.
    virtual float weight_limit() const { return std::numeric_limits<float>::infinity(); }
};

class InputQuantizer {
 public:
    virtual ~InputQuantizer() = default;

    /// Before a step is taken with samples that it has not seen: the first batch sets ranges (first = true), later ones
    /// may adapt fitted numbers.
    virtual void observe(std::span<const float> x, bool first) {
        static_cast<void>(x);
        static_cast<void>(first);
    }

    /// How the chip's digital side makes the codes, one Quantize or Bucketize for each plane:
    /// x_q = sum over planes of scale * (code - zero point), float32 in the order of the planes.
    virtual std::vector<Operator> planes() const = 0;

    /// x_q of x, the same numbers as through planes(). Called for chunks of a batch from several threads.
    virtual void forward(std::span<const float> x, std::span<float> quantized) const = 0;

    /// Overwrites x_gradient from the gradient by x_q. Own parameters: adds each one's gradient over this chunk to
    /// parameter_gradients[i] (as many as parameters().size() numbers, all parameters being scalars or flat lists laid
    /// end to end); the caller adds chunks up in a fixed order. Called from several threads.
    virtual void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                          std::span<double> parameter_gradients) const = 0;

    virtual std::vector<Parameter*> parameters() { return {}; }
    virtual std::vector<State*> states() { return {}; }
};

/// Where a quantizer stands.
struct LayerRole {
    std::string name;       // of the layer with the weights (the first that reads the input)
    int bits = 8;           // of weights or inputs
    int64_t channels = 1;   // output channels; weights only
    bool negative = false;  // inputs can be negative (the network's own input, or no ReLU before); inputs only
    int64_t features = 1;   // numbers per sample; inputs only
};

class Method {
 public:
    virtual ~Method() = default;
    virtual std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const = 0;
    virtual std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const = 0;

    /// What must stand in place of ReLU for the method's inputs to make sense (BNN's signs need hard tanh); none: ReLU
    /// stays.
    virtual const Activation* activation() const { return nullptr; }

    /// Whether quantize_gradient is to be called.
    virtual bool quantizes_gradients() const { return false; }

    /// Quantizes the gradient by a layer's output before the layer's own gradients are computed (DoReFa), in place.
    virtual void quantize_gradient(const Pass& pass, uint32_t layer, Tensor& gradient) const {
        static_cast<void>(pass);
        static_cast<void>(layer);
        static_cast<void>(gradient);
    }
};

struct MethodOptions {
    int gradient_bits = 32;  // 1 <= gradient_bits <= 8, or 32: not quantized. DoReFa only
};

/// An entry of the table of methods.
struct MethodEntry {
    std::string name;                                    // as `--method` takes it
    std::string summary;                                 // one line for `bitline list methods`
    std::string paper;                                   // authors, venue, year
    int weight_bits_low, weight_bits_high, weight_bits;  // range, and default
    int input_bits_low, input_bits_high, input_bits;
    bool quantizes_gradients;
    /// A factor put into a channel's weights comes out of its products, so that a batch norm can be folded into them.
    /// False where weights are clipped, squeezed into a fixed range, or have one scale for the layer by their mean.
    bool folds_batch_norm;
    std::unique_ptr<Method> (*make)(const MethodOptions& options);
};

/// All methods, in the order of their papers.
const std::vector<MethodEntry>& methods();

/// Throws ConfigError with the nearest name.
const MethodEntry& find_method(const std::string& name);

}  // namespace bitline::training
