#pragma once

// Training from the first step to the last, and what is told on the way.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/error.h"
#include "core/reference.h"
#include "training/augment.h"
#include "training/batches.h"
#include "training/checkpoint.h"
#include "training/loss.h"
#include "training/model.h"
#include "training/optimizer.h"
#include "training/schedule.h"

namespace bitline::training {

/// schedule.h, in epochs.
struct EpochSchedule {
    ScheduleOptions::Kind kind = ScheduleOptions::Kind::cosine;  // cosine: down to 0 at the end of the run
    double rate = 0.001;                                         // > 0, finite
    double warm_up = 0;                                          // epochs, 0 <= warm_up <= 1000000
    double factor = 0.1;                                         // step: at each milestone; exponential: per epoch
    std::vector<double> milestones;                              // step: epochs, rising, > 0; at least one
};

/// "constant", "cosine", "step=30/60" or "step=30/60:0.2" (epochs, factor), "exponential=0.95". Throws ConfigError.
EpochSchedule parse_schedule(const std::string& text);
std::string to_string(const EpochSchedule& schedule);  // without rate and warm-up
ScheduleOptions in_steps(const EpochSchedule& schedule, int64_t steps_per_epoch);

struct LossOptions {
    enum class Kind { cross_entropy, mean_squared_error, distillation } kind = Kind::cross_entropy;
    double smoothing = 0;  // cross entropy: 0 <= smoothing < 1
    Distillation distillation;
};

struct TrainOptions {
    int64_t epochs = 20;  // 1 <= epochs <= 1000000
    int64_t batch = 64;   // samples per step, 1 <= batch <= 1048576
    OptimizerOptions optimizer;
    EpochSchedule schedule;
    LossOptions loss;
    uint64_t seed = 0;
    Augmentation augmentation;
    Preprocess preprocess;
    std::optional<int64_t> freeze_batch_norm_after;  // epochs: from then on by running statistics
    int64_t hardware_after = 0;                      // epochs before the model meets the hardware attached to it
};

/// Throws ConfigError naming the violated relation.
void validate(const TrainOptions& options);

/// What the options are called in a checkpoint, with their values.
OptionTexts describe(const TrainOptions& options);
OptionTexts describe(const ModelOptions& options);

/// What a run trains on.
struct TrainData {
    std::shared_ptr<const Dataset> training, test;  // both with labels
    std::shared_ptr<const Network> teacher;         // distillation: reads the same samples, has the same outputs
};

struct TrainProgress {
    int64_t epoch = 1, epochs = 1;  // the one that runs, 1 .. epochs
    int64_t step = 0, steps = 1;    // taken, of the whole run
    double loss = 0;                // means of the epoch so far
    double accuracy = 0;            // share
    double share = 0;               // of the work of this process's part of the run
    double seconds = 0;             // of this process
};

struct EpochResult {
    int64_t epoch = 1, epochs = 1, step = 0;
    double rate = 0;           // of the last step
    double loss = 0;           // mean over the training samples, each before the step that it took part in
    double accuracy = 0;       // share, likewise
    double test_accuracy = 0;  // share, after the epoch, without hardware
    double best_accuracy = 0;  // of the run
    int64_t best_epoch = 1;
    double seconds = 0;  // of the epoch with its test
};

/// Called from the thread that runs the trainer, where it is safe to take a checkpoint.
struct TrainHooks {
    std::function<void(const TrainProgress&)> progress;  // after every step
    std::function<void(const EpochResult&)> epoch;       // after every epoch
};

/// A loss or a number of the network is NaN or infinite.
struct Diverged : RunError {
    using RunError::RunError;
};

/// Share of a data set that a model gets right, with the hardware that is attached, `block` samples at a time. `pass`:
/// whose seed and step the hardware draws with.
double evaluate(Model& model, const Batches& data, int64_t block, const Pass& pass);

class Trainer {
 public:
    /// `structure`: the network that the model was made of. Hardware is attached to the model already. `more` stands
    /// for options that decide the run beyond those of `options` and the model. Throws ConfigError.
    Trainer(Model& model, const Network& structure, const TrainData& data, const TrainOptions& options,
            const OptionTexts& more = {});

    const Standing& standing() const { return standing_; }
    int64_t steps_per_epoch() const { return batches_.count(); }

    /// The state between two steps.
    Checkpoint checkpoint();
    /// Goes on from there. Throws ConfigError (require_same_run).
    void resume(const Checkpoint& checkpoint, const std::string& path);
    /// Takes what the network of another run, with whatever options, has learned, and starts with that. Parameters and
    /// states that the checkpoint lacks (of another method, of hardware) stay. Throws ConfigError.
    void start_from(const Checkpoint& checkpoint, const std::string& path);

    /// To the end of the last epoch. Throws Interrupted between two steps, Diverged; `checkpoint` is then as it was
    /// after the last whole step.
    void run(const TrainHooks& hooks);

 private:
    void take_step();
    void finish_epoch(const TrainHooks& hooks);
    LossResult find_loss(const Tensor& logits);
    void ask_teacher();
    void require_finite();
    TrainProgress progress() const;

    Model& model_;
    TrainData data_;
    TrainOptions options_;
    Batches batches_, test_;
    ScheduleOptions schedule_;
    int64_t steps_;  // of the whole run
    Optimizer optimizer_;
    std::unique_ptr<ProductEngine> teacher_engine_;
    Checkpoint run_;  // what identifies it
    Standing standing_;
    Batch batch_;
    Tensor gradient_, teacher_logits_;
    double started_ = 0;  // s
    int64_t first_step_ = 0;
};

}  // namespace bitline::training
