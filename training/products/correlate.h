#pragma once

#include "training/products/geometry.h"
#include "training/products/tile_set.h"

namespace bitline::training::products {

/// target = the correlation of source (samples x groups * channels x h x w) with the weights; `add`: target + that.
void correlate(const Correlation& correlation, const TileSet& tiles, int64_t samples, const float* source,
               const float* weights, bool add, float* target);

/// gw of products.h with the tiles given.
void weight_gradient(const ConvolutionShape& shape, const TileSet& tiles, int64_t samples, const float* x,
                     const float* gy, float* gw);

}  // namespace bitline::training::products
