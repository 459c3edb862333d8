#pragma once

// Measured pulses: how the conductance of real devices answered, as a CSV file.
//
//   pulse,conductance,direction,device
//   0,2.1e-6,,a
//   1,2.9e-6,up,a
//
// The first line names the columns, in any order: `pulse` (whole number, rising from row to row of a device; gaps mean
// pulses that were not read after), `conductance` (S, after that pulse). Optional: `direction` of the pulses since the
// row before (up or down, also + or -, +1 or -1; free in a device's first row) and `device` (a name; rows of one device
// may be scattered). Empty lines and lines that begin with # are skipped. Without `direction` all pulses of a device
// went one way: up where its last conductance is above its first.

#include <cstdint>
#include <string>
#include <vector>

#include "devices/switching.h"

namespace bitline {

struct PulseTrace {
    std::string device;
    std::vector<double> g;       // (readings) S
    std::vector<int64_t> pulse;  // (readings) pulse number
    std::vector<int8_t> sign;    // (readings) +1 or -1: direction of the pulses before the reading; 0 for the first
};

struct PulseData {
    std::vector<PulseTrace> traces;
    int64_t readings = 0;
    bool has_up = false, has_down = false;
};

/// Throws FormatError, for what is no number ConfigError, with file and row.
PulseData read_pulses(const std::string& path);

}  // namespace bitline
