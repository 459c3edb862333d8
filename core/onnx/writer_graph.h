#pragma once

// An ONNX graph under construction: names, constants and nodes. What an operator becomes stands in writer_operators.cpp
// and writer_matvec.cpp.

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <vector>

#include "core/network.h"

namespace bitline::onnx_writer {

struct GraphWriter {
    explicit GraphWriter(const Network& source);

    const Network& network;
    onnx::ModelProto model;
    std::set<std::string> taken;          // every tensor name in use
    std::vector<std::string> value_name;  // (values) unique, the value's own name where it has one
    std::vector<std::string> real_name;   // (values) float tensor with the value's real numbers; empty: not written yet
    std::vector<std::string> code_name;   // (values) integer tensor with its codes; empty: none in the graph
    bool needs_opset_21 = false;          // 16-bit codes, dilated average pools
};

/// `wanted`, or `wanted_1`, ... where that name is taken.
std::string unique_name(GraphWriter& graph, const std::string& wanted);

onnx::NodeProto& add_node(GraphWriter& graph, const std::string& type, const std::string& name,
                          const std::vector<std::string>& inputs, const std::string& output);
void set_int(onnx::NodeProto& node, const std::string& attribute, int64_t value);
void set_float(onnx::NodeProto& node, const std::string& attribute, float value);
void set_ints(onnx::NodeProto& node, const std::string& attribute, const std::vector<int64_t>& values);

// Constants; each returns the name it got. An empty shape is a scalar.
std::string add_floats(GraphWriter& graph, const std::string& name, const std::vector<float>& values,
                       const Shape& shape);
std::string add_int64s(GraphWriter& graph, const std::string& name, const std::vector<int64_t>& values);
std::string add_int32s(GraphWriter& graph, const std::string& name, const std::vector<int32_t>& values,
                       const Shape& shape);
/// Codes in the narrowest type of ONNX that holds the quantizer's: (u)int8, or (u)int16, which needs opset 21.
std::string add_codes(GraphWriter& graph, const std::string& name, const std::vector<int32_t>& codes,
                      const Shape& shape, const Quantizer& quantizer);

/// Scale and zero point of `quantizer` as constants: scalars per tensor, else one entry per slice.
struct QuantizerNames {
    std::string scale, zero_point;
};
QuantizerNames add_quantizer(GraphWriter& graph, const std::string& name, const Quantizer& quantizer);

/// True where the codes of `quantizer` are all that its type in ONNX can hold, so that the type itself saturates.
bool fills_type(const Quantizer& quantizer);

/// Float tensor that holds the value's real numbers.
const std::string& real_tensor(const GraphWriter& graph, int value);

/// Integer tensor that holds the value's codes; quantizes anew where the graph has only its real numbers (the codes are
/// the same: (q - z) * s / s lies within 2^-7 of a whole number).
std::string code_tensor(GraphWriter& graph, int value);

/// Name of a node for messages and for what belongs to it; never empty.
std::string label_of(const GraphWriter& graph, const Node& node);

/// What QDQ cannot express. Throws ConfigError that names the layer.
[[noreturn]] void refuse(const GraphWriter& graph, const Node& node, const std::string& why);

// Writers of single nodes.
void write_operator(GraphWriter& graph, const Node& node);
void write_matvec(GraphWriter& graph, const Node& node, const MatVec& op);

}  // namespace bitline::onnx_writer
