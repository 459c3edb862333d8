#include "devices/cell.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/kernels.h"

namespace bitline {

namespace {

constexpr double kCoarsest = 16384;       // g_max in grid steps where nothing asks for more
constexpr double kFinest = 4194304;       // 2^22: keeps a column sum of 2^16 rows inside 53 bits
constexpr double kOneLimb = 32767;        // what one 16-bit limb of a kernel holds
constexpr int32_t kLeastLevelStep = 15;   // grid steps: errors far below a level stay visible
constexpr double kLevelTolerance = 1e-3;  // of G_min

struct GridChoice {
    int32_t level_step = 1, g_min = 0;
    double error = 0;  // of g_min, relative
};

/// The odd level step of [3/4 limit, limit] that brings G_min = ratio * level_step closest to a whole number.
GridChoice best_level_step(double ratio, double limit) {
    int32_t top = std::max<int32_t>(1, static_cast<int32_t>(limit));
    if (top % 2 == 0) --top;
    GridChoice best{top, 0, 2.0};
    if (ratio == 0) return {top, 0, 0};
    for (int32_t step = top; step >= 1 && step >= top * 3 / 4; step -= 2) {
        const double exact = ratio * step;
        const double whole = std::floor(exact + 0.5);
        const double error = whole == 0 ? 1.0 : std::abs(exact - whole) / exact;
        if (error < best.error) best = {step, static_cast<int32_t>(whole), error};
        if (error < 1e-12) break;
    }
    return best;
}

/// written(target, xi) is the conductance in grid steps, which is then rounded to the grid and clipped to what a cell
/// can hold. Clipping comes first and truncation rounds, so that the loop vectorises.
template <class Written>
void write_cells(const Grid& grid, std::span<const float> xi, std::span<int32_t> g, ProgrammingReport& report,
                 const Written& written) {
    const double last = static_cast<double>(grid.ceiling) + 0.5, beyond = static_cast<double>(grid.ceiling) + 1;
    double clipped = 0;
    for (size_t i = 0; i < g.size(); ++i) {
        const double raised = written(static_cast<double>(g[i]), static_cast<double>(xi[i])) + 0.5;
        const double raised_enough = raised < 0 ? 0 : raised;
        g[i] = static_cast<int32_t>(raised_enough < last ? raised_enough : last);
        clipped += raised < 0 ? 1.0 : 0.0;
        clipped += raised < beyond ? 0.0 : 1.0;
    }
    report.clipped += static_cast<int64_t>(clipped);
}

void write_with_error(const ProgrammingErrorOptions& error, const Grid& grid, std::span<const float> xi,
                      std::span<int32_t> g, ProgrammingReport& report) {
    const double sigma = error.sigma;
    switch (error.model) {
        case ProgrammingErrorOptions::Model::none:
            return;
        case ProgrammingErrorOptions::Model::independent:
            return write_cells(grid, xi, g, report,
                               [step = sigma * grid.g_max](double target, double x) { return target + step * x; });
        case ProgrammingErrorOptions::Model::proportional:
            return write_cells(grid, xi, g, report,
                               [sigma](double target, double x) { return target + sigma * target * x; });
        case ProgrammingErrorOptions::Model::lognormal:
            return write_cells(grid, xi, g, report,
                               [sigma](double target, double x) { return target * fixed_exp(sigma * x); });
    }
}

/// Cells that cannot be written keep G_min or G_max.
void stick(const StuckAtOptions& stuck, const Grid& grid, StreamKey key, uint32_t array, uint32_t row,
           std::span<int32_t> g, ProgrammingReport& report) {
    Counter bits{};
    for (size_t i = 0; i < g.size(); ++i) {
        if (i % 4 == 0) bits = philox({static_cast<uint32_t>(i / 4), array, row, 0}, key);
        const double u = uniform(bits[i % 4]);
        if (u < stuck.low_rate) {
            g[i] = grid.g_min;
            ++report.stuck_low;
        } else if (u < stuck.low_rate + stuck.high_rate) {
            g[i] = grid.g_max;
            ++report.stuck_high;
        }
    }
}

}  // namespace

Grid choose_grid(const CellOptions& cell, int bits) {
    const double intervals = static_cast<double>((int64_t{1} << bits) - 1);
    const double spacing = (cell.g_max - cell.g_min) / intervals;
    const double ratio = cell.g_min / spacing;  // G_min in level spacings
    const double ceiling = cell.g_ceiling > 0 ? cell.g_ceiling : 1.5 * cell.g_max;

    double size = std::min(kCoarsest, std::floor(kOneLimb * cell.g_max / ceiling));
    GridChoice choice = best_level_step(ratio, size / (intervals + ratio));
    while (size < kFinest && (choice.level_step < kLeastLevelStep || choice.error > kLevelTolerance)) {
        size = std::min(kFinest, 2 * size);
        choice = best_level_step(ratio, size / (intervals + ratio));
    }
    Grid grid;
    grid.level_step = choice.level_step;
    grid.g_min = choice.g_min;
    grid.g_max = choice.g_min + static_cast<int32_t>(intervals) * choice.level_step;
    grid.siemens = spacing / choice.level_step;
    grid.ceiling = static_cast<int32_t>(std::floor(ceiling / grid.siemens + 0.5));
    return grid;
}

ProgrammingReport& ProgrammingReport::operator+=(const ProgrammingReport& other) {
    cells += other.cells;
    stuck_low += other.stuck_low;
    stuck_high += other.stuck_high;
    clipped += other.clipped;
    return *this;
}

CellStreams cell_streams(uint64_t seed, uint32_t trial) {
    return {stream_key(seed, trial, Purpose::programming_error), stream_key(seed, trial, Purpose::stuck_at)};
}

void program_row_exactly(const Grid& grid, std::span<const uint16_t> levels, std::span<int32_t> g) {
    for (size_t i = 0; i < g.size(); ++i) g[i] = grid.g_min + grid.level_step * levels[i];
}

void program_row(const CellOptions& cell, const Grid& grid, const CellStreams& streams, uint32_t array, uint32_t row,
                 std::span<const uint16_t> levels, std::span<int32_t> g, ProgrammingReport& report) {
    program_row_exactly(grid, levels, g);
    report.cells += static_cast<int64_t>(g.size());
    if (cell.programming_error.sigma > 0 && cell.programming_error.model != ProgrammingErrorOptions::Model::none) {
        thread_local std::vector<float> xi;
        xi.resize(g.size());
        kernels::active().gaussians(streams.programming_error, 0, array, row, 0, g.size(), xi.data());
        write_with_error(cell.programming_error, grid, xi, g, report);
    }
    if (cell.stuck_at.low_rate + cell.stuck_at.high_rate > 0)
        stick(cell.stuck_at, grid, streams.stuck_at, array, row, g, report);
}

}  // namespace bitline
