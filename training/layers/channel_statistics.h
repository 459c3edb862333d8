#pragma once

// Mean and variance of the channels of a batch, and running ones that follow them.

#include <string>
#include <vector>

#include "training/tensor.h"

namespace bitline::training {

/// Of some numbers of one channel.
struct ChannelStatistics {
    double count = 0, mean = 0, squares = 0;  // squares: sum of (x - mean)^2

    void add(const ChannelStatistics& other);
    double variance() const { return squares / count; }
    double unbiased_variance() const { return squares / (count - 1); }
};

/// (channels) over all samples and positions of x, in a fixed order. Throws ConfigError, naming the batch norm, where a
/// batch holds one number per channel, which has no variance.
std::vector<ChannelStatistics> channel_statistics(const std::string& batch_norm, int64_t channels, const Tensor& x);

/// Moves running statistics by momentum 0.1 towards those of a batch (PyTorch's convention).
void follow(float& running, double batch);

}  // namespace bitline::training
