#pragma once

#include "mapping/mapping.h"

namespace bitline {

/// Cuts a layer whose weights, inputs and bias rows are planned into packs and arrays, and fills the counts of
/// MappedLayer. `next_array` and `next_block` number the arrays and their parts over the whole chip.
void tile_layer(MappedLayer& layer, const Architecture& architecture, int32_t& next_array, int32_t& next_block);

/// Weight of the cell in row `row` of the pack (bias rows last) that belongs to column `col` of the pack.
int32_t weight_at(const MappedLayer& layer, const Pack& pack, int64_t row, int64_t col);

}  // namespace bitline
