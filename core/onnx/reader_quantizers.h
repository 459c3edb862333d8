#pragma once

// What the quantizing operators of ONNX and QONNX say, apart from what they are applied to.

#include <memory>

#include "core/onnx/reader_import.h"

namespace bitline::reader {

Quantizer bipolar_quantizer(std::vector<float> scale);

/// The codes -1, 0 and +1 of Sign, which stand for themselves.
Quantizer sign_quantizer();

/// QONNX Quant on a value of the network: per tensor, at most 16 bits.
Quantize read_quant(const Importer& state, const NodeView& node);

/// QONNX Trunc, versions 1 (five inputs) and 2 (six inputs).
Truncate read_trunc(const Importer& state, const NodeView& node);

/// Type of QuantizeLinear's codes where no zero point tells it.
ElementType declared_code_type(const NodeView& node);

/// Constant codes of DequantizeLinear: scale and zero point per tensor or per slice along `axis`.
Codes typed_codes(const NodeView& node, const Tensor& codes, const Tensor& scale, const Tensor* zero_point,
                  int64_t axis);

/// Constant quantized by QONNX's Quant or BipolarQuant; scale and zero point broadcast along at most one axis.
Codes quantized_constant(const Importer& state, const NodeView& node);

/// real = float(code - zero_point) * scale.
std::vector<float> dequantized(const Codes& codes, const Dims& dims);

/// Index into the scales of a quantizer for the element `i` of a tensor.
struct SliceIndex {
    int64_t inner = 1, slices = 1;
    SliceIndex(const Quantizer& quantizer, const Dims& dims);
    size_t operator()(size_t i) const { return static_cast<size_t>(static_cast<int64_t>(i) / inner % slices); }
};

}  // namespace bitline::reader
