#pragma once

// The immutable plan of a network on a chip: which cell holds which slice of which weight. Nothing random.
//
//                 one layer                        one array (R x C cells)
//   rows  = C_in*kh*kw (+ bias rows)          columns = output, slice, part
//   +----------+----------+                   +----------------------------------+
//   | array 0  | array 1  |  row tile 0       | o0s0+ o0s0- o0s1+ o0s1- o1s0+ ... |
//   +----------+----------+                   |                                  |
//   | array 2  | array 3  |  row tile 1       +----------------------------------+
//   +----------+----------+
//
// Grouped layers are cut into packs: several groups share the arrays of one pack as blocks on its diagonal; the cells
// beside the diagonal hold a zero weight.

#include <cstdint>
#include <string>
#include <vector>

#include "core/network.h"
#include "mapping/architecture.h"

namespace bitline {

/// Fixed-point conductances: level spacing, G_min and the step of a lossless ADC are whole grid steps.
/// `level_step` is odd, so that a background of n * G_min is never exactly half a level and rounding is unambiguous.
struct Grid {
    int32_t level_step = 1;  // grid steps between neighbouring levels
    int32_t g_min = 0;       // grid steps
    int32_t ceiling = 0;     // physical upper limit, grid steps
    int32_t g_max = 0;       // grid steps
    double siemens = 0;      // S per grid step
};

/// Finest grid that keeps g_max in 15 bits; finer (up to 22 bits) where the levels or a small G_min need it.
Grid choose_grid(const CellOptions& cell, int bits);

/// How an input code becomes digits on the word lines.
struct InputPlan {
    enum class Coding { unsigned_codes, twos_complement, bipolar, zero_one, xnor };
    Coding coding = Coding::unsigned_codes;
    int bits = 8;                       // of the driven code
    std::vector<int> cycle_shift;       // (cycles) digit = (driven >> shift) & (2^bits - 1)
    std::vector<int> cycle_bits;        // (cycles)
    std::vector<int64_t> cycle_weight;  // (cycles), negative for a sign bit
    int32_t digit_min = 0, digit_max = 1;
    int32_t code_offset = 0;            // driven = code - code_offset (unsigned codes)
    int32_t pad_code = 0;               // the code that stands for x = 0
    int64_t scale = 1, center = 0;      // x (an integer) = scale * driven - center
    int cycles() const { return static_cast<int>(cycle_weight.size()); }
};

/// What one converter reads.
struct Column {
    int32_t output = 0;     // column of the pack; -1: the array's reference column
    int32_t shift = 0;      // the digit is (stored >> shift) & (levels - 1)
    int32_t bits = 1;       // of the digit
    int64_t weight = 1;     // significance in the sum; negative: sign bit, negative part, or stored inverted
    bool flipped = false;   // stored inverted
    bool negative = false;  // holds the negative part (digital subtraction)
};

struct ArrayPlan {
    int32_t pack = 0;
    int64_t first_row = 0, rows = 0;       // logical rows of the pack
    std::vector<Column> columns;           // in array order
    int32_t cells_per_column = 1;          // 2: bit-line pairs, subtracted before the converter
    std::vector<int64_t> group_rows;       // logical rows driven at a time: rows cut into these parts
    int32_t first_block = 0;               // index of the first part among all parts of the chip (noise streams)
    int32_t id = 0;                        // index among all arrays of the chip (programming streams)
};

struct Pack {
    int64_t first_group = 0, groups = 1;
    int64_t rows = 0;  // weight rows of all groups, then bias rows
    int64_t cols = 0;  // outputs
};

struct MappedLayer {
    int node = 0;
    std::string name, kind;
    WeightEncoding encoding = WeightEncoding::differential;
    int weight_bits = 8;  // bits of the stored magnitude or code
    int slices = 1;
    int cell_bits = 1;
    int64_t offset = 0;   // stored = w + offset
    Grid grid;
    InputPlan input;
    bool reference_columns = false;
    std::vector<int32_t> bias_drive;    // (bias rows) constant driven code of each
    std::vector<int32_t> bias_weights;  // (out_channels x bias rows)
    std::vector<int32_t> weights;       // (out_channels x rows per group) q_w - z_w, clipped
    std::vector<int64_t> weight_sums;   // (out_channels) over the rows of the group
    std::vector<int64_t> digital_bias;  // (out_channels) or empty
    std::vector<Pack> packs;
    std::vector<ArrayPlan> arrays;

    int64_t rows = 0, cols = 0;         // logical, of one group: rows() and out_channels / groups
    int64_t groups = 1, positions = 1;
    int64_t array_count = 0;            // physical arrays (a pair split over two arrays counts twice)
    int64_t cells_used = 0;
    double utilisation = 0;             // cells used / cells of the arrays
    int64_t worst_low = 0, worst_high = 0;  // bounds of any column's sum over all inputs, grid steps
    int lossless_bits = 0;              // ADC bits needed to resolve every sum to one level
    int64_t cycles_per_vector = 0;      // input cycles * row parts, the arrays working side by side
    int64_t cycles = 0;                 // per sample: cycles_per_vector * positions
    std::string note;                   // what differs from the architecture's wish, e.g. a bias kept digital
};

struct Mapping {
    Architecture architecture;
    std::vector<MappedLayer> layers;
    std::vector<int> digital_nodes;  // nodes that stay digital although they multiply weights
    int64_t arrays = 0, cores = 0, tiles = 0;
    int64_t arrays_available = 0;    // 0: unlimited
    int64_t reloads = 1;             // times the chip is filled per pass over the network; 1: it fits
    int64_t cycles = 0;              // per sample, layers one after another
};

/// Throws ConfigError where a layer cannot be held by the encoding, or the network does not fit a chip of non-volatile
/// cells; the message says by how much, per layer. With `check_fit` false the latter is left to the caller.
Mapping map_network(const Network& network, const Architecture& architecture, bool check_fit = true);

/// "needs 37 arrays more than the 16 of the chip", with the largest layers; empty where it fits.
std::string describe_misfit(const Mapping& mapping);

/// Levels that the cells of one array are to have: (drive rows x columns), drive rows = rows (2 * rows for xnor).
/// `negative` is filled for bit-line pairs only.
void target_levels(const MappedLayer& layer, const ArrayPlan& array, std::vector<uint16_t>& positive,
                   std::vector<uint16_t>& negative);

/// Word lines per logical row: 2 for xnor pairs, else 1.
int drive_rows_per_row(const MappedLayer& layer);

void write_mapping(const Mapping& mapping, const std::string& path);

}  // namespace bitline
