#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/network.h"

namespace bitline {

/// How a float network becomes an integer one (post-training quantization).
struct QuantizeOptions {
    int weight_bits = 8;  // 2 <= weight_bits <= 16, symmetric, per output channel
    int input_bits = 8;   // 2 <= input_bits <= 16, per tensor, unsigned; zero point 0 where no value is negative (ReLU)
    /// Range of the activations: all that was seen, a share of it, or the one with the least squared error. The last
    /// also chooses the weights' ranges; the others give the largest weight of a channel the last code.
    enum class Method { minmax, percentile, mse } method = Method::mse;
    double percentile = 99.99;          // 50 < percentile <= 100; only with Method::percentile
    int64_t calibration_samples = 256;  // >= 1; the first ones of the calibration data
};

/// Throws ConfigError naming the violated relation.
void validate(const QuantizeOptions& options);

/// The options as users write them, on the command line or as keywords of Python; none: not given.
struct QuantizeTexts {
    std::optional<std::string> weight_bits, input_bits, method, percentile;
};

/// Throws ConfigError that names the option as it was written (core/named_options.h).
QuantizeOptions parse_quantize_options(const QuantizeTexts& texts);

/// What became of one layer, measured on the calibration samples.
struct QuantizedLayer {
    std::string name;
    std::string input;                    // name of the value of codes that the layer reads
    float input_low = 0, input_high = 0;  // real numbers that the lowest and the highest input code stand for
    float input_scale = 1;
    int32_t input_zero_point = 0;
    float weight_scale_low = 0, weight_scale_high = 0;  // smallest and largest of the output channels
    /// 10 log10(sum y^2 / sum (y - y')^2) over the layer's outputs, y of the float network and y' of the quantized one,
    /// each running on its own values, so that errors add up along the network. None where the two are equal.
    std::optional<double> sqnr_db;
};

struct QuantizeSummary {
    int folded = 0;                      // batch norms and constant arithmetic that went into the layer before them
    int64_t samples = 0;                 // used for calibration
    std::vector<QuantizedLayer> layers;  // in the order of the network
};

/// Makes every convolution and fully connected layer of a float network an integer one.
///
/// Batch norms and per-channel arithmetic that follow a layer are folded into it first. Quantizers stand where a layer
/// reads its input, and where an output of a layer (with its activation) or of a residual addition enters an addition,
/// an average or a concatenation on its way to a further layer. Max pooling, reshaping, permuting and concatenation
/// keep the codes, so their quantizer stands before them; the inputs of a concatenation share one. Behind the last
/// layer there is no quantizer: the logits are real numbers. Other functions (sigmoid, softmax, ...) compute on real
/// numbers. Biases become int32 in units of s_x * s_w. Metadata are kept; `preprocess` becomes the network's own.
///
/// Throws ConfigError where the network is quantized already, has no layer with weights, or does not fit the data.
/// `summary` costs a third pass over the calibration samples.
Network quantize_network(const Network& real, const Dataset& calibration, const Preprocess& preprocess,
                         const QuantizeOptions& options, QuantizeSummary* summary = nullptr);

}  // namespace bitline
