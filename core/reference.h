#pragma once

// Runs a network on a block of samples. Everything but the matrix products is done here, once, for the software
// reference and for the chip alike; the products come from an engine.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/network.h"

namespace bitline {

/// Computes the sums of one quantized MatVec for a block of samples.
class ProductEngine {
 public:
    virtual ~ProductEngine() = default;

    /// `codes` (samples x input elements): the layer's input codes q_x (zero points not yet subtracted).
    /// `acc` (samples x out_channels x positions) receives sum (q_x - z_x)(q_w - z_w) + bias_codes: whole numbers from
    /// the exact engine, estimates from a chip. `first_sample`: the index of the first sample within the data set, so
    /// that noise belongs to a sample and not to a block.
    virtual void product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples,
                         int64_t first_sample, std::span<double> acc) = 0;
};

/// Exact integer sums on the active kernel. Immutable after construction, shared by all threads.
std::unique_ptr<ProductEngine> make_exact_engine(const Network& network);

/// One value of the graph for a block of samples: codes or real numbers, (samples x elements).
struct Block {
    std::vector<int32_t> codes;
    std::vector<float> real;
};

/// Runs a block. `input` is (samples x input elements), float32, preprocessed. Returns the output value as real numbers
/// (samples x output elements); codes are dequantized. Where `keep` is given, it receives every value of the graph,
/// indexed as Network::values. Thread safe. Deterministic: the result does not depend on the block size.
std::vector<float> run(const Network& network, ProductEngine& engine, std::span<const float> input, int64_t samples,
                       int64_t first_sample, std::vector<Block>* keep = nullptr);

/// Runs a single node on given input blocks (used by layer oracles).
Block run_node(const Network& network, int node, ProductEngine& engine, const std::vector<const Block*>& inputs,
               int64_t samples, int64_t first_sample);

/// What follows the sums of a MatVec (scale, requantize, thresholds), for chip and reference alike.
/// acc is (samples x out_channels x positions).
Block finish_product(const Network& network, const Node& node, std::span<const double> acc, int64_t samples);

/// The input vectors of a convolution's kernel positions, as a crossbar's rows see them.
/// For one sample and one group: out is (positions x rows), row = (channel in group, ky, kx); padding takes `pad`.
void gather_rows(const MatVec& op, const Shape& input_shape, const int32_t* sample_codes, int64_t group,
                 int64_t first_position, int64_t positions, int32_t pad, int32_t* out);

/// Index of the largest entry, ties to the lowest index.
int64_t top1(std::span<const float> row);

}  // namespace bitline
