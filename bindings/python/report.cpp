#include "bindings/python/report.h"

#include <fmt/format.h>

#include "peripherals/adc.h"

namespace bitline::python {

py::dict report_dict(const ProgrammingReport& report) {
    const WriteReport& w = report.write_verify;
    py::dict dict;
    dict["cells"] = report.cells;
    dict["stuck_low"] = report.stuck_low;
    dict["stuck_high"] = report.stuck_high;
    dict["stuck_other"] = report.stuck_other;
    dict["open"] = report.open;
    dict["open_word_lines"] = report.open_word_lines;
    dict["open_bit_lines"] = report.open_bit_lines;
    dict["faulty_digits"] = report.faulty_digits;
    dict["unrepaired_digits"] = report.unrepaired_digits;
    dict["measured"] = report.measured;
    dict["clipped"] = report.clipped;
    if (w.cells == 0) return dict;
    dict["pulses_up"] = w.pulses_up;
    dict["pulses_down"] = w.pulses_down;
    dict["attempts"] = w.attempts;
    dict["reads"] = w.reads;
    dict["misses"] = w.misses;
    dict["outside"] = w.outside;
    dict["most"] = w.most;
    dict["energy_joule"] = w.energy;
    return dict;
}

void bind_report(py::module_& module) {
    py::class_<AdcRange>(module, "AdcRange", "What a layer's converters resolve, before their own errors.")
        .def_readonly("bits", &AdcRange::bits)
        .def_readonly("step", &AdcRange::step, "Levels per code.")
        .def_readonly("lo", &AdcRange::lo, "Lowest code.")
        .def_readonly("hi", &AdcRange::hi, "Highest code.")
        .def_readonly("lossless", &AdcRange::lossless)
        .def_readonly("thresholds", &AdcRange::thresholds, "Where codes begin, in codes; empty: equal steps.")
        .def_readonly("threshold", &AdcRange::threshold, "Of a sense amplifier, levels.")
        .def_property_readonly("policy", [](const AdcRange& r) { return text_of(r.policy); })
        .def_property_readonly(
            "levels", [](const AdcRange& r) { return py::make_tuple(r.lo * r.step, r.hi * r.step); },
            "Sums of the lowest and the highest code, with equal steps.")
        .def("__repr__", [](const AdcRange& r) {
            return text_of(fmt::format("<AdcRange {} bit, step {:.4g} levels, {}>", r.bits, r.step, r.policy));
        });
}

}  // namespace bitline::python
