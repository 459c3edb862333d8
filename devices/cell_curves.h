#pragma once

// What a device's cells are at every state, from many of them: for tables and pictures.

#include <cstdint>
#include <vector>

#include "devices/cell.h"

namespace bitline {

/// The cells of one state. S.
struct StateSample {
    double target = 0;
    double mean = 0, deviation = 0;        // of the conductance over cells
    double low = 0, median = 0, high = 0;  // quantiles 5 %, 50 %, 95 %
    double read_deviation = 0;             // rms of one read of a cell, over cells; what lasts for the chip left out
};

/// `cells` cells of each of 2^bits states, written as trial 0 of `seed` and read under `conditions`. Throws ConfigError
/// where the model says nothing about them.
std::vector<StateSample> sample_states(const CellOptions& cell, int bits, const Conditions& conditions, int64_t cells,
                                       uint64_t seed);

}  // namespace bitline
