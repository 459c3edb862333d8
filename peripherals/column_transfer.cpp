#include "peripherals/column_transfer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitline {

namespace {

using Model = ColumnTransferOptions::Model;

double divided(double q, double sum, double full_scale) { return q * sum * full_scale / (full_scale + (q - 1) * sum); }

/// The piecewise linear curve through (i / (n - 1), table[i]) and its inverse, on 0 .. 1.
double on_table(const std::vector<double>& table, double x) {
    const double place = x * static_cast<double>(table.size() - 1);
    const size_t below = std::min(static_cast<size_t>(place), table.size() - 2);
    return table[below] + (place - static_cast<double>(below)) * (table[below + 1] - table[below]);
}

double under_table(const std::vector<double>& table, double y) {
    const auto above = std::upper_bound(table.begin(), table.end() - 1, y) - table.begin();
    const auto below = static_cast<size_t>(std::max<std::ptrdiff_t>(above - 1, 0));
    const double share = (y - table[below]) / (table[below + 1] - table[below]);
    return (static_cast<double>(below) + share) / static_cast<double>(table.size() - 1);
}

/// A converter's thresholds in the order of codes, from the one below which it is clipped to the one above.
std::vector<double> thresholds_of(const kernels::Converter& converter, size_t col) {
    const auto count = static_cast<size_t>(converter.hi - converter.lo) + 2;
    std::vector<double> thresholds(count);
    const auto& given = converter.transfer.threshold;
    for (size_t k = 0; k < count; ++k)
        thresholds[k] = given.empty() ? converter.lo + static_cast<double>(k) - 0.5
                                      : given[static_cast<size_t>(converter.transfer.converter[col]) * count + k];
    return thresholds;
}

/// Whether two columns are read alike.
bool same_reader(const kernels::Converter& converter, size_t a, size_t b) {
    return converter.inv_step[a] == converter.inv_step[b] && converter.offset[a] == converter.offset[b] &&
           (!converter.has_transfer() || converter.transfer.converter[a] == converter.transfer.converter[b]);
}

}  // namespace

bool bends(const ColumnTransferOptions& options) {
    return options.model == Model::divider || options.model == Model::table;
}

void read_through(const ColumnTransferOptions& options, double full_scale, double per_level, double codes_per_level,
                  kernels::Converter& converter) {
    const size_t columns = converter.inv_step.size();
    if (options.model == Model::charge_sharing) {
        for (double& inv_step : converter.inv_step) inv_step /= 1 + options.parasitic;
        for (double& deviation : converter.deviation) deviation *= 1 + options.parasitic;
    }
    if (!bends(options)) return;
    const auto sum_at = [&](double t, size_t col) {
        const double signal = (t - converter.offset[col]) / (converter.inv_step[col] * per_level);
        return sum_of_signal(options, signal, full_scale);
    };
    if (converter.one_bit) {
        for (size_t c = 0; c < columns; ++c) converter.offset[c] = -sum_at(0, c) * (converter.inv_step[c] * per_level);
        return;
    }
    kernels::Transfer moved;
    moved.value = converter.transfer.value;
    for (size_t c = 0; c < columns; ++c) {
        const bool again = c > 0 && same_reader(converter, c - 1, c);
        moved.converter.push_back(c == 0 ? 0 : moved.converter.back() + (again ? 0 : 1));
        if (again) continue;
        std::vector<double> thresholds = thresholds_of(converter, c);
        for (double& threshold : thresholds) threshold = sum_at(threshold, c) * codes_per_level;
        thresholds.back() = std::max(thresholds.back(), thresholds.front() + 1);  // as kernels::Transfer wants it
        moved.threshold.insert(moved.threshold.end(), thresholds.begin(), thresholds.end());
    }
    converter.transfer = std::move(moved);
    std::fill(converter.inv_step.begin(), converter.inv_step.end(), codes_per_level / per_level);
    std::fill(converter.offset.begin(), converter.offset.end(), 0.0);
}

double signal_of_sum(const ColumnTransferOptions& options, double sum, double full_scale) {
    switch (options.model) {
        case Model::linear:
            return sum;
        case Model::charge_sharing:
            return sum / (1 + options.parasitic);
        case Model::divider:
            return sum <= 0 || sum >= full_scale ? sum : divided(options.strength_ratio, sum, full_scale);
        case Model::table: {
            const double size = std::abs(sum), top = options.table.back() * full_scale;
            const double signal = size >= full_scale ? top + (size - full_scale)
                                                     : full_scale * on_table(options.table, size / full_scale);
            return sum < 0 ? -signal : signal;
        }
    }
    return sum;
}

double sum_of_signal(const ColumnTransferOptions& options, double signal, double full_scale) {
    switch (options.model) {
        case Model::linear:
            return signal;
        case Model::charge_sharing:
            return signal * (1 + options.parasitic);
        case Model::divider:  // the divider seen from its other end
            return signal <= 0 || signal >= full_scale ? signal
                                                       : divided(1 / options.strength_ratio, signal, full_scale);
        case Model::table: {
            const double size = std::abs(signal), top = options.table.back() * full_scale;
            const double sum =
                size >= top ? full_scale + (size - top) : full_scale * under_table(options.table, size / full_scale);
            return signal < 0 ? -sum : sum;
        }
    }
    return signal;
}

}  // namespace bitline
