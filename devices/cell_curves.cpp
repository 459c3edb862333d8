#include "devices/cell_curves.h"

#include <algorithm>
#include <cmath>

#include "devices/cell_law.h"

namespace bitline {

namespace {

/// Cells of one state, in grid steps.
struct Drawn {
    std::vector<int32_t> g;
    double squared_noise = 0;  // mean over cells
};

Drawn draw(const CellLaw& law, const CellStreams& streams, uint16_t level, uint32_t array, int64_t cells) {
    constexpr int64_t kRow = 1000;
    const double filled = law.cell.read_noise.telegraph.filled_share();
    Drawn drawn;
    ProgrammingReport report;
    for (int64_t first = 0; first < cells; first += kRow) {
        const auto count = static_cast<size_t>(std::min(kRow, cells - first));
        const std::vector<uint16_t> levels(count, level);
        std::vector<int32_t> g(count);
        std::vector<float> variance(law.has_variance() ? count : 0), wander(law.wanders() ? count : 0),
            trap(law.traps_wander() ? count : 0);
        write_row(law, streams, array, static_cast<uint32_t>(first / kRow), levels, {g, variance, wander, trap},
                  report);
        drawn.g.insert(drawn.g.end(), g.begin(), g.end());
        for (const float v : variance) drawn.squared_noise += static_cast<double>(v);
        for (const float rms : wander) drawn.squared_noise += static_cast<double>(rms) * static_cast<double>(rms);
        for (const float fall : trap)
            drawn.squared_noise += static_cast<double>(fall) * static_cast<double>(fall) * filled * (1 - filled);
    }
    drawn.squared_noise /= static_cast<double>(cells);
    return drawn;
}

StateSample summarize(Drawn drawn, double target, double siemens) {
    std::sort(drawn.g.begin(), drawn.g.end());
    const auto n = static_cast<double>(drawn.g.size());
    const auto quantile = [&](double share) { return drawn.g[static_cast<size_t>(share * (n - 1) + 0.5)] * siemens; };
    StateSample state{
        target, 0, 0, quantile(0.05), quantile(0.5), quantile(0.95), std::sqrt(drawn.squared_noise) * siemens};
    for (const int32_t g : drawn.g) state.mean += g * siemens / n;
    double squares = 0;
    for (const int32_t g : drawn.g) squares += (g * siemens - state.mean) * (g * siemens - state.mean);
    state.deviation = std::sqrt(squares / n);
    return state;
}

}  // namespace

std::vector<StateSample> sample_states(const CellOptions& cell, int bits, const Conditions& conditions, int64_t cells,
                                       uint64_t seed) {
    const Grid grid = choose_grid(cell, bits);
    const CellLaw law = make_cell_law(cell, grid, conditions);
    const CellStreams streams = cell_streams(seed, 0);
    std::vector<StateSample> states;
    for (int level = 0; level < grid.levels(); ++level) {
        const Drawn drawn = draw(law, streams, static_cast<uint16_t>(level), static_cast<uint32_t>(level), cells);
        states.push_back(summarize(drawn, law.target[static_cast<size_t>(level)] * grid.siemens, grid.siemens));
    }
    return states;
}

}  // namespace bitline
