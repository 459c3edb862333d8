#pragma once

// One-bit digits by lookup, the plain part: tables, tiles, bounds and memory for any instruction set of lookup.h.

#include "core/kernels/kernels.h"
#include "core/kernels/lookup.h"

namespace bitline::kernels::lookup {

/// Fills block.packed; false where the block is too tall or its numbers are too large for tables.
bool pack(const Vector& vector, Block& block);

/// As Kernel::sums.
void sums(const Vector& vector, const Block& block, const Drive& drive, int64_t* out);

/// Whether codes and totals fit the numbers that the vector part computes with.
bool fits(const Block& block, const Converter& converter, const Drive& drive);

/// As Kernel::convert, where `fits`.
int64_t convert(const Vector& vector, const Block& block, const Converter& converter, const Readout& readout,
                const Drive& drive, const kernels::Noise* noise, int64_t* acc);

}  // namespace bitline::kernels::lookup
