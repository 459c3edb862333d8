#pragma once

// The code of a number, and the number on the quantizer's grid: the one definition for the reference and for training.
// Inline and without branches, so that loops over it vectorise.

#include <cstdint>

#include "core/network.h"

namespace bitline {

/// Rounds to nearest even for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
inline float round_half_even(float x) {
    constexpr float kShift = 12582912.0F;
    return (x + kShift) - kShift;
}

/// clip(x, low, high); NaN counts as 0.
inline float finite_clip(float x, float low, float high) {
    const float number = x == x ? x : 0.0F;
    const float raised = number < low ? low : number;
    return raised > high ? high : raised;
}

/// Code of x = clip(round(x / scale) + zero_point), half to even, in ONNX Runtime's order: divide, clip, round, add.
/// Clipping before rounding gives the same code, and makes infinities safe. NaN takes the code of 0. Bipolar: x >= 0
/// is +1.
class CodeOf {
 public:
    explicit CodeOf(const Quantizer& to)
        : bipolar_(to.kind == Quantizer::Kind::bipolar),
          low_(static_cast<float>(to.code_min() - to.zero_point[0])),
          high_(static_cast<float>(to.code_max() - to.zero_point[0])),
          zero_point_(to.zero_point[0]) {}

    /// Of a number that was divided by the scale; bipolar codes look at its sign only.
    int32_t operator()(float scaled) const {
        if (bipolar_) return scaled < 0 ? -1 : 1;
        return static_cast<int32_t>(on_grid(scaled)) + zero_point_;
    }

    /// Code less zero point as a float; uniform codes only.
    float on_grid(float scaled) const { return round_half_even(finite_clip(scaled, low_, high_)); }

    float low() const { return low_; }    // lowest code less the zero point
    float high() const { return high_; }  // highest

 private:
    bool bipolar_;
    float low_, high_;
    int32_t zero_point_;
};

}  // namespace bitline
