#include "devices/current_voltage.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"

namespace bitline {

namespace {

/// A current (or a voltage) and its slope.
struct Point {
    double value = 0, slope = 0;
};

constexpr double kLargestExponent = 700;

double fixed_cosh(double x) { return 0.5 * (fixed_exp(x) + fixed_exp(-x)); }

/// Piecewise linear through the origin and a measured curve, beyond its last voltage along the last piece.
Point on_curve(const std::vector<double>& voltages, const double* currents, double v) {
    const auto above = std::upper_bound(voltages.begin(), voltages.end() - 1, v) - voltages.begin();
    const double v0 = above == 0 ? 0 : voltages[static_cast<size_t>(above - 1)];
    const double i0 = above == 0 ? 0 : currents[above - 1];
    const double slope = (currents[above] - i0) / (voltages[static_cast<size_t>(above)] - v0);
    return {i0 + slope * (v - v0), slope};
}

/// The curves on both sides of the conductance, each scaled to it, in proportion.
Point between_curves(const CurrentVoltageLaw& law, double conductance, double v) {
    const std::vector<double>& of_curve = law.curve_conductance;
    const size_t points = law.cell.voltages.size();
    const auto scaled = [&](size_t k) {
        const Point point = on_curve(law.cell.voltages, law.cell.currents.data() + k * points, v);
        const double scale = conductance / of_curve[k];
        return Point{point.value * scale, point.slope * scale};
    };
    const auto above =
        static_cast<size_t>(std::upper_bound(of_curve.begin(), of_curve.end(), conductance) - of_curve.begin());
    if (above == 0) return scaled(0);
    if (above == of_curve.size()) return scaled(above - 1);
    const Point low = scaled(above - 1), high = scaled(above);
    const double share = (conductance - of_curve[above - 1]) / (of_curve[above] - of_curve[above - 1]);
    return {low.value + share * (high.value - low.value), low.slope + share * (high.slope - low.slope)};
}

/// Current of the cell alone, v >= 0.
Point cell_current(const CurrentVoltageLaw& law, double conductance, double v) {
    using Model = CurrentVoltageOptions::Model;
    switch (law.cell.model) {
        case Model::linear:
            return {conductance * v, conductance};
        case Model::sinh: {
            const double scale = conductance * law.cell.read_voltage / law.sinh_at_read;
            const double x = std::min(v / law.cell.v0, kLargestExponent);
            return {scale * fixed_sinh(x), scale * fixed_cosh(x) / law.cell.v0};
        }
        case Model::table:
            return between_curves(law, conductance, v);
    }
    return {};
}

/// Voltage over resistance and selector beyond its threshold, i >= 0.
Point series_voltage(const CurrentVoltageLaw& law, double i) {
    Point v{i * law.resistance, law.resistance};
    if (law.selector.model == SelectorOptions::Model::sinh) {
        const double x = i / law.selector.current;
        v.value += law.selector.v0 * fixed_asinh(x);
        v.slope += law.selector.v0 / (law.selector.current * std::sqrt(1 + x * x));
    }
    return v;
}

/// The cell's share of the voltage v > 0: Newton's method within a bracket that every step narrows.
double voltage_at_cell(const CurrentVoltageLaw& law, double conductance, double v) {
    constexpr int kMostSteps = 200;
    constexpr double kTolerance = 0x1p-46;
    double low = 0, high = v, at = v;
    for (int step = 0; step < kMostSteps; ++step) {
        const Point current = cell_current(law, conductance, at);
        const Point rest = series_voltage(law, current.value);
        const double excess = at + rest.value - v;
        (excess > 0 ? high : low) = at;
        const double newton = at - excess / (1 + rest.slope * current.slope);
        const double next = newton > low && newton < high ? newton : 0.5 * (low + high);
        const bool settled = std::abs(next - at) <= kTolerance * v;
        at = next;
        if (settled) break;
    }
    return at;
}

double positive_current(const CurrentVoltageLaw& law, double conductance, double v) {
    if (law.selector.model == SelectorOptions::Model::threshold) v -= law.selector.threshold;
    if (!(v > 0) || conductance <= 0) return 0;
    const bool alone = law.resistance == 0 && law.selector.model != SelectorOptions::Model::sinh;
    return cell_current(law, conductance, alone ? v : voltage_at_cell(law, conductance, v)).value;
}

}  // namespace

double fixed_sinh(double x) {
    constexpr double kSmall = 1e-2;  // below, the difference of two exponentials loses digits
    if (std::abs(x) >= kSmall) return 0.5 * (fixed_exp(x) - fixed_exp(-x));
    const double square = x * x;
    return x * (1 + square / 6 * (1 + square / 20 * (1 + square / 42)));
}

double fixed_asinh(double x) {
    constexpr double kSmall = 1e-2;
    if (x >= kSmall) return fixed_log(x + std::sqrt(x * x + 1));
    const double square = x * x;
    return x * (1 - square / 6 * (1 - square * 9 / 20 * (1 - square * 25 / 42)));
}

bool is_ohmic(const CellOptions& cell) {
    return cell.current_voltage.model == CurrentVoltageOptions::Model::linear &&
           cell.selector.model == SelectorOptions::Model::none;
}

CurrentVoltageLaw make_current_voltage(const CellOptions& cell, int largest_digit) {
    CurrentVoltageLaw law;
    law.cell = cell.current_voltage;
    law.selector = cell.selector;
    law.lsb = cell.current_voltage.read_voltage / largest_digit;
    law.resistance = cell.series.resistance;
    if (cell.selector.model == SelectorOptions::Model::threshold) law.resistance += cell.selector.resistance;
    if (law.cell.model == CurrentVoltageOptions::Model::sinh)
        law.sinh_at_read = fixed_sinh(law.cell.read_voltage / law.cell.v0);
    if (law.cell.model != CurrentVoltageOptions::Model::table) return law;
    for (size_t first = 0; first < law.cell.currents.size(); first += law.cell.voltages.size()) {
        const Point at_read = on_curve(law.cell.voltages, law.cell.currents.data() + first, law.cell.read_voltage);
        law.curve_conductance.push_back(at_read.value / law.cell.read_voltage);
    }
    return law;
}

double current_of(const CurrentVoltageLaw& law, double conductance, double drive) {
    const double current = positive_current(law, conductance, std::abs(drive) * law.lsb) / law.lsb;
    return drive < 0 ? -current : current;
}

}  // namespace bitline
