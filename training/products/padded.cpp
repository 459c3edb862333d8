#include "training/products/padded.h"

#include <algorithm>
#include <new>

namespace bitline::training::products {

namespace {

constexpr std::align_val_t kCacheLine{64};

/// A line of one phase: `from` is the source's line, elements `step` apart, the samples `sample_stride`.
struct LineCopy {
    const TileSet& tiles;
    const Axis& axis;
    int64_t samples, lanes, sample_stride;

    void operator()(const float* from, int64_t phase, float* to) const {
        const int64_t start = axis.step * axis.low + phase;  // the source's element at place 0
        const int64_t before = std::clamp<int64_t>(start >= 0 ? 0 : divide_up(-start, axis.step), 0, axis.extent);
        const int64_t end = std::clamp<int64_t>(divide_up(axis.source - start, axis.step), before, axis.extent);
        std::fill_n(to, before * lanes, 0.0F);
        if (end > before) copy(from + start + before * axis.step, end - before, to + before * lanes);
        std::fill_n(to + end * lanes, (axis.extent - end) * lanes, 0.0F);
    }

    void copy(const float* from, int64_t count, float* to) const {
        if (lanes == 1 && axis.step == 1) {
            std::copy_n(from, count, to);
        } else if (axis.step == 1) {
            tiles.transpose(samples, count, from, sample_stride, to, lanes);
        } else if (lanes == 1 && axis.step == 2) {  // with a constant step, compilers know how to shuffle
            for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
        } else {
            for (int64_t i = 0; i < count; ++i) {
                for (int64_t n = 0; n < samples; ++n) to[i * lanes + n] = from[n * sample_stride + i * axis.step];
            }
        }
    }
};

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
    if (samples < lanes) std::fill_n(to, channels * correlation.plane() * lanes, 0.0F);
    if (correlation.plain() && lanes > 1) {
        tiles.transpose(samples, channels * correlation.plane(), source, sample_stride, to, lanes);
        return;
    }
    const LineCopy copy_line{tiles, w, samples, lanes, sample_stride};
    const int64_t line = w.extent * lanes;
    for (int64_t channel = 0; channel < channels; ++channel) {
        const float* plane = source + channel * correlation.source_plane();
        for (const int64_t phase_h : h.phases) {
            for (const int64_t phase_w : w.phases) {
                for (int64_t place = h.low; place < h.low + h.extent; ++place, to += line) {
                    const int64_t row = place * h.step + phase_h;
                    if (row < 0 || row >= h.source) {
                        std::fill_n(to, line, 0.0F);
                    } else {
                        copy_line(plane + row * w.source, phase_w, to);
                    }
                }
            }
        }
    }
}

}  // namespace bitline::training::products
