#include "core/data_elements.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace bitline {

namespace {

static_assert(std::endian::native == std::endian::little, "stored bytes are read as little endian");

/// IEEE binary16: 1 sign, 5 exponent, 10 fraction bits. Every value is a float32, so this is exact.
struct Half {
    uint16_t bits;
    explicit operator float() const {
        const uint32_t sign = uint32_t(bits >> 15) << 31, exponent = bits >> 10 & 31, fraction = bits & 1023;
        if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
            const float magnitude = float(fraction) * 0x1p-24F;
            return sign != 0 ? -magnitude : magnitude;
        }
        const uint32_t rebiased = exponent == 31 ? 255 : exponent + 127 - 15;
        return std::bit_cast<float>(sign | rebiased << 23 | fraction << 13);
    }
    explicit operator double() const { return double(float(*this)); }
};

template <class Stored, class Out>
void convert_as(bool big_endian, const uint8_t* bytes, int64_t count, Out* out) {
    for (int64_t i = 0; i < count; ++i) {
        uint8_t raw[sizeof(Stored)];
        std::memcpy(raw, bytes + i * int64_t(sizeof(Stored)), sizeof(Stored));
        if (big_endian) std::reverse(raw, raw + sizeof(Stored));
        out[i] = static_cast<Out>(std::bit_cast<Stored>(raw));
    }
}

/// A cast beyond float32's range is undefined in C++; IEEE's answer is infinity.
template <>
void convert_as<double, float>(bool big_endian, const uint8_t* bytes, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) {
        double value = 0;
        convert_as<double, double>(big_endian, bytes + i * 8, 1, &value);
        constexpr double kOverflow = 0x1.ffffffp127;  // halfway between the largest float32 and 2^128
        out[i] = value >= kOverflow    ? std::numeric_limits<float>::infinity()
                 : value <= -kOverflow ? -std::numeric_limits<float>::infinity()
                                       : static_cast<float>(value);
    }
}

template <class Out>
void convert_any(const ElementFormat& format, const uint8_t* bytes, int64_t count, Out* out) {
    using Kind = ElementFormat::Kind;
    const bool big = format.big_endian;
    if (format.kind == Kind::real) {
        switch (format.size) {
            case 2:
                return convert_as<Half>(big, bytes, count, out);
            case 4:
                return convert_as<float>(big, bytes, count, out);
            default:
                return convert_as<double>(big, bytes, count, out);
        }
    }
    const bool is_signed = format.kind == Kind::signed_integer;
    switch (format.size) {
        case 1:
            return is_signed ? convert_as<int8_t>(big, bytes, count, out) : convert_as<uint8_t>(big, bytes, count, out);
        case 2:
            return is_signed ? convert_as<int16_t>(big, bytes, count, out)
                             : convert_as<uint16_t>(big, bytes, count, out);
        case 4:
            return is_signed ? convert_as<int32_t>(big, bytes, count, out)
                             : convert_as<uint32_t>(big, bytes, count, out);
        default:
            return is_signed ? convert_as<int64_t>(big, bytes, count, out)
                             : convert_as<uint64_t>(big, bytes, count, out);
    }
}

}  // namespace

std::string to_string(const ElementFormat& format) {
    const char* names[] = {"uint", "int", "float"};
    return fmt::format("{}{}", names[int(format.kind)], 8 * format.size);
}

void convert(const ElementFormat& format, const uint8_t* bytes, int64_t count, float* out) {
    convert_any(format, bytes, count, out);
}

void convert(const ElementFormat& format, const uint8_t* bytes, int64_t count, double* out) {
    convert_any(format, bytes, count, out);
}

}  // namespace bitline
