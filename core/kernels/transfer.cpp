// Thresholds of converters as vector parts look them up: see Bins in converters.h.

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <span>

#include "core/kernels/bounds.h"

namespace bitline::kernels {

namespace {

constexpr int kMostBins = 8192;  // a table of 32 KiB

/// Time of one conversion, in gathers: a pair of thresholds costs one, the second of a pair little, and bins push
/// others out of the cache.
constexpr double kTimeOfPair = 1, kTimeOfSecond = 0.15, kTimeOfBin = 1.0 / 8192;

/// Thresholds of one converter in steps of the narrow t, without repetitions.
struct Fine {
    std::vector<int32_t> at;       // ascending, from Transfer::origin
    std::vector<int32_t> crossed;  // thresholds at most `at`
};

int64_t steps_of(double threshold, double step) { return int64_t(std::ceil(double(float(threshold)) / step)); }

std::vector<Fine> find_fine(const Converter& converter, double step) {
    const Transfer& transfer = converter.transfer;
    const size_t each = size_t(converter.hi - converter.lo) + 2;
    std::vector<Fine> all(transfer.threshold.size() / each);
    for (size_t c = 0; c < all.size(); ++c) {
        for (size_t i = 0; i < each; ++i) {
            const auto at = int32_t(steps_of(transfer.threshold[c * each + i], step) - transfer.origin);
            if (all[c].at.empty() || all[c].at.back() != at) {
                all[c].at.push_back(at);
                all[c].crossed.push_back(0);
            }
            all[c].crossed.back() = int32_t(i) + 1;
        }
    }
    return all;
}

/// Most thresholds of a converter in one bin.
int32_t most_of_bin(const Fine& fine, int shift) {
    int32_t most = 1, in_bin = 0, bin = -1;
    for (const int32_t at : fine.at) {
        in_bin = at >> shift == bin ? in_bin + 1 : 1;
        bin = at >> shift;
        most = std::max(most, in_bin);
    }
    return most;
}

double time_of(int32_t thresholds) { return (thresholds + 1) / 2 * kTimeOfPair + thresholds / 2 * kTimeOfSecond; }

/// Narrow bins hold few thresholds each, wide ones leave the cache to others.
int choose_shift(const std::vector<Fine>& all, int32_t top) {
    // An entry of 31 bits: two thresholds and a number of them.
    const int widest = (31 - int(std::bit_width(uint32_t(all[0].crossed.back())))) / 2;
    int best = widest;
    double least = std::numeric_limits<double>::infinity();
    for (int shift = widest; shift >= 0; --shift) {
        const int bins = (top >> shift) + 1;
        if (shift < widest && bins > kMostBins) break;
        double time = kTimeOfBin * bins;
        for (const Fine& fine : all) time += time_of(most_of_bin(fine, shift)) / double(all.size());
        if (time < least) least = time, best = shift;
    }
    return best;
}

void write_layers(const Fine& fine, int shift, int32_t bins, std::span<int32_t> table) {
    const int32_t whole = int32_t{1} << shift;
    size_t next = 0;  // threshold
    for (int32_t bin = 0; bin < bins; ++bin) {
        int32_t below = int32_t(next);
        for (size_t i = 0; next < fine.at.size() && fine.at[next] >> shift == bin; ++i, ++next) {
            const int32_t rest = fine.at[next] & (whole - 1);
            int32_t& entry = table[i / 2 * size_t(bins) + size_t(bin)];
            if (rest == 0) {  // crossed in the whole bin
                ++below;
            } else {
                entry += (whole - rest) << (i % 2 == 0 ? shift : 0);
            }
        }
        table[size_t(bin)] += below << 2 * shift;
    }
}

/// What counts after so many distinct thresholds were crossed.
std::vector<int32_t> values_of(const Converter& converter, const Fine& fine) {
    const int32_t codes = converter.hi - converter.lo + 1;
    std::vector<int32_t> values(size_t(codes) + 2);
    for (size_t i = 0; i <= fine.at.size(); ++i) {
        const int32_t code = std::clamp((i == 0 ? 0 : fine.crossed[i - 1]) - 1, 0, codes - 1);
        const std::vector<int32_t>& value = converter.transfer.value;
        values[i] = value.empty() ? converter.lo + code : value[size_t(code)];
    }
    return values;
}

}  // namespace

double fine_step(const Converter& converter) {
    constexpr int kFloatBits = 23;
    return std::ldexp(1.0, std::ilogb(anchor(converter)) - kFloatBits);
}

int32_t largest_threshold(const Converter& converter) {
    double largest = 0;
    for (const double threshold : converter.transfer.threshold) largest = std::max(largest, std::abs(threshold));
    return int32_t(std::floor(largest));
}

void lay_out(Converter& converter) {
    Transfer& transfer = converter.transfer;
    if (!converter.has_transfer()) return;
    transfer.largest = largest_threshold(converter);
    assert((converter.wide || transfer.largest <= kLargestNarrowCode) && "a threshold beyond the narrow t");
    if (converter.wide) return;  // searched
    const double step = fine_step(converter);
    const auto [least, most] = std::minmax_element(transfer.threshold.begin(), transfer.threshold.end());
    transfer.origin = steps_of(*least, step) - 1;
    transfer.top = int32_t(steps_of(*most, step) - transfer.origin);
    const std::vector<Fine> all = find_fine(converter, step);
    transfer.shift = choose_shift(all, transfer.top);
    transfer.bins = (transfer.top >> transfer.shift) + 1;
    transfer.layers = 0;
    transfer.of_bin.clear();
    transfer.distinct.clear();
    transfer.value_of.clear();
    const auto thresholds = size_t(converter.hi - converter.lo) + 2;
    bool maps = !transfer.value.empty();
    for (const Fine& fine : all) {
        transfer.of_bin.push_back(most_of_bin(fine, transfer.shift));
        transfer.layers = std::max(transfer.layers, (transfer.of_bin.back() + 1) / 2);
        transfer.distinct.push_back(int32_t(fine.at.size()));
        maps = maps || fine.at.size() < thresholds;
    }
    const size_t each = size_t(transfer.layers) * size_t(transfer.bins);
    transfer.table.assign(all.size() * each, 0);
    for (size_t c = 0; c < all.size(); ++c) {
        write_layers(all[c], transfer.shift, transfer.bins, std::span(transfer.table).subspan(c * each, each));
        if (!maps) continue;
        const std::vector<int32_t> values = values_of(converter, all[c]);
        transfer.value_of.insert(transfer.value_of.end(), values.begin(), values.end());
    }
}

}  // namespace bitline::kernels
