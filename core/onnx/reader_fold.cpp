// Nodes whose inputs are all constant: the operators that make, move or convert numbers.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "core/onnx/reader_axes.h"
#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

/// Tensor of shape `dims` whose entry i is the source's entry index(i). Codes move along where `axis` tells where the
/// source's quantizer axis has gone (-1: nowhere, they are dropped).
Tensor picked(const Tensor& source, Dims dims, const std::vector<int64_t>& index, int axis = -1) {
    Tensor out;
    out.type = source.type;
    out.dims = std::move(dims);
    const auto pick = [&](const auto& from, auto& to) {
        if (from.empty()) return;
        to.reserve(index.size());
        for (const int64_t i : index) to.push_back(from[size_t(i)]);
    };
    pick(source.real, out.real);
    pick(source.whole, out.whole);
    pick(source.is_batch, out.is_batch);
    if (source.codes != nullptr && axis >= 0) {
        Codes codes;
        codes.quantizer = source.codes->quantizer;
        codes.quantizer.axis = axis;
        pick(source.codes->codes, codes.codes);
        out.codes = std::make_shared<const Codes>(std::move(codes));
    }
    return out;
}

std::vector<int64_t> counted(int64_t count) {
    std::vector<int64_t> index(static_cast<size_t>(count));
    std::iota(index.begin(), index.end(), 0);
    return index;
}

std::vector<int64_t> strides_of(const Dims& dims) {
    std::vector<int64_t> strides(dims.size(), 1);
    for (size_t a = dims.size(); a-- > 1;) strides[a - 1] = strides[a] * dims[a];
    return strides;
}

int64_t product(Dims::const_iterator first, Dims::const_iterator end) {
    return std::accumulate(first, end, int64_t(1), std::multiplies<>());
}

/// Where the quantizer's axis lies after a reshape: the same size with as many elements before it. -1: nowhere.
int reshaped_axis(const Quantizer& quantizer, const Dims& from, const Dims& to) {
    if (quantizer.per_tensor()) return 0;
    const int64_t before = product(from.begin(), from.begin() + quantizer.axis);
    for (size_t a = 0; a < to.size(); ++a)
        if (to[a] == from[size_t(quantizer.axis)] && product(to.begin(), to.begin() + int64_t(a)) == before)
            return static_cast<int>(a);
    return -1;
}

Tensor reshaped(const Tensor& source, Dims dims) {
    const int axis = source.codes != nullptr ? reshaped_axis(source.codes->quantizer, source.dims, dims) : -1;
    return picked(source, std::move(dims), counted(source.count()), axis);
}

/// Reshape's target for a constant: 0 keeps a size, one -1 takes what is left.
Dims constant_target(const NodeView& node, const Tensor& source, const Tensor& target) {
    Dims dims;
    int64_t known = 1;
    int inferred = -1;
    for (size_t a = 0; a < target.whole.size(); ++a) {
        int64_t size = target.whole[a];
        if (size == 0 && node.integer("allowzero", 0) == 0 && a < source.dims.size()) size = source.dims[a];
        if (size == -1 && inferred < 0) {
            inferred = static_cast<int>(a);
            size = 1;
        }
        if (size < 1 || known > source.count() / size)
            node.fail("reshapes {} to {}", dims_text(source.dims), dims_text(target.whole));
        known *= size;
        dims.push_back(size);
    }
    if (inferred >= 0) dims[size_t(inferred)] = known > 0 ? source.count() / known : 0;
    if (product(dims.begin(), dims.end()) != source.count())
        node.fail("reshapes {} to {}", dims_text(source.dims), dims_text(target.whole));
    return dims;
}

void fold_reshape(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    Tensor target;
    if (node.has("shape")) {
        target = whole_vector("shape", node.integers("shape"));
    } else {
        target = constant_input(state, node, 1, "shape");
    }
    if (target.has_batch()) node.fail("reshapes a constant to the batch size");
    set_constant(state, node, reshaped(source, constant_target(node, source, target)));
}

void fold_flatten(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    const auto rank = static_cast<int64_t>(source.dims.size());
    const int64_t axis = node.integer("axis", 1) == rank ? rank : normalized_axis(node, node.integer("axis", 1), rank);
    const int64_t before = product(source.dims.begin(), source.dims.begin() + axis);
    set_constant(state, node, reshaped(source, {before, source.count() / before}));
}

void fold_squeeze(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    const auto axes = read_axes(state, node);
    set_constant(state, node, reshaped(source, squeezed(node, source.dims, axes)));
}

void fold_unsqueeze(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    set_constant(state, node, reshaped(source, unsqueezed(node, source.dims, *read_axes(state, node))));
}

void fold_transpose(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    set_constant(state, node, transposed(source, read_permutation(node, source.dims.size())));
}

void fold_identity(Importer& state, const NodeView& node) {
    state.known.insert_or_assign(node.output(), known_input(state, node, 0));
}

void fold_shape(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    set_constant(state, node, shape_slice(node, whole_vector("", source.dims)));
}

void fold_constant(Importer& state, const NodeView& node) {
    if (const onnx::TensorProto* tensor = node.tensor("value"))
        return set_constant(state, node, decode(*tensor, node.output()));
    if (node.has("value_float")) return set_constant(state, node, real_scalar("", node.real("value_float", 0)));
    if (node.has("value_int")) {
        Tensor out = whole_vector("", {node.integer("value_int", 0)});
        out.dims = {};
        return set_constant(state, node, std::move(out));
    }
    if (node.has("value_ints")) return set_constant(state, node, whole_vector("", node.integers("value_ints")));
    if (!node.has("value_floats")) node.fail("holds none of value, value_float, value_floats, value_int, value_ints");
    Tensor out;
    out.real = node.reals("value_floats");
    out.dims = {out.count()};
    set_constant(state, node, std::move(out));
}

void fold_constant_of_shape(Importer& state, const NodeView& node) {
    const Tensor& shape = constant_input(state, node, 0, "shape");
    if (shape.has_batch()) node.fail("makes a constant whose size is the batch size");
    if (!is_integer(shape.type)) node.fail("shape '{}' is no integer tensor", shape.name);
    const int64_t count = checked_count(shape.whole, kMaxFoldedElements, node.label());
    const onnx::TensorProto* value = node.tensor("value");
    const Tensor entry = value != nullptr ? decode(*value, node.output()) : real_scalar("", 0.0F);
    if (entry.count() != 1) node.fail("attribute 'value' has {} entries, 1 expected", entry.count());
    set_constant(state, node, picked(entry, shape.whole, std::vector<int64_t>(size_t(count), 0)));
}

void fold_gather(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    const Tensor& index = constant_input(state, node, 1, "indices");
    if (!is_integer(index.type)) node.fail("indices '{}' are no integers", index.name);
    const int64_t axis = normalized_axis(node, node.integer("axis", 0), static_cast<int64_t>(source.dims.size()));
    const int64_t size = source.dims[size_t(axis)];
    Dims dims(source.dims.begin(), source.dims.begin() + axis);
    dims.insert(dims.end(), index.dims.begin(), index.dims.end());
    dims.insert(dims.end(), source.dims.begin() + axis + 1, source.dims.end());
    const int64_t inner = product(source.dims.begin() + axis + 1, source.dims.end());
    const int64_t outer = product(source.dims.begin(), source.dims.begin() + axis);
    checked_count(dims, std::max(kMaxFoldedElements, source.count()), node.label());
    std::vector<int64_t> from;
    for (int64_t o = 0; o < outer; ++o)
        for (const int64_t entry : index.whole) {
            const int64_t i = normalized_axis(node, entry, size);
            for (int64_t k = 0; k < inner; ++k) from.push_back((o * size + i) * inner + k);
        }
    set_constant(state, node, picked(source, std::move(dims), from));
}

/// One axis of a Slice: the indices start, start + step, ... that ONNX takes.
std::vector<int64_t> sliced_axis(const NodeView& node, int64_t size, int64_t start, int64_t end, int64_t step) {
    if (step == 0) node.fail("step 0");
    const auto from_end = [&](int64_t i) { return i < 0 && i >= -size ? i + size : std::clamp<int64_t>(i, -1, size); };
    std::vector<int64_t> indices;
    if (step > 0) {
        const int64_t last = end < -size ? 0 : from_end(end);
        for (int64_t i = start < -size ? 0 : from_end(start); i < last; i += std::min(step, size)) indices.push_back(i);
    } else {
        const int64_t last = end < -size ? -1 : from_end(end);
        for (int64_t i = std::min(from_end(start), size - 1); i > last; i += std::max(step, -size))
            indices.push_back(i);
    }
    return indices;
}

std::vector<int64_t> slice_argument(const Importer& state, const NodeView& node, int input, const std::string& name) {
    if (node.has(name)) return node.integers(name);
    const Tensor* tensor = optional_constant(state, node, input, name);
    if (tensor == nullptr) return {};
    if (!is_integer(tensor->type) || tensor->has_batch())
        node.fail("{} '{}' are no known integers", name, tensor->name);
    return tensor->whole;
}

void fold_slice(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    const auto starts = slice_argument(state, node, 1, "starts"), ends = slice_argument(state, node, 2, "ends");
    auto axes = slice_argument(state, node, 3, "axes"), steps = slice_argument(state, node, 4, "steps");
    if (axes.empty()) axes = counted(static_cast<int64_t>(starts.size()));
    if (steps.empty()) steps.assign(starts.size(), 1);
    if (starts.size() != ends.size() || starts.size() != axes.size() || starts.size() != steps.size())
        node.fail("starts, ends, axes and steps have different lengths");

    std::vector<int64_t> from{0};
    Dims dims = source.dims;
    std::map<int64_t, std::vector<int64_t>> chosen;
    for (size_t i = 0; i < starts.size(); ++i) {
        const int64_t axis = normalized_axis(node, axes[i], static_cast<int64_t>(dims.size()));
        if (!chosen.emplace(axis, sliced_axis(node, dims[size_t(axis)], starts[i], ends[i], steps[i])).second)
            node.fail("names axis {} twice", axis);
    }
    const auto strides = strides_of(source.dims);
    for (size_t a = 0; a < dims.size(); ++a) {
        const auto kept = chosen.count(int64_t(a)) != 0 ? chosen.at(int64_t(a)) : counted(dims[a]);
        dims[a] = static_cast<int64_t>(kept.size());
        std::vector<int64_t> longer;
        for (const int64_t base : from)
            for (const int64_t i : kept) longer.push_back(base + i * strides[a]);
        from = std::move(longer);
    }
    if (from.empty()) node.fail("leaves nothing of {}", dims_text(source.dims));
    set_constant(state, node, picked(source, std::move(dims), from));
}

/// Appends rows of each input in turn; the entries lie outer x (sizes along axis) x inner.
void fold_concat(Importer& state, const NodeView& node) {
    const Tensor& first = constant_input(state, node, 0, "tensor");
    const int64_t axis = normalized_axis(node, node.integer("axis", 1), static_cast<int64_t>(first.dims.size()));
    const int64_t outer = product(first.dims.begin(), first.dims.begin() + axis);
    Tensor out;
    out.type = first.type;
    out.dims = first.dims;
    out.dims[size_t(axis)] = 0;
    bool batch = false;
    for (int i = 0; i < node.input_count(); ++i) {
        const Tensor& part = constant_input(state, node, i, "tensor");
        Dims same = part.dims;
        if (same.size() == first.dims.size()) same[size_t(axis)] = first.dims[size_t(axis)];
        if (same != first.dims || is_integer(part.type) != is_integer(first.type))
            node.fail("inputs {} and {} do not fit", dims_text(first.dims), dims_text(part.dims));
        out.dims[size_t(axis)] += part.dims[size_t(axis)];
        batch = batch || part.has_batch();
    }
    for (int64_t o = 0; o < outer; ++o)
        for (int i = 0; i < node.input_count(); ++i) {
            const Tensor& part = constant_input(state, node, i, "tensor");
            const auto width = static_cast<size_t>(part.count() / outer), begin = static_cast<size_t>(o) * width;
            for (size_t k = begin; k < begin + width; ++k) {
                if (is_integer(out.type)) out.whole.push_back(part.whole[k]);
                if (!is_integer(out.type)) out.real.push_back(part.real[k]);
                if (batch) out.is_batch.push_back(part.is_batch.empty() ? 0 : part.is_batch[k]);
            }
        }
    set_constant(state, node, std::move(out));
}

void fold_cast(Importer& state, const NodeView& node) {
    const Tensor& source = constant_input(state, node, 0, "tensor");
    const auto type = element_type(static_cast<int>(node.integer("to", 0)));
    if (!type) node.fail("casts to {}", onnx_type_name(static_cast<int>(node.integer("to", 0))));
    Tensor out = source;
    out.type = *type;
    if (is_integer(*type) && !is_integer(source.type)) {
        out.codes = nullptr;
        out.real.clear();
        for (const float v : source.real) {
            if (std::abs(v) >= 0x1p62F) node.fail("casts {} to an integer type", v);
            out.whole.push_back(static_cast<int64_t>(v));
        }
    } else if (!is_integer(*type) && is_integer(source.type)) {
        if (source.has_batch()) node.fail("computes with the batch size");
        out.whole.clear();
        for (const int64_t v : source.whole) out.real.push_back(static_cast<float>(v));
    }
    if (*type == ElementType::boolean)
        for (int64_t& v : out.whole) v = v != 0 ? 1 : 0;
    for (const int64_t v : out.whole)
        if (is_integer(*type) && (v < range_of(*type).low || v > range_of(*type).high))
            node.fail("{} lies outside of the type that it is cast to", v);
    set_constant(state, node, std::move(out));
}

using Fold = void (*)(Importer&, const NodeView&);

const std::map<std::string, Fold>& folds() {
    static const std::map<std::string, Fold> table = {
        {"Cast", fold_cast},           {"Concat", fold_concat},
        {"Constant", fold_constant},   {"ConstantOfShape", fold_constant_of_shape},
        {"Dropout", fold_identity},    {"Flatten", fold_flatten},
        {"Gather", fold_gather},       {"Identity", fold_identity},
        {"Reshape", fold_reshape},     {"Shape", fold_shape},
        {"Slice", fold_slice},         {"Squeeze", fold_squeeze},
        {"Transpose", fold_transpose}, {"Unsqueeze", fold_unsqueeze},
    };
    return table;
}

}  // namespace

Tensor transposed(const Tensor& tensor, const std::vector<int64_t>& order) {
    const auto strides = strides_of(tensor.dims);
    std::vector<int64_t> from{0};
    Dims dims;
    int axis = tensor.codes != nullptr ? 0 : -1;
    for (const int64_t a : order) {
        if (tensor.codes != nullptr && tensor.codes->quantizer.axis == a) axis = static_cast<int>(dims.size());
        dims.push_back(tensor.dims[size_t(a)]);
        std::vector<int64_t> longer;
        longer.reserve(from.size() * size_t(dims.back()));
        for (const int64_t base : from)
            for (int64_t i = 0; i < dims.back(); ++i) longer.push_back(base + i * strides[size_t(a)]);
        from = std::move(longer);
    }
    Tensor out = picked(tensor, std::move(dims), from, axis);
    out.name = tensor.name;
    return out;
}

bool fold_node(Importer& state, const NodeView& node) {
    if (fold_quantization(state, node)) return true;
    const auto fold = folds().find(node.type());
    if (fold == folds().end()) return fold_arithmetic(state, node);
    fold->second(state, node);
    return true;
}

}  // namespace bitline::reader
