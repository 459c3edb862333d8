#pragma once

// The programmed state: conductances of every cell and the converters' errors, one sample of the fabrication.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/network.h"
#include "core/reference.h"
#include "mapping/mapping.h"

namespace bitline {

/// What a layer's converters resolve, the same for every converter of the layer before their own errors.
struct AdcRange {
    double step = 1;               // levels per code
    int32_t lo = 0, hi = 0;        // codes
    int bits = 0;
    bool lossless = true;          // step = one level, every sum inside the range
    bool one_bit = false;
    double threshold = 0;          // one_bit: levels; the two codes stand for threshold +- step
    std::string policy;            // "lossless", "fixed", "calibrated (mse)", ...
};

struct ProgrammingReport {
    int64_t cells = 0;
    int64_t stuck_low = 0, stuck_high = 0;
    int64_t clipped = 0;  // cells whose programming error ran into the physical limits
};

struct ChipBlock {             // the rows of an array that are driven together
    int64_t first_row = 0, rows = 0;  // logical rows of the pack
    kernels::Block cells;
};

struct ChipArray {
    std::vector<ChipBlock> blocks;
    kernels::Converter converter;
    kernels::Readout readout;
    std::vector<int32_t> outputs;         // (local outputs) column of the pack; -1: reference column
    std::vector<int64_t> input_weight;    // (local outputs) digital correction per unit of summed driven codes
    std::vector<int64_t> background;      // (local outputs) sum of column weights: how often G_min counts
    std::vector<int32_t> reference;       // (local outputs) local index of the reference column, -1: none
};

struct ChipLayer {
    AdcRange adc;
    std::vector<ChipArray> arrays;  // as MappedLayer::arrays
};

struct Chip {
    std::vector<ChipLayer> layers;  // as Mapping::layers
    ProgrammingReport report;
    uint64_t seed = 0;
    uint32_t trial = 0;
    bool ideal = false;  // perfect cells and converters, no read noise
};

/// Perfect cells and lossless converters: the chip that must equal the integer reference.
Chip program_ideal(const Mapping& mapping);

/// Perfect cells behind the given converters.
Chip program_nominal(const Mapping& mapping, const std::vector<AdcRange>& ranges);

/// Cells and converters with their errors: one trial.
Chip program(const Mapping& mapping, const std::vector<AdcRange>& ranges, uint64_t seed, uint32_t trial);

/// Ranges of policy lossless or fixed; calibrated ones come from `calibrate_ranges`.
AdcRange lossless_range(const MappedLayer& layer);
std::vector<AdcRange> static_ranges(const Mapping& mapping);

/// Ranges from the sums that nominal cells give for calibration inputs (samples x input elements, preprocessed).
std::vector<AdcRange> calibrate_ranges(const Network& network, const Mapping& mapping, std::span<const float> input,
                                       int64_t samples);

/// What one layer did for one sample.
struct LayerRecord {
    double signal = 0, error = 0;  // sums of squares of the exact output, and of chip minus exact
    int64_t clipped = 0, conversions = 0;
};

/// Runs layers on a chip. Immutable and shared by all threads.
class ChipEngine : public ProductEngine {
   public:
    /// With `records` (filled by `product` at records[(sample - first_recorded) * layers + layer]) the exact sums are
    /// computed beside the chip's.
    ChipEngine(const Network& network, const Mapping& mapping, const Chip& chip, const ProductEngine* exact = nullptr);
    ~ChipEngine() override;
    void record_into(std::vector<LayerRecord>* records, int64_t first_recorded);
    void product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples,
                 int64_t first_sample, std::span<double> acc) override;

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bitline
