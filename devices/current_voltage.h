#pragma once

// The current that a word line's voltage drives through one cell, its access path included.

#include <vector>

#include "devices/cell.h"

namespace bitline {

/// Whether the current is the conductance times the voltage (a resistance in series only makes a smaller conductance).
bool is_ohmic(const CellOptions& cell);

/// V = V_cell(I) + I R + V_selector(I), with the laws of CurrentVoltageOptions and SelectorOptions. Voltages count in
/// LSB of a driver whose digit `largest_digit` is the read voltage, currents in S LSB.
struct CurrentVoltageLaw {
    CurrentVoltageOptions cell;
    SelectorOptions selector;
    double lsb = 1;         // V
    double resistance = 0;  // ohm, of whatever is ohmic in series
    double sinh_at_read = 1;
    std::vector<double> curve_conductance;  // S, of each measured curve at the read voltage
};

/// `cell` must be valid (find_cell_violation).
CurrentVoltageLaw make_current_voltage(const CellOptions& cell, int largest_digit);

/// S LSB: conductance (S) times digit where everything is ohmic. Odd in `drive` (LSB). By IEEE operations in a fixed
/// order: the same bits on every machine.
double current_of(const CurrentVoltageLaw& law, double conductance, double drive);

/// sinh and its inverse, likewise; |x| <= 700, and 0 <= x.
double fixed_sinh(double x);
double fixed_asinh(double x);

}  // namespace bitline
