#pragma once

// What a memory cell is: its levels, its grid of fixed-point conductances, and what goes wrong when it is written.

#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"

namespace bitline {

struct ProgrammingErrorOptions {
    enum class Model {
        none,
        independent,   // sigma * G_max, whatever the state; sigma = 0: off
        proportional,  // sigma * G
        lognormal,     // G * exp(sigma * xi)
    } model = Model::independent;
    double sigma = 0;  // 0 <= sigma <= 10
};

struct StuckAtOptions {
    double low_rate = 0;   // share of cells stuck at G_min; low_rate + high_rate <= 1
    double high_rate = 0;  // share of cells stuck at G_max
};

struct ReadNoiseOptions {
    double sigma = 0;  // relative to G, fresh at every read; 0 <= sigma <= 10
};

struct CellOptions {
    int bits = 2;                 // 1 <= bits <= 16, levels = 2^bits, linear in G
    double g_min = 0;             // S, 0 <= g_min < g_max
    double g_max = 1e-4;          // S
    double g_ceiling = 0;         // S, physical upper limit that programming error is clipped to; 0: 1.5 * g_max.
                                  // Lower limit: 0
    bool reprogrammable = false;  // weights may be reloaded while running (SRAM): a network larger than the chip is
                                  // time-multiplexed instead of refused
    ProgrammingErrorOptions programming_error;
    StuckAtOptions stuck_at;
    ReadNoiseOptions read_noise;
};

/// Fixed-point conductances: level spacing, G_min and the step of a lossless ADC are whole grid steps.
/// `level_step` is odd, so that a background of n * G_min is never exactly half a level and rounding is unambiguous.
struct Grid {
    int32_t level_step = 1;  // grid steps between neighbouring levels
    int32_t g_min = 0;       // grid steps
    int32_t ceiling = 0;     // physical upper limit, grid steps
    int32_t g_max = 0;       // grid steps
    double siemens = 0;      // S per grid step
    bool operator==(const Grid&) const = default;
};

/// Coarsest grid with g_max near 2^14 steps and the ceiling below 2^15; finer (g_max up to 2^22) where 2^bits levels
/// or a small G_min need it. G_min is met to 0.1 % of itself or better, below G_max / 10^6 to half a grid step.
Grid choose_grid(const CellOptions& cell, int bits);

/// What happened while writing cells.
struct ProgrammingReport {
    int64_t cells = 0;
    int64_t stuck_low = 0, stuck_high = 0;
    int64_t clipped = 0;  // cells whose programming error ran into the physical limits
    ProgrammingReport& operator+=(const ProgrammingReport& other);
    bool operator==(const ProgrammingReport&) const = default;
};

/// The streams that one trial's cells are written from.
struct CellStreams {
    StreamKey programming_error, stuck_at;
};
CellStreams cell_streams(uint64_t seed, uint32_t trial);

/// Writes the cells of one word line: g[i] (grid steps) for levels[i]. Cell i draws lane i % 4 of counter
/// (i / 4, array, row, 0) of each stream.
void program_row(const CellOptions& cell, const Grid& grid, const CellStreams& streams, uint32_t array, uint32_t row,
                 std::span<const uint16_t> levels, std::span<int32_t> g, ProgrammingReport& report);

/// Without any error: g = g_min + level * level_step.
void program_row_exactly(const Grid& grid, std::span<const uint16_t> levels, std::span<int32_t> g);

/// Variance of one read of a cell, grid steps^2.
inline double read_variance(const CellOptions& cell, int32_t g) {
    const double sigma = cell.read_noise.sigma * g;
    return sigma * sigma;
}

}  // namespace bitline
