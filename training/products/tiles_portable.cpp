// The tiles for processors without a set of their own, and what the other sets are compared with.

#include <cmath>

#include "training/products/tile_set.h"

namespace bitline::training::products {
namespace {

struct Vector {
    float lane[4];
};
constexpr int kLanes = 4;
constexpr int kRegisters = 16, kRows = 4;
constexpr int kOuterRows = 6, kOuterVectors = 2;

inline Vector zero() { return {}; }
inline Vector load(const float* from) { return {{from[0], from[1], from[2], from[3]}}; }
inline Vector all(const float* from) { return {{*from, *from, *from, *from}}; }
inline void store(float* to, const Vector& value) {
    for (int i = 0; i < kLanes; ++i) to[i] = value.lane[i];
}
inline Vector plus(const Vector& a, const Vector& b) {
    Vector sum;
    for (int i = 0; i < kLanes; ++i) sum.lane[i] = a.lane[i] + b.lane[i];
    return sum;
}
inline Vector fused(const Vector& a, const Vector& b, const Vector& c) {
    Vector sum;
    for (int i = 0; i < kLanes; ++i) sum.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
    return sum;
}

void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t col = 0; col < cols; ++col) to[col * to_stride + row] = from[row * from_stride + col];
    }
}

}  // namespace
}  // namespace bitline::training::products

#include "training/products/tiles_vector.h"

namespace bitline::training::products {

extern const TileSet kPortableTiles;
constexpr TileSet kPortableTiles = make_tiles("scalar", transpose);

}  // namespace bitline::training::products
