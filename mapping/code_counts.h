#pragma once

// Which codes the converters of a layer give, for histograms.

#include <cstdint>
#include <span>
#include <vector>

#include "core/network.h"
#include "mapping/chip.h"

namespace bitline {

struct CodeCounts {
    int32_t lo = 0;              // code of the first count
    std::vector<int64_t> count;  // (hi - lo + 1), conversions that gave the code
    int64_t clipped = 0;         // of these, how many beyond the outer codes; never of a sense amplifier
    CodeCounts& operator+=(const CodeCounts& other);
};

/// Every conversion of layer `layer` of the mapping, over its arrays, columns and cycles, with the noise that
/// ChipEngine::product draws. `codes` (samples x input elements of the layer): its input codes. Throws ConfigError for
/// converters of more than 20 bits.
CodeCounts count_codes(const Network& network, const Mapping& mapping, const Chip& chip, size_t layer,
                       std::span<const int32_t> codes, int64_t samples, int64_t first_sample);

}  // namespace bitline
