#pragma once

// ONNX models as bytes, written without protobuf: field numbers as in onnx.proto.

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace bitline::fuzz {

/// One protobuf message: fields appended in any order.
struct Message {
    std::string bytes;

    Message& varint(int field, int64_t value) {
        put(static_cast<uint64_t>(field) << 3);
        put(static_cast<uint64_t>(value));
        return *this;
    }
    Message& real(int field, float value) {
        put((static_cast<uint64_t>(field) << 3) | 5);
        char raw[4];
        std::memcpy(raw, &value, 4);
        bytes.append(raw, 4);
        return *this;
    }
    Message& text(int field, const std::string& value) {
        put((static_cast<uint64_t>(field) << 3) | 2);
        put(value.size());
        bytes += value;
        return *this;
    }
    Message& add(int field, const Message& value) { return text(field, value.bytes); }

 private:
    void put(uint64_t value) {
        for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
        bytes += static_cast<char>(value);
    }
};

enum ElementCode { kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7 };  // TensorProto.DataType

inline Message attribute(const std::string& name, int64_t value) {
    return Message().text(1, name).varint(3, value).varint(20, 2);
}
inline Message attribute(const std::string& name, float value) {
    return Message().text(1, name).real(2, value).varint(20, 1);
}
inline Message attribute(const std::string& name, const char* value) {
    return Message().text(1, name).text(4, value).varint(20, 3);
}
inline Message attribute(const std::string& name, const std::vector<int64_t>& values) {
    Message message = Message().text(1, name).varint(20, 7);
    for (const int64_t value : values) message.varint(8, value);
    return message;
}

struct ModelBytes {
    Message graph;
    int64_t opset = 13;
    std::string domain;  // a second domain that nodes use

    ModelBytes() { graph.text(2, "g"); }

    /// An input (field 11) or output (field 12); the first dimension is a symbolic batch.
    ModelBytes& value(int field, const std::string& name, const std::vector<int64_t>& dims) {
        Message shape = Message().add(1, Message().text(2, "N"));
        for (const int64_t dim : dims) shape.add(1, Message().varint(1, dim));
        const Message tensor = Message().varint(1, kFloat).add(2, shape);
        graph.add(field, Message().text(1, name).add(2, Message().add(1, tensor)));
        return *this;
    }
    /// Values count up from -count/2 (from 0 for unsigned types), times `step` for floats.
    ModelBytes& tensor(const std::string& name, ElementCode type, const std::vector<int64_t>& dims, float step = 1) {
        int64_t count = 1;
        Message message;
        for (const int64_t dim : dims) {
            message.varint(1, dim);
            count *= dim;
        }
        std::string raw;
        for (int64_t i = 0; i < count; ++i) append(raw, type, type == kUint8 || count == 1 ? i : i - count / 2, step);
        if (type == kFloat && count == 1) raw.assign(reinterpret_cast<const char*>(&step), 4);
        graph.add(5, message.varint(2, type).text(8, name).text(9, raw));
        return *this;
    }
    ModelBytes& integers(const std::string& name, const std::vector<int64_t>& values) {
        Message message = Message().varint(1, static_cast<int64_t>(values.size())).varint(2, kInt64).text(8, name);
        for (const int64_t value : values) message.varint(7, value);
        graph.add(5, message);
        return *this;
    }
    ModelBytes& node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
                     const std::vector<Message>& attributes = {}) {
        Message message;
        for (const std::string& input : inputs) message.text(1, input);
        message.text(2, output).text(3, "node_" + output).text(4, type);
        for (const Message& one : attributes) message.add(5, one);
        if (!domain.empty() && (type == "Quant" || type == "BipolarQuant" || type == "Trunc")) message.text(7, domain);
        graph.add(1, message);
        return *this;
    }
    std::string bytes() const {
        Message model = Message().varint(1, 8).add(7, graph).add(8, Message().text(1, "").varint(2, opset));
        if (!domain.empty()) model.add(8, Message().text(1, domain).varint(2, 1));
        return model.add(14, Message().text(1, "bitline.preprocess").text(2, "unit")).bytes;
    }

 private:
    static void append(std::string& raw, ElementCode type, int64_t value, float step) {
        const float real = static_cast<float>(value) * step;
        const int size = type == kFloat || type == kInt32 ? 4 : type == kInt64 ? 8 : 1;
        char buffer[8];
        if (type == kFloat) {
            std::memcpy(buffer, &real, 4);
        } else {
            std::memcpy(buffer, &value, 8);  // little-endian: the low bytes come first
        }
        raw.append(buffer, static_cast<size_t>(size));
    }
};

}  // namespace bitline::fuzz
