#include "peripherals/wires/stars.h"

#include <algorithm>
#include <array>

namespace bitline::wires {

namespace {

/// The graph of a box, into which eliminations put further edges.
class Graph {
 public:
    Graph(int nodes, int ports, int stride)
        : nodes_(nodes),
          ports_(ports),
          stride_(stride),
          size_(ports * stride),
          slot_(size_t(nodes) * size_t(nodes), -1),
          gone_(size_t(nodes), false) {}

    /// Where the conductance between two nodes stands, which becomes an edge if it was none.
    int connect(int a, int b) {
        int& slot = slot_[size_t(std::min(a, b)) * size_t(nodes_) + size_t(std::max(a, b))];
        if (slot < 0) slot = std::max(a, b) < ports_ ? std::min(a, b) * stride_ + std::max(a, b) : size_++;
        return slot;
    }

    std::vector<int> neighbours(int node) const {
        std::vector<int> found;
        for (int other = 0; other < nodes_; ++other) {
            const size_t at = size_t(std::min(node, other)) * size_t(nodes_) + size_t(std::max(node, other));
            if (other != node && !gone_[size_t(other)] && slot_[at] >= 0) found.push_back(other);
        }
        return found;
    }

    /// The node with the fewest neighbours, of those that are no ports; -1: none is left.
    int next() const {
        int best = -1;
        size_t fewest = 0;
        for (int node = ports_; node < nodes_; ++node) {
            if (gone_[size_t(node)]) continue;
            const size_t degree = neighbours(node).size();
            if (best >= 0 && degree >= fewest) continue;
            best = node;
            fewest = degree;
        }
        return best;
    }

    void remove(int node) { gone_[size_t(node)] = true; }
    int size() const { return size_; }

 private:
    int nodes_, ports_, stride_, size_;
    std::vector<int> slot_;
    std::vector<bool> gone_;
};

/// Numbers of the nodes of a box: ports left, right, top, bottom, then its own.
struct Numbering {
    int rows, cols;
    int ports() const { return 2 * (rows + cols); }
    int nodes() const { return ports() + rows * (cols - 1) + (rows - 1) * cols; }
    /// The word line's node at a cell; column -1: to the left of the box.
    int word(int row, int col) const {
        if (col < 0) return row;
        return col == cols - 1 ? rows + row : ports() + row * (cols - 1) + col;
    }
    /// The bit line's node at a cell; row `rows`: below the box.
    int bit(int row, int col) const {
        if (row == 0) return 2 * rows + col;
        return row == rows ? 2 * rows + cols + col : ports() + rows * (cols - 1) + (row - 1) * cols + col;
    }
};

void add_star(Graph& graph, int node, StarProgram& program) {
    const std::vector<int> neighbours = graph.neighbours(node);
    program.code.push_back(int(neighbours.size()));
    program.star_nodes.push_back(node);
    program.star_nodes.push_back(int(neighbours.size()));
    for (const int neighbour : neighbours) {
        program.code.push_back(graph.connect(node, neighbour));
        program.star_nodes.push_back(neighbour);
    }
    for (size_t i = 0; i < neighbours.size(); ++i)
        for (size_t j = i + 1; j < neighbours.size(); ++j)
            program.code.push_back(graph.connect(neighbours[i], neighbours[j]));
    program.factor += 1 + int(neighbours.size());
    program.stars += 1;
    graph.remove(node);
}

}  // namespace

StarProgram make_star_program(int rows, int cols, bool last_col, bool first_row, int stride) {
    StarProgram program;
    program.rows = rows;
    program.cols = cols;
    program.last_col = last_col;
    program.first_row = first_row;
    const Numbering number{rows, cols};
    program.nodes = number.nodes();
    Graph graph(number.nodes(), number.ports(), stride);
    for (int row = 0; row < rows; ++row) {
        for (int col = 0; col < cols; ++col) {
            const std::array<int, 4> node{number.word(row, col - 1), number.word(row, col), number.bit(row, col),
                                          number.bit(row + 1, col)};
            program.element_nodes.insert(program.element_nodes.end(), node.begin(), node.end());
            const bool all = (last_col && col == cols - 1) || (first_row && row == 0);
            for (int k = 0; k < kCouplings; ++k) {
                const int a = node[size_t(kCoupled[k][0])], b = node[size_t(kCoupled[k][1])];
                program.element_slots.push_back(all || k < kInnerCouplings ? graph.connect(a, b) : -1);
            }
        }
    }
    for (int node = graph.next(); node >= 0; node = graph.next()) add_star(graph, node, program);
    program.size = graph.size();
    return program;
}

}  // namespace bitline::wires
