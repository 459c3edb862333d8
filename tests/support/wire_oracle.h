#pragma once

// Crossbars with wires as one sparse system over all nodes, solved directly and refined in long double. What has no
// resistance joins its nodes into one; what is connected to no source is left out.

#include <Eigen/Sparse>
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "peripherals/wires/wires.h"

namespace bitline::testing {

class WireOracle {
 public:
    struct Solution {
        std::vector<long double> word, bit, current;  // V, V (rows x cols); A (cols)
    };

    WireOracle(const CellGrid& cells, const WireOptions& options, std::span<const SegmentFault> faults = {})
        : rows_(cells.rows), cols_(cells.cols), cells_(cells.conductance.begin(), cells.conductance.end()) {
        parent_.resize(size_t(2 * rows_ * cols_ + rows_ + cols_));
        std::iota(parent_.begin(), parent_.end(), 0);
        for (int i = 0; i < rows_; ++i) {
            if (options.drive != WireOptions::Drive::right)
                connect(source(i), word(i, 0), ohm(options.driver_ohm, faults, SegmentFault::Line::row, i, 0));
            for (int j = 1; j < cols_; ++j)
                connect(word(i, j - 1), word(i, j), ohm(options.row_ohm, faults, SegmentFault::Line::row, i, j));
            if (options.drive != WireOptions::Drive::left)
                connect(source(i), word(i, cols_ - 1),
                        ohm(options.driver_ohm, faults, SegmentFault::Line::row, i, cols_));
        }
        for (int j = 0; j < cols_; ++j) {
            if (options.sense == WireOptions::Sense::top)
                connect(sink(j), bit(0, j), ohm(options.sense_ohm, faults, SegmentFault::Line::column, j, 0));
            for (int i = 1; i < rows_; ++i)
                connect(bit(i - 1, j), bit(i, j), ohm(options.col_ohm, faults, SegmentFault::Line::column, j, i));
            if (options.sense == WireOptions::Sense::bottom)
                connect(sink(j), bit(rows_ - 1, j),
                        ohm(options.sense_ohm, faults, SegmentFault::Line::column, j, rows_));
        }
        for (int i = 0; i < rows_; ++i)
            for (int j = 0; j < cols_; ++j) {
                const double g = cells_[size_t(i * cols_ + j)];
                if (g > 0) edges_.push_back({word(i, j), bit(i, j), g});
            }
        factor();
    }

    Solution solve(std::span<const double> drive, std::span<const double> sense = {}) const {
        std::vector<long double> v(parent_.size(), 0.0L);
        for (int i = 0; i < rows_; ++i) v[size_t(root(source(i)))] = drive[size_t(i)];
        for (int j = 0; j < cols_; ++j) v[size_t(root(sink(j)))] = sense.empty() ? 0.0 : sense[size_t(j)];
        for (int turn = 0; turn < 60 && unknowns_ > 0; ++turn) {
            std::vector<long double> residual(size_t(unknowns_), 0.0L);
            for (const Edge& edge : edges_) {
                const size_t a = size_t(root(edge.a)), b = size_t(root(edge.b));
                const long double current = edge.siemens * (v[a] - v[b]);
                if (number_[a] >= 0) residual[size_t(number_[a])] -= current;
                if (number_[b] >= 0) residual[size_t(number_[b])] += current;
            }
            Eigen::VectorXd right(unknowns_);
            for (int k = 0; k < unknowns_; ++k) right[k] = double(residual[size_t(k)]);
            const Eigen::VectorXd step = system_.solve(right);
            for (size_t node = 0; node < v.size(); ++node)
                if (number_[node] >= 0) v[node] += step[number_[node]];
            if (turn > 2 && step.cwiseAbs().maxCoeff() < 1e-19) break;
        }
        Solution solution;
        solution.current.assign(size_t(cols_), 0.0L);
        for (int i = 0; i < rows_; ++i)
            for (int j = 0; j < cols_; ++j) {
                solution.word.push_back(v[size_t(root(word(i, j)))]);
                solution.bit.push_back(v[size_t(root(bit(i, j)))]);
                solution.current[size_t(j)] +=
                    cells_[size_t(i * cols_ + j)] * (solution.word.back() - solution.bit.back());
            }
        return solution;
    }

 private:
    struct Edge {
        int a, b;
        long double siemens;
    };
    static constexpr double kOpen = -1;

    int word(int i, int j) const { return i * cols_ + j; }
    int bit(int i, int j) const { return rows_ * cols_ + i * cols_ + j; }
    int source(int i) const { return 2 * rows_ * cols_ + i; }
    int sink(int j) const { return 2 * rows_ * cols_ + rows_ + j; }
    bool fixed(int node) const { return node >= 2 * rows_ * cols_; }

    static double ohm(double normal, std::span<const SegmentFault> faults, SegmentFault::Line line, int index,
                      int position) {
        for (const SegmentFault& fault : faults)
            if (fault.line == line && fault.index == index && fault.position == position)
                return fault.kind == SegmentFault::Kind::open ? kOpen : 0;
        return normal;
    }

    int root(int node) const {
        while (parent_[size_t(node)] != node) node = parent_[size_t(node)];
        return node;
    }

    void connect(int a, int b, double resistance) {
        if (resistance > 0) edges_.push_back({a, b, 1.0L / resistance});
        if (resistance != 0) return;
        a = root(a);
        b = root(b);
        // Sources stay the roots; no two of them are ever joined.
        parent_[size_t(std::min(a, b))] = std::max(a, b);
    }

    void factor() {
        // Which nodes a source reaches.
        std::vector<std::vector<int>> neighbours(parent_.size());
        for (const Edge& edge : edges_) {
            neighbours[size_t(root(edge.a))].push_back(root(edge.b));
            neighbours[size_t(root(edge.b))].push_back(root(edge.a));
        }
        std::vector<char> reached(parent_.size(), 0);
        std::vector<int> open;
        for (int node = 2 * rows_ * cols_; node < int(parent_.size()); ++node) {
            reached[size_t(node)] = 1;
            open.push_back(node);
        }
        while (!open.empty()) {
            const int node = open.back();
            open.pop_back();
            for (const int next : neighbours[size_t(node)]) {
                if (reached[size_t(next)]) continue;
                reached[size_t(next)] = 1;
                open.push_back(next);
            }
        }
        number_.assign(parent_.size(), -1);
        for (int node = 0; node < 2 * rows_ * cols_; ++node)
            if (root(node) == node && reached[size_t(node)]) number_[size_t(node)] = unknowns_++;
        std::vector<long double> diagonal(size_t(unknowns_), 0.0L);
        std::vector<Eigen::Triplet<double>> entries;
        for (const Edge& edge : edges_) {
            const int a = number_[size_t(root(edge.a))], b = number_[size_t(root(edge.b))];
            if (root(edge.a) == root(edge.b)) continue;
            if (a >= 0) diagonal[size_t(a)] += edge.siemens;
            if (b >= 0) diagonal[size_t(b)] += edge.siemens;
            if (a >= 0 && b >= 0) entries.emplace_back(std::max(a, b), std::min(a, b), -double(edge.siemens));
        }
        for (int k = 0; k < unknowns_; ++k) entries.emplace_back(k, k, double(diagonal[size_t(k)]));
        Eigen::SparseMatrix<double> matrix(unknowns_, unknowns_);
        matrix.setFromTriplets(entries.begin(), entries.end());
        if (unknowns_ > 0) system_.compute(matrix);
    }

    int rows_, cols_, unknowns_ = 0;
    std::vector<double> cells_;
    std::vector<int> parent_, number_;
    std::vector<Edge> edges_;
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> system_;
};

}  // namespace bitline::testing
