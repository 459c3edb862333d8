#include "peripherals/transitions.h"

namespace bitline {

std::vector<double> transitions(const kernels::Converter& converter, int columns_per_converter, int32_t level_step) {
    const auto columns = static_cast<int>(converter.inv_step.size());
    const int steps = converter.one_bit ? 1 : converter.hi - converter.lo;
    std::vector<double> sums;
    for (int column = 0; column < columns; column += columns_per_converter) {
        const auto c = static_cast<size_t>(column);
        for (int k = 0; k < steps; ++k) {
            double t = converter.one_bit ? 0.0 : converter.lo + k + 0.5;
            if (converter.has_transfer()) {  // the first and the last of each converter's bound its range
                const int64_t of_converter = int64_t{converter.transfer.converter[c]} * (steps + 2);
                t = converter.transfer.threshold[static_cast<size_t>(of_converter + k + 1)];
            }
            sums.push_back((t - converter.offset[c]) / (converter.inv_step[c] * level_step));
        }
    }
    return sums;
}

}  // namespace bitline
