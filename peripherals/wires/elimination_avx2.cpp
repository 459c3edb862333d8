// Compiled for AVX2 and FMA: intrinsics and raw pointers only (see core/kernels/README.md).

#include "peripherals/wires/elimination.h"

#if defined(__AVX2__)

#include <immintrin.h>

namespace bitline::wires {
namespace {

using Vec = __m256d;

inline Vec load(const double* from) { return _mm256_loadu_pd(from); }
inline void store(double* to, Vec value) { _mm256_storeu_pd(to, value); }
inline Vec all(double value) { return _mm256_set1_pd(value); }
inline Vec add(Vec a, Vec b) { return _mm256_add_pd(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_pd(a, b); }
inline Vec fused(Vec a, Vec b, Vec c) { return _mm256_fmadd_pd(a, b, c); }

/// 1 / sqrt(x), or 0 for a node without any connection left.
inline Vec inverse_root(Vec x) {
    const Vec root = _mm256_div_pd(all(1), _mm256_sqrt_pd(x));
    return _mm256_and_pd(root, _mm256_cmp_pd(x, all(0), _CMP_GT_OQ));
}
inline double inverse_root(double x) { return _mm256_cvtsd_f64(inverse_root(all(x))); }

}  // namespace
}  // namespace bitline::wires

#include "peripherals/wires/elimination_vector.h"

namespace bitline::wires {
const Elimination kAvx2{"avx2", merge, merge_lanes, eliminate_stars};
}

#endif
