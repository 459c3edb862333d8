#pragma once

// Which set of tiles computes.

#include <vector>

#include "training/products/tile_set.h"

namespace bitline::training::products {

/// Those that this machine can run, best first. Each goes with the kernel of core/kernels that has its name.
std::vector<const TileSet*> available_tiles();

/// The set that goes with the kernel in use, so BITLINE_KERNEL forces both.
const TileSet& active_tiles();

}  // namespace bitline::training::products
