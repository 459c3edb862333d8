// What elimination.h promises, on vectors of four doubles. The including file defines Vec, load, store, all, fused
// (a * b + c), add, mul and inverse_root (1 / sqrt(x), or 0 for 0) before, in its unnamed namespace: no other file can
// end up with this code.

#include "peripherals/wires/elimination.h"

namespace bitline::wires {
namespace {

constexpr int kGroup = 3;    // panels of a tile's columns: twelve sums hide the latency of a fused multiply-add
constexpr int kDepth = 192;  // rows taken together: a group's panels stay in the first-level cache

constexpr int least(int a, int b) { return a < b ? a : b; }

// ------------------------------------------------------------------------------------------------ panels

/// Columns in panels of four, each with `size` numbers: row s of a panel is the four numbers at 4 s.
struct Panels {
    double* at;
    std::ptrdiff_t size;
    double* panel(int index) const { return at + index * size; }
    double& number(int row, int col) const { return at[(col / kLanes) * size + row * kLanes + col % kLanes]; }
};

/// Where a tile goes: rows `row` apart, panels of four columns `panel` apart.
struct Target {
    double* at;
    std::ptrdiff_t row, panel;
};

/// out(r, c) (+)= sum over s < depth of a(s, r) b(s, c), for four rows and kPanels panels of columns.
template <int kPanels, bool kAdd>
inline void tile(const double* a, const double* b, std::ptrdiff_t panel, int depth, const Target& out) {
    Vec sum[kLanes][kPanels];
    for (int r = 0; r < kLanes; ++r)
        for (int p = 0; p < kPanels; ++p) sum[r][p] = all(0);
    for (int s = 0; s < depth; ++s) {
        Vec right[kPanels];
#pragma GCC unroll 3
        for (int p = 0; p < kPanels; ++p) right[p] = load(b + p * panel + s * kLanes);
#pragma GCC unroll 4
        for (int r = 0; r < kLanes; ++r) {
            const Vec left = all(a[s * kLanes + r]);
#pragma GCC unroll 3
            for (int p = 0; p < kPanels; ++p) sum[r][p] = fused(left, right[p], sum[r][p]);
        }
    }
    for (int r = 0; r < kLanes; ++r) {
        for (int p = 0; p < kPanels; ++p) {
            double* to = out.at + r * out.row + p * out.panel;
            store(to, kAdd ? add(load(to), sum[r][p]) : sum[r][p]);
        }
    }
}

template <bool kAdd>
inline void tile(int panels, const double* a, const double* b, std::ptrdiff_t panel, int depth, const Target& out) {
    if (panels == 3) return tile<3, kAdd>(a, b, panel, depth, out);
    if (panels == 2) return tile<2, kAdd>(a, b, panel, depth, out);
    tile<1, kAdd>(a, b, panel, depth, out);
}

/// Panels first .. end - 1.
struct Range {
    int first, end;
};

/// out(r, c) += sum over s < depth of x(s, r) x(s, c) for the columns r of `rows` and c of `cols`, without tiles that
/// lie below the diagonal altogether. `out` is where the first row meets the first column.
void add_products(const Panels& x, Range rows, Range cols, int depth, const Target& out) {
    for (int col = cols.first; col < cols.end; col += kGroup) {
        const int panels = least(kGroup, cols.end - col), end = least(rows.end, col + panels);
        for (int from = 0; from < depth; from += kDepth) {
            const int rows_deep = least(kDepth, depth - from);
            const double* b = x.panel(col) + from * kLanes;
            for (int row = rows.first; row < end; ++row) {
                const Target to{out.at + (row - rows.first) * kLanes * out.row + (col - cols.first) * out.panel,
                                out.row, out.panel};
                tile<true>(panels, x.panel(row) + from * kLanes, b, x.size, rows_deep, to);
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------ shared ports

/// Columns of the ports `run` from the column `col` on: the rows are the shared ports, those of the child from `first`
/// on.
void gather_run(const Run& run, const BoxMatrix& child, int first, int shared, const Panels& x, int col) {
    const bool before = run.from < first;  // above the diagonal the shared ports are the columns
    const std::ptrdiff_t down = before ? 1 : child.stride, across = before ? child.stride : 1;
    const double* from = child.at + (before ? run.from * child.stride + first : first * child.stride + run.from);
    int n = 0;
    while (n < run.count) {
        double* to = x.panel((col + n) / kLanes) + (col + n) % kLanes;
        const double* at = from + n * across;
        if ((col + n) % kLanes > 0 || n + kLanes > run.count) {
            for (int s = 0; s < shared; ++s) to[s * kLanes] = at[s * down];
            n += 1;
            continue;
        }
        if (before)
            for (int s = 0; s < shared; ++s)
                for (int k = 0; k < kLanes; ++k) to[s * kLanes + k] = at[s + k * across];
        else
            for (int s = 0; s < shared; ++s) store(to + s * kLanes, load(at + s * down));
        n += kLanes;
    }
}

/// The conductances of the shared ports to one another and to those that are left, in panels.
void gather_shared(const Merge& merge, const BoxMatrix children[2], const Panels& x) {
    const int shared = merge.shared, padded = round_up(shared, kLanes), end = padded + round_up(merge.ports, kLanes);
    const BoxMatrix &a = children[0], &b = children[1];
    for (int s = 0; s < padded; ++s) {
        for (int c = 0; c < padded; ++c) x.number(s, c) = 0;
        for (int c = padded + merge.ports; c < end; ++c) x.number(s, c) = 0;
        if (s >= shared)
            for (int c = padded; c < padded + merge.ports; ++c) x.number(s, c) = 0;
    }
    for (int s = 0; s < shared; ++s) {
        const double* in_a = a.at + (merge.first_shared[0] + s) * a.stride + merge.first_shared[0];
        const double* in_b = b.at + (merge.first_shared[1] + s) * b.stride + merge.first_shared[1];
        for (int c = s + 1; c < shared; ++c) x.number(s, c) = in_a[c] + in_b[c];
    }
    int col = padded;
    for (int i = 0; i < merge.runs; ++i) {
        const Run& run = merge.run[i];
        gather_run(run, children[run.child], merge.first_shared[run.child], shared, x, col);
        col += run.count;
    }
}

/// The shared ports from .. from + size - 1 after all before them were eliminated.
struct Diagonal {
    int size;
    alignas(32) double c[kBlock][kBlock];        // conductances to one another, above the diagonal
    double outside[kBlock];                      // sum of each one's conductances to what lies behind the block
    alignas(32) double inverse[kBlock][kBlock];  // (root(D) - L)^-1, below and on the diagonal, else 0
};

/// Eliminates one port of the block after another: c becomes X, and `inverse` maps a column of conductances behind the
/// block to its X.
void factor(Diagonal& block) {
    const int size = block.size;
    for (int s = 0; s < size; ++s) {
        double sum = block.outside[s];
        for (int c = s + 1; c < size; ++c) sum += block.c[s][c];
        const double root = inverse_root(sum), outside = block.outside[s] * root;
        for (int c = s + 1; c < size; ++c) block.c[s][c] *= root;
        for (int t = s + 1; t < size; ++t) {
            const double x = block.c[s][t];
            for (int c = t + 1; c < size; ++c) block.c[t][c] = __builtin_fma(x, block.c[s][c], block.c[t][c]);
            block.outside[t] = __builtin_fma(x, outside, block.outside[t]);
        }
        double* row = block.inverse[s];
        for (int c = 0; c < kBlock; ++c) row[c] = 0;
        for (int t = 0; t < s; ++t) {
            const double x = block.c[t][s];
            for (int c = 0; c <= t; ++c) row[c] = __builtin_fma(x, block.inverse[t][c], row[c]);
        }
        for (int c = 0; c < s; ++c) row[c] *= root;
        row[s] = root;
    }
}

/// Takes the block out of the panels, where `cols` lie behind it.
void load_diagonal(const Panels& x, int from, Range cols, Diagonal& block) {
    for (int s = 0; s < block.size; ++s) {
        for (int c = s + 1; c < block.size; ++c) block.c[s][c] = x.number(from + s, from + c);
        Vec sum = all(0);
        for (int p = cols.first; p < cols.end; ++p) sum = add(sum, load(x.panel(p) + (from + s) * kLanes));
        alignas(32) double part[kLanes];
        store(part, sum);
        block.outside[s] = (part[0] + part[1]) + (part[2] + part[3]);
    }
}

/// X = inverse * C for the block's rows in the panels `cols`, in place, and the inverse itself where the block was.
void scale_rows(const Panels& x, int from, Range cols, const Diagonal& block) {
    alignas(32) double packed[kBlock / kLanes][kBlock][kLanes];  // the inverse, transposed, in panels
    for (int r = 0; r < block.size; ++r)
        for (int s = 0; s < block.size; ++s) packed[r / kLanes][s][r % kLanes] = block.inverse[r][s];
    for (int col = cols.first; col < cols.end; col += kGroup) {
        const int panels = least(kGroup, cols.end - col);
        double* in = x.panel(col) + from * kLanes;
        for (int r = block.size / kLanes - 1; r >= 0; --r)  // the rows above a tile's own are still wanted
            tile<false>(panels, packed[r][0], in, x.size, (r + 1) * kLanes, {in + r * kLanes * kLanes, kLanes, x.size});
    }
    for (int s = 0; s < block.size; ++s)
        for (int r = 0; r < block.size; ++r) x.number(from + s, from + r) = block.inverse[r][s];
}

void factor_shared(const Panels& x, int shared, int panels) {
    Diagonal block;
    for (int from = 0; from < shared; from += kBlock) {
        block.size = least(kBlock, shared - from);
        const int first = from / kLanes, behind = first + block.size / kLanes;
        const Target rows{x.panel(first) + from * kLanes, kLanes, x.size};
        add_products(x, {first, behind}, {first, panels}, from, rows);
        load_diagonal(x, from, {behind, panels}, block);
        factor(block);
        scale_rows(x, from, {behind, panels}, block);
    }
}

// ------------------------------------------------------------------------------------------------ merge

/// What each child brings along between the ports that are left.
void gather_ports(const Merge& merge, const BoxMatrix children[2], const BoxMatrix& result) {
    int row = 0;
    for (int i = 0; i < merge.runs && row < merge.row_end; ++i) {
        const Run& in = merge.run[i];
        const BoxMatrix& child = children[in.child];
        for (int n = 0; n < in.count; ++n, ++row) {
            int col = row - n;
            for (int j = i; j < merge.runs; ++j) {
                const Run& across = merge.run[j];
                const int skip = j == i ? n : 0;
                double* to = result.at + row * result.stride + col + skip;
                const std::size_t bytes = sizeof(double) * std::size_t(across.count - skip);
                col += across.count;
                if (col <= merge.col_begin) continue;
                if (across.child == in.child)
                    __builtin_memcpy(to, child.at + (in.from + n) * child.stride + across.from + skip, bytes);
                else
                    __builtin_memset(to, 0, bytes);
            }
        }
    }
}

void merge(const Merge& merge, const BoxMatrix children[2], double* factor, const BoxMatrix& result) {
    const int shared = round_up(merge.shared, kLanes), first = shared / kLanes;
    const Panels x{factor, std::ptrdiff_t(shared) * kLanes};
    gather_shared(merge, children, x);
    factor_shared(x, shared, first + round_up(merge.ports, kLanes) / kLanes);
    gather_ports(merge, children, result);
    const int from = merge.col_begin / kLanes;
    const Range rows{first, first + round_up(merge.row_end, kLanes) / kLanes};
    const Range cols{first + from, first + round_up(merge.ports, kLanes) / kLanes};
    add_products(x, rows, cols, shared, {result.at + from * kLanes, result.stride, kLanes});
}

// ------------------------------------------------------------------------------------------------ boxes in lanes

inline Vec lane_load(const double* at, std::ptrdiff_t index) { return load(at + index * kLanes); }
inline void lane_store(double* at, std::ptrdiff_t index, Vec value) { store(at + index * kLanes, value); }

void gather_shared_lanes(const Merge& merge, const BoxMatrix children[2], double* x, int width) {
    for (int s = 0; s < merge.shared; ++s) {
        const BoxMatrix &a = children[0], &b = children[1];
        const std::ptrdiff_t in_a = (merge.first_shared[0] + s) * a.stride + merge.first_shared[0];
        const std::ptrdiff_t in_b = (merge.first_shared[1] + s) * b.stride + merge.first_shared[1];
        double* row = x + std::ptrdiff_t(s) * width * kLanes;
        for (int c = s + 1; c < merge.shared; ++c)
            lane_store(row, c, add(lane_load(a.at, in_a + c), lane_load(b.at, in_b + c)));
        int col = merge.shared;
        for (int i = 0; i < merge.runs; ++i) {
            const Run& run = merge.run[i];
            const BoxMatrix& child = children[run.child];
            const int port = merge.first_shared[run.child] + s;
            const bool before = run.from < port;  // above the diagonal the shared port is the column
            const std::ptrdiff_t from = before ? run.from * child.stride + port : port * child.stride + run.from;
            const std::ptrdiff_t step = before ? child.stride : 1;
            for (int n = 0; n < run.count; ++n, ++col) lane_store(row, col, lane_load(child.at, from + n * step));
        }
    }
}

/// out(r, c) = from(r, c) + sum over s of x(s, row + r) x(s, col + c); from: nothing where it is null.
template <int kRows, int kCols>
inline void lane_tile(const double* x, int width, int shared, int row, int col, const BoxMatrix& from,
                      const BoxMatrix& out) {
    Vec sum[kRows][kCols];
    for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kCols; ++c) sum[r][c] = from.at ? lane_load(from.at, r * from.stride + c) : all(0);
    for (int s = 0; s < shared; ++s) {
        const double* at = x + std::ptrdiff_t(s) * width * kLanes;
        Vec right[kCols];
#pragma GCC unroll 3
        for (int c = 0; c < kCols; ++c) right[c] = lane_load(at, col + c);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
            const Vec left = lane_load(at, row + r);
#pragma GCC unroll 3
            for (int c = 0; c < kCols; ++c) sum[r][c] = fused(left, right[c], sum[r][c]);
        }
    }
    for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kCols; ++c) lane_store(out.at, r * out.stride + c, sum[r][c]);
}

inline BoxMatrix lane_shift(const BoxMatrix& matrix, std::ptrdiff_t row, std::ptrdiff_t col) {
    return {matrix.at ? matrix.at + (row * matrix.stride + col) * kLanes : nullptr, matrix.stride};
}

/// kRows rows of a rectangle of `cols` columns.
template <int kRows>
inline void lane_rows(const double* x, int width, int shared, int row, int col, int cols, const BoxMatrix& from,
                      const BoxMatrix& out) {
    int c = 0;
    for (; c + 3 <= cols; c += 3)
        lane_tile<kRows, 3>(x, width, shared, row, col + c, lane_shift(from, 0, c), lane_shift(out, 0, c));
    if (cols - c == 2)
        lane_tile<kRows, 2>(x, width, shared, row, col + c, lane_shift(from, 0, c), lane_shift(out, 0, c));
    if (cols - c == 1)
        lane_tile<kRows, 1>(x, width, shared, row, col + c, lane_shift(from, 0, c), lane_shift(out, 0, c));
}

/// A rectangle of `rows` by `cols`; `upper`: what lies above its diagonal is enough.
void lane_rectangle(const double* x, int width, int shared, int row, int rows, int col, int cols, bool upper,
                    const BoxMatrix& from, const BoxMatrix& out) {
    for (int r = 0; r < rows;) {
        const int skip = upper ? r : 0, left = rows - r;
        const BoxMatrix in = lane_shift(from, r, skip), to = lane_shift(out, r, skip);
        if (left >= 4) {
            lane_rows<4>(x, width, shared, row + r, col + skip, cols - skip, in, to);
            r += 4;
        } else if (left >= 2) {
            lane_rows<2>(x, width, shared, row + r, col + skip, cols - skip, in, to);
            r += 2;
        } else {
            lane_rows<1>(x, width, shared, row + r, col + skip, cols - skip, in, to);
            r += 1;
        }
    }
}

/// Eliminates the shared ports from .. from + kRows - 1: their rows become X.
template <int kRows>
void factor_rows(double* x, int width, int from) {
    const BoxMatrix rows{x + (std::ptrdiff_t(from) * width + from) * kLanes, width};
    lane_rows<kRows>(x, width, from, from, from, width - from, rows, rows);
    Vec outside[kRows], root[kRows], factor[kRows][kRows];
    for (int s = 0; s < kRows; ++s) outside[s] = all(0);
    for (int c = kRows; c < width - from; ++c)
        for (int s = 0; s < kRows; ++s) outside[s] = add(outside[s], lane_load(rows.at, s * width + c));
    for (int s = 0; s < kRows; ++s)
        for (int c = s + 1; c < kRows; ++c) factor[s][c] = lane_load(rows.at, s * width + c);
    for (int s = 0; s < kRows; ++s) {
        Vec sum = outside[s];
        for (int c = s + 1; c < kRows; ++c) sum = add(sum, factor[s][c]);
        root[s] = inverse_root(sum);
        outside[s] = mul(outside[s], root[s]);
        for (int c = s + 1; c < kRows; ++c) factor[s][c] = mul(factor[s][c], root[s]);
        for (int t = s + 1; t < kRows; ++t) {
            outside[t] = fused(factor[s][t], outside[s], outside[t]);
            for (int c = t + 1; c < kRows; ++c) factor[t][c] = fused(factor[s][t], factor[s][c], factor[t][c]);
        }
        lane_store(rows.at, s * width + s, root[s]);
        for (int c = s + 1; c < kRows; ++c) lane_store(rows.at, s * width + c, factor[s][c]);
    }
    for (int c = kRows; c < width - from; ++c) {
        Vec column[kRows];
        for (int t = 0; t < kRows; ++t) {
            column[t] = lane_load(rows.at, t * width + c);
            for (int s = 0; s < t; ++s) column[t] = fused(factor[s][t], column[s], column[t]);
            column[t] = mul(column[t], root[t]);
            lane_store(rows.at, t * width + c, column[t]);
        }
    }
}

void factor_shared_lanes(int shared, double* x, int width) {
    for (int s = 0; s < shared;) {
        if (shared - s >= 4) {
            factor_rows<4>(x, width, s);
            s += 4;
        } else if (shared - s >= 2) {
            factor_rows<2>(x, width, s);
            s += 2;
        } else {
            factor_rows<1>(x, width, s);
            s += 1;
        }
    }
}

void merge_lanes(const Merge& merge, const BoxMatrix children[2], double* factor, const BoxMatrix& result) {
    const int shared = merge.shared, width = shared + merge.ports;
    gather_shared_lanes(merge, children, factor, width);
    factor_shared_lanes(shared, factor, width);
    int row = 0;
    for (int i = 0; i < merge.runs; row += merge.run[i++].count) {
        const Run& in = merge.run[i];
        int col = row;
        for (int j = i; j < merge.runs; col += merge.run[j++].count) {
            const Run& across = merge.run[j];
            BoxMatrix from;
            if (across.child == in.child) from = lane_shift(children[in.child], in.from, across.from);
            lane_rectangle(factor, width, shared, shared + row, in.count, shared + col, across.count, i == j, from,
                           lane_shift(result, row, col));
        }
    }
}

void eliminate_stars(const int* code, int stars, double* conductance, double* factor) {
    for (int star = 0; star < stars; ++star) {
        const int degree = *code++;
        Vec sum = all(0);
        for (int i = 0; i < degree; ++i) sum = add(sum, lane_load(conductance, code[i]));
        const Vec root = inverse_root(sum);
        lane_store(factor, 0, root);
        double* x = factor + kLanes;
        for (int i = 0; i < degree; ++i) lane_store(x, i, mul(lane_load(conductance, code[i]), root));
        code += degree;
        for (int i = 0; i < degree; ++i) {
            const Vec left = lane_load(x, i);
            for (int j = i + 1; j < degree; ++j, ++code)
                lane_store(conductance, *code, fused(left, lane_load(x, j), lane_load(conductance, *code)));
        }
        factor = x + degree * kLanes;
    }
}

}  // namespace
}  // namespace bitline::wires
