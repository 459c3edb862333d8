#include "mapping/simulate.h"

#include <fmt/format.h>

#include <mutex>

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "bindings/python/html.h"
#include "bindings/python/mapping.h"
#include "bindings/python/report.h"
#include "core/error.h"

namespace bitline::python {

namespace {

/// What the work tells and the caller's thread passes on to Python.
class ProgressSlot {
 public:
    explicit ProgressSlot(py::object listener) : listener_(std::move(listener)) {}

    void put(const Progress& progress) {
        const std::lock_guard lock(mutex_);
        latest_ = progress;
    }
    void tell() {
        std::optional<Progress> progress;
        {
            const std::lock_guard lock(mutex_);
            progress.swap(latest_);
        }
        if (progress && !listener_.is_none()) listener_(text_of(progress->stage), progress->done, progress->total);
    }

 private:
    py::object listener_;
    std::mutex mutex_;
    std::optional<Progress> latest_;
};

SimulationResult simulate_chips(const PlacedNetwork& placed, const py::object& data,
                                const std::optional<std::string>& preprocess,
                                const std::optional<std::shared_ptr<Network>>& float_network,
                                const py::object& calibration, int trials, int64_t seed,
                                const std::vector<double>& ages, double temperature, bool ideal_chip,
                                int64_t calibration_samples, const py::object& progress) {
    SimulateOptions options;
    options.trials = trials;
    options.seed = checked_seed(seed);
    options.ideal_chip = ideal_chip;
    options.calibration_samples = calibration_samples;
    options.ages = ages;
    options.temperature = temperature;
    validate(options);
    if (!calibration.is_none() && !needs_calibration(placed.mapping.architecture))
        throw ConfigError("calibration has no effect: adc.range is not calibrated, compensation.batch_norm is off");
    const std::shared_ptr<const Dataset> samples = dataset_of(data, "data");
    const std::shared_ptr<const Dataset> of_calibration =
        calibration.is_none() ? nullptr : dataset_of(calibration, "calibration");
    const Preprocess chosen = choose_preprocess(preprocess, *placed.network);
    ProgressSlot slot(progress);
    std::optional<SimulationResult> result;
    run_interruptibly(
        [&] {
            result = simulate(*placed.network, placed.mapping, *samples, chosen,
                              float_network ? float_network->get() : nullptr, of_calibration.get(), options,
                              [&](const Progress& p) { slot.put(p); });
        },
        [&] { slot.tell(); });
    slot.tell();
    return std::move(*result);
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string spread(const ChipResult& result) {
    return result.accuracy_std
               ? fmt::format(" \u00b1 {:.2f} (std of {} chips)", 100 * *result.accuracy_std, result.trials.size())
               : "";
}

std::string title_of(const SimulationResult& r) {
    return fmt::format("software {}, chip {}{}, {} samples", percent(r.software_accuracy), percent(r.accuracy_mean),
                       spread(r), r.samples);
}

std::string html_of(const SimulationResult& result) {
    std::vector<std::vector<std::string>> rows;
    for (const LayerResult& layer : result.layers)
        rows.push_back({layer.name, fmt::format("{}", layer.arrays),
                        layer.sqnr_db ? fmt::format("{:.1f}", *layer.sqnr_db) : "exact",
                        fmt::format("{}", layer.adc.bits), fmt::format("{:.3f} %", 100 * layer.adc_clip_rate),
                        layer.adc.policy});
    return html_table(title_of(result), {"layer", "arrays", "SQNR dB", "ADC bits", "clipped", "range"}, rows);
}

void bind_parts(py::module_& module) {
    py::class_<LayerResult>(module, "LayerResult", "One layer over all trials.")
        .def_property_readonly("name", [](const LayerResult& l) { return text_of(l.name); })
        .def_readonly("arrays", &LayerResult::arrays)
        .def_readonly("sqnr_db", &LayerResult::sqnr_db, "Signal over error of the layer's sums; None where exact.")
        .def_readonly("adc_clip_rate", &LayerResult::adc_clip_rate, "Share of conversions.")
        .def_readonly("adc", &LayerResult::adc, "Of the first trial.");
    py::class_<TrialResult>(module, "TrialResult", "One chip.")
        .def_readonly("accuracy", &TrialResult::accuracy)
        .def_readonly("agreement", &TrialResult::agreement, "Share of samples with the answer of the software.")
        .def_property_readonly("programming", [](const TrialResult& t) { return report_dict(t.programming); });
    py::class_<ChipResult>(module, "ChipResult", "All trials at one age.")
        .def_readonly("trials", &ChipResult::trials)
        .def_readonly("accuracy_mean", &ChipResult::accuracy_mean)
        .def_readonly("accuracy_std", &ChipResult::accuracy_std, "None for one trial.")
        .def_readonly("accuracy_ci95", &ChipResult::accuracy_ci95, "Half width for the mean; None for one trial.")
        .def_readonly("agreement", &ChipResult::agreement)
        .def_readonly("layers", &ChipResult::layers);
    py::class_<AgeResult>(module, "AgeResult", "All trials at one age, or why there are none.")
        .def_readonly("age", &AgeResult::age, "s")
        .def_property_readonly("outside", [](const AgeResult& a) { return text_of(a.outside); })
        .def_readonly("chip", &AgeResult::chip);
}

}  // namespace

void bind_simulate(py::module_& module) {
    bind_parts(module);
    py::class_<SimulationResult, ChipResult>(module, "SimulationResult",
                                             "What a chip does to a network; its own figures are of the first age.")
        .def_readonly("ages", &SimulationResult::ages)
        .def_readonly("samples", &SimulationResult::samples)
        .def_readonly("float_accuracy", &SimulationResult::float_accuracy)
        .def_readonly("software_accuracy", &SimulationResult::software_accuracy)
        .def_readonly("ideal_accuracy", &SimulationResult::ideal_accuracy)
        .def_readonly("ideal_unequal", &SimulationResult::ideal_unequal,
                      "Samples whose output on perfect cells differs from the software's in any bit.")
        .def_readonly("seconds", &SimulationResult::seconds)
        .def_readonly("images_per_second", &SimulationResult::images_per_second)
        .def_readonly("calibration_samples", &SimulationResult::calibration_samples)
        .def("__repr__", [](const SimulationResult& r) { return text_of("<SimulationResult " + title_of(r) + ">"); })
        .def("_repr_html_", [](const SimulationResult& r) { return text_of(html_of(r)); });
    module.def("simulate", &simulate_chips, py::arg("mapping"), py::arg("data"), py::kw_only(),
               py::arg("preprocess") = py::none(), py::arg("float_network") = py::none(),
               py::arg("calibration") = py::none(), py::arg("trials") = 1, py::arg("seed") = 0,
               py::arg("ages") = std::vector<double>{0}, py::arg("temperature") = 300.0, py::arg("ideal_chip") = true,
               py::arg("calibration_samples") = 64, py::arg("progress") = py::none(),
               "See bitline.simulate; `progress` is called with stage, samples done and samples in all.");
}

}  // namespace bitline::python
