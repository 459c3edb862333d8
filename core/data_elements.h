#pragma once

// Numbers as files store them.

#include <cstdint>
#include <string>
#include <vector>

namespace bitline {

struct ElementFormat {
    enum class Kind { unsigned_integer, signed_integer, real } kind = Kind::unsigned_integer;
    int size = 1;  // bytes: 1, 2, 4 or 8; real: 2, 4 or 8
    bool big_endian = false;
    bool operator==(const ElementFormat&) const = default;
};

/// "uint8", "int16", "float32", ...
std::string to_string(const ElementFormat& format);

/// Nearest float32 of each of `count` stored numbers.
void convert(const ElementFormat& format, const uint8_t* bytes, int64_t count, float* out);
/// Exact but for integers beyond 2^53.
void convert(const ElementFormat& format, const uint8_t* bytes, int64_t count, double* out);

}  // namespace bitline
