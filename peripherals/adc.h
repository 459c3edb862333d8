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
    double percentile = 99.99;      // 50 < percentile <= 100
    double offset_sigma = 0;        // LSB, spread of the converters' offset, 0 <= offset_sigma <= 1000
    double gain_sigma = 0;          // relative spread of the converters' gain, 0 <= gain_sigma <= 1
    double noise_sigma = 0;         // nominal LSB, noise at the input of each conversion, 0 <= noise_sigma <= 1000
    int columns_per_converter = 8;  // >= 1: columns share a converter and its errors
    bool sense_amplifier = false;   // one-bit sign decision; bits must be 1
};
/// What a layer's converters resolve, before their own errors: a column sum of L levels becomes the code
/// clip(round(L / step), lo, hi) and counts as code * step.
struct AdcRange {
    double step = 1;         // levels per code
    int32_t lo = 0, hi = 0;  // codes
    int bits = 0;
    bool lossless = true;  // step = one level and every sum inside lo .. hi
    bool one_bit = false;  // sense amplifier: the sum counts as threshold + step or threshold - step
    double threshold = 0;  // levels
    std::string policy;    // "lossless", "worst case" (too few bits for lossless), "fixed", "calibrated (mse)", ...
    bool operator==(const AdcRange&) const = default;
};

/// Bounds of the column sums of a layer, in levels (background of G_min included).
struct SumBounds {
    int64_t low = 0, high = 0;  // over all inputs, for the weights that are stored
    int64_t largest = 0;        // magnitude that any weights could reach: full scale of policy `fixed`
};

inline constexpr int kMostConverterBits = 31;  // codes are 32-bit numbers with a sign

/// Bits that resolve low .. high to one level: unsigned where low >= 0, else two's complement. May exceed
/// kMostConverterBits: then no converter is lossless.
int lossless_bits(const SumBounds& bounds);

/// A converter of `bits` bits (0: as many as lossless takes) that covers `full_scale` levels on each side used.
AdcRange covering_range(const SumBounds& bounds, double full_scale, int bits);

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

/// Policy calibrated: the range with least squared error, or the one that covers a percentile.
AdcRange calibrated_range(const AdcOptions& options, const SumBounds& bounds, const SumHistogram& histogram);

/// Converters of one array: column c uses converter c / columns_per_converter, whose offset and gain errors are drawn
/// from lanes of counter (converter / 4, array, 0, 0). `streams` null: perfect converters.
struct ConverterStreams {
    StreamKey offset, gain;
};
ConverterStreams converter_streams(uint64_t seed, uint32_t trial);
kernels::Converter make_converter(const AdcOptions& options, const AdcRange& range, int32_t level_step, int columns,
                                  uint32_t array, const ConverterStreams* streams);

}  // namespace bitline
