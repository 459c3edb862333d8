#pragma once

// Convolutions in float32 with their two gradients: where training spends its time. A fully connected layer is the case
// of a 1 x 1 image and a 1 x 1 kernel.
//
//   y[n,o,p] = sum over i, a of w[o,i,a] x[n,i, s p + d a - pads]      forward (a runs over the kernel, x is 0 outside)
//   gx       = the transpose of that map in x, applied to gy            input gradient
//   gw       = the transpose of that map in w, applied to gy            weight gradient
//
// Arrays are dense and row-major: x, gx (samples x in_channels x in_h x in_w), y, gy (samples x out_channels x out_h x
// out_w), w, gw (out_channels x in_channels/groups x kernel_h x kernel_w). No array may overlap another.
//
// Each number is a chain of fused products and sums in an order that the shape (for gw also the number of samples)
// fixes: the same bits for any number of threads and on any instruction set.

#include <cstdint>

#include "core/network.h"

namespace bitline::training {

/// Requires sizes, strides and dilations of at least 1, pads of at least 0, groups that divide both numbers of
/// channels, and a window that fits the padded input.
struct ConvolutionShape {
    int64_t in_channels = 1, in_h = 1, in_w = 1;
    int64_t out_channels = 1, groups = 1;
    Window window;

    int64_t out_h() const;
    int64_t out_w() const;
    int64_t in_size() const { return in_channels * in_h * in_w; }                              // per sample
    int64_t out_size() const { return out_channels * out_h() * out_w(); }                      // per sample
    int64_t rows() const { return in_channels / groups * window.kernel_h * window.kernel_w; }  // per output
    int64_t weight_size() const { return out_channels * rows(); }
    int64_t multiply_accumulates() const { return out_size() * rows(); }  // per sample, with those that meet pads
};

ConvolutionShape fully_connected(int64_t inputs, int64_t outputs);

/// Overwrites y.
void convolve(const ConvolutionShape& shape, int64_t samples, const float* x, const float* weights, float* y);
/// Adds to gx.
void convolve_input_gradient(const ConvolutionShape& shape, int64_t samples, const float* gy, const float* weights,
                             float* gx);
/// Overwrites gw.
void convolve_weight_gradient(const ConvolutionShape& shape, int64_t samples, const float* x, const float* gy,
                              float* gw);

}  // namespace bitline::training
