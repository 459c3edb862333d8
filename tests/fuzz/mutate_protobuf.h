#pragma once

// Mutations of a protobuf message that keep its lengths right: bytes changed blindly are nearly always refused by the
// parser and never reach what reads the message.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/mutate.h"

namespace bitline::fuzz {

/// One field of the wire format. Bytes that happen to parse as a message are taken for one; they encode to the same.
struct WireField {
    uint64_t tag = 0;  // field number * 8 + wire type
    uint64_t number = 0;
    std::string bytes;
    std::vector<WireField> fields;
    uint64_t wire() const { return tag & 7; }
};

inline std::optional<uint64_t> read_varint(const std::string& text, size_t& at) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < text.size(); shift += 7) {
        const auto byte = static_cast<unsigned char>(text[at++]);
        value |= static_cast<uint64_t>(byte & 0x7F) << shift;
        if (byte < 0x80) return value;
    }
    return std::nullopt;
}

/// Takes `size` bytes; nothing where there are fewer.
inline std::optional<std::string> read_bytes(const std::string& text, size_t& at, uint64_t size) {
    if (size > text.size() - at) return std::nullopt;
    at += size;
    return text.substr(at - size, size);
}

inline std::optional<std::vector<WireField>> parse_wire(const std::string& text, int depth = 0) {
    constexpr int kDeepest = 8;
    std::vector<WireField> fields;
    for (size_t at = 0; at < text.size();) {
        WireField field;
        const auto tag = read_varint(text, at);
        if (!tag || *tag < 8) return std::nullopt;
        field.tag = *tag;
        std::optional<uint64_t> number = 0;
        std::optional<std::string> bytes = "";
        switch (field.wire()) {
            case 0:
                number = read_varint(text, at);
                break;
            case 1:
                bytes = read_bytes(text, at, 8);
                break;
            case 2:
                number = read_varint(text, at);
                if (number) bytes = read_bytes(text, at, *number);
                break;
            case 5:
                bytes = read_bytes(text, at, 4);
                break;
            default:
                return std::nullopt;
        }
        if (!number || !bytes) return std::nullopt;
        field.number = *number;
        field.bytes = *bytes;
        if (field.wire() == 2 && depth < kDeepest) {
            if (auto inner = parse_wire(field.bytes, depth + 1)) field.fields = std::move(*inner);
        }
        fields.push_back(std::move(field));
    }
    return fields;
}

inline void put_varint(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

inline std::string encode_wire(const std::vector<WireField>& fields) {
    std::string out;
    for (const WireField& field : fields) {
        put_varint(out, field.tag);
        const std::string bytes = field.fields.empty() ? field.bytes : encode_wire(field.fields);
        if (field.wire() == 0) put_varint(out, field.number);
        if (field.wire() == 2) put_varint(out, bytes.size());
        out += bytes;
    }
    return out;
}

/// Every field of the tree, as the list that holds it and its place there.
using Place = std::pair<std::vector<WireField>*, size_t>;
inline void list_places(std::vector<WireField>& fields, std::vector<Place>& places) {
    for (size_t i = 0; i < fields.size(); ++i) {
        places.emplace_back(&fields, i);
        list_places(fields[i].fields, places);
    }
}

inline uint64_t telling_number(uint64_t number, Random& random) {
    const uint64_t telling[] = {0,     1,          2,           3,          7,          16,        uint64_t(1) << 31,
                                ~0ULL, ~0ULL >> 1, ~1ULL << 62, number + 1, number - 1, number * 2};
    return telling[random.below(std::size(telling))];
}

/// One change of one field.
inline void mutate_field(std::vector<WireField>& root, const Corpus& corpus, Random& random) {
    std::vector<Place> places;
    list_places(root, places);
    if (places.empty()) return;
    const auto [list, index] = places[random.below(places.size())];
    const auto [other_list, other_index] = places[random.below(places.size())];
    WireField& field = (*list)[index];
    const WireField other = (*other_list)[other_index];
    switch (random.below(6)) {
        case 0:
            list->erase(list->begin() + static_cast<std::ptrdiff_t>(index));
            return;
        case 1:
            list->insert(list->begin() + static_cast<std::ptrdiff_t>(index), WireField(field));
            return;
        case 2:
            std::swap(field, (*list)[random.below(list->size())]);
            return;
        case 3:  // an edge to another tensor, a type of another node
            if (field.wire() == other.wire()) {
                field.number = other.number;
                field.bytes = other.bytes;
                field.fields.clear();
            }
            return;
        case 4:
            field.number = telling_number(field.number, random);
            return;
        default:
            if (field.wire() != 2 || !field.fields.empty()) {
                field.number = telling_number(field.number, random);
                if (!field.bytes.empty()) field.bytes[random.below(field.bytes.size())] ^= 0x40;
            } else {
                mutate_once(field.bytes, corpus, random);
            }
    }
}

/// Changes some fields; leaves text alone that is no message.
inline void mutate_protobuf(std::string& text, const Corpus& corpus, Random& random) {
    auto root = parse_wire(text);
    if (!root) return;
    const size_t times = 1 + random.below(3);
    for (size_t i = 0; i < times; ++i) mutate_field(*root, corpus, random);
    text = encode_wire(*root);
}

}  // namespace bitline::fuzz
