#pragma once

#include <vector>

#include "mapping/chip.h"
#include "mapping/mapping.h"

namespace bitline {

/// What a programmed layer computes where converters resolve everything and reads are without noise:
/// acc[c] = sum over rows of weight[c][r] * x[r] + offset[c], x = q_x - z_x.
struct EffectiveWeights {
    std::vector<float> weight;  // (out_channels x rows per group), in weight codes
    std::vector<float> offset;  // (out_channels), beyond the digital bias
};

/// From the conductances of the cells and the digital corrections. Cells beside the diagonal of packed groups are left
/// out, as are lines whose current is no digit times a conductance: throws ConfigError naming the layer for these.
EffectiveWeights effective_weights(const Mapping& mapping, const Chip& chip, size_t layer);

}  // namespace bitline
