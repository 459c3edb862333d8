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
#include <optional>
#include <string>
#include <vector>

#include "core/network.h"
#include "mapping/architecture.h"
#include "mapping/weight_encoding.h"

namespace bitline {

/// What one converter reads.
struct Column {
    int32_t output = 0;  // column of the pack; -1: reference column
    int32_t shift = 0;   // the cell's digit is (stored >> shift) & (2^bits - 1)
    int32_t bits = 1;
    int64_t weight = 1;     // significance in the sum; negative: sign bit, negative part, or stored inverted
    bool flipped = false;   // stored inverted
    bool negative = false;  // holds the negative part (digital subtraction)
};

struct ArrayPlan {
    int32_t pack = 0;
    int64_t first_row = 0, rows = 0;  // logical rows of the pack
    std::vector<Column> columns;      // in array order
    int32_t cells_per_column = 1;     // 2: bit-line pairs, subtracted before the converter
    int64_t active_rows = 0;          // logical rows driven at a time: rows are cut into parts of this size
    int32_t first_block = 0;          // index of the first part among all parts of the chip (noise streams)
    int32_t id = 0;                   // index among all arrays of the chip (programming streams)
};

/// Groups of a grouped layer that share arrays; a layer without groups is one pack.
struct Pack {
    int64_t first_group = 0, groups = 1;
    int64_t rows = 0;  // weight rows of all groups, then bias rows
    int64_t cols = 0;  // outputs
};

/// A layer without converters, see mapping/sign_readout.h.
struct SignReadout {
    std::vector<int64_t> threshold;  // (out_channels) of the integer sum, as ThresholdOutput has them
    std::vector<int8_t> falling;     // (out_channels) likewise
    int64_t votes = 1;               // per output: parts of the rows that are driven together
    int64_t spacing = 1;             // of the levels that a part's sum can have
};

struct MappedLayer {
    int node = 0;
    std::string name, kind;
    WeightPlan stored;
    Grid grid;
    InputPlan input;
    std::vector<int32_t> bias_drive;    // (bias rows) constant driven code of each
    std::vector<int32_t> bias_weights;  // (out_channels x bias rows)
    std::vector<int32_t> weights;       // (out_channels x rows per group) q_w - z_w, clipped
    std::vector<int64_t> weight_sums;   // (out_channels) over the rows of the group
    std::vector<int64_t> digital_bias;  // (out_channels) or empty
    std::vector<Pack> packs;
    std::vector<ArrayPlan> arrays;

    int64_t rows = 0, cols = 0;  // logical, of one group
    int64_t groups = 1, positions = 1;
    int64_t array_count = 0;  // physical arrays (a pair split over two arrays counts twice)
    int64_t cells_used = 0;
    double utilisation = 0;           // cells used / cells of the arrays
    SumBounds bounds;                 // of any column's sum
    int lossless_bits = 0;            // ADC bits that resolve every sum to one level
    int64_t cycles_per_vector = 0;    // input cycles * row parts, the arrays working side by side
    int64_t cycles = 0;               // per sample: cycles_per_vector * positions
    std::optional<SignReadout> sign;  // none: read by converters
    std::string note;                 // what differs from the architecture's wish, e.g. a bias kept digital
};

struct Mapping {
    Architecture architecture;
    std::vector<MappedLayer> layers;
    std::vector<int> digital_nodes;  // nodes that stay digital although they multiply weights
    int64_t arrays = 0, cores = 0, tiles = 0;
    int64_t arrays_available = 0;  // 0: unlimited
    int64_t reloads = 1;           // times the chip is filled per pass over the network; 1: it fits
    int64_t cycles = 0;            // per sample, layers one after another
};

/// Throws ConfigError where a layer cannot be held by the encoding, no layer can be read as adc.readout = sign wants
/// it, or the network does not fit a chip of non-volatile cells; the message says by how much, per layer. With
/// `check_fit` false the latter is left to the caller.
Mapping map_network(const Network& network, const Architecture& architecture, bool check_fit = true);

/// "needs 37 arrays more than the 16 of the chip", with the largest layers; empty where it fits.
std::string describe_misfit(const Mapping& mapping);

/// Levels that the cells of one array are to have: (drive rows x columns), drive rows = rows (2 * rows for xnor).
/// `negative` is filled for bit-line pairs only.
void target_levels(const MappedLayer& layer, const ArrayPlan& array, std::vector<uint16_t>& positive,
                   std::vector<uint16_t>& negative);

/// The same as they stand on the bit lines, (drive rows x bit lines): the two of a pair side by side.
void target_levels(const MappedLayer& layer, const ArrayPlan& array, std::vector<uint16_t>& levels);

/// Word lines per logical row: 2 for xnor pairs, else 1.
int drive_rows_per_row(const MappedLayer& layer);

/// What a laboratory writes into each array, as HDF5: a group `arrays/NNNNN` for each, with `levels` (rows x cols, -1:
/// not in use) and `conductances` in S (NaN: not in use), in physical coordinates (fault_map.h), remapping and spare
/// columns for known faults included; with compensation.wires = targets the conductances lie between the levels'. Read
/// back in the same form they are what `cell.conductance_map` takes. Throws ConfigError where random faults would be
/// remapped: every trial has others.
void write_targets(const Mapping& mapping, const std::string& path);

/// The plan as HDF5: per layer its integers, per array the meaning of its columns and the target level of each cell.
void write_mapping(const Mapping& mapping, const std::string& path);

}  // namespace bitline
