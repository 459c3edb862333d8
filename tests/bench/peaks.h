#pragma once

// What the machine itself can do, measured in the same run as the kernels: bare loops of products on independent sums.

#include <cstdint>
#include <string>

namespace bench {

/// Processor time of the calling thread, not wall time: other programs on the machine do not count.
double thread_seconds();

/// A loop that does nothing but products of one unit of the processor.
struct PeakLoop {
    std::string unit;                       // e.g. "float32 FMA, AVX2"
    double products_per_round = 0;          // MACs
    void (*run)(int64_t rounds) = nullptr;  // null: this machine lacks the unit
};

PeakLoop fp32_avx2();
PeakLoop fp32_avx512();
PeakLoop fp64_avx2();
PeakLoop int8_avx2();
PeakLoop int8_vnni();
PeakLoop int8_amx();

/// GMAC/s of one burst of about `seconds`; 0 where the machine lacks the unit.
double rate(const PeakLoop& loop, double seconds);

}  // namespace bench
