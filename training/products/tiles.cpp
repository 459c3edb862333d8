#include "training/products/tiles.h"

#include <string>

#include "core/kernels/kernels.h"

namespace bitline::training::products {

extern const TileSet kPortableTiles;
#if defined(__x86_64__)
extern const TileSet kAvx2Tiles, kAvx512Tiles;
#endif

namespace {

const std::vector<const TileSet*>& all_tiles() {
    static const std::vector<const TileSet*> table = {
#if defined(__x86_64__)
        &kAvx512Tiles,
        &kAvx2Tiles,
#endif
        &kPortableTiles,
    };
    return table;
}

}  // namespace

std::vector<const TileSet*> available_tiles() {
    std::vector<const TileSet*> available;
    for (const TileSet* set : all_tiles()) {
        const kernels::Kernel* kernel = kernels::find(set->name);
        if (kernel && kernel->available()) available.push_back(set);
    }
    return available;
}

const TileSet& active_tiles() {
    const std::string kernel = kernels::active().name;
    for (const TileSet* set : all_tiles()) {
        if (kernel == set->name) return *set;
    }
    return *available_tiles().front();  // a kernel without tiles of its own, as amx
}

}  // namespace bitline::training::products
