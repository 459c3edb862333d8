// The tiles for processors without a set of their own, and what the other sets are compared with.

#include "training/products/tile_set.h"

namespace bitline::training::products {
namespace {

constexpr int kLanes = 4;
constexpr int kRegisters = 16, kRows = 4;
constexpr int kOuterRows = 6, kOuterVectors = 2;

}  // namespace
}  // namespace bitline::training::products

#include "training/products/plain_vector.h"
// after the vector that it is written in
#include "training/products/tiles_vector.h"

namespace bitline::training::products {

extern const TileSet kPortableTiles;
constexpr TileSet kPortableTiles = make_tiles("scalar", transpose);

}  // namespace bitline::training::products
