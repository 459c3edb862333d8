// Transposition of float matrices in blocks of 8 x 8 and 4 x 4. In an unnamed namespace: part of files compiled for
// AVX2.

namespace bitline::training::products {
namespace {

inline void transpose_block(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    __m256 row[8], pair[8], quad[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(from + i * from_stride);
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
        quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xEE);
        quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
        quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
    }
}

inline void transpose_small_block(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_stride);
    __m128 c = _mm_loadu_ps(from + 2 * from_stride), d = _mm_loadu_ps(from + 3 * from_stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_stride, b);
    _mm_storeu_ps(to + 2 * to_stride, c);
    _mm_storeu_ps(to + 3 * to_stride, d);
}

/// Number by number: what no block covers.
inline void transpose_rows(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to,
                           int64_t to_stride) {
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t col = 0; col < cols; ++col) to[col * to_stride + row] = from[row * from_stride + col];
    }
}

void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    int64_t row = 0;
    for (; row + 4 <= rows; row += row + 8 <= rows ? 8 : 4) {
        const int64_t height = row + 8 <= rows ? 8 : 4;
        const float* strip = from + row * from_stride;
        int64_t col = 0;
        if (height == 8) {
            for (; col + 8 <= cols; col += 8)
                transpose_block(strip + col, from_stride, to + col * to_stride + row, to_stride);
        }
        for (; col + 4 <= cols; col += 4) {
            for (int64_t half = 0; half < height; half += 4)
                transpose_small_block(strip + half * from_stride + col, from_stride, to + col * to_stride + row + half,
                                      to_stride);
        }
        transpose_rows(height, cols - col, strip + col, from_stride, to + col * to_stride + row, to_stride);
    }
    transpose_rows(rows - row, cols, from + row * from_stride, from_stride, to + row, to_stride);
}

}  // namespace
}  // namespace bitline::training::products
