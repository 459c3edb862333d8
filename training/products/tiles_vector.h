// The loops of tiles.h over a vector type that the including file defines before it, in an unnamed namespace: `Vector`
// with kLanes floats, load, store, all, zero, plus, and fused(a, b, c) = a * b + c rounded once; kRows and kSums, the
// rows and the sums of a tile that its registers hold; kOuterRows and kOuterVectors. Raw pointers only: such files are
// compiled for instructions that the machine may lack.

namespace bitline::training::products {
namespace {

template <int kTileRows, int kVectors>
void correlate(int64_t depth, const float* panel, const int64_t* offset, const float* const* source,
               const TileTarget* target) {
    Vector sum[kTileRows][kVectors];
    const float* from[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
        from[v] = source[v];
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) sum[r][v] = zero();
    }
    for (int64_t k = 0; k < depth; ++k) {
        Vector x[kVectors];
        const int64_t at = offset[k];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) x[v] = load(from[v] + at);
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) {
            const Vector w = all(panel + r);
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v) sum[r][v] = fused(w, x[v], sum[r][v]);
        }
        panel += kTileRows;
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) {
            float* to = target[v].at + r * target[v].row_stride;
            store(to, target[v].add ? plus(load(to), sum[r][v]) : sum[r][v]);
        }
    }
}

template <int kTileRows, int kVectors>
void outer(const Walk& walk, const float* source, const int64_t* offset, const float* gradient, int64_t gradient_stride,
           float* sums, int64_t sum_stride) {
    Vector sum[kTileRows][kVectors];
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = load(sums + r * sum_stride + v * kLanes);
    }
    const float* from[kTileRows];
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) from[r] = source + offset[r];
    const int64_t row_step = walk.row_step, col_step = walk.col_step, end = walk.cols * col_step;
    const int64_t next_sample = walk.sample_step - walk.rows * row_step;
    for (int64_t sample = 0; sample < walk.samples; ++sample) {
        for (int64_t row = 0; row < walk.rows; ++row) {
            for (int64_t col = 0; col < end; col += col_step) {
                Vector g[kVectors];
#pragma GCC unroll 8
                for (int v = 0; v < kVectors; ++v) g[v] = load(gradient + v * kLanes);
#pragma GCC unroll 8
                for (int r = 0; r < kTileRows; ++r) {
                    const Vector x = all(from[r] + col);
#pragma GCC unroll 8
                    for (int v = 0; v < kVectors; ++v) sum[r][v] = fused(x, g[v], sum[r][v]);
                }
                gradient += gradient_stride;
            }
#pragma GCC unroll 8
            for (int r = 0; r < kTileRows; ++r) {
                from[r] += row_step;
                asm("" : "+r"(from[r]));  // GCC would add the parts up anew for each product
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < kTileRows; ++r) from[r] += next_sample;
    }
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) store(sums + r * sum_stride + v * kLanes, sum[r][v]);
    }
}

template <int kTaps>
void dot(int64_t steps, const float* source, const int64_t* offset, const float* gradient, float* sums) {
    constexpr int kVectors = kDotLanes / kLanes;
    Vector sum[kTaps][kVectors];
#pragma GCC unroll 8
    for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[t][v] = load(sums + t * kDotLanes + v * kLanes);
    }
    for (int64_t i = 0; i < steps * kDotLanes; i += kDotLanes) {
        Vector g[kVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) g[v] = load(gradient + i + v * kLanes);
#pragma GCC unroll 8
        for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 8
            for (int v = 0; v < kVectors; ++v)
                sum[t][v] = fused(g[v], load(source + offset[t] + i + v * kLanes), sum[t][v]);
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) store(sums + t * kDotLanes + v * kLanes, sum[t][v]);
    }
}

// ---------------------------------------------------------------------------------------------- table

/// Most vectors of a tile of so many rows whose sums, inputs and one weight the registers hold.
constexpr int vectors_of(int rows) {
    const int vectors = (kRegisters - 1) / (rows + 1);
    return vectors < kMostVectors ? vectors : kMostVectors;
}

template <int kTileRows, int kVectors>
constexpr void add_correlate(TileSet& set) {
    if constexpr (kVectors > 0) {
        set.correlate[kTileRows][kVectors] = correlate<kTileRows, kVectors>;
        add_correlate<kTileRows, kVectors - 1>(set);
    } else if constexpr (kTileRows > 1) {
        set.vectors[kTileRows - 1] = vectors_of(kTileRows - 1);
        add_correlate<kTileRows - 1, vectors_of(kTileRows - 1)>(set);
    }
}

template <int kTileRows, int kVectors>
constexpr void add_outer(TileSet& set) {
    if constexpr (kVectors > 0) {
        set.outer[kTileRows][kVectors] = outer<kTileRows, kVectors>;
        add_outer<kTileRows, kVectors - 1>(set);
    } else if constexpr (kTileRows > 1) {
        add_outer<kTileRows - 1, kOuterVectors>(set);
    }
}

template <int kTaps>
constexpr void add_dot(TileSet& set) {
    if constexpr (kTaps > 0) {
        set.dot[kTaps] = dot<kTaps>;
        add_dot<kTaps - 1>(set);
    }
}

constexpr TileSet make_tiles(const char* name, Transpose transpose) {
    TileSet set;
    set.name = name;
    set.lanes = kLanes;
    set.rows = kRows;
    set.vectors[kRows] = vectors_of(kRows);
    add_correlate<kRows, vectors_of(kRows)>(set);
    set.outer_rows = kOuterRows;
    set.outer_vectors = kOuterVectors;
    add_outer<kOuterRows, kOuterVectors>(set);
    add_dot<kDotTaps>(set);
    set.transpose = transpose;
    return set;
}

}  // namespace
}  // namespace bitline::training::products
