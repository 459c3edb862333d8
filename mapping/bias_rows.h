#pragma once

#include "mapping/mapping.h"

namespace bitline {

/// Moves the digital bias of a planned layer into rows of the array that are driven with constant codes: as few rows as
/// the weight range and the largest input code allow. What cells cannot hold stays digital, and the layer's note says
/// so.
void place_bias_in_rows(MappedLayer& layer);

}  // namespace bitline
