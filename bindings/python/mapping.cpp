#include "bindings/python/mapping.h"

#include <fmt/format.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "bindings/python/arrays.h"
#include "bindings/python/calls.h"
#include "bindings/python/html.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline::python {

namespace {

using Path = std::filesystem::path;

/// An array with what its layer says about its lines.
struct PlacedArray {
    ArrayPlan plan;
    int64_t lines_per_row = 1;
};

std::vector<PlacedArray> arrays_of(const MappedLayer& layer) {
    std::vector<PlacedArray> arrays;
    for (const ArrayPlan& plan : layer.arrays) arrays.push_back({plan, drive_rows_per_row(layer)});
    return arrays;
}

py::array_t<int32_t> outputs_of(const PlacedArray& array) {
    std::vector<int32_t> outputs;
    for (const Column& column : array.plan.columns) outputs.push_back(column.output);
    const auto count = static_cast<int64_t>(outputs.size());
    return array_from(std::move(outputs), {count});
}

std::shared_ptr<PlacedNetwork> place(const std::shared_ptr<Network>& network, const Architecture& architecture,
                                     bool check_fit) {
    return interruptibly([&] {
        return std::make_shared<PlacedNetwork>(PlacedNetwork{network, map_network(*network, architecture, check_fit)});
    });
}

void write(const PlacedNetwork& placed, const Path& path, void (*writer)(const Mapping&, const std::string&)) {
    run_interruptibly([&] { writer(placed.mapping, path.string()); });
}

std::string title_of(const PlacedNetwork& placed) {
    const Mapping& m = placed.mapping;
    return fmt::format("{} on {}: {} layers, {} arrays of {} x {}, {} cycles per sample", placed.network->name,
                       m.architecture.name, m.layers.size(), m.arrays, m.architecture.array.rows,
                       m.architecture.array.cols, m.cycles);
}

std::string html_of(const PlacedNetwork& placed) {
    std::vector<std::vector<std::string>> rows;
    for (const MappedLayer& layer : placed.mapping.layers)
        rows.push_back({layer.name, layer.kind, fmt::format("{}", layer.rows), fmt::format("{}", layer.cols),
                        fmt::format("{}", layer.stored.slices.size()), fmt::format("{}", layer.array_count),
                        fmt::format("{:.1f} %", 100 * layer.utilisation), fmt::format("{}", layer.lossless_bits),
                        fmt::format("{}", layer.cycles)});
    return html_table(title_of(placed),
                      {"layer", "kind", "rows", "outputs", "slices", "arrays", "used", "lossless ADC bits", "cycles"},
                      rows);
}

void bind_array(py::module_& module) {
    py::class_<PlacedArray>(module, "MappedArray", "One array of a layer: what part of it the cells hold.")
        .def_property_readonly(
            "id", [](const PlacedArray& a) { return a.plan.id; }, "Number among all arrays of the chip.")
        .def_property_readonly(
            "first_row", [](const PlacedArray& a) { return a.plan.first_row; },
            "Of the layer's rows; of packed groups, of the rows of all of them.")
        .def_property_readonly(
            "rows", [](const PlacedArray& a) { return a.plan.rows; }, "Of the layer, that the array holds.")
        .def_property_readonly(
            "active_rows", [](const PlacedArray& a) { return a.plan.active_rows; }, "Driven at a time.")
        .def_property_readonly(
            "columns", [](const PlacedArray& a) { return a.plan.columns.size(); }, "That converters read.")
        .def_property_readonly("outputs", &outputs_of,
                               "Of the layer (or pack), one for each column that converters read; -1: reference.")
        .def_property_readonly(
            "word_lines", [](const PlacedArray& a) { return a.plan.rows * a.lines_per_row; }, "In use.")
        .def_property_readonly(
            "bit_lines",
            [](const PlacedArray& a) { return static_cast<int64_t>(a.plan.columns.size()) * a.plan.cells_per_column; },
            "In use; two for a column of pairs.")
        .def("__repr__", [](const PlacedArray& a) {
            return text_of(fmt::format("<MappedArray {}: rows {} .. {}, {} columns>", a.plan.id, a.plan.first_row,
                                       a.plan.first_row + a.plan.rows - 1, a.plan.columns.size()));
        });
}

void bind_mapped_layer(py::module_& module) {
    py::class_<MappedLayer>(module, "MappedLayer", "What one layer became.")
        .def_property_readonly("name", [](const MappedLayer& l) { return text_of(l.name); })
        .def_property_readonly("kind", [](const MappedLayer& l) { return text_of(l.kind); })
        .def_readonly("rows", &MappedLayer::rows, "Of one group.")
        .def_readonly("cols", &MappedLayer::cols, "Outputs of one group.")
        .def_readonly("groups", &MappedLayer::groups)
        .def_readonly("positions", &MappedLayer::positions, "Products per sample.")
        .def_readonly("array_count", &MappedLayer::array_count,
                      "Physical ones: a pair that is split over two arrays counts twice.")
        .def_property_readonly("arrays", &arrays_of, "Where its rows and columns lie.")
        .def_readonly("cells_used", &MappedLayer::cells_used)
        .def_readonly("utilisation", &MappedLayer::utilisation, "Cells used as a share of the arrays' cells.")
        .def_property_readonly(
            "sum_bounds", [](const MappedLayer& l) { return py::make_tuple(l.bounds.low, l.bounds.high); },
            "Levels that a column's sum can reach, lowest and highest over all inputs.")
        .def_readonly("lossless_bits", &MappedLayer::lossless_bits, "ADC bits that resolve every sum to one level.")
        .def_readonly("cycles", &MappedLayer::cycles, "Per sample.")
        .def_property_readonly("note", [](const MappedLayer& l) { return text_of(l.note); })
        .def("__repr__", [](const MappedLayer& l) {
            return text_of(fmt::format("<MappedLayer {}: {}, {} arrays>", l.name, l.kind, l.array_count));
        });
}

}  // namespace

size_t layer_index(const Mapping& mapping, const py::object& layer) {
    const auto count = static_cast<int64_t>(mapping.layers.size());
    if (PyIndex_Check(layer.ptr())) {
        const auto index = layer.cast<int64_t>();
        if (index < -count || index >= count)
            throw ConfigError(fmt::format("layer {} violates {} <= layer < {}", index, -count, count));
        return static_cast<size_t>(index < 0 ? index + count : index);
    }
    if (!py::isinstance<py::str>(layer)) throw ConfigError("a layer is given by its name or its number");
    const auto name = layer.cast<std::string>();
    std::vector<std::string> names;
    for (size_t l = 0; l < mapping.layers.size(); ++l) {
        if (mapping.layers[l].name == name) return l;
        names.push_back(mapping.layers[l].name);
    }
    throw ConfigError(
        fmt::format("no layer {} is mapped; did you mean {}?", printable(name), nearest_name(name, names)));
}

size_t array_index(const MappedLayer& layer, int64_t array) {
    const auto count = static_cast<int64_t>(layer.arrays.size());
    if (array < 0 || array >= count)
        throw ConfigError(fmt::format("layer {}: array {} violates 0 <= array < {}", layer.name, array, count));
    return static_cast<size_t>(array);
}

void bind_mapping(py::module_& module) {
    bind_array(module);
    bind_mapped_layer(module);
    py::class_<PlacedNetwork, std::shared_ptr<PlacedNetwork>>(module, "Mapping",
                                                              "Which cell holds which slice of which weight.")
        .def_property_readonly("network",
                               [](const PlacedNetwork& p) { return std::const_pointer_cast<Network>(p.network); })
        .def_property_readonly("architecture", [](const PlacedNetwork& p) { return p.mapping.architecture; })
        .def_property_readonly("layers", [](const PlacedNetwork& p) { return p.mapping.layers; })
        .def_property_readonly("arrays", [](const PlacedNetwork& p) { return p.mapping.arrays; })
        .def_property_readonly(
            "arrays_available", [](const PlacedNetwork& p) { return p.mapping.arrays_available; }, "0: unlimited.")
        .def_property_readonly("cores", [](const PlacedNetwork& p) { return p.mapping.cores; })
        .def_property_readonly("tiles", [](const PlacedNetwork& p) { return p.mapping.tiles; })
        .def_property_readonly(
            "reloads", [](const PlacedNetwork& p) { return p.mapping.reloads; },
            "Times that the chip is filled per pass over the network.")
        .def_property_readonly(
            "cycles", [](const PlacedNetwork& p) { return p.mapping.cycles; }, "Per sample.")
        .def(
            "write", [](const PlacedNetwork& p, const Path& path) { write(p, path, &write_mapping); }, py::arg("path"),
            "The plan as HDF5.")
        .def(
            "write_targets", [](const PlacedNetwork& p, const Path& path) { write(p, path, &write_targets); },
            py::arg("path"), "What each cell is to be programmed to, as HDF5.")
        .def("__repr__", [](const PlacedNetwork& p) { return text_of("<Mapping " + title_of(p) + ">"); })
        .def("_repr_html_", [](const PlacedNetwork& p) { return text_of(html_of(p)); });
    module.def("map_network", &place, py::arg("network"), py::arg("architecture"), py::kw_only(),
               py::arg("check_fit") = true,
               R"(Puts a network on arrays. A network that does not fit the chip is an error where `check_fit`.

>>> network = bl.read_network("digits_cnn.onnx")
>>> bl.map_network(network, bl.Architecture.preset("default")).layers[0]
<MappedLayer conv1: convolution, 1 arrays>
)");
}

}  // namespace bitline::python
