#pragma once

// The options of `bitline train`: as given, what they say, and their help.

#include <optional>
#include <string>
#include <vector>

#include "bindings/cli/command.h"
#include "bindings/cli/train_hardware.h"
#include "training/model.h"
#include "training/trainer.h"
#include "training/zoo.h"

namespace bitline::cli {

struct TrainArguments {
    std::optional<std::string> model, data, test, limit, test_limit, preprocess, classes;
    std::optional<std::string> width, bias, affine, batch_norm, dropout;
    std::optional<std::string> method, weight_bits, input_bits, gradient_bits, first_last_bits;
    std::vector<std::string> layer_bits;
    std::optional<std::string> epochs, batch, optimizer, rate, momentum, weight_decay, gradient_norm, schedule, warmup;
    std::optional<std::string> loss, smoothing, teacher, temperature, teacher_weight, augment, freeze_batch_norm;
    std::optional<std::string> seed, threads, output, onnx, checkpoint, every, resume, initial, json;
    bool fold_batch_norm = false, quiet = false;
    HardwareArguments hardware;
};

void add_arguments(Command& command, TrainArguments& arguments);

// All throw ConfigError, also where an option has no effect.
training::TrainOptions parse_train_options(const TrainArguments& a);
training::ModelOptions parse_model_options(const TrainArguments& a);
training::NetworkOptions parse_network_options(const TrainArguments& a);
/// Options of new networks, where an old one is trained on.
void refuse_network_options(const TrainArguments& a);

}  // namespace bitline::cli
