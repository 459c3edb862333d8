#pragma once

// One-bit digits by tile products, the plain part: layout, bounds and memory for the vector part of amx.h.

#include "core/kernels/amx.h"
#include "core/kernels/kernels.h"
#include "core/kernels/scalar.h"

namespace bitline::kernels::amx {

/// Fills block.packed; false where a number does not fit in two bytes.
bool pack(kernels::Block& block);

/// As Kernel::sums.
void sums(const Vector& vector, const kernels::Block& block, const kernels::Drive& drive, int64_t* out);

/// Whether codes and totals fit the numbers that the vector part computes with.
bool fits(const kernels::Block& block, const Converter& converter, const kernels::Drive& drive);

/// As Kernel::convert, where `fits`.
int64_t convert(const Vector& vector, const kernels::Block& block, const Converter& converter,
                const kernels::Readout& readout, const kernels::Drive& drive, const kernels::Noise* noise,
                int64_t* acc);

/// Members of a Kernel: tiles where they serve a block, and the kernel `rest` for all others.
template <const Vector& vector, const Kernel& rest>
struct Tiles {
    static void pack(kernels::Block& block) {
        block.has_tiles = block.one_bit_digits && !block.at_thresholds && amx::pack(block);
        if (!block.has_tiles) rest.pack(block);
    }

    static void sums(const kernels::Block& block, const kernels::Drive& drive, int64_t* out) {
        return block.has_tiles ? amx::sums(vector, block, drive, out) : rest.sums(block, drive, out);
    }

    static int64_t convert(const kernels::Block& block, const Converter& converter, const kernels::Readout& readout,
                           const kernels::Drive& drive, const kernels::Noise* noise, int64_t* acc) {
        if (!block.has_tiles) return rest.convert(block, converter, readout, drive, noise, acc);
        return fits(block, converter, drive) ? amx::convert(vector, block, converter, readout, drive, noise, acc)
                                             : scalar_convert(block, converter, readout, drive, noise, acc);
    }

    static void bits(const int32_t* codes, int rows, const int* shifts, int count, uint64_t* out) {
        rest.bits(codes, rows, shifts, count, out);
    }

    static void gaussians(StreamKey key, uint32_t first, uint32_t c1, uint32_t c2, uint32_t c3, size_t n, float* out) {
        rest.gaussians(key, first, c1, c2, c3, n, out);
    }
};

}  // namespace bitline::kernels::amx
