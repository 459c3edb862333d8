#include "training/products/geometry.h"

#include <algorithm>
#include <cassert>

namespace bitline::training {

int64_t ConvolutionShape::out_h() const {
    return window_output(in_h, window.kernel_h, window.stride_h, window.dilation_h, window.pad_top + window.pad_bottom);
}

int64_t ConvolutionShape::out_w() const {
    return window_output(in_w, window.kernel_w, window.stride_w, window.dilation_w, window.pad_left + window.pad_right);
}

ConvolutionShape fully_connected(int64_t inputs, int64_t outputs) {
    ConvolutionShape shape;
    shape.in_channels = inputs;
    shape.out_channels = outputs;
    return shape;
}

namespace products {

namespace {

int64_t floor_divide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/// Keeps the phases that are met, and finds the places that are.
void close(Axis& axis) {
    for (const AxisPart& part : axis.parts) {
        for (const Tap& tap : part.taps) axis.phases.push_back(tap.phase);
    }
    std::sort(axis.phases.begin(), axis.phases.end());
    axis.phases.erase(std::unique(axis.phases.begin(), axis.phases.end()), axis.phases.end());
    bool met = false;
    int64_t high = 0;
    for (AxisPart& part : axis.parts) {
        for (Tap& tap : part.taps) {
            tap.phase = std::lower_bound(axis.phases.begin(), axis.phases.end(), tap.phase) - axis.phases.begin();
            axis.low = met ? std::min(axis.low, tap.shift) : tap.shift;
            high = met ? std::max(high, tap.shift + part.count) : tap.shift + part.count;
            met = true;
        }
    }
    axis.extent = high - axis.low;
}

/// One axis of a window.
struct Line {
    int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
};

/// y[q] = sum over a of w[a] x[stride q + dilation a - pad]
Axis forward_axis(const Line& line) {
    Axis axis{line.in, line.stride, line.out};
    AxisPart part{0, 1, line.out};
    for (int64_t a = 0; a < line.kernel; ++a) {
        const int64_t place = line.dilation * a - line.pad, shift = floor_divide(place, line.stride);
        part.taps.push_back({a, place - shift * line.stride, shift});
    }
    axis.parts.push_back(part);
    close(axis);
    return axis;
}

/// gx[i] = sum over those a for which q = (i + pad - dilation a) / stride is whole, of w[a] gy[q]. Elements i that are
/// stride apart share their a.
Axis gradient_axis(const Line& line) {
    Axis axis{line.out, 1, line.in};
    for (int64_t first = 0; first < std::min(line.stride, line.in); ++first) {
        AxisPart part{first, line.stride, divide_up(line.in - first, line.stride)};
        for (int64_t a = 0; a < line.kernel; ++a) {
            const int64_t place = first + line.pad - line.dilation * a;
            if (place % line.stride == 0) part.taps.push_back({a, 0, place / line.stride});
        }
        axis.parts.push_back(part);
    }
    close(axis);
    return axis;
}

Line line_h(const ConvolutionShape& shape) {
    const Window& window = shape.window;
    return {shape.in_h, shape.out_h(), window.kernel_h, window.stride_h, window.dilation_h, window.pad_top};
}

Line line_w(const ConvolutionShape& shape) {
    const Window& window = shape.window;
    return {shape.in_w, shape.out_w(), window.kernel_w, window.stride_w, window.dilation_w, window.pad_left};
}

/// What both directions share. Weights are (out_channels x in_channels / groups x kernel).
Correlation correlation(const ConvolutionShape& shape) {
    assert(shape.in_channels % shape.groups == 0 && shape.out_channels % shape.groups == 0);
    assert(shape.out_h() >= 1 && shape.out_w() >= 1);
    Correlation result;
    result.groups = shape.groups;
    result.kernel_w = shape.window.kernel_w;
    result.group_stride = shape.out_channels / shape.groups * shape.rows();
    return result;
}

}  // namespace

int64_t Correlation::offset(int64_t channel, const Tap& row, const Tap& col) const {
    const int64_t phase = (channel * int64_t(h.phases.size()) + row.phase) * int64_t(w.phases.size()) + col.phase;
    return (phase * h.extent + row.shift - h.low) * w.extent + col.shift - w.low;
}

Correlation forward(const ConvolutionShape& shape) {
    Correlation result = correlation(shape);
    result.channels = shape.in_channels / shape.groups;
    result.rows = shape.out_channels / shape.groups;
    result.h = forward_axis(line_h(shape));
    result.w = forward_axis(line_w(shape));
    result.row_stride = shape.rows();
    result.channel_stride = shape.window.kernel_h * shape.window.kernel_w;
    return result;
}

Correlation input_gradient(const ConvolutionShape& shape) {
    Correlation result = correlation(shape);
    result.channels = shape.out_channels / shape.groups;
    result.rows = shape.in_channels / shape.groups;
    result.h = gradient_axis(line_h(shape));
    result.w = gradient_axis(line_w(shape));
    result.row_stride = shape.window.kernel_h * shape.window.kernel_w;
    result.channel_stride = shape.rows();
    return result;
}

std::vector<int64_t> offsets(const Correlation& correlation, const AxisPart& rows, const AxisPart& cols) {
    std::vector<int64_t> table;
    for (int64_t channel = 0; channel < correlation.channels; ++channel) {
        for (const Tap& row : rows.taps) {
            for (const Tap& col : cols.taps) table.push_back(correlation.offset(channel, row, col));
        }
    }
    return table;
}

}  // namespace products
}  // namespace bitline::training
