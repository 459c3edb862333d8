#include "training/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/interrupt.h"

namespace bitline::training {

namespace {

constexpr int64_t kMostSteps = int64_t(1) << 32;  // steps are counted in 32 bits by every random draw

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

const Shape& input_shape(const Network& network) { return network.values.at(size_t(network.input)).shape; }

BatchOptions batch_options(const TrainOptions& options) {
    return {options.batch, options.seed, options.augmentation, options.preprocess};
}

BatchOptions plain_options(const TrainOptions& options) { return {options.batch, 0, {}, options.preprocess}; }

void require_labels(const Dataset& data, const Network& network) {
    if (data.labels().empty()) {
        throw ConfigError(fmt::format("{}: carries no labels; training needs y beside x", data.spec()));
    }
    require_fit(data, network);
}

void check_data(const TrainData& data, const Network& structure, const TrainOptions& options) {
    validate(options);
    require_labels(*data.training, structure);
    require_labels(*data.test, structure);
    const bool distils = options.loss.kind == LossOptions::Kind::distillation;
    if (distils != (data.teacher != nullptr)) {
        throw ConfigError(distils ? "distillation needs a teacher network" : "a teacher needs the loss distillation");
    }
    if (!data.teacher) return;
    require_fit(*data.training, *data.teacher);
    const auto outputs = [](const Network& n) { return element_count(n.values.at(size_t(n.output)).shape); };
    if (outputs(*data.teacher) == outputs(structure)) return;
    throw ConfigError(fmt::format("the teacher has {} outputs, the network has {}; both need the same classes",
                                  outputs(*data.teacher), outputs(structure)));
}

/// As the network wants them.
const TrainData& checked(const TrainData& data, const Network& structure, const TrainOptions& options) {
    check_data(data, structure, options);
    return data;
}

int64_t count_steps(const Batches& batches, const TrainOptions& options) {
    const int64_t steps = batches.count();
    if (steps <= kMostSteps / options.epochs) return steps * options.epochs;
    throw ConfigError(fmt::format("{} epochs of {} steps violate epochs * steps <= {}; larger batches take fewer steps",
                                  options.epochs, steps, kMostSteps));
}

}  // namespace

double evaluate(Model& model, const Batches& data, int64_t block, const Pass& pass) {
    const int64_t samples = data.data().size();
    Batch batch;
    int64_t right = 0;
    for (int64_t first = 0; first < samples; first += block) {
        data.get_plain(first, std::min(block, samples - first), batch);
        const Tensor& logits = model.forward(pass, batch.input);
        for (int64_t s = 0; s < logits.samples; ++s) {
            right += top1({logits.sample(s), size_t(logits.elements())}) == batch.labels[size_t(s)];
        }
    }
    return static_cast<double>(right) / static_cast<double>(samples);
}

Trainer::Trainer(Model& model, const Network& structure, const TrainData& data, const TrainOptions& options,
                 const OptionTexts& more)
    : model_(model),
      data_(checked(data, structure, options)),
      options_(options),
      batches_(data.training, input_shape(structure), batch_options(options)),
      test_(data.test, input_shape(structure), plain_options(options)),
      schedule_(in_steps(options.schedule, batches_.count())),
      steps_(count_steps(batches_, options)),
      optimizer_(model.parameters(), options.optimizer) {
    training::validate(schedule_);
    if (data.teacher) teacher_engine_ = make_exact_engine(*data.teacher);
    for (const OptionTexts& texts : {more, describe(model.options()), describe(options)}) {
        run_.options.insert(run_.options.end(), texts.begin(), texts.end());
    }
    run_.network = fingerprint(structure);
    run_.data = fingerprint(*data.training);
    run_.test_data = fingerprint(*data.test);
}

Checkpoint Trainer::checkpoint() {
    Checkpoint checkpoint = run_;
    checkpoint.standing = standing_;
    checkpoint.parameters = copy_values(model_.parameters());
    checkpoint.states = copy_values(model_.states());
    checkpoint.optimizer = copy_values(optimizer_.states());
    return checkpoint;
}

void Trainer::resume(const Checkpoint& from, const std::string& path) {
    require_same_run(from, path, checkpoint());
    const int64_t epoch_start = from.standing.epochs * batches_.count();
    if (from.standing.epochs > options_.epochs || from.standing.step < epoch_start ||
        from.standing.step > epoch_start + batches_.count()) {
        throw FormatError(fmt::format("{}: step {} after {} whole epochs of {} steps is no place in this run", path,
                                      from.standing.step, from.standing.epochs, batches_.count()));
    }
    standing_ = from.standing;
    restore_values(from.parameters, model_.parameters());
    restore_values(from.states, model_.states());
    restore_values(from.optimizer, optimizer_.states());
}

void Trainer::start_from(const Checkpoint& from, const std::string& path) {
    restore_known(from.parameters, model_.parameters(), path);
    restore_known(from.states, model_.states(), path);
}

void Trainer::run(const TrainHooks& hooks) {
    started_ = now();
    first_step_ = standing_.step;
    while (standing_.epochs < options_.epochs) {
        while (standing_.step < (standing_.epochs + 1) * batches_.count()) {
            check_interrupt();
            take_step();
            if (hooks.progress) hooks.progress(progress());
        }
        finish_epoch(hooks);
    }
}

/// A request to stop waits until the step is whole: a resumed run then has the bits of an unbroken one.
void Trainer::take_step() {
    const InterruptHold hold;
    const double begin = now();
    Pass pass;
    pass.training = true;
    pass.freeze_batch_norm = options_.freeze_batch_norm_after && standing_.epochs >= *options_.freeze_batch_norm_after;
    pass.ideal = standing_.epochs < options_.hardware_after;
    pass.seed = options_.seed;
    pass.step = static_cast<uint32_t>(standing_.step);
    batches_.get(static_cast<uint32_t>(standing_.epochs), standing_.step % batches_.count(), batch_);
    if (data_.teacher) ask_teacher();
    const LossResult result = find_loss(model_.forward(pass, batch_.input));
    if (!std::isfinite(result.loss)) {
        const std::string layer = model_.first_not_finite();
        throw Diverged(fmt::format("step {} (epoch {}): the loss is {}; {}", standing_.step + 1, standing_.epochs + 1,
                                   result.loss,
                                   layer.empty() ? "the outputs of all layers are finite, but too large for the loss"
                                                 : "the first output that is not finite is that of layer " + layer));
    }
    model_.backward(pass, gradient_);
    optimizer_.step(learning_rate(schedule_, standing_.step, steps_));
    ++standing_.step;
    const int64_t samples = batch_.input.samples;
    standing_.epoch.loss += result.loss * static_cast<double>(samples);
    standing_.epoch.right += result.correct;
    standing_.epoch.samples += samples;
    standing_.epoch.seconds += now() - begin;
}

LossResult Trainer::find_loss(const Tensor& logits) {
    switch (options_.loss.kind) {
        case LossOptions::Kind::mean_squared_error:
            return mean_squared_error(logits, batch_.labels, gradient_);
        case LossOptions::Kind::distillation:
            return distillation(logits, teacher_logits_, batch_.labels, options_.loss.distillation, gradient_);
        case LossOptions::Kind::cross_entropy:
            break;
    }
    return cross_entropy(logits, batch_.labels, options_.loss.smoothing, gradient_);
}

/// The teacher sees the very samples that the network sees, augmented alike.
void Trainer::ask_teacher() {
    const Network& teacher = *data_.teacher;
    const Tensor& input = batch_.input;
    teacher_logits_.resize(teacher.values[size_t(teacher.output)].shape, input.samples);
    for_chunks(input.samples, [&](int64_t, int64_t first, int64_t count) {
        const auto logits = bitline::run(teacher, *teacher_engine_,
                                         {input.sample(first), size_t(count * input.elements())}, count, first);
        std::copy(logits.begin(), logits.end(), teacher_logits_.sample(first));
    });
}

void Trainer::finish_epoch(const TrainHooks& hooks) {
    require_finite();
    const double begin = now();
    Pass pass;
    pass.ideal = true;
    pass.seed = options_.seed;
    pass.step = static_cast<uint32_t>(standing_.step - 1);
    const double accuracy = evaluate(model_, test_, options_.batch, pass);
    const auto samples = static_cast<double>(standing_.epoch.samples);
    EpochResult result;
    result.epoch = standing_.epochs + 1;
    result.epochs = options_.epochs;
    result.step = standing_.step;
    result.rate = learning_rate(schedule_, standing_.step - 1, steps_);
    result.loss = standing_.epoch.loss / samples;
    result.accuracy = static_cast<double>(standing_.epoch.right) / samples;
    result.test_accuracy = accuracy;
    result.seconds = standing_.epoch.seconds + now() - begin;
    if (accuracy > standing_.best_accuracy) {
        standing_.best_accuracy = accuracy;
        standing_.best_epoch = result.epoch;
    }
    result.best_accuracy = standing_.best_accuracy;
    result.best_epoch = standing_.best_epoch;
    standing_.epoch = {};
    ++standing_.epochs;
    if (hooks.epoch) hooks.epoch(result);
}

/// A step may leave numbers that only the next loss would show: they must reach no checkpoint.
void Trainer::require_finite() {
    const auto require = [&](const auto& items) {
        for (const auto* item : items) {
            if (std::all_of(item->value.begin(), item->value.end(), [](float v) { return std::isfinite(v); })) continue;
            throw Diverged(fmt::format("step {} (epoch {}): {} is no longer finite", standing_.step,
                                       standing_.epochs + 1, item->name));
        }
    };
    require(model_.parameters());
    require(model_.states());
}

TrainProgress Trainer::progress() const {
    TrainProgress progress;
    progress.epoch = standing_.epochs + 1;
    progress.epochs = options_.epochs;
    progress.step = standing_.step;
    progress.steps = steps_;
    const auto samples = static_cast<double>(standing_.epoch.samples);
    progress.loss = standing_.epoch.loss / samples;
    progress.accuracy = static_cast<double>(standing_.epoch.right) / samples;
    progress.share = static_cast<double>(standing_.step - first_step_) / static_cast<double>(steps_ - first_step_);
    progress.seconds = now() - started_;
    return progress;
}

}  // namespace bitline::training
