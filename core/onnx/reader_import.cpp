#include "core/onnx/reader_import.h"

#include <algorithm>
#include <cmath>

namespace bitline::reader {

namespace {

std::string node_name(const NodeView& node) {
    return node.proto().name().empty() ? fmt::format("{} {}", node.type(), node.output()) : node.proto().name();
}

int append(Importer& state, const NodeView& at, const std::string& name, const std::string& origin, Operator op,
           std::vector<int> inputs, const std::string& output, std::optional<Quantizer> quantizer,
           const Shape& wanted) {
    std::vector<Shape> shapes;
    for (const int input : inputs) shapes.push_back(state.network.values[size_t(input)].shape);
    Shape shape;
    try {
        shape = infer_shape(op, shapes, wanted);
    } catch (const FormatError& error) {
        at.fail("{}", error.what());
    }
    checked_count(shape, kMaxValueElements, at.label());
    Node node;
    node.name = name;
    node.origin = origin;
    node.inputs = std::move(inputs);
    node.output = add_value(state, output, std::move(shape), std::move(quantizer));
    node.op = std::move(op);
    state.network.nodes.push_back(std::move(node));
    return state.network.nodes.back().output;
}

}  // namespace

const Known& known_input(const Importer& state, const NodeView& node, int i) {
    const auto found = state.known.find(node.input(i));
    if (found == state.known.end()) node.fail("input tensor '{}' is not an output that is read", node.input(i));
    return found->second;
}

bool is_constant(const Importer& state, const NodeView& node, int i) {
    return node.has_input(i) && !std::holds_alternative<Data>(known_input(state, node, i));
}

const Tensor& constant_input(const Importer& state, const NodeView& node, int i, const std::string& what) {
    const Tensor* tensor = optional_constant(state, node, i, what);
    if (tensor == nullptr) node.fail("{} '{}' is empty", what, node.input(i));
    return *tensor;
}

const Tensor* optional_constant(const Importer& state, const NodeView& node, int i, const std::string& what) {
    if (!node.has_input(i)) return nullptr;
    const auto* tensor = std::get_if<std::shared_ptr<const Tensor>>(&known_input(state, node, i));
    if (tensor == nullptr)
        node.fail("{} '{}' depends on the network's input; it must be constant", what, node.input(i));
    return (*tensor)->count() == 0 ? nullptr : tensor->get();
}

Data data_input(const Importer& state, const NodeView& node, int i) {
    const auto* data = std::get_if<Data>(&known_input(state, node, i));
    if (data == nullptr) node.fail("'{}' is constant, where a value of the network is expected", node.input(i));
    return *data;
}

void set_output(Importer& state, const NodeView& node, Known known) {
    state.known.insert_or_assign(node.output(), std::move(known));
}

void set_constant(Importer& state, const NodeView& node, Tensor tensor) {
    tensor.name = node.output();
    require_finite(tensor);
    spend(state, node, static_cast<size_t>(tensor.count()));
    set_output(state, node, std::make_shared<const Tensor>(std::move(tensor)));
}

const Value& value_of(const Importer& state, const Data& data) { return state.network.values[size_t(data.value)]; }

bool has_codes(const Importer& state, const Data& data) { return value_of(state, data).quantizer.has_value(); }

Quantizer effective_quantizer(const Importer& state, const Data& data) {
    Quantizer quantizer = *value_of(state, data).quantizer;
    quantizer.scale = {data.scale};
    return quantizer;
}

int add_value(Importer& state, const std::string& name, Shape shape, std::optional<Quantizer> quantizer) {
    state.network.values.push_back({name, std::move(shape), std::move(quantizer)});
    return static_cast<int>(state.network.values.size()) - 1;
}

int add_node(Importer& state, const NodeView& node, Operator op, std::vector<int> inputs, const std::string& output,
             std::optional<Quantizer> quantizer, const Shape& wanted) {
    return append(state, node, node_name(node), node.type(), std::move(op), std::move(inputs), output,
                  std::move(quantizer), wanted);
}

Data emit(Importer& state, const NodeView& node, Operator op, std::vector<int> inputs, Shape onnx_shape,
          std::optional<Quantizer> quantizer) {
    Data data;
    data.scale = quantizer ? quantizer->scale[0] : 1.0F;
    data.value =
        add_node(state, node, std::move(op), std::move(inputs), node.output(), std::move(quantizer), onnx_shape);
    data.shape = std::move(onnx_shape);
    set_output(state, node, data);
    return data;
}

void spend(Importer& state, const NodeView& node, size_t count) {
    state.budget -= static_cast<int64_t>(count);
    if (state.budget < 0) node.fail("expands the file's numbers beyond any use (memory)");
}

void require_no_margin(const NodeView& node, const Data& data) {
    if (data.margin != Margin{}) node.fail("reads the output of a Pad; only Conv and AveragePool may follow a Pad");
}

void require_real(const Importer& state, const NodeView& node, const Data& data) {
    if (data.integer() && has_codes(state, data))
        node.fail("computes with the integer codes of '{}'; put a DequantizeLinear before it",
                  value_of(state, data).name);
}

int numeric_value(Importer& state, const NodeView& node, const Data& data) {
    require_no_margin(node, data);
    require_real(state, node, data);
    int value = data.value;
    for (const ScaleChange& change : data.changes)
        value = append(state, node, change.node, change.origin, change.op, {value}, change.output, std::nullopt, {});
    return value;
}

int shaped_value(Importer& state, const NodeView& node, const Data& data, const Shape& shape) {
    require_no_margin(node, data);
    const Value& value = value_of(state, data);
    if (value.shape == shape) return data.value;
    const std::string name = value.name + "_reshaped";
    return append(state, node, name, "Reshape", Reshape{}, {data.value}, name, value.quantizer, shape);
}

int shaped_numeric_value(Importer& state, const NodeView& node, const Data& data) {
    Data numeric = data;
    numeric.value = numeric_value(state, node, data);
    numeric.changes.clear();
    return shaped_value(state, node, numeric, data.shape);
}

void require_positive(const NodeView& node, const Tensor& scale) {
    if (scale.count() == 0 || is_integer(scale.type)) node.fail("scale '{}' is no float tensor", scale.name);
    for (const float s : scale.real)
        if (!(s > 0)) node.fail("scale '{}' has entry {}, which violates scale > 0", scale.name, s);
}

float scalar_scale(const NodeView& node, const Tensor& tensor) {
    require_positive(node, tensor);
    if (!std::all_of(tensor.real.begin(), tensor.real.end(), [&](float s) { return s == tensor.real[0]; }))
        node.fail("scale '{}' has different entries; a value of the network is quantized per tensor", tensor.name);
    return tensor.real[0];
}

int64_t normalized_axis(const NodeView& node, int64_t axis, int64_t rank) {
    if (axis < -rank || axis >= rank) node.fail("axis {} violates {} <= axis < {}", axis, -rank, rank);
    return axis < 0 ? axis + rank : axis;
}

}  // namespace bitline::reader
