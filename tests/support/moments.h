#pragma once

namespace bitline::testing {

/// Mean and variance of numbers as they come (Welford).
struct Moments {
    double n = 0, mean = 0, squares = 0;
    void add(double x) {
        ++n;
        const double d = x - mean;
        mean += d / n;
        squares += d * (x - mean);
    }
    double variance() const { return n > 1 ? squares / (n - 1) : 0; }
};

}  // namespace bitline::testing
