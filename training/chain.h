#pragma once

// The chain that every training ends with: float, quantized in float arithmetic, integer, ideal chip, real chips.

#include <memory>

#include "core/data.h"
#include "mapping/simulate.h"
#include "training/model.h"

namespace bitline::training {

/// Shares of samples whose largest logit is that of the label.
struct Chain {
    double real = 0;        // float weights, no quantizers
    double quantized = 0;   // quantized weights and inputs, float sums
    double integer = 0;     // integer sums
    SimulationResult chip;  // ideal and real chips, at every age asked for

    /// integer - mean of the real chips, at the first age that the cells' model covers.
    double gap() const { return integer - chip.accuracy_mean; }
};

/// Measures all links on `test`; hardware that the model is attached to does not count. `calibration`: data for
/// converter ranges and compensation (null: from `test`). Quantizers must have seen data. Throws ConfigError where the
/// network does not fit the architecture.
Chain measure_chain(Model& model, const std::shared_ptr<const Dataset>& test, const Preprocess& preprocess,
                    const Dataset* calibration, const Architecture& architecture, const SimulateOptions& options,
                    const ProgressFunction& progress = {});

}  // namespace bitline::training
