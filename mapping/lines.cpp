#include "mapping/lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace bitline {

namespace {

constexpr double kMostConductance = 0x1p29;  // grid steps of a line
constexpr double kLargestDeviate = 6.5;      // of `gaussian`
constexpr double kLargestDigit = 255;        // of a kernel

/// Largest power of two that is at most x and at least 1.
int32_t power_of_two(double x) {
    int32_t power = 1;
    while (2.0 * power <= x) power *= 2;
    return power;
}

int largest_digit(const InputPlan& input) { return std::max(input.digit_max, -input.digit_min); }

/// S LSB in grid steps, of one cell.
struct LineCurrent {
    const LineLaw& law;

    double at(double g, double drive) const {
        return law.ohmic ? g * drive : current_of(law.current, g * law.siemens, drive) / law.siemens;
    }
    /// Of the current over the drive, across the noise.
    double slope(double g, double drive) const {
        if (law.ohmic) return g;
        const double sigma = law.plan.noise_sigma;
        return (at(g, drive + sigma) - at(g, drive - sigma)) / (2 * sigma);
    }
};

/// One copy of a word line.
struct Line {
    bool noise = false;
    double drive = 1;  // LSB
    double scale = 1;
};

Line line_of(const LinePlan& plan, size_t copy, const LineDriver& driver) {
    Line line;
    line.noise = copy >= plan.digit_copies();
    const size_t value = line.noise ? copy - plan.digit_copies() : copy;
    line.drive = driver.output(plan.values.empty() ? 1 : plan.values[value]);
    line.scale = plan.scale;
    if (line.noise) line.scale /= plan.noise_scale;
    return line;
}

/// The cells of `from` as they stand behind one line, from cell `at` of `to` on.
void write_line(const LineLaw& law, const Line& line, const Cells& from, size_t first, Cells& to, size_t at) {
    const LineCurrent current{law};
    for (size_t i = 0; i < from.width(); ++i) {
        const auto g = static_cast<double>(from.g[first + i]);
        const double exact = line.scale * (line.noise ? current.slope(g, line.drive) : current.at(g, line.drive));
        to.g[at + i] = static_cast<int32_t>(std::floor(std::clamp(exact, -kMostConductance, kMostConductance) + 0.5));
        const double relative = g == 0 ? line.scale * line.drive : exact / g;
        // The cells' noise is that of the drive without noise.
        if (!to.variance.empty() && !line.noise)
            to.variance[at + i] =
                static_cast<float>(static_cast<double>(from.variance[first + i]) * relative * relative);
        if (!to.wander.empty())
            to.wander[at + i] = static_cast<float>(static_cast<double>(from.wander[first + i]) * std::abs(relative));
        if (!to.trap.empty())
            to.trap[at + i] = static_cast<float>(static_cast<double>(from.trap[first + i]) * relative);
    }
}

/// One bit per row, 64 rows a word.
using Plane = std::vector<uint64_t>;

/// Appends the first `count` bits of a plane behind bit `at`; bits beyond them are 0.
void append_bits(const Plane& plane, int64_t at, uint64_t* out) {
    const auto shift = static_cast<unsigned>(at % 64);
    uint64_t* to = out + at / 64;
    for (const uint64_t word : plane) {
        *to |= word << shift;
        ++to;
        const uint64_t rest = shift == 0 ? 0 : word >> (64 - shift);
        if (rest != 0) *to |= rest;
    }
}

/// The planes of one vector's driven codes, from which those of every value follow.
struct CodePlanes {
    const InputPlan& input;
    int64_t lines = 0;
    size_t words = 0;
    std::vector<uint64_t> planes;

    CodePlanes(const InputPlan& plan, const int32_t* driven, int64_t rows) : input(plan) {
        using Coding = InputPlan::Coding;
        lines = input.coding == Coding::xnor ? 2 * rows : rows;
        words = static_cast<size_t>(kernels::words_of(static_cast<int>(lines)));
        if (input.coding == Coding::xnor) {
            planes.resize(words);
            make_bits(input, driven, rows, planes.data());
            return;
        }
        constexpr int kSign = 31;
        std::vector<int> shifts;
        for (int bit = 0; bit < input.bits; ++bit) shifts.push_back(bit);
        if (input.coding == Coding::bipolar) shifts = {0, kSign};
        planes.resize(shifts.size() * words);
        kernels::active().bits(driven, static_cast<int>(rows), shifts.data(), static_cast<int>(shifts.size()),
                               planes.data());
    }

    uint64_t word(int plane, size_t w) const { return planes[static_cast<size_t>(plane) * words + w]; }

    /// Which lines carry `value` in a cycle.
    Plane carriers(int value, size_t cycle) const {
        Plane plane(words, ~uint64_t{0});
        if (lines % 64 != 0) plane.back() >>= 64 - lines % 64;
        if (input.coding == InputPlan::Coding::bipolar) {
            for (size_t w = 0; w < words; ++w) {
                const uint64_t driven = word(0, w), negative = word(1, w);
                plane[w] &= value == 0 ? ~driven : value > 0 ? driven & ~negative : driven & negative;
            }
            return plane;
        }
        const int bits = input.cycle_bits[cycle],
                  shift = input.coding == InputPlan::Coding::xnor ? 0 : input.cycle_shift[cycle];
        if (value >> bits != 0) return Plane(words, 0);
        for (int bit = 0; bit < bits; ++bit)
            for (size_t w = 0; w < words; ++w) {
                const uint64_t ones = word(shift + bit, w);
                plane[w] &= (value >> bit & 1) != 0 ? ones : ~ones;
            }
        return plane;
    }
};

/// Whether the cells' curves are all that is not ideal between digits and currents.
bool is_curved_only(const Architecture& architecture) {
    const CellOptions& cell = architecture.cell;
    const DacOptions& dac = architecture.input.dac;
    return cell.current_voltage.model != CurrentVoltageOptions::Model::linear &&
           cell.selector.model == SelectorOptions::Model::none && cell.series.resistance == 0 && !bends(dac) &&
           dac.gain_sigma == 0 && dac.noise_sigma == 0;
}

}  // namespace

LinePlan plain_lines(const InputPlan& input) {
    LinePlan plan;
    plan.one_bit_digits = input.one_bit_digits();
    return plan;
}

std::vector<int> digit_values(const InputPlan& input) {
    std::vector<int> values;
    for (int v = input.digit_min; v <= input.digit_max; ++v) values.push_back(v);
    return values;
}

LinePlan plan_lines(const Architecture& architecture, const InputPlan& input, const Grid& grid) {
    const DacOptions& dac = architecture.input.dac;
    const bool ohmic = is_ohmic(architecture.cell);
    LinePlan plan = plain_lines(input);
    plan.noise_sigma = dac.noise_sigma;
    plan.noise_by_value = dac.noise_sigma > 0 && !ohmic;
    plan.altered = bends(dac) || dac.gain_sigma > 0 || dac.noise_sigma > 0 || !ohmic;
    const bool zero = has_output_at_zero(dac) || plan.noise_by_value;
    if (zero || (!input.one_bit_digits() && (bends(dac) || !ohmic))) {
        plan.values = digit_values(input);
        if (!zero) std::erase(plan.values, 0);
        plan.one_bit_digits = true;
    }
    if (dac.noise_sigma == 0) return plan;
    plan.one_bit_digits = false;
    plan.noise_scale = power_of_two(kLargestDigit / (kLargestDeviate * dac.noise_sigma));
    const double rail = 2 * ((1 << architecture.input.bits_per_cycle) - 1);
    plan.scale = std::min(plan.noise_scale, power_of_two(kMostConductance / (rail * grid.ceiling)));
    return plan;
}

std::string describe_lines(const Architecture& architecture, const InputPlan& input, const Grid& grid) {
    const LinePlan plan = plan_lines(architecture, input, grid);
    std::vector<std::string> notes;
    if (!plan.values.empty())
        notes.push_back(
            fmt::format("currents are not digit times conductance: a word line counts as {}, one for each value of a "
                        "digit, in time and memory",
                        plan.values.size()));
    if (plan.noise_sigma > 0)
        notes.emplace_back(
            "noise of the row drivers is drawn for every word line and cycle of every array, and cannot be looked up: "
            "products take many times as long");
    if (plan.values.empty() && is_curved_only(architecture) && input.one_bit_digits())
        notes.emplace_back(
            "cell.current_voltage has no effect: digits of one bit are driven at the read voltage, where conductances "
            "hold");
    return fmt::format("{}", fmt::join(notes, "; "));
}

Cells lines_of(const LineLaw& law, const Cells& cells, size_t first, size_t count,
               std::span<const LineDriver> drivers) {
    const LinePlan& plan = law.plan;
    const size_t width = cells.width();
    Cells lines;
    lines.columns = cells.columns;
    lines.per_column = cells.per_column;
    lines.g.resize(plan.copies() * count * width);
    if (!cells.variance.empty()) lines.variance.resize(lines.g.size());
    if (!cells.wander.empty()) lines.wander.resize(lines.g.size());
    if (!cells.trap.empty()) lines.trap.resize(lines.g.size());
    for (size_t copy = 0; copy < plan.copies(); ++copy)
        for (size_t l = 0; l < count; ++l)
            write_line(law, line_of(plan, copy, drivers[first + l]), cells, cells.begin(first + l), lines,
                       lines.begin(copy * count + l));
    return lines;
}

namespace {

/// One line for each word line, as nearly every chip has it: without the bookkeeping of copies.
int64_t largest_sum_of_one_copy(const kernels::Block& block, std::span<const int64_t> wander) {
    std::vector<int64_t> sums(static_cast<size_t>(block.cols), 0);
    for (size_t begin = 0; begin < block.g.size(); begin += sums.size()) {
        for (size_t c = 0; c < sums.size(); ++c) sums[c] += std::abs(int64_t{block.g[begin + c]});
        if (wander.empty()) continue;
        for (size_t c = 0; c < sums.size(); ++c) sums[c] += wander[begin + c];
    }
    return *std::max_element(sums.begin(), sums.end());
}

}  // namespace

int64_t largest_sum(const LinePlan& plan, const InputPlan& input, const kernels::Block& block,
                    std::span<const int64_t> wander) {
    if (plan.copies() == 1)
        return largest_sum_of_one_copy(block, wander) * (plan.values.empty() ? largest_digit(input) : 1);
    const auto columns = static_cast<size_t>(block.cols);
    const size_t cells = block.g.size() / plan.copies();  // of one copy
    std::vector<int64_t> sums(columns, 0);
    for (size_t i = 0; i < cells; ++i) {
        int64_t of_digit = 0, of_noise = 0;
        for (size_t copy = 0; copy < plan.copies(); ++copy) {
            const size_t at = copy * cells + i;
            const int64_t size = std::abs(int64_t{block.g[at]}) + (wander.empty() ? 0 : wander[at]);
            int64_t& largest = copy < plan.digit_copies() ? of_digit : of_noise;
            largest = std::max(largest, size);
        }
        if (plan.values.empty()) of_digit *= largest_digit(input);
        sums[i % columns] += of_digit + of_noise * static_cast<int64_t>(kLargestDigit);
    }
    return *std::max_element(sums.begin(), sums.end());
}

void make_line_bits(const LinePlan& plan, const InputPlan& input, const int32_t* driven, int64_t rows, uint64_t* bits) {
    if (plan.values.empty()) return make_bits(input, driven, rows, bits);
    const CodePlanes codes(input, driven, rows);
    const auto values = static_cast<int64_t>(plan.values.size());
    const auto words = static_cast<size_t>(kernels::words_of(static_cast<int>(values * codes.lines)));
    std::fill_n(bits, words * input.cycle_weight.size(), 0);
    for (size_t c = 0; c < input.cycle_weight.size(); ++c)
        for (size_t v = 0; v < plan.values.size(); ++v)
            append_bits(codes.carriers(plan.values[v], c), static_cast<int64_t>(v) * codes.lines, bits + c * words);
}

void make_line_digits(const LinePlan& plan, const InputPlan& input, const int32_t* driven, int64_t rows,
                      int16_t* digits) {
    if (plan.copies() == 1) return make_digits(input, driven, rows, digits);
    const size_t cycles = input.cycle_weight.size();
    const size_t lines = static_cast<size_t>(rows) * (input.coding == InputPlan::Coding::xnor ? 2 : 1);
    std::vector<int16_t> carried(cycles * lines);
    make_digits(input, driven, rows, carried.data());
    std::fill_n(digits, cycles * lines * plan.copies(), 0);
    for (size_t c = 0; c < cycles; ++c) {
        const int16_t* from = carried.data() + c * lines;
        int16_t* to = digits + c * lines * plan.copies();
        if (plan.values.empty()) std::copy_n(from, lines, to);
        for (size_t v = 0; v < plan.values.size(); ++v)
            for (size_t l = 0; l < lines; ++l) to[v * lines + l] = from[l] == plan.values[v] ? 1 : 0;
    }
}

void add_line_noise(const LinePlan& plan, int cycles, size_t lines, const NoiseMoment& moment, int16_t* digits) {
    const size_t word_lines = lines / plan.copies(), first = plan.digit_copies() * word_lines;
    std::vector<float> xi(static_cast<size_t>(cycles) * word_lines);
    kernels::active().gaussians(moment.key, 0, moment.block, moment.sample, moment.position, xi.size(), xi.data());
    const double steps = plan.noise_sigma * plan.noise_scale;
    for (size_t c = 0; c < static_cast<size_t>(cycles); ++c) {
        int16_t* const of_cycle = digits + c * lines;
        for (size_t l = 0; l < word_lines; ++l) {
            const double exact = steps * static_cast<double>(xi[c * word_lines + l]);
            const auto noise = static_cast<int16_t>(std::floor(exact + 0.5));
            if (!plan.noise_by_value) of_cycle[first + l] = noise;
            for (size_t v = 0; plan.noise_by_value && v < plan.values.size(); ++v)
                of_cycle[first + v * word_lines + l] = of_cycle[v * word_lines + l] == 0 ? int16_t{0} : noise;
        }
    }
}

}  // namespace bitline
