#pragma once

// The immutable plan of a network on a chip: which cell holds which slice of which weight. Nothing random.

#include <cstdint>
#include <string>
#include <vector>

#include "core/network.h"
#include "mapping/architecture.h"

namespace bitline {

/// Fixed-point conductance grid of a cell: level spacing, G_min and the step of a lossless ADC are whole grid steps.
struct Grid {
    int32_t level_step = 1;  // grid steps between two neighbouring levels; odd, so that G_min * n is never half a step
    int32_t g_min = 0;       // G_min in grid steps
    int32_t ceiling = 0;     // physical upper limit in grid steps
    double siemens = 0;      // S per grid step
    int32_t g_max(int bits) const { return g_min + level_step * ((1 << bits) - 1); }
};
Grid choose_grid(const CellOptions& cell, int bits);

/// How the digits of one input code follow each other.
struct InputPlan {
    enum class Coding { unsigned_codes, twos_complement, bipolar, zero_one } coding = Coding::unsigned_codes;
    int bits = 8;                       // of the driven code
    std::vector<int> cycle_shift;       // (cycles) digit = (code >> shift) & mask
    std::vector<int> cycle_bits;        // (cycles)
    std::vector<int64_t> cycle_weight;  // (cycles), negative for a sign bit
    int32_t max_digit = 1;              // largest |digit|
    int32_t shift = 0;                  // driven code = q - shift (unsigned), q (two's complement, bipolar)
    int32_t zero = 0;                   // driven code that stands for x = 0: what padding drives
    int64_t scale = 1;                  // x_int = scale * driven - center: 2 and 1 for zero_one, else 1 and zero
    int64_t center = 0;
};

/// One analog column of a layer: what one converter reads.
struct Column {
    int32_t output = 0;    // logical column within the pack; -1: reference column
    int32_t slice = 0;
    int64_t weight = 1;    // significance, signed
    bool flipped = false;  // stored inverted
    bool negative = false; // digital subtraction: the negative part
};

/// The rows of a row tile that are driven at the same time, one array wide.
struct BlockPlan {
    int32_t array = 0;                  // array index within the layer
    int64_t first_row = 0, rows = 0;    // logical rows of the pack, bias rows included
    std::vector<Column> columns;        // (analog columns) in array order
    std::vector<int8_t> level, level_n; // (drive rows x columns) target levels; level_n only with analog subtraction
    int64_t worst_low = 0, worst_high = 0;  // bounds of a column's level sum over all inputs
};

}  // namespace bitline
