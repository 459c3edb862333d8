#pragma once

// The chip of a training: what stands in the loop, and which chips the result is measured on.

#include <optional>
#include <string>

#include "mapping/simulate.h"
#include "training/hardware.h"
#include "training/run_options.h"

namespace bitline::training {

struct HardwarePlan {
    std::optional<HardwareOptions> in_loop;  // none: trained without
    int64_t after = 0;                       // epochs
    std::string name;                        // of the architecture, as given
    Architecture architecture;
    SimulateOptions chips;
    std::optional<int64_t> limit;  // samples that the chips are measured on
};

/// `quantized`: the run has a method. Throws ConfigError.
HardwarePlan parse_hardware(const HardwareTexts& texts, bool quantized, uint64_t seed);

/// What of it decides the run, for checkpoints.
OptionTexts describe(const HardwarePlan& plan);

}  // namespace bitline::training
