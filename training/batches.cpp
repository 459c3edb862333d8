#include "training/batches.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "core/random.h"
#include "core/sha256.h"

namespace bitline::training {

namespace {

/// floor(bits * count / 2^64). Its bias is below count / 2^64.
int64_t below(uint64_t bits, int64_t count) {
    const auto product = static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(count);
    return static_cast<int64_t>(product >> 64);
}

}  // namespace

std::vector<int64_t> shuffled(int64_t samples, uint64_t seed, uint32_t epoch) {
    std::vector<int64_t> order(static_cast<size_t>(samples));
    std::iota(order.begin(), order.end(), 0);
    const StreamKey key = stream_key(seed, epoch, Purpose::shuffle);
    for (int64_t i = samples - 1; i > 0; --i) {
        const auto index = static_cast<uint64_t>(i);
        const Counter bits = philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), 0, 0}, key);
        std::swap(order[size_t(i)], order[size_t(below(uint64_t(bits[1]) << 32 | bits[0], i + 1))]);
    }
    return order;
}

Batches::Batches(std::shared_ptr<const Dataset> data, const Shape& input, const BatchOptions& options)
    : data_(std::move(data)), input_(input), options_(options) {
    assert(options.samples > 0 && element_count(input) == element_count(data_->shape()));
    require_images(options.augmentation, data_->shape());
    bitline::apply(options.preprocess, input_, 0, nullptr);  // refuses means of another number of channels
    order_ = shuffled(data_->size(), options.seed, epoch_);
}

int64_t Batches::count() const { return (data_->size() + options_.samples - 1) / options_.samples; }

void Batches::get(uint32_t epoch, int64_t number, Batch& batch) {
    assert(0 <= number && number < count());
    if (epoch != epoch_) order_ = shuffled(data_->size(), options_.seed, epoch);
    epoch_ = epoch;
    const int64_t first = number * options_.samples;
    const int64_t samples = std::min(options_.samples, data_->size() - first);
    batch.input.resize(input_, samples);
    for_chunks(samples, [&](int64_t, int64_t begin, int64_t some) {
        for (int64_t s = begin; s < begin + some; ++s) {
            read(order_[size_t(first + s)], epoch, batch.input.sample(s));
        }
        bitline::apply(options_.preprocess, input_, some, batch.input.sample(begin));
    });
    batch.labels.clear();
    if (data_->labels().empty()) return;
    for (int64_t s = 0; s < samples; ++s) batch.labels.push_back(data_->labels()[size_t(order_[size_t(first + s)])]);
}

void Batches::read(int64_t sample, uint32_t epoch, float* out) const {
    if (options_.augmentation == Augmentation{}) {
        data_->read(sample, 1, out);
        return;
    }
    thread_local std::vector<float> stored;
    stored.resize(size_t(element_count(data_->shape())));
    data_->read(sample, 1, stored.data());
    augment(options_.augmentation, draw_augmentation(options_.augmentation, options_.seed, epoch, sample),
            data_->shape(), stored.data(), out);
}

void Batches::get_plain(int64_t first, int64_t count, Batch& batch) const {
    assert(0 <= first && first + count <= data_->size());
    batch.input.resize(input_, count);
    for_chunks(count, [&](int64_t, int64_t begin, int64_t some) {
        read_input(*data_, options_.preprocess, input_, first + begin, some, batch.input.sample(begin));
    });
    batch.labels.clear();
    if (data_->labels().empty()) return;
    const auto labels = data_->labels().begin() + first;
    batch.labels.assign(labels, labels + count);
}

std::string fingerprint(const Dataset& data) {
    constexpr int64_t kProbes = 64;
    Sha256 hash;
    const int64_t size = data.size();
    hash.update(&size, sizeof size);
    hash.update(data.shape().data(), data.shape().size() * sizeof(int64_t));
    hash.update(data.labels().data(), data.labels().size() * sizeof(int32_t));
    std::vector<float> sample(size_t(element_count(data.shape())));
    const int64_t probes = std::min(kProbes, size);
    for (int64_t i = 0; i < probes; ++i) {
        data.read(i * size / probes, 1, sample.data());
        hash.update(sample.data(), sample.size() * sizeof(float));
    }
    return to_hex(hash.finish());
}

}  // namespace bitline::training
