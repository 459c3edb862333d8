#pragma once

// A data set in the batches of an epoch: shuffled, augmented, preprocessed.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/data.h"
#include "training/augment.h"
#include "training/tensor.h"

namespace bitline::training {

/// Samples 0 .. samples - 1 in random order, by Fisher and Yates' exchange of each place with one at or below it. A
/// pure function of (samples, seed, epoch).
std::vector<int64_t> shuffled(int64_t samples, uint64_t seed, uint32_t epoch);

struct Batch {
    Tensor input;                 // preprocessed
    std::vector<int32_t> labels;  // (samples); empty where the data carry none
};

struct BatchOptions {
    int64_t samples = 64;  // per batch; the last one of an epoch has what is left
    uint64_t seed = 0;     // of order and augmentation
    Augmentation augmentation;
    Preprocess preprocess;
};

/// Samples are read when their batch is, so that memory does not grow with the data set but for its order and labels
/// (12 bytes per sample).
class Batches {
 public:
    /// `input`: the shape that the network takes. Throws ConfigError (augmentation of what is no image, preprocessing
    /// with another number of channels).
    Batches(std::shared_ptr<const Dataset> data, const Shape& input, const BatchOptions& options);

    int64_t count() const;  // batches per epoch
    const Dataset& data() const { return *data_; }

    /// Batch `number` of `epoch`, the same whatever was asked for before.
    void get(uint32_t epoch, int64_t number, Batch& batch);

    /// Samples first .. first + count - 1 in the data set's own order, without augmentation: for evaluation.
    void get_plain(int64_t first, int64_t count, Batch& batch) const;

 private:
    void read(int64_t sample, uint32_t epoch, float* out) const;

    std::shared_ptr<const Dataset> data_;
    Shape input_;
    BatchOptions options_;
    std::vector<int64_t> order_;  // of `epoch_`
    uint32_t epoch_ = 0;
};

/// What tells two data sets apart, as SHA-256: shape, number of samples, all labels, and the values of 64 samples
/// spread over the set. The names of files do not count, so that data may be moved.
std::string fingerprint(const Dataset& data);

}  // namespace bitline::training
