#pragma once

// What a column of an SRAM array makes of its sum before the converter sees it. Sums and signals count in levels; the
// full scale is the largest sum that a column can reach, and the signal that stands for it.

#include <vector>

#include "core/kernels/kernels.h"

namespace bitline {

struct ColumnTransferOptions {
    enum class Model {
        linear,
        charge_sharing,  // capacitors of all cells and of the bit line share the charge of those that conduct:
                         // V = V_DD sum(C x w) / (sum C + C_par) (Valavi et al., JSSC 54(6), 2019; Kavishwar and
                         // Shanbhag, arXiv 2507.09776), so signal = sum / (1 + parasitic)
        divider,  // n of N cells pull the bit line up, the others down: V = V_DD n G_up / (n G_up + (N - n) G_down)
                  // (XNOR-SRAM: Yin et al., JSSC 55(6), 2020); with q = G_up / G_down and F the full scale
                  //   signal = q sum F / (F + (q - 1) sum)
        table,    // measured, odd in the sum
    } model = Model::linear;
    double parasitic = 0;       // C_par / sum C
    double strength_ratio = 1;  // q
    std::vector<double> table;  // signal over full scale at sums of 0, 1 / n, .. 1 of the full scale, rising from 0
};

/// Whether the signal is anything but proportional to the sum: then converters decide at thresholds of their own.
bool bends(const ColumnTransferOptions& options);

/// The signal of a sum, rising everywhere. Outside of 0 .. full scale (divider) or +- full scale (table) the signal
/// goes on as fast as the sum.
double signal_of_sum(const ColumnTransferOptions& options, double sum, double full_scale);

/// Its inverse: a converter that decides at `signal` decides at this sum.
double sum_of_signal(const ColumnTransferOptions& options, double signal, double full_scale);

/// Moves the decisions of converters that would read sums to where they read signals: a curve before a converter is a
/// converter of other thresholds, exactly. `per_level`: grid steps per level; `codes_per_level`: of a perfect
/// converter. The converters' own noise keeps its size in sums where the curve bends.
void read_through(const ColumnTransferOptions& options, double full_scale, double per_level, double codes_per_level,
                  kernels::Converter& converter);

}  // namespace bitline
