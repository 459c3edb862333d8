#pragma once

// From a file's bytes to a checked list of nodes in execution order.

#include <onnx/onnx_pb.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace bitline::reader {

inline constexpr int kFirstOpset = 7, kLastOpset = 21;

/// Parses a model; throws FormatError where the bytes are no ONNX model or hold no graph.
onnx::ModelProto parse_model(const std::string& bytes);

/// Version of the standard operators that the model uses. Throws FormatError outside kFirstOpset .. kLastOpset.
int standard_opset(const onnx::ModelProto& model);

/// The part of a graph that its one output depends on.
struct Plan {
    std::vector<const onnx::NodeProto*> nodes;  // every node after the nodes that it reads; ties in the file's order
    std::map<std::string, const onnx::TensorProto*> initializers;
    const onnx::ValueInfoProto* input = nullptr;  // the one input that the output depends on
    std::string output;
};

/// Throws FormatError naming the node for tensors that nothing gives, tensors given twice, and cycles.
Plan plan_graph(const onnx::GraphProto& graph);

/// How an error names a node: "node 'conv1' (Conv)", or by its output where it has no name.
std::string node_label(const onnx::NodeProto& node);

}  // namespace bitline::reader
