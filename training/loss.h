#pragma once

// Losses of a classifier: the mean over a batch, and its gradient by the logits.

#include <cstdint>
#include <span>

#include "training/tensor.h"

namespace bitline::training {

struct LossResult {
    double loss = 0;      // mean over the samples; not finite where the logits are not
    int64_t correct = 0;  // samples whose largest logit (the first of equals) is their label's
};

/// Logits are (samples x classes), labels 0 .. classes - 1, one per sample; throws ConfigError where they are not.
/// `gradient` becomes a tensor like the logits. Sums run in double, sample by sample, in their order.

/// -sum_k t_k log softmax(z)_k with t = 1 - smoothing at the label plus smoothing / classes everywhere (Szegedy et al.,
/// "Rethinking the Inception architecture", CVPR 2016, section 7). 0 <= smoothing < 1.
LossResult cross_entropy(const Tensor& logits, std::span<const int32_t> labels, double smoothing, Tensor& gradient);

/// sum_k (z_k - t_k)^2 / classes with t = 1 at the label, 0 elsewhere.
LossResult mean_squared_error(const Tensor& logits, std::span<const int32_t> labels, Tensor& gradient);

/// What a network learns from another one's logits (Hinton, Vinyals, Dean, "Distilling the knowledge in a neural
/// network", 2015): weight * T^2 * sum_k p_k log(p_k / q_k) + (1 - weight) * cross entropy, with p and q the softmax of
/// teacher's and own logits divided by the temperature T. T > 0, 0 <= weight <= 1.
struct Distillation {
    double temperature = 4, weight = 0.9;
};
LossResult distillation(const Tensor& logits, const Tensor& teacher, std::span<const int32_t> labels,
                        const Distillation& options, Tensor& gradient);

}  // namespace bitline::training
