// The sweeps in plain C++; see elimination_portable.cpp.

#include <cmath>
#include <utility>

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
inline Vec sub(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Vec mul(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vec fused(const Vec& a, const Vec& b, const Vec& c) {
    return each([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}
inline Vec inverse(const Vec& x) {
    return each([&](int i) { return 1 / x.lane[i]; });
}
inline Vec magnitude(const Vec& a) {
    return each([&](int i) { return std::fabs(a.lane[i]); });
}
inline Vec least(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vec or_one(const Vec& x, const Vec& y) {
    return each([&](int i) { return x.lane[i] > 0 ? y.lane[i] : 1; });
}
inline Vec positive_or_one(const Vec& x) { return or_one(x, x); }
inline void transpose(Vec v[4]) {
    for (int r = 0; r < 4; ++r)
        for (int c = r + 1; c < 4; ++c) std::swap(v[r].lane[c], v[c].lane[r]);
}

}  // namespace
}  // namespace bitline::wires

#include "peripherals/wires/sweeps_vector.h"

namespace bitline::wires {

const Sweeps kPortableSweeps{"portable", factor_rows, factor_cols, solve_rows, solve_cols, certify, ladders};

const Sweeps& best_sweeps() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2Sweeps;
#endif
    return kPortableSweeps;
}

}  // namespace bitline::wires
