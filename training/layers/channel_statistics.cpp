#include "training/layers/channel_statistics.h"

#include <fmt/format.h>

#include "core/error.h"
#include "training/layers/numbers.h"

namespace bitline::training {

/// Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
void ChannelStatistics::add(const ChannelStatistics& other) {
    const double total = count + other.count, difference = other.mean - mean;
    squares += other.squares + difference * difference * count * other.count / total;
    mean += difference * other.count / total;
    count = total;
}

std::vector<ChannelStatistics> channel_statistics(const std::string& batch_norm, int64_t channels, const Tensor& x) {
    const int64_t size = x.elements() / channels;
    if (x.samples * size < 2) {
        throw ConfigError(
            fmt::format("batch norm '{}': a batch of {} sample of {} number per channel violates at "
                        "least 2 numbers; take larger batches or freeze batch norm",
                        batch_norm, x.samples, size));
    }
    std::vector<ChannelStatistics> parts(static_cast<size_t>(chunks(x.samples) * channels));
    for_chunks(x.samples, [&](int64_t chunk, int64_t first, int64_t count) {
        for (int64_t c = 0; c < channels; ++c) {
            const float* channel = x.sample(first) + c * size;
            ChannelStatistics part{static_cast<double>(count * size)};
            for (int64_t s = 0; s < count; ++s) {
                const float* v = channel + s * channels * size;
                part.mean += sum_of(size, [v](int64_t i) { return v[i]; });
            }
            part.mean /= part.count;
            // About the rounded mean: what that adds, count * (rounding error)^2, is below the rounding of the sum.
            const auto middle = static_cast<float>(part.mean);
            for (int64_t s = 0; s < count; ++s) {
                const float* v = channel + s * channels * size;
                part.squares += sum_of(size, [v, middle](int64_t i) { return (v[i] - middle) * (v[i] - middle); });
            }
            parts[static_cast<size_t>(chunk * channels + c)] = part;
        }
    });
    std::vector<ChannelStatistics> total(parts.begin(), parts.begin() + channels);
    for (size_t i = total.size(); i < parts.size(); ++i) total[i % total.size()].add(parts[i]);
    return total;
}

void follow(float& running, double batch) {
    constexpr float kMomentum = 0.1F;
    running = (1 - kMomentum) * running + kMomentum * static_cast<float>(batch);
}

}  // namespace bitline::training
