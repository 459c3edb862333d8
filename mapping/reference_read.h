#pragma once

// Known digits on the word lines of a programmed chip, and the codes that its converters answer with: what drift and
// the spread of columns are measured with. A read like any other: through the chip's own converters, with its noise.

#include <cstdint>
#include <vector>

#include "mapping/chip.h"

namespace bitline {

/// Digits that are the same for every seed and trial, (vectors x lines) for a block of that many lines. Line l of
/// vector r (xnor: the pair l / 2) is driven with probability 2^-(1 + r % 4), so that columns of few and of many driven
/// lines stay within the converters' range in some of the vectors; with the digit 1, one of 1 .. digit_max, or -1 or 1.
/// Every eighth vector drives no line: it shows the converters' offsets.
bool is_silent(int vector);
std::vector<int16_t> reference_digits(const InputPlan& input, int lines, int vectors);

/// Codes of one array, (parts of its rows x vectors x columns). The read takes less time than any noise of
/// Persistence::product keeps its value: such noise is drawn once.
std::vector<int32_t> read_codes(const Mapping& mapping, const Chip& chip, size_t layer, size_t array, int vectors);

/// What perfect converters would make of the cells, (parts x vectors x columns), in units of the layer's range; whole
/// where it is lossless.
std::vector<double> read_exactly(const Mapping& mapping, const Chip& chip, size_t layer, size_t array, int vectors);

/// Codes of every array of a chip.
struct ReferenceRead {
    struct Layer {
        AdcRange adc;
        std::vector<std::vector<int32_t>> codes;  // (arrays), each as read_codes
    };
    std::vector<Layer> layers;
};
ReferenceRead read_reference(const Mapping& mapping, const Chip& chip, int vectors);

}  // namespace bitline
