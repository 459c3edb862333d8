#pragma once

// The quantizer of least squared error for a given distribution: each threshold midway between the values beside it,
// each value the mean of what falls between its thresholds (S. P. Lloyd, "Least squares quantization in PCM", IEEE
// Trans. Inf. Theory 28(2), 1982; J. Max, "Quantizing for minimum distortion", IRE Trans. Inf. Theory 6(1), 1960).

#include <vector>

namespace bitline {

struct Quantization {
    std::vector<double> threshold;  // (levels - 1), ascending
    std::vector<double> value;      // (levels), ascending
};

/// `at` ascending, `weight` > 0 (same length, not empty), 2 <= levels. Starts from levels as dense as the cube root of
/// the distribution (P. F. Panter, W. Dite, Proc. IRE 39(1), 1951) and takes turns until neither changes; for a
/// distribution that is not log-concave the result may be a local optimum.
Quantization fit_lloyd_max(const std::vector<double>& at, const std::vector<double>& weight, int levels);

}  // namespace bitline
