#pragma once

// Chips of any age, and what the digital side does against ageing and spread (CompensationOptions). Everything that a
// compensation knows it has read from the chip itself, with the noise of those reads.

#include <cstdint>
#include <optional>
#include <vector>

#include "mapping/chip.h"
#include "mapping/reference_read.h"

namespace bitline {

/// Mean and standard deviation of each output channel of a layer over samples and positions.
struct ChannelStatistics {
    std::vector<double> mean, deviation;
};

/// What the codes of each column are multiplied with: (layers) of (arrays) of (columns).
using ColumnGains = std::vector<std::vector<std::vector<double>>>;
/// Those that targets against the wires ask for, else 1.
ColumnGains gains_of_wires(const Chip& chip);

/// Drift gain of `chip` from reads when it was `fresh` and now: multiplies `gains`, or sets Correction::gain where it
/// is one for the layer or the chip.
void compensate_drift(const Mapping& mapping, const ReferenceRead& fresh, const ReferenceRead& now, Chip& chip,
                      ColumnGains& gains);

/// Multiplies `gains` and sets Correction::offset so that code times gain plus offset is, for every column, the sum of
/// `nominal` cells on the line of least squares of the codes over those sums, through the code of no driven line.
void fit_columns(const Mapping& mapping, const Chip& nominal, Chip& chip, ColumnGains& gains);

/// Puts the gains into the column weights of the readout, in fixed point. Throws ConfigError where they do not fit 64
/// bits beside the codes.
void apply_gains(const Mapping& mapping, const ColumnGains& gains, Chip& chip);

/// Statistics of the integer reference's results, per mapped layer.
std::vector<ChannelStatistics> software_statistics(const Network& network, const Mapping& mapping,
                                                   const SampleReader& read, int64_t samples);

/// Sets scale and shift of every channel so that the chip's results on the samples have the given statistics, layer
/// after layer, each fed by those before it as corrected.
void match_statistics(const Network& network, const Mapping& mapping, const std::vector<ChannelStatistics>& wanted,
                      const SampleReader& read, int64_t samples, Chip& chip);

/// Chips of one mapping and seed, compensated as the architecture says. The network and the mapping must outlive it.
class ChipMaker {
 public:
    /// `read` gives calibration samples, `samples` of them (see needs_calibration). Throws ConfigError where
    /// compensation.batch_norm has fewer than two.
    ChipMaker(const Network& network, const Mapping& mapping, SampleReader read, int64_t samples, uint64_t seed);
    /// The same with converters of given ranges (one per mapped layer).
    ChipMaker(const Network& network, const Mapping& mapping, std::vector<AdcRange> ranges, SampleReader read,
              int64_t samples, uint64_t seed);

    /// Chip `number` under these conditions: the same chip whatever was made before. Throws ConfigError where the
    /// cell's model says nothing about the conditions. `worn`: see `program`.
    Chip make(uint32_t number, const Conditions& conditions, Chip worn = {});

 private:
    void compensate_columns(uint32_t number, const Conditions& conditions, Chip& chip);
    const ReferenceRead& fresh_read(uint32_t number, double temperature);
    /// The stream of reads for one purpose, apart from the reads of the samples.
    void read_for(Purpose purpose, uint32_t number, Chip& chip) const;

    const Network& network_;
    const Mapping& mapping_;
    const CompensationOptions& options_;
    SampleReader read_;
    int64_t samples_;
    uint64_t seed_;
    std::vector<AdcRange> ranges_;  // that the chips are programmed with
    std::vector<ChannelStatistics> wanted_;

    struct Fresh {
        uint32_t number = 0;
        double temperature = 0;
        ReferenceRead read;
    };
    std::optional<Fresh> fresh_;  // the latest
};

}  // namespace bitline
