#include "core/kernels/bounds.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "core/kernels/noise.h"

namespace bitline::kernels {

Converters view_of(const Converter& converter) {
    Converters view;
    view.anchor = anchor(converter);
    view.lo = converter.lo;
    view.hi = converter.hi;
    view.one_bit = converter.one_bit;
    view.wide = converter.wide;
    if (!converter.has_transfer()) return view;
    const Transfer& transfer = converter.transfer;
    view.threshold = transfer.threshold.data();
    view.converter = transfer.converter.data();
    view.value = transfer.value.empty() ? nullptr : transfer.value.data();
    if (converter.wide) return view;
    view.bins.table = transfer.table.data();
    view.bins.of_bin = transfer.of_bin.data();
    view.bins.distinct = transfer.distinct.data();
    view.bins.value_of = transfer.value_of.empty() ? nullptr : transfer.value_of.data();
    view.bins.count = transfer.bins;
    view.bins.layers = transfer.layers;
    view.bins.shift = transfer.shift;
    const double step = fine_step(converter);
    view.bins.lowest = float(view.anchor + double(transfer.origin) * step);
    view.bins.highest = float(view.anchor + double(transfer.origin + transfer.top) * step);
    return view;
}

int32_t common_factor(const std::vector<int32_t>& numbers) {
    int64_t factor = 0;  // 64 bits: the magnitude of the least number has no 32-bit form
    for (const int32_t number : numbers) {
        factor = std::gcd(factor, int64_t{number});
        if (factor == 1) break;
    }
    return factor > kMax32 ? 1 : int32_t(std::max<int64_t>(factor, 1));
}

int64_t largest_code(const Converter& converter) {
    if (converter.one_bit) return 1;
    if (!converter.transfer.value.empty()) {
        int64_t largest = 0;
        for (const int32_t value : converter.transfer.value) largest = std::max(largest, std::abs(int64_t{value}));
        return largest;
    }
    return std::max(std::abs(int64_t{converter.lo}), std::abs(int64_t{converter.hi}));
}

int64_t sum_of_weights(const Drive& drive) {
    int64_t sum = 0;
    for (int cycle = 0; cycle < drive.cycles; ++cycle) sum += std::abs(drive.cycle_weight[cycle]);
    return sum;
}

double largest_t(const Block& block, const Converter& converter, int64_t largest_sum) {
    double step = 0, offset = 0, deviation = 0;
    for (const double of_column : converter.inv_step) step = std::max(step, std::abs(of_column));
    for (const double of_column : converter.offset) offset = std::max(offset, std::abs(of_column));
    for (const double of_column : converter.deviation) deviation = std::max(deviation, std::abs(of_column));
    const double of_cells = block.variance.empty() ? 0 : block.variance_unit * double(kLargestVariance) * block.rows;
    const double root = std::sqrt((of_cells + deviation * deviation) / kNoiseVariance);
    return (double(largest_sum) + kLargestDeviate * root) * step + offset;
}

}  // namespace bitline::kernels
