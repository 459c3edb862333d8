#pragma once

// One ONNX node as the operators' readers see it: typed attributes with defaults, and errors that name the node.

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/onnx/reader_model.h"

namespace bitline::reader {

class NodeView {
 public:
    NodeView(const onnx::NodeProto& proto, int opset) : proto_(proto), opset_(opset) {}

    int opset() const { return opset_; }
    const std::string& type() const { return proto_.op_type(); }
    const onnx::NodeProto& proto() const { return proto_; }
    std::string label() const { return node_label(proto_); }

    int input_count() const { return proto_.input_size(); }
    bool has_input(int i) const { return i < proto_.input_size() && !proto_.input(i).empty(); }
    const std::string& input(int i) const;  // throws where the input is not given
    const std::string& output() const;      // the first; throws where there is none

    bool has(const std::string& name) const { return find(name) != nullptr; }
    int64_t integer(const std::string& name, int64_t otherwise) const;
    float real(const std::string& name, float otherwise) const;
    std::string text(const std::string& name, const std::string& otherwise) const;
    std::vector<int64_t> integers(const std::string& name, std::vector<int64_t> otherwise = {}) const;
    std::vector<float> reals(const std::string& name) const;
    const onnx::TensorProto* tensor(const std::string& name) const;  // null where absent

    /// Throws FormatError: "node 'conv1' (Conv): ...".
    template <typename... Args>
    [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
        throw FormatError(label() + ": " + fmt::format(format, std::forward<Args>(args)...));
    }

 private:
    const onnx::AttributeProto* find(const std::string& name) const;
    const onnx::AttributeProto* find(const std::string& name, onnx::AttributeProto::AttributeType type) const;

    const onnx::NodeProto& proto_;
    int opset_;
};

}  // namespace bitline::reader
