#pragma once

// How input codes become digits on the word lines, cycle by cycle.

#include <cstdint>
#include <string>
#include <vector>

#include "core/network.h"
#include "peripherals/dac.h"

namespace bitline {

struct InputOptions {
    int bits_per_cycle = 1;  // 1 <= bits_per_cycle <= 8, resolution of the row drivers (DAC)
    enum class SignedCodes {
        offset,           // codes are shifted to unsigned and corrected digitally by the weight sums
        twos_complement,  // the sign bit in a cycle of its own, with negative significance
    } signed_codes = SignedCodes::offset;
    enum class BinaryCodes {
        bipolar,   // -1 and +1 are driven as opposite voltages, 0 (padding) as none
        zero_one,  // driven as 0 and 1 and corrected digitally: x = 2 u - 1
    } binary_codes = BinaryCodes::bipolar;
    DacOptions dac;
};
/// The digits of one layer's input codes. A code drives the word line with driven = code - code_offset (unsigned
/// codes), the code itself (two's complement, bipolar), (code + 1) / 2 (zero_one), or the pair (code == 1, code == -1)
/// (xnor); the integer that it stands for is x = q - z = scale * driven - center.
struct InputPlan {
    enum class Coding { unsigned_codes, twos_complement, bipolar, zero_one, xnor };
    Coding coding = Coding::unsigned_codes;
    int bits = 8;                       // of the driven code
    std::vector<int> cycle_shift;       // (cycles) digit = (driven >> shift) & (2^bits - 1)
    std::vector<int> cycle_bits;        // (cycles)
    std::vector<int64_t> cycle_weight;  // (cycles) significance, negative for a sign bit
    int32_t digit_min = 0, digit_max = 1;
    int32_t driven_max = 255;  // largest driven code
    int32_t code_offset = 0;
    int32_t pad_code = 0;  // the code q that stands for x = 0
    int64_t scale = 1, center = 0;
    /// Whether every digit is 0 or 1.
    bool one_bit_digits() const { return digit_min == 0 && digit_max == 1; }
    int cycles() const { return static_cast<int>(cycle_weight.size()); }
};

/// Throws ConfigError (naming `layer`) where the codes cannot be driven so.
InputPlan plan_input(const InputOptions& options, const Quantizer& codes, bool xnor_pairs, bool has_padding,
                     const std::string& layer);

/// driven[i] for codes[i]; not for xnor, whose lines are made from the codes themselves. Both may be the same array.
void drive_codes(const InputPlan& plan, const int32_t* codes, int64_t count, int32_t* driven);

/// Digits of one input vector: digits (cycles x lines), lines = rows, or 2 * rows for xnor (true line, then its
/// complement, for each row).
void make_digits(const InputPlan& plan, const int32_t* driven, int64_t rows, int16_t* digits);

/// The same as bits, (cycles x words_of(lines)) as in kernels::Drive; for one_bit_digits() only.
void make_bits(const InputPlan& plan, const int32_t* driven, int64_t rows, uint64_t* bits);

}  // namespace bitline
