#pragma once

#include <cstdint>
#include <string>

#include "core/data.h"
#include "core/network.h"

namespace bitline {

/// How a float network becomes an integer one (post-training quantization).
struct QuantizeOptions {
    int weight_bits = 8;  // 2 <= weight_bits <= 16, symmetric, per output channel
    int input_bits = 8;   // 2 <= input_bits <= 16, per tensor; unsigned after ReLU, else signed with zero point
    enum class Method { minmax, percentile, mse } method = Method::mse;  // of the activation ranges
    double percentile = 99.99;  // 50 < percentile <= 100; only with Method::percentile
    int64_t calibration_samples = 256;  // >= 1; the first ones of the calibration data
};

/// Throws ConfigError naming the violated relation.
void validate(const QuantizeOptions& options);

/// Batch norms that follow a layer are folded into it first; each layer's input gets a quantizer whose range comes from
/// the calibration samples. Biases become int32 in units of s_x * s_w. Preprocess and metadata are kept.
Network quantize_network(const Network& real, const Dataset& calibration, const Preprocess& preprocess,
                         const QuantizeOptions& options);

}  // namespace bitline
