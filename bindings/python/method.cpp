#include "training/method.h"

#include <fmt/format.h>

#include <algorithm>

#include "bindings/python/arrays.h"
#include "core/error.h"

namespace bitline::python {

namespace {

using namespace bitline::training;

std::vector<float> values_of(const py::object& x) {
    const Samples samples = samples_of(x.attr("reshape")(1, -1), "x");
    require_finite(samples, "x");
    if (samples.array.size() == 0) throw ConfigError("x: no numbers");
    return {samples.array.data(), samples.array.data() + samples.array.size()};
}

std::vector<float> quantized_weights(const Method& method, const LayerRole& role, const std::vector<float>& weights) {
    const auto quantizer = method.weights(role);
    quantizer->start(weights);
    QuantizedWeights quantized;
    quantizer->quantize(weights, false, quantized);
    std::vector<float> values(weights.size(), 0.0F);
    for (const QuantizedWeights::Plane& plane : quantized.planes)
        for (size_t i = 0; i < values.size(); ++i)
            values[i] += plane.quantizer.scale[0] * static_cast<float>(plane.codes[i] - plane.quantizer.zero_point[0]);
    return values;
}

std::vector<float> quantized_inputs(const Method& method, const LayerRole& role, const std::vector<float>& x) {
    const auto quantizer = method.inputs(role);
    quantizer->observe(x, true);
    std::vector<float> values(x.size());
    quantizer->forward(x, values);
    return values;
}

py::array_t<float> fake_quantize(const py::object& x, const std::string& method, const std::string& of,
                                 std::optional<int> bits) {
    if (of != "weights" && of != "inputs")
        throw ConfigError(fmt::format("of = \"{}\" violates of: \"weights\" or \"inputs\"", of));
    const MethodEntry& entry = find_method(method);
    const py::object array = py::module_::import("numpy").attr("asarray")(x);
    const std::vector<float> values = values_of(array);
    LayerRole role;
    role.name = of;
    role.bits = bits.value_or(of == "weights" ? entry.weight_bits : entry.input_bits);
    role.features = static_cast<int64_t>(values.size());
    role.negative = std::any_of(values.begin(), values.end(), [](float v) { return v < 0; });
    const auto made = entry.make({});
    std::vector<float> quantized =
        of == "weights" ? quantized_weights(*made, role, values) : quantized_inputs(*made, role, values);
    const auto numbers = static_cast<int64_t>(quantized.size());
    return array_from(std::move(quantized), {numbers}).attr("reshape")(array.attr("shape"));
}

py::list method_list() {
    py::list list;
    for (const MethodEntry& entry : methods()) {
        py::dict one;
        one["name"] = text_of(entry.name);
        one["summary"] = text_of(entry.summary);
        one["paper"] = text_of(entry.paper);
        one["weight_bits"] = py::make_tuple(entry.weight_bits_low, entry.weight_bits, entry.weight_bits_high);
        one["input_bits"] = py::make_tuple(entry.input_bits_low, entry.input_bits, entry.input_bits_high);
        list.append(one);
    }
    return list;
}

}  // namespace

void bind_method(py::module_& module) {
    module.def(
        "list_methods", &method_list,
        R"(Training methods, in the order of their papers: dictionaries of name, summary, paper, and weight_bits and
input_bits (least, default, most).

>>> bl.list_methods()[0]["name"]
'binaryconnect'
)");
    module.def(
        "fake_quantize", &fake_quantize, py::arg("x"), py::arg("method"), py::arg("of") = "weights", py::kw_only(),
        py::arg("bits") = py::none(),
        R"(What a training method makes of the weights of one output channel, or of a layer's inputs: the numbers that
their codes stand for, float32 in the shape of x.

The method's quantizer starts from these very numbers, as before the first training step. of: "weights" or "inputs";
inputs without any negative number are those behind a ReLU. bits: the method's default unless given.

>>> bl.fake_quantize([-0.9, -0.2, 0.1, 0.8], "ternary").tolist()
[-0.8500000238418579, 0.0, 0.0, 0.8500000238418579]
)");
}

}  // namespace bitline::python
