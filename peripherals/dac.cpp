#include "peripherals/dac.h"

#include <algorithm>
#include <cstdlib>

namespace bitline {

namespace {

double deviate(StreamKey key, uint32_t array, uint32_t line, uint32_t code) {
    return static_cast<double>(gaussian(philox({code / 4, array, line, 0}, key)[code % 4]));
}

/// The sum of the steps' deviations up to each code, less the straight line through the ends.
void add_uneven_steps(double sigma, StreamKey key, uint32_t array, uint32_t line, std::vector<double>& level) {
    std::vector<double> walk(level.size(), 0);
    for (size_t v = 1; v < walk.size(); ++v)
        walk[v] = walk[v - 1] + sigma * deviate(key, array, line, static_cast<uint32_t>(v));
    const auto last = static_cast<double>(level.size() - 1);
    for (size_t v = 1; v + 1 < walk.size(); ++v) level[v] += walk[v] - walk.back() * (static_cast<double>(v) / last);
}

}  // namespace

bool bends(const DacOptions& options) {
    return !options.levels.empty() || options.inl_sigma > 0 || options.dnl_sigma > 0 || options.offset_sigma > 0;
}

bool has_output_at_zero(const DacOptions& options) {
    return options.offset_sigma > 0 || (!options.levels.empty() && options.levels.front() != 0);
}

DacStreams dac_streams(uint64_t seed, uint32_t trial) {
    return {stream_key(seed, trial, Purpose::dac_gain), stream_key(seed, trial, Purpose::dac_offset),
            stream_key(seed, trial, Purpose::dac_inl), stream_key(seed, trial, Purpose::dac_dnl)};
}

double LineDriver::output(int digit) const {
    const double of_code = level[static_cast<size_t>(std::abs(digit))];
    const double rail = 2 * static_cast<double>(level.size() - 1);
    return std::clamp((digit < 0 ? -of_code : of_code) * gain + offset, -rail, rail);
}

LineDriver make_line_driver(const DacOptions& options, int bits, const DacStreams& streams, uint32_t array,
                            uint32_t line) {
    LineDriver driver;
    driver.level = options.levels;
    if (driver.level.empty())
        for (int v = 0; v < 1 << bits; ++v) driver.level.push_back(v);
    if (options.inl_sigma > 0)
        for (size_t v = 1; v + 1 < driver.level.size(); ++v)
            driver.level[v] += options.inl_sigma * deviate(streams.inl, array, line, static_cast<uint32_t>(v));
    if (options.dnl_sigma > 0) add_uneven_steps(options.dnl_sigma, streams.dnl, array, line, driver.level);
    if (options.gain_sigma > 0) driver.gain = 1 + options.gain_sigma * deviate(streams.gain, array, line, 0);
    if (options.offset_sigma > 0) driver.offset = options.offset_sigma * deviate(streams.offset, array, line, 0);
    return driver;
}

}  // namespace bitline
