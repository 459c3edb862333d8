#pragma once

// The hot loops behind one table. The scalar kernel is the specification: every other kernel gives the same bits.
// No Eigen, no library type beyond the standard ones: kernel files are the only ones compiled with special flags.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace bitline::kernels {

/// The rows of one array that are driven together, as the converters see them: one column here is what one converter
/// reads (a bit line, or the difference of two).
struct Block {
    int rows = 0, cols = 0;
    std::vector<int32_t> g;         // (rows x cols), conductance in grid steps; negative where two cells are subtracted
    std::vector<int32_t> variance;  // (rows x cols), read-noise variance in `variance_unit`, 0 .. 32767; empty: none
    double variance_unit = 0;       // grid steps^2
    bool one_bit_digits = false;    // driven by Drive::bits, else by Drive::digits
    bool at_thresholds = false;     // read by converters with a Transfer, which not every layout of cells serves
    bool compact = false;           // keeps no tables larger than g that a call can make from it
    std::vector<std::byte> packed;  // what `Kernel::pack` lays out for itself
    bool has_tables = false;        // likewise: how
    bool has_tiles = false;         // likewise
};

/// Decisions at any thresholds instead of equal steps, per converter; the code that t gets is
///   clip(lo - 1 + number of thresholds <= t, lo, hi)
/// with thresholds in float32 where t is (rounded to nearest), else in double. Each converter has hi - lo + 2 of them,
/// ascending: between the first and the last one nothing is clipped, equal ones leave codes out. `value` is what codes
/// count as; results are sums of these.
struct Transfer {
    std::vector<double> threshold;   // (converters x (hi - lo + 2)), codes, first + 1 <= last; empty: equal steps
    std::vector<int32_t> converter;  // (cols), which converter reads a column
    std::vector<int32_t> value;      // (hi - lo + 1); empty: the codes themselves

    // What `lay_out` makes of them, see core/kernels/transfer.cpp.
    int32_t largest = 0;            // see largest_threshold
    int64_t origin = 0;             // of the bins, in steps of the narrow t
    int32_t top = 0;                // of the last threshold, from the origin
    int32_t shift = 0, bins = 0;    // a bin holds 2^shift steps
    int32_t layers = 0;             // pairs of thresholds of a bin, at most
    std::vector<int32_t> table;     // (converters x layers x bins)
    std::vector<int32_t> of_bin;    // (converters), thresholds of a bin, at most
    std::vector<int32_t> distinct;  // (converters), thresholds that differ
    std::vector<int32_t> value_of;  // (converters x (hi - lo + 3)), by thresholds crossed; empty: lo - 1 + number
};

/// One converter per column: code = clip(round_half_even(t), lo, hi), t = fma(S, inv_step, offset + anchor) - anchor;
/// fused product and sum rounded once, then the difference. The anchor lets the sum round t to a small binary fraction
/// of a code, so that a sum S midway between two codes stays midway although inv_step is rounded. Narrow blocks (every
/// |S| < 2^24, and |lo|, |hi| <= 4096) compute t in float32, with float32(inv_step) and float32(offset + anchor);
/// others in double. `one_bit`: a sense amplifier, code = t >= 0 ? +1 : -1. A transfer decides at other places.
struct Converter {
    std::vector<double> inv_step;   // (cols), codes per grid step
    std::vector<double> offset;     // (cols), codes
    std::vector<double> deviation;  // (cols), the converter's own noise, rms in grid steps; empty: none
    int32_t lo = 0, hi = 0;
    bool one_bit = false;
    bool wide = false;  // compute t in double
    Transfer transfer;  // not with one_bit

    bool has_transfer() const { return !transfer.threshold.empty(); }
};

/// Largest |threshold| without its fraction; 0 without a transfer.
int32_t largest_threshold(const Converter& converter);

/// Prepares the transfer for kernels. Called once after everything else is set; nothing to do without a transfer.
void lay_out(Converter& converter);

inline constexpr int32_t kLargestNarrowCode = 4096;  // t is a multiple of 2^-9 or less

/// 1.5 * 2^e with the least e for which every code and its neighbours, and every threshold, are below 2^(e-1); 0 for a
/// sense amplifier.
double anchor(const Converter& converter);

/// The digital side: output[column_output[c]] += code * column_weight[c] * cycle_weight[cycle].
struct Readout {
    std::vector<int32_t> column_output;  // (cols)
    std::vector<int64_t> column_weight;  // (cols)
    int outputs = 0;
};

/// Words of 64 bits that hold one bit per row.
constexpr int words_of(int rows) { return (rows + 63) / 64; }

/// Input digits of many vectors. A vector is one (sample, output position).
struct Drive {
    const uint64_t* bits = nullptr;   // (vectors x cycles x words_of(rows)), row r is bit r % 64 of word r / 64; bits
                                      // beyond the last row are 0. For blocks of one-bit digits; else null
    const int16_t* digits = nullptr;  // (vectors x cycles x rows), |digit| <= 255. For all other blocks
    int vectors = 0, cycles = 0;
    const int64_t* cycle_weight = nullptr;  // (cycles), significance of each cycle's digit
    const uint32_t* sample = nullptr;       // (vectors), index in the data set; with noise only
    const uint32_t* position = nullptr;     // (vectors), output position; with noise only
};

/// Noise, independent from cycle to cycle and from column to column. With z = noise_deviate of lane c % 4 of seven
/// rounds of ARS at counter (cycle * ceil(cols / 4) + c / 4, position, sample, block) and V = sum digit^2 * variance
/// (exact integer),
///   d = noise_root(fma(float(V), float(variance_unit / s), float(deviation^2 / s))),  s = kNoiseVariance,
/// and x = fma(d, z, S) stands in for S, in float32 where narrow, in double where wide (see core/kernels/noise.h).
struct Noise {
    StreamKey key;
    uint32_t block = 0;  // index of this block in the chip
};

/// float(variance_unit / s) and float(deviation^2 / s) of one column, s = kNoiseVariance; zero where there is none.
struct NoiseScale {
    float unit = 0, own = 0;
};
NoiseScale noise_scale(const Block& block, const Converter& converter, int col);

/// Whether cells or converters add noise at all.
bool has_noise(const Block& block, const Converter& converter, const Noise* noise);

struct Kernel {
    const char* name;
    const char* needs;  // processor features, in words
    bool (*available)();
    std::string (*missing)();  // what of it this machine lacks, in words; empty where available

    /// Fills block.packed. Called once after g and variance are set.
    void (*pack)(Block& block);

    /// Exact sums S, out (vectors x cycles x cols): what the converters would see without noise.
    void (*sums)(const Block& block, const Drive& drive, int64_t* out);

    /// Sums, noise (may be null), conversion, shift and add: acc (vectors x outputs) is added to. Returns how many
    /// conversions were clipped (t rounded outside lo .. hi or beyond the outer thresholds; never for one_bit).
    int64_t (*convert)(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                       const Noise* noise, int64_t* acc);

    /// Bits of codes, out (shifts x words_of(rows)) as in Drive::bits: bit `shift` of every code, 0 <= shift < 32.
    void (*bits)(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out);

    /// out[i] = gaussian of lane i % 4 of Philox at (first + i / 4, c1, c2, c3), i < n.
    void (*gaussians)(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out);
};

/// Every kernel compiled in, best first; the last is `scalar`.
const std::vector<const Kernel*>& all();

/// The kernel of that name; null where none is compiled in.
const Kernel* find(const std::string& name);

/// The kernel in use: the best available one, or the one that BITLINE_KERNEL names. Chosen at first use. Throws
/// ConfigError where that name is unknown or the machine lacks what it needs (the message says what is missing).
const Kernel& active();

/// The same choice from any table and name; an empty name asks for the best available one.
const Kernel& select(const std::vector<const Kernel*>& table, const std::string& name);

}  // namespace bitline::kernels
