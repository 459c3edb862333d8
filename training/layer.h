#pragma once

// A layer with a gradient. The graph that layers stand in is that of a float Network (core/network.h): one layer per
// node, and in between what training adds (quantizers, dropout).

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/network.h"
#include "core/random.h"
#include "training/tensor.h"

namespace bitline::training {

/// Numbers that the optimizer moves.
struct Parameter {
    std::string name;  // unique within the model: "conv1.weight"
    std::vector<float> value, gradient;
    float decay = 1;  // factor of the optimizer's weight decay; 0: none (biases, batch norm)
    float rate = 1;   // factor of the learning rate
    float low = -std::numeric_limits<float>::infinity();  // value is clipped to [low, high] after each step
    float high = std::numeric_limits<float>::infinity();
};

/// Numbers that change while training without a gradient: running statistics, fitted bases. Part of a checkpoint.
struct State {
    std::string name;          // unique within the model: "bn1.mean"
    std::vector<float> value;  // empty: not set yet, its size is still open
};

/// What is the same for all layers during one forward and backward pass.
struct Pass {
    bool training = false;           // batch statistics, dropout, running statistics and quantizers adapt
    bool freeze_batch_norm = false;  // batch norm by its running statistics, and no quantizer adapts, although training
    uint64_t seed = 0;
    uint32_t step = 0;   // of the run; every random draw is a pure function of (seed, step, purpose, layer, index)
    bool ideal = false;  // products as trained, whatever hardware is attached
};

class Layer {
 public:
    Layer(std::string name, int number) : name_(std::move(name)), number_(number) {}
    virtual ~Layer() = default;
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

    const std::string& name() const { return name_; }
    uint32_t number() const { return static_cast<uint32_t>(number_); }  // within the model, for random streams

    /// Overwrites `output` (shape and samples are set by the caller).
    virtual void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) = 0;

    /// After `forward` of the same pass. Adds to each input's gradient (null: not wanted) and overwrites the gradients
    /// of its own parameters.
    virtual void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output,
                          const Tensor& gradient, std::span<Tensor* const> input_gradients) = 0;

    virtual std::vector<Parameter*> parameters() { return {}; }
    virtual std::vector<State*> states() { return {}; }

    /// The node's operator with what was learned, float.
    virtual Operator trained() const = 0;

 private:
    std::string name_;
    int number_;
};

}  // namespace bitline::training
