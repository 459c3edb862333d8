#include "mapping/chip.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <numeric>

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "bindings/python/html.h"
#include "bindings/python/mapping.h"
#include "bindings/python/report.h"
#include "core/error.h"
#include "core/parallel.h"
#include "mapping/clipping.h"
#include "mapping/code_counts.h"
#include "mapping/compensation.h"
#include "mapping/effective_weights.h"
#include "mapping/simulate.h"
#include "peripherals/transitions.h"

namespace bitline::python {

namespace {

using Placed = std::shared_ptr<const PlacedNetwork>;

/// Preprocessed samples of `data`.
SampleReader reader_of(const Placed& placed, std::shared_ptr<const Dataset> data, const Preprocess& preprocess) {
    return [placed, data = std::move(data), preprocess](int64_t first, int64_t count) {
        const Network& network = *placed->network;
        const Shape& shape = network.values[static_cast<size_t>(network.input)].shape;
        std::vector<float> input(static_cast<size_t>(count * element_count(shape)));
        data->read(first, count, input.data());
        apply(preprocess, shape, count, input.data());
        return input;
    };
}

/// One chip of a seed at any age: ages are made from what was drawn when it was programmed.
class Fabrication {
 public:
    Fabrication(const Placed& placed, const SampleReader& read, int64_t samples, uint64_t seed, uint32_t trial)
        : trial_(trial), maker_(*placed->network, placed->mapping, read, samples, seed) {}

    Chip make(const Conditions& conditions) {
        const std::lock_guard lock(mutex_);  // reads of the fresh chip are kept
        return maker_.make(trial_, conditions);
    }

 private:
    std::mutex mutex_;
    uint32_t trial_;
    ChipMaker maker_;
};

/// A programmed chip with all that it needs to run. Immutable.
struct ProgrammedChip {
    ProgrammedChip(Placed on, std::shared_ptr<Fabrication> from, const Conditions& at, Chip made)
        : placed(std::move(on)),
          fabrication(std::move(from)),
          conditions(at),
          chip(std::move(made)),
          engine(*placed->network, placed->mapping, chip) {}

    Placed placed;
    std::shared_ptr<Fabrication> fabrication;  // null: perfect cells
    Conditions conditions;
    Chip chip;
    ChipEngine engine;
};
using ChipPointer = std::shared_ptr<ProgrammedChip>;

ChipPointer make_chip(const Placed& placed, const std::shared_ptr<Fabrication>& fabrication,
                      const Conditions& conditions) {
    return std::make_shared<ProgrammedChip>(placed, fabrication, conditions, fabrication->make(conditions));
}

void require_conditions(const Conditions& conditions) {
    SimulateOptions options;
    options.ages = {conditions.time};
    options.temperature = conditions.temperature;
    validate(options);
}

/// What chips of this architecture are calibrated with. Throws ConfigError where it is wanted and missing, or given
/// and without use.
std::shared_ptr<const Dataset> calibration_of(const PlacedNetwork& placed, const py::object& given) {
    const bool needed = needs_calibration(placed.mapping.architecture);
    if (needed && given.is_none())
        throw ConfigError(
            "calibration: adc.range = calibrated (or compensation.batch_norm) needs samples, such as "
            "calibration=\"train.h5\" or an array");
    if (!needed && !given.is_none())
        throw ConfigError("calibration has no effect: adc.range is not calibrated, compensation.batch_norm is off");
    if (!needed) return nullptr;
    std::shared_ptr<const Dataset> data = dataset_of(given, "calibration");
    require_fit(*data, *placed.network);
    return data;
}

ChipPointer program_chip(const std::shared_ptr<PlacedNetwork>& placed, int64_t seed, int64_t trial, double time,
                         double temperature, const py::object& calibration, int64_t calibration_samples,
                         const std::optional<std::string>& preprocess) {
    const Conditions conditions{time, temperature};
    require_conditions(conditions);
    if (trial < 0 || trial >= 1000000)
        throw ConfigError(fmt::format("trial = {} violates 0 <= trial < 1000000", trial));
    if (calibration_samples < 1)
        throw ConfigError(fmt::format("calibration_samples = {} violates samples >= 1", calibration_samples));
    const uint64_t checked = checked_seed(seed);
    const std::shared_ptr<const Dataset> data = calibration_of(*placed, calibration);
    const int64_t samples = data ? std::min(calibration_samples, data->size()) : 0;
    const SampleReader read = reader_of(placed, data, choose_preprocess(preprocess, *placed->network));
    return interruptibly([&] {
        const auto fabrication =
            std::make_shared<Fabrication>(placed, read, samples, checked, static_cast<uint32_t>(trial));
        return make_chip(placed, fabrication, conditions);
    });
}

ChipPointer program_ideal_chip(const std::shared_ptr<PlacedNetwork>& placed) {
    return interruptibly([&] {
        return std::make_shared<ProgrammedChip>(placed, nullptr, Conditions{}, program_ideal(placed->mapping));
    });
}

ChipPointer age_chip(const ProgrammedChip& chip, double seconds, std::optional<double> temperature) {
    if (!chip.fabrication) throw ConfigError("a chip of perfect cells does not age");
    const Conditions conditions{seconds, temperature.value_or(chip.conditions.temperature)};
    require_conditions(conditions);
    return interruptibly([&] { return make_chip(chip.placed, chip.fabrication, conditions); });
}

int64_t products_per_sample(const PlacedNetwork& placed) {
    int64_t products = 0;
    for (const MappedLayer& layer : placed.mapping.layers)
        products += layer.rows * layer.cols * layer.groups * layer.positions;
    return products;
}

py::array_t<float> run_chip(ProgrammedChip& chip, const py::object& x, const std::optional<std::string>& preprocess,
                            int64_t first_sample) {
    const Network& network = *chip.placed->network;
    const Samples samples = samples_of(x, "x");
    check_samples(network, samples, first_sample);
    const Preprocess chosen = choose_preprocess(preprocess, network);
    const auto work = [&] { return run_samples(network, chip.engine, samples, chosen, first_sample); };
    // A thread of its own costs more than a small product, which needs no interruption.
    constexpr int64_t kShort = 1 << 22;
    std::vector<float> output;
    if (samples.count * products_per_sample(*chip.placed) <= kShort) {
        const py::gil_scoped_release unlocked;
        output = work();
    } else {
        output = interruptibly(work);
    }
    Shape shape = network.values[static_cast<size_t>(network.output)].shape;
    shape.insert(shape.begin(), samples.count);
    return array_from(std::move(output), shape);
}

/// (samples x outputs of the layer): shares of their significance in clipped conversions.
py::array_t<float> clipped_of(ProgrammedChip& chip, const py::object& x, const py::object& layer,
                              const std::optional<std::string>& preprocess, int64_t first_sample) {
    const Network& network = *chip.placed->network;
    const size_t l = layer_index(chip.placed->mapping, layer);
    const Node& node = network.nodes[static_cast<size_t>(chip.placed->mapping.layers[l].node)];
    const Samples samples = samples_of(x, "x");
    check_samples(network, samples, first_sample);
    const Preprocess chosen = choose_preprocess(preprocess, network);
    Shape shape = network.values[static_cast<size_t>(node.output)].shape;
    const int64_t inputs = element_count(samples.shape), outputs = element_count(shape);
    std::vector<float> shares(static_cast<size_t>(samples.count * outputs));
    const float* const numbers = samples.array.data();
    const ClipMeter meter(network, chip.placed->mapping, chip.chip);
    run_interruptibly([&] {
        constexpr int64_t kBlock = 8;
        parallel_for((samples.count + kBlock - 1) / kBlock, [&](int64_t block) {
            const int64_t first = block * kBlock, count = std::min(kBlock, samples.count - first);
            std::vector<float> input(numbers + first * inputs, numbers + (first + count) * inputs);
            apply(chosen, network.values[static_cast<size_t>(network.input)].shape, count, input.data());
            std::vector<Block> values;
            bitline::run(network, chip.engine, input, count, first_sample + first, &values);
            meter.measure(l, values[static_cast<size_t>(node.inputs[0])].codes, count, first_sample + first,
                          std::span(shares).subspan(size_t(first * outputs), size_t(count * outputs)), {});
        });
    });
    shape.insert(shape.begin(), samples.count);
    return array_from(std::move(shares), shape);
}

/// (word lines x columns) in S: what a digit of 1 on a line adds to what a converter reads.
py::array_t<double> conductances_of(const ProgrammedChip& chip, const py::object& layer, int64_t array) {
    const Mapping& mapping = chip.placed->mapping;
    const size_t l = layer_index(mapping, layer);
    const MappedLayer& plan = mapping.layers[l];
    const ChipLayer& programmed = chip.chip.layers[l];
    if (programmed.lines.altered)
        throw ConfigError(fmt::format(
            "layer {}: its currents are no digit times a conductance (converters or cells are not linear)", plan.name));
    const ChipArray& made = programmed.arrays[array_index(plan, array)];
    std::vector<double> siemens;
    for (const ChipBlock& block : made.blocks)
        for (const int32_t g : block.cells.g) siemens.push_back(g * plan.grid.siemens);
    const auto columns = static_cast<int64_t>(made.readout.column_output.size());
    const int64_t lines = static_cast<int64_t>(siemens.size()) / columns;
    return array_from(std::move(siemens), {lines, columns});
}

py::tuple weights_of(const ProgrammedChip& chip, const py::object& layer) {
    const MappedLayer& plan = chip.placed->mapping.layers[layer_index(chip.placed->mapping, layer)];
    EffectiveWeights weights =
        effective_weights(chip.placed->mapping, chip.chip, layer_index(chip.placed->mapping, layer));
    const auto outputs = static_cast<int64_t>(weights.offset.size());
    return py::make_tuple(array_from(std::move(weights.weight), {outputs, plan.rows}),
                          array_from(std::move(weights.offset), {outputs}));
}

/// How often each code comes while samples run through the chip.
py::dict count_layer_codes(ProgrammedChip& chip, const py::object& layer, const py::object& x,
                           const std::optional<std::string>& preprocess, int64_t first_sample) {
    const Network& network = *chip.placed->network;
    const Mapping& mapping = chip.placed->mapping;
    const size_t l = layer_index(mapping, layer);
    const Samples samples = samples_of(x, "x");
    check_samples(network, samples, first_sample);
    const Preprocess chosen = choose_preprocess(preprocess, network);
    const int input = network.nodes[static_cast<size_t>(mapping.layers[l].node)].inputs.at(0);
    std::mutex mutex;
    CodeCounts all = count_codes(network, mapping, chip.chip, l, {}, 0, 0);
    run_interruptibly([&] {
        for_values(network, chip.engine, samples, chosen, first_sample,
                   [&](const std::vector<Block>& values, int64_t first, int64_t count) {
                       const CodeCounts some =
                           count_codes(network, mapping, chip.chip, l, values[static_cast<size_t>(input)].codes, count,
                                       first_sample + first);
                       const std::lock_guard lock(mutex);
                       all += some;
                   });
    });
    const auto codes = static_cast<int64_t>(all.count.size());
    std::vector<int32_t> code(all.count.size());
    std::iota(code.begin(), code.end(), all.lo);
    py::dict result;
    result["code"] = array_from(std::move(code), {codes});
    result["count"] = array_from(std::move(all.count), {codes});
    result["clipped"] = all.clipped;
    return result;
}

/// (converters x transitions), levels.
py::array_t<double> transitions_of(const ProgrammedChip& chip, const py::object& layer, int64_t array) {
    const Mapping& mapping = chip.placed->mapping;
    const size_t l = layer_index(mapping, layer);
    const ChipLayer& programmed = chip.chip.layers[l];
    const kernels::Converter& converter = programmed.arrays[array_index(mapping.layers[l], array)].converter;
    const int shared = programmed.adc.votes ? 1 : mapping.architecture.adc.columns_per_converter;
    std::vector<double> sums =
        transitions(converter, shared, mapping.layers[l].grid.level_step * programmed.lines.scale);
    const auto converters = static_cast<int64_t>((converter.inv_step.size() + static_cast<size_t>(shared) - 1) /
                                                 static_cast<size_t>(shared));
    const auto count = static_cast<int64_t>(sums.size());
    return array_from(std::move(sums), {converters, count / converters});
}

std::vector<AdcRange> ranges_of(const ProgrammedChip& chip) {
    std::vector<AdcRange> ranges;
    for (const ChipLayer& layer : chip.chip.layers) ranges.push_back(layer.adc);
    return ranges;
}

std::string title_of(const ProgrammedChip& chip) {
    const Mapping& mapping = chip.placed->mapping;
    const std::string age = chip.conditions.time == 0 ? "fresh" : fmt::format("{:.6g} s old", chip.conditions.time);
    return fmt::format("{} on {}: {} arrays, {}, {:.6g} K", chip.placed->network->name,
                       chip.fabrication ? mapping.architecture.name : "perfect cells of " + mapping.architecture.name,
                       mapping.arrays, age, chip.conditions.temperature);
}

std::string html_of(const ProgrammedChip& chip) {
    std::vector<std::vector<std::string>> rows;
    for (size_t l = 0; l < chip.chip.layers.size(); ++l) {
        const AdcRange& adc = chip.chip.layers[l].adc;
        rows.push_back({chip.placed->mapping.layers[l].name,
                        fmt::format("{}", chip.placed->mapping.layers[l].array_count), fmt::format("{}", adc.bits),
                        fmt::format("{:.4g}", adc.step), adc.policy});
    }
    return html_table(title_of(chip), {"layer", "arrays", "ADC bits", "levels per step", "range"}, rows);
}

}  // namespace

void bind_chip(py::module_& module) {
    bind_report(module);
    py::class_<ProgrammedChip, ChipPointer>(module, "Chip",
                                            R"(The cells of a network as programmed and aged; read-only.

Any number of threads may run one chip.

>>> network = bl.read_network("digits_cnn.onnx")
>>> mapping = bl.map_network(network, bl.Architecture.preset("default", device="pcm-nandakumar2019"))
>>> chip = bl.program(mapping, seed=1, calibration="digits_calibration.h5")
>>> x = bl.open_dataset("digits.h5").read(0, 4)
>>> chip.run(x).shape
(4, 10)
>>> chip.age(3600)
<Chip digits_cnn on default: 12 arrays, 3600 s old, 300 K>
)")
        .def("run", &run_chip, py::arg("x"), py::kw_only(), py::arg("preprocess") = py::none(),
             py::arg("first_sample") = 0,
             R"(The outputs of the network on this chip, float32 (samples x outputs).

x: raw samples along the first axis. `preprocess`: "raw" for samples that are preprocessed already; without it, the
network's own. Sample i draws the noise of number `first_sample` + i: the same call gives the same bits, another number
another draw.)")
        .def(
            "clipped_share", &clipped_of, py::arg("x"), py::arg("layer"), py::kw_only(),
            py::arg("preprocess") = py::none(), py::arg("first_sample") = 0,
            R"(How much of each output of a layer rests on conversions that clipped, 0 .. 1, float32 (samples x outputs):
what gradients through the chip must know. Arguments as those of `run`.)")
        .def("age", &age_chip, py::arg("seconds"), py::arg("temperature") = py::none(),
             "This chip `seconds` after it was programmed, calibrated and compensated there as its architecture says.")
        .def(
            "conductances", &conductances_of, py::arg("layer"), py::arg("array") = 0,
            R"(What the cells of an array are, (word lines x columns) in S; of pairs subtracted before the converter, the
difference.)")
        .def("effective_weights", &weights_of, py::arg("layer"),
             R"(What the layer computes where converters resolve everything and reads have no noise: weights (outputs x
rows) and offsets (outputs), in weight codes.)")
        .def("count_codes", &count_layer_codes, py::arg("layer"), py::arg("x"), py::kw_only(),
             py::arg("preprocess") = py::none(), py::arg("first_sample") = 0,
             R"(How often each code leaves the converters of a layer while samples run through the chip.

A dictionary: code, count (one for each code of the converter), and clipped: how many conversions lay beyond the outer
codes. Over all arrays, columns and input cycles of the layer; the noise is that of `run` with the same arguments, which
are the same.

>>> network = bl.read_network("digits_cnn.onnx")
>>> chip = bl.program(bl.map_network(network, bl.Architecture.preset("isaac")))
>>> codes = chip.count_codes("conv1", bl.open_dataset("digits.h5").read(0, 4))
>>> len(codes["code"]), codes["clipped"]
(256, 0)
)")
        .def("transitions", &transitions_of, py::arg("layer"), py::arg("array") = 0,
             R"(Column sums at which the converters of an array go from each code to the next, in levels, offset and
gain included: (converters x codes - 1), ascending, equal where a code never comes.)")
        .def_property_readonly("mapping",
                               [](const ProgrammedChip& c) { return std::const_pointer_cast<PlacedNetwork>(c.placed); })
        .def_property_readonly(
            "time", [](const ProgrammedChip& c) { return c.conditions.time; }, "s since programming")
        .def_property_readonly(
            "temperature", [](const ProgrammedChip& c) { return c.conditions.temperature; }, "K")
        .def_property_readonly("adc_ranges", &ranges_of, "Of every mapped layer.")
        .def_property_readonly(
            "report", [](const ProgrammedChip& c) { return report_dict(c.chip.report); }, "What programming met.")
        .def("__repr__", [](const ProgrammedChip& c) { return text_of("<Chip " + title_of(c) + ">"); })
        .def("_repr_html_", [](const ProgrammedChip& c) { return text_of(html_of(c)); });
    module.def("program", &program_chip, py::arg("mapping"), py::kw_only(), py::arg("seed") = 0, py::arg("trial") = 0,
               py::arg("time") = 0.0, py::arg("temperature") = 300.0, py::arg("calibration") = py::none(),
               py::arg("calibration_samples") = 64, py::arg("preprocess") = py::none(),
               R"(Writes a mapping into cells: chip number `trial` of a seed, as `bl.simulate` makes it, `time` s later.

`calibration`: data whose first samples set calibrated converter ranges, where the architecture wants them.)");
    module.def(
        "program_ideal", &program_ideal_chip, py::arg("mapping"),
        R"(The mapping in perfect cells behind lossless converters: the same as the network in software, to the bit.)");
}

}  // namespace bitline::python
