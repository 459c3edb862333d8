#include "bindings/cli/train_arguments.h"

#include <fmt/format.h>

#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline::cli {

using namespace training;

namespace {

constexpr int64_t kLargestSeed = (int64_t(1) << 53) - 1;  // every reader of JSON keeps it exactly
constexpr char kFloat[] = "float";

size_t choose(const std::string& option, const std::string& value, const std::vector<std::string>& names) {
    OptionText text;
    text.path = option;
    text.value = value;
    return parse_choice(text, names);
}

bool parse_switch(const std::string& option, const std::string& value) {
    return choose(option, value, {"off", "on"}) == 1;
}

void refuse_without(const std::optional<std::string>& given, bool has_effect, const std::string& option,
                    const std::string& condition) {
    if (given && !has_effect) throw ConfigError(fmt::format("{} has no effect without {}", option, condition));
}

OptimizerOptions parse_optimizer(const TrainArguments& a) {
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

EpochSchedule parse_rates(const TrainArguments& a, const OptimizerOptions& optimizer) {
    EpochSchedule schedule = parse_schedule(a.schedule.value_or("cosine"));
    schedule.rate = optimizer.kind == OptimizerOptions::Kind::sgd ? 0.05 : 0.001;
    if (a.rate) schedule.rate = parse_number("--rate", *a.rate, 0, 1e6, true);
    if (a.warmup) schedule.warm_up = parse_number("--warmup", *a.warmup, 0, 1000000, false);
    return schedule;
}

LossOptions parse_loss(const TrainArguments& a) {
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

ModelOptions parse_float_options(const TrainArguments& a) {
    const std::string condition = "--method (bitline list methods)";
    refuse_without(a.weight_bits, false, "--weight-bits", condition);
    refuse_without(a.input_bits, false, "--input-bits", condition);
    refuse_without(a.gradient_bits, false, "--gradient-bits", condition);
    refuse_without(a.first_last_bits, false, "--first-last-bits", condition);
    if (a.fold_batch_norm) throw ConfigError("--fold-batch-norm has no effect without " + condition);
    if (!a.layer_bits.empty()) throw ConfigError("--layer-bits has no effect without " + condition);
    return {};
}

// ---------------------------------------------------------------------------------------------- help

void add_inputs(Command& command, TrainArguments& a) {
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

void add_method(Command& command, TrainArguments& a) {
    add_text(command, "--method", a.method, "M", "bitline list methods, or float (float)");
    add_text(command, "--weight-bits", a.weight_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--input-bits", a.input_bits, "N", "within the method's range (the method's default)");
    add_text(command, "--gradient-bits", a.gradient_bits, "N",
             "methods that quantize gradients only: 1 to 8, or 32 (32)");
    add_text(command, "--first-last-bits", a.first_last_bits, "N|same",
             "of the first and the last layer, by method ste: 2 to 16,\nor same as the others (8)");
    add_texts(command, "--layer-bits", a.layer_bits, "LAYER=W/I",
              "weight and input bits of one layer; may be repeated");
    command.app->add_flag("--fold-batch-norm", a.fold_batch_norm,
                          "fold batch norms into quantized layers while training");
}

void add_training(Command& command, TrainArguments& a) {
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

void add_run(Command& command, TrainArguments& a) {
    add_text(command, "--threads", a.threads, "K", "1 to 1024; never changes a result (all processors)");
    add_text(command, "--checkpoint", a.checkpoint, "FILE",
             "state of the run, kept (default: OUT.checkpoint.h5,\nremoved at the end)");
    add_text(command, "--every", a.every, "N", "epochs between checkpoints (1)");
    add_text(command, "--resume", a.resume, "FILE", "go on from a checkpoint of the same run, with the same bits");
    add_text(command, "--initial", a.initial, "FILE",
             "begin with what a checkpoint's network has learned,\nwhatever the options of that run");
    add_text(command, "--json", a.json, "FILE",
             "a line of JSON per epoch, one on the network and one on\nthe chips; - for standard output");
    command.app->add_flag("--quiet", a.quiet, "no progress on the terminal");
}

}  // namespace

void add_arguments(Command& command, TrainArguments& a) {
    add_inputs(command, a);
    add_method(command, a);
    add_training(command, a);
    add_hardware(command, a.hardware);
    add_run(command, a);
}

TrainOptions parse_train_options(const TrainArguments& a) {
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

ModelOptions parse_model_options(const TrainArguments& a) {
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
    options.fold_batch_norm = a.fold_batch_norm;
    for (const std::string& text : a.layer_bits) {
        if (!options.layer_bits.insert(parse_layer_bits(text)).second)
            throw ConfigError(fmt::format("--layer-bits {}: the layer is given twice", printable(text)));
    }
    return options;
}

NetworkOptions parse_network_options(const TrainArguments& a) {
    NetworkOptions options;
    if (a.width) options.width = parse_number("--width", *a.width, 0, 16, true);
    if (a.bias) options.bias = parse_switch("--bias", *a.bias);
    if (a.affine) options.affine = parse_switch("--affine", *a.affine);
    if (a.batch_norm) options.batch_norm = parse_switch("--batch-norm", *a.batch_norm);
    if (a.dropout) options.dropout = static_cast<float>(parse_number("--dropout", *a.dropout, 0, 0.99, false));
    return options;
}

void refuse_network_options(const TrainArguments& a) {
    const std::string condition = "a network by name or from YAML";
    refuse_without(a.width, false, "--width", condition);
    refuse_without(a.bias, false, "--bias", condition);
    refuse_without(a.affine, false, "--affine", condition);
    refuse_without(a.batch_norm, false, "--batch-norm", condition);
    refuse_without(a.dropout, false, "--dropout", condition);
    refuse_without(a.classes, false, "--classes", condition);
}

}  // namespace bitline::cli
