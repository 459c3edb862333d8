#include "core/onnx/reader_quantizers.h"

#include <algorithm>
#include <cmath>

#include "core/reference_parts.h"

namespace bitline::reader {

namespace {

Rounding rounding_of(const NodeView& node, const std::string& otherwise) {
    std::string mode = node.text("rounding_mode", otherwise);
    std::transform(mode.begin(), mode.end(), mode.begin(), [](unsigned char c) { return std::toupper(c); });
    if (mode == "ROUND" || mode == "HALF_EVEN") return Rounding::half_even;
    if (mode == "FLOOR") return Rounding::floor;
    if (mode == "CEIL") return Rounding::ceil;
    if (mode == "DOWN") return Rounding::toward_zero;
    if (mode == "UP") return Rounding::away_from_zero;
    if (mode == "HALF_UP") return Rounding::half_up;
    if (mode == "HALF_DOWN") return Rounding::half_down;
    node.fail("rounding_mode '{}' is not read; one of ROUND, FLOOR, CEIL, UP, DOWN, HALF_UP, HALF_DOWN is", mode);
}

/// A scalar that must be a whole number, whatever type holds it.
int64_t whole_scalar(const NodeView& node, const Tensor& tensor, const std::string& what) {
    if (tensor.count() != 1) node.fail("{} '{}' has {} entries, 1 expected", what, tensor.name, tensor.count());
    if (is_integer(tensor.type)) return tensor.whole[0];
    const float value = tensor.real[0];
    if (std::abs(value) > 1e9F || std::nearbyint(value) != value)
        node.fail("{} '{}' is {}, where a whole number is expected", what, tensor.name, value);
    return static_cast<int64_t>(value);
}

int bit_width(const Importer& state, const NodeView& node, int input, int most) {
    const int64_t bits = whole_scalar(node, constant_input(state, node, input, "bit width"), "bit width");
    if (bits < 1 || bits > most) node.fail("bit width {} violates 1 <= bits <= {}", bits, most);
    return static_cast<int>(bits);
}

int32_t scalar_zero_point(const NodeView& node, const Tensor& tensor) {
    Tensor first = tensor;
    first.dims = {};
    if (is_integer(tensor.type)) {
        first.whole.resize(1);
        if (std::count(tensor.whole.begin(), tensor.whole.end(), tensor.whole[0]) != tensor.count())
            node.fail("zero point '{}' has different entries; a value is quantized per tensor", tensor.name);
    } else {
        first.real.resize(1);
        if (std::count(tensor.real.begin(), tensor.real.end(), tensor.real[0]) != tensor.count())
            node.fail("zero point '{}' has different entries; a value is quantized per tensor", tensor.name);
    }
    const int64_t zero = whole_scalar(node, first, "zero point");
    if (std::abs(zero) > 65536) node.fail("zero point {} lies outside of every code range of 16 bits", zero);
    return static_cast<int32_t>(zero);
}

/// Everything of QONNX's Quant but scale and zero point.
Quantizer quant_range(const NodeView& node, int bits) {
    Quantizer quantizer;
    quantizer.bits = bits;
    quantizer.is_signed = node.integer("signed", 1) != 0;
    quantizer.narrow = node.integer("narrow", 1) != 0;
    if (bits == 1 && quantizer.is_signed) return bipolar_quantizer({});
    if (bits == 1 && quantizer.narrow) node.fail("1 bit, unsigned and narrow leaves one code, 0");
    return quantizer;
}

void require_zero_of_bipolar(const NodeView& node, const Quantizer& quantizer) {
    if (quantizer.kind == Quantizer::Kind::bipolar &&
        std::any_of(quantizer.zero_point.begin(), quantizer.zero_point.end(), [](int32_t z) { return z != 0; }))
        node.fail("a bipolar quantizer has a zero point other than 0");
}

/// The one axis of `dims` along which `tensor` broadcasts with more than one entry; -1 where it has one entry.
int64_t broadcast_axis(const NodeView& node, const Tensor& tensor, const Dims& dims) {
    if (tensor.count() == 1) return -1;
    const size_t rank = tensor.dims.size();
    if (rank <= dims.size()) {
        const size_t offset = dims.size() - rank;
        for (size_t a = 0; a < rank; ++a)
            if (tensor.dims[a] == tensor.count() && dims[offset + a] == tensor.count())
                return static_cast<int64_t>(offset + a);
    }
    node.fail("'{}' of shape {} is neither one number nor one per slice along one axis of {}", tensor.name,
              dims_text(tensor.dims), dims_text(dims));
}

std::vector<int32_t> zero_points(const NodeView& node, const Tensor& tensor) {
    std::vector<int32_t> zero;
    for (int64_t i = 0; i < tensor.count(); ++i) {
        Tensor entry;
        entry.name = tensor.name;
        entry.type = tensor.type;
        if (is_integer(tensor.type)) {
            entry.whole = {tensor.whole[size_t(i)]};
        } else {
            entry.real = {tensor.real[size_t(i)]};
        }
        zero.push_back(static_cast<int32_t>(whole_scalar(node, entry, "zero point")));
    }
    return zero;
}

void spread(std::vector<float>& scale, std::vector<int32_t>& zero) {
    if (scale.size() == 1 && zero.size() > 1) scale.assign(zero.size(), scale[0]);
    if (zero.size() == 1 && scale.size() > 1) zero.assign(scale.size(), zero[0]);
}

/// Scale and zero point of a constant's quantizer, from tensors that broadcast to `dims`.
void read_slices(const NodeView& node, const Tensor& scale, const Tensor* zero_point, const Dims& dims,
                 Quantizer* quantizer) {
    require_positive(node, scale);
    int64_t axis = broadcast_axis(node, scale, dims);
    quantizer->scale = scale.real;
    quantizer->zero_point = {0};
    if (zero_point != nullptr) {
        const int64_t zero_axis = broadcast_axis(node, *zero_point, dims);
        if (axis >= 0 && zero_axis >= 0 && axis != zero_axis) node.fail("scale and zero point have different axes");
        axis = std::max(axis, zero_axis);
        quantizer->zero_point = zero_points(node, *zero_point);
    }
    spread(quantizer->scale, quantizer->zero_point);
    quantizer->axis = static_cast<int>(std::max<int64_t>(axis, 0));
}

/// Code range of up to 32 bits (Quantizer's own functions stop at 16).
std::pair<double, double> code_range(const Quantizer& quantizer) {
    const double full = std::ldexp(1.0, quantizer.bits), half = full / 2;
    const double narrow = quantizer.narrow ? 1 : 0;
    if (!quantizer.is_signed) return {0, full - 1 - narrow};
    return {-half + narrow, half - 1};
}

int32_t code_of(float x, float scale, int32_t zero, const Quantizer& quantizer, Rounding rounding,
                std::pair<double, double> range) {
    const float scaled = x / scale + static_cast<float>(zero);
    if (quantizer.kind == Quantizer::Kind::bipolar) return scaled >= 0 ? 1 : -1;
    const auto clipped = static_cast<float>(std::clamp(static_cast<double>(scaled), range.first, range.second));
    const double code = reference::round_as(rounding, clipped);
    return static_cast<int32_t>(std::clamp(code, range.first, range.second));  // 2^31 - 1 is no float32
}

}  // namespace

SliceIndex::SliceIndex(const Quantizer& quantizer, const Dims& dims) {
    slices = static_cast<int64_t>(quantizer.scale.size());
    if (slices > 1)
        for (size_t a = static_cast<size_t>(quantizer.axis) + 1; a < dims.size(); ++a) inner *= dims[a];
}

Quantizer bipolar_quantizer(std::vector<float> scale) {
    Quantizer quantizer;
    quantizer.kind = Quantizer::Kind::bipolar;
    quantizer.bits = 1;
    quantizer.zero_point.assign(scale.size(), 0);
    quantizer.scale = std::move(scale);
    return quantizer;
}

Quantizer sign_quantizer() {
    Quantizer quantizer;
    quantizer.scale = {1.0F};
    quantizer.zero_point = {0};
    quantizer.bits = 2;
    quantizer.narrow = true;
    return quantizer;
}

Quantize read_quant(const Importer& state, const NodeView& node) {
    Quantize op;
    op.to = quant_range(node, bit_width(state, node, 3, 16));
    op.to.scale = {scalar_scale(node, constant_input(state, node, 1, "scale"))};
    op.to.zero_point = {scalar_zero_point(node, constant_input(state, node, 2, "zero point"))};
    require_zero_of_bipolar(node, op.to);
    if (op.to.kind == Quantizer::Kind::bipolar) return op;
    op.rounding = rounding_of(node, "ROUND");
    op.zero_point_inside = op.to.zero_point[0] != 0;
    return op;
}

/// Version 1 keeps the input's scale and does not clip; its output has one bit more here, so that codes of either sign
/// fit. Version 2 states scale, sign and range of its output.
Truncate read_trunc(const Importer& state, const NodeView& node) {
    Truncate op;
    op.input_scale = scalar_scale(node, constant_input(state, node, 1, "scale"));
    op.input_zero_point = scalar_zero_point(node, constant_input(state, node, 2, "zero point"));
    op.rounding = rounding_of(node, "FLOOR");
    const int in_bits = bit_width(state, node, 3, 32);
    const bool second_version = node.input_count() > 5;
    const int out_bits = bit_width(state, node, second_version ? 5 : 4, second_version ? 16 : 15);
    op.to.zero_point = {op.input_zero_point};
    if (!second_version) {
        if (out_bits > in_bits) node.fail("output bits {} violate output bits <= input bits = {}", out_bits, in_bits);
        op.shift = in_bits - out_bits;
        op.to.bits = out_bits + 1;
        op.to.scale = {op.input_scale};
        return op;
    }
    const float out_scale = scalar_scale(node, constant_input(state, node, 4, "output scale"));
    op.shift = static_cast<int>(std::lround(std::log2(out_scale / op.input_scale)));
    if (op.shift < 0 || op.shift > 31) node.fail("output scale / scale violates 1 <= ratio <= 2^31");
    const int32_t divisor = int32_t(1) << std::min(op.shift, 30);
    if (op.input_zero_point % divisor != 0)
        node.fail("zero point {} is no multiple of {}", op.input_zero_point, divisor);
    op.to = quant_range(node, out_bits);
    if (!node.has("narrow")) op.to.narrow = false;
    op.to.scale = {out_scale};
    op.to.zero_point = {op.input_zero_point / divisor};
    return op;
}

ElementType declared_code_type(const NodeView& node) {
    const int64_t declared = node.integer("output_dtype", 0);
    if (declared == 0) return ElementType::uint8;
    const auto type = element_type(static_cast<int>(declared));
    if (!type || !is_integer(*type))
        node.fail("output_dtype {} is not read", onnx_type_name(static_cast<int>(declared)));
    return *type;
}

Codes typed_codes(const NodeView& node, const Tensor& codes, const Tensor& scale, const Tensor* zero_point,
                  int64_t axis) {
    if (!is_integer(codes.type) || range_of(codes.type).bits > 32)
        node.fail("codes '{}' are not of an integer type of at most 32 bits", codes.name);
    require_positive(node, scale);
    Codes out;
    Quantizer& quantizer = out.quantizer;
    quantizer.bits = range_of(codes.type).bits;
    quantizer.is_signed = range_of(codes.type).is_signed;
    quantizer.scale = scale.real;
    quantizer.zero_point = zero_point != nullptr ? zero_points(node, *zero_point) : std::vector<int32_t>{0};
    spread(quantizer.scale, quantizer.zero_point);
    const size_t slices = quantizer.scale.size();
    if (slices != quantizer.zero_point.size())
        node.fail("{} scales, but {} zero points", slices, quantizer.zero_point.size());
    if (slices > 1) {
        axis = normalized_axis(node, axis, static_cast<int64_t>(codes.dims.size()));
        if (codes.dims[size_t(axis)] != static_cast<int64_t>(slices))
            node.fail("{} scales for {} slices of '{}' along axis {}", slices, codes.dims[size_t(axis)], codes.name,
                      axis);
        quantizer.axis = static_cast<int>(axis);
    }
    out.codes.reserve(codes.whole.size());
    for (const int64_t code : codes.whole) {
        if (code > INT32_MAX) node.fail("code {} of '{}' exceeds 2^31 - 1", code, codes.name);
        out.codes.push_back(static_cast<int32_t>(code));
    }
    return out;
}

Codes quantized_constant(const Importer& state, const NodeView& node) {
    const Tensor& x = constant_input(state, node, 0, "tensor");
    if (is_integer(x.type)) node.fail("quantizes the integer tensor '{}'", x.name);
    const bool bipolar_node = node.type() == "BipolarQuant";
    Codes out;
    Rounding rounding = Rounding::half_even;
    const Tensor* zero_point = nullptr;
    if (bipolar_node) {
        out.quantizer = bipolar_quantizer({});
    } else {
        out.quantizer = quant_range(node, bit_width(state, node, 3, 32));
        rounding = rounding_of(node, "ROUND");
        zero_point = &constant_input(state, node, 2, "zero point");
    }
    read_slices(node, constant_input(state, node, 1, "scale"), zero_point, x.dims, &out.quantizer);
    require_zero_of_bipolar(node, out.quantizer);
    const SliceIndex slice(out.quantizer, x.dims);
    const auto range = code_range(out.quantizer);
    if (range.second > INT32_MAX) node.fail("codes of 32 bits without a sign are not read");
    out.codes.resize(x.real.size());
    for (size_t i = 0; i < x.real.size(); ++i)
        out.codes[i] = code_of(x.real[i], out.quantizer.scale[slice(i)], out.quantizer.zero_point[slice(i)],
                               out.quantizer, rounding, range);
    return out;
}

std::vector<float> dequantized(const Codes& codes, const Dims& dims) {
    const SliceIndex slice(codes.quantizer, dims);
    std::vector<float> real(codes.codes.size());
    for (size_t i = 0; i < real.size(); ++i) {
        const int64_t difference = int64_t(codes.codes[i]) - codes.quantizer.zero_point[slice(i)];
        real[i] = static_cast<float>(difference) * codes.quantizer.scale[slice(i)];
    }
    return real;
}

}  // namespace bitline::reader
