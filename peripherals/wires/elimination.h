#pragma once

// The inner loops of the reduction, on raw pointers: one source (elimination_vector.h), compiled for each instruction
// set, with the same bits.
//
// A box is a rectangle of cells seen from its ports, in the order left, right, top, bottom. It is a symmetric matrix of
// conductances between ports, of which only what lies above the diagonal is held: the diagonal would be minus the sum
// of the row, and nothing here needs it.

#include <cstddef>

namespace bitline::wires {

/// Ports from .. from + count - 1 of child 0 or 1.
struct Run {
    int child = 0, from = 0, count = 0;
};

/// How two neighbouring boxes become one: the ports that both have are eliminated, the others are left.
struct Merge {
    int shared = 0;                // how many both have
    int first_shared[2] = {0, 0};  // where these begin in each child
    int runs = 0;
    Run run[6];                      // the ports that are left, in the order of the merged box
    int ports = 0;                   // how many are left
    int row_end = 0, col_begin = 0;  // wanted of the result: rows below `row_end`, columns from `col_begin` on
};

/// The matrix of a box, `stride` from row to row.
struct BoxMatrix {
    double* at = nullptr;
    std::ptrdiff_t stride = 0;
};

constexpr int kLanes = 4;   // numbers of a vector; also boxes that are merged together in its lanes
constexpr int kBlock = 16;  // shared ports that are factored together

constexpr int round_up(int count, int to) { return (count + to - 1) / to * to; }

// What an elimination leaves behind, from which the voltages of the eliminated nodes follow. With s the eliminated
// nodes and c the nodes s and ports behind them, of conductance matrix C:
//
// merge: panels of four columns, each with round_up(shared, 4) rows of four numbers. The columns are the shared ports,
// rounded up to four, and the ports that are left, likewise. In row s the columns of s's own block of kBlock hold
// inverse(c, s), c >= s, those behind it X(s, c): v(s) = sum over c in the block of inverse(c, s) * sum over k behind
// the block of X(c, k) v(k).
//
// merge_lanes: rows of shared + ports vectors, a box in each lane: 1 / sqrt(d_s) at s, X(s, c) for c > s, where
// v(s) = 1 / sqrt(d_s) * sum over c > s of X(s, c) v(c).
//
// eliminate_stars: for each node that is eliminated 1 / sqrt(d_s) and then X of its neighbours, in the same sense.

constexpr std::size_t factor_size(const Merge& merge) {
    const auto shared = std::size_t(round_up(merge.shared, kLanes));
    return shared * (shared + std::size_t(round_up(merge.ports, kLanes)));
}
constexpr std::size_t lane_factor_size(const Merge& merge) {
    return std::size_t(merge.shared) * std::size_t(merge.shared + merge.ports) * kLanes;
}

struct Elimination {
    const char* name;
    /// `factor`: factor_size numbers. `result` holds round_up(ports, 4) rows and at least as many columns; what it
    /// holds below the diagonal and outside of what is wanted is left undefined.
    void (*merge)(const Merge& merge, const BoxMatrix children[2], double* factor, const BoxMatrix& result);
    /// Four boxes at once: every number is a vector, strides count vectors. `factor`: lane_factor_size numbers.
    void (*merge_lanes)(const Merge& merge, const BoxMatrix children[2], double* factor, const BoxMatrix& result);
    /// Four boxes at once, whose `stars` nodes are eliminated one by one. For each `code` holds the number of its
    /// neighbours, the places in `conductance` of its conductance to each of them, and the places of those between the
    /// first and the second, the first and the third, ... of them. `factor`: see above.
    void (*eliminate_stars)(const int* code, int stars, double* conductance, double* factor);
};

extern const Elimination kPortable;
#if defined(__x86_64__)
extern const Elimination kAvx2;
#endif

/// The fastest that this machine has. `kPortable` is as exact but slow on x86 processors without fused multiply-adds.
const Elimination& best_elimination();

}  // namespace bitline::wires
