// Compiled for AVX-512: intrinsics and raw pointers only (see core/kernels/README.md).

#include "training/products/tile_set.h"

#if defined(__AVX512F__)

#include <immintrin.h>

namespace bitline::training::products {
namespace {

using Vector = __m512;
constexpr int kLanes = 16;
constexpr int kRegisters = 32, kRows = 8;
constexpr int kOuterRows = 6, kOuterVectors = 4;
inline Vector zero() { return _mm512_setzero_ps(); }
inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
inline Vector all(const float* from) { return _mm512_set1_ps(*from); }
inline void store(float* to, Vector value) { _mm512_storeu_ps(to, value); }
inline Vector plus(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector fused(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

}  // namespace
}  // namespace bitline::training::products

#include "training/products/tiles_vector.h"
#include "training/products/transpose_avx2.h"

namespace bitline::training::products {

extern const TileSet kAvx512Tiles;
constexpr TileSet kAvx512Tiles = make_tiles("avx512", transpose);

}  // namespace bitline::training::products

#endif
