#pragma once

// Digital-to-analog converters: what drives the word lines. Every word line of every array has one of its own. Digit v
// asks for v LSB; a line that is driven both ways gives the opposite of code |v| for a negative digit.

#include <cstdint>
#include <vector>

#include "core/random.h"

namespace bitline {

/// output(v) = (level(v) + e(v)) (1 + gain) + offset, in LSB, which the rails keep within twice the full scale. e is
/// the integral nonlinearity INL, which is 0 at the two ends of a converter, code 0 and 2^bits - 1 (end-point
/// definition, IEEE Std 1658).
struct DacOptions {
    std::vector<double> levels;  // LSB, of the codes 0 .. 2^bits - 1, the same for every line; empty: level(v) = v
    double inl_sigma = 0;        // LSB, spread of e(v), independent from code to code
    double dnl_sigma = 0;        // LSB, spread of the steps between codes (unit elements); e adds up their deviations,
                                 // less the straight line through the ends
    double gain_sigma = 0;       // spread of the gain
    double offset_sigma = 0;     // LSB, spread of the offset
    double noise_sigma = 0;      // LSB, rms of a line's noise, fresh in every cycle and common to the line's cells
};

/// Whether the output is anything but gain times digit, noise aside.
bool bends(const DacOptions& options);

/// Whether a line that carries the digit 0 is driven to something else.
bool has_output_at_zero(const DacOptions& options);

struct DacStreams {
    StreamKey gain, offset, inl, dnl;
};
DacStreams dac_streams(uint64_t seed, uint32_t trial);

/// One word line's converter.
struct LineDriver {
    std::vector<double> level;  // LSB, (codes), INL included
    double gain = 1, offset = 0;
    /// LSB, |digit| < codes.
    double output(int digit) const;
};

/// Code v of line `line` draws from lane v % 4 of counter (v / 4, array, line, 0) of the streams of INL and DNL, gain
/// and offset from lane 0 of (0, array, line, 0).
LineDriver make_line_driver(const DacOptions& options, int bits, const DacStreams& streams, uint32_t array,
                            uint32_t line);

}  // namespace bitline
