#pragma once

// Analog-to-digital converters: what they resolve, and how each differs from its neighbours.

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"

namespace bitline {

struct AdcOptions {
    int bits = 8;  // 1 <= bits <= 16; 0 ("lossless" in YAML): as many as the worst case needs
    enum class Range {
        lossless,    // covers the worst-case sum; step = one level where the bits suffice
        fixed,       // full_scale * the largest possible sum
        calibrated,  // per layer, from samples
    } range = Range::lossless;
    double full_scale = 1.0;  // 0 < full_scale <= 1, range = fixed only
    enum class Calibration { mse, percentile } calibration = Calibration::mse;
    double percentile = 99.99;  // 50 < percentile <= 100
    enum class Readout {
        converter,  // every column's sum becomes a code
        sign,       // ADC-free: a comparator per column decides the outputs of layers with two levels, see
                    // mapping/sign_readout.h; other layers are read by converters
    } readout = Readout::converter;
    enum class Thresholds {
        uniform,    // equal steps
        lloyd_max,  // per layer from samples: least squared error, see lloyd_max.h
        table,      // `table`
    } thresholds = Thresholds::uniform;
    std::vector<double> table;  // LSB above the lowest code: where code 1, 2, .. begins; 2^bits - 1, ascending
    enum class Type { ideal, sar, ramp, flash } type = Type::ideal;  // whose errors, see threshold_errors.h
    double capacitor_sigma = 0;     // sar: relative spread of a unit capacitor, 0 <= capacitor_sigma <= 0.2
    double step_sigma = 0;          // ramp: relative spread of one step, 0 <= step_sigma <= 10
    double resistor_sigma = 0;      // flash: relative spread of a ladder's resistors, 0 <= resistor_sigma <= 0.2
    double comparator_sigma = 0;    // LSB, flash and sense amplifiers: spread of each comparator's offset, 0 .. 1000
    double inl_sigma = 0;           // LSB, independent spread of every threshold, 0 .. 1000
    double dnl_sigma = 0;           // LSB, independent spread of every step, the ends held, 0 .. 10
    double missing_codes = 0;       // share of the inner codes that never come, 0 .. 1
    double offset_sigma = 0;        // LSB, spread of the converters' offset, 0 <= offset_sigma <= 1000
    double gain_sigma = 0;          // relative spread of the converters' gain, 0 <= gain_sigma <= 1
    double noise_sigma = 0;         // nominal LSB, noise at the input of each conversion, 0 <= noise_sigma <= 1000
    int columns_per_converter = 8;  // >= 1: columns share a converter and its errors
    bool sense_amplifier = false;   // 1 <= bits <= 3: one comparator per threshold
};

/// What a layer's converters resolve, before their own errors: a column sum of L levels is t = L / step + offset codes,
/// becomes the code clip(round(t), lo, hi) and counts as code * step. With thresholds, t becomes lo + the number of
/// thresholds <= t, and with values the code k counts as values[k - lo] * unit().
struct AdcRange {
    double step = 1;                 // levels per code
    double offset = 0;               // codes; not 0 with values only
    std::vector<double> thresholds;  // (hi - lo), codes, ascending; empty: equal steps
    std::vector<int32_t> values;     // (hi - lo + 1); empty: the codes
    double value_unit = 1;           // levels
    int32_t lo = 0, hi = 0;          // codes
    int bits = 0;
    bool lossless = true;  // step = one level and every sum inside lo .. hi
    bool one_bit = false;  // sense amplifier: the sum counts as threshold + step or threshold - step
    bool votes = false;  // one_bit, and +1 or -1 is a vote on the output: the comparators of AdcOptions::Readout::sign
    double threshold = 0;  // levels
    std::string policy;    // "lossless", "worst case" (too few bits for lossless), "fixed", "calibrated (mse)", ...
    /// Levels that a result of 1 counts as.
    double unit() const { return values.empty() ? step : value_unit; }
    bool operator==(const AdcRange&) const = default;
};

/// Bounds of the column sums of a layer, in levels (background of G_min included).
struct SumBounds {
    int64_t low = 0, high = 0;  // over all inputs, for the weights that are stored
    int64_t largest = 0;        // magnitude that any weights could reach: full scale of policy `fixed`
};

/// Whether thresholds and values follow from samples. Sense amplifiers of several bits have references of their own.
inline bool fits_thresholds(const AdcOptions& options) {
    return options.thresholds == AdcOptions::Thresholds::lloyd_max ||
           (options.sense_amplifier && options.bits > 1 && options.range == AdcOptions::Range::calibrated);
}

inline constexpr int kMostConverterBits = 31;  // codes are 32-bit numbers with a sign

/// Bits that resolve low .. high to one level: unsigned where low >= 0, else two's complement. May exceed
/// kMostConverterBits: then no converter is lossless.
int lossless_bits(const SumBounds& bounds);

/// A converter of `bits` bits (0: as many as lossless takes) that covers `full_scale` levels on each side used.
AdcRange covering_range(const SumBounds& bounds, double full_scale, int bits);

/// Comparators that vote: t = column sum / one level, less the threshold that each column's own offset is to hold.
AdcRange comparator_range();

/// The thresholds of adc.table, where it is in use.
void set_table(const AdcOptions& options, AdcRange& range);

/// Policies lossless and fixed.
AdcRange static_range(const AdcOptions& options, const SumBounds& bounds);

/// Column sums seen during calibration, by significance class: every sum of class k counts 4^k in the squared error
/// of the layer's output.
struct SumHistogram {
    int64_t low = 0;    // level sum of the first bin's centre
    int64_t width = 1;  // levels per bin
    int64_t bins = 0;
    int classes = 0;
    std::vector<int64_t> count;  // (classes x bins)
};

/// Policy calibrated: the range with least squared error, the one that covers a percentile, or fitted thresholds and
/// values (adc.thresholds = lloyd_max, and sense amplifiers of 2 and 3 bits).
AdcRange calibrated_range(const AdcOptions& options, const SumBounds& bounds, const SumHistogram& histogram);

/// Streams of the converters' errors. Offset and gain: lanes of counter (converter / 4, array, 0, 0); all others:
/// element i of a converter is lane i % 4 of counter (i / 4, converter, array, 0).
struct ConverterStreams {
    StreamKey offset, gain, capacitor, ramp_step, resistor, comparator, inl, dnl, missing_code;
};
ConverterStreams converter_streams(uint64_t seed, uint32_t trial);

/// Converters of one array: column c uses converter c / columns_per_converter. `streams` null: perfect converters.
kernels::Converter make_converter(const AdcOptions& options, const AdcRange& range, int32_t level_step, int columns,
                                  uint32_t array, const ConverterStreams* streams);

}  // namespace bitline
