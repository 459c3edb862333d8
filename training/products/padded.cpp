#include "training/products/padded.h"

#include <algorithm>
#include <new>

namespace bitline::training::products {

namespace {

constexpr std::align_val_t kCacheLine{64};

/// The places of a padded line that the source has, and the source's element at the first of them.
struct Inside {
    int64_t first = 0, count = 0;
    int64_t from = 0;
};

Inside inside(const Axis& axis, int64_t phase) {
    const int64_t start = axis.step * axis.low + phase;  // the element at place 0
    Inside result;
    result.first = start >= 0 ? 0 : std::min(divide_up(-start, axis.step), axis.extent);
    result.from = start + result.first * axis.step;
    if (result.from < axis.source)
        result.count = std::min(divide_up(axis.source - result.from, axis.step), axis.extent - result.first);
    return result;
}

/// A line of one phase, elements `step` apart, the samples `sample_stride`.
void copy_line(const TileSet& tiles, int64_t step, int64_t samples, int64_t lanes, const float* from,
               int64_t sample_stride, int64_t count, float* to) {
    if (lanes == 1 && step == 1) {
        std::copy_n(from, count, to);
    } else if (step == 1) {
        tiles.transpose(samples, count, from, sample_stride, to, lanes);
    } else if (lanes == 1 && step == 2) {  // with a constant step, compilers know how to shuffle
        for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
    } else {
        for (int64_t i = 0; i < count; ++i) {
            for (int64_t n = 0; n < samples; ++n) to[i * lanes + n] = from[n * sample_stride + i * step];
        }
    }
}

}  // namespace

void Buffer::Free::operator()(float* memory) const { ::operator delete[](memory, kCacheLine); }

float* Buffer::get(int64_t count) {
    if (count > size_) {
        memory_.reset();
        memory_.reset(new (kCacheLine) float[size_t(count)]);
        size_ = count;
    }
    return memory_.get();
}

void copy_padded(const Correlation& correlation, const TileSet& tiles, int64_t channels, int64_t samples, int64_t lanes,
                 const float* source, int64_t sample_stride, float* to) {
    const Axis &h = correlation.h, &w = correlation.w;
    if (samples < lanes || !correlation.plain()) std::fill_n(to, channels * correlation.plane() * lanes, 0.0F);
    if (correlation.plain()) {
        if (lanes > 1) {
            tiles.transpose(samples, channels * correlation.plane(), source, sample_stride, to, lanes);
        } else {
            std::copy_n(source, channels * correlation.plane(), to);
        }
        return;
    }
    for (int64_t channel = 0; channel < channels; ++channel) {
        const float* plane = source + channel * correlation.source_plane();
        for (const int64_t phase_h : h.phases) {
            const Inside rows = inside(h, phase_h);
            for (const int64_t phase_w : w.phases) {
                const Inside cols = inside(w, phase_w);
                for (int64_t row = 0; row < rows.count; ++row) {
                    copy_line(tiles, w.step, samples, lanes, plane + (rows.from + row * h.step) * w.source + cols.from,
                              sample_stride, cols.count, to + ((rows.first + row) * w.extent + cols.first) * lanes);
                }
                to += h.extent * w.extent * lanes;
            }
        }
    }
}

}  // namespace bitline::training::products
