#pragma once

// How an integer weight becomes levels of cells.
//
//   differential     |w| in slices, on the positive or the negative cell of each pair (one-sided), or spread over both
//                    (balanced): level+ - level- = digit
//   offset           w + 2^(b-1) in unsigned slices
//   twos_complement  the low b-1 bits in slices, the sign bit in a column of its own with significance -2^(b-1)
//   flipped          offset; a column whose levels would sum to more than half is stored inverted (ISAAC)
//   multilevel       offset in a single cell of 2^b levels
//   xnor             +1 as the pair of levels (1, 0) on the lines (x, not x), -1 as (0, 1)

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bitline {

enum class WeightEncoding {
    differential,     // two cells per slice, positive and negative part
    offset,           // w + 2^(b-1) in unsigned slices
    twos_complement,  // sign bit in a column of its own with negative significance
    flipped,          // offset, and each column stored original or inverted, whichever sums to less (ISAAC)
    xnor,             // pairs of rows for -1/+1 weights and inputs
    multilevel,       // one cell of 2^b levels per weight, offset
};

struct WeightOptions {
    WeightEncoding encoding = WeightEncoding::differential;
    enum class Split { one_sided, balanced } differential_split = Split::one_sided;
    enum class Subtraction { analog, digital } subtraction = Subtraction::analog;
    /// Which slice has fewer bits where cell.bits does not divide a weight's. The most significant one alone sees most
    /// of the cells' errors, in units of its few levels: with fewer bits at the bottom they weigh half or less.
    enum class ShortSlice { top, bottom } short_slice = ShortSlice::top;
    enum class OffsetCorrection { digital, reference_column } offset_correction = OffsetCorrection::digital;
    std::optional<WeightEncoding> fallback;  // for layers that `encoding` cannot hold (xnor, multilevel); none: refuse
    double clip = 1.0;  // 0 < clip <= 1, weights are clipped to clip * the largest code before mapping
    bool operator==(const WeightOptions&) const = default;
};

/// Bits [shift, shift + bits) of the stored weight, in one cell.
struct Slice {
    int32_t shift = 0, bits = 1;
    int64_t weight = 1;  // significance; negative for the sign bit
    bool operator==(const Slice&) const = default;
};

/// How the weights of one layer are stored.
struct WeightPlan {
    WeightEncoding encoding = WeightEncoding::differential;
    int bits = 8;                  // of the stored magnitude (differential) or code
    int64_t offset = 0;            // stored = w + offset
    int32_t largest_weight = 127;  // every |w| up to this one can be stored
    std::vector<Slice> slices;
    bool balanced = false;
    bool pairs = false;              // two bit lines per column, subtracted before the converter
    bool digital_parts = false;      // positive and negative part in columns of their own
    bool reference_columns = false;  // the offset is measured on a column of cells instead of computed
    bool operator==(const WeightPlan&) const = default;
};

/// Plans the storage of `weights`. `binary_inputs`: every input code is -1, 0 (padding) or +1. Throws ConfigError,
/// naming `layer`, where the encoding cannot hold them and no fallback is given.
WeightPlan plan_weights(const WeightOptions& options, int cell_bits, std::span<const int32_t> weights,
                        bool binary_inputs, const std::string& layer);

/// The level of one cell for weight `w`. `negative`: the second cell of a pair, or a column of the negative part.
uint16_t stored_level(const WeightPlan& plan, const Slice& slice, bool negative, bool flipped, int32_t w);

/// The same of many weights, out (weights).
void stored_levels(const WeightPlan& plan, const Slice& slice, bool negative, bool flipped,
                   std::span<const int32_t> weights, uint16_t* out);

std::string to_string(WeightEncoding encoding);

}  // namespace bitline
