#pragma once

// Gradient descent as PyTorch defines it (torch.optim), in float32.

#include <vector>

#include "training/layer.h"

namespace bitline::training {

struct OptimizerOptions {
    enum class Kind { sgd, adam } kind = Kind::sgd;
    double momentum = 0.9;    // sgd, 0 <= momentum < 1
    bool nesterov = false;    // sgd; needs momentum > 0
    double beta1 = 0.9;       // adam, 0 <= beta < 1: decay of the mean of gradients
    double beta2 = 0.999;     // adam: of their squares
    double epsilon = 1e-8;    // adam, > 0
    double weight_decay = 0;  // >= 0, times Parameter::decay
    bool decoupled = false;   // adam: the weights decay on their own instead of through the gradient (AdamW)
    double largest_norm = 0;  // gradients of all parameters together are scaled down to this norm; 0: as they are
};

/// sgd (Sutskever et al., ICML 2013, in PyTorch's form): g += decay w; v = momentum v + g; w -= rate (v, or g +
/// momentum v with Nesterov). adam (Kingma and Ba, ICLR 2015): m, v = means of g, g^2; w -= rate (m / (1 - beta1^t)) /
/// (sqrt(v / (1 - beta2^t)) + epsilon); decoupled (Loshchilov and Hutter, ICLR 2019): w -= rate decay w before.
class Optimizer {
 public:
    /// Throws ConfigError for options outside of their range.
    Optimizer(const std::vector<Parameter*>& parameters, const OptimizerOptions& options);

    /// One step with the gradients that the parameters hold, then each to its [low, high]. Returns the norm of all
    /// gradients before scaling, where the options limit it, else 0. Gradients are left scaled and without decay.
    double step(double rate);

    /// Momentum, means, number of steps: part of a checkpoint.
    std::vector<State*> states();

 private:
    double limit_gradients();
    void step_sgd(Parameter& parameter, State& momentum, double rate) const;
    void step_adam(Parameter& parameter, State& mean, State& square, double rate) const;

    std::vector<Parameter*> parameters_;
    OptimizerOptions options_;
    std::vector<State> first_, second_;  // of each parameter: momentum or mean; mean of squares (adam)
    State steps_;  // one number, exact up to 2^24, from where on every correction of a bias is 1 in float32
};

}  // namespace bitline::training
