#pragma once

// Kernel windows over padded planes: with the padding written out, the element under row r at position p lies at
// base(p) + offset(r), whatever the stride and dilation.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/network.h"

namespace bitline::reference {

struct PaddedPlanes {
    int64_t channels = 0, height = 0, width = 0;  // with padding
    int64_t out_height = 1, out_width = 1;

    PaddedPlanes(const MatVec& op, const Shape& in) : channels(op.in_channels), height(1), width(1) {
        if (!op.is_convolution) return;
        const Window& w = op.window;
        height = in[1] + w.pad_top + w.pad_bottom;
        width = in[2] + w.pad_left + w.pad_right;
        out_height = window_output(in[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + w.pad_bottom);
        out_width = window_output(in[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + w.pad_right);
    }

    int64_t size() const { return channels * height * width; }
    int64_t positions() const { return out_height * out_width; }
    int64_t base(const Window& w, int64_t position) const {
        return position / out_width * w.stride_h * width + position % out_width * w.stride_w;
    }
};

/// Offset of each row of a group, row = (channel in group, ky, kx), from the window's first element.
inline std::vector<int32_t> row_offsets(const MatVec& op, const PaddedPlanes& planes) {
    std::vector<int32_t> offsets;
    offsets.reserve(size_t(op.rows()));
    for (int64_t c = 0; c < op.in_channels / op.groups; ++c) {
        for (int64_t ky = 0; ky < op.window.kernel_h; ++ky) {
            for (int64_t kx = 0; kx < op.window.kernel_w; ++kx) {
                offsets.push_back(int32_t((c * planes.height + ky * op.window.dilation_h) * planes.width +
                                          kx * op.window.dilation_w));
            }
        }
    }
    return offsets;
}

/// Copies one sample into `out` (planes.size()), which already holds what padding stands for.
template <typename In, typename Out, typename Convert>
void fill_planes(const MatVec& op, const Shape& in, const PaddedPlanes& planes, const In* sample, Convert convert,
                 Out* out) {
    const int64_t height = op.is_convolution ? in[1] : 1, width = op.is_convolution ? in[2] : 1;
    for (int64_t c = 0; c < planes.channels; ++c) {
        for (int64_t y = 0; y < height; ++y) {
            Out* row = out + (c * planes.height + y + op.window.pad_top) * planes.width + op.window.pad_left;
            std::transform(sample, sample + width, row, convert);
            sample += width;
        }
    }
}

/// out (rows) = the input vector at one position; `group_planes` points to the group's first channel.
template <typename T>
void gather_position(const std::vector<int32_t>& offsets, const T* group_planes, int64_t base, T* out) {
    const T* window = group_planes + base;
    const size_t rows = offsets.size();
    for (size_t r = 0; r < rows; ++r) out[r] = window[offsets[r]];
}

}  // namespace bitline::reference
