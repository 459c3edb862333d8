#include "peripherals/adc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "peripherals/threshold_errors.h"

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
    if (options.sense_amplifier && options.bits == 1) {
        range = sense_range(bounds, bounds.low < 0 ? 0.5 * full_scale : 0.25 * full_scale);
    } else if (!fixed && (options.bits == 0 || options.bits >= lossless_bits(bounds))) {
        range = code_window(options.bits == 0 ? lossless_bits(bounds) : options.bits, bounds.low < 0);
        range.lossless = true;
    } else {
        range = covering_range(bounds, std::max(full_scale, 1e-9), options.bits);
    }
    range.policy = fixed ? "fixed" : range.lossless ? "lossless" : "worst case";
    set_table(options, range);
    return range;
}

AdcRange comparator_range() {
    AdcRange range;
    range.bits = 1;
    range.lossless = false;
    range.one_bit = true;
    range.votes = true;
    range.lo = -1;
    range.hi = 1;
    range.policy = "sign";
    return range;
}

void set_table(const AdcOptions& options, AdcRange& range) {
    if (options.thresholds != AdcOptions::Thresholds::table) return;
    range.policy += ", table";
    range.thresholds.clear();
    for (const double at : options.table) range.thresholds.push_back(range.lo + at);
}

ConverterStreams converter_streams(uint64_t seed, uint32_t trial) {
    const auto key = [&](Purpose purpose) { return stream_key(seed, trial, purpose); };
    return {key(Purpose::adc_offset),    key(Purpose::adc_gain),     key(Purpose::adc_capacitor),
            key(Purpose::adc_ramp_step), key(Purpose::adc_resistor), key(Purpose::adc_comparator),
            key(Purpose::adc_inl),       key(Purpose::adc_dnl),      key(Purpose::adc_missing_code)};
}

namespace {

/// Offsets and gains of every converter, noise of every conversion.
void add_spread(const AdcOptions& options, const ConverterStreams& streams, uint32_t array,
                kernels::Converter& converter) {
    const size_t columns = converter.inv_step.size();
    if (options.noise_sigma > 0) converter.deviation.assign(columns, options.noise_sigma / converter.inv_step[0]);
    for (size_t c = 0; c < columns; ++c) {
        const auto shared = static_cast<uint32_t>(c) / static_cast<uint32_t>(options.columns_per_converter);
        if (options.gain_sigma > 0)
            converter.inv_step[c] *= 1.0 + options.gain_sigma * converter_error(streams.gain, shared, array);
        if (options.offset_sigma > 0)
            converter.offset[c] += options.offset_sigma * converter_error(streams.offset, shared, array);
        if (converter.one_bit && options.comparator_sigma > 0)
            converter.offset[c] += options.comparator_sigma * converter_error(streams.comparator, shared, array);
    }
}

/// Thresholds of the converters in use: of each one where they have errors of their own, else of all.
void set_thresholds(const AdcOptions& options, const AdcRange& range, int columns, uint32_t array,
                    const ConverterStreams* streams, kernels::Transfer& transfer) {
    const int per_converter = streams ? options.columns_per_converter : columns;
    for (int c = 0; c < columns; ++c) transfer.converter.push_back(c / per_converter);
    for (int shared = 0; shared <= transfer.converter.back(); ++shared) {
        const std::vector<double> inner =
            streams ? draw_thresholds(options, range, *streams, static_cast<uint32_t>(shared), array)
                    : nominal_thresholds(range);
        // What lies half a code beyond the outer codes counts as clipped, unless a threshold lies there.
        transfer.threshold.push_back(std::min(range.lo - 0.5, inner.front()));
        transfer.threshold.insert(transfer.threshold.end(), inner.begin(), inner.end());
        transfer.threshold.push_back(std::max(range.hi + 0.5, inner.back()));
    }
    transfer.value = range.values;
}

}  // namespace

kernels::Converter make_converter(const AdcOptions& options, const AdcRange& range, int32_t level_step, int columns,
                                  uint32_t array, const ConverterStreams* streams) {
    kernels::Converter converter;
    converter.lo = range.lo;
    converter.hi = range.hi;
    converter.one_bit = range.one_bit;
    const double inv_step = 1.0 / (range.step * level_step);
    const double offset = range.one_bit ? -range.threshold / range.step : range.offset;
    converter.inv_step.assign(static_cast<size_t>(columns), inv_step);
    converter.offset.assign(static_cast<size_t>(columns), offset);
    if (streams) add_spread(options, *streams, array, converter);
    const bool drawn = streams && has_threshold_errors(options) && !range.one_bit;
    if (drawn || !range.thresholds.empty())
        set_thresholds(options, range, columns, array, drawn ? streams : nullptr, converter.transfer);
    return converter;
}

}  // namespace bitline
