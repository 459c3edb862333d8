#pragma once

// The word lines of an array as the kernels see them. A line whose current is the digit times a conductance is one line
// of a block. Where the current is another function of the digit (converters' nonlinearity and offset, cells' I-V
// curves), every value of the digit becomes a line of its own, of which one is on in each cycle:
//
//   S = sum over rows of I(digit) = sum over rows and values v of [digit == v] * I(v)
//
// so the sum stays one of whole numbers and one-bit digits, and is exact. Noise of the converters is common to all
// cells of a word line; it is a further line, whose digit is the noise in fixed point and whose conductance is the
// slope of the current over the drive.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "devices/current_voltage.h"
#include "mapping/architecture.h"
#include "peripherals/dac.h"
#include "peripherals/input_encoding.h"

namespace bitline {

/// What the lines of a block are: for each copy, all word lines of the block; first the copies that carry digits.
struct LinePlan {
    bool one_bit_digits = false;  // of the kernels
    std::vector<int> values;      // a copy for each value of a digit; empty: one copy, which carries the digit itself
    bool altered = false;         // conductances are not those of the cells
    double noise_sigma = 0;       // LSB; 0: no copies for noise
    bool noise_by_value = false;  // one for each value, else one for all
    int32_t scale = 1;            // conductances are multiplied by
    int32_t noise_scale = 1;  // steps of a noise digit per LSB; the line's conductance is `scale / noise_scale` slopes

    size_t digit_copies() const { return values.empty() ? 1 : values.size(); }
    size_t copies() const { return digit_copies() + (noise_sigma > 0 ? noise_by_value ? values.size() : 1 : 0); }
};

/// Lines of perfect converters and ohmic cells.
LinePlan plain_lines(const InputPlan& input);

/// Lines of a layer on imperfect hardware. `grid` bounds what conductances may be multiplied by.
LinePlan plan_lines(const Architecture& architecture, const InputPlan& input, const Grid& grid);

/// What differs from one line per word line, and what that costs, for people; empty where nothing does.
std::string describe_lines(const Architecture& architecture, const InputPlan& input, const Grid& grid);

/// Digits that the plan's drivers can meet in the layer's cycles, 0 included.
std::vector<int> digit_values(const InputPlan& input);

/// The cells of some lines. With bit-line pairs the two cells of column c stand at 2c and 2c + 1.
struct Cells {
    size_t columns = 0, per_column = 1;
    std::vector<int32_t> g;                     // (lines x columns x per_column)
    std::vector<float> variance, wander, trap;  // likewise, or empty

    size_t width() const { return columns * per_column; }
    size_t begin(size_t line) const { return line * width(); }
};

/// How cells become lines.
struct LineLaw {
    LinePlan plan;
    CurrentVoltageLaw current;
    bool ohmic = true;
    double siemens = 0;  // of a grid step
};

/// Lines (copies x word lines) of the word lines `first` to before `first + count`, driven by `drivers` (one for each
/// word line of the array; may be empty for plain lines). Conductances are cut off at 2^29 grid steps.
Cells lines_of(const LineLaw& law, const Cells& cells, size_t first, size_t count, std::span<const LineDriver> drivers);

/// No |S| of a block exceeds it, whatever the digits; `wander`: what each (line, column) can move by.
int64_t largest_sum(const LinePlan& plan, const InputPlan& input, const kernels::Block& block,
                    std::span<const int64_t> wander);

/// Digits on the lines of one vector, (cycles x words_of(lines)) or (cycles x lines); noise lines are 0. `rows` as
/// InputPlan's.
void make_line_bits(const LinePlan& plan, const InputPlan& input, const int32_t* driven, int64_t rows, uint64_t* bits);
void make_line_digits(const LinePlan& plan, const InputPlan& input, const int32_t* driven, int64_t rows,
                      int16_t* digits);

/// Where a vector's noise is drawn.
struct NoiseMoment {
    StreamKey key;
    uint32_t block = 0, sample = 0, position = 0;
};

/// Fills the noise lines of one vector, digits (cycles x lines): word line l draws gaussian (cycle * word lines + l) of
/// counter (i / 4, block, sample, position).
void add_line_noise(const LinePlan& plan, int cycles, size_t lines, const NoiseMoment& moment, int16_t* digits);

}  // namespace bitline
