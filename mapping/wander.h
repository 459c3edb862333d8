#pragma once

// Noise of cells that keeps its value from cycle to cycle: 1/f and telegraph noise whose correlation is longer than a
// conversion and shorter than the life of the chip. A sum over cycles sees the same error in each, so it cannot be
// drawn per conversion: the block's conductances are redrawn for every product or sample.

#include <cstdint>
#include <vector>

#include "core/kernels/kernels.h"
#include "core/random.h"
#include "devices/cell.h"

namespace bitline {

/// Of the cells of one block, in grid steps; empty: none. Where a cell stands behind several lines, they share its
/// draw.
struct Wander {
    int cells_per_column = 1;
    size_t places = 0;        // (word lines x columns); place i shares its draws with i + places, i + 2 places, ..
    std::vector<float> rms;   // (lines x columns), flicker noise of what a converter sees
    std::vector<float> trap;  // (lines x columns x cells per column), fall while the trap is filled; 0: no trap.
                              // Empty: none has one
    bool empty() const { return rms.empty(); }
};

struct WanderStreams {
    StreamKey flicker, telegraph;
};
WanderStreams wander_streams(uint64_t seed, uint32_t trial);

/// The share of a product's life that a draw is for.
struct WanderMoment {
    uint32_t sample = 0, position = 0;
};

/// Grid steps that what a converter sees of each (line, column) can move at most; empty where nothing does.
void largest_wander(const Wander& wander, std::vector<int64_t>& largest);

/// `out` becomes `cells` with its noise at one moment, packed for the active kernel. Cell i of the word lines draws
/// from counter (i / 4, block, sample, position), position 0xFFFFFFFF where the noise lasts for the sample.
void draw_wander(const kernels::Block& cells, const Wander& wander, const ReadNoiseOptions& noise,
                 const WanderStreams& streams, uint32_t block, WanderMoment moment, kernels::Block& out);

/// Whether any source lasts for a product only: then every vector needs a draw of its own.
bool wanders_by_product(const ReadNoiseOptions& noise);

}  // namespace bitline
