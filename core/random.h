#pragma once

// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number is a pure function of (seed, trial, purpose, index), so it depends neither on the
// number of threads nor on the order of work.

#include <array>
#include <cstdint>
#include <limits>

namespace bitline {

using Counter = std::array<uint32_t, 4>;

struct StreamKey {
    uint32_t k0 = 0, k1 = 0;
    bool operator==(const StreamKey&) const = default;
};

/// Ten rounds of Philox 4x32.
Counter philox(Counter counter, StreamKey key);

/// ARS of the same paper: rounds of AES under a key that grows by a constant, 1 <= rounds <= 10. Words are taken as the
/// 128-bit numbers of the AES instructions, least significant first. For loops that need many numbers: a processor's
/// AES unit takes a tenth of the time of Philox.
Counter ars(Counter counter, Counter key, int rounds);

/// Each source of randomness draws from a stream of its own; what is drawn at every read shares one. Values are part of
/// the file format: never renumber.
enum class Purpose : uint32_t {
    programming_error = 1,
    stuck_at = 2,
    read_noise = 3,
    adc_offset = 4,
    adc_gain = 5,
    device_to_device = 6,
    relaxation = 7,
    drift = 8,
    retention = 9,
    flicker = 10,
    telegraph = 11,
    wandering_flicker = 12,
    wandering_telegraph = 13,
    adc_capacitor = 20,
    adc_ramp_step = 21,
    adc_resistor = 22,
    adc_comparator = 23,
    adc_inl = 24,
    adc_dnl = 25,
    adc_missing_code = 26,
    dac_gain = 30,
    dac_offset = 31,
    dac_inl = 32,
    dac_dnl = 33,
    dac_noise = 34,
    open_word_line = 40,
    open_bit_line = 41,
    measured_device = 42,
    switching_spread = 50,   // devices as fabricated
    switching_cycle = 51,    // pulse to pulse
    write_attempt = 52,      // error of each attempt of a statistical write-verify
    write_verify_read = 53,  // reads between pulses or attempts
    reference_pattern = 60,
    first_reference_read = 61,
    reference_read = 62,
    affine_read = 63,
    statistics_read = 64,
    initial_weights = 70,  // of a network to be trained
    shuffle = 71,          // order of the samples of an epoch
    augmentation = 72,
    dropout = 73,
    gradient_rounding = 74,  // noise of DoReFa's gradients
    weight_noise = 75,       // of a training step
    output_noise = 76,
    training_chip = 77,  // seed of the chip of a training step
    training_age = 78,
    wire_study_levels = 90,  // of an array that `bitline wires` shows
    wire_study_inputs = 91,
    test = 1000,
};

/// Key of one stream: Philox of (seed low, seed high, trial, purpose) under key 0.
StreamKey stream_key(uint64_t seed, uint32_t trial, Purpose purpose);

/// Standard normal from 32 random bits: inverse of the normal distribution function at (bits + 1/2) / 2^32, by IEEE
/// additions and multiplications in a fixed order (no libm): the same bits on every machine. |z| <= 6.4.
float gaussian(uint32_t bits);

/// Uniform in (0, 1): (bits + 1/2) / 2^32.
double uniform(uint32_t bits);

/// One stream as an engine for Boost.Random's distributions, where speed does not matter.
class PhiloxEngine {
 public:
    using result_type = uint32_t;
    PhiloxEngine(StreamKey key, uint32_t c1, uint32_t c2, uint32_t c3) : key_(key), counter_{0, c1, c2, c3} {}
    static constexpr result_type min() { return 0; }
    static constexpr result_type max() { return std::numeric_limits<uint32_t>::max(); }
    result_type operator()();

 private:
    StreamKey key_;
    Counter counter_;
    Counter block_{};
    int next_ = 4;
};

/// exp and log from IEEE operations in a fixed order (error below 2 units in the last place), for everything that
/// reaches a conductance or a code.
double fixed_exp(double x);
double fixed_log(double x);

/// exp(x) - 1 without cancellation at small x; error below 8 units in the last place.
double fixed_expm1(double x);

/// x^y for x >= 0 as exp(y log x): relative error near 2^-51 (1 + |y log x|). 0^y = 0 for y > 0, x^0 = 1.
double fixed_pow(double x, double y);

}  // namespace bitline
