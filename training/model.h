#pragma once

// A network that is being trained: the layers of a float Network, with a method's quantizers where crossbars will
// stand, and what the chip does to products on the way.

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/network.h"
#include "training/export.h"
#include "training/layer.h"
#include "training/method.h"

namespace bitline::training {

/// A float network, and what only training knows of it.
struct TrainingNetwork {
    Network network;               // no quantizers; weights as initialised or as read
    std::map<int, float> dropout;  // share of the numbers of a value (index into Network::values) set to 0
    bool affine = true;            // gamma and beta of batch norm are learned
};

struct LayerBits {
    int weights = 8, inputs = 8;
};

struct ModelOptions {
    std::string method;  // empty: float
    MethodOptions method_options;
    int weight_bits = 8, input_bits = 8;
    /// Bits of the first and the last layer with weights, by the method `ste` whatever `method` is; 0: as the others.
    int first_last_bits = 8;
    std::map<std::string, LayerBits> layer_bits;  // by name of the layer; before all other rules
    /// Batch norms that alone read a layer with weights are folded into it while it trains (layers/folded_norm.h).
    bool fold_batch_norm = false;
};

/// What stands between a product as trained and the chip's: noise, a programmed chip, the whole simulation. See
/// hardware.h.
class Hardware;

class Model {
 public:
    /// Throws ConfigError (bits outside the method's range, unknown layer, network without weights or quantized
    /// already, operator without a gradient, no batch norm that could be folded).
    Model(const TrainingNetwork& network, const ModelOptions& options);
    ~Model();

    /// Logits (samples x classes) of preprocessed samples. Quantizers that have not seen data yet set their ranges.
    const Tensor& forward(const Pass& pass, const Tensor& input);
    /// After forward: gradients of every parameter from that by the logits.
    void backward(const Pass& pass, const Tensor& gradient);

    std::vector<Parameter*> parameters();
    std::vector<State*> states();

    /// From now on products meet this hardware; null: none.
    void attach(Hardware* hardware);

    const Shape& input_shape() const;  // per sample

    /// Layers with weights.
    size_t products() const;

    /// The first layer whose last output holds NaN or infinity; empty where none does.
    std::string first_not_finite() const;

    /// The float network with what was learned.
    Network real() const;
    /// The integer network that `bitline simulate` runs: quantizers, integer layers, batch norm apart. Quantizers must
    /// have seen data.
    Network quantized() const;
    /// The same with the layers' places in it.
    Exported exported_network() const;

    /// Bits per parameter over all layers (survey equation 19); biases and batch norm count 32 bits.
    double average_bits() const;

    const ModelOptions& options() const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bitline::training
