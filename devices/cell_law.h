#pragma once

// The cells of one layer at one age: what is written for each level, what time, heat and use make of it, and how it
// fluctuates. A chip of another age is the same chip written again: every random number is a function of the cell.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "devices/cell.h"

namespace bitline {

/// What happened while writing cells.
struct ProgrammingReport {
    int64_t cells = 0;
    int64_t stuck_low = 0, stuck_high = 0;            // cells in use at G_min, at G_max
    int64_t stuck_other = 0;                          // cells in use at another conductance
    int64_t open = 0;                                 // cells in use that carry no current
    int64_t open_word_lines = 0, open_bit_lines = 0;  // in use
    int64_t faulty_digits = 0;                        // digits of weights that faults move by half a level or more
    int64_t unrepaired_digits = 0;                    // the same without spare columns and remapping
    int64_t measured = 0;                             // cells whose conductance a map gives
    int64_t clipped = 0;                              // cells whose programming error ran into the physical limits
    WriteReport write_verify;
    ProgrammingReport& operator+=(const ProgrammingReport& other);
    bool operator==(const ProgrammingReport&) const = default;
};

/// The streams that one trial's cells are written from. Cell i of a row draws lane i % 4 of counter (i / 4, array, row,
/// 0) of each stream.
struct CellStreams {
    StreamKey programming_error, stuck_at, device_to_device, relaxation, drift, retention, flicker, telegraph;
    WriteVerifyStreams write_verify;
    StreamKey open_word_line, open_bit_line, measured_device;
};
CellStreams cell_streams(uint64_t seed, uint32_t trial);

/// G = center + (G - center) * factor.
struct Contraction {
    double center = 0, factor = 1;
};

/// The distribution of one level's conductances where a user's table gives it.
struct MeasuredLevel {
    double mean = 0, deviation = 0;
    std::array<const std::vector<double>*, 4> samples{};  // S, rising
    std::array<double, 4> share{};                        // of each, grid steps per S
};

/// Everything in grid steps; a vector has one value for each level.
struct CellLaw {
    CellOptions cell;
    Grid grid;
    Conditions conditions;

    std::vector<double> target;
    std::vector<double> write_deviation;  // empty: no additive programming error
    double lognormal_sigma = 0;
    std::vector<MeasuredLevel> measured;  // empty: none
    double device_sigma = 0;

    std::vector<double> relaxation_mean, relaxation_deviation;  // empty: none
    std::vector<double> drift_exponent, drift_deviation;        // empty: none
    double drift_log = 0;                                       // ln(t / t0), or log10 where logarithmic
    double flip_probability = 0;                                // retention
    std::vector<Contraction> contractions;                      // retention, endurance, read disturb
    double heat = 1;                                            // factor of the temperature
    double series = 0;                                          // resistance times conductance of one grid step

    std::vector<double> flicker;  // rms, relative to G or in grid steps; empty: none
    double square_noise = 0;      // variance of a conversion: square_noise g^2 + linear_noise g
    double linear_noise = 0;      // grid steps

    bool drifts() const { return !drift_exponent.empty(); }
    bool has_traps() const { return cell.read_noise.telegraph.amplitude > 0; }
    /// Noise that a conversion draws, and noise that outlasts it without lasting as long as the chip.
    bool has_variance() const;
    bool wanders() const;
    bool traps_wander() const;
};

/// Throws ConfigError where the model says nothing about the conditions, or a law gives a negative deviation.
CellLaw make_cell_law(const CellOptions& cell, const Grid& grid, const Conditions& conditions);

/// Where the cells of one row go, in grid steps; empty spans are not filled. And what is known of them.
struct CellRow {
    std::span<int32_t> g;
    std::span<float> variance;  // grid steps^2, independent from conversion to conversion
    std::span<float> wander;    // rms of flicker noise that persists over a product or a sample
    std::span<float> trap;      // fall of the conductance while the cell's trap is filled; 0: no trap, or a shorter one
    std::span<const double> stuck{};     // conductance of faulty cells, NaN where a cell works; empty: all work
    std::span<const double> measured{};  // conductance after programming, NaN where it was not measured; empty: nowhere
};

/// Writes the cells of one word line to `levels` and lets them age.
void write_row(const CellLaw& law, const CellStreams& streams, uint32_t array, uint32_t row,
               std::span<const uint16_t> levels, const CellRow& out, ProgrammingReport& report);

/// Without any error: g = g_min + level * level_step.
void write_row_exactly(const Grid& grid, std::span<const uint16_t> levels, std::span<int32_t> g);

}  // namespace bitline
