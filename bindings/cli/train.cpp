#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/progress.h"
#include "bindings/cli/terminal.h"
#include "bindings/cli/train_hardware.h"
#include "bindings/cli/train_report.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/model_io.h"
#include "core/options.h"
#include "core/parallel.h"
#include "training/trainer.h"
#include "training/zoo.h"

namespace bitline::cli {

namespace {

using namespace training;

constexpr int64_t kLargestSeed = (int64_t(1) << 53) - 1;  // every reader of JSON keeps it exactly
constexpr char kFloat[] = "float";

struct Arguments {
    std::optional<std::string> model, data, test, limit, test_limit, preprocess, classes;
    std::optional<std::string> width, bias, affine, batch_norm, dropout;
    std::optional<std::string> method, weight_bits, input_bits, gradient_bits, first_last_bits;
    std::vector<std::string> layer_bits;
    std::optional<std::string> epochs, batch, optimizer, rate, momentum, weight_decay, gradient_norm, schedule, warmup;
    std::optional<std::string> loss, smoothing, teacher, temperature, teacher_weight, augment, freeze_batch_norm;
    std::optional<std::string> seed, threads, output, onnx, checkpoint, every, resume, initial, json;
    bool quiet = false;
    HardwareArguments hardware;
};

size_t choose(const std::string& option, const std::string& value, const std::vector<std::string>& names) {
    OptionText text;
    text.path = option;
    text.value = value;
    return parse_choice(text, names);
}

bool parse_switch(const std::string& option, const std::string& value) {
    return choose(option, value, {"off", "on"}) == 1;
}

std::optional<int64_t> parse_count(const std::string& option, const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    return parse_whole(option, *text, 1, int64_t(1) << 40);
}

void refuse_without(const std::optional<std::string>& given, bool has_effect, const std::string& option,
                    const std::string& condition) {
    if (given && !has_effect) throw ConfigError(fmt::format("{} has no effect without {}", option, condition));
}

// ---------------------------------------------------------------------------------------------- options

OptimizerOptions parse_optimizer(const Arguments& a) {
    OptimizerOptions options;
    const size_t kind = choose("--optimizer", a.optimizer.value_or("adam"), {"sgd", "nesterov", "adam", "adamw"});
    const bool is_sgd = kind < 2;
    options.kind = is_sgd ? OptimizerOptions::Kind::sgd : OptimizerOptions::Kind::adam;
    options.nesterov = kind == 1;
    options.decoupled = kind == 3;
    refuse_without(a.momentum, is_sgd, "--momentum", "--optimizer sgd or nesterov");
    if (a.momentum) options.momentum = parse_number("--momentum", *a.momentum, 0, 0.9999, options.nesterov);
    if (a.weight_decay) options.weight_decay = parse_number("--weight-decay", *a.weight_decay, 0, 1000, false);
    if (a.gradient_norm) options.largest_norm = parse_number("--gradient-norm", *a.gradient_norm, 0, 1e9, true);
    return options;
}

EpochSchedule parse_rates(const Arguments& a, const OptimizerOptions& optimizer) {
    EpochSchedule schedule = parse_schedule(a.schedule.value_or("cosine"));
    schedule.rate = optimizer.kind == OptimizerOptions::Kind::sgd ? 0.05 : 0.001;
    if (a.rate) schedule.rate = parse_number("--rate", *a.rate, 0, 1e6, true);
    if (a.warmup) schedule.warm_up = parse_number("--warmup", *a.warmup, 0, 1000000, false);
    return schedule;
}

LossOptions parse_loss(const Arguments& a) {
    LossOptions options;
    const bool squares = choose("--loss", a.loss.value_or("cross-entropy"), {"cross-entropy", "mse"}) == 1;
    if (a.teacher && a.loss) throw ConfigError("--loss has no effect with --teacher, which brings a loss of its own");
    if (squares) options.kind = LossOptions::Kind::mean_squared_error;
    if (a.teacher) options.kind = LossOptions::Kind::distillation;
    refuse_without(a.smoothing, !squares && !a.teacher, "--label-smoothing", "--loss cross-entropy");
    refuse_without(a.temperature, a.teacher.has_value(), "--temperature", "--teacher");
    refuse_without(a.teacher_weight, a.teacher.has_value(), "--teacher-weight", "--teacher");
    if (a.smoothing) options.smoothing = parse_number("--label-smoothing", *a.smoothing, 0, 0.999, false);
    if (a.temperature) {
        options.distillation.temperature = parse_number("--temperature", *a.temperature, 0, 1e6, true);
    }
    if (a.teacher_weight) {
        options.distillation.weight = parse_number("--teacher-weight", *a.teacher_weight, 0, 1, false);
    }
    return options;
}

TrainOptions parse_train_options(const Arguments& a) {
    TrainOptions options;
    if (a.epochs) options.epochs = parse_whole("--epochs", *a.epochs, 1, 1000000);
    if (a.batch) options.batch = parse_whole("--batch", *a.batch, 1, 1048576);
    options.optimizer = parse_optimizer(a);
    options.schedule = parse_rates(a, options.optimizer);
    options.loss = parse_loss(a);
    if (a.seed) options.seed = static_cast<uint64_t>(parse_whole("--seed", *a.seed, 0, kLargestSeed));
    if (a.augment) options.augmentation = parse_augmentation(*a.augment);
    if (a.freeze_batch_norm) {
        options.freeze_batch_norm_after = parse_whole("--freeze-batch-norm", *a.freeze_batch_norm, 0, 1000000);
    }
    return options;
}

/// "conv2=4/8"
std::pair<std::string, LayerBits> parse_layer_bits(const std::string& text) {
    const size_t equals = text.rfind('='), slash = text.rfind('/');
    if (equals == std::string::npos || slash == std::string::npos || slash < equals) {
        throw ConfigError(fmt::format("--layer-bits {} is not written LAYER=WEIGHT_BITS/INPUT_BITS", printable(text)));
    }
    LayerBits bits;
    bits.weights = int(parse_whole("--layer-bits, weights", text.substr(equals + 1, slash - equals - 1), 1, 16));
    bits.inputs = int(parse_whole("--layer-bits, inputs", text.substr(slash + 1), 1, 16));
    return {text.substr(0, equals), bits};
}

ModelOptions parse_float_options(const Arguments& a) {
    const std::string condition = "--method (bitline list methods)";
    refuse_without(a.weight_bits, false, "--weight-bits", condition);
    refuse_without(a.input_bits, false, "--input-bits", condition);
    refuse_without(a.gradient_bits, false, "--gradient-bits", condition);
    refuse_without(a.first_last_bits, false, "--first-last-bits", condition);
    if (!a.layer_bits.empty()) throw ConfigError("--layer-bits has no effect without " + condition);
    return {};
}

ModelOptions parse_model_options(const Arguments& a) {
    if (a.method.value_or(kFloat) == kFloat) return parse_float_options(a);
    const MethodEntry& method = find_method(*a.method);
    ModelOptions options;
    options.method = method.name;
    options.weight_bits = method.weight_bits;
    options.input_bits = method.input_bits;
    const auto parse_bits = [&](const std::string& option, const std::string& text, int low, int high) {
        return static_cast<int>(parse_whole(fmt::format("{} of {}", option, method.name), text, low, high));
    };
    if (a.weight_bits) {
        options.weight_bits =
            parse_bits("--weight-bits", *a.weight_bits, method.weight_bits_low, method.weight_bits_high);
    }
    if (a.input_bits) {
        options.input_bits = parse_bits("--input-bits", *a.input_bits, method.input_bits_low, method.input_bits_high);
    }
    refuse_without(a.gradient_bits, method.quantizes_gradients, "--gradient-bits", "a method that quantizes gradients");
    if (a.gradient_bits) {
        options.method_options.gradient_bits = int(parse_whole("--gradient-bits", *a.gradient_bits, 1, 32));
    }
    if (a.first_last_bits) {
        const bool same = *a.first_last_bits == "same";
        options.first_last_bits = same ? 0 : int(parse_whole("--first-last-bits", *a.first_last_bits, 2, 16));
    }
    for (const std::string& text : a.layer_bits) {
        if (!options.layer_bits.insert(parse_layer_bits(text)).second)
            throw ConfigError(fmt::format("--layer-bits {}: the layer is given twice", printable(text)));
    }
    return options;
}

// ---------------------------------------------------------------------------------------------- inputs

enum class Source { name, yaml, file };

Source source_of(const std::string& model) {
    const std::string extension = std::filesystem::path(model).extension().string();
    if (extension == ".yaml" || extension == ".yml") return Source::yaml;
    const auto& known = list_networks();
    const bool is_name = std::any_of(known.begin(), known.end(), [&](const auto& n) { return n.name == model; });
    const bool is_file = extension == ".onnx" || extension == ".h5" || model.find('/') != std::string::npos;
    return is_name || !is_file ? Source::name : Source::file;
}

NetworkOptions parse_network_options(const Arguments& a) {
    NetworkOptions options;
    if (a.width) options.width = parse_number("--width", *a.width, 0, 16, true);
    if (a.bias) options.bias = parse_switch("--bias", *a.bias);
    if (a.affine) options.affine = parse_switch("--affine", *a.affine);
    if (a.batch_norm) options.batch_norm = parse_switch("--batch-norm", *a.batch_norm);
    if (a.dropout) options.dropout = static_cast<float>(parse_number("--dropout", *a.dropout, 0, 0.99, false));
    return options;
}

void refuse_network_options(const Arguments& a) {
    const std::string condition = "a network by name or from YAML";
    refuse_without(a.width, false, "--width", condition);
    refuse_without(a.bias, false, "--bias", condition);
    refuse_without(a.affine, false, "--affine", condition);
    refuse_without(a.batch_norm, false, "--batch-norm", condition);
    refuse_without(a.dropout, false, "--dropout", condition);
    refuse_without(a.classes, false, "--classes", condition);
}

/// Images without channels have one.
Shape image_shape(const Shape& stored) { return stored.size() == 2 ? Shape{1, stored[0], stored[1]} : stored; }

int64_t class_count(const Arguments& a, const Dataset& data) {
    if (a.classes) return parse_whole("--classes", *a.classes, 1, 1 << 20);
    const auto& labels = data.labels();
    return labels.empty() ? 1 : int64_t(*std::max_element(labels.begin(), labels.end())) + 1;
}

TrainingNetwork open_network(const Arguments& a, const Dataset& data, uint64_t seed) {
    const Source source = source_of(*a.model);
    if (source == Source::file) return {read_model(*a.model).network, {}};
    const NetworkOptions options = parse_network_options(a);
    const Shape input = image_shape(data.shape());
    const int64_t classes = class_count(a, data);
    if (source == Source::name) return build_network(*a.model, input, classes, options, seed);
    require_file(*a.model, "network");
    return training::read_network(*a.model, input, classes, options, seed);
}

/// Grey levels and colours of images are bytes in these formats.
ChosenPreprocess choose(const Arguments& a, const Network& network) {
    const bool bytes = a.data->rfind("idx:", 0) == 0 || a.data->rfind("cifar10:", 0) == 0;
    if (a.preprocess || network.preprocess || !bytes) return choose_preprocess(a.preprocess, network);
    return {parse_preprocess("unit"), "images of bytes"};
}

std::string default_checkpoint(const std::string& output) {
    std::filesystem::path path(output);
    return path.replace_extension(".checkpoint.h5").string();
}

void require_extension(const std::string& option, const std::string& path, const std::string& extension) {
    if (std::filesystem::path(path).extension() == extension) return;
    throw ConfigError(fmt::format("{} {}: the name does not end in {}", option, printable(path), extension));
}

std::vector<std::string> input_files(const Arguments& a) {
    std::vector<std::string> files = files_of(*a.data);
    for (const std::string& file : files_of(*a.test)) files.push_back(file);
    if (source_of(*a.model) != Source::name) files.push_back(*a.model);
    for (const auto& given : {a.teacher, a.initial}) {
        if (given) files.push_back(*given);
    }
    return files;
}

void check_outputs(const Arguments& a, const std::string& checkpoint) {
    const std::vector<std::string> inputs = input_files(a);
    std::vector<std::string> outputs{*a.output, checkpoint};
    require_extension("-o", *a.output, ".h5");
    require_output("-o", *a.output, inputs);
    require_output("--checkpoint", checkpoint, inputs);
    if (a.onnx) {
        require_extension("--onnx", *a.onnx, ".onnx");
        require_output("--onnx", *a.onnx, inputs);
        outputs.push_back(*a.onnx);
    }
    if (a.json && *a.json != kStandardOutput) {
        require_output("--json", *a.json, inputs);
        outputs.push_back(*a.json);
    }
    require_distinct(outputs);
}

/// What decides the run besides the options of training and method.
OptionTexts more_options(const Arguments& a, const HardwarePlan& plan) {
    const auto on = [](const std::optional<bool>& value) { return value ? (*value ? "on" : "off") : "default"; };
    OptionTexts texts;
    const Source source = source_of(*a.model);
    texts.emplace_back("network", source == Source::name ? *a.model : "of SHA-256 " + sha256_file(*a.model));
    if (source != Source::file) {
        const NetworkOptions options = parse_network_options(a);
        texts.emplace_back("width", real_text(options.width));
        texts.emplace_back("bias", on(options.bias));
        texts.emplace_back("affine", on(options.affine));
        texts.emplace_back("batch norm", options.batch_norm ? "on" : "off");
        texts.emplace_back("dropout", real_text(double(options.dropout)));
    }
    if (a.teacher) texts.emplace_back("teacher", "of SHA-256 " + sha256_file(*a.teacher));
    if (a.initial) texts.emplace_back("initial", "of SHA-256 " + sha256_file(*a.initial));
    for (const auto& text : describe(plan)) texts.push_back(text);
    return texts;
}

// ---------------------------------------------------------------------------------------------- the run

struct Run {
    TrainReport report;  // what the result says of it
    HardwarePlan plan;
    TrainOptions options;
    ModelOptions model_options;
    TrainingNetwork network;
    TrainData data;
    std::string checkpoint;
    int64_t every = 1;  // epochs between checkpoints
    std::optional<Checkpoint> resume, initial;
};

TrainData open_data(const Arguments& a) {
    TrainData data;
    data.training = open_dataset(*a.data, parse_count("--limit", a.limit));
    data.test = open_dataset(*a.test, parse_count("--test-limit", a.test_limit));
    if (a.teacher) data.teacher = std::make_shared<const Network>(read_model(*a.teacher).network);
    return data;
}

/// Reads and checks everything, cheapest first, before the long work starts.
Run prepare(const Arguments& a) {
    Run run;
    run.options = parse_train_options(a);
    run.model_options = parse_model_options(a);
    run.plan = parse_hardware(a.hardware, !run.model_options.method.empty(), run.options.seed);
    run.options.hardware_after = run.plan.after;
    parse_network_options(a);
    if (a.preprocess) parse_preprocess(*a.preprocess);
    if (a.threads) set_threads(static_cast<int>(parse_whole("--threads", *a.threads, 1, 1024)));
    if (a.every) run.every = parse_whole("--every", *a.every, 1, 1000000);
    if (a.resume && a.initial) throw ConfigError("--initial has no effect with --resume, which goes on as it began");
    if (source_of(*a.model) == Source::file) refuse_network_options(a);
    run.checkpoint = a.checkpoint ? *a.checkpoint : a.resume ? *a.resume : default_checkpoint(*a.output);
    check_outputs(a, run.checkpoint);
    if (a.resume) run.resume = read_checkpoint(*a.resume);
    if (a.initial) run.initial = read_checkpoint(*a.initial);
    run.data = open_data(a);
    run.network = open_network(a, *run.data.training, run.options.seed);
    const ChosenPreprocess chosen = choose(a, run.network.network);
    run.options.preprocess = chosen.preprocess;
    run.network.network.preprocess = chosen.preprocess;  // whoever reads the result needs no option
    run.report.preprocess_origin = chosen.origin;
    return run;
}

/// The command that goes on with this run.
std::string resume_command(const CLI::App& app, const std::string& checkpoint) {
    std::string command = "bitline train";
    for (const CLI::Option* option : app.get_options()) {
        const std::string name = option->get_name();
        if (name == "--resume" || name == "--initial") continue;
        for (const std::string& value : option->results()) {
            const bool is_flag = option->get_expected_max() == 0;
            if (!option->get_positional()) command += " " + name.substr(0, name.find(','));
            if (!is_flag) command += " " + shell_word(value);
        }
    }
    return command + " --resume " + shell_word(checkpoint);
}

class Session {
 public:
    Session(const Arguments& a, Run run, const CLI::App& app)
        : arguments_(a),
          run_(std::move(run)),
          app_(app),
          model_(run_.network, run_.model_options),
          hardware_(attach_hardware()),
          trainer_(model_, run_.network.network, run_.data, run_.options, more_options(a, run_.plan)),
          line_(a.quiet),
          journal_(a.json) {
        if (run_.resume) trainer_.resume(*run_.resume, *a.resume);
        if (run_.initial) trainer_.start_from(*run_.initial, *a.initial);
        journal_.keep(trainer_.standing().epochs);
    }

    void train() {
        try {
            if (source_of(*arguments_.model) == Source::file && trainer_.standing().step == 0) measure_before();
            trainer_.run(
                {[&](const TrainProgress& p) { show(p); }, [&](const EpochResult& result) { finish_epoch(result); }});
        } catch (const Interrupted&) {
            line_.clear();
            save_interrupted();
            throw;
        } catch (const Diverged& error) {
            throw RunError(fmt::format("{}; {}", error.what(), divergence_advice()));
        }
        write_results();
    }

 private:
    /// Training samples for converter ranges and compensation.
    SampleReader calibration() const {
        return [data = run_.data.training, preprocess = run_.options.preprocess, shape = model_.input_shape()](
                   int64_t first, int64_t count) { return read_input(*data, preprocess, shape, first, count); };
    }

    std::unique_ptr<Hardware> attach_hardware() {
        if (!run_.plan.in_loop) return nullptr;
        HardwareOptions options = *run_.plan.in_loop;
        options.calibration_samples = std::min(options.calibration_samples, run_.data.training->size());
        auto hardware = make_hardware(options, run_.options.seed, model_.products(), calibration());
        model_.attach(hardware.get());
        return hardware;
    }

    /// The chain of the network as it is, on chips that are the same before and after.
    Chain measure() {
        SimulateOptions chips = run_.plan.chips;
        chips.calibration_samples = std::min(chips.calibration_samples, run_.data.training->size());
        const auto test = run_.plan.limit ? open_dataset(*arguments_.test, run_.plan.limit) : run_.data.test;
        const Chain chain = measure_chain(model_, test, run_.options.preprocess, run_.data.training.get(),
                                          run_.plan.architecture, chips, [&](const Progress& p) { line_.show(p); });
        line_.clear();
        return chain;
    }

    /// Quantizers take their ranges from the first batch.
    void measure_before() {
        if (run_.model_options.method.empty()) return;
        Pass look;
        look.ideal = true;
        Tensor first;
        first.resize(model_.input_shape(), std::min(run_.options.batch, run_.data.training->size()));
        first.values = calibration()(0, first.samples);
        model_.forward(look, first);
        before_ = measure();
    }

    /// Steps of small networks come by the thousand per second.
    void show(const TrainProgress& progress) {
        constexpr double kPause = 0.1;  // s
        if (progress.seconds < shown_ + kPause) return;
        shown_ = progress.seconds;
        line_.show(progress_of(progress));
    }

    void finish_epoch(const EpochResult& result) {
        run_.report.last = result;
        line_.keep(epoch_text(result));
        journal_.add(epoch_json(result));
        if (result.epoch % run_.every == 0 || result.epoch == result.epochs) save();
    }

    void save() {
        write_checkpoint(trainer_.checkpoint(), run_.checkpoint);
        saved_epoch_ = trainer_.standing().epochs;
    }

    void save_interrupted() {
        const InterruptHold hold;
        save();
        report_note(fmt::format("step {} is kept in {}; go on with: {}", trainer_.standing().step,
                                clean_line(run_.checkpoint), resume_command(app_, run_.checkpoint)));
    }

    std::string divergence_advice() const {
        const std::string advice = "a lower --rate, --warmup or --gradient-norm may keep it finite";
        if (saved_epoch_ < 0 && !run_.resume) return advice + "; there is no checkpoint yet";
        return fmt::format("{}; the last good checkpoint is {}: start from it with --initial", advice,
                           printable(saved_epoch_ < 0 ? *arguments_.resume : run_.checkpoint));
    }

    void write_results() {
        const Network network = run_.model_options.method.empty() ? model_.real() : model_.quantized();
        write_hdf5(network, *arguments_.output);
        run_.report.written = {*arguments_.output};
        if (arguments_.onnx) {
            write_onnx(network, *arguments_.onnx);
            run_.report.written.push_back(*arguments_.onnx);
        }
        if (arguments_.checkpoint) {
            run_.report.written.push_back(*arguments_.checkpoint);
        } else if (run_.checkpoint == default_checkpoint(*arguments_.output)) {
            std::filesystem::remove(run_.checkpoint);  // nobody asked for it, and it has served
        }
        std::optional<Chain> chain;
        if (!run_.model_options.method.empty()) chain = measure();
        line_.clear();
        journal_.add(trained_json(network, model_, run_.options));
        if (chain) journal_.add(to_json(run_.plan, before_, *chain));
        if (arguments_.json == kStandardOutput) return;
        print(train_text(run_.report, network, model_, run_.options, *run_.data.training, *run_.data.test));
        if (chain) print(chain_text(run_.plan, before_, *chain));
    }

    const Arguments& arguments_;
    Run run_;
    const CLI::App& app_;
    training::Model model_;
    std::unique_ptr<Hardware> hardware_;
    Trainer trainer_;
    ProgressLine line_;
    EpochJournal journal_;
    int64_t saved_epoch_ = -1;
    std::optional<Chain> before_;
    double shown_ = -1;  // s
};

void train_command(const Arguments& arguments, const CLI::App& app) {
    Session(arguments, prepare(arguments), app).train();
}

// ---------------------------------------------------------------------------------------------- help

void add_inputs(Command& command, Arguments& a) {
    command.required = {
        add_text(command, "MODEL", a.model, "",
                 "network: a name (bitline list networks), a .yaml of\nlayers, or a float .onnx or .h5 to go on from"),
        add_text(command, "--data", a.data, "DATA",
                 "to train on: FILE.h5, idx:IMAGES,LABELS,\ncifar10:FILE[,FILE..], npz:FILE or\n"
                 "raw:FILE,LABELS,DTYPE,AxBxC"),
        add_text(command, "--test", a.test, "DATA", "to test on after every epoch"),
        add_text(command, "-o,--output", a.output, "OUT.h5", "the network as trained; with a method, of integers"),
    };
    add_text(command, "--onnx", a.onnx, "OUT.onnx", "the same as ONNX (QDQ)");
    add_text(command, "--limit", a.limit, "N", "train on the first N samples only");
    add_text(command, "--test-limit", a.test_limit, "N", "test on the first N samples only");
    add_text(command, "--preprocess", a.preprocess, "P",
             "raw, unit, imagenet or scale=..,mean=..,std=.. (default: the\nmodel's own, else unit with idx: and "
             "cifar10:, else raw)");
    add_text(command, "--classes", a.classes, "N", "outputs of a new network (largest label + 1)");
    add_text(command, "--width", a.width, "F", "factor of the channels of a new network, 0 < F <= 16 (1)");
    add_text(command, "--bias", a.bias, "on|off",
             "of a new network's layers with weights (on where no batch\nnorm "
             "follows)");
    add_text(command, "--affine", a.affine, "on|off", "whether its batch norms learn gamma and beta (on)");
    add_text(command, "--batch-norm", a.batch_norm, "on|off", "whether it has batch norms (on)");
    add_text(command, "--dropout", a.dropout, "S", "share of the last layer's inputs set to 0, below 1 (0)");
}

void add_method(Command& command, Arguments& a) {
    add_text(command, "--method", a.method, "M", "bitline list methods, or float (float)");
    add_text(command, "--weight-bits", a.weight_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--input-bits", a.input_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--gradient-bits", a.gradient_bits, "N",
             "methods that quantize gradients only: 1 to 8, or 32 (32)");
    add_text(command, "--first-last-bits", a.first_last_bits, "N|same",
             "of the first and the last layer, by method ste: 2 to 16,\nor same as the others (8)");
    add_texts(command, "--layer-bits", a.layer_bits, "LAYER=W/I",
              "weight and input bits of one layer; may be repeated");
}

void add_training(Command& command, Arguments& a) {
    add_text(command, "--epochs", a.epochs, "E", "passes through the data (20)");
    add_text(command, "--batch", a.batch, "N", "samples per step (64)");
    add_text(command, "--optimizer", a.optimizer, "NAME", "sgd, nesterov, adam or adamw (adam)");
    add_text(command, "--rate", a.rate, "R", "learning rate (0.05 with sgd and nesterov, else 0.001)");
    add_text(command, "--momentum", a.momentum, "M", "sgd and nesterov only, below 1 (0.9)");
    add_text(command, "--weight-decay", a.weight_decay, "D", "0 or more (0)");
    add_text(command, "--gradient-norm", a.gradient_norm, "G", "scale gradients down to this norm (not at all)");
    add_text(
        command, "--schedule", a.schedule, "S",
        "of the rate: constant, cosine, step=30/60:0.1 (epochs,\nfactor) or exponential=0.95 (per epoch) (cosine)");
    add_text(command, "--warmup", a.warmup, "E", "epochs over which the rate rises from 0 (0)");
    add_text(command, "--loss", a.loss, "NAME", "cross-entropy or mse (cross-entropy)");
    add_text(command, "--label-smoothing", a.smoothing, "S", "cross-entropy only, below 1 (0)");
    add_text(command, "--teacher", a.teacher, "MODEL", "network to learn from by distillation: .onnx or .h5");
    add_text(command, "--temperature", a.temperature, "T", "of the distillation (4)");
    add_text(command, "--teacher-weight", a.teacher_weight, "W", "of the teacher, the labels have 1 - W (0.9)");
    add_text(command, "--augment", a.augment, "A", "none, or crop=4, reflect and flip with commas between (none)");
    add_text(command, "--freeze-batch-norm", a.freeze_batch_norm, "E", "after E epochs keep the running statistics");
    add_text(command, "--seed", a.seed, "S", "of all random numbers (0)");
}

void add_run(Command& command, Arguments& a) {
    add_text(command, "--threads", a.threads, "K", "1 to 1024; never changes a result (all processors)");
    add_text(command, "--checkpoint", a.checkpoint, "FILE",
             "state of the run, kept (default: OUT.checkpoint.h5,\nremoved at the end)");
    add_text(command, "--every", a.every, "N", "epochs between checkpoints (1)");
    add_text(command, "--resume", a.resume, "FILE", "go on from a checkpoint of the same run, with the same bits");
    add_text(command, "--initial", a.initial, "FILE",
             "begin with what a checkpoint's network has learned,\nwhatever the options of that run");
    add_text(command, "--json", a.json, "FILE", "a line of JSON per epoch, one on the network and one on\nthe chips; - for standard output");
    command.app->add_flag("--quiet", a.quiet, "no progress on the terminal");
}

}  // namespace

Command make_train(const CommandEntry& entry) {
    Command command = new_command(
        entry,
        "Examples:\n"
        "  bitline train lenet5 --data idx:train-images.gz,train-labels.gz --test idx:t10k-images.gz,t10k-labels.gz "
        "\\\n"
        "      --epochs 10 -o lenet5.h5\n"
        "  bitline train lenet5 --data idx:train-images.gz,train-labels.gz --test idx:t10k-images.gz,t10k-labels.gz "
        "\\\n"
        "      --method ste --weight-bits 4 --input-bits 4 -o lenet5_4bit.h5 --onnx lenet5_4bit.onnx\n"
        "  bitline train resnet20 --data cifar10:b1.xz,b2.xz,b3.xz,b4.xz,b5.xz --test cifar10:test.xz \\\n"
        "      --augment crop=4,flip --optimizer sgd --rate 0.1 --weight-decay 1e-4 --batch 128 --epochs 160 \\\n"
        "      --schedule step=80/120 --json epochs.jsonl -o resnet20.h5\n"
        "  bitline train float.onnx --data train.h5 --test test.h5 --method ste --epochs 5 --rate 1e-4 -o int4.h5\n"
        "  bitline train float.onnx --data train.h5 --test test.h5 --method lsq --weight-bits 4 --input-bits 4 \\\n"
        "      --hardware device --device pcm-hermes-two --set compensation.drift_gain=layer --age 0,1d,30d -o "
        "chip.h5\n"
        "Ctrl-C keeps the state and prints the command that goes on. The same seed gives the same bits for any\n"
        "number of threads, interrupted or not.\n");
    auto arguments = std::make_shared<Arguments>();
    add_inputs(command, *arguments);
    add_method(command, *arguments);
    add_training(command, *arguments);
    add_hardware(command, arguments->hardware);
    add_run(command, *arguments);
    command.run = [arguments, app = command.app.get()] { train_command(*arguments, *app); };
    return command;
}

}  // namespace bitline::cli
