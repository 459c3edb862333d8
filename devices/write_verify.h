#pragma once

// Closed-loop programming: write, read back, and stop inside a tolerance band or at a limit.

#include <cstdint>
#include <span>
#include <string>

#include "devices/switching.h"

namespace bitline {

struct WriteVerifyOptions {
    enum class Method {
        none,
        statistical,  // every attempt writes afresh: target + attempt_sigma * G_max * xi, not below 0 S
        pulses,       // pulses up or down by the cell's switching law, towards the target
    } method = Method::none;
    double tolerance = 0.01;      // share of G_max: a reading of target +- tolerance * G_max is accepted; above 0
    int limit = 100;              // attempts, or pulses, per cell; 1 to 10^6
    double attempt_sigma = 0.05;  // statistical: share of G_max, above 0
    double read_sigma = 0;        // noise of the verifying read, share of G_max, fresh at every read
    enum class Start { low, high } start = Start::low;  // pulses: state of every cell beforehand, an end of its window
    double pulse_energy = 0;  // J per pulse or attempt; pulses: 0 means V^2 G t, G the conductance before the pulse
    double read_energy = 0;   // J per verifying read
};

/// What writing took. Bringing the cells to their start state is not counted.
struct WriteReport {
    int64_t cells = 0;
    int64_t pulses_up = 0, pulses_down = 0;  // method pulses
    int64_t attempts = 0;                    // method statistical
    int64_t reads = 0;
    int64_t misses = 0;   // cells whose last reading was outside the band
    int64_t outside = 0;  // cells whose conductance is outside the band, whatever the reading said
    int64_t most = 0;     // pulses or attempts of the slowest cell
    double energy = 0;    // J
    int64_t pulses() const { return pulses_up + pulses_down; }
    WriteReport& operator+=(const WriteReport& other);
    bool operator==(const WriteReport&) const = default;
};

struct WriteVerifyStreams {
    StreamKey spread, cycle, attempt, read;
};
WriteVerifyStreams write_verify_streams(uint64_t seed, uint32_t trial);

/// Writes the cells of one word line: g[i] (S) for target[i] (S), which may be the same memory. Cell i draws from
/// counters (i, array, row, n) of each stream, so its result depends on nothing but itself. A cell whose target lies
/// outside its window ends at the nearer end as a miss. `options.method` is not none.
void write_verify_row(const WriteVerifyOptions& options, const SwitchingOptions& switching, double g_min, double g_max,
                      const WriteVerifyStreams& streams, uint32_t array, uint32_t row, std::span<const double> target,
                      std::span<double> g, WriteReport& report);

}  // namespace bitline
