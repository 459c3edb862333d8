#include "core/onnx/reader_node.h"

#include <cmath>

namespace bitline::reader {

const std::string& NodeView::input(int i) const {
    if (!has_input(i)) fail("input {} is missing", i);
    return proto_.input(i);
}

const std::string& NodeView::output() const {
    if (proto_.output_size() == 0 || proto_.output(0).empty()) fail("has no output");
    return proto_.output(0);
}

const onnx::AttributeProto* NodeView::find(const std::string& name) const {
    for (const onnx::AttributeProto& attribute : proto_.attribute())
        if (attribute.name() == name) return &attribute;
    return nullptr;
}

const onnx::AttributeProto* NodeView::find(const std::string& name, onnx::AttributeProto::AttributeType type) const {
    const onnx::AttributeProto* attribute = find(name);
    // Files of IR version 1 leave the type out.
    if (attribute != nullptr && attribute->type() != type && attribute->type() != onnx::AttributeProto::UNDEFINED)
        fail("attribute '{}' has type {}, {} expected", name,
             onnx::AttributeProto::AttributeType_Name(attribute->type()),
             onnx::AttributeProto::AttributeType_Name(type));
    return attribute;
}

int64_t NodeView::integer(const std::string& name, int64_t otherwise) const {
    const auto* attribute = find(name, onnx::AttributeProto::INT);
    return attribute != nullptr ? attribute->i() : otherwise;
}

float NodeView::real(const std::string& name, float otherwise) const {
    const auto* attribute = find(name, onnx::AttributeProto::FLOAT);
    if (attribute == nullptr) return otherwise;
    if (!std::isfinite(attribute->f()))
        fail("attribute '{}' is {}, which is not a finite number", name, attribute->f());
    return attribute->f();
}

std::string NodeView::text(const std::string& name, const std::string& otherwise) const {
    const auto* attribute = find(name, onnx::AttributeProto::STRING);
    return attribute != nullptr ? attribute->s() : otherwise;
}

std::vector<int64_t> NodeView::integers(const std::string& name, std::vector<int64_t> otherwise) const {
    const auto* attribute = find(name, onnx::AttributeProto::INTS);
    if (attribute == nullptr) return otherwise;
    return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<float> NodeView::reals(const std::string& name) const {
    const auto* attribute = find(name, onnx::AttributeProto::FLOATS);
    if (attribute == nullptr) return {};
    return {attribute->floats().begin(), attribute->floats().end()};
}

const onnx::TensorProto* NodeView::tensor(const std::string& name) const {
    const auto* attribute = find(name, onnx::AttributeProto::TENSOR);
    return attribute != nullptr ? &attribute->t() : nullptr;
}

}  // namespace bitline::reader
