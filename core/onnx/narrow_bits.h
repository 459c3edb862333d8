#pragma once

// ONNX knows integers of 8 and of 16 bits; a quantizer of 4 bits, or one that leaves out the lowest code, is written in
// the next wider type, and its true width as metadata of the model, so that reading gives the same network again:
//   key   bitline.bits:TENSOR    TENSOR is the integer tensor: an initializer or an output of QuantizeLinear
//   value "4" or "4 narrow"; "1 bipolar" for the codes -1 and +1
// Other programs ignore it and compute the same.

#include <onnx/onnx_pb.h>

#include <string>

#include "core/network.h"

namespace bitline::onnx_writer {

inline constexpr const char* kClipSuffix = "_clip";        // node that keeps a narrow quantizer's range
inline constexpr const char* kWeightsSuffix = "_weights";  // initializer with the codes of a MatVec node

/// Records the width of `quantizer`, whose codes are in `tensor`, unless the tensor's type says it already.
void note_bits(onnx::ModelProto& model, const std::string& tensor, const Quantizer& quantizer);

/// Gives the quantizers of a network that was just read their widths back, and drops the clips that stood for them.
/// Values are found by their names, weights by their node's. Takes the entries out of `network.metadata`. Throws
/// FormatError where an entry does not fit the codes.
void restore_bits(Network& network);

}  // namespace bitline::onnx_writer
