#pragma once

#include <string>
#include <vector>

#include "core/network.h"

namespace bitline {

/// Reads a network from ONNX (.onnx) or Bitline's HDF5 (.h5), told apart by the file's first bytes, not by its name.
/// Throws FormatError.
Network read_network(const std::string& path);

/// core/onnx: QDQ, operator form, QONNX and float models. See core/onnx/README.md for what is accepted.
Network read_onnx(const std::string& path);
Network read_onnx_bytes(const std::string& bytes, const std::string& name);

/// Names of the operators that `read_onnx` knows: ONNX's, then QONNX's.
std::vector<std::string> onnx_operators();

/// Writes a network whose layers are uniformly quantized as QDQ ONNX (opset 13) that ONNX Runtime runs with the same
/// codes. Throws ConfigError that names the first layer which QDQ cannot express.
void write_onnx(const Network& network, const std::string& path);

Network read_hdf5(const std::string& path);
void write_hdf5(const Network& network, const std::string& path);

/// Folds what stands between an integer sum and a quantizer (batch norm, constant arithmetic, monotone activations,
/// then Quantize or sign) into integer thresholds, found by bisection over the exact float32 chain, so that the result
/// is the same to the bit. Chains without a batch norm or per-channel constants, and quantizers of more than 8 bits,
/// stay as they are. Returns how many were folded.
int fold_thresholds(Network& network);

}  // namespace bitline
