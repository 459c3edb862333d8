#pragma once

// One reading of one block of cells: noise of the row drivers, conductances of the moment, sums and conversions.

#include <cstdint>
#include <vector>

#include "mapping/drive.h"

namespace bitline {

/// Outputs of a readout that keeps every column for itself.
kernels::Readout column_by_column(int cols);

/// What a reading gives, and the memory that it works in.
struct Reading {
    std::vector<int64_t> own;    // (vectors x outputs of the readout)
    std::vector<int16_t> noisy;  // digits with the noise of one block's row drivers
    kernels::Block drawn;        // cells with the noise of one moment
};

/// Drives a block with the digits of all vectors and adds the codes up as `readout` says; fills reading.own. `number`:
/// of the block in the chip. Returns how many conversions were clipped.
int64_t convert_block(const LayerView& layer, const kernels::Converter& converter, const kernels::Readout& readout,
                      const ChipBlock& block, kernels::Drive drive, uint32_t number, const Vectors& vectors,
                      Reading& reading);

}  // namespace bitline
