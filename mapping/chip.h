#pragma once

// The programmed state: conductances of every cell and the converters' errors, one sample of the fabrication.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/network.h"
#include "core/random.h"
#include "core/reference.h"
#include "devices/cell_law.h"
#include "mapping/lines.h"
#include "mapping/mapping.h"
#include "mapping/wander.h"

namespace bitline {

/// Rows of an array that are driven together.
struct ChipBlock {
    int64_t first_row = 0, rows = 0;  // logical rows of the pack
    kernels::Block cells;             // (lines x columns), see LinePlan
    Wander wander;                    // noise that lasts longer than a conversion
};

struct ChipArray {
    std::vector<ChipBlock> blocks;
    kernels::Converter converter;
    kernels::Readout readout;           // into the array's own outputs, numbered from 0
    std::vector<int32_t> outputs;       // (own outputs) column of the pack; -1: reference column
    std::vector<int64_t> input_weight;  // (own outputs) levels to add per unit of the summed driven codes
    std::vector<int64_t> background;    // (own outputs) sum of the column weights: how often G_min is counted
    std::vector<double> wire_gain;      // (columns) that compensation.wires leaves to the digital side; empty: none
    int32_t reference = -1;             // own output that is the reference column, -1: none
    bool corrects_background = false;   // G_min is not 0, and neither cancelled nor measured
};

/// What the digital side corrects beyond the plan; as it stands, nothing.
struct Correction {
    double gain = 1;                   // of all sums of codes
    int gain_bits = 0;                 // the column weights of Readout hold column gains times 2^gain_bits
    std::vector<double> offset;        // (out_channels) levels added to the sum, or empty
    std::vector<double> scale, shift;  // (out_channels) result = scale * result + shift, or empty
};

/// What a compensation measured of many columns or channels, of one chip or of several.
struct Summary {
    double sum = 0, least = 0, most = 0;
    int64_t count = 0;
    double mean() const { return sum / static_cast<double>(count); }
    void add(double value);
    Summary& operator+=(const Summary& other);
};

/// Of one layer; what was not measured counts nothing.
struct CompensationReport {
    Summary wire_gain;      // of every column
    Summary drift_gain;     // of every column, of the layer or of the chip
    Summary column_gain;    // of every column
    Summary offset;         // of every output channel, levels
    Summary channel_scale;  // of every output channel
    Summary channel_shift;  // in units of the integer sum
    CompensationReport& operator+=(const CompensationReport& other);
};

struct ChipLayer {
    AdcRange adc;
    Correction correction;
    CompensationReport compensation;
    std::vector<ChipArray> arrays;  // as MappedLayer::arrays
    bool wanders = false;           // some block's noise outlasts a conversion
    LinePlan lines;                 // of every block
};

struct Chip {
    std::vector<ChipLayer> layers;  // as Mapping::layers
    ProgrammingReport report;
    StreamKey read_noise;  // stream of this chip's reads
    StreamKey dac_noise;   // of its row drivers
    WanderStreams wander;

    /// From now on the chip's reads draw the noise of (seed, number).
    void read_with(uint64_t seed, uint32_t number);
};

/// Perfect cells behind perfect converters of the given ranges (one per mapped layer).
Chip program_nominal(const Mapping& mapping, const std::vector<AdcRange>& ranges);

/// Perfect cells and lossless converters: the chip that must equal the integer reference.
Chip program_ideal(const Mapping& mapping);

/// Cells and converters with their errors: one trial, `conditions.time` after it was written. Throws ConfigError where
/// the cell's model says nothing about the conditions. The chip takes the memory of `worn`, whatever that was: pages
/// new to the process cost as much as the cells on them.
Chip program(const Mapping& mapping, const std::vector<AdcRange>& ranges, uint64_t seed, uint32_t number,
             const Conditions& conditions = {}, Chip worn = {});

/// Ranges of every layer for policies lossless and fixed.
std::vector<AdcRange> static_ranges(const Mapping& mapping);

/// Ranges of every layer for policy calibrated: from the sums that nominal cells give for the codes that the integer
/// reference feeds each layer. `read(first, count)` gives preprocessed samples (count x input elements).
using SampleReader = std::function<std::vector<float>(int64_t first, int64_t count)>;
std::vector<AdcRange> calibrate_ranges(const Network& network, const Mapping& mapping, const SampleReader& read,
                                       int64_t samples);

/// The same from the sums that the cells of `chip` give, without the noise of reading. Steps may be as small as what a
/// level has become on that chip.
std::vector<AdcRange> recalibrate_ranges(const Network& network, const Mapping& mapping, const Chip& chip,
                                         const SampleReader& read, int64_t samples);

/// What one layer did for one sample.
struct LayerRecord {
    double signal = 0, error = 0;  // sums of squares of the exact output, and of chip minus exact; of decisions +1 and
                                   // -1 where comparators decide
    int64_t clipped = 0, conversions = 0;
};

/// Runs layers on a chip. Shared by all threads; the chip, the mapping and the network must outlive it.
class ChipEngine : public ProductEngine {
 public:
    ChipEngine(const Network& network, const Mapping& mapping, const Chip& chip);
    ~ChipEngine() override;

    /// From now on every product is compared with the exact one: sample s of layer l writes
    /// records[(s - first_sample) * layers + l]. Not while products run.
    void compare_with(ProductEngine& exact, std::span<LayerRecord> records, int64_t first_sample);

    void product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples,
                 int64_t first_sample, std::span<double> acc) override;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bitline
