#pragma once

// Digits of any size by products, the plain part: layout, bounds and memory for the vector part of digits.h.

#include "core/kernels/kernels.h"

namespace bitline::kernels::digits {

/// As the members of Kernel, for blocks driven by Drive::digits.
void pack(Block& block);
void sums(const Block& block, const Drive& drive, int64_t* out);
int64_t convert(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                const Noise* noise, int64_t* acc);
void bits(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out);
void gaussians(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out);

}  // namespace bitline::kernels::digits
