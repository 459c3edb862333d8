// How fast an array's effective conductances are found, on one core, beside a sparse direct solve for all word lines
// and the machine's own peak, measured in the same run.
//
// Cells of 1 .. 100 uS, log-uniform; wires of 2.5 ohm per cell, drivers and sense amplifiers of 10 ohm; driven from the
// left, sensed at the bottom. The sparse solve is Eigen's SimplicialLDLT with AMD ordering: its analysis is not
// counted, its factorization and the solves for every word line are. The error is the largest difference of an entry
// from the sparse solve's, over the largest entry.
//
// Gated rows: time per input vector that drives half of the rows, for a guaranteed error of 1e-6 of the largest column
// current, beside the same sparse solve's factorization and one right-hand side. Ladders likewise, which are exact.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <Eigen/Sparse>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/json_file.h"
#include "bench/peaks.h"
#include "core/random.h"
#include "peripherals/wires/gated.h"
#include "peripherals/wires/ladder.h"
#include "peripherals/wires/reduction.h"

namespace {

using bitline::CellGrid;
using bitline::WireOptions;

constexpr double kWire = 2.5, kEnd = 10;  // ohm

WireOptions options() {
    WireOptions wires;
    wires.row_ohm = wires.col_ohm = kWire;
    wires.driver_ohm = wires.sense_ohm = kEnd;
    return wires;
}

std::vector<double> make_cells(int size) {
    const bitline::StreamKey key = bitline::stream_key(1, 0, bitline::Purpose::test);
    std::vector<double> cells(size_t(size) * size_t(size));
    for (size_t i = 0; i < cells.size(); ++i)
        cells[i] = 1e-6 * std::pow(100.0, (bitline::philox({uint32_t(i), 0, 0, 0}, key)[0] + 0.5) * 0x1p-32);
    return cells;
}

// ---------------------------------------------------------------------------------------------- sparse solve

/// All nodes of the array: word line nodes, then bit line nodes.
Eigen::SparseMatrix<double> node_system(int size, const std::vector<double>& cells) {
    const int nodes = size * size;
    std::vector<double> diagonal(size_t(2 * nodes), 0.0);
    std::vector<Eigen::Triplet<double>> entries;
    const auto connect = [&](int a, int b, double g) {
        diagonal[size_t(a)] += g;
        diagonal[size_t(b)] += g;
        entries.emplace_back(std::max(a, b), std::min(a, b), -g);
    };
    for (int i = 0; i < size; ++i) {
        diagonal[size_t(i * size)] += 1 / kEnd;
        diagonal[size_t(nodes + (size - 1) * size + i)] += 1 / kEnd;
        for (int j = 0; j < size; ++j) {
            const int cell = i * size + j;
            connect(cell, nodes + cell, cells[size_t(cell)]);
            if (j > 0) connect(cell - 1, cell, 1 / kWire);
            if (i > 0) connect(nodes + cell - size, nodes + cell, 1 / kWire);
        }
    }
    for (int k = 0; k < 2 * nodes; ++k) entries.emplace_back(k, k, diagonal[size_t(k)]);
    Eigen::SparseMatrix<double> system(2 * nodes, 2 * nodes);
    system.setFromTriplets(entries.begin(), entries.end());
    return system;
}

/// Seconds of the sparse solve; `effective` gets what it finds.
double solve_sparse(int size, const std::vector<double>& cells, std::vector<double>& effective) {
    constexpr int kTogether = 16;  // right-hand sides
    const Eigen::SparseMatrix<double> system = node_system(size, cells);
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver;
    solver.analyzePattern(system);
    effective.resize(cells.size());
    const int last_row = 2 * size * size - size;
    const double start = bench::thread_seconds();
    solver.factorize(system);
    for (int first = 0; first < size; first += kTogether) {
        const int count = std::min(kTogether, size - first);
        Eigen::MatrixXd sources = Eigen::MatrixXd::Zero(system.rows(), count);
        for (int k = 0; k < count; ++k) sources((first + k) * size, k) = 1 / kEnd;
        const Eigen::MatrixXd volts = solver.solve(sources);
        for (int k = 0; k < count; ++k)
            for (int j = 0; j < size; ++j) effective[size_t((first + k) * size + j)] = volts(last_row + j, k) / kEnd;
    }
    return bench::thread_seconds() - start;
}

// ---------------------------------------------------------------------------------------------- timing

/// Fused multiply-adds that an elimination of `merge` needs at least.
double products_of(const bitline::wires::Merge& merge) {
    const double shared = merge.shared, ports = merge.ports;
    const double wanted = merge.col_begin > 0 ? double(merge.row_end) * (ports - merge.col_begin) : ports * ports / 2;
    return shared * shared * shared / 6 + shared * shared * ports / 2 + shared * wanted;
}

double products_of(const bitline::wires::StarProgram& program) {
    double sum = 0;
    const int* star = program.star_nodes.data();
    for (int k = 0; k < program.stars; ++k, star += 2 + star[1]) sum += double(star[1]) * (star[1] - 1) / 2;
    return sum;
}

double products_of(const bitline::wires::ReductionPlan& plan) {
    double sum = 0;
    for (const auto& node : plan.tree.nodes) sum += products_of(node.merge);
    for (const auto& shape : plan.shapes)
        for (const auto& node : shape.tree.nodes)
            sum +=
                (node.is_leaf() ? products_of(bitline::wires::program_of(shape, node, {})) : products_of(node.merge)) *
                double(shape.leaves.size());
    return sum;
}

struct Row {
    int size = 0;
    double seconds = 0, sparse_seconds = 0;  // 0: not measured
    double error = 0;
    double peak = 0, fraction = 0;  // GFMA/s, and how much of it was had
    double scaling = 0;             // arrays per second with all threads over that with one
};

double difference(const std::vector<double>& a, const std::vector<double>& b) {
    double worst = 0, most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(a[i] - b[i]));
        most = std::max(most, std::abs(b[i]));
    }
    return worst / most;
}

/// Wall seconds that `threads` threads take for one array each.
double together(int threads, const CellGrid& cells, std::vector<bitline::ReductionBuffers>& buffers) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; ++i) {
        pool.emplace_back([&, i] {
            std::vector<double> y(cells.conductance.size());
            for (int turn = 0; turn < 4; ++turn)
                bitline::effective_conductances(cells, options(), {}, buffers[size_t(i)], y);
        });
    }
    for (std::thread& thread : pool) thread.join();
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Best of some rounds, arrays and bare loop in turns.
Row measure(int size, int rounds, int threads, bool sparse) {
    const std::vector<double> conductance = make_cells(size);
    const CellGrid cells{size, size, conductance};
    std::vector<double> effective(conductance.size()), reference;
    std::vector<bitline::ReductionBuffers> buffers(static_cast<size_t>(threads));
    Row row{size};
    row.seconds = 1e30;
    const int turns = std::max(1, 128 / size);
    for (int round = 0; round < rounds; ++round) {
        row.peak = std::max(row.peak, bench::rate(bench::fp64_avx2(), 0.02));
        for (int turn = 0; turn < turns; ++turn) {
            const double start = bench::thread_seconds();
            bitline::effective_conductances(cells, options(), {}, buffers[0], effective);
            row.seconds = std::min(row.seconds, bench::thread_seconds() - start);
        }
    }
    if (row.peak > 0) row.fraction = products_of(buffers[0].plan) / row.seconds * 1e-9 / row.peak;
    if (threads > 1) {
        double one = 1e30, all = 1e30;
        for (int round = 0; round < std::max(3, rounds / 2); ++round) {
            one = std::min(one, together(1, cells, buffers));
            all = std::min(all, together(threads, cells, buffers));
        }
        row.scaling = threads * one / all;
    }
    if (sparse) {
        row.sparse_seconds = solve_sparse(size, conductance, reference);
        row.error = difference(effective, reference);
    }
    return row;
}

void print_row(const Row& row, int threads) {
    fmt::print("{:4} x {:<4} {:9.3f} ms per array", row.size, row.size, row.seconds * 1e3);
    if (row.peak > 0) fmt::print("  {:4.2f} of the peak ({:.1f} GFMA/s)", row.fraction, row.peak);
    if (threads > 1) fmt::print("  {} threads: {:.2f} times one", threads, row.scaling);
    if (row.sparse_seconds > 0)
        fmt::print("  sparse solve {:10.1f} ms: {:.0f} times as long, error {:.1e}", row.sparse_seconds * 1e3,
                   row.sparse_seconds / row.seconds, row.error);
    fmt::print("\n");
}

nlohmann::ordered_json json_of(const Row& row, int threads) {
    nlohmann::ordered_json result{{"size", row.size}, {"ms", row.seconds * 1e3}};
    result["peak_gfmas"] = row.peak;
    result["fraction_of_peak"] = row.peak > 0 ? nlohmann::ordered_json(row.fraction) : nlohmann::ordered_json();
    if (threads > 1) result["threads_times_one"] = row.scaling;
    if (row.sparse_seconds > 0) {
        result["sparse_ms"] = row.sparse_seconds * 1e3;
        result["times_sparse"] = row.sparse_seconds / row.seconds;
        result["error"] = row.error;
    }
    return result;
}

// ---------------------------------------------------------------------------------------------- gated rows

struct GatedRow {
    int size = 0;
    double seconds = 0, sparse_seconds = 0, ladder_seconds = 0;  // per input vector; 0: not measured
    double bound = 0, error = 0;                                 // over the largest current; error: not measured
    int sweeps = 0;
};

/// Every second row, in an order that depends on `number`.
std::vector<uint8_t> draw_rows(int size, int number) {
    const bitline::StreamKey key = bitline::stream_key(1, 0, bitline::Purpose::test);
    std::vector<uint8_t> active(static_cast<size_t>(size));
    for (int i = 0; i < size; ++i)
        active[size_t(i)] = bitline::philox({uint32_t(i), 1, uint32_t(number), 0}, key)[0] >> 31;
    return active;
}

/// Seconds; `current` gets what is found for 1 V at the rows that conduct.
double solve_gated_sparse(int size, std::vector<double> cells, const std::vector<uint8_t>& active,
                          std::vector<double>& current) {
    for (size_t k = 0; k < cells.size(); ++k)
        if (active[k / size_t(size)] == 0) cells[k] = 0;
    const Eigen::SparseMatrix<double> system = node_system(size, cells);
    Eigen::SimplicialLDLT<Eigen::SparseMatrix<double>> solver;
    solver.analyzePattern(system);
    Eigen::VectorXd sources = Eigen::VectorXd::Zero(system.rows());
    for (int i = 0; i < size; ++i) sources(i * size) = 1 / kEnd;
    const double start = bench::thread_seconds();
    solver.factorize(system);
    const Eigen::VectorXd volts = solver.solve(sources);
    const double seconds = bench::thread_seconds() - start;
    current.clear();
    for (int j = 0; j < size; ++j) current.push_back(volts(2 * size * size - size + j) / kEnd);
    return seconds;
}

/// Median over input vectors of the best of some rounds each.
GatedRow measure_gated(int size, int rounds, bool sparse) {
    constexpr int kVectors = 9;
    const std::vector<double> conductance = make_cells(size), drive(size_t(size), 1.0);
    const CellGrid cells{size, size, conductance};
    const bitline::GatedArray array = bitline::prepare_gated(cells, options());
    const bitline::LadderArray ladders = bitline::prepare_ladders(cells, options());
    bitline::GatedBuffers buffers;
    bitline::LadderBuffers ladder_buffers;
    bitline::WireSolution solution;
    bitline::SolveLimits limits;
    limits.tolerance = 1e-6;
    GatedRow row{size};
    std::vector<double> times, ladder_times, current(static_cast<size_t>(size));
    for (int vector = 0; vector < kVectors; ++vector) {
        const std::vector<uint8_t> active = draw_rows(size, vector);
        double best = 1e30, best_ladder = 1e30;
        for (int round = 0; round < 10 * rounds; ++round) {
            double start = bench::thread_seconds();
            bitline::solve_gated(array, drive, active, limits, buffers, solution);
            best = std::min(best, bench::thread_seconds() - start);
            start = bench::thread_seconds();
            bitline::solve_ladders(ladders, 1, active, ladder_buffers, current);
            best_ladder = std::min(best_ladder, bench::thread_seconds() - start);
        }
        times.push_back(best);
        ladder_times.push_back(best_ladder);
        row.bound = std::max(row.bound, solution.relative_bound());
        row.sweeps = std::max(row.sweeps, solution.sweeps);
    }
    std::nth_element(times.begin(), times.begin() + kVectors / 2, times.end());
    std::nth_element(ladder_times.begin(), ladder_times.begin() + kVectors / 2, ladder_times.end());
    row.seconds = times[kVectors / 2];
    row.ladder_seconds = ladder_times[kVectors / 2];
    if (!sparse) return row;
    row.sparse_seconds = solve_gated_sparse(size, conductance, draw_rows(size, kVectors - 1), current);
    row.error = difference(solution.current, current);
    return row;
}

void print_row(const GatedRow& row) {
    fmt::print("{:4} x {:<4} gated {:9.1f} us per vector, {} sweeps, bound {:.1e}; ladders {:.1f} us", row.size,
               row.size, row.seconds * 1e6, row.sweeps, row.bound, row.ladder_seconds * 1e6);
    if (row.sparse_seconds > 0)
        fmt::print("; sparse solve {:.1f} ms: {:.0f} times as long, error {:.1e}", row.sparse_seconds * 1e3,
                   row.sparse_seconds / row.seconds, row.error);
    fmt::print("\n");
}

nlohmann::ordered_json json_of(const GatedRow& row) {
    nlohmann::ordered_json result{{"size", row.size},
                                  {"us", row.seconds * 1e6},
                                  {"sweeps", row.sweeps},
                                  {"bound", row.bound},
                                  {"ladder_us", row.ladder_seconds * 1e6}};
    if (row.sparse_seconds > 0) {
        result["sparse_us"] = row.sparse_seconds * 1e6;
        result["times_sparse"] = row.sparse_seconds / row.seconds;
        result["error"] = row.error;
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Times arrays with resistive wires on one core, beside a sparse direct solve"};
    std::string json;
    std::vector<int> sizes{64, 128, 256, 512};
    int rounds = 10, threads = 1, sparse_up_to = 256, most_gated = 256;
    app.add_option("--json", json, "write the figures to this file");
    app.add_option("--size", sizes, "rows and columns")->check(CLI::Range(1, bitline::kMostLines));
    app.add_option("--rounds", rounds, "of which the best counts")->check(CLI::Range(1, 1000));
    app.add_option("--threads", threads, "also compare so many threads with one")->check(CLI::Range(1, 1024));
    app.add_option("--sparse-up-to", sparse_up_to, "largest size of the sparse solve (512 takes a minute); 0: none")
        ->check(CLI::Range(0, 1024));
    app.add_option("--gated-up-to", most_gated, "largest size with gated rows; 0: none")->check(CLI::Range(0, 1024));
    CLI11_PARSE(app, argc, argv);
    nlohmann::ordered_json result{{"elimination", bitline::wires::best_elimination().name}};
    fmt::print("elimination: {}\n", bitline::wires::best_elimination().name);
    for (const int size : sizes) {
        const Row row = measure(size, rounds, threads, size <= sparse_up_to);
        print_row(row, threads);
        result["rows"].push_back(json_of(row, threads));
    }
    for (const int size : sizes) {
        if (size > most_gated) continue;
        const GatedRow row = measure_gated(size, rounds, size <= sparse_up_to);
        print_row(row);
        result["gated"].push_back(json_of(row));
    }
    return bench::write_json("bench_wires", json, result);
}
