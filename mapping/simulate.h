#pragma once

// The main job: read the network, read the architecture, map, program, run, report.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/network.h"
#include "mapping/architecture.h"
#include "mapping/chip.h"
#include "mapping/mapping.h"

namespace bitline {

struct SimulateOptions {
    int trials = 1;  // 1 <= trials <= 1000000
    uint64_t seed = 0;
    int64_t block = 0;                 // samples per block of work; 0: chosen. Never changes a result
    bool ideal_chip = true;            // also run the chip with perfect cells and lossless converters over every sample
    int64_t calibration_samples = 64;  // first samples of the calibration data, for calibrated ADC ranges and
                                       // compensation.batch_norm
    std::vector<double> ages{0};       // s since programming, rising, 0 <= age <= 1e12; 0: freshly programmed
    double temperature = 300;          // K, of every read, 1 <= temperature <= 2000

    bool ages_given() const;  // anything but one fresh chip at 300 K
};

/// Throws ConfigError naming the violated relation.
void validate(const SimulateOptions& options);

/// Where the run is: called from one thread at a time, a few times a second. `total` samples over all passes.
struct Progress {
    std::string stage;  // "calibrating", "software", "trial 3/10", "trial 3/10, age 2/6"
    int64_t done = 0, total = 0;
    double seconds = 0;
};
using ProgressFunction = std::function<void(const Progress&)>;

struct LayerResult {
    std::string name;
    int64_t arrays = 0;
    std::optional<double> sqnr_db;    // over all trials; none where the layer was exact
    double adc_clip_rate = 0;         // share of conversions
    AdcRange adc;                     // of the first trial
    CompensationReport compensation;  // over all trials
};

struct TrialResult {
    double accuracy = 0, agreement = 0;
    ProgrammingReport programming;
};

/// All trials at one age.
struct ChipResult {
    std::vector<TrialResult> trials;
    double accuracy_mean = 0;
    std::optional<double> accuracy_std, accuracy_ci95;  // none for one trial; ci95: half width, Student's t
    double agreement = 0;                               // mean over trials
    std::vector<LayerResult> layers;
};

struct AgeResult {
    double age = 0;                  // s
    std::string outside;             // why the cell's model says nothing about this age; empty where it does
    std::optional<ChipResult> chip;  // none outside
};

/// The chip's figures are those of the first age that the cell's model covers.
struct SimulationResult : ChipResult {
    std::vector<AgeResult> ages;  // as SimulateOptions::ages
    int64_t samples = 0;
    std::optional<double> float_accuracy;
    double software_accuracy = 0;
    std::optional<double> ideal_accuracy;  // none where it was not run
    int64_t ideal_unequal = 0;             // samples whose ideal-chip output differs from the software's in any bit
    double seconds = 0;                    // of all passes
    double images_per_second = 0;          // samples * trials * ages / seconds of the chip passes
    std::string calibration;  // spec of the data for ADC ranges and output statistics; empty where none were needed
    int64_t calibration_samples = 0;
};

/// Whether a run needs calibration samples.
bool needs_calibration(const Architecture& architecture);

/// `real_network`: the float network for the chain's first link, may be null. `calibration`: data for calibrated ADC
/// ranges and output statistics; null: the first samples of `data`. Each trial is one chip, read at every age. Throws
/// ConfigError (also where the cell's model covers none of the ages, or not the temperature), FormatError, Interrupted.
SimulationResult simulate(const Network& network, const Mapping& mapping, const Dataset& data,
                          const Preprocess& preprocess, const Network* real_network, const Dataset* calibration,
                          const SimulateOptions& options, const ProgressFunction& progress = {});

/// Accuracy of a network in software, top-1.
double software_accuracy(const Network& network, const Dataset& data, const Preprocess& preprocess,
                         const ProgressFunction& progress = {});

}  // namespace bitline
