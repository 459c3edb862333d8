#include "core/quantize.h"

#include <fmt/format.h>

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline::python {

namespace {

QuantizeOptions::Method parse_method(const std::string& name) {
    using Method = QuantizeOptions::Method;
    OptionText option;
    option.path = "method";
    option.value = name;
    static const Method methods[] = {Method::minmax, Method::percentile, Method::mse};
    return methods[parse_choice(option, {"minmax", "percentile", "mse"})];
}

Network quantize(const Network& network, const py::object& calibration, const std::optional<std::string>& preprocess,
                 int weight_bits, int input_bits, const std::string& method, std::optional<double> percentile,
                 int64_t calibration_samples) {
    QuantizeOptions options;
    options.weight_bits = weight_bits;
    options.input_bits = input_bits;
    options.method = parse_method(method);
    if (percentile && options.method != QuantizeOptions::Method::percentile)
        throw ConfigError("percentile has no effect without method = percentile");
    options.percentile = percentile.value_or(options.percentile);
    options.calibration_samples = calibration_samples;
    validate(options);
    const std::shared_ptr<const Dataset> data = dataset_of(calibration, "calibration");
    const Preprocess chosen = choose_preprocess(preprocess, network);
    return interruptibly([&] { return quantize_network(network, *data, chosen, options); });
}

}  // namespace

void bind_quantize(py::module_& module) {
    const QuantizeOptions defaults;
    module.def("quantize", &quantize, py::arg("network"), py::arg("calibration"), py::kw_only(),
               py::arg("preprocess") = py::none(), py::arg("weight_bits") = defaults.weight_bits,
               py::arg("input_bits") = defaults.input_bits, py::arg("method") = "mse",
               py::arg("percentile") = py::none(), py::arg("calibration_samples") = defaults.calibration_samples,
               R"(A network of integer layers from a float one, by post-training quantization.

`calibration`: data whose first samples (256) set the ranges, by `method`: "minmax", "percentile" (99.99) or "mse".

>>> network = bl.quantize(bl.read_onnx("digits_float.onnx"), "digits_calibration.h5", weight_bits=6)
>>> network.layers[1]["weight_bits"]
6
)");
}

}  // namespace bitline::python
