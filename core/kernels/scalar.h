#pragma once

#include "core/kernels/kernels.h"

namespace bitline::kernels {

extern const Kernel kScalar;

// The specification itself, which other kernels fall back to where a case is too rare to be worth vector code.
void scalar_sums(const Block& block, const Drive& drive, int64_t* out);
int64_t scalar_convert(const Block& block, const Converter& converter, const Readout& readout, const Drive& drive,
                       const Noise* noise, int64_t* acc);
void scalar_bits(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out);
void scalar_gaussians(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out);

}  // namespace bitline::kernels
