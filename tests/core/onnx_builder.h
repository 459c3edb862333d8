#pragma once

// Small ONNX models for the tests of the reader, made with the message classes themselves.

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/model_io.h"
#include "core/reference.h"

namespace bitline::test {

using AttributeValue = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

inline constexpr int kUint4 = 21, kInt4 = 22;  // data types of opset 21

/// One graph with the input "x" of shape batch x sample.
class OnnxBuilder {
 public:
    explicit OnnxBuilder(const std::vector<int64_t>& sample, int64_t opset = 13, int type = onnx::TensorProto::FLOAT,
                         int64_t batch = 0) {
        model.set_ir_version(8);
        auto* set = model.add_opset_import();
        set->set_domain("");
        set->set_version(opset);
        auto* input = model.mutable_graph()->add_input();
        input->set_name("x");
        auto* tensor = input->mutable_type()->mutable_tensor_type();
        tensor->set_elem_type(type);
        auto* shape = tensor->mutable_shape();
        if (batch > 0) {
            shape->add_dim()->set_dim_value(batch);
        } else {
            shape->add_dim()->set_dim_param("N");
        }
        for (const int64_t size : sample) shape->add_dim()->set_dim_value(size);
    }

    std::string next(const std::string& stem) { return stem + std::to_string(++count_); }

    onnx::TensorProto& tensor(int type, const std::vector<int64_t>& dims, const std::string& name = "") {
        auto* tensor = graph().add_initializer();
        tensor->set_name(name.empty() ? next("c") : name);
        tensor->set_data_type(type);
        for (const int64_t d : dims) tensor->add_dims(d);
        return *tensor;
    }

    std::string real(const std::vector<float>& values, const std::vector<int64_t>& dims, const std::string& name = "") {
        auto& proto = tensor(onnx::TensorProto::FLOAT, dims, name);
        for (const float v : values) proto.add_float_data(v);
        return proto.name();
    }
    std::string real(float value) { return real({value}, {}); }

    std::string whole(int type, const std::vector<int64_t>& values, const std::vector<int64_t>& dims) {
        auto& proto = tensor(type, dims);
        for (const int64_t v : values) {
            if (type == onnx::TensorProto::INT64) {
                proto.add_int64_data(v);
            } else {
                proto.add_int32_data(static_cast<int32_t>(v));
            }
        }
        return proto.name();
    }
    std::string whole(int type, int64_t value) { return whole(type, std::vector<int64_t>{value}, {}); }
    std::string shape(const std::vector<int64_t>& values) {
        return whole(onnx::TensorProto::INT64, values, {static_cast<int64_t>(values.size())});
    }

    std::string node(const std::string& op, const std::vector<std::string>& inputs, const Attributes& attributes = {},
                     const std::string& domain = "") {
        auto* proto = graph().add_node();
        proto->set_op_type(op);
        proto->set_domain(domain);
        proto->set_name(next(op + "_"));
        for (const auto& input : inputs) proto->add_input(input);
        proto->add_output(next("t"));
        for (const auto& [name, value] : attributes) set(*proto->add_attribute(), name, value);
        return proto->output(0);
    }

    /// QuantizeLinear and DequantizeLinear.
    std::string quantized(const std::string& x, float scale, int type, int64_t zero) {
        const std::string s = real(scale), z = whole(type, zero);
        return node("DequantizeLinear", {node("QuantizeLinear", {x, s, z}), s, z});
    }

    onnx::GraphProto& graph() { return *model.mutable_graph(); }

    std::string bytes(const std::string& output) {
        graph().clear_output();
        graph().add_output()->set_name(output);
        return model.SerializeAsString();
    }

    Network read(const std::string& output) { return read_onnx_bytes(bytes(output), "test.onnx"); }

    onnx::ModelProto model;

 private:
    static void set(onnx::AttributeProto& attribute, const std::string& name, const AttributeValue& value) {
        attribute.set_name(name);
        if (const auto* i = std::get_if<int64_t>(&value)) {
            attribute.set_type(onnx::AttributeProto::INT);
            attribute.set_i(*i);
        } else if (const auto* f = std::get_if<float>(&value)) {
            attribute.set_type(onnx::AttributeProto::FLOAT);
            attribute.set_f(*f);
        } else if (const auto* s = std::get_if<std::string>(&value)) {
            attribute.set_type(onnx::AttributeProto::STRING);
            attribute.set_s(*s);
        } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&value)) {
            attribute.set_type(onnx::AttributeProto::INTS);
            for (const int64_t v : *ints) attribute.add_ints(v);
        } else {
            attribute.set_type(onnx::AttributeProto::FLOATS);
            for (const float v : std::get<std::vector<float>>(value)) attribute.add_floats(v);
        }
    }

    int count_ = 0;
};

/// Numbers that repeat by no short pattern, in [-1, 1), multiples of 1/64: sums of a few products are exact.
inline std::vector<float> numbers(size_t count, uint32_t seed = 1) {
    std::vector<float> out(count);
    for (float& v : out) {
        seed = seed * 1664525U + 1013904223U;
        v = static_cast<float>(static_cast<int>(seed >> 25) - 64) / 64.0F;
    }
    return out;
}

inline std::vector<int64_t> codes(size_t count, int64_t low, int64_t high, uint32_t seed = 1) {
    std::vector<int64_t> out(count);
    for (int64_t& v : out) {
        seed = seed * 1664525U + 1013904223U;
        v = low + static_cast<int64_t>(seed >> 8) % (high - low + 1);
    }
    return out;
}

inline std::vector<float> evaluate(const Network& network, const std::vector<float>& input) {
    const auto engine = make_exact_engine(network);
    const auto elements = element_count(network.values[size_t(network.input)].shape);
    return run(network, *engine, input, static_cast<int64_t>(input.size()) / elements, 0);
}

/// The first operator that is an Op.
template <typename Op>
Op find_op(const Network& network) {
    for (const Node& node : network.nodes)
        if (const auto* op = std::get_if<Op>(&node.op)) return *op;
    throw std::runtime_error("no such node");
}

inline std::vector<std::string> origins(const Network& network) {
    std::vector<std::string> out;
    for (const Node& node : network.nodes) out.push_back(node.origin);
    return out;
}

inline const Value& output_value(const Network& network) { return network.values[size_t(network.output)]; }

/// The message of the FormatError that `read` throws; "" where it throws none.
inline std::string refusal(const std::function<void()>& read) {
    try {
        read();
    } catch (const FormatError& error) {
        return error.what();
    }
    return "";
}

}  // namespace bitline::test
