#pragma once

// Axes as the shape operators state them, for constants and for values of the network alike.

#include <optional>
#include <vector>

#include "core/onnx/reader_import.h"

namespace bitline::reader {

/// Axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since. Nothing where not given.
std::optional<std::vector<int64_t>> read_axes(const Importer& state, const NodeView& node);

Dims squeezed(const NodeView& node, const Dims& dims, const std::optional<std::vector<int64_t>>& axes);
Dims unsqueezed(const NodeView& node, const Dims& dims, const std::vector<int64_t>& axes);

/// Attribute `perm`, reversed order where absent; checked to name every axis once.
std::vector<int64_t> read_permutation(const NodeView& node, size_t rank);

/// Part of a shape between Shape's attributes start and end.
Tensor shape_slice(const NodeView& node, Tensor shape);

}  // namespace bitline::reader
