#include "training/run_options.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/named_options.h"
#include "core/options.h"

namespace bitline::training {

namespace {

constexpr int64_t kLargestSeed = (int64_t(1) << 53) - 1;  // every reader of JSON keeps it exactly
constexpr char kFloat[] = "float";

size_t choose(const std::string& name, const std::string& value, const std::vector<std::string>& names) {
    OptionText text;
    text.path = option_name(name);
    text.value = value;
    return parse_choice(text, names);
}

bool parse_switch(const std::string& name, const std::string& value) { return choose(name, value, {"off", "on"}) == 1; }

void refuse_without(const std::optional<std::string>& given, bool has_effect, const std::string& name,
                    const std::string& condition) {
    if (given && !has_effect)
        throw ConfigError(fmt::format("{} has no effect without {}", option_name(name), condition));
}

int64_t whole(const std::string& name, const std::string& text, int64_t low, int64_t high) {
    return parse_whole(option_name(name), text, low, high);
}

double real(const std::string& name, const std::string& text, double low, double high, bool low_open) {
    return parse_number(option_name(name), text, low, high, low_open);
}

OptimizerOptions parse_optimizer(const RunTexts& a) {
    OptimizerOptions options;
    const size_t kind = choose("optimizer", a.optimizer.value_or("adam"), {"sgd", "nesterov", "adam", "adamw"});
    const bool is_sgd = kind < 2;
    options.kind = is_sgd ? OptimizerOptions::Kind::sgd : OptimizerOptions::Kind::adam;
    options.nesterov = kind == 1;
    options.decoupled = kind == 3;
    refuse_without(a.momentum, is_sgd, "momentum", option_with("optimizer", "sgd") + " or nesterov");
    if (a.momentum) options.momentum = real("momentum", *a.momentum, 0, 0.9999, options.nesterov);
    if (a.weight_decay) options.weight_decay = real("weight-decay", *a.weight_decay, 0, 1000, false);
    if (a.gradient_norm) options.largest_norm = real("gradient-norm", *a.gradient_norm, 0, 1e9, true);
    return options;
}

EpochSchedule parse_rates(const RunTexts& a, const OptimizerOptions& optimizer) {
    EpochSchedule schedule = parse_schedule(a.schedule.value_or("cosine"));
    schedule.rate = optimizer.kind == OptimizerOptions::Kind::sgd ? 0.05 : 0.001;
    if (a.rate) schedule.rate = real("rate", *a.rate, 0, 1e6, true);
    if (a.warmup) schedule.warm_up = real("warmup", *a.warmup, 0, 1000000, false);
    return schedule;
}

LossOptions parse_loss(const RunTexts& a) {
    LossOptions options;
    const bool squares = choose("loss", a.loss.value_or("cross-entropy"), {"cross-entropy", "mse"}) == 1;
    if (a.teacher && a.loss)
        throw ConfigError(fmt::format("{} has no effect with {}, which brings a loss of its own", option_name("loss"),
                                      option_name("teacher")));
    if (squares) options.kind = LossOptions::Kind::mean_squared_error;
    if (a.teacher) options.kind = LossOptions::Kind::distillation;
    refuse_without(a.smoothing, !squares && !a.teacher, "label-smoothing", option_with("loss", "cross-entropy"));
    refuse_without(a.temperature, a.teacher.has_value(), "temperature", option_name("teacher"));
    refuse_without(a.teacher_weight, a.teacher.has_value(), "teacher-weight", option_name("teacher"));
    if (a.smoothing) options.smoothing = real("label-smoothing", *a.smoothing, 0, 0.999, false);
    if (a.temperature) {
        options.distillation.temperature = real("temperature", *a.temperature, 0, 1e6, true);
    }
    if (a.teacher_weight) {
        options.distillation.weight = real("teacher-weight", *a.teacher_weight, 0, 1, false);
    }
    return options;
}

/// "conv2=4/8"
std::pair<std::string, LayerBits> parse_layer_bits(const std::string& text) {
    const size_t equals = text.rfind('='), slash = text.rfind('/');
    if (equals == std::string::npos || slash == std::string::npos || slash < equals) {
        throw ConfigError(
            fmt::format("{} is not written LAYER=WEIGHT_BITS/INPUT_BITS", option_with("layer-bits", printable(text))));
    }
    LayerBits bits;
    bits.weights = int(whole("layer-bits: weights", text.substr(equals + 1, slash - equals - 1), 1, 16));
    bits.inputs = int(whole("layer-bits: inputs", text.substr(slash + 1), 1, 16));
    return {text.substr(0, equals), bits};
}

ModelOptions parse_float_options(const RunTexts& a) {
    const std::string condition = option_name("method") + " (bitline list methods)";
    refuse_without(a.weight_bits, false, "weight-bits", condition);
    refuse_without(a.input_bits, false, "input-bits", condition);
    refuse_without(a.gradient_bits, false, "gradient-bits", condition);
    refuse_without(a.first_last_bits, false, "first-last-bits", condition);
    if (a.fold_batch_norm) throw ConfigError(option_name("fold-batch-norm") + " has no effect without " + condition);
    if (!a.layer_bits.empty()) throw ConfigError(option_name("layer-bits") + " has no effect without " + condition);
    return {};
}

}  // namespace

TrainOptions parse_train_options(const RunTexts& a) {
    TrainOptions options;
    if (a.epochs) options.epochs = whole("epochs", *a.epochs, 1, 1000000);
    if (a.batch) options.batch = whole("batch", *a.batch, 1, 1048576);
    options.optimizer = parse_optimizer(a);
    options.schedule = parse_rates(a, options.optimizer);
    options.loss = parse_loss(a);
    if (a.seed) options.seed = static_cast<uint64_t>(whole("seed", *a.seed, 0, kLargestSeed));
    if (a.augment) options.augmentation = parse_augmentation(*a.augment);
    if (a.freeze_batch_norm) {
        options.freeze_batch_norm_after = whole("freeze-batch-norm", *a.freeze_batch_norm, 0, 1000000);
    }
    return options;
}

ModelOptions parse_model_options(const RunTexts& a) {
    if (a.method.value_or(kFloat) == kFloat) return parse_float_options(a);
    const MethodEntry& method = find_method(*a.method);
    ModelOptions options;
    options.method = method.name;
    options.weight_bits = method.weight_bits;
    options.input_bits = method.input_bits;
    const auto parse_bits = [&](const std::string& name, const std::string& text, int low, int high) {
        return static_cast<int>(parse_whole(fmt::format("{} of {}", option_name(name), method.name), text, low, high));
    };
    if (a.weight_bits) {
        options.weight_bits =
            parse_bits("weight-bits", *a.weight_bits, method.weight_bits_low, method.weight_bits_high);
    }
    if (a.input_bits) {
        options.input_bits = parse_bits("input-bits", *a.input_bits, method.input_bits_low, method.input_bits_high);
    }
    refuse_without(a.gradient_bits, method.quantizes_gradients, "gradient-bits", "a method that quantizes gradients");
    if (a.gradient_bits) {
        options.method_options.gradient_bits = int(whole("gradient-bits", *a.gradient_bits, 1, 32));
    }
    if (a.first_last_bits) {
        const bool same = *a.first_last_bits == "same";
        options.first_last_bits = same ? 0 : int(whole("first-last-bits", *a.first_last_bits, 2, 16));
    }
    options.fold_batch_norm = a.fold_batch_norm;
    for (const std::string& text : a.layer_bits) {
        if (!options.layer_bits.insert(parse_layer_bits(text)).second)
            throw ConfigError(fmt::format("{}: the layer is given twice", option_with("layer-bits", printable(text))));
    }
    return options;
}

NetworkOptions parse_network_options(const RunTexts& a) {
    NetworkOptions options;
    if (a.width) options.width = real("width", *a.width, 0, 16, true);
    if (a.bias) options.bias = parse_switch("bias", *a.bias);
    if (a.affine) options.affine = parse_switch("affine", *a.affine);
    if (a.batch_norm) options.batch_norm = parse_switch("batch-norm", *a.batch_norm);
    if (a.dropout) options.dropout = static_cast<float>(real("dropout", *a.dropout, 0, 0.99, false));
    return options;
}

void refuse_network_options(const RunTexts& a) {
    const std::string condition = "a network by name or from YAML";
    refuse_without(a.width, false, "width", condition);
    refuse_without(a.bias, false, "bias", condition);
    refuse_without(a.affine, false, "affine", condition);
    refuse_without(a.batch_norm, false, "batch-norm", condition);
    refuse_without(a.dropout, false, "dropout", condition);
    refuse_without(a.classes, false, "classes", condition);
}

}  // namespace bitline::training
