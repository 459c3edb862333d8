#include "peripherals/adc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bitline {

namespace {

int64_t highest_code(int bits, bool with_sign) { return (int64_t{1} << (with_sign ? bits - 1 : bits)) - 1; }

AdcRange code_window(int bits, bool with_sign) {
    AdcRange range;
    range.bits = bits;
    range.lossless = false;
    range.hi = static_cast<int32_t>(highest_code(bits, with_sign));
    range.lo = with_sign ? -range.hi - 1 : 0;
    return range;
}

AdcRange sense_range(const SumBounds& bounds, double magnitude) {
    AdcRange range;
    range.bits = 1;
    range.lossless = false;
    range.one_bit = true;
    range.lo = -1;
    range.hi = 1;
    range.threshold = bounds.low < 0 ? 0.0 : 0.5 * static_cast<double>(bounds.low + bounds.high);
    range.step = magnitude;
    return range;
}

/// One lane of a per-converter Gaussian stream.
double converter_error(StreamKey key, uint32_t converter, uint32_t array) {
    return static_cast<double>(gaussian(philox({converter / 4, array, 0, 0}, key)[converter % 4]));
}

}  // namespace

int lossless_bits(const SumBounds& bounds) {
    const bool with_sign = bounds.low < 0;
    int bits = 1;
    while (highest_code(bits, with_sign) < bounds.high || (with_sign && -highest_code(bits, true) - 1 > bounds.low))
        ++bits;
    return bits;
}

AdcRange covering_range(const SumBounds& bounds, double full_scale, int bits) {
    const bool with_sign = bounds.low < 0;
    AdcRange range = code_window(bits, with_sign);
    // A signed converter of one bit has the codes -1 and 0 only.
    range.step = full_scale / std::max(1, range.hi);
    return range;
}

AdcRange static_range(const AdcOptions& options, const SumBounds& bounds) {
    const bool fixed = options.range == AdcOptions::Range::fixed;
    const double reach = static_cast<double>(std::max(bounds.high, -bounds.low));
    const double full_scale = fixed ? options.full_scale * static_cast<double>(bounds.largest) : reach;
    AdcRange range;
    if (options.sense_amplifier) {
        range = sense_range(bounds, bounds.low < 0 ? 0.5 * full_scale : 0.25 * full_scale);
    } else if (!fixed && (options.bits == 0 || options.bits >= lossless_bits(bounds))) {
        range = code_window(options.bits == 0 ? lossless_bits(bounds) : options.bits, bounds.low < 0);
        range.lossless = true;
    } else {
        range = covering_range(bounds, std::max(full_scale, 1e-9), options.bits);
    }
    range.policy = fixed ? "fixed" : range.lossless ? "lossless" : "worst case";
    return range;
}

ConverterStreams converter_streams(uint64_t seed, uint32_t trial) {
    return {stream_key(seed, trial, Purpose::adc_offset), stream_key(seed, trial, Purpose::adc_gain)};
}

kernels::Converter make_converter(const AdcOptions& options, const AdcRange& range, int32_t level_step, int columns,
                                  uint32_t array, const ConverterStreams* streams) {
    kernels::Converter converter;
    converter.lo = range.lo;
    converter.hi = range.hi;
    converter.one_bit = range.one_bit;
    const double inv_step = 1.0 / (range.step * level_step);
    const double offset = range.one_bit ? -range.threshold / range.step : 0.0;
    converter.inv_step.assign(static_cast<size_t>(columns), inv_step);
    converter.offset.assign(static_cast<size_t>(columns), offset);
    if (!streams) return converter;
    if (options.noise_sigma > 0)
        converter.deviation.assign(static_cast<size_t>(columns), options.noise_sigma / inv_step);
    for (int c = 0; c < columns; ++c) {
        const auto index = static_cast<size_t>(c);
        const auto shared = static_cast<uint32_t>(c / options.columns_per_converter);
        if (options.gain_sigma > 0)
            converter.inv_step[index] *= 1.0 + options.gain_sigma * converter_error(streams->gain, shared, array);
        if (options.offset_sigma > 0)
            converter.offset[index] += options.offset_sigma * converter_error(streams->offset, shared, array);
    }
    return converter;
}

}  // namespace bitline
