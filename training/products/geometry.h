#pragma once

// A convolution and its input gradient are both correlations of stride 1: a strided window meets its input in phases
// (elements stride apart), and the gradient of a strided one gives its target in phases. What lies outside the source
// is written as zeros once, into a padded copy, so that the innermost loops know neither pads nor strides.

#include <cstdint>
#include <vector>

#include "training/products/products.h"

namespace bitline::training::products {

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Along one axis, position q of the target meets element step * (q + shift) + phases[phase] of the source.
struct Tap {
    int64_t kernel = 0;  // place in the kernel
    int64_t phase = 0, shift = 0;
};

/// Positions first, first + step, ... of the target and what they meet.
struct AxisPart {
    int64_t first = 0, step = 1, count = 0;
    std::vector<Tap> taps = {};
};

struct Axis {
    int64_t source = 0, step = 1, target = 0;  // sizes, and how far apart the elements of a phase are
    std::vector<AxisPart> parts = {};
    std::vector<int64_t> phases = {};  // those that some tap meets
    int64_t low = 0, extent = 0;       // the padded copy holds places low .. low + extent - 1 of each phase
    bool plain() const { return step == 1 && low == 0 && extent == source; }  // the copy would equal the source
};

struct Correlation {
    int64_t groups = 1, channels = 1, rows = 1;  // of source and target, per group
    Axis h, w;
    // Weight of (group, row, channel, place in the kernel): group * group_stride + row * row_stride + ...
    int64_t group_stride = 0, row_stride = 0, channel_stride = 0, kernel_w = 1;

    bool plain() const { return h.plain() && w.plain(); }
    int64_t source_plane() const { return h.source * w.source; }
    int64_t target_plane() const { return h.target * w.target; }
    int64_t pitch() const { return w.extent; }
    /// Numbers of the padded copy of a channel.
    int64_t plane() const { return int64_t(h.phases.size() * w.phases.size()) * h.extent * w.extent; }
    /// Where position (0, 0) meets a tap in the padded copy.
    int64_t offset(int64_t channel, const Tap& row, const Tap& col) const;
};

Correlation forward(const ConvolutionShape& shape);
Correlation input_gradient(const ConvolutionShape& shape);

/// offset() of every channel and tap of a part, channels outermost: the order of the weights of a row.
std::vector<int64_t> offsets(const Correlation& correlation, const AxisPart& rows, const AxisPart& cols);

}  // namespace bitline::training::products
