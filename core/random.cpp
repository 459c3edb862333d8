#include "core/random.h"

namespace bitline {

namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

}  // namespace

Counter philox(Counter counter, StreamKey key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t product0 = uint64_t(kMultiplier0) * counter[0];
        const uint64_t product1 = uint64_t(kMultiplier1) * counter[2];
        counter = {uint32_t(product1 >> 32) ^ counter[1] ^ key.k0, uint32_t(product1),
                   uint32_t(product0 >> 32) ^ counter[3] ^ key.k1, uint32_t(product0)};
        key.k0 += kWeyl0;
        key.k1 += kWeyl1;
    }
    return counter;
}

StreamKey stream_key(uint64_t seed, uint32_t trial, Purpose purpose) {
    const Counter out = philox({uint32_t(seed), uint32_t(seed >> 32), trial, uint32_t(purpose)}, StreamKey{});
    return {out[0], out[1]};
}

double uniform(uint32_t bits) { return (double(bits) + 0.5) * 0x1p-32; }

PhiloxEngine::result_type PhiloxEngine::operator()() {
    if (next_ == 4) {
        block_ = philox(counter_, key_);
        ++counter_[0];
        next_ = 0;
    }
    return block_[next_++];
}

}  // namespace bitline
