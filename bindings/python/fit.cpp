#include <fmt/format.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "bindings/python/arrays.h"
#include "bindings/python/calls.h"
#include "bindings/python/html.h"
#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "devices/pulse_fit.h"
#include "mapping/architecture.h"
#include "mapping/fitted_architecture.h"

namespace bitline::python {

namespace {

using Path = std::filesystem::path;

/// A fit with the readings that it was made from.
struct FittedPulses {
    std::shared_ptr<const PulseData> data;
    PulseFit fit;
    std::string source;
};

SwitchingLaw law_of(const std::string& name) {
    OptionText option;
    option.path = "law";
    option.value = name;
    const std::vector<SwitchingLaw> laws{SwitchingLaw::exponential, SwitchingLaw::constant, SwitchingLaw::linear,
                                         SwitchingLaw::soft_bounds, SwitchingLaw::exp_step, SwitchingLaw::pow_step,
                                         SwitchingLaw::piecewise};
    std::vector<std::string> names;
    for (const SwitchingLaw law : laws) names.push_back(to_string(law));
    return laws[parse_choice(option, names)];
}

PulseFitOptions options_of(std::optional<double> g_min, std::optional<double> g_max) {
    for (const auto& [name, g] : {std::pair("g_min", g_min), std::pair("g_max", g_max)})
        if (g && !(*g >= 0 && *g <= 1))
            throw ConfigError(fmt::format("{} = {} S violates 0 <= {} <= 1 S", name, *g, name));
    PulseFitOptions options;
    options.g_min = g_min;
    options.g_max = g_max;
    return options;
}

std::shared_ptr<const PulseData> read(const Path& path) {
    require_file(path.string(), "pulses");
    return std::make_shared<const PulseData>(read_pulses(path.string()));
}

FittedPulses fit_law(const Path& path, const std::string& law, std::optional<double> g_min,
                     std::optional<double> g_max) {
    PulseFitOptions options = options_of(g_min, g_max);
    options.law = law_of(law);
    return interruptibly([&] {
        const auto data = read(path);
        return FittedPulses{data, fit_pulses(*data, options), path.string()};
    });
}

std::vector<FittedPulses> fit_laws(const Path& path, std::optional<double> g_min, std::optional<double> g_max) {
    const PulseFitOptions options = options_of(g_min, g_max);
    return interruptibly([&] {
        const auto data = read(path);
        std::vector<FittedPulses> all;
        for (PulseFit& fit : fit_every_law(*data, options)) all.push_back({data, std::move(fit), path.string()});
        return all;
    });
}

Architecture architecture_of(const FittedPulses& fitted) {
    return parse_architecture(fitted_architecture(fitted.fit, printable(fitted.source)), "fitted");
}

py::dict parameters_of(const FittedPulses& fitted) {
    py::dict parameters;
    for (const FittedParameter& p : fitted.fit.parameters) {
        py::dict one;
        one["value"] = p.value;
        one["error"] = p.determined ? py::object(py::float_(p.error)) : py::none();
        one["unit"] = text_of(p.unit);
        parameters[text_of(p.name)] = one;
    }
    return parameters;
}

py::list traces_of(const FittedPulses& fitted) {
    py::list traces;
    for (size_t d = 0; d < fitted.data->traces.size(); ++d) {
        const PulseTrace& trace = fitted.data->traces[d];
        const auto readings = static_cast<int64_t>(trace.g.size());
        py::dict one;
        one["device"] = text_of(trace.device);
        one["pulse"] = array_from(std::vector<int64_t>(trace.pulse), {readings});
        one["measured"] = array_from(std::vector<double>(trace.g), {readings});
        one["fitted"] = array_from(std::vector<double>(fitted.fit.curves[d]), {readings});
        traces.append(one);
    }
    return traces;
}

std::string title_of(const FittedPulses& f) {
    return fmt::format("{}: {} readings of {} device{}, R^2 {:.4f}", to_string(f.fit.switching.law), f.fit.readings,
                       f.fit.devices, f.fit.devices == 1 ? "" : "s", f.fit.r_squared);
}

std::string html_of(const FittedPulses& fitted) {
    std::vector<std::vector<std::string>> rows;
    for (const FittedParameter& p : fitted.fit.parameters)
        rows.push_back({p.name, fmt::format("{:.4g}", p.value),
                        p.determined ? fmt::format("{:.2g}", p.error) : "not determined", p.unit});
    return html_table(title_of(fitted), {"parameter", "value", "standard error", "unit"}, rows);
}

}  // namespace

void bind_fit(py::module_& module) {
    py::class_<FittedPulses>(module, "PulseFit", "A switching law fitted to measured pulses.")
        .def_property_readonly("law", [](const FittedPulses& f) { return text_of(to_string(f.fit.switching.law)); })
        .def_property_readonly("parameters", &parameters_of,
                               "By name: value, error (standard error; None: the data do not fix it) and unit.")
        .def_property_readonly("traces", &traces_of,
                               "For each device: device, pulse, and measured and fitted conductance in S.")
        .def_property_readonly("architecture", &architecture_of, "The preset `default` with these cells.")
        .def_property_readonly(
            "yaml", [](const FittedPulses& f) { return text_of(fitted_architecture(f.fit, printable(f.source))); },
            "The same as a file says it.")
        .def_property_readonly(
            "bic", [](const FittedPulses& f) { return f.fit.bic; },
            "Bayesian information criterion: less is better, for laws fitted to the same readings.")
        .def_property_readonly(
            "r_squared", [](const FittedPulses& f) { return f.fit.r_squared; }, "Of the mean curves.")
        .def_property_readonly(
            "pulse_rms", [](const FittedPulses& f) { return f.fit.pulse_rms; },
            "S, of a reading less its prediction from the readings before.")
        .def_property_readonly(
            "curve_rms", [](const FittedPulses& f) { return f.fit.curve_rms; }, "S, of a reading less the mean curve.")
        .def("__repr__", [](const FittedPulses& f) { return text_of("<PulseFit " + title_of(f) + ">"); })
        .def("_repr_html_", [](const FittedPulses& f) { return text_of(html_of(f)); });
    module.def("fit_pulses", &fit_law, py::arg("path"), py::arg("law") = "exponential", py::kw_only(),
               py::arg("g_min") = py::none(), py::arg("g_max") = py::none(),
               R"(A law of switching from measured pulses: CSV with columns pulse, conductance (S), and as needed
direction and device.

law: exponential, constant, linear, soft_bounds, exp_step, pow_step or piecewise. g_min, g_max: ends of the window in S,
fitted or from the data unless given.

>>> fit = bl.fit_pulses("../devices/pulses.csv", "exponential")
>>> round(fit.parameters["label_up"]["value"], 1)
2.3
>>> bl.Device.of(fit.architecture).pulses(50, 50).shape
(1, 101)
)");
    module.def("fit_every_law", &fit_laws, py::arg("path"), py::kw_only(), py::arg("g_min") = py::none(),
               py::arg("g_max") = py::none(), "Every law that `fit_pulses` knows, likeliest (least BIC) first.");
}

}  // namespace bitline::python
