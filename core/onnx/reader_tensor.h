#pragma once

// Constants of an ONNX graph, held on the host while the reader runs.

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/network.h"

namespace bitline::reader {

using Dims = std::vector<int64_t>;  // an ONNX tensor's sizes, batch included

/// What the reader tells apart. Half precision and double are held as float32, uint64 as int64.
enum class ElementType { float32, int4, uint4, int8, uint8, int16, uint16, int32, uint32, int64, boolean };

struct TypeRange {
    int64_t low, high;
    int bits;
    bool is_signed;
};
TypeRange range_of(ElementType type);  // integer types only
inline bool is_integer(ElementType type) { return type != ElementType::float32; }

/// ONNX's data_type number as an ElementType, nothing where the reader does not hold that type.
std::optional<ElementType> element_type(int onnx_type);
std::string onnx_type_name(int onnx_type);

/// Integer codes behind a real constant: real = float(code - zero_point) * scale. `quantizer.axis` is an axis of the
/// tensor; `quantizer.bits` may be 32 for a bias.
struct Codes {
    std::vector<int32_t> codes;
    Quantizer quantizer;
};

struct Tensor {
    std::string name;
    ElementType type = ElementType::float32;
    Dims dims;
    std::vector<float> real;        // (elements) of a float32 tensor
    std::vector<int64_t> whole;     // (elements) of an integer tensor
    std::vector<uint8_t> is_batch;  // (elements) or empty: 1 where an entry of a shape is the batch size
    std::shared_ptr<const Codes> codes;

    int64_t count() const { return static_cast<int64_t>(is_integer(type) ? whole.size() : real.size()); }
    bool has_batch() const;
};

/// The most elements that one value of a network, or one folded constant that grows, may have.
inline constexpr int64_t kMaxValueElements = int64_t(1) << 31;
inline constexpr int64_t kMaxFoldedElements = int64_t(1) << 24;

/// Product of `dims`; throws FormatError naming `what` where a size is below 1 or the product exceeds `limit`.
int64_t checked_count(const Dims& dims, int64_t limit, const std::string& what);

/// Decodes an initializer or an attribute. Throws FormatError naming the tensor (external data, wrong number of bytes,
/// a type that is not held, NaN or infinity).
Tensor decode(const onnx::TensorProto& proto, const std::string& name);

/// Throws FormatError naming the tensor where an entry is NaN or infinite.
void require_finite(const Tensor& tensor);

Tensor whole_vector(const std::string& name, std::vector<int64_t> values);
Tensor real_scalar(const std::string& name, float value);

std::string dims_text(const Dims& dims);  // "[64, 3, 3, 3]"

}  // namespace bitline::reader
