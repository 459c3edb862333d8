#pragma once

// Between the plain part of the tile kernel (amx_kernel.cpp: layout, bounds, memory) and its vector part
// (amx_vector.h). Raw pointers only; see README.md.

#include <stddef.h>
#include <stdint.h>

#include "core/kernels/converters.h"

namespace bitline::kernels::amx {

constexpr int kVectors = 16;  // input vectors of a tile: its rows
constexpr int kColumns = 16;  // columns of a tile of sums
constexpr int kDepth = 64;    // word lines of a tile: its bytes in a row
constexpr int kPairs = 8;     // of vectors: two rows of codes share a register
constexpr int kTileBytes = 1024;
constexpr int kTileSums = 256;  // of 32 bits

/// An array of numbers as bytes: number = 255 * high - low, times a factor. A digit of 1 is the byte 0xFF. A product
/// that takes it as unsigned reads 255 and meets `high`; one that takes it as signed reads -1 and meets `low`.
struct Numbers {
    int limbs = 0;                  // 1: low only; 0: no array
    bool natural = false;           // no number is negative, and high bytes are unsigned
    const uint8_t* tile = nullptr;  // (column tiles x chunks x limbs x 16 x kDepth), low before high; row k holds four
                                    // neighbouring word lines of every column, from 4 k on
};

struct Layout {
    int cols = 0, column_tiles = 0;
    int chunks = 0;      // of kDepth word lines, one tile each
    int last_depth = 0;  // bytes that the last of one or two chunks needs, a multiple of 4
};

struct Drive {
    int vectors = 0, cycles = 0;
    const uint64_t* bits = nullptr;         // (vectors x cycles x chunks)
    const int32_t* cycle_weight = nullptr;  // (cycles), of 16 bits
    const uint32_t* sample = nullptr;       // (vectors), with noise only
    const uint32_t* position = nullptr;     // (vectors), likewise
};

struct Noise {
    bool on = false;
    float unit = 0;
    const float* own = nullptr;  // (padded columns)
    uint32_t k0 = 0, k1 = 0, block = 0;
};

/// Neighbouring columns whose codes are added up in 32 bits.
struct Readout {
    int group = 1;                    // columns added up together: 1, 2 or 4
    const int16_t* words = nullptr;   // (column tiles x 32), group > 1: weights of columns, in the order of codes
    const int64_t* weight = nullptr;  // (padded columns), group = 1
    const int32_t* output = nullptr;  // (padded columns / group)
    int cols = 0;                     // groups of columns that exist
    bool ordered = false;             // output[i] = i
    int outputs = 0;
    int64_t* acc = nullptr;  // (vectors x outputs)
};

/// Memory, aligned to 64 bytes.
struct Scratch {
    uint8_t* digits = nullptr;  // (cycles x chunks x 16 x kDepth)
    int32_t* sums = nullptr;    // (cycles x 16 x 16)
    float* roots = nullptr;     // (padded columns), of the converters' own noise
};

struct Job {
    Layout layout;
    Numbers g, variance;
    int32_t factor = 1;
    Drive drive;
    Converters converters;  // (padded columns): there a sum of zero becomes the code `lo`, which is never clipped
    Noise noise;
    Readout readout;
    Scratch scratch;
};

/// One instruction set's vector part.
struct Vector {
    /// S, out (vectors x cycles x cols).
    void (*sums)(const Job& job, int64_t* out);
    /// Returns the number of clipped conversions.
    int64_t (*convert)(const Job& job);
};

}  // namespace bitline::kernels::amx
