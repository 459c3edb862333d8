#pragma once

// Between the plain part of the lookup kernel (lookup_kernel.cpp: tables, tiles, bounds, memory) and its vector part
// (lookup_vector.h). Raw pointers only; see README.md.

#include <stddef.h>
#include <stdint.h>

#include "core/kernels/converters.h"

namespace bitline::kernels::lookup {

constexpr int kPlaneBits = 6;    // of a table's entries: four of them add up in a byte
constexpr int kMostPlanes = 4;   // entries of up to 24 bits
constexpr int kBatch = 4;        // tiles computed together, and groups added up in bytes
constexpr int kRunsAtOnce = 16;  // runs of columns whose totals are handed on together
constexpr int kMostRows = 2048;  // sums of one plane must fit in 15 bits: rows / 4 * 63

// Unpacking bytes to wider numbers leaves lanes in another order, the same for every instruction set. (Static: files
// compiled for different instructions include these functions.)
/// Which lane stands at place k of `lanes` 16-bit codes.
static constexpr int lane_of_code(int k, int lanes) {
    const int half = lanes / 2, at = k % half;
    return at / 8 * 16 + at % 8 * 2 + k / half;
}
/// Which code becomes the total at place k.
static constexpr int code_of_total(int k, int lanes) {
    const int quarter = lanes / 4, q = k / quarter, at = k % quarter;
    return q / 2 * (lanes / 2) + at / 4 * 8 + q % 2 * 4 + at % 4;
}
/// Which lane stands at place k of `lanes` 32-bit totals.
static constexpr int lane_of_total(int k, int lanes) {
    const int quarter = lanes / 4, q = k / quarter, at = k % quarter;
    return at / 4 * 16 + q % 2 * 8 + at % 4 * 2 + q / 2;
}

/// A load waits for an earlier store at the same place of another page of 4 KiB, for a processor compares those bits of
/// the addresses first. So sums of planes are stored a page apart, where a page of the indices holds the end of the
/// last tile of a batch: by the time that it is read the stores are done.
constexpr int kPage = 4096;
static constexpr int words_bytes(int lanes) { return 2 * kBatch * lanes; }  // sums of one plane

/// Bytes from the indices of one tile to those of the next: an odd number of vectors, because processors whose
/// first-level cache has banks load neither two left nor two right halves of different cache lines at once.
static constexpr size_t index_stride(int index_groups, int lanes) { return size_t(index_groups | 1) * size_t(lanes); }

/// What an instruction set computes together.
struct Shape {
    int lanes = 0;            // digit rows of a tile
    int group_rows = 0;       // word lines of a group, whose bits are an index into a table
    int table_bytes = 0;      // 2^group_rows
    int groups_per_step = 0;  // groups are a multiple of this
};

/// Sums of the word lines of each group for all their bits, in planes of six bits. S = factor * (sum of planes - bias).
struct Tables {
    int cols = 0, groups = 0;  // groups: a multiple of kBatch, at least 1
    int planes = 0;
    int words = 0;  // 16-bit sums that hold them: one less than planes where one holds the two highest
    int32_t factor = 1;
    int first_col = 0;               // of `table`
    const uint8_t* table = nullptr;  // (cols x planes, the highest first, x groups x table_bytes)
    const int32_t* bias = nullptr;   // (cols)
};

/// One tile of a pass.
struct TileInfo {
    int32_t slot = 0;
    int32_t cycle_weight = 0;  // of every lane, where they share a cycle; else 0
    bool full = false;         // no lane is missing
};

/// A pass: tiles of digit rows. A slot is what the totals of some tiles add up in.
struct Pass {
    int tiles = 0;  // a multiple of kBatch; those from `used` on are empty and do not count
    int used = 0;
    int slots = 0;
    int index_groups = 0;                   // a multiple of groups_per_step
    const uint64_t* const* bits = nullptr;  // (tiles x lanes), rows of bits; null: no such lane
    uint8_t* index = nullptr;               // (tiles x index_stride), filled by `index_pass`; on a cache line
    uint8_t* words = nullptr;               // (2 x kMostPlanes x kPage bytes), see kPage
    const TileInfo* tile = nullptr;         // (used)
    const int16_t* valid = nullptr;         // (used x lanes), -1 or 0, in the order of codes
    const int32_t* weight = nullptr;  // (used x lanes), two 16-bit halves of the cycle's weight, in the order of totals
    const uint32_t* counter = nullptr;  // (used x 16 x lanes / 16 x 4), lane s + 16 k at (s, k); with noise only
    void* draws = nullptr;              // (used x lanes x 16 bytes), with noise only
    uint64_t* product_ticks = nullptr;  // counts the processor's ticks that lookups take; null: nobody asks
};

/// Runs of neighbouring columns that add to one output.
struct Runs {
    int first = 0, last = 0;       // those from `first` to before `last` are wanted
    const int32_t* end = nullptr;  // column behind each run
    int32_t* totals = nullptr;     // (kRunsAtOnce x slots x lanes)
};

struct Noise {
    bool on = false;
    const Tables* variance = nullptr;  // null: none
    float unit = 0;
    const float* own = nullptr;  // (cols)
    uint32_t k0 = 0, k1 = 0;
};

/// What becomes of the totals of some neighbouring runs: totals (count x slots x lanes), in the order of totals.
struct Output {
    void (*add)(void* context, int first_run, int count, const int32_t* totals) = nullptr;
    void* context = nullptr;
    const int32_t* column_weight = nullptr;  // (cols)
};

/// One instruction set's vector part.
struct Vector {
    Shape shape;
    /// Six bits of each of table_bytes entries, for every plane, the highest first: out (planes x table_bytes,
    /// plane_bytes apart). The
    /// entries are the sums of `numbers` (group_rows) for all their bits, from `start` on.
    void (*write_table)(const int32_t* numbers, int32_t start, int planes, size_t plane_bytes, uint8_t* out);
    void (*index_pass)(const Pass& pass, int words);
    /// Sums of one column, out (used x lanes), in the order of the codes.
    void (*sums)(const Tables& tables, const Pass& pass, int col, int32_t* out);
    /// Returns the number of clipped conversions.
    int64_t (*convert)(const Tables& tables, const Pass& pass, const Runs& runs, const Converters& converters,
                       const Noise& noise, const Output& output);
};

}  // namespace bitline::kernels::lookup
