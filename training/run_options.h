#pragma once

// The options of a training as users write them, on the command line or as keywords of Python, and what they say.

#include <optional>
#include <string>
#include <vector>

#include "mapping/architecture.h"
#include "training/model.h"
#include "training/trainer.h"
#include "training/zoo.h"

namespace bitline::training {

/// The chip in the loop and at the end; see hardware_plan.h.
struct HardwareTexts {
    std::optional<Architecture> chip;  // in place of `architecture`, `device` and `settings`
    std::optional<std::string> strength, architecture, device, weight_noise, output_noise, ages, temperature, after,
        every, samples, trials, limit;
    std::vector<std::string> settings;
    bool fixed_chip = false, learn_ranges = false;
};

/// As written; none: not given.
struct RunTexts {
    std::optional<std::string> preprocess, classes;
    std::optional<std::string> width, bias, affine, batch_norm, dropout;
    std::optional<std::string> method, weight_bits, input_bits, gradient_bits, first_last_bits;
    std::vector<std::string> layer_bits;
    std::optional<std::string> epochs, batch, optimizer, rate, momentum, weight_decay, gradient_norm, schedule, warmup;
    std::optional<std::string> loss, smoothing, teacher, temperature, teacher_weight, augment, freeze_batch_norm, seed;
    bool fold_batch_norm = false;
    HardwareTexts hardware;
};

// All throw ConfigError that names the option as it was written (core/named_options.h), also where it has no effect.
TrainOptions parse_train_options(const RunTexts& a);
ModelOptions parse_model_options(const RunTexts& a);
NetworkOptions parse_network_options(const RunTexts& a);
/// Options of new networks, where an old one is trained on.
void refuse_network_options(const RunTexts& a);

}  // namespace bitline::training
