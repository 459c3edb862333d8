#pragma once

// The steps of quantize_network.

#include <cstdint>
#include <span>
#include <vector>

#include "core/network.h"
#include "core/quantize.h"

namespace bitline::quantization {

/// Folds batch norms and constant arithmetic (one constant, or one per channel) into the layer before them, where
/// nothing else reads that layer's output. Returns how many were folded.
int fold_constants(Network& network);

/// Which values get a quantizer. Values of one group share it.
struct Plan {
    std::vector<int> group;  // (values) group of a value that is quantized where it is produced, else -1
    int groups = 0;
};
Plan plan_quantizers(const Network& network);

/// What calibration saw of the values of one group.
struct Histogram {
    float low = 0, high = 0;       // smallest and largest value
    std::vector<uint64_t> counts;  // (bins) over low .. high, equally wide; empty: not counted
};

/// Two passes over the first `samples` calibration samples: the ranges, then, where `counts` says so, the bins. Memory
/// does not grow with the number of samples. Throws ConfigError where a value is not finite.
std::vector<Histogram> observe(const Network& network, const Plan& plan, const Dataset& data,
                               const Preprocess& preprocess, int64_t samples, bool counts);

/// The range that the codes of an activation cover. Holds 0: padding, ReLU and the zero point need it exactly.
struct Range {
    double low = 0, high = 0;  // low <= 0 <= high
};
Range choose_range(const Histogram& histogram, const QuantizeOptions& options);

/// Unsigned codes over `range`; the zero point is the code of 0.
Quantizer activation_quantizer(const Range& range, int bits);

/// Makes a real layer an integer one behind `input`.
void quantize_layer(MatVec& op, const Quantizer& input, const QuantizeOptions& options);

/// The network with quantizers as planned and integer layers. Real values keep their names, codes get "_q" behind it.
Network build(const Network& network, const Plan& plan, const std::vector<Quantizer>& quantizers,
              const QuantizeOptions& options);

/// Calibration samples in blocks that keep all values of a network below a fixed amount of memory.
struct Blocks {
    int64_t samples = 0, per_block = 1;
    int64_t count() const { return (samples + per_block - 1) / per_block; }
};
Blocks blocks_of(const Network& network, int64_t samples);

/// Preprocessed samples of one block, (samples x input elements).
std::vector<float> read_block(const Network& network, const Dataset& data, const Preprocess& preprocess,
                              const Blocks& blocks, int64_t block, int64_t* samples);

/// Per layer: ranges, scales and the error of its output on the calibration samples.
std::vector<QuantizedLayer> measure(const Network& real, const Network& quantized, const Dataset& data,
                                    const Preprocess& preprocess, int64_t samples);

}  // namespace bitline::quantization
