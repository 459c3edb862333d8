#include "core/onnx/writer_graph.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"

namespace bitline::onnx_writer {

namespace {

onnx::TensorProto& add_tensor(GraphWriter& graph, const std::string& name, int type, const Shape& shape) {
    onnx::TensorProto& tensor = *graph.model.mutable_graph()->add_initializer();
    tensor.set_name(unique_name(graph, name));
    tensor.set_data_type(type);
    for (const int64_t size : shape) tensor.add_dims(size);
    return tensor;
}

/// ONNX stores raw data in little endian, as every machine that Bitline runs on does.
template <class T>
void set_raw(onnx::TensorProto& tensor, const std::vector<T>& values) {
    tensor.set_raw_data(values.data(), values.size() * sizeof(T));
}

template <class T>
void set_codes(onnx::TensorProto& tensor, const std::vector<int32_t>& codes) {
    set_raw(tensor, std::vector<T>(codes.begin(), codes.end()));
}

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(type);
    return attribute;
}

}  // namespace

GraphWriter::GraphWriter(const Network& source) : network(source) {
    real_name.resize(source.values.size());
    code_name.resize(source.values.size());
    for (size_t i = 0; i < source.values.size(); ++i) {
        const std::string& name = source.values[i].name;
        value_name.push_back(unique_name(*this, name.empty() ? fmt::format("value_{}", i) : name));
    }
}

std::string unique_name(GraphWriter& graph, const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; !graph.taken.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
    return name;
}

onnx::NodeProto& add_node(GraphWriter& graph, const std::string& type, const std::string& name,
                          const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *graph.model.mutable_graph()->add_node();
    node.set_op_type(type);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
}

void set_int(onnx::NodeProto& node, const std::string& attribute, int64_t value) {
    add_attribute(node, attribute, onnx::AttributeProto::INT).set_i(value);
}

void set_float(onnx::NodeProto& node, const std::string& attribute, float value) {
    add_attribute(node, attribute, onnx::AttributeProto::FLOAT).set_f(value);
}

void set_ints(onnx::NodeProto& node, const std::string& attribute, const std::vector<int64_t>& values) {
    onnx::AttributeProto& proto = add_attribute(node, attribute, onnx::AttributeProto::INTS);
    for (const int64_t value : values) proto.add_ints(value);
}

std::string add_floats(GraphWriter& graph, const std::string& name, const std::vector<float>& values,
                       const Shape& shape) {
    onnx::TensorProto& tensor = add_tensor(graph, name, onnx::TensorProto::FLOAT, shape);
    set_raw(tensor, values);
    return tensor.name();
}

std::string add_int64s(GraphWriter& graph, const std::string& name, const std::vector<int64_t>& values) {
    onnx::TensorProto& tensor = add_tensor(graph, name, onnx::TensorProto::INT64, {int64_t(values.size())});
    set_raw(tensor, values);
    return tensor.name();
}

std::string add_int32s(GraphWriter& graph, const std::string& name, const std::vector<int32_t>& values,
                       const Shape& shape) {
    onnx::TensorProto& tensor = add_tensor(graph, name, onnx::TensorProto::INT32, shape);
    set_raw(tensor, values);
    return tensor.name();
}

std::string add_codes(GraphWriter& graph, const std::string& name, const std::vector<int32_t>& codes,
                      const Shape& shape, const Quantizer& quantizer) {
    const bool wide = quantizer.bits > 8;
    graph.needs_opset_21 = graph.needs_opset_21 || wide;
    if (quantizer.is_signed) {
        onnx::TensorProto& tensor =
            add_tensor(graph, name, wide ? onnx::TensorProto::INT16 : onnx::TensorProto::INT8, shape);
        wide ? set_codes<int16_t>(tensor, codes) : set_codes<int8_t>(tensor, codes);
        return tensor.name();
    }
    onnx::TensorProto& tensor =
        add_tensor(graph, name, wide ? onnx::TensorProto::UINT16 : onnx::TensorProto::UINT8, shape);
    wide ? set_codes<uint16_t>(tensor, codes) : set_codes<uint8_t>(tensor, codes);
    return tensor.name();
}

QuantizerNames add_quantizer(GraphWriter& graph, const std::string& name, const Quantizer& quantizer) {
    const Shape shape = quantizer.per_tensor() ? Shape{} : Shape{int64_t(quantizer.scale.size())};
    return {add_floats(graph, name + "_scale", quantizer.scale, shape),
            add_codes(graph, name + "_zero_point", quantizer.zero_point, shape, quantizer)};
}

bool fills_type(const Quantizer& quantizer) {
    const int bits = quantizer.bits > 8 ? 16 : 8;
    return quantizer.bits == bits && !quantizer.narrow;
}

const std::string& real_tensor(const GraphWriter& graph, int value) { return graph.real_name[size_t(value)]; }

std::string code_tensor(GraphWriter& graph, int value) {
    std::string& name = graph.code_name[size_t(value)];
    if (!name.empty()) return name;
    const std::string& base = graph.value_name[size_t(value)];
    const QuantizerNames names = add_quantizer(graph, base, *graph.network.values[size_t(value)].quantizer);
    name = unique_name(graph, base + "_codes");
    add_node(graph, "QuantizeLinear", name, {real_tensor(graph, value), names.scale, names.zero_point}, name);
    return name;
}

std::string label_of(const GraphWriter& graph, const Node& node) {
    return node.name.empty() ? "layer_" + graph.value_name[size_t(node.output)] : node.name;
}

void refuse(const GraphWriter& graph, const Node& node, const std::string& why) {
    throw ConfigError(fmt::format("network '{}', layer '{}' ({}): {}; write HDF5 (.h5) instead, which keeps everything",
                                  graph.network.name, label_of(graph, node), describe_kind(node.op), why));
}

}  // namespace bitline::onnx_writer
