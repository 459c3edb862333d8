#pragma once

// What the files reference_*.cpp share: one function per kind of operator, each from input blocks to an output block.
// Not for use outside of the reference.

#include <span>
#include <vector>

#include "core/network.h"
#include "core/quantize_codes.h"
#include "core/reference.h"

namespace bitline::reference {

/// A node and the blocks that it reads. The network was validated, so shapes and quantizers fit the operator.
struct Call {
    const Network& network;
    const Node& node;
    const std::vector<const Block*>& inputs;
    int64_t samples;

    const Value& input_value(size_t i = 0) const { return network.values[size_t(node.inputs[i])]; }
    const Value& output_value() const { return network.values[size_t(node.output)]; }
};

/// An input as real numbers: x = float(q - zero_point) * scale where it holds codes.
class RealInput {
 public:
    explicit RealInput(const Call& call, size_t i = 0);
    std::span<const float> values() const { return values_; }

 private:
    std::vector<float> storage_;
    std::span<const float> values_;
};

std::vector<float> dequantize(const Quantizer& from, std::span<const int32_t> codes);

/// Codes of `x`, see CodeOf; other roundings alike.
std::vector<int32_t> quantize(const Quantize& op, std::span<const float> x);

float round_as(Rounding rounding, float x);

Block apply(const Call& call, const Quantize& op);
Block apply(const Call& call, const Truncate& op);
Block apply(const Call& call, const Arithmetic& op);
Block apply(const Call& call, const BatchNorm& op);
Block apply(const Call& call, const Activation& op);
Block apply(const Call& call, const Pool& op);
Block apply(const Call& call, const AddValues& op);
Block apply(const Call& call, const Concat& op);
Block apply(const Call& call, const Reshape& op);
Block apply(const Call& call, const Permute& op);
Block apply(const Call& call, const Softmax& op);
Block apply(const Call& call, const Bucketize& op);

/// A layer with real weights or a real input, in float32: y = sum x w + bias.
Block apply_real_product(const Call& call, const MatVec& op);

}  // namespace bitline::reference
