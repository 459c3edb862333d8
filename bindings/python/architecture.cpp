#include "bindings/python/architecture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "bindings/python/html.h"
#include "core/error.h"
#include "core/files.h"
#include "core/options.h"

namespace bitline::python {

namespace {

bool is_boolean(py::handle value) {
    return py::isinstance<py::bool_>(value) || py::isinstance(value, py::module_::import("numpy").attr("bool_"));
}

std::string scalar_text(const std::string& path, py::handle value) {
    if (py::isinstance<py::str>(value)) return value.cast<std::string>();
    if (is_boolean(value)) return value.cast<bool>() ? "true" : "false";
    if (PyIndex_Check(value.ptr())) return py::str(py::int_(py::reinterpret_borrow<py::object>(value)));
    if (PyFloat_Check(value.ptr()) || py::hasattr(value, "__float__")) return real_text(value.cast<double>());
    throw ConfigError(fmt::format("{}: a value of type {} violates text, number, boolean or list of numbers", path,
                                  std::string(py::str(py::type::of(value).attr("__name__")))));
}

std::string value_text(const std::string& path, py::handle value) {
    const bool list = !py::isinstance<py::str>(value) && PySequence_Check(value.ptr());
    if (!list) return scalar_text(path, value);
    std::vector<std::string> parts;
    for (const py::handle part : value) parts.push_back(scalar_text(path, part));
    return fmt::format("[{}]", fmt::join(parts, ", "));
}

void add_settings(const std::string& prefix, const py::dict& changes, std::vector<Setting>& settings) {
    for (const auto& [key, value] : changes) {
        if (!py::isinstance<py::str>(key)) throw ConfigError("keys of an architecture are text");
        const std::string path = prefix + key.cast<std::string>();
        if (py::isinstance<py::dict>(value)) {
            add_settings(path + ".", py::reinterpret_borrow<py::dict>(value), settings);
        } else if (path == "device") {
            settings.insert(settings.begin(), {"cell.device", value_text(path, value)});
        } else {
            settings.emplace_back(path, value_text(path, value));
        }
    }
}

/// path.to.key -> value, as the canonical YAML has them.
std::vector<std::pair<std::string, std::string>> values_of(const Architecture& architecture) {
    std::vector<std::pair<std::string, std::string>> values;
    for (const OptionText& option : read_yaml_options(to_yaml(architecture), architecture.name))
        if (option.kind != OptionText::Kind::section) values.emplace_back(option.path, option.value);
    return values;
}

py::dict dict_of(const Architecture& architecture) {
    py::dict dict;
    for (const auto& [path, value] : values_of(architecture)) dict[text_of(path)] = text_of(value);
    return dict;
}

Architecture preset(const std::string& name, const py::kwargs& changes) {
    architecture_text(name);  // throws where there is none
    return read_architecture(name, settings_of(changes));
}

Architecture from_file(const std::filesystem::path& path, const py::kwargs& changes) {
    require_file(path.string(), "architecture");
    return read_architecture(path.string(), settings_of(changes));
}

Architecture from_yaml(const std::string& yaml, const py::kwargs& changes) {
    return parse_architecture(yaml, "yaml", settings_of(changes));
}

Architecture changed(const Architecture& architecture, const py::kwargs& changes) {
    return parse_architecture(to_yaml(architecture), architecture.name, settings_of(changes));
}

std::string short_text(const Architecture& a) {
    const std::string cells = a.cell.name.empty() ? "" : " of " + a.cell.name;
    const std::string adc = a.adc.bits == 0 ? "lossless" : fmt::format("{} bit", a.adc.bits);
    return fmt::format("<Architecture {}: arrays of {} x {} cells{}, {} bit per cell, ADC {}>", a.name, a.array.rows,
                       a.array.cols, cells, a.cell.bits, adc);
}

std::string html_of(const Architecture& a) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [path, value] : values_of(a)) rows.push_back({path, value});
    return html_table(a.name, {"key", "value"}, rows);
}

py::tuple state_of(const Architecture& a) { return py::make_tuple(to_yaml(a), a.name, a.hash); }

/// Files that the keys name are read again.
Architecture from_state(const py::tuple& state) {
    if (state.size() != 3) throw ConfigError("a pickled architecture has three parts");
    Architecture a = parse_architecture(state[0].cast<std::string>(), state[1].cast<std::string>());
    if (a.hash != state[2].cast<std::string>())
        throw FormatError(
            fmt::format("architecture {}: the files that it names are not those that it was pickled with", a.name));
    return a;
}

py::list architecture_list() {
    py::list list;
    for (const ArchitectureSummary& one : list_architectures()) list.append(text_of(one.name));
    return list;
}

py::list key_list() {
    py::list list;
    for (const KeyDescription& key : describe_keys()) {
        py::dict one;
        one["path"] = key.path;
        one["type"] = key.type;
        one["range"] = key.range;
        one["default"] = key.default_value;
        one["meaning"] = key.meaning;
        list.append(one);
    }
    return list;
}

}  // namespace

std::vector<Setting> settings_of(const py::kwargs& changes) {
    std::vector<Setting> settings;
    add_settings("", changes, settings);
    return settings;
}

void bind_architecture(py::module_& module) {
    py::class_<Architecture>(module, "Architecture", R"(What a chip is made of: cells, arrays, encodings, converters.

Keys are changed by keyword, a section as a dictionary; `bl.describe_keys()` lists them all. `device` names the cells.

>>> chip = bl.Architecture.preset("isaac", adc={"bits": 9}, array={"rows": 256})
>>> chip.to_dict()["adc.bits"]
'9'
>>> bl.Architecture.preset("default", adc={"bitz": 9})
Traceback (most recent call last):
    ...
bitline.ConfigError: adc.bitz=9: unknown key; did you mean adc.bits?
)")
        .def_static("preset", &preset, py::arg("name"), "One of `bl.list_architectures()`, with changes.")
        .def_static("from_file", &from_file, py::arg("path"), "A YAML file, with changes.")
        .def_static("from_yaml", &from_yaml, py::arg("yaml"), R"(YAML text, with changes.

>>> bl.Architecture.from_yaml("base: default\nadc:\n  bits: 6").to_dict()["adc.bits"]
'6'
)")
        .def("changed", &changed, R"(The same with other values of some keys.

>>> chip = bl.Architecture.preset("default")
>>> [chip.changed(adc={"bits": bits}).to_dict()["adc.bits"] for bits in (4, 6)]
['4', '6']
)")
        .def_property_readonly("name", [](const Architecture& a) { return text_of(a.name); })
        .def_property_readonly("description", [](const Architecture& a) { return text_of(a.description); })
        .def_property_readonly(
            "hash", [](const Architecture& a) { return a.hash; },
            "SHA-256 of the canonical YAML, with the contents of the files that it names.")
        .def(
            "to_yaml", [](const Architecture& a) { return text_of(to_yaml(a)); },
            "Every key that has an effect, as YAML: what a run records.")
        .def("to_dict", &dict_of, "The same as a dictionary of text by path.")
        .def("__repr__", [](const Architecture& a) { return text_of(short_text(a)); })
        .def("_repr_html_", [](const Architecture& a) { return text_of(html_of(a)); })
        .def("__eq__", [](const Architecture& a, const Architecture& b) { return a.hash == b.hash; })
        .def("__hash__", [](const Architecture& a) { return py::hash(py::str(a.hash)); })
        .def(py::pickle(&state_of, &from_state));
    module.def("list_architectures", &architecture_list, R"(Names of the architectures that are built in.

>>> "isaac" in bl.list_architectures()
True
)");
    module.def("describe_keys", &key_list,
               "Every key of an architecture: dictionaries of path, type, range, default and meaning.");
}

}  // namespace bitline::python
