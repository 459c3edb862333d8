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
    double voltage = 0.2;  // V, of a driven row
    int vectors = 200;     // of random inputs
    uint64_t seed = 0;
};

/// A cell by its place.
struct CellPlace {
    int row = 0, col = 0;
};

/// Of products with random inputs, each row driven with probability 1/2: root mean square error over all vectors and
/// columns in shares of the root mean square of the products without wires, and the largest error in the same unit.
struct ProductError {
    double rms = 0, largest = 0;
};

struct WireStudy {
    int rows = 0, cols = 0;
    double g_max = 0;                 // S, of the highest level
    std::vector<double> target;       // S, (rows, cols) what the array without wires would be written to
    std::vector<double> conductance;  // S, of the cells as written: the same, or targets against the wires
    std::vector<double> effective;    // S, between drivers and converters
    std::vector<double> gain;         // (cols) of the digital side, 1 without targets against the wires
    std::vector<double> voltage;      // V, across each cell while every row is driven
    CellPlace weakest;                // the cell of least voltage
    double total_loss = 0;            // share of the sum of all column currents while every row is driven
    double largest_current = 0;       // A, of a column then
    ProductError product;             // of effective conductances times gain
    double common_gain = 1;           // one factor for all results, of least squares ...
    ProductError scaled_product;      // ... and what it leaves

    /// What a cell contributes beyond its target, in shares of G_max.
    double error(size_t cell) const;
};

/// An array of array.rows x array.cols cells of `architecture`, all in use and written without errors, each bit line
/// with a converter of its own, without spare columns. Throws ConfigError where no wire has a resistance.
WireStudy study_wires(const Architecture& architecture, const WireStudyOptions& options);

}  // namespace bitline
