// Single layers and what training draws: the ground that bitline.torch stands on.

#include <fmt/format.h>

#include <tuple>

#include "bindings/python/arrays.h"
#include "core/error.h"
#include "mapping/simulate.h"
#include "training/hardware.h"

namespace bitline::python {

namespace {

using Pair = std::pair<int64_t, int64_t>;                      // height, width
using Sides = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // top, left, bottom, right

std::vector<int32_t> codes_of(const py::array& codes) {
    const char kind = codes.dtype().kind();
    if (kind != 'i' && kind != 'u') throw ConfigError("codes: weights are whole numbers");
    const auto whole = py::array_t<int32_t, py::array::c_style | py::array::forcecast>::ensure(codes);
    if (!whole) throw py::error_already_set();
    return {whole.data(), whole.data() + whole.size()};
}

std::vector<float> numbers_of(const FloatArray& array) { return {array.data(), array.data() + array.size()}; }

void require_length(const std::vector<float>& values, int64_t outputs, const std::string& name) {
    if (std::ssize(values) != outputs)
        throw ConfigError(fmt::format("{}: {} numbers for {} outputs", name, values.size(), outputs));
}

/// The product without its output.
MatVec product_of(const py::array& codes, int weight_bits, const Shape& input, const Pair& stride, const Sides& padding,
                  const Pair& dilation, int64_t groups) {
    if (codes.ndim() != 2 && codes.ndim() != 4)
        throw ConfigError(fmt::format(
            "codes: {} axes violate (outputs, inputs) or (outputs, inputs / groups, height, width)", codes.ndim()));
    MatVec product;
    product.is_convolution = codes.ndim() == 4;
    product.out_channels = codes.shape(0);
    product.groups = groups;
    product.in_channels = codes.shape(1) * groups;
    if (input.size() != (product.is_convolution ? 3U : 1U))
        throw ConfigError(fmt::format("input_shape: {} axes violate {}", input.size(),
                                      product.is_convolution ? "(channels, height, width)" : "(inputs,)"));
    if (product.is_convolution) {
        Window& w = product.window;
        std::tie(w.kernel_h, w.kernel_w) = Pair(codes.shape(2), codes.shape(3));
        std::tie(w.stride_h, w.stride_w) = stride;
        std::tie(w.dilation_h, w.dilation_w) = dilation;
        std::tie(w.pad_top, w.pad_left, w.pad_bottom, w.pad_right) = padding;
    }
    product.codes = codes_of(codes);
    product.weight.bits = weight_bits;
    product.weight.narrow = true;
    return product;
}

Network layer_network(const py::array& codes, const FloatArray& weight_scale, float input_scale,
                      const std::vector<int64_t>& input_shape, const std::optional<FloatArray>& bias, int weight_bits,
                      int input_bits, int32_t input_zero_point, const Pair& stride, const Sides& padding,
                      const Pair& dilation, int64_t groups, const std::string& name) {
    MatVec product = product_of(codes, weight_bits, input_shape, stride, padding, dilation, groups);
    product.weight.scale = numbers_of(weight_scale);
    require_length(product.weight.scale, product.out_channels, "weight_scale");
    product.weight.zero_point.assign(product.weight.scale.size(), 0);
    ScaleOutput output;
    for (const float scale : product.weight.scale) output.scale.push_back(input_scale * scale);
    if (bias) {
        output.bias = numbers_of(*bias);
        require_length(output.bias, product.out_channels, "bias");
    }
    product.output = std::move(output);

    Quantize quantize;
    quantize.to.scale = {input_scale};
    quantize.to.zero_point = {input_zero_point};
    quantize.to.bits = input_bits;
    quantize.to.is_signed = false;
    quantize.zero_point_inside = true;

    Network network;
    network.name = name;
    network.values = {{"input", input_shape, {}}, {"codes", input_shape, quantize.to}, {"output", {}, {}}};
    network.values[2].shape = infer_shape(product, {input_shape}, {});
    network.nodes = {{"quantize", "", {0}, 1, quantize}, {name, "", {1}, 2, product}};
    network.input = 0;
    network.output = 2;
    validate(network);
    return network;
}

uint32_t checked_step(int64_t step) {
    if (step < 0 || step > UINT32_MAX) throw ConfigError(fmt::format("step = {} violates 0 <= step < 2^32", step));
    return static_cast<uint32_t>(step);
}

py::array_t<float> weight_noise(int64_t count, int64_t seed, int64_t step, int64_t layer) {
    if (count < 0) throw ConfigError(fmt::format("count = {} violates 0 <= count", count));
    std::vector<float> values(static_cast<size_t>(count), 0.0F);
    training::add_weight_noise(checked_seed(seed), checked_step(step), checked_step(layer), 1, values);
    return array_from(std::move(values), {count});
}

/// Seeds that Python takes have 53 bits.
int64_t chip_seed(int64_t seed, int64_t step) {
    return static_cast<int64_t>(training::chip_seed(checked_seed(seed), checked_step(step)) >> 11);
}

}  // namespace

void bind_layer(py::module_& module) {
    module.def("layer_network", &layer_network, py::arg("codes"), py::arg("weight_scale"), py::arg("input_scale"),
               py::arg("input_shape"), py::kw_only(), py::arg("bias") = py::none(), py::arg("weight_bits") = 8,
               py::arg("input_bits") = 8, py::arg("input_zero_point") = 0, py::arg("stride") = Pair(1, 1),
               py::arg("padding") = Sides(0, 0, 0, 0), py::arg("dilation") = Pair(1, 1), py::arg("groups") = 1,
               py::arg("name") = "layer",
               R"(A network of one layer from whole numbers: y = input_scale * weight_scale * sum(x_q * w_q) + bias.

codes: weights (outputs, inputs), or of a convolution (outputs, inputs / groups, height, width), each at most
2^(weight_bits - 1) - 1 in magnitude; weight_scale: one per output. Inputs become codes 0 .. 2^input_bits - 1, rounded
(half to even) from x / input_scale + input_zero_point. padding: top, left, bottom, right.

>>> network = bl.layer_network(np.array([[1, -2], [3, 0]]), [0.5, 0.5], 0.1, (2,), bias=[0, 1])
>>> network.run(np.array([[1.0, 0.5]])).tolist()
[[0.0, 2.5]]
)");
    module.def("needs_calibration", &needs_calibration, py::arg("architecture"),
               "Whether chips of this architecture want samples for converter ranges or the statistics of outputs.");
    module.def("weight_noise", &weight_noise, py::arg("count"), py::arg("seed"), py::arg("step"), py::arg("layer"),
               "The standard normal numbers that a layer's weights meet in a step of training with noise.");
    module.def("chip_seed", &chip_seed, py::arg("seed"), py::arg("step"),
               "A seed of its own for everything that has a number.");
    module.def(
        "draw_age",
        [](int64_t seed, int64_t step, double low, double high) {
            return training::draw_age(checked_seed(seed), checked_step(step), low, high);
        },
        py::arg("seed"), py::arg("step"), py::arg("low"), py::arg("high"),
        "s since programming, its logarithm uniform between that of both.");
    module.def(
        "with_lossless_converters",
        [](const Architecture& architecture) {
            return parse_architecture(to_yaml(training::with_lossless_converters(architecture)), architecture.name);
        },
        py::arg("architecture"), "The same chip with converters that resolve everything.");
}

}  // namespace bitline::python
