#include "peripherals/wires/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "peripherals/wires/gated.h"

namespace bitline {

namespace {

using wires::Rung;

/// Rows in the order from the far end of the bit line to the sensed one.
int row_at(const LadderArray& array, int place) {
    return array.options.sense == WireOptions::Sense::bottom ? place : array.rows - 1 - place;
}

/// Whether the source line is driven at the far end of the bit line, and at the sensed one.
bool driven_far(const WireOptions& options) {
    if (options.drive == WireOptions::Drive::both) return true;
    return (options.drive == WireOptions::Drive::left) == (options.sense == WireOptions::Sense::bottom);
}
bool driven_near(const WireOptions& options) {
    return options.drive == WireOptions::Drive::both || !driven_far(options);
}

/// The conducting rows, and one rung without a row for the segments behind the last of them.
void list_rungs(const LadderArray& array, std::span<const uint8_t> active, std::vector<Rung>& rungs) {
    rungs.clear();
    int before = -1;
    for (int place = 0; place < array.rows; ++place) {
        const int row = row_at(array, place);
        if (active[size_t(row)] == 0) continue;
        const int source = before < 0 ? place : place - before, bit = before < 0 ? 0 : place - before;
        rungs.push_back({row, source * array.options.row_ohm, bit * array.options.col_ohm});
        before = place;
    }
    if (before < 0) return;
    const int left = array.rows - 1 - before;
    rungs.push_back({-1, left * array.options.row_ohm, left * array.options.col_ohm});
}

void check_input(const LadderArray& array, double drive, std::span<const uint8_t> active) {
    if (active.size() != size_t(array.rows))
        throw ConfigError(fmt::format("wires: {} input bits where {} rows are", active.size(), array.rows));
    wires::check_volts(drive, "drive voltage", 0);
}

double parallel(double a, double b) { return a + b > 0 ? a / (a + b) * b : 0; }

/// Of the source line's ends together up to the star's centre.
double source_ohm(const WireOptions& options, double far_leg, double near_leg) {
    const double far = options.driver_ohm + far_leg, near = options.driver_ohm + near_leg;
    if (!driven_near(options)) return far;
    return driven_far(options) ? parallel(far, near) : near;
}

double column_current(const WireOptions& options, double drive, double far_leg, double near_leg, double bit_leg) {
    const double ohm = source_ohm(options, far_leg, near_leg) + options.sense_ohm;
    return drive * (bit_leg / (1 + bit_leg * ohm));
}

/// A column's currents and voltages, from the sensed end back. `active`, (rows) by place, of the column's cells: G, or
/// 0 where a row does not conduct.
struct ColumnWalk {
    const LadderArray& array;
    double drive;
    std::vector<double> g, bit_leg, source_leg;  // (rows) by place: of the star above the row's rung, and with it
    double far_leg = 0;

    void stars() {
        double y = 0, r_s = 0;
        for (size_t k = 0; k < g.size(); ++k) {
            const double r_b = k > 0 ? array.options.col_ohm : 0;
            if (k > 0) r_s += array.options.row_ohm;
            const double q = 1 + r_b * y, n = y + g[k] * (q + r_s * y);
            far_leg += n > 0 ? r_s * (g[k] * q / n) : r_s;
            r_s = n > 0 ? r_s * (y / n) : 0;
            y = n / q;
            bit_leg[k] = y;
            source_leg[k] = r_s;
        }
    }

    /// Voltages by place.
    void voltages(double* source, double* bit, double& current) const {
        const WireOptions& o = array.options;
        const size_t last = g.size() - 1;
        current = column_current(o, drive, far_leg, source_leg[last], bit_leg[last]);
        double down = 0;  // current of the source line towards the sensed end
        if (driven_near(o)) {
            const double far = o.driver_ohm + far_leg, near = o.driver_ohm + source_leg[last];
            down = !driven_far(o) ? -current : far + near > 0 ? -current * (far / (far + near)) : -current / 2;
        }
        double through = current;  // of the bit line towards the sensed end
        double b = o.sense_ohm * current;
        for (size_t k = g.size(); k-- > 0;) {
            const double across = bit_leg[k] > 0 ? through / bit_leg[k] - down * source_leg[k] : 0;
            bit[k] = b;
            source[k] = k < last ? source[k + 1] + o.row_ohm * down : bit_leg[k] > 0 ? b + across : drive;
            const double x = g[k] * across;
            down += x;
            through -= x;
            b += o.col_ohm * through;
        }
    }
};

}  // namespace

LadderArray prepare_ladders(const CellGrid& cells, const WireOptions& options) {
    wires::Segments checked;
    wires::lay_segments(cells, options, {}, checked);
    wires::check_most_ohm(options);
    LadderArray array{cells.rows, cells.cols, wires::round_up(cells.cols, wires::kLanes), options, {}};
    const auto rows = size_t(cells.rows), cols = size_t(cells.cols), stride = size_t(array.stride);
    array.conductance.assign(rows * stride, 0);
    for (size_t i = 0; i < rows; ++i) std::copy_n(&cells.conductance[i * cols], cols, &array.conductance[i * stride]);
    return array;
}

void solve_ladders(const LadderArray& array, double drive, std::span<const uint8_t> active, LadderBuffers& buffers,
                   std::span<double> current) {
    check_input(array, drive, active);
    if (current.size() != size_t(array.cols))
        throw ConfigError(fmt::format("wires: room for {} currents where {} columns are", current.size(), array.cols));
    list_rungs(array, active, buffers.rungs);
    const auto stride = size_t(array.stride);
    buffers.legs.assign(3 * stride, 0);
    double *bit = buffers.legs.data(), *far = bit + stride, *near = far + stride;
    if (has_resistance(array.options)) {
        buffers.sweeps->ladders(array.stride, buffers.rungs.data(), int(buffers.rungs.size()), array.conductance.data(),
                                {bit, far, near});
    } else {
        for (const Rung& rung : buffers.rungs)
            for (size_t j = 0; j < stride && rung.row >= 0; ++j)
                bit[j] += array.conductance[size_t(rung.row) * stride + j];
    }
    for (size_t j = 0; j < current.size(); ++j)
        current[j] = column_current(array.options, drive, far[j], near[j], bit[j]);
}

ArrayVoltages ladder_voltages(const LadderArray& array, double drive, std::span<const uint8_t> active) {
    check_input(array, drive, active);
    const auto rows = size_t(array.rows), cols = size_t(array.cols);
    ArrayVoltages volts{std::vector<double>(rows * cols), std::vector<double>(rows * cols), std::vector<double>(cols)};
    std::vector<double> source(rows), bit(rows);
    for (size_t j = 0; j < cols; ++j) {
        ColumnWalk walk{array, drive, std::vector<double>(rows), std::vector<double>(rows), std::vector<double>(rows)};
        for (int k = 0; k < array.rows; ++k) {
            const auto row = size_t(row_at(array, k));
            walk.g[size_t(k)] = active[row] != 0 ? array.conductance[row * size_t(array.stride) + j] : 0;
        }
        walk.stars();
        walk.voltages(source.data(), bit.data(), volts.column_current[j]);
        for (int k = 0; k < array.rows; ++k) {
            const size_t at = size_t(row_at(array, k)) * cols + j;
            volts.word[at] = source[size_t(k)];
            volts.bit[at] = bit[size_t(k)];
        }
    }
    return volts;
}

}  // namespace bitline
