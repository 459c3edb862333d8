// The elimination in plain C++. Where the processor that it is compiled for has fused multiply-adds (every 64-bit ARM
// does) the compiler makes vectors of it; elsewhere each one is a call.

#include <cmath>

namespace bitline::wires {
namespace {

struct Vec {
    double lane[4];
};

template <class Operation>
inline Vec each(Operation operation) {
    Vec result;
    for (int i = 0; i < 4; ++i) result.lane[i] = operation(i);
    return result;
}

inline Vec load(const double* from) {
    return each([&](int i) { return from[i]; });
}
inline void store(double* to, const Vec& value) {
    for (int i = 0; i < 4; ++i) to[i] = value.lane[i];
}
inline Vec all(double value) {
    return each([&](int) { return value; });
}
inline Vec add(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Vec mul(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vec fused(const Vec& a, const Vec& b, const Vec& c) {
    return each([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}

/// 1 / sqrt(x), or 0 for a node without any connection left.
inline double inverse_root(double x) { return x > 0 ? 1 / std::sqrt(x) : 0; }
inline Vec inverse_root(const Vec& x) {
    return each([&](int i) { return inverse_root(x.lane[i]); });
}

}  // namespace
}  // namespace bitline::wires

#include "peripherals/wires/elimination_vector.h"

namespace bitline::wires {

const Elimination kPortable{"portable", merge, merge_lanes, eliminate_stars};

const Elimination& best_elimination() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2;
#endif
    return kPortable;
}

}  // namespace bitline::wires
