#pragma once

// One array with resistive wires, looked at closely: voltages of its cells, what converters see of them, and what that
// does to products.

#include <cstdint>
#include <vector>

#include "mapping/architecture.h"

namespace bitline {

struct WireStudyOptions {
    enum class Pattern {
        random,  // every level equally often
        low,     // all cells at the lowest level
        high,    // all at the highest
    } pattern = Pattern::random;
    enum class Topology {
        crossbar,  // every cell conducts between its word and its bit line; rows that are not driven are held at 0 V
        gated,     // 1T1R, source lines along the rows (peripherals/wires/gated.h): other rows are disconnected
        ladder,    // 1T1R, source lines along the bit lines (peripherals/wires/ladder.h): likewise
    } topology = Topology::crossbar;
    double voltage = 0.2;     // V, of a driven row
    double active = 0.5;      // 0 < active <= 1, share of the rows that a random input drives
    int vectors = 200;        // of random inputs
    double tolerance = 1e-9;  // of the bound on a gated array's error, over the largest column current
    uint64_t seed = 0;
};

/// A cell by its place.
struct CellPlace {
    int row = 0, col = 0;
};

/// Of products with random inputs, each row driven with probability `active`: root mean square error over all vectors
/// and columns in shares of the root mean square of the products without wires, and the largest error in the same unit.
struct ProductError {
    double rms = 0, largest = 0;
};

struct WireStudy {
    int rows = 0, cols = 0;
    double g_max = 0;                 // S, of the highest level
    std::vector<double> target;       // S, (rows, cols) what the array without wires would be written to
    std::vector<double> conductance;  // S, of the cells as written: the same, or targets against the wires
    /// S, between drivers and converters. Where rows are gated no one matrix holds for every input: what a cell
    /// contributes on average over as many other random inputs that drive its row.
    std::vector<double> effective;
    std::vector<double> gain;     // (cols) of the digital side, 1 without targets against the wires
    std::vector<double> voltage;  // V, across each cell while every row is driven
    CellPlace weakest;            // the cell of least voltage
    double total_loss = 0;        // share of the sum of all column currents while every row is driven
    double largest_current = 0;   // A, of a column then
    ProductError product;         // of the array, solved for every input where rows are gated, times gain
    double common_gain = 1;       // one factor for all results, of least squares ...
    ProductError scaled_product;  // ... and what it leaves
    ProductError linear;          // of effective conductances against the array; 0 for crossbars, which are linear
    int unconverged = 0;          // inputs of a gated array whose bound is above the tolerance
    double bound = 0;             // the largest bound, over the largest column current of its input
    int sweeps = 0;               // most of an input

    /// What a cell contributes beyond its target, in shares of G_max.
    double error(size_t cell) const;
};

/// An array of array.rows x array.cols cells of `architecture`, all in use and written without errors, each bit line
/// with a converter of its own, without spare columns. Throws ConfigError where no wire has a resistance, and for
/// targets against the wires of gated rows, which are found for crossbars only.
WireStudy study_wires(const Architecture& architecture, const WireStudyOptions& options);

}  // namespace bitline
