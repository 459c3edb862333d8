#include "core/onnx/reader_tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace bitline::reader {

namespace {

constexpr int kOnnxUint4 = 21, kOnnxInt4 = 22;  // of opset 21; newer than the message definitions of Debian 12

[[noreturn]] void fail(const std::string& name, const std::string& why) {
    throw FormatError(fmt::format("tensor '{}': {}", name, why));
}

/// IEEE binary16 to binary32, exact.
float half_to_float(uint16_t bits) {
    const uint32_t sign = uint32_t(bits & 0x8000U) << 16;
    const uint32_t exponent = (bits >> 10) & 31U, fraction = bits & 1023U;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
}

template <typename T>
std::vector<T> raw_values(const std::string& bytes, int64_t count, const std::string& name) {
    static_assert(std::endian::native == std::endian::little, "ONNX stores raw data in little endian");
    if (bytes.size() != static_cast<uint64_t>(count) * sizeof(T))
        fail(name,
             fmt::format("{} bytes of data, {} expected", bytes.size(), static_cast<uint64_t>(count) * sizeof(T)));
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

template <typename T, typename Out>
std::vector<Out> converted(const std::vector<T>& values) {
    std::vector<Out> out(values.size());
    std::transform(values.begin(), values.end(), out.begin(), [](T v) { return static_cast<Out>(v); });
    return out;
}

template <typename Field>
void require_entries(const Field& field, int64_t count, const std::string& name) {
    if (field.size() != count) fail(name, fmt::format("{} entries of data, {} expected", field.size(), count));
}

/// Half precision: raw, or each in the low 16 bits of an int32_data entry.
std::vector<float> decode_half(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    std::vector<uint16_t> bits;
    if (proto.has_raw_data()) {
        bits = raw_values<uint16_t>(proto.raw_data(), count, name);
    } else {
        require_entries(proto.int32_data(), count, name);
        for (const int32_t entry : proto.int32_data()) bits.push_back(static_cast<uint16_t>(entry & 0xFFFF));
    }
    const bool brain = proto.data_type() == onnx::TensorProto::BFLOAT16;
    std::vector<float> out;
    for (const uint16_t b : bits) out.push_back(brain ? std::bit_cast<float>(uint32_t(b) << 16) : half_to_float(b));
    return out;
}

std::vector<float> decode_real(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    if (proto.data_type() == onnx::TensorProto::FLOAT) {
        if (proto.has_raw_data()) return raw_values<float>(proto.raw_data(), count, name);
        require_entries(proto.float_data(), count, name);
        return {proto.float_data().begin(), proto.float_data().end()};
    }
    if (proto.data_type() == onnx::TensorProto::DOUBLE) {
        std::vector<double> values;
        if (proto.has_raw_data()) {
            values = raw_values<double>(proto.raw_data(), count, name);
        } else {
            require_entries(proto.double_data(), count, name);
            values.assign(proto.double_data().begin(), proto.double_data().end());
        }
        for (const double v : values)
            if (std::abs(v) > std::numeric_limits<float>::max()) fail(name, fmt::format("{} exceeds float32", v));
        return converted<double, float>(values);
    }
    return decode_half(proto, count, name);
}

/// Two 4-bit codes a byte, the first in the low half.
std::vector<int64_t> decode_packed(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    const int64_t bytes = (count + 1) / 2;
    std::vector<uint8_t> packed;
    if (proto.has_raw_data()) {
        packed = raw_values<uint8_t>(proto.raw_data(), bytes, name);
    } else {
        require_entries(proto.int32_data(), bytes, name);
        for (const int32_t entry : proto.int32_data()) packed.push_back(static_cast<uint8_t>(entry & 0xFF));
    }
    std::vector<int64_t> out(static_cast<size_t>(count));
    for (size_t i = 0; i < out.size(); ++i) {
        const int64_t nibble = (packed[i / 2] >> (i % 2 * 4)) & 15;
        out[i] = proto.data_type() == kOnnxInt4 && nibble > 7 ? nibble - 16 : nibble;
    }
    return out;
}

template <typename T>
std::vector<int64_t> decode_raw_whole(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    return converted<T, int64_t>(raw_values<T>(proto.raw_data(), count, name));
}

std::vector<int64_t> decode_raw_whole(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    switch (proto.data_type()) {
        case onnx::TensorProto::INT8:
            return decode_raw_whole<int8_t>(proto, count, name);
        case onnx::TensorProto::UINT8:
        case onnx::TensorProto::BOOL:
            return decode_raw_whole<uint8_t>(proto, count, name);
        case onnx::TensorProto::INT16:
            return decode_raw_whole<int16_t>(proto, count, name);
        case onnx::TensorProto::UINT16:
            return decode_raw_whole<uint16_t>(proto, count, name);
        case onnx::TensorProto::INT32:
            return decode_raw_whole<int32_t>(proto, count, name);
        case onnx::TensorProto::UINT32:
            return decode_raw_whole<uint32_t>(proto, count, name);
        default:
            return decode_raw_whole<int64_t>(proto, count, name);  // an uint64 beyond int64 turns negative
    }
}

std::vector<int64_t> decode_whole(const onnx::TensorProto& proto, int64_t count, const std::string& name) {
    const int type = proto.data_type();
    if (type == kOnnxInt4 || type == kOnnxUint4) return decode_packed(proto, count, name);
    std::vector<int64_t> out;
    if (proto.has_raw_data()) {
        out = decode_raw_whole(proto, count, name);
    } else if (type == onnx::TensorProto::INT64) {
        out.assign(proto.int64_data().begin(), proto.int64_data().end());
    } else if (type == onnx::TensorProto::UINT64 || type == onnx::TensorProto::UINT32) {
        for (const uint64_t v : proto.uint64_data()) out.push_back(static_cast<int64_t>(v));
    } else {
        out.assign(proto.int32_data().begin(), proto.int32_data().end());
    }
    if (static_cast<int64_t>(out.size()) != count)
        fail(name, fmt::format("{} entries of data, {} expected", out.size(), count));
    if (type == onnx::TensorProto::UINT64 && std::any_of(out.begin(), out.end(), [](int64_t v) { return v < 0; }))
        fail(name, "an uint64 entry exceeds 2^63 - 1");
    return out;
}

void require_in_range(const Tensor& tensor) {
    const TypeRange range = range_of(tensor.type);
    for (const int64_t v : tensor.whole)
        if (v < range.low || v > range.high)
            fail(tensor.name, fmt::format("entry {} violates {} <= entry <= {}", v, range.low, range.high));
}

}  // namespace

TypeRange range_of(ElementType type) {
    switch (type) {
        case ElementType::int4:
            return {-8, 7, 4, true};
        case ElementType::uint4:
            return {0, 15, 4, false};
        case ElementType::int8:
            return {-128, 127, 8, true};
        case ElementType::uint8:
            return {0, 255, 8, false};
        case ElementType::int16:
            return {-32768, 32767, 16, true};
        case ElementType::uint16:
            return {0, 65535, 16, false};
        case ElementType::int32:
            return {-(int64_t(1) << 31), (int64_t(1) << 31) - 1, 32, true};
        case ElementType::uint32:
            return {0, (int64_t(1) << 32) - 1, 32, false};
        case ElementType::boolean:
            return {0, 1, 1, false};
        default:
            return {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), 64, true};
    }
}

std::optional<ElementType> element_type(int onnx_type) {
    switch (onnx_type) {
        case onnx::TensorProto::FLOAT:
        case onnx::TensorProto::FLOAT16:
        case onnx::TensorProto::BFLOAT16:
        case onnx::TensorProto::DOUBLE:
            return ElementType::float32;
        case onnx::TensorProto::INT8:
            return ElementType::int8;
        case onnx::TensorProto::UINT8:
            return ElementType::uint8;
        case onnx::TensorProto::INT16:
            return ElementType::int16;
        case onnx::TensorProto::UINT16:
            return ElementType::uint16;
        case onnx::TensorProto::INT32:
            return ElementType::int32;
        case onnx::TensorProto::UINT32:
            return ElementType::uint32;
        case onnx::TensorProto::INT64:
        case onnx::TensorProto::UINT64:
            return ElementType::int64;
        case onnx::TensorProto::BOOL:
            return ElementType::boolean;
        case kOnnxInt4:
            return ElementType::int4;
        case kOnnxUint4:
            return ElementType::uint4;
        default:
            return std::nullopt;
    }
}

std::string onnx_type_name(int onnx_type) {
    if (onnx_type == kOnnxInt4) return "INT4";
    if (onnx_type == kOnnxUint4) return "UINT4";
    if (onnx::TensorProto::DataType_IsValid(onnx_type))
        return onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(onnx_type));
    return fmt::format("type {}", onnx_type);
}

bool Tensor::has_batch() const {
    return std::any_of(is_batch.begin(), is_batch.end(), [](uint8_t flag) { return flag != 0; });
}

int64_t checked_count(const Dims& dims, int64_t limit, const std::string& what) {
    int64_t count = 1;
    for (const int64_t d : dims) {
        if (d < 1) throw FormatError(fmt::format("{}: shape {} violates size >= 1", what, dims_text(dims)));
        if (count > limit / d)
            throw FormatError(fmt::format("{}: shape {} has more than {} elements", what, dims_text(dims), limit));
        count *= d;
    }
    return count;
}

Tensor decode(const onnx::TensorProto& proto, const std::string& name) {
    if (proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() > 0)
        fail(name,
             "its data lie in another file; save the model with all data inside (onnx.save without external data)");
    if (proto.has_segment()) fail(name, "segmented data are not read");
    const auto type = element_type(proto.data_type());
    if (!type) fail(name, fmt::format("data type {} is not read", onnx_type_name(proto.data_type())));

    Tensor tensor;
    tensor.name = name;
    tensor.type = *type;
    tensor.dims.assign(proto.dims().begin(), proto.dims().end());
    // A vector without entries is how some exporters write an optional input that is not there.
    const bool empty = tensor.dims == Dims{0};
    const int64_t count = empty ? 0 : checked_count(tensor.dims, kMaxValueElements, fmt::format("tensor '{}'", name));
    if (is_integer(*type)) {
        tensor.whole = decode_whole(proto, count, name);
        require_in_range(tensor);
    } else {
        tensor.real = decode_real(proto, count, name);
        require_finite(tensor);
    }
    return tensor;
}

void require_finite(const Tensor& tensor) {
    for (size_t i = 0; i < tensor.real.size(); ++i)
        if (!std::isfinite(tensor.real[i]))
            fail(tensor.name, fmt::format("entry {} is {}, which is not a finite number", i, tensor.real[i]));
}

Tensor whole_vector(const std::string& name, std::vector<int64_t> values) {
    Tensor tensor;
    tensor.name = name;
    tensor.type = ElementType::int64;
    tensor.dims = {static_cast<int64_t>(values.size())};
    tensor.whole = std::move(values);
    return tensor;
}

Tensor real_scalar(const std::string& name, float value) {
    Tensor tensor;
    tensor.name = name;
    tensor.real = {value};
    return tensor;
}

std::string dims_text(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

}  // namespace bitline::reader
