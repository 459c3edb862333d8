#include "core/network.h"

#include <fmt/format.h>
#include <pybind11/stl/filesystem.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "bindings/python/html.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model_io.h"
#include "core/summary.h"
#include "core/temporary_name.h"
#include "mapping/simulate.h"

namespace bitline::python {

namespace {

using Path = std::filesystem::path;

const Shape& shape_of(const Network& network, int value) { return network.values[static_cast<size_t>(value)].shape; }

Network read(const Path& path, Network (*reader)(const std::string&)) {
    const py::gil_scoped_release unlocked;
    require_file(path.string(), "model");
    return reader(path.string());
}

void write(const Network& network, const Path& path, void (*writer)(const Network&, const std::string&)) {
    const py::gil_scoped_release unlocked;
    writer(network, path.string());
}

std::string bits_text(const std::optional<int>& bits) { return bits ? fmt::format("{}", *bits) : ""; }

std::string title_of(const Network& network) {
    const NetworkSummary summary = summarize(network);
    return fmt::format("{}: {} -> {}, {} layers for crossbars, {} parameters of {:.3g} bits", network.name,
                       to_string(shape_of(network, network.input)), to_string(shape_of(network, network.output)),
                       summary.mapped_layers, summary.parameters.count, summary.average_bits());
}

std::string html_of(const Network& network) {
    std::vector<std::vector<std::string>> rows;
    for (const NodeSummary& node : summarize(network).nodes)
        rows.push_back({node.name, node.kind, to_string(node.output), fmt::format("{}", node.parameters.count),
                        bits_text(node.weight_bits), bits_text(node.input_bits), node.mapped ? "crossbar" : "digital"});
    return html_table(title_of(network),
                      {"layer", "kind", "output", "parameters", "weight bits", "input bits", "runs on"}, rows);
}

py::list layers_of(const Network& network) {
    py::list layers;
    for (const NodeSummary& node : summarize(network).nodes) {
        py::dict layer;
        layer["name"] = text_of(node.name);
        layer["kind"] = text_of(node.kind);
        layer["input"] = tuple_of(node.input);
        layer["output"] = tuple_of(node.output);
        layer["parameters"] = node.parameters.count;
        layer["macs"] = node.macs;
        layer["weight_bits"] = node.weight_bits;
        layer["input_bits"] = node.input_bits;
        layer["output_bits"] = node.output_bits;
        layer["mapped"] = node.mapped;
        layers.append(layer);
    }
    return layers;
}

py::dict metadata_of(const Network& network) {
    py::dict dict;
    for (const auto& [key, value] : network.metadata) dict[text_of(key)] = text_of(value);
    return dict;
}

py::array_t<float> run_network(const Network& network, const py::object& x,
                               const std::optional<std::string>& preprocess) {
    const Samples samples = samples_of(x, "x");
    check_samples(network, samples, 0);
    const Preprocess chosen = choose_preprocess(preprocess, network);
    std::vector<float> output =
        interruptibly([&] { return run_samples(network, *make_exact_engine(network), samples, chosen, 0); });
    Shape shape = shape_of(network, network.output);
    shape.insert(shape.begin(), samples.count);
    return array_from(std::move(output), shape);
}

double accuracy_of(const Network& network, const py::object& data, const std::optional<std::string>& preprocess) {
    const std::shared_ptr<const Dataset> samples = dataset_of(data, "data");
    const Preprocess chosen = choose_preprocess(preprocess, network);
    return interruptibly([&] { return software_accuracy(network, *samples, chosen); });
}

/// HDF5 is what keeps every bit of a network; a file in a temporary folder stands between it and the bytes.
struct ScratchFile {
    TemporaryName name{unused_name(std::filesystem::temp_directory_path().string(), "network")};
    ~ScratchFile() { ::unlink(name.get().c_str()); }
    const std::string& path() const { return name.get(); }
};

py::bytes state_of(const Network& network) {
    std::string bytes;
    {
        const py::gil_scoped_release unlocked;
        const ScratchFile file;
        write_hdf5(network, file.path());
        bytes = read_file(file.path(), "network");
    }
    return bytes;
}

Network from_state(const py::bytes& state) {
    const std::string bytes = state;
    const py::gil_scoped_release unlocked;
    const ScratchFile file;
    write_text_atomically(file.path(), bytes);
    return read_hdf5(file.path());
}

}  // namespace

void bind_network(py::module_& module) {
    py::class_<Network, std::shared_ptr<Network>>(module, "Network", R"(A checked graph of quantized layers; read-only.

>>> network = bl.read_network("digits_cnn.onnx")
>>> network.input_shape
(1, 8, 8)
>>> x = bl.open_dataset("digits.h5").read(0, 2)
>>> network.run(x).shape  # the exact integer network in software
(2, 10)
)")
        .def_property_readonly("name", [](const Network& n) { return text_of(n.name); })
        .def_property_readonly(
            "input_shape", [](const Network& n) { return tuple_of(shape_of(n, n.input)); }, "Of one sample.")
        .def_property_readonly(
            "output_shape", [](const Network& n) { return tuple_of(shape_of(n, n.output)); }, "Of one sample.")
        .def_property_readonly(
            "preprocess",
            [](const Network& n) -> std::optional<std::string> {
                return n.preprocess ? std::optional(to_string(*n.preprocess)) : std::nullopt;
            },
            "How raw samples become the input, as functions take it; None where the model does not say.")
        .def_property_readonly("layers", &layers_of, "What each layer is, dictionaries in the order of the graph.")
        .def_property_readonly("metadata", &metadata_of)
        .def("run", &run_network, py::arg("x"), py::kw_only(), py::arg("preprocess") = py::none(),
             R"(The outputs of the network in software, float32 (samples x outputs); integer layers are exact.

x: raw samples along the first axis. `preprocess`: "raw" for samples that are preprocessed already; without it, the
network's own.)")
        .def("__repr__", [](const Network& n) { return text_of("<Network " + title_of(n) + ">"); })
        .def("_repr_html_", [](const Network& n) { return text_of(html_of(n)); })
        .def("__eq__", [](const Network& a, const Network& b) { return a == b; })
        .def("__copy__", [](const std::shared_ptr<Network>& n) { return n; })
        .def("__deepcopy__", [](const std::shared_ptr<Network>& n, const py::dict&) { return n; })
        .def(py::pickle(&state_of, &from_state));
    module.def(
        "read_network", [](const Path& path) { return read(path, &read_network); }, py::arg("path"),
        "A network from ONNX or Bitline's HDF5, told apart by the file's first bytes.");
    module.def(
        "read_onnx", [](const Path& path) { return read(path, &read_onnx); }, py::arg("path"),
        R"(A network from ONNX: QDQ, operator form, QONNX, or float.

>>> bl.read_onnx("digits_cnn.onnx").output_shape
(10,)
>>> bl.read_onnx("missing.onnx")
Traceback (most recent call last):
    ...
bitline.FormatError: model missing.onnx: no such file
)");
    module.def(
        "read_hdf5", [](const Path& path) { return read(path, &read_hdf5); }, py::arg("path"),
        "A network from Bitline's HDF5.");
    module.def(
        "write_onnx", [](const Network& n, const Path& path) { write(n, path, &write_onnx); }, py::arg("network"),
        py::arg("path"), "As QDQ ONNX, which ONNX Runtime runs with the same codes.");
    module.def(
        "write_hdf5", [](const Network& n, const Path& path) { write(n, path, &write_hdf5); }, py::arg("network"),
        py::arg("path"), "As HDF5, which keeps every bit.");
    module.def("software_accuracy", &accuracy_of, py::arg("network"), py::arg("data"), py::kw_only(),
               py::arg("preprocess") = py::none(), R"(Share of samples whose largest output is their label.

>>> bl.software_accuracy(bl.read_network("digits_cnn.onnx"), "digits.h5") > 0.9
True
)");
}

}  // namespace bitline::python
