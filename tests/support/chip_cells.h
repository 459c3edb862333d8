#pragma once

#include <vector>

#include "mapping/chip.h"

namespace bitline::testing {

/// Conductances of a chip, block after block, in grid steps; pairs as differences.
inline std::vector<int32_t> conductances(const Chip& chip) {
    std::vector<int32_t> all;
    for (const ChipLayer& layer : chip.layers)
        for (const ChipArray& array : layer.arrays)
            for (const ChipBlock& block : array.blocks)
                all.insert(all.end(), block.cells.g.begin(), block.cells.g.end());
    return all;
}

}  // namespace bitline::testing
