// Tiles of vectors as long as those of AVX-512, in plain C++, and of odd sizes: they take the products through layouts
// that the machine at hand may not use.

#include "training/products/tile_set.h"

namespace bitline::training::products {
namespace {

constexpr int kLanes = 16;
constexpr int kRegisters = 12, kRows = 5;
constexpr int kOuterRows = 4, kOuterVectors = 2;

}  // namespace
}  // namespace bitline::training::products

#include "training/products/plain_vector.h"
// after the vector that it is written in
#include "training/products/tiles_vector.h"

namespace bitline::training::products {

extern const TileSet kWideTiles;
constexpr TileSet kWideTiles = make_tiles("plain, of 16 lanes", transpose);

}  // namespace bitline::training::products
