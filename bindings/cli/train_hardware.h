#pragma once

// `bitline train` with a chip in the loop: its options, and the chain from float to chip that ends every run.

#include <optional>
#include <string>
#include <vector>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "training/chain.h"
#include "training/hardware.h"
#include "training/trainer.h"

namespace bitline::cli {

struct HardwareArguments {
    std::optional<std::string> strength, architecture, device, weight_noise, output_noise, ages, temperature, after,
        every, samples, trials, limit;
    std::vector<std::string> settings;
    bool fixed_chip = false, learn_ranges = false;
};

void add_hardware(Command& command, HardwareArguments& arguments);

/// What stands in the loop, and which chips the result is measured on.
struct HardwarePlan {
    std::optional<training::HardwareOptions> in_loop;  // none: trained without
    int64_t after = 0;                                 // epochs
    std::string name;                                  // of the architecture, as given
    Architecture architecture;
    SimulateOptions chips;
    std::optional<int64_t> limit;  // samples that the chips are measured on
};

/// `quantized`: the run has a method. Throws ConfigError.
HardwarePlan parse_hardware(const HardwareArguments& arguments, bool quantized, uint64_t seed);

/// What of it decides the run, for checkpoints.
training::OptionTexts describe(const HardwarePlan& plan);

/// The table of all links, before (where measured) and after, for people; and for machines.
std::string chain_text(const HardwarePlan& plan, const std::optional<training::Chain>& before,
                       const training::Chain& after);
Json to_json(const HardwarePlan& plan, const std::optional<training::Chain>& before, const training::Chain& after);

}  // namespace bitline::cli
