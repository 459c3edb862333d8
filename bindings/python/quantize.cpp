#include "core/quantize.h"

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "core/options.h"

namespace bitline::python {

namespace {

Network quantize(const Network& network, const py::object& calibration, const std::optional<std::string>& preprocess,
                 int weight_bits, int input_bits, const std::string& method, std::optional<double> percentile,
                 int64_t calibration_samples) {
    QuantizeTexts texts{std::to_string(weight_bits), std::to_string(input_bits), method, {}};
    if (percentile) texts.percentile = real_text(*percentile);
    QuantizeOptions options = parse_quantize_options(texts);
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
