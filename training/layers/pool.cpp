#include "training/layers/pool.h"

#include <algorithm>
#include <limits>

namespace bitline::training {

namespace {

/// Calls line(output row's first position, input position of column 0, from, to) for every output row and window entry
/// that lies on the input for the columns from .. to - 1, window entries of a row in row-major order.
template <class Line>
void for_lines(const Window& w, const Shape& in, const Shape& out, Line line) {
    for (int64_t y = 0; y < out[1]; ++y) {
        for (int64_t i = 0; i < w.kernel_h; ++i) {
            const int64_t row = y * w.stride_h - w.pad_top + i * w.dilation_h;
            if (row < 0 || row >= in[1]) continue;
            for (int64_t j = 0; j < w.kernel_w; ++j) {
                const int64_t column = j * w.dilation_w - w.pad_left;
                const int64_t from = column < 0 ? (-column + w.stride_w - 1) / w.stride_w : 0;
                const int64_t to = column < in[2] ? std::min(out[2], (in[2] - 1 - column) / w.stride_w + 1) : 0;
                if (from < to) line(y * out[2], row * in[2] + column, from, to);
            }
        }
    }
}

/// Calls body(stride) with the usual strides as constants, for which its loops vectorise.
template <class Body>
void with_stride(int64_t stride, Body body) {
    if (stride == 1) return body(std::integral_constant<int64_t, 1>());
    if (stride == 2) return body(std::integral_constant<int64_t, 2>());
    body(stride);
}

void max_plane(const Window& w, const Shape& in, const Shape& out, const float* x, float* y, int32_t* winner) {
    const int64_t outputs = out[1] * out[2];
    std::fill_n(y, outputs, -std::numeric_limits<float>::infinity());
    std::fill_n(winner, outputs, -1);
    with_stride(w.stride_w, [&](auto stride) {
        for_lines(w, in, out, [&](int64_t first, int64_t base, int64_t from, int64_t to) {
            float* best = y + first;
            int32_t* where = winner + first;
            for (int64_t o = from; o < to; ++o) {
                const float v = x[base + o * stride], b = best[o];
                const bool larger = v > b;
                best[o] = larger ? v : b;
                where[o] = larger ? static_cast<int32_t>(base + o * stride) : where[o];
            }
        });
    });
}

void average_plane(const Window& w, const Shape& in, const Shape& out, const float* x, const float* divisor, float* y) {
    const int64_t outputs = out[1] * out[2];
    std::fill_n(y, outputs, 0.0F);
    with_stride(w.stride_w, [&](auto stride) {
        for_lines(w, in, out, [&](int64_t first, int64_t base, int64_t from, int64_t to) {
            for (int64_t o = from; o < to; ++o) y[first + o] += x[base + o * stride];
        });
    });
    for (int64_t o = 0; o < outputs; ++o) y[o] /= divisor[o];
}

/// `share` (outputs): scratch.
void average_plane_gradient(const Window& w, const Shape& in, const Shape& out, const float* gradient,
                            const float* divisor, float* share, float* x_gradient) {
    const int64_t outputs = out[1] * out[2];
    for (int64_t o = 0; o < outputs; ++o) share[o] = gradient[o] / divisor[o];
    with_stride(w.stride_w, [&](auto stride) {
        for_lines(w, in, out, [&](int64_t first, int64_t base, int64_t from, int64_t to) {
            for (int64_t o = from; o < to; ++o) x_gradient[base + o * stride] += share[first + o];
        });
    });
}

/// Numbers that each window averages over; 1 where it lies on padding alone, whose sum is 0.
std::vector<float> divisors(const Pool& op, const Shape& in, const Shape& out) {
    std::vector<float> count(static_cast<size_t>(out[1] * out[2]), 0.0F);
    for_lines(op.window, in, out, [&](int64_t first, int64_t, int64_t from, int64_t to) {
        for (int64_t o = from; o < to; ++o) count[static_cast<size_t>(first + o)] += 1;
    });
    const auto full = static_cast<float>(op.window.kernel_h * op.window.kernel_w);
    for (float& c : count) c = op.count_padding ? full : std::max(c, 1.0F);
    return count;
}

}  // namespace

PoolLayer::PoolLayer(std::string name, int number, const Pool& op, const Shape& input, const Shape& output)
    : Layer(std::move(name), number), op_(op), in_(input), out_(output) {
    if (op.kind == Pool::Kind::average) divisor_ = divisors(op, input, output);
}

void PoolLayer::forward(const Pass&, std::span<const Tensor* const> inputs, Tensor& output) {
    const Tensor& x = *inputs[0];
    const int64_t plane = in_[1] * in_[2], outputs = out_[1] * out_[2];
    if (op_.kind == Pool::Kind::max) winner_.resize(output.values.size());
    for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
        for (int64_t p = first * in_[0]; p < (first + count) * in_[0]; ++p) {
            const float* from = x.values.data() + p * plane;
            float* to = output.values.data() + p * outputs;
            if (op_.kind == Pool::Kind::max) {
                max_plane(op_.window, in_, out_, from, to, winner_.data() + p * outputs);
            } else {
                average_plane(op_.window, in_, out_, from, divisor_.data(), to);
            }
        }
    });
}

void PoolLayer::backward(const Pass&, std::span<const Tensor* const>, const Tensor&, const Tensor& gradient,
                         std::span<Tensor* const> input_gradients) {
    if (!input_gradients[0]) return;
    Tensor& to = *input_gradients[0];
    const int64_t plane = in_[1] * in_[2], outputs = out_[1] * out_[2];
    for_chunks(gradient.samples, [&](int64_t, int64_t first, int64_t count) {
        std::vector<float> share(divisor_.size());
        for (int64_t p = first * in_[0]; p < (first + count) * in_[0]; ++p) {
            const float* g = gradient.values.data() + p * outputs;
            float* x_gradient = to.values.data() + p * plane;
            if (op_.kind == Pool::Kind::average) {
                average_plane_gradient(op_.window, in_, out_, g, divisor_.data(), share.data(), x_gradient);
                continue;
            }
            const int32_t* winner = winner_.data() + p * outputs;
            for (int64_t o = 0; o < outputs; ++o)
                if (winner[o] >= 0) x_gradient[winner[o]] += g[o];
        }
    });
}

}  // namespace bitline::training
