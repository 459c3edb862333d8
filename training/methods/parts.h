#pragma once

// What several methods share: scales that are always usable, quantizers, ranges by least squares, and the quantizers of
// methods that other methods take over. Not for use outside of training/methods.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/quantize_codes.h"
#include "training/method.h"

namespace bitline::training {

// ---------------------------------------------------------------------------------------------- scales and quantizers

inline constexpr float kSmallestScale = 1e-15F, kLargestScale = 1e15F;

/// The nearest scale that float32 can multiply by another one, whatever came out of the weights: NaN and what is not
/// above 0 give the smallest.
float usable_scale(double scale);

/// Symmetric signed codes, +-(2^(bits-1) - 1).
Quantizer narrow_quantizer(int bits, std::vector<float> scale);
Quantizer unsigned_quantizer(int bits, float scale);
/// Codes -1 and +1.
Quantizer bipolar_quantizer(std::vector<float> scale);

/// Unsigned where the role's input cannot be negative, else narrow_quantizer.
Quantizer input_quantizer(const LayerRole& role, float scale);

/// Throws ConfigError where the role's bits lie outside the table's range of this method.
void require_weight_bits(const std::string& method, const LayerRole& role);
void require_input_bits(const std::string& method, const LayerRole& role);

/// The Quantize node of an input, and the numbers that it gives: x_q[i] has the bits of core's reference.
Operator quantize_node(const Quantizer& to);
void quantize_to_grid(const Quantizer& to, std::span<const float> x, std::span<float> quantized);

/// gradient where low <= x <= high, else 0.
void pass_inside(std::span<const float> x, float low, float high, std::span<const float> gradient,
                 std::span<float> x_gradient);

// ---------------------------------------------------------------------------------------------- sums

/// term(0) + term(1) + ... in float32 on eight lanes of fixed order, so that it vectorises and has the same bits
/// everywhere.
template <class Term>
double lane_sum(size_t count, const Term& term) {
    constexpr size_t kLanes = 8, kRun = 1024;  // rounding loses at most 2^-17 of a run's sum of magnitudes
    double total = 0;
    for (size_t first = 0; first < count; first += kRun) {
        const size_t end = std::min(count, first + kRun);
        std::array<float, kLanes> lane{};
        size_t i = first;
        for (; i + kLanes <= end; i += kLanes) {
            for (size_t l = 0; l < kLanes; ++l) lane[l] += term(i + l);
        }
        for (; i < end; ++i) lane[0] += term(i);
        for (const float sum : lane) total += static_cast<double>(sum);
    }
    return total;
}

/// Sum of term(x[i]), likewise.
template <class Term>
double lane_sum(std::span<const float> x, const Term& term) {
    return lane_sum(x.size(), [&](size_t i) { return term(x[i]); });
}

/// Largest finite |x|; 0 without one.
float largest_magnitude(std::span<const float> x);

/// mean |x|; 0 of nothing.
double mean_magnitude(std::span<const float> x);

/// Calls body(channel, its weights, first index) for every output channel, in parallel.
void for_each_channel(std::span<const float> weights, int64_t channels,
                      const std::function<void(size_t channel, std::span<const float> of_channel, size_t first)>& body);

/// Room for planes of `count` weights with `channels` scales.
void resize_plane(QuantizedWeights& quantized, size_t planes, size_t count);

// ---------------------------------------------------------------------------------------------- ranges

/// Least squares choice of the largest number `top` that codes stand for: the share of the largest magnitude, among
/// 1/24 .. 24/24 of it, with the smallest sum (x - x_q)^2; the widest of equals. `code(x / scale)` gives the code of a
/// number as a float, `top_code` that of `top`.
inline constexpr int kRangeSteps = 24;

template <class Code>
double squared_error(std::span<const float> x, float scale, const Code& code) {
    const float inverse = 1 / scale;
    return lane_sum(x, [&](float v) {
        const float difference = v - code(v * inverse) * scale;
        return difference * difference;
    });
}

template <class Code>
float least_squares_share(std::span<const float> x, float largest, float top_code, const Code& code) {
    int best = kRangeSteps;
    double least = 0;
    for (int k = kRangeSteps; k >= 1; --k) {
        const float share = static_cast<float>(k) / kRangeSteps;
        const double error = squared_error(x, usable_scale(largest * share / top_code), code);
        if (k < kRangeSteps && !(error < least)) continue;
        least = error;
        best = k;
    }
    return static_cast<float>(best) / kRangeSteps;
}

/// One step down hill from `share` by 1/16 of it: a range that follows weights as they train, at the cost of three
/// looks at them.
template <class Code>
float nearby_share(std::span<const float> x, float largest, float top_code, float share, const Code& code) {
    float best = share;
    double least = squared_error(x, usable_scale(largest * share / top_code), code);
    for (const float candidate : {share * (15.0F / 16), std::min(1.0F, share * (17.0F / 16))}) {
        const double error = squared_error(x, usable_scale(largest * candidate / top_code), code);
        if (!(error < least)) continue;
        least = error;
        best = candidate;
    }
    return best;
}

/// Up to `count` finite numbers of `x`, spread over it by the golden ratio, so that no row or column of an image is
/// preferred. `storage` holds them.
std::span<const float> spread_sample(std::span<const float> x, size_t count, std::vector<float>& storage);
inline constexpr size_t kFirstSample = 16384, kLaterSample = 2048;

// ---------------------------------------------------------------------------------------------- shared quantizers

/// Inputs of `ste`: see ste.cpp.
std::unique_ptr<InputQuantizer> straight_through_inputs(const LayerRole& role);
/// Signs of weights and of inputs: see binaryconnect.cpp and bnn.cpp.
std::unique_ptr<WeightQuantizer> sign_weights();
std::unique_ptr<InputQuantizer> sign_inputs();
const Activation* hard_tanh();
/// See dorefa.cpp.
std::unique_ptr<WeightQuantizer> dorefa_weights(const LayerRole& role);

// ---------------------------------------------------------------------------------------------- the methods

std::unique_ptr<Method> make_binaryconnect(const MethodOptions& options);
std::unique_ptr<Method> make_bnn(const MethodOptions& options);
std::unique_ptr<Method> make_xnor(const MethodOptions& options);
std::unique_ptr<Method> make_ternary(const MethodOptions& options);
std::unique_ptr<Method> make_dorefa(const MethodOptions& options);
std::unique_ptr<Method> make_ste(const MethodOptions& options);
std::unique_ptr<Method> make_power_of_two(const MethodOptions& options);
std::unique_ptr<Method> make_pact(const MethodOptions& options);
std::unique_ptr<Method> make_lq_net(const MethodOptions& options);
std::unique_ptr<Method> make_lsq(const MethodOptions& options);

}  // namespace bitline::training
