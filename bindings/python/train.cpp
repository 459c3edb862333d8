#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "bindings/python/calls.h"
#include "bindings/python/dataset.h"
#include "bindings/python/html.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/model_io.h"
#include "core/options.h"
#include "training/run.h"

namespace bitline::python {

namespace {

using namespace training;

// ---------------------------------------------------------------------------------------------- options

using Text = std::optional<std::string>;

const std::map<std::string, Text RunTexts::*> kTexts{
    {"preprocess", &RunTexts::preprocess},
    {"classes", &RunTexts::classes},
    {"width", &RunTexts::width},
    {"bias", &RunTexts::bias},
    {"affine", &RunTexts::affine},
    {"batch_norm", &RunTexts::batch_norm},
    {"dropout", &RunTexts::dropout},
    {"method", &RunTexts::method},
    {"weight_bits", &RunTexts::weight_bits},
    {"input_bits", &RunTexts::input_bits},
    {"gradient_bits", &RunTexts::gradient_bits},
    {"first_last_bits", &RunTexts::first_last_bits},
    {"epochs", &RunTexts::epochs},
    {"batch", &RunTexts::batch},
    {"optimizer", &RunTexts::optimizer},
    {"rate", &RunTexts::rate},
    {"momentum", &RunTexts::momentum},
    {"weight_decay", &RunTexts::weight_decay},
    {"gradient_norm", &RunTexts::gradient_norm},
    {"schedule", &RunTexts::schedule},
    {"warmup", &RunTexts::warmup},
    {"loss", &RunTexts::loss},
    {"label_smoothing", &RunTexts::smoothing},
    {"temperature", &RunTexts::temperature},
    {"teacher_weight", &RunTexts::teacher_weight},
    {"augment", &RunTexts::augment},
    {"freeze_batch_norm", &RunTexts::freeze_batch_norm},
    {"seed", &RunTexts::seed},
};

const std::map<std::string, Text HardwareTexts::*> kHardwareTexts{
    {"hardware", &HardwareTexts::strength},
    {"hardware_after", &HardwareTexts::after},
    {"weight_noise", &HardwareTexts::weight_noise},
    {"output_noise", &HardwareTexts::output_noise},
    {"device", &HardwareTexts::device},
    {"age", &HardwareTexts::ages},
    {"chip_temperature", &HardwareTexts::temperature},
    {"calibration", &HardwareTexts::samples},
    {"calibrate_every", &HardwareTexts::every},
    {"chip_trials", &HardwareTexts::trials},
    {"chip_limit", &HardwareTexts::limit},
};

/// As the command line has it: switches are on and off, ages a list with commas.
std::string text_of_value(const std::string& name, py::handle value) {
    if (py::isinstance<py::str>(value)) return value.cast<std::string>();
    if (py::isinstance<py::bool_>(value)) return value.cast<bool>() ? "on" : "off";
    if (PyIndex_Check(value.ptr())) return py::str(py::int_(py::reinterpret_borrow<py::object>(value)));
    if (PyFloat_Check(value.ptr()) || py::hasattr(value, "__float__")) return real_text(value.cast<double>());
    if (PySequence_Check(value.ptr())) {
        std::vector<std::string> parts;
        for (const py::handle part : value) parts.push_back(text_of_value(name, part));
        return fmt::format("{}", fmt::join(parts, ","));
    }
    throw ConfigError(fmt::format("{}: a value of type {} violates text, number, boolean or list of numbers", name,
                                  std::string(py::str(py::type::of(value).attr("__name__")))));
}

/// "conv2=4/8" of {"conv2": (4, 8)}
std::vector<std::string> layer_bits_of(const py::dict& layers) {
    std::vector<std::string> texts;
    for (const auto& [layer, bits] : layers) {
        const auto pair = py::isinstance<py::tuple>(bits) ? py::reinterpret_borrow<py::tuple>(bits) : py::tuple();
        if (!py::isinstance<py::str>(layer) || pair.size() != 2)
            throw ConfigError("layer_bits: write {\"layer\": (weight_bits, input_bits)}");
        texts.push_back(fmt::format("{}={}/{}", layer.cast<std::string>(), text_of_value("layer_bits", pair[0]),
                                    text_of_value("layer_bits", pair[1])));
    }
    return texts;
}

RunTexts texts_of(const py::dict& options) {
    RunTexts texts;
    for (const auto& [key, value] : options) {
        const auto name = key.cast<std::string>();
        if (value.is_none()) continue;
        if (const auto found = kTexts.find(name); found != kTexts.end()) {
            texts.*found->second = text_of_value(name, value);
        } else if (const auto hardware = kHardwareTexts.find(name); hardware != kHardwareTexts.end()) {
            texts.hardware.*hardware->second = text_of_value(name, value);
        } else if (name == "arch" && py::isinstance<Architecture>(value)) {
            texts.hardware.chip = value.cast<Architecture>();
        } else if (name == "arch") {
            texts.hardware.architecture = text_of_value(name, value);
        } else if (name == "layer_bits") {
            texts.layer_bits = layer_bits_of(py::dict(py::reinterpret_borrow<py::object>(value)));
        } else if (name == "fold_batch_norm") {
            texts.fold_batch_norm = value.cast<bool>();
        } else if (name == "fixed_chip") {
            texts.hardware.fixed_chip = value.cast<bool>();
        } else if (name == "learn_adc_ranges") {
            texts.hardware.learn_ranges = value.cast<bool>();
        } else {
            throw ConfigError("unknown option " + printable(name));
        }
    }
    if (texts.hardware.chip && texts.hardware.device)
        throw ConfigError("device has no effect beside an Architecture as arch: change that instead");
    return texts;
}

// ---------------------------------------------------------------------------------------------- the run

/// A network by name, from a file, or at hand.
struct Named {
    std::string name;  // empty: at hand
    std::shared_ptr<const Network> network;

    std::string origin() const { return name.empty() ? "at hand" : "of SHA-256 " + sha256_file(name); }
    Network read() const {
        if (network) return *network;
        require_file(name, "model");
        return read_network(name);
    }
};

Named named_of(const py::object& model, const std::string& what) {
    if (py::isinstance<Network>(model)) return {"", model.cast<std::shared_ptr<Network>>()};
    const py::object path = py::module_::import("os").attr("fspath");
    if (!py::isinstance<py::str>(model) && !py::hasattr(model, "__fspath__"))
        throw ConfigError(what + ": expected a Network, a name or the path of a file");
    return {py::str(path(model)), nullptr};
}

struct Trained {
    std::string title;
    Network network;
    std::vector<EpochResult> epochs;
    std::optional<Chain> before, after;
    double average_bits = 32;
};

/// What the work tells and the caller's thread passes on to Python.
class Teller {
 public:
    Teller(py::object progress, py::object epoch) : on_progress_(std::move(progress)), on_epoch_(std::move(epoch)) {}

    void put(const TrainProgress& p) {
        put({fmt::format("epoch {}/{}, loss {:.4g}, {:.1f} %", p.epoch, p.epochs, p.loss, 100 * p.accuracy), p.step,
             p.steps, p.seconds});
    }
    void put(const Progress& progress) {
        const std::lock_guard lock(mutex_);
        latest_ = progress;
    }
    void put(const EpochResult& result) {
        const std::lock_guard lock(mutex_);
        epochs_.push_back(result);
    }
    void tell() {
        std::optional<Progress> progress;
        std::vector<EpochResult> epochs;
        {
            const std::lock_guard lock(mutex_);
            progress.swap(latest_);
            epochs.swap(epochs_);
        }
        if (!on_epoch_.is_none())
            for (const EpochResult& one : epochs) on_epoch_(one);
        if (progress && !on_progress_.is_none())
            on_progress_(text_of(progress->stage), progress->done, progress->total);
    }

 private:
    py::object on_progress_, on_epoch_;
    std::mutex mutex_;
    std::optional<Progress> latest_;
    std::vector<EpochResult> epochs_;
};

/// Where a run's state goes and comes from.
struct Keeping {
    std::optional<std::string> checkpoint, resume, initial;
    int64_t every = 1;  // epochs
};

Keeping keeping_of(const std::optional<std::string>& checkpoint, int64_t every,
                   const std::optional<std::string>& resume, const std::optional<std::string>& initial) {
    if (resume && initial) throw ConfigError("initial has no effect with resume, which goes on as it began");
    if (every < 1 || every > 1000000)
        throw ConfigError(fmt::format("every = {} violates 1 <= every <= 1000000", every));
    Keeping keeping{checkpoint ? checkpoint : resume, resume, initial, every};
    if (every != 1 && !keeping.checkpoint) throw ConfigError("every has no effect without checkpoint");
    if (keeping.checkpoint) require_writable(*keeping.checkpoint);
    return keeping;
}

/// Needs no lock of the interpreter.
class Work {
 public:
    Work(const Keeping& keeping, Teller& teller) : keeping_(keeping), teller_(teller) {}

    Trained run(Run& run, bool trained_before) {
        Trainer& trainer = run.trainer();
        if (keeping_.resume) trainer.resume(read_checkpoint(*keeping_.resume), *keeping_.resume);
        if (keeping_.initial) trainer.start_from(read_checkpoint(*keeping_.initial), *keeping_.initial);
        Trained trained;
        const bool quantized = run.plan().quantized();
        const auto tell = [&](const Progress& p) { teller_.put(p); };
        try {
            if (quantized && trained_before && trainer.standing().step == 0) trained.before = run.measure_start(tell);
            trainer.run({[&](const TrainProgress& p) { teller_.put(p); },
                         [&](const EpochResult& result) { finish(trainer, result, trained); }});
        } catch (const Interrupted&) {
            const InterruptHold hold;
            save(trainer);
            throw;
        }
        trained.network = run.result();
        trained.average_bits = run.model().average_bits();
        if (quantized) trained.after = run.measure(tell);
        return trained;
    }

 private:
    void finish(Trainer& trainer, const EpochResult& result, Trained& trained) {
        trained.epochs.push_back(result);
        teller_.put(result);
        if (result.epoch % keeping_.every == 0 || result.epoch == result.epochs) save(trainer);
    }
    void save(Trainer& trainer) {
        if (keeping_.checkpoint) write_checkpoint(trainer.checkpoint(), *keeping_.checkpoint);
    }

    const Keeping& keeping_;
    Teller& teller_;
};

Trained train(const py::object& model, const py::object& data, const py::object& test, const py::dict& options,
              const py::object& teacher, const std::optional<std::string>& checkpoint, int64_t every,
              const std::optional<std::string>& resume, const std::optional<std::string>& initial,
              const py::object& progress, const py::object& on_epoch) {
    const Named named = named_of(model, "model");
    RunTexts texts = texts_of(options);
    std::optional<Named> taught_by;
    if (!teacher.is_none()) {
        taught_by = named_of(teacher, "teacher");
        texts.teacher = taught_by->name;
    }
    const RunPlan plan = parse_run(texts);
    const bool is_new = !named.network && source_of(named.name) != NetworkSource::file;
    if (!is_new) refuse_network_options(texts);
    const Keeping keeping = keeping_of(checkpoint, every, resume, initial);
    TrainData of_run;
    of_run.training = dataset_of(data, "data");
    of_run.test = dataset_of(test, "test");
    if (taught_by) of_run.teacher = std::make_shared<const Network>(taught_by->read());
    RunOrigin origin;
    origin.new_network = is_new;
    const bool is_built_in = is_new && source_of(named.name) == NetworkSource::name;
    const TrainingNetwork network =
        is_new ? make_network(named.name, texts, plan, *of_run.training) : TrainingNetwork{named.read(), {}};
    origin.network = is_built_in ? named.name : named.origin();
    if (taught_by) origin.teacher = taught_by->origin();
    if (initial) origin.start = "of SHA-256 " + sha256_file(*initial);
    const Preprocess preprocess =
        training::choose_preprocess(texts.preprocess, network.network, of_run.training->spec()).preprocess;
    Teller teller(progress, on_epoch);
    std::optional<Trained> trained;
    run_interruptibly(
        [&] {
            Run run(plan, origin, network, of_run, preprocess);
            trained = Work(keeping, teller).run(run, !is_new);
        },
        [&] { teller.tell(); });
    teller.tell();
    trained->title =
        fmt::format("{} {}", trained->network.name,
                    plan.quantized() ? fmt::format("by {}, {} bit weights, {} bit inputs", plan.model.method,
                                                   plan.model.weight_bits, plan.model.input_bits)
                                     : "in float");
    return std::move(*trained);
}

// ---------------------------------------------------------------------------------------------- results

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string share_text(const ChipResult& chip) {
    return chip.accuracy_std ? fmt::format("{} ± {:.2f}", percent(chip.accuracy_mean), 100 * *chip.accuracy_std)
                             : percent(chip.accuracy_mean);
}

std::string text_of_chain(const Chain& c) {
    return fmt::format("float {}, quantized {}, integer {}, chip {}, gap {:.2f} points", percent(c.real),
                       percent(c.quantized), percent(c.integer), share_text(c.chip), 100 * c.gap());
}

std::vector<std::pair<std::string, std::string>> links_of(const Chain& c) {
    std::vector<std::pair<std::string, std::string>> links{
        {"float", percent(c.real)},
        {"quantized, float sums", percent(c.quantized)},
        {"quantized, integer sums", percent(c.integer)},
        {"ideal chip", c.chip.ideal_accuracy ? percent(*c.chip.ideal_accuracy) : "n/a"}};
    for (const AgeResult& age : c.chip.ages) {
        const std::string name = age.age == 0 ? "real chip, fresh" : fmt::format("real chip, {:.6g} s", age.age);
        links.emplace_back(name, age.chip ? share_text(*age.chip) : "n/a");
    }
    links.emplace_back("gap in points", fmt::format("{:.2f}", 100 * c.gap()));
    return links;
}

std::string html_of_chains(const std::string& title, const std::optional<Chain>& before, const Chain& after) {
    std::vector<std::vector<std::string>> rows;
    const auto start = before ? links_of(*before) : std::vector<std::pair<std::string, std::string>>{};
    const auto end = links_of(after);
    for (size_t i = 0; i < end.size(); ++i) {
        rows.push_back({end[i].first});
        if (before) rows.back().push_back(start[i].second);
        rows.back().push_back(end[i].second);
    }
    return before ? html_table(title, {"accuracy", "before", "after"}, rows)
                  : html_table(title, {"accuracy", "trained"}, rows);
}

std::string title_of(const Trained& t) {
    std::string text = t.title;
    if (!t.epochs.empty())
        text += fmt::format(", {} epochs, test {}", t.epochs.back().epochs, percent(t.epochs.back().test_accuracy));
    if (t.after) text += fmt::format(", chip {}", share_text(t.after->chip));
    return text;
}

py::list network_list() {
    py::list names;
    for (const NetworkEntry& entry : list_networks()) names.append(text_of(entry.name));
    return names;
}

void bind_results(py::module_& module) {
    py::class_<EpochResult>(module, "EpochResult", "One epoch of a training.")
        .def_readonly("epoch", &EpochResult::epoch, "1 .. epochs")
        .def_readonly("epochs", &EpochResult::epochs)
        .def_readonly("step", &EpochResult::step, "Steps taken so far.")
        .def_readonly("rate", &EpochResult::rate, "Of the last step.")
        .def_readonly("loss", &EpochResult::loss, "Mean over the training samples, each before its step.")
        .def_readonly("accuracy", &EpochResult::accuracy, "Of the training samples, likewise.")
        .def_readonly("test_accuracy", &EpochResult::test_accuracy, "After the epoch, without hardware.")
        .def_readonly("best_accuracy", &EpochResult::best_accuracy, "Of the run.")
        .def_readonly("best_epoch", &EpochResult::best_epoch)
        .def_readonly("seconds", &EpochResult::seconds)
        .def("__repr__", [](const EpochResult& r) {
            return text_of(fmt::format("<EpochResult {}/{}: loss {:.4f}, train {}, test {}>", r.epoch, r.epochs, r.loss,
                                       percent(r.accuracy), percent(r.test_accuracy)));
        });
    py::class_<Chain>(module, "Chain", "Accuracies of one network from float to chip.")
        .def_readonly("real", &Chain::real, "Float weights, no quantizers.")
        .def_readonly("quantized", &Chain::quantized, "Quantized weights and inputs, float sums.")
        .def_readonly("integer", &Chain::integer, "Integer sums.")
        .def_readonly("chip", &Chain::chip, "Ideal and real chips, as `bl.simulate` gives them.")
        .def_property_readonly("ideal_chip", [](const Chain& c) { return c.chip.ideal_accuracy; })
        .def_property_readonly("gap", &Chain::gap, "integer - mean of the real chips at the first age.")
        .def("__repr__", [](const Chain& c) { return text_of("<Chain " + text_of_chain(c) + ">"); })
        .def("_repr_html_", [](const Chain& c) { return text_of(html_of_chains("accuracy", {}, c)); });
    py::class_<Trained>(module, "TrainResult", "A trained network and how it came about.")
        .def_property_readonly(
            "network", [](const Trained& t) { return std::make_shared<Network>(t.network); },
            "With a method, of integers; else float.")
        .def_readonly("epochs", &Trained::epochs, "Those of this call; a resumed run leaves out what came before.")
        .def_readonly("before", &Trained::before, "Chain before the first step, of networks that were trained already.")
        .def_readonly("chain", &Trained::after, "Chain at the end; None without a method.")
        .def_readonly("average_bits", &Trained::average_bits, "Per parameter.")
        .def("__repr__", [](const Trained& t) { return text_of("<TrainResult " + title_of(t) + ">"); })
        .def("_repr_html_", [](const Trained& t) {
            if (!t.after) return text_of("<p><b>" + escape_html(title_of(t)) + "</b></p>");
            return text_of(html_of_chains(title_of(t), t.before, *t.after));
        });
}

}  // namespace

void bind_train(py::module_& module) {
    bind_results(module);
    module.def("train", &train, py::arg("model"), py::arg("data"), py::arg("test"), py::arg("options"), py::kw_only(),
               py::arg("teacher") = py::none(), py::arg("checkpoint") = py::none(), py::arg("every") = 1,
               py::arg("resume") = py::none(), py::arg("initial") = py::none(), py::arg("progress") = py::none(),
               py::arg("on_epoch") = py::none(),
               "See bitline.train; `progress` is called with stage, steps done and steps in all, `on_epoch` with an "
               "EpochResult.");
    module.def("list_networks", &network_list, R"(Names of the networks that are built in.

>>> "lenet5" in bl.list_networks()
True
)");
}

}  // namespace bitline::python
