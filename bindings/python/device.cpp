#include <fmt/format.h>

#include <cmath>

#include "bindings/python/architecture.h"
#include "bindings/python/arrays.h"
#include "bindings/python/calls.h"
#include "bindings/python/html.h"
#include "core/error.h"
#include "devices/cell_curves.h"
#include "devices/switching.h"

namespace bitline::python {

namespace {

/// Cells as an architecture has them.
struct Device {
    CellOptions cell;
};

Device make_device(const std::string& name_or_file, const py::kwargs& changes) {
    std::vector<Setting> settings{{"cell.device", name_or_file}};
    for (const auto& [path, value] : settings_of(changes)) settings.emplace_back("cell." + path, value);
    return {read_architecture("default", settings).cell};
}

/// Rows of states at one age; NaN where the model says nothing about it.
struct StateTable {
    explicit StateTable(size_t ages, size_t states)
        : shape{static_cast<int64_t>(ages), static_cast<int64_t>(states)},
          values(6, std::vector<double>(ages * states)) {
        for (auto& one : values) std::fill(one.begin(), one.end(), std::nan(""));
    }
    void set(size_t age, size_t state, const StateSample& s) {
        const std::array<double, 6> of_sample{s.mean, s.deviation, s.low, s.median, s.high, s.read_deviation};
        const size_t at = age * static_cast<size_t>(shape[1]) + state;
        for (size_t i = 0; i < values.size(); ++i) values[i][at] = of_sample[i];
    }

    Shape shape;
    std::vector<std::vector<double>> values;
};

struct SampledStates {
    std::vector<double> ages, target;
    std::vector<std::string> outside;
    StateTable table;
};

SampledStates sample(const Device& device, const std::vector<double>& ages, int bits, int64_t cells, double temperature,
                     uint64_t seed) {
    const size_t states = size_t(1) << bits;
    SampledStates sampled{ages, {}, {}, StateTable(ages.size(), states)};
    for (size_t a = 0; a < ages.size(); ++a) {
        const Conditions conditions{ages[a], temperature};
        sampled.outside.push_back(outside_of_model(device.cell, conditions));
        if (!sampled.outside.back().empty()) continue;
        const std::vector<StateSample> samples = sample_states(device.cell, bits, conditions, cells, seed);
        sampled.target.clear();
        for (size_t s = 0; s < states; ++s) {
            sampled.target.push_back(samples[s].target);
            sampled.table.set(a, s, samples[s]);
        }
    }
    if (sampled.target.empty()) throw ConfigError("none of the ages can be sampled: " + sampled.outside.at(0));
    return sampled;
}

void require_sampling(const std::vector<double>& ages, int bits, int64_t cells) {
    if (ages.empty()) throw ConfigError("ages: none is given");
    for (const double age : ages)
        if (!(age >= 0 && age <= 1e12)) throw ConfigError(fmt::format("age = {} s violates 0 <= age <= 1e12 s", age));
    if (bits < 1 || bits > 8) throw ConfigError(fmt::format("bits = {} violates 1 <= bits <= 8", bits));
    if (cells < 2 || cells > 10000000)
        throw ConfigError(fmt::format("cells = {} violates 2 <= cells <= 10000000", cells));
}

py::dict sample_device_states(const Device& device, const std::vector<double>& ages, int bits, int64_t cells,
                              double temperature, int64_t seed) {
    require_sampling(ages, bits, cells);
    const uint64_t checked = checked_seed(seed);
    SampledStates sampled = interruptibly([&] { return sample(device, ages, bits, cells, temperature, checked); });
    py::dict result;
    result["age"] = array_from(std::move(sampled.ages), {sampled.table.shape[0]});
    result["target"] = array_from(std::move(sampled.target), {sampled.table.shape[1]});
    const std::array names{"mean", "deviation", "low", "median", "high", "read_deviation"};
    for (size_t i = 0; i < names.size(); ++i)
        result[names[i]] = array_from(std::move(sampled.table.values[i]), sampled.table.shape);
    py::list outside;
    for (const std::string& reason : sampled.outside) outside.append(text_of(reason));
    result["outside"] = outside;
    return result;
}

std::vector<double> pulse_train(const SwitchingOptions& options, const SwitchingDevice& device, int up, int down,
                                CellGaussians* noise) {
    std::vector<double> states{0.0};
    for (const double u : apply_pulses(options, device, 0, PulseDirection::up, up, noise)) states.push_back(u);
    for (const double u : apply_pulses(options, device, states.back(), PulseDirection::down, down, noise))
        states.push_back(u);
    for (double& u : states) u = device.conductance(u);
    return states;
}

/// (devices x pulses + 1) S, each from the low end of its window.
py::array_t<double> pulses(const Device& device, int up, int down, int devices, int64_t seed) {
    const CellOptions& cell = device.cell;
    if (cell.write_verify.method != WriteVerifyOptions::Method::pulses)
        throw ConfigError("the device has no pulse law in use: write_verify.method = pulses is wanted");
    for (const auto& [name, value] : {std::pair{"up", up}, {"down", down}})
        if (value < 0 || value > 1000000)
            throw ConfigError(fmt::format("{} = {} violates 0 <= {} <= 1000000", name, value, name));
    if (devices < 0 || devices > 10000)
        throw ConfigError(fmt::format("devices = {} violates 0 <= devices <= 10000", devices));
    const WriteVerifyStreams streams = write_verify_streams(checked_seed(seed), 0);
    std::vector<double> curves;
    for (uint32_t d = 0; d < static_cast<uint32_t>(devices); ++d) {
        const SwitchingDevice made = sample_device(cell.switching, cell.g_min, cell.g_max, streams.spread, 0, 0, d);
        CellGaussians noise(streams.cycle, 0, 0, d);
        const std::vector<double> curve = pulse_train(cell.switching, made, up, down, &noise);
        curves.insert(curves.end(), curve.begin(), curve.end());
    }
    if (devices == 0)
        curves = pulse_train(cell.switching, nominal_device(cell.switching, cell.g_min, cell.g_max), up, down, nullptr);
    return array_from(std::move(curves), {std::max(devices, 1), up + down + 1});
}

std::string title_of(const Device& device) {
    return fmt::format("{}, {:.6g} .. {:.6g} uS, {} bit", device.cell.name.empty() ? "cells" : device.cell.name,
                       1e6 * device.cell.g_min, 1e6 * device.cell.g_max, device.cell.bits);
}

}  // namespace

void bind_device(py::module_& module) {
    py::class_<Device>(module, "Device", R"(A memory cell: its levels, and what writing, time and reading do to them.

A name of `bl.list_devices()` or a YAML file; keys below `cell` are changed by keyword.

>>> bl.Device("pcm-nandakumar2019")
<Device pcm-nandakumar2019, 0 .. 25 uS, 2 bit>
)")
        .def(py::init(&make_device), py::arg("name_or_file"))
        .def_static(
            "of", [](const Architecture& a) { return Device{a.cell}; }, py::arg("architecture"),
            "The cells of an architecture.")
        .def_property_readonly("name", [](const Device& d) { return text_of(d.cell.name); })
        .def_property_readonly("description", [](const Device& d) { return text_of(d.cell.description); })
        .def_property_readonly("source", [](const Device& d) { return text_of(d.cell.source); })
        .def_property_readonly(
            "g_min", [](const Device& d) { return d.cell.g_min; }, "S")
        .def_property_readonly(
            "g_max", [](const Device& d) { return d.cell.g_max; }, "S")
        .def_property_readonly("bits", [](const Device& d) { return d.cell.bits; })
        .def("sample_states", &sample_device_states, py::arg("ages") = std::vector<double>{0}, py::kw_only(),
             py::arg("bits") = 3, py::arg("cells") = 4000, py::arg("temperature") = 300.0, py::arg("seed") = 0,
             R"(Conductances of many cells of each of 2^bits states, at ages in s since programming.

A dictionary of arrays: age (A), target (S), and (A x S) mean, deviation, low, median, high (quantiles 5 %, 50 %, 95 %
over cells) and read_deviation (of one read), all in siemens; NaN at ages that `outside` says why the model does not
cover.

>>> states = bl.Device("pcm-nandakumar2019").sample_states([0, 3600])
>>> states["mean"].shape
(2, 8)
>>> bool(states["mean"][1, -1] < states["mean"][0, -1])  # it drifts
True
)")
        .def(
            "pulses", &pulses, py::arg("up"), py::arg("down"), py::kw_only(), py::arg("devices") = 0,
            py::arg("seed") = 0,
            R"(Conductances in S, (devices x up + down + 1), after each of `up` pulses up and `down` pulses down from the
low end. Without `devices`, the mean curve of the nominal device, (1 x up + down + 1).)")
        .def("__repr__", [](const Device& d) { return text_of("<Device " + title_of(d) + ">"); })
        .def("_repr_html_", [](const Device& d) {
            return text_of(html_table(title_of(d), {"", "source"}, {{d.cell.description, d.cell.source}}));
        });
    module.def(
        "list_devices",
        [] {
            py::list list;
            for (const DeviceSummary& one : list_devices()) list.append(text_of(one.name));
            return list;
        },
        R"(Names of the devices that are built in.

>>> "pcm-hermes-one" in bl.list_devices()
True
)");
}

}  // namespace bitline::python
