#pragma once

// Any small network of resistors and voltage sources, by elimination of the dense system in long double. Resistors of
// 0 ohm join their nodes.

#include <numeric>
#include <utility>
#include <vector>

namespace bitline::testing {

class NetworkOracle {
 public:
    explicit NetworkOracle(int nodes) : parent_(size_t(nodes)), fixed_(size_t(nodes), 0), volts_(size_t(nodes), 0.0L) {
        std::iota(parent_.begin(), parent_.end(), 0);
    }
    void hold(int node, double volts) {
        fixed_[size_t(node)] = 1;
        volts_[size_t(node)] = volts;
    }
    void resistor(int a, int b, double ohm) {
        if (ohm > 0) edges_.push_back({a, b, 1.0L / ohm});
        if (ohm > 0) return;
        a = root(a);
        b = root(b);
        if (fixed_[size_t(a)]) std::swap(a, b);
        parent_[size_t(a)] = b;
    }
    void conductor(int a, int b, double siemens) { edges_.push_back({a, b, siemens}); }

    /// Of all nodes, V; those without a way to a source: 0 V.
    std::vector<long double> solve() {
        const size_t n = parent_.size();
        std::vector<std::vector<long double>> m(n, std::vector<long double>(n + 1, 0.0L));
        for (const Edge& edge : edges_) {
            const auto a = size_t(root(edge.a)), b = size_t(root(edge.b));
            if (a == b) continue;
            m[a][a] += edge.siemens;
            m[b][b] += edge.siemens;
            m[a][b] -= edge.siemens;
            m[b][a] -= edge.siemens;
        }
        for (size_t k = 0; k < n; ++k) {
            if (!fixed_[k] && m[k][k] != 0) continue;
            m[k].assign(n + 1, 0.0L);
            m[k][k] = 1;
            m[k][n] = volts_[k];
        }
        for (size_t k = 0; k < n; ++k)
            for (size_t r = k + 1; r < n; ++r) {
                if (m[r][k] == 0) continue;
                const long double share = m[r][k] / m[k][k];
                for (size_t c = k; c <= n; ++c) m[r][c] -= share * m[k][c];
            }
        std::vector<long double> v(n);
        for (size_t k = n; k-- > 0;) {
            long double sum = m[k][n];
            for (size_t c = k + 1; c < n; ++c) sum -= m[k][c] * v[c];
            v[k] = sum / m[k][k];
        }
        std::vector<long double> all(n);
        for (size_t k = 0; k < n; ++k) all[k] = v[size_t(root(int(k)))];
        return all;
    }

 private:
    struct Edge {
        int a, b;
        long double siemens;
    };
    int root(int node) const {
        while (parent_[size_t(node)] != node) node = parent_[size_t(node)];
        return node;
    }
    std::vector<int> parent_;
    std::vector<char> fixed_;
    std::vector<long double> volts_;
    std::vector<Edge> edges_;
};

}  // namespace bitline::testing
