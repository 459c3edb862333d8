#include "devices/cell.h"

#include <algorithm>
#include <cmath>

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

}  // namespace bitline
