#include "core/random.h"

#include <bit>
#include <cstddef>

namespace bitline {

namespace {

using std::size_t;

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr uint64_t kArsWeylLow = 0x9E3779B97F4A7C15, kArsWeylHigh = 0xBB67AE8584CAA73B;

// The round function of AES (FIPS 197, section 5.1) on the 16 bytes of a state, column after column.

using State = std::array<uint8_t, 16>;

constexpr uint8_t twice(uint8_t x) { return uint8_t(x << 1 ^ (x & 0x80 ? 0x1B : 0)); }

/// The substitution box: the inverse in GF(2^8), followed by an affine map. 3 generates the field, so both x and its
/// inverse run through all values as x is multiplied by 3 and its inverse divided by it.
constexpr std::array<uint8_t, 256> make_substitution() {
    std::array<uint8_t, 256> box{};
    uint8_t x = 1, inverse = 1;
    do {
        x = uint8_t(x ^ twice(x));
        inverse = uint8_t(inverse ^ inverse << 1);
        inverse = uint8_t(inverse ^ inverse << 2);
        inverse = uint8_t(inverse ^ inverse << 4);
        if (inverse & 0x80) inverse ^= 0x09;
        box[x] = uint8_t(inverse ^ std::rotl(inverse, 1) ^ std::rotl(inverse, 2) ^ std::rotl(inverse, 3) ^
                         std::rotl(inverse, 4) ^ 0x63);
    } while (x != 1);
    box[0] = 0x63;
    return box;
}

constexpr std::array<uint8_t, 256> kSubstitution = make_substitution();

State substitute_and_shift(const State& in) {
    State out;
    for (size_t i = 0; i < 16; ++i) out[i] = kSubstitution[in[(i + 4 * (i % 4)) % 16]];
    return out;
}

State mix_columns(const State& in) {
    State out;
    for (size_t i = 0; i < 16; ++i) {
        const auto byte = [&](size_t row) { return in[i / 4 * 4 + (i + row) % 4]; };
        out[i] = uint8_t(twice(byte(0)) ^ twice(byte(1)) ^ byte(1) ^ byte(2) ^ byte(3));
    }
    return out;
}

State bytes_of(const Counter& words) {
    State bytes;
    for (size_t i = 0; i < 16; ++i) bytes[i] = uint8_t(words[i / 4] >> (8 * (i % 4)));
    return bytes;
}

void add_key(State& state, uint64_t low, uint64_t high) {
    for (size_t i = 0; i < 8; ++i) {
        state[i] ^= uint8_t(low >> (8 * i));
        state[8 + i] ^= uint8_t(high >> (8 * i));
    }
}

}  // namespace

Counter ars(Counter counter, Counter key, int rounds) {
    uint64_t low = key[0] | uint64_t(key[1]) << 32, high = key[2] | uint64_t(key[3]) << 32;
    State state = bytes_of(counter);
    add_key(state, low, high);
    for (int round = 1; round <= rounds; ++round) {
        low += kArsWeylLow;
        high += kArsWeylHigh;
        state = substitute_and_shift(state);
        if (round < rounds) state = mix_columns(state);
        add_key(state, low, high);
    }
    Counter out{};
    for (size_t i = 0; i < 16; ++i) out[i / 4] |= uint32_t(state[i]) << (8 * (i % 4));
    return out;
}

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
