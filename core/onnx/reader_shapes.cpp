// Operators that move elements or only rename them.

#include <algorithm>
#include <numeric>

#include "core/onnx/reader_axes.h"
#include "core/onnx/reader_operators.h"

namespace bitline::reader {

namespace {

/// The same elements in another shape; codes stay codes.
void emit_reshape(Importer& state, const NodeView& node, const Data& data, const Shape& shape) {
    require_no_margin(node, data);
    Data out = data;
    out.shape = shape;
    if (value_of(state, data).shape != shape)
        out.value =
            add_node(state, node, Reshape{}, {data.value}, node.output(), value_of(state, data).quantizer, shape);
    set_output(state, node, out);
}

Tensor reshape_target(const Importer& state, const NodeView& node) {
    if (node.has("shape")) return whole_vector("shape", node.integers("shape"));
    const Tensor& target = constant_input(state, node, 1, "shape");
    if (!is_integer(target.type)) node.fail("shape '{}' is no integer tensor", target.name);
    return target;
}

/// The first entry of a Reshape's target must stand for the batch: the batch size itself, 0 (keep), -1, or a static
/// size that was exported with the network.
void require_batch_first(const Importer& state, const NodeView& node, const Tensor& target) {
    const int64_t first = target.whole[0];
    const bool batch = !target.is_batch.empty() && target.is_batch[0] != 0;
    const bool kept = (first == 0 && node.integer("allowzero", 0) == 0) || first == -1;
    if (!batch && !kept && first != 1 && first != state.batch)
        node.fail("target {} does not keep the batch as the first axis", dims_text(target.whole));
    for (size_t i = 1; i < target.is_batch.size(); ++i)
        if (target.is_batch[i] != 0) node.fail("moves the batch to axis {}", i);
}

/// Sizes per sample; `first_inferred`: the batch entry is the -1 of the target.
Shape sample_target(const NodeView& node, const Tensor& target, const Shape& from) {
    const int64_t elements = element_count(from);
    Shape shape;
    int64_t known = 1;
    int inferred = -1;
    for (size_t i = 1; i < target.whole.size(); ++i) {
        int64_t size = target.whole[i];
        if (size == 0 && node.integer("allowzero", 0) == 0 && i <= from.size()) size = from[i - 1];
        if (size == -1 && inferred < 0 && target.whole[0] != -1) {
            inferred = static_cast<int>(i) - 1;
            size = 1;
        }
        if (size < 1 || known > elements / size)
            node.fail("target {} does not fit {} elements per sample", dims_text(target.whole), elements);
        known *= size;
        shape.push_back(size);
    }
    if (inferred >= 0) shape[size_t(inferred)] = elements / known;
    if (shape.empty() || element_count(shape) != elements)
        node.fail("target {} does not fit {} elements per sample", dims_text(target.whole), elements);
    return shape;
}

Dims with_batch(const Shape& shape) {
    Dims dims{0};  // 0 marks the batch: no axis of size 1, and equal to no other size
    dims.insert(dims.end(), shape.begin(), shape.end());
    return dims;
}

Shape without_batch(const NodeView& node, const Dims& dims) {
    if (dims.empty() || dims[0] != 0) node.fail("does not keep the batch as the first axis");
    return {dims.begin() + 1, dims.end()};
}

bool same_codes(const Importer& state, const std::vector<Data>& parts) {
    return std::all_of(parts.begin(), parts.end(), [&](const Data& part) {
        return has_codes(state, part) && value_of(state, part).quantizer == value_of(state, parts[0]).quantizer &&
               part.scale == parts[0].scale && part.type == parts[0].type;
    });
}

}  // namespace

void import_shape(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    require_no_margin(node, data);
    Tensor shape = whole_vector("", with_batch(data.shape));
    shape.whole[0] = state.batch;
    shape.is_batch.assign(shape.whole.size(), 0);
    shape.is_batch[0] = 1;
    set_constant(state, node, shape_slice(node, std::move(shape)));
}

void import_reshape(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const Tensor target = reshape_target(state, node);
    if (target.whole.empty()) node.fail("has an empty target");
    require_batch_first(state, node, target);
    Tensor plain = target;
    if (plain.is_batch.empty() ? false : plain.is_batch[0] != 0) plain.whole[0] = 1;  // may be -1: not to be inferred
    emit_reshape(state, node, data, sample_target(node, plain, data.shape));
}

void import_flatten(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const auto rank = static_cast<int64_t>(data.shape.size()) + 1;
    const int64_t given = node.integer("axis", 1);
    const int64_t axis = given == rank ? rank : normalized_axis(node, given, rank);
    const int64_t merged = axis == 0 ? 0 : element_count(Shape(data.shape.begin(), data.shape.begin() + axis - 1));
    if (merged != 1) node.fail("axis {} mixes the batch with other axes of {}", given, to_string(data.shape));
    emit_reshape(state, node, data, {element_count(data.shape)});
}

void import_squeeze(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const auto axes = read_axes(state, node);
    if (!axes && state.batch == 1) node.fail("names no axes, so it would remove the batch of 1 too; name its axes");
    emit_reshape(state, node, data, without_batch(node, squeezed(node, with_batch(data.shape), axes)));
}

void import_unsqueeze(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const auto axes = read_axes(state, node);
    emit_reshape(state, node, data, without_batch(node, unsqueezed(node, with_batch(data.shape), *axes)));
}

void import_transpose(Importer& state, const NodeView& node) {
    const Data data = data_input(state, node, 0);
    const std::vector<int64_t> order = read_permutation(node, data.shape.size() + 1);
    if (order[0] != 0) node.fail("perm {} does not keep the batch as the first axis", dims_text(order));
    if (std::is_sorted(order.begin(), order.end())) return set_output(state, node, data);
    Permute op;
    for (size_t i = 1; i < order.size(); ++i) op.order.push_back(order[i] - 1);
    Data out = data;
    const int value = shaped_value(state, node, data, data.shape);
    out.value = add_node(state, node, op, {value}, node.output(), value_of(state, data).quantizer);
    out.shape = value_of(state, out).shape;
    set_output(state, node, out);
}

void import_concat(Importer& state, const NodeView& node) {
    std::vector<Data> parts;
    for (int i = 0; i < node.input_count(); ++i) parts.push_back(data_input(state, node, i));
    const auto rank = static_cast<int64_t>(parts.at(0).shape.size()) + 1;
    const int64_t axis = normalized_axis(node, node.integer("axis", 1), rank);
    if (axis == 0) node.fail("axis 0 is the batch; samples are not concatenated");
    const bool codes = same_codes(state, parts);
    std::vector<int> values;
    for (const Data& part : parts)
        values.push_back(codes ? shaped_value(state, node, part, part.shape) : shaped_numeric_value(state, node, part));
    Data out;
    if (codes) out = parts[0];
    if (!codes) out.type = parts[0].type;
    out.value = add_node(state, node, Concat{axis - 1}, values, node.output(),
                         codes ? value_of(state, parts[0]).quantizer : std::nullopt);
    out.shape = value_of(state, out).shape;
    set_output(state, node, out);
}

void import_identity(Importer& state, const NodeView& node) { set_output(state, node, data_input(state, node, 0)); }

void import_dropout(Importer& state, const NodeView& node) {
    const Tensor* training = optional_constant(state, node, 2, "training_mode");
    if (training != nullptr && is_integer(training->type) && training->whole[0] != 0)
        node.fail("training_mode is set; export the network for inference");
    import_identity(state, node);
}

void import_cast(Importer& state, const NodeView& node) {
    Data data = data_input(state, node, 0);
    const int to = static_cast<int>(node.integer("to", 0));
    const auto type = element_type(to);
    const bool half = to == onnx::TensorProto::FLOAT16 || to == onnx::TensorProto::BFLOAT16;
    if (!type || half || *type == ElementType::boolean) node.fail("casts a value to {}", onnx_type_name(to));
    // Codes that stand for themselves are the only ones that mean the same as float and as integer numbers.
    const bool plain = !has_codes(state, data) ||
                       (data.changes.empty() && data.scale == 1 && value_of(state, data).quantizer->zero_point[0] == 0);
    if (data.integer() && !is_integer(*type) && !plain)
        node.fail("casts quantized codes to float; use DequantizeLinear");
    if (!data.integer() && is_integer(*type) && !(plain && has_codes(state, data)))
        node.fail("casts real numbers to {}", onnx_type_name(to));
    if (is_integer(*type)) {
        const TypeRange own = data.integer() ? range_of(data.type) : range_of(ElementType::int32),
                        wanted = range_of(*type);
        const bool fits = has_codes(state, data) ? value_of(state, data).quantizer->code_min() >= wanted.low &&
                                                       value_of(state, data).quantizer->code_max() <= wanted.high
                                                 : own.low >= wanted.low && own.high <= wanted.high;
        if (!fits) node.fail("casts to {}, which does not hold every code", onnx_type_name(to));
    }
    data.type = *type;
    set_output(state, node, data);
}

}  // namespace bitline::reader
