// Quantizing operators on constants: the numbers keep the codes that they came from.

#include <algorithm>

#include "core/onnx/reader_operators.h"
#include "core/onnx/reader_quantizers.h"
#include "core/reference_parts.h"

namespace bitline::reader {

namespace {

void set_coded(Importer& state, const NodeView& node, const Dims& dims, Codes codes) {
    Tensor out;
    out.dims = dims;
    out.real = dequantized(codes, dims);
    out.codes = std::make_shared<const Codes>(std::move(codes));
    set_constant(state, node, std::move(out));
}

void fold_dequantize(Importer& state, const NodeView& node) {
    if (node.integer("block_size", 0) != 0) node.fail("block_size is not read; quantize per tensor or per channel");
    const Tensor& codes = constant_input(state, node, 0, "tensor");
    const Tensor* zero_point = optional_constant(state, node, 2, "zero point");
    if (zero_point != nullptr && zero_point->type != codes.type)
        node.fail("codes '{}' and zero point '{}' have different types", codes.name, zero_point->name);
    set_coded(state, node, codes.dims,
              typed_codes(node, codes, constant_input(state, node, 1, "scale"), zero_point, node.integer("axis", 1)));
}

/// The reference's own quantizer slice by slice, so that constants and values round alike.
void fold_quantize(Importer& state, const NodeView& node) {
    if (node.integer("block_size", 0) != 0) node.fail("block_size is not read; quantize per tensor or per channel");
    const Tensor& x = constant_input(state, node, 0, "tensor");
    if (is_integer(x.type)) node.fail("quantizes the integer tensor '{}'", x.name);
    const Tensor* zero_point = optional_constant(state, node, 2, "zero point");
    Tensor out;
    out.type = zero_point != nullptr ? zero_point->type : declared_code_type(node);
    out.dims = x.dims;
    if (!is_integer(out.type) || range_of(out.type).bits > 16) node.fail("constants are quantized to at most 16 bits");
    out.whole.assign(x.real.size(), 0);
    const Codes form =
        typed_codes(node, out, constant_input(state, node, 1, "scale"), zero_point, node.integer("axis", 1));
    const SliceIndex slice(form.quantizer, x.dims);
    for (size_t i = 0; i < x.real.size(); ++i) {
        Quantize op{form.quantizer};
        op.to.scale = {form.quantizer.scale[slice(i)]};
        op.to.zero_point = {form.quantizer.zero_point[slice(i)]};
        out.whole[i] = reference::quantize(op, {&x.real[i], 1})[0];
    }
    set_constant(state, node, std::move(out));
}

/// Binary networks keep real weights and take their sign. Zero has a sign of its own, 0.
void fold_sign(Importer& state, const NodeView& node) {
    const Tensor& x = constant_input(state, node, 0, "operand");
    if (is_integer(x.type)) node.fail("'{}' is an integer tensor; Sign of real constants is folded", x.name);
    Codes signs;
    signs.codes.reserve(x.real.size());
    for (const float number : x.real) signs.codes.push_back((number > 0) - (number < 0));
    const bool has_zero = std::count(signs.codes.begin(), signs.codes.end(), 0) != 0;
    signs.quantizer = has_zero ? sign_quantizer() : bipolar_quantizer({1.0F});
    set_coded(state, node, x.dims, std::move(signs));
}

}  // namespace

bool fold_quantization(Importer& state, const NodeView& node) {
    if (node.type() == "DequantizeLinear") {
        fold_dequantize(state, node);
    } else if (node.type() == "QuantizeLinear") {
        fold_quantize(state, node);
    } else if (node.type() == "Sign") {
        fold_sign(state, node);
    } else if (node.type() == "Quant" || node.type() == "IntQuant" || node.type() == "BipolarQuant") {
        set_coded(state, node, constant_input(state, node, 0, "tensor").dims, quantized_constant(state, node));
    } else {
        return false;
    }
    return true;
}

}  // namespace bitline::reader
