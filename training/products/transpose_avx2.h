// Transposition of float matrices in blocks of 8 x 8. In an unnamed namespace: part of files compiled for AVX2.

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

void transpose(int64_t rows, int64_t cols, const float* from, int64_t from_stride, float* to, int64_t to_stride) {
    const int64_t whole_rows = rows - rows % 8, whole_cols = cols - cols % 8;
    for (int64_t row = 0; row < whole_rows; row += 8) {
        for (int64_t col = 0; col < whole_cols; col += 8)
            transpose_block(from + row * from_stride + col, from_stride, to + col * to_stride + row, to_stride);
    }
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t col = row < whole_rows ? whole_cols : 0; col < cols; ++col)
            to[col * to_stride + row] = from[row * from_stride + col];
    }
}

}  // namespace
}  // namespace bitline::training::products
