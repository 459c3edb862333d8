// Max and average pooling.

#include <algorithm>
#include <limits>

#include "core/reference_parts.h"

namespace bitline::reference {

namespace {

/// The part of a kernel window that lies on the input along one axis: entries first, first + dilation, ..., `count`.
struct Span {
    int64_t first, count;
};

Span inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
    const int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t first = start + skipped * dilation;
    const int64_t reach = first < size ? (size - 1 - first) / dilation + 1 : 0;
    return {first, std::clamp<int64_t>(reach, 0, std::max<int64_t>(kernel - skipped, 0))};
}

/// out[...] = reduce(plane, rows of the window, columns of the window) for every plane and output position.
template <typename T, typename Reduce>
std::vector<T> pool(const Call& call, const Window& w, std::span<const T> x, Reduce reduce) {
    const Shape& in = call.input_value().shape;
    const Shape& to = call.output_value().shape;
    const int64_t planes = call.samples * in[0];
    std::vector<T> out;
    out.reserve(size_t(planes * to[1] * to[2]));
    for (int64_t p = 0; p < planes; ++p) {
        const T* plane = x.data() + p * in[1] * in[2];
        for (int64_t y = 0; y < to[1]; ++y) {
            const Span rows = inside(y * w.stride_h - w.pad_top, w.kernel_h, w.dilation_h, in[1]);
            for (int64_t i = 0; i < to[2]; ++i) {
                out.push_back(
                    reduce(plane, rows, inside(i * w.stride_w - w.pad_left, w.kernel_w, w.dilation_w, in[2])));
            }
        }
    }
    return out;
}

/// Padding never wins: only entries on the input are compared, starting from `lowest`.
template <typename T>
std::vector<T> max_pool(const Call& call, const Window& w, std::span<const T> x, T lowest) {
    const int64_t width = call.input_value().shape[2];
    return pool<T>(call, w, x, [&](const T* plane, Span rows, Span cols) {
        T best = lowest;
        for (int64_t i = 0; i < rows.count; ++i) {
            const T* line = plane + (rows.first + i * w.dilation_h) * width + cols.first;
            for (int64_t j = 0; j < cols.count; ++j) best = std::max(best, line[j * w.dilation_w]);
        }
        return best;
    });
}

/// float32 sum in row-major order, then one division. A window that lies on padding alone gives 0.
std::vector<float> average_pool(const Call& call, const Pool& op, std::span<const float> x) {
    const Window& w = op.window;
    const int64_t width = call.input_value().shape[2];
    return pool<float>(call, w, x, [&](const float* plane, Span rows, Span cols) {
        float sum = 0;
        for (int64_t i = 0; i < rows.count; ++i) {
            const float* line = plane + (rows.first + i * w.dilation_h) * width + cols.first;
            for (int64_t j = 0; j < cols.count; ++j) sum += line[j * w.dilation_w];
        }
        const int64_t count = op.count_padding ? w.kernel_h * w.kernel_w : rows.count * cols.count;
        return sum / float(std::max<int64_t>(count, 1));
    });
}

}  // namespace

Block apply(const Call& call, const Pool& op) {
    if (op.kind == Pool::Kind::average) return {{}, average_pool(call, op, RealInput(call).values())};
    if (const auto& quantizer = call.output_value().quantizer) {
        return {max_pool<int32_t>(call, op.window, call.inputs[0]->codes, quantizer->code_min()), {}};
    }
    return {{}, max_pool<float>(call, op.window, call.inputs[0]->real, -std::numeric_limits<float>::infinity())};
}

}  // namespace bitline::reference
