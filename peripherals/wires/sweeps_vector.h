// What sweeps.h promises, on vectors of four doubles. The including file defines Vec, load, store, all, add, sub, mul,
// inverse (1 / x), fused (a * b + c), magnitude, least, positive_or_one(x) (x where it is above
// 0, else 1), or_one(x, y) (y where x is above 0, else 1) and transpose (of four vectors) before, in its unnamed
// namespace: no other file can end up with this code.

#include <cstddef>

#include "peripherals/wires/sweeps.h"

namespace bitline::wires {
namespace {

constexpr int kSide = 4, kBlockSize = kSide * kSide;

inline double lane_least(Vec value) {
    double lane[kSide];
    store(lane, value);
    const double a = lane[0] < lane[1] ? lane[0] : lane[1], b = lane[2] < lane[3] ? lane[2] : lane[3];
    return a < b ? a : b;
}

inline double lane_sum(Vec value) {
    double lane[kSide];
    store(lane, value);
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

inline double ohm_left_of(const LineGrid& grid, int col) { return col > 0 ? grid.row_ohm : grid.driver_ohm; }

/// s of a block, row by row.
inline void load_source(const LineStep& step, std::ptrdiff_t at, Vec block[kSide]) {
    for (int r = 0; r < kSide; ++r) {
        block[r] = load(step.conductance + at + r * kSide);
        if (step.other) block[r] = mul(block[r], load(step.other + at + r * kSide));
    }
}

/// volts + weight (solution - volts).
inline void relax(double* volts, Vec weight, bool whole, Vec solution) {
    if (!whole) {
        const Vec before = load(volts);
        solution = fused(weight, sub(solution, before), before);
    }
    store(volts, solution);
}

// ------------------------------------------------------------------------------------------------ rows

/// Two groups of four rows at once hide the latency of one another's chains.
constexpr int kGroups = 2;

/// body(first number, row, groups) for all rows, some groups at a time.
template <class Body>
inline void for_groups(const LineGrid& grid, const Body& body) {
    int row = 0;
    const auto at = [&] { return std::ptrdiff_t(row) * grid.cols; };
    for (; row + kGroups * kSide <= grid.rows; row += kGroups * kSide) body.template operator()<kGroups>(at(), row);
    for (; row < grid.rows; row += kSide) body.template operator()<1>(at(), row);
}

double factor_rows(const LineGrid& grid, const double* conductance, const LineFactors& factors) {
    const std::ptrdiff_t next = std::ptrdiff_t(grid.cols) * kSide;  // group
    Vec lowest = all(1);
    for_groups(grid, [&]<int groups>(std::ptrdiff_t from, int) {
        Vec through[groups], product[groups];
        for (int n = 0; n < groups; ++n) {
            through[n] = all(0);
            product[n] = all(1);
        }
        for (int first = grid.cols - kSide; first >= 0; first -= kSide) {
            Vec g[groups][kSide];
            for (int n = 0; n < groups; ++n) {
                for (int r = 0; r < kSide; ++r) g[n][r] = load(conductance + from + n * next + (first + r) * kSide);
                transpose(g[n]);
            }
            for (int c = kSide - 1; c >= 0; --c) {
                const Vec ohm = all(ohm_left_of(grid, first + c));
                for (int n = 0; n < groups; ++n) {
                    const std::ptrdiff_t at = from + n * next + (first + c) * kSide;
                    const Vec y = add(g[n][c], through[n]), a = inverse(fused(ohm, y, all(1)));
                    through[n] = mul(a, y);
                    product[n] = mul(product[n], a);
                    store(factors.share + at, a);
                    store(factors.seen + at, through[n]);
                }
            }
        }
        for (int n = 0; n < groups; ++n) lowest = least(lowest, product[n]);
    });
    return lane_least(lowest);
}

/// a(k) J(k) of some groups, into `scratch`.
template <int groups>
inline void gather_rows(const LineGrid& grid, std::ptrdiff_t from, const double* shares, const LineStep& step,
                        double* scratch) {
    const std::ptrdiff_t next = std::ptrdiff_t(grid.cols) * kSide;
    Vec j[groups];
    for (int n = 0; n < groups; ++n) j[n] = all(0);
    for (int first = grid.cols - kSide; first >= 0; first -= kSide) {
        Vec source[groups][kSide];
        for (int n = 0; n < groups; ++n) {
            load_source(step, from + n * next + first * kSide, source[n]);
            transpose(source[n]);
        }
        for (int c = kSide - 1; c >= 0; --c) {
            for (int n = 0; n < groups; ++n) {
                const std::ptrdiff_t at = n * next + (first + c) * kSide;
                const Vec a = load(shares + from + at);
                j[n] = fused(a, j[n], mul(a, source[n][c]));
                store(scratch + at, j[n]);
            }
        }
    }
}

void solve_rows(const LineGrid& grid, const double* shares, const LineStep& step, double* scratch) {
    const std::ptrdiff_t next = std::ptrdiff_t(grid.cols) * kSide;
    const Vec weight = all(step.weight);
    const bool whole = step.weight == 1;
    for_groups(grid, [&]<int groups>(std::ptrdiff_t from, int row) {
        gather_rows<groups>(grid, from, shares, step, scratch);
        Vec v[groups];
        for (int n = 0; n < groups; ++n) v[n] = load(grid.drive + row + n * kSide);
        for (int first = 0; first < grid.cols; first += kSide) {
            Vec block[groups][kSide];
            for (int c = 0; c < kSide; ++c) {
                const Vec ohm = all(ohm_left_of(grid, first + c));
                for (int n = 0; n < groups; ++n) {
                    const std::ptrdiff_t at = n * next + (first + c) * kSide;
                    v[n] = fused(load(shares + from + at), v[n], mul(ohm, load(scratch + at)));
                    block[n][c] = v[n];
                }
            }
            for (int n = 0; n < groups; ++n) {
                transpose(block[n]);
                double* volts = step.volts + from + n * next + first * kSide;
                for (int r = 0; r < kSide; ++r) relax(volts + r * kSide, weight, whole, block[n][r]);
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ columns

/// Some columns of blocks at a time: what is gathered stays in the first-level cache.
constexpr int kPanels = 4;

/// body(column, panels) for all columns.
template <class Body>
inline void for_panels(int cols, const Body& body) {
    int col = 0;
    for (; col + kPanels * kSide <= cols; col += kPanels * kSide) body.template operator()<kPanels>(col);
    for (; col < cols; col += kSide) body.template operator()<1>(col);
}

double factor_cols(const LineGrid& grid, const double* conductance, const LineFactors& factors) {
    Vec lowest = all(1);
    for_panels(grid.cols, [&]<int panels>(int col) {
        Vec through[panels], product[panels];
        for (int n = 0; n < panels; ++n) {
            through[n] = all(0);
            product[n] = all(1);
        }
        for (int row = 0; row < grid.rows; ++row) {
            const Vec ohm = all(grid.col_ohm[row]);
            const std::ptrdiff_t from = std::ptrdiff_t(row / kSide) * grid.cols * kSide + row % kSide * kSide;
            for (int n = 0; n < panels; ++n) {
                const std::ptrdiff_t at = from + (col + n * kSide) * kSide;
                const Vec y = add(load(conductance + at), through[n]), a = inverse(fused(ohm, y, all(1)));
                through[n] = mul(a, y);
                product[n] = mul(product[n], a);
                store(factors.share + at, a);
                store(factors.seen + at, through[n]);
            }
        }
        for (int n = 0; n < panels; ++n) lowest = least(lowest, product[n]);
    });
    return lane_least(lowest);
}

void solve_cols(const LineGrid& grid, const double* share, const LineStep& step, double* scratch) {
    const std::ptrdiff_t next = std::ptrdiff_t(grid.cols) * kSide;
    const Vec weight = all(step.weight);
    const bool whole = step.weight == 1;
    for_panels(grid.cols, [&]<int panels>(int col) {
        Vec v[panels];
        for (int n = 0; n < panels; ++n) v[n] = all(0);
        double* gathered = scratch;
        for (std::ptrdiff_t from = col * kSide; from < grid.rows * std::ptrdiff_t(grid.cols); from += next) {
            for (int n = 0; n < panels; ++n) {  // v: a(k) J(k)
                Vec source[kSide];
                load_source(step, from + n * kBlockSize, source);
                for (int r = 0; r < kSide; ++r) {
                    const Vec a = load(share + from + n * kBlockSize + r * kSide);
                    v[n] = fused(a, v[n], mul(a, source[r]));
                    store(gathered + n * kBlockSize + r * kSide, v[n]);
                }
            }
            gathered += panels * kBlockSize;
        }
        for (int n = 0; n < panels; ++n) v[n] = all(0);
        for (int row = grid.rows - kSide; row >= 0; row -= kSide) {
            gathered -= panels * kBlockSize;
            const std::ptrdiff_t from = std::ptrdiff_t(row) * grid.cols + col * kSide;
            for (int n = 0; n < panels; ++n) {
                for (int r = kSide - 1; r >= 0; --r) {
                    const std::ptrdiff_t at = n * kBlockSize + r * kSide;
                    v[n] = fused(load(share + from + at), v[n], mul(all(grid.col_ohm[row + r]), load(gathered + at)));
                    relax(step.volts + from + at, weight, whole, v[n]);
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ bound

/// What is missing at the segment of `ohm` between voltages `upper` and `lower` if `current` flows through it.
inline Vec missing(Vec upper, Vec lower, Vec ohm, Vec current) {
    return magnitude(sub(sub(upper, lower), mul(ohm, current)));
}

/// The block's part of its columns; `below`: voltages of the bit lines under it.
inline void certify_cols(const double* ohm, const Vec current[kSide], const double* bit, Vec below, const double* seen,
                         const Certificate& sums) {
    Vec flow = load(sums.current), sizes = load(sums.magnitude), error = load(sums.error), reach = load(sums.reach);
    for (int r = 0; r < kSide; ++r) {
        const Vec lower = r + 1 < kSide ? load(bit + (r + 1) * kSide) : below;
        const Vec s = load(seen + r * kSide), through = all(ohm[r]);
        flow = add(flow, current[r]);
        sizes = add(sizes, magnitude(current[r]));
        error = fused(s, missing(load(bit + r * kSide), lower, through, flow), error);
        reach = fused(s, through, reach);
    }
    store(sums.current, flow);
    store(sums.magnitude, sizes);
    store(sums.error, error);
    store(sums.reach, reach);
}

/// Of four rows, from right to left.
struct RowSums {
    Vec flow, sizes, error, reach, right;
};

inline void pass_segment(RowSums& sums, Vec left, Vec ohm, Vec seen) {
    sums.error = fused(seen, missing(left, sums.right, ohm, sums.flow), sums.error);
    sums.reach = fused(seen, ohm, sums.reach);
}

inline void certify_rows(const LineGrid& grid, int first, const Vec turned[kSide], const double* word,
                         const double* seen, RowSums& sums) {
    Vec w[kSide];
    for (int r = 0; r < kSide; ++r) w[r] = load(word + r * kSide);
    transpose(w);
    for (int c = kSide - 1; c >= 0; --c) {
        if (first + c + 1 < grid.cols) pass_segment(sums, w[c], all(grid.row_ohm), load(seen + (c + 1) * kSide));
        sums.flow = add(sums.flow, turned[c]);
        sums.sizes = add(sums.sizes, magnitude(turned[c]));
        sums.right = w[c];
    }
}

void certify(const LineGrid& grid, const CellState& cells, const double* row_seen, const double* col_seen,
             Certificate& certificate) {
    const std::ptrdiff_t next = std::ptrdiff_t(grid.cols) * kSide;
    for (int row = 0; row < grid.rows; row += kSide) {
        RowSums sums{all(0), all(0), all(0), all(0), all(0)};
        const bool last = row + kSide == grid.rows;
        for (int first = grid.cols - kSide; first >= 0; first -= kSide) {
            const std::ptrdiff_t at = std::ptrdiff_t(row) * grid.cols + first * kSide;
            Vec x[kSide];
            for (int r = 0; r < kSide; ++r) {
                const std::ptrdiff_t cell = at + r * kSide;
                x[r] = cells.current
                           ? load(cells.current + cell)
                           : mul(load(cells.conductance + cell), sub(load(cells.word + cell), load(cells.bit + cell)));
            }
            certify_cols(grid.col_ohm + row, x, cells.bit + at, last ? all(0) : load(cells.bit + at + next),
                         col_seen + at,
                         {certificate.current + first, certificate.magnitude + first, certificate.error + first,
                          certificate.reach + first, 0, 0});
            transpose(x);
            certify_rows(grid, first, x, cells.word + at, row_seen + at, sums);
        }
        pass_segment(sums, load(grid.drive + row), all(grid.driver_ohm),
                     load(row_seen + std::ptrdiff_t(row) * grid.cols));
        certificate.row_error += lane_sum(sums.error);
        certificate.row_rounding += lane_sum(mul(sums.sizes, sums.reach));
    }
}

// ------------------------------------------------------------------------------------------------ ladders

void ladders(int cols, const Rung* rungs, int count, const double* conductance, const LadderLegs& legs) {
    for_panels(cols, [&]<int panels>(int col) {
        Vec y[panels], far[panels], near[panels];
        for (int n = 0; n < panels; ++n) {
            y[n] = load(legs.bit + col + n * kSide);
            far[n] = load(legs.far + col + n * kSide);
            near[n] = load(legs.near + col + n * kSide);
        }
        for (int k = 0; k < count; ++k) {
            const Vec source_ohm = all(rungs[k].source_ohm), bit_ohm = all(rungs[k].bit_ohm);
            const double* row = conductance + std::ptrdiff_t(rungs[k].row) * cols + col;
            for (int n = 0; n < panels; ++n) {
                const Vec g = rungs[k].row >= 0 ? load(row + n * kSide) : all(0), r = add(near[n], source_ohm);
                const Vec q = fused(bit_ohm, y[n], all(1)), sum = fused(g, fused(r, y[n], q), y[n]);
                const Vec one = inverse(mul(q, positive_or_one(sum)));  // one division for both 1 / q and 1 / sum
                const Vec over_sum = mul(q, one), g_share = or_one(sum, mul(mul(g, q), over_sum));
                far[n] = fused(r, g_share, far[n]);
                near[n] = mul(mul(r, y[n]), over_sum);
                y[n] = mul(sum, mul(sum, one));
            }
        }
        for (int n = 0; n < panels; ++n) {
            store(legs.bit + col + n * kSide, y[n]);
            store(legs.far + col + n * kSide, far[n]);
            store(legs.near + col + n * kSide, near[n]);
        }
    });
}

}  // namespace
}  // namespace bitline::wires
