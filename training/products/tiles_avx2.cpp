// Compiled for AVX2 and FMA: intrinsics and raw pointers only (see core/kernels/README.md).

#include "training/products/tile_set.h"

#if defined(__AVX2__)

#include <immintrin.h>

namespace bitline::training::products {
namespace {

using Vector = __m256;
constexpr int kLanes = 8;
constexpr int kRegisters = 16, kRows = 4;
constexpr int kOuterRows = 6, kOuterVectors = 2;
inline Vector zero() { return _mm256_setzero_ps(); }
inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
inline Vector all(const float* from) { return _mm256_broadcast_ss(from); }
inline void store(float* to, Vector value) { _mm256_storeu_ps(to, value); }
inline Vector plus(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector fused(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

}  // namespace
}  // namespace bitline::training::products

#include "training/products/tiles_vector.h"
#include "training/products/transpose_avx2.h"

namespace bitline::training::products {

extern const TileSet kAvx2Tiles;
constexpr TileSet kAvx2Tiles = make_tiles("avx2", transpose);

}  // namespace bitline::training::products

#endif
