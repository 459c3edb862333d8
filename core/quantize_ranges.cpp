// Statistics of the calibration samples, and the range of codes that follows from them. Smallest, largest and counts do
// not depend on the order in which blocks are merged, so threads do not change a result.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "core/parallel.h"
#include "core/quantize_parts.h"
#include "core/reference.h"

namespace bitline::quantization {

namespace {

constexpr int kBins = 8192;                           // 32 per step of 8 bits
constexpr int64_t kBlockElements = int64_t(1) << 21;  // 8 MiB of values per thread
constexpr int kFractions = 100;                       // candidate ranges: 1 % .. 100 % of what was seen

/// Calls `body` with each block's number of samples and values, on all threads.
template <class Body>
void for_each_block(const Network& network, const Dataset& data, const Preprocess& preprocess, int64_t samples,
                    const Body& body) {
    const Blocks blocks = blocks_of(network, samples);
    const std::unique_ptr<ProductEngine> engine = make_exact_engine(network);
    parallel_for(blocks.count(), [&](int64_t block) {
        int64_t count = 0;
        const std::vector<float> input = read_block(network, data, preprocess, blocks, block, &count);
        std::vector<Block> values;
        run(network, *engine, input, count, block * blocks.per_block, &values);
        body(values);
    });
}

struct Extremes {
    float low = 0, high = 0;
    bool empty = true;

    void add(float l, float h) {
        low = empty ? l : std::min(low, l);
        high = empty ? h : std::max(high, h);
        empty = false;
    }
};

Extremes extremes_of(const std::vector<float>& values, const std::string& name) {
    Extremes extremes;
    for (const float x : values) {
        if (!std::isfinite(x)) {
            throw ConfigError(
                fmt::format("value '{}' is {} on a calibration sample, violating a finite number; check "
                            "the model and --preprocess",
                            name, x));
        }
        extremes.add(x, x);
    }
    return extremes;
}

std::vector<Extremes> observe_extremes(const Network& network, const Plan& plan, const Dataset& data,
                                       const Preprocess& preprocess, int64_t samples) {
    std::vector<Extremes> groups(size_t(plan.groups));
    std::mutex mutex;
    for_each_block(network, data, preprocess, samples, [&](const std::vector<Block>& values) {
        std::vector<Extremes> seen(plan.group.size());
        for (size_t v = 0; v < seen.size(); ++v) {
            if (plan.group[v] >= 0) seen[v] = extremes_of(values[v].real, network.values[v].name);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        for (size_t v = 0; v < seen.size(); ++v) {
            if (plan.group[v] >= 0) groups[size_t(plan.group[v])].add(seen[v].low, seen[v].high);
        }
    });
    return groups;
}

double bin_width(const Histogram& h) { return (double(h.high) - double(h.low)) / kBins; }

void count(const std::vector<float>& values, const Histogram& range, std::vector<uint64_t>& counts) {
    const double width = bin_width(range);
    const double inverse = width > 0 ? 1 / width : 0;
    for (const float x : values) {
        const auto bin = int64_t((double(x) - double(range.low)) * inverse);
        ++counts[size_t(std::clamp<int64_t>(bin, 0, kBins - 1))];
    }
}

void observe_counts(const Network& network, const Plan& plan, const Dataset& data, const Preprocess& preprocess,
                    int64_t samples, std::vector<Histogram>& histograms) {
    for (Histogram& histogram : histograms) histogram.counts.assign(kBins, 0);
    std::mutex mutex;
    for_each_block(network, data, preprocess, samples, [&](const std::vector<Block>& values) {
        std::vector<std::vector<uint64_t>> seen(histograms.size(), std::vector<uint64_t>(kBins, 0));
        for (size_t v = 0; v < plan.group.size(); ++v) {
            if (plan.group[v] < 0) continue;
            const auto group = size_t(plan.group[v]);
            count(values[v].real, histograms[group], seen[group]);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        for (size_t g = 0; g < seen.size(); ++g) {
            for (size_t bin = 0; bin < kBins; ++bin) histograms[g].counts[bin] += seen[g][bin];
        }
    });
}

// ---------------------------------------------------------------------------------------------- ranges

/// The number below which `share` of the counted values lie, by linear interpolation inside its bin.
double quantile(const Histogram& h, double share) {
    uint64_t total = 0;
    for (const uint64_t n : h.counts) total += n;
    const double wanted = share * double(total);
    double below = 0;
    for (size_t bin = 0; bin < h.counts.size(); ++bin) {
        const auto inside = double(h.counts[bin]);
        if (inside > 0 && below + inside >= wanted) {
            const double part = std::clamp((wanted - below) / inside, 0.0, 1.0);
            return double(h.low) + (double(bin) + part) * bin_width(h);
        }
        below += inside;
    }
    return h.high;
}

/// The bins that hold anything, each as one number: its middle, or 0 for the bin of 0, where ReLU puts half of all.
struct Weighted {
    std::vector<double> x, weight;
};

Weighted weighted(const Histogram& h) {
    Weighted points;
    const double width = bin_width(h);
    for (size_t bin = 0; bin < h.counts.size(); ++bin) {
        if (h.counts[bin] == 0) continue;
        const double low = double(h.low) + double(bin) * width;
        points.x.push_back(low <= 0 && low + width > 0 ? 0 : low + width / 2);
        points.weight.push_back(double(h.counts[bin]));
    }
    return points;
}

/// Sum of squared differences between the numbers and what their codes stand for.
double squared_error(const Weighted& points, const Range& range, int bits) {
    const Quantizer q = activation_quantizer(range, bits);
    const double s = q.scale[0], inverse = 1 / s;
    const double low = double(q.code_min() - q.zero_point[0]), high = double(q.code_max() - q.zero_point[0]);
    double error = 0;
    for (size_t i = 0; i < points.x.size(); ++i) {
        const double code = std::clamp(std::nearbyint(points.x[i] * inverse), low, high);
        const double difference = points.x[i] - code * s;
        error += points.weight[i] * difference * difference;
    }
    return error;
}

/// The best of `full` scaled to 1 % .. 100 % at its lower end, its upper end or both; the widest of equals.
Range best_fraction(const Weighted& points, const Range& start, const Range& full, bool low_end, bool high_end,
                    int bits) {
    Range best = start;
    double least = squared_error(points, start, bits);
    for (int k = kFractions; k >= 1; --k) {
        const double fraction = double(k) / kFractions;
        const Range range{low_end ? full.low * fraction : start.low, high_end ? full.high * fraction : start.high};
        const double error = squared_error(points, range, bits);
        if (error < least) {
            least = error;
            best = range;
        }
    }
    return best;
}

/// Both ends together first, then each by itself until neither moves: the error has one valley in each direction for
/// the bell-shaped and one-sided distributions that networks have, and a few rounds find it.
Range least_squares_range(const Histogram& h, const Range& full, int bits) {
    constexpr int kRounds = 4;
    const Weighted points = weighted(h);
    Range range = best_fraction(points, full, full, true, true, bits);
    for (int round = 0; round < kRounds && full.low < 0 && full.high > 0; ++round) {
        const Range before = range;
        range = best_fraction(points, range, full, false, true, bits);
        range = best_fraction(points, range, full, true, false, bits);
        if (range.low == before.low && range.high == before.high) break;
    }
    return range;
}

}  // namespace

Blocks blocks_of(const Network& network, int64_t samples) {
    int64_t elements = 0;
    for (const Value& value : network.values) elements += element_count(value.shape);
    return {samples, std::clamp<int64_t>(kBlockElements / std::max<int64_t>(elements, 1), 1, 64)};
}

std::vector<float> read_block(const Network& network, const Dataset& data, const Preprocess& preprocess,
                              const Blocks& blocks, int64_t block, int64_t* samples) {
    const int64_t first = block * blocks.per_block;
    *samples = std::min(blocks.per_block, blocks.samples - first);
    return read_input(data, preprocess, network.values[size_t(network.input)].shape, first, *samples);
}

std::vector<Histogram> observe(const Network& network, const Plan& plan, const Dataset& data,
                               const Preprocess& preprocess, int64_t samples, bool counts) {
    std::vector<Histogram> histograms;
    for (const Extremes& e : observe_extremes(network, plan, data, preprocess, samples)) {
        histograms.push_back({e.low, e.high, {}});
    }
    if (counts) observe_counts(network, plan, data, preprocess, samples, histograms);
    return histograms;
}

Range choose_range(const Histogram& h, const QuantizeOptions& options) {
    const Range full{std::min(0.0, double(h.low)), std::max(0.0, double(h.high))};
    if (full.low == full.high) return full;
    switch (options.method) {
        case QuantizeOptions::Method::percentile: {
            const double share = options.percentile / 100;
            return {std::min(0.0, quantile(h, 1 - share)), std::max(0.0, quantile(h, share))};
        }
        case QuantizeOptions::Method::mse:
            return least_squares_range(h, full, options.input_bits);
        default:
            return full;
    }
}

Quantizer activation_quantizer(const Range& range, int bits) {
    constexpr double kSmallest = 1e-30;  // keeps s_x * s_w a normal float32
    const int32_t last = (1 << bits) - 1;
    const double width = range.high - range.low;
    const auto scale = float(width > 0 ? std::max(width / last, kSmallest) : 1.0);
    const auto zero = int32_t(std::clamp(std::nearbyint(-range.low / double(scale)), 0.0, double(last)));
    Quantizer quantizer;
    quantizer.scale = {scale};
    quantizer.zero_point = {zero};
    quantizer.bits = bits;
    quantizer.is_signed = false;
    return quantizer;
}

}  // namespace bitline::quantization
