#include "core/onnx/reader_axes.h"

#include <algorithm>
#include <numeric>

namespace bitline::reader {

namespace {

std::vector<bool> marked_axes(const NodeView& node, const std::vector<int64_t>& axes, size_t rank) {
    std::vector<bool> marked(rank, false);
    for (const int64_t entry : axes) {
        const auto axis = static_cast<size_t>(normalized_axis(node, entry, static_cast<int64_t>(rank)));
        if (marked[axis]) node.fail("names axis {} twice", axis);
        marked[axis] = true;
    }
    return marked;
}

}  // namespace

std::optional<std::vector<int64_t>> read_axes(const Importer& state, const NodeView& node) {
    if (node.has("axes")) return node.integers("axes");
    if (node.has_input(1)) {
        const Tensor& axes = constant_input(state, node, 1, "axes");
        if (!is_integer(axes.type) || axes.has_batch()) node.fail("axes '{}' are no known integers", axes.name);
        return axes.whole;
    }
    if (node.type() == "Unsqueeze") node.fail("names no axes");
    return std::nullopt;
}

Dims squeezed(const NodeView& node, const Dims& dims, const std::optional<std::vector<int64_t>>& axes) {
    Dims out;
    if (!axes) {
        std::copy_if(dims.begin(), dims.end(), std::back_inserter(out), [](int64_t d) { return d != 1; });
        return out;
    }
    const std::vector<bool> removed = marked_axes(node, *axes, dims.size());
    for (size_t a = 0; a < dims.size(); ++a) {
        if (!removed[a]) out.push_back(dims[a]);
        if (removed[a] && dims[a] != 1) node.fail("removes axis {} of {}, whose size is not 1", a, dims_text(dims));
    }
    return out;
}

Dims unsqueezed(const NodeView& node, const Dims& dims, const std::vector<int64_t>& axes) {
    const std::vector<bool> added = marked_axes(node, axes, dims.size() + axes.size());
    Dims out;
    size_t next = 0;
    for (const bool one : added) out.push_back(one ? 1 : dims[next++]);
    return out;
}

std::vector<int64_t> read_permutation(const NodeView& node, size_t rank) {
    std::vector<int64_t> reversed(rank);
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    std::vector<int64_t> order = node.integers("perm", reversed);
    std::vector<int64_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::reverse(reversed.begin(), reversed.end());
    if (sorted != reversed) node.fail("perm {} does not name each of {} axes once", dims_text(order), rank);
    return order;
}

Tensor shape_slice(const NodeView& node, Tensor shape) {
    const int64_t rank = shape.count();
    const auto position = [&](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
    const int64_t start = position(std::max(node.integer("start", 0), -rank));
    const int64_t end = std::max(start, position(std::max(node.integer("end", rank), -rank)));
    Tensor out;
    out.type = ElementType::int64;
    out.dims = {end - start};
    out.whole.assign(shape.whole.begin() + start, shape.whole.begin() + end);
    if (!shape.is_batch.empty()) out.is_batch.assign(shape.is_batch.begin() + start, shape.is_batch.begin() + end);
    return out;
}

}  // namespace bitline::reader
