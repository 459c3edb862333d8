#pragma once

// One training from its options to the chain: what the command line and Python share.

#include <memory>
#include <optional>
#include <string>

#include "core/data.h"
#include "training/chain.h"
#include "training/hardware_plan.h"
#include "training/run_options.h"
#include "training/trainer.h"

namespace bitline::training {

struct RunPlan {
    TrainOptions options;  // preprocess: not chosen yet
    ModelOptions model;
    NetworkOptions network;
    HardwarePlan hardware;

    bool quantized() const { return !model.method.empty(); }
};

/// Everything that the options say. Throws ConfigError.
RunPlan parse_run(const RunTexts& texts);

/// What a user names as a network: one that is built in, a YAML file of layers, or a file to go on from.
enum class NetworkSource { name, yaml, file };
NetworkSource source_of(const std::string& model);

/// A new network for the data, by name or from YAML. Throws ConfigError, FormatError.
TrainingNetwork make_network(const std::string& model, const RunTexts& texts, const RunPlan& plan, const Dataset& data);

struct ChosenPreprocess {
    Preprocess preprocess;
    std::string origin;  // "--preprocess", "the model", "images of bytes", "default"
};
/// What is given, else what the network carries, else unit for images of bytes (idx:, cifar10:), else raw.
ChosenPreprocess choose_preprocess(const std::optional<std::string>& given, const Network& network,
                                   const std::string& data_spec);

/// Whence a run starts, as a checkpoint keeps it.
struct RunOrigin {
    std::string network;                        // a name, "of SHA-256 ..."
    bool new_network = false;                   // options of networks count
    std::optional<std::string> teacher, start;  // "of SHA-256 ..."
};

class Run {
 public:
    /// Both preprocess fields, of the plan's options and of the network, are set here. Throws ConfigError.
    Run(RunPlan plan, const RunOrigin& origin, TrainingNetwork network, const TrainData& data,
        const Preprocess& preprocess);

    const RunPlan& plan() const { return plan_; }
    const TrainData& data() const { return data_; }
    Model& model() { return model_; }
    Trainer& trainer() { return trainer_; }

    /// The chain of the network as it is, on chips that are the same whenever this is called. With a method only.
    Chain measure(const ProgressFunction& progress);
    /// The same before the first step: quantizers take their ranges from the first batch.
    Chain measure_start(const ProgressFunction& progress);

    /// What was learned: with a method of integers, else float.
    Network result() const;

 private:
    SampleReader calibration() const;
    std::unique_ptr<Hardware> attach_hardware();

    RunPlan plan_;
    TrainingNetwork network_;
    TrainData data_;
    Model model_;
    std::unique_ptr<Hardware> hardware_;
    Trainer trainer_;
};

}  // namespace bitline::training
