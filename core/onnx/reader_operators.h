#pragma once

// The operators that the reader knows, by ONNX name.

#include <string>

#include "core/onnx/reader_import.h"

namespace bitline::reader {

/// Reads one node: folds it where all its inputs are constant, else adds what it stands for to the network.
/// Throws FormatError naming operator, domain and node where it is not known.
void import_node(Importer& state, const NodeView& node);

// reader_fold.cpp, reader_fold_arithmetic.cpp: nodes whose inputs are all constant. False where the operator is not
// among those that are folded.
bool fold_node(Importer& state, const NodeView& node);
bool fold_arithmetic(Importer& state, const NodeView& node);
/// Transposed copy; codes move with the numbers.
Tensor transposed(const Tensor& tensor, const std::vector<int64_t>& order);

// reader_layers.cpp
void import_conv(Importer& state, const NodeView& node);
void import_gemm(Importer& state, const NodeView& node);
void import_matmul(Importer& state, const NodeView& node);
void import_qlinear_conv(Importer& state, const NodeView& node);
void import_qlinear_matmul(Importer& state, const NodeView& node);
void import_conv_integer(Importer& state, const NodeView& node);
void import_matmul_integer(Importer& state, const NodeView& node);

// reader_window.cpp
void import_max_pool(Importer& state, const NodeView& node);
void import_average_pool(Importer& state, const NodeView& node);
void import_global_pool(Importer& state, const NodeView& node);
void import_pad(Importer& state, const NodeView& node);

/// Kernel, stride, dilation and pads of a node over an image of `in` (height, width), margin added.
Window read_window(const NodeView& node, const Shape& image, const std::vector<int64_t>& kernel, const Margin& margin);
/// {C, L} as the image {C, 1, L}; {C, H, W} as it is. Throws for other ranks.
Shape image_shape(const NodeView& node, const Shape& shape);

// reader_elementwise.cpp
void import_arithmetic(Importer& state, const NodeView& node);
void import_batch_norm(Importer& state, const NodeView& node);
void import_activation(Importer& state, const NodeView& node);
void import_clip(Importer& state, const NodeView& node);
void import_greater_or_equal(Importer& state, const NodeView& node);
void import_softmax(Importer& state, const NodeView& node);

// reader_shapes.cpp
void import_shape(Importer& state, const NodeView& node);
void import_reshape(Importer& state, const NodeView& node);
void import_flatten(Importer& state, const NodeView& node);
void import_squeeze(Importer& state, const NodeView& node);
void import_unsqueeze(Importer& state, const NodeView& node);
void import_transpose(Importer& state, const NodeView& node);
void import_concat(Importer& state, const NodeView& node);
void import_identity(Importer& state, const NodeView& node);
void import_dropout(Importer& state, const NodeView& node);
void import_cast(Importer& state, const NodeView& node);

// reader_quantization.cpp
void import_quantize_linear(Importer& state, const NodeView& node);
void import_dequantize_linear(Importer& state, const NodeView& node);
void import_quant(Importer& state, const NodeView& node);
void import_bipolar_quant(Importer& state, const NodeView& node);
void import_trunc(Importer& state, const NodeView& node);

/// `data` as a value that holds codes with zero point `zero`; adds a Quantize where they are whole numbers of the
/// graph's input.
Data codes_with_zero_point(Importer& state, const NodeView& node, const Data& data, int32_t zero);
/// Zero point of a data tensor (0 where not given) and the type of its codes.
struct ZeroPoint {
    int32_t value = 0;
    ElementType type = ElementType::uint8;
};
ZeroPoint read_zero_point(const Importer& state, const NodeView& node, int input);
Quantizer typed_quantizer(const NodeView& node, float scale, const ZeroPoint& zero);
// reader_fold_quantization.cpp
bool fold_quantization(Importer& state, const NodeView& node);

// reader_simplify.cpp
/// Drops what the output does not need and makes names unique.
void simplify(Importer& state);

}  // namespace bitline::reader
