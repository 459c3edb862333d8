// Tiles of vectors as long as those of AVX-512, in plain C++, and of odd sizes: they take the products through layouts
// that the machine at hand may not use.

#include <cmath>

#include "training/products/tile_set.h"

namespace bitline::training::products {
namespace {

struct Vector {
    float lane[16];
};
constexpr int kLanes = 16;
constexpr int kRegisters = 12, kRows = 5;
constexpr int kOuterRows = 4, kOuterVectors = 2;

inline Vector zero() { return {}; }
inline Vector load(const float* from) {
    Vector value;
    for (int i = 0; i < kLanes; ++i) value.lane[i] = from[i];
    return value;
}
inline Vector all(const float* from) {
    Vector value;
    for (float& lane : value.lane) lane = *from;
    return value;
}
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

extern const TileSet kWideTiles;
constexpr TileSet kWideTiles = make_tiles("plain, of 16 lanes", transpose);

}  // namespace bitline::training::products
