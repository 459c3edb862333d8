// The options of a run as text: read, checked, and as a checkpoint keeps them.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/options.h"
#include "training/trainer.h"

namespace bitline::training {

namespace {

using Kind = ScheduleOptions::Kind;

constexpr double kMostEpochs = 1000000;

[[noreturn]] void fail(const std::string& text, const std::string& problem) {
    throw ConfigError(
        fmt::format("schedule '{}': {}; write constant, cosine, step=EPOCH/EPOCH:FACTOR or "
                    "exponential=FACTOR",
                    printable(text), problem));
}

double parse_part(const std::string& name, const std::string& value, OptionRange range) {
    OptionText option;
    option.path = "schedule: " + name;
    option.value = value;
    const double number = parse_real(option, kPureNumber);
    if (!range.contains(number)) throw violation_error(option, range.relation(name));
    return number;
}

double parse_factor(const std::string& value) { return parse_part("factor", value, {0, 1, true}); }

/// "30/60:0.2"
void read_steps(EpochSchedule& schedule, const std::string& value, const std::string& text) {
    const size_t colon = std::min(value.find(':'), value.size());
    if (colon < value.size()) schedule.factor = parse_factor(value.substr(colon + 1));
    for (size_t start = 0; start <= colon;) {
        const size_t end = std::min(value.find('/', start), colon);
        schedule.milestones.push_back(parse_part("epoch", value.substr(start, end - start), {0, kMostEpochs, true}));
        start = end + 1;
    }
    if (!std::is_sorted(schedule.milestones.begin(), schedule.milestones.end())) fail(text, "its epochs do not rise");
}

std::string kind_name(Kind kind) {
    switch (kind) {
        case Kind::constant:
            return "constant";
        case Kind::step:
            return "step";
        case Kind::exponential:
            return "exponential";
        case Kind::cosine:
            return "cosine";
    }
    return {};
}

std::string kind_name(LossOptions::Kind kind) {
    switch (kind) {
        case LossOptions::Kind::cross_entropy:
            return "cross-entropy";
        case LossOptions::Kind::mean_squared_error:
            return "mse";
        case LossOptions::Kind::distillation:
            return "distillation";
    }
    return {};
}

std::string numbers(const std::vector<double>& values) {
    std::vector<std::string> texts;
    for (const double value : values) texts.push_back(real_text(value));
    return fmt::format("{}", fmt::join(texts, "/"));
}

void require(double value, OptionRange range, const std::string& name) {
    if (range.contains(value)) return;
    throw ConfigError(fmt::format("{} = {} violates {}", name, real_text(value), range.relation(name)));
}

int64_t steps_of(double epochs, int64_t steps_per_epoch) {
    return std::llround(epochs * static_cast<double>(steps_per_epoch));
}

}  // namespace

EpochSchedule parse_schedule(const std::string& text) {
    EpochSchedule schedule;
    const size_t equals = std::min(text.find('='), text.size());
    const std::string name = text.substr(0, equals);
    const std::string value = equals < text.size() ? text.substr(equals + 1) : "";
    if (name == "step") {
        if (value.empty()) fail(text, "step needs the epochs at which the rate falls");
        schedule.kind = Kind::step;
        read_steps(schedule, value, text);
        return schedule;
    }
    if (name == "exponential") {
        if (value.empty()) fail(text, "exponential needs the factor per epoch");
        schedule.kind = Kind::exponential;
        schedule.factor = parse_factor(value);
        return schedule;
    }
    if (name != "constant" && name != "cosine") {
        fail(text, fmt::format("'{}' is unknown, did you mean '{}'?", printable(name),
                               nearest_name(name, {"constant", "cosine", "step", "exponential"})));
    }
    if (equals < text.size()) fail(text, name + " takes no value");
    schedule.kind = name == "constant" ? Kind::constant : Kind::cosine;
    return schedule;
}

std::string to_string(const EpochSchedule& schedule) {
    if (schedule.kind == Kind::step)
        return fmt::format("step={}:{}", numbers(schedule.milestones), real_text(schedule.factor));
    if (schedule.kind == Kind::exponential) return "exponential=" + real_text(schedule.factor);
    return kind_name(schedule.kind);
}

ScheduleOptions in_steps(const EpochSchedule& schedule, int64_t steps_per_epoch) {
    ScheduleOptions options;
    options.kind = schedule.kind;
    options.rate = schedule.rate;
    options.warm_up = steps_of(schedule.warm_up, steps_per_epoch);
    options.factor = schedule.factor;
    if (schedule.kind == Kind::exponential) options.every = steps_per_epoch;
    for (const double epoch : schedule.milestones) options.milestones.push_back(steps_of(epoch, steps_per_epoch));
    return options;
}

void validate(const TrainOptions& options) {
    require(static_cast<double>(options.epochs), {1, kMostEpochs, false}, "epochs");
    require(static_cast<double>(options.batch), {1, 1048576, false}, "batch");
    require(options.schedule.rate, {0, 1e6, true}, "rate");
    require(options.schedule.warm_up, {0, kMostEpochs, false}, "warm-up");
    require(options.loss.smoothing, {0, 0.999, false}, "label smoothing");
    require(options.loss.distillation.temperature, {0, 1e6, true}, "temperature");
    require(options.loss.distillation.weight, {0, 1, false}, "weight of the teacher");
    if (options.freeze_batch_norm_after)
        require(static_cast<double>(*options.freeze_batch_norm_after), {0, kMostEpochs, false},
                "epochs before freezing");
}

OptionTexts describe(const TrainOptions& o) {
    const bool is_adam = o.optimizer.kind == OptimizerOptions::Kind::adam;
    OptionTexts texts{
        {"epochs", fmt::format("{}", o.epochs)},
        {"batch", fmt::format("{}", o.batch)},
        {"seed", fmt::format("{}", o.seed)},
        {"optimizer",
         is_adam ? (o.optimizer.decoupled ? "adamw" : "adam") : (o.optimizer.nesterov ? "nesterov" : "sgd")},
        {"rate", real_text(o.schedule.rate)},
        {"weight decay", real_text(o.optimizer.weight_decay)},
        {"largest gradient norm", real_text(o.optimizer.largest_norm)},
        {"schedule", to_string(o.schedule)},
        {"warm-up", real_text(o.schedule.warm_up)},
        {"loss", kind_name(o.loss.kind)},
        {"augmentation", to_string(o.augmentation)},
        {"preprocess", bitline::to_string(o.preprocess)},
        {"batch norm frozen after",
         o.freeze_batch_norm_after ? fmt::format("{}", *o.freeze_batch_norm_after) : "never"},
    };
    if (is_adam) {
        texts.emplace_back("beta1, beta2, epsilon",
                           numbers({o.optimizer.beta1, o.optimizer.beta2, o.optimizer.epsilon}));
    } else {
        texts.emplace_back("momentum", real_text(o.optimizer.momentum));
    }
    if (o.loss.kind == LossOptions::Kind::cross_entropy) {
        texts.emplace_back("label smoothing", real_text(o.loss.smoothing));
    } else if (o.loss.kind == LossOptions::Kind::distillation) {
        texts.emplace_back("temperature", real_text(o.loss.distillation.temperature));
        texts.emplace_back("weight of the teacher", real_text(o.loss.distillation.weight));
    }
    return texts;
}

OptionTexts describe(const ModelOptions& o) {
    if (o.method.empty()) return {{"method", "float"}};
    OptionTexts texts{
        {"method", o.method},
        {"weight bits", fmt::format("{}", o.weight_bits)},
        {"input bits", fmt::format("{}", o.input_bits)},
        {"bits of the first and last layer", o.first_last_bits == 0 ? "same" : fmt::format("{}", o.first_last_bits)},
        {"gradient bits", fmt::format("{}", o.method_options.gradient_bits)},
    };
    if (o.fold_batch_norm) texts.emplace_back("batch norm folded", "on");
    for (const auto& [layer, bits] : o.layer_bits)
        texts.emplace_back("bits of " + layer, fmt::format("{}/{}", bits.weights, bits.inputs));
    return texts;
}

}  // namespace bitline::training
