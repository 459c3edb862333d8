#pragma once

// Hand-made networks of one layer, for tests that count cells and follow currents.

#include <vector>

#include "core/network.h"

namespace bitline::testing {

inline Quantizer codes(int bits, bool is_signed, int32_t zero_point = 0) {
    Quantizer q;
    q.bits = bits;
    q.is_signed = is_signed;
    q.scale = {1};
    q.zero_point = {zero_point};
    return q;
}

/// input -> Quantize -> one MatVec with real output. Input values are the codes themselves (scale 1).
inline Network one_layer(MatVec op, const Shape& input, const Shape& output, const Quantizer& input_codes) {
    Network network;
    network.name = "one layer";
    network.values = {{"input", input, std::nullopt}, {"codes", input, input_codes}, {"output", output, std::nullopt}};
    op.output = ScaleOutput{std::vector<float>(static_cast<size_t>(op.out_channels), 1.0F), {}};
    network.nodes = {{"quantize", "Quantize", {0}, 1, Quantize{input_codes}}, {"layer", "Gemm", {1}, 2, op}};
    network.input = 0;
    network.output = 2;
    return network;
}

inline Network fully_connected(int64_t in, int64_t out, const std::vector<int32_t>& weights, int weight_bits = 8,
                               const Quantizer& input_codes = codes(8, false)) {
    MatVec op;
    op.in_channels = in;
    op.out_channels = out;
    op.codes = weights;
    op.weight = codes(weight_bits, true);
    return one_layer(op, {in}, {out}, input_codes);
}

inline Network depthwise(int64_t channels, int64_t size, const std::vector<int32_t>& weights) {
    MatVec op;
    op.is_convolution = true;
    op.in_channels = op.out_channels = op.groups = channels;
    op.window.kernel_h = op.window.kernel_w = 3;
    op.window.pad_top = op.window.pad_left = op.window.pad_bottom = op.window.pad_right = 1;
    op.codes = weights;
    op.weight = codes(8, true);
    return one_layer(op, {channels, size, size}, {channels, size, size}, codes(8, false));
}

}  // namespace bitline::testing
