// Compiled for AVX2 and FMA: intrinsics and raw pointers only (see core/kernels/README.md).

#include "peripherals/wires/sweeps.h"

#if defined(__AVX2__)

#include <immintrin.h>

namespace bitline::wires {
namespace {

using Vec = __m256d;

inline Vec load(const double* from) { return _mm256_loadu_pd(from); }
inline void store(double* to, Vec value) { _mm256_storeu_pd(to, value); }
inline Vec all(double value) { return _mm256_set1_pd(value); }
inline Vec add(Vec a, Vec b) { return _mm256_add_pd(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_pd(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_pd(a, b); }
inline Vec fused(Vec a, Vec b, Vec c) { return _mm256_fmadd_pd(a, b, c); }
inline Vec inverse(Vec x) { return _mm256_div_pd(all(1), x); }
inline Vec magnitude(Vec a) { return _mm256_andnot_pd(all(-0.0), a); }
inline Vec least(Vec a, Vec b) { return _mm256_min_pd(a, b); }

inline Vec or_one(Vec x, Vec y) { return _mm256_blendv_pd(all(1), y, _mm256_cmp_pd(x, all(0), _CMP_GT_OQ)); }
inline Vec positive_or_one(Vec x) { return or_one(x, x); }

inline void transpose(Vec v[4]) {
    const Vec a = _mm256_unpacklo_pd(v[0], v[1]), b = _mm256_unpackhi_pd(v[0], v[1]);
    const Vec c = _mm256_unpacklo_pd(v[2], v[3]), d = _mm256_unpackhi_pd(v[2], v[3]);
    v[0] = _mm256_permute2f128_pd(a, c, 0x20);
    v[1] = _mm256_permute2f128_pd(b, d, 0x20);
    v[2] = _mm256_permute2f128_pd(a, c, 0x31);
    v[3] = _mm256_permute2f128_pd(b, d, 0x31);
}

}  // namespace
}  // namespace bitline::wires

#include "peripherals/wires/sweeps_vector.h"

namespace bitline::wires {
const Sweeps kAvx2Sweeps{"avx2", factor_rows, factor_cols, solve_rows, solve_cols, certify, ladders};
}

#endif
