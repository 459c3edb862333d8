#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "core/parallel.h"
#include "devices/cell_law.h"
#include "mapping/array_wires.h"
#include "mapping/chip.h"
#include "mapping/placement.h"
#include "mapping/sign_readout.h"
#include "peripherals/column_transfer.h"

namespace bitline {

namespace {

/// What writes the cells of one chip: errors and noise where `trial` is given, none where it is null.
struct Trial {
    CellStreams cells;
    ConverterStreams converters;
    DacStreams drivers;
    Conditions conditions;
};
struct Writer {
    const Architecture& architecture;
    const Trial* trial = nullptr;
};

/// A layer with what its cells are written by, no law: exactly; and how they become lines.
struct LayerWriter {
    const Writer& writer;
    const MappedLayer& layer;
    std::optional<CellLaw> law;
    std::optional<CellLaw> fine_law;  // where cells are written to conductances between levels
    bool compact = false;             // see kernels::Block
    LineLaw lines;
};

LayerWriter make_layer_writer(const Writer& writer, const MappedLayer& layer) {
    LineLaw lines;
    if (!writer.trial) {
        lines.plan = plain_lines(layer.input);
        return {writer, layer, std::nullopt, std::nullopt, false, lines};
    }
    const CellOptions& cell = writer.architecture.cell;
    lines.plan = plan_lines(writer.architecture, layer.input, layer.grid);
    lines.current = make_current_voltage(cell, layer.input.digit_max);
    lines.ohmic = is_ohmic(cell);
    lines.siemens = layer.grid.siemens;
    LayerWriter made{writer, layer, make_cell_law(cell, layer.grid, writer.trial->conditions), {}, false, lines};
    if (writer.architecture.compensation.wires == CompensationOptions::Wires::targets)
        made.fine_law = make_cell_law(cell, fine_grid(layer.grid), writer.trial->conditions);
    return made;
}

/// One row of a table that may be empty.
template <class T>
auto row_of(T& values, size_t begin, size_t width) {
    return values.empty() ? decltype(std::span(values))() : std::span(values).subspan(begin, width);
}

void place(const LayerWriter& writer, const ArrayPlan& plan, Placement& placement, ProgrammingReport& report) {
    if (!writer.law) return place_cells(writer.layer, plan, placement);
    place_cells(writer.writer.architecture, writer.layer, plan, *writer.law, writer.writer.trial->cells, placement,
                report);
}

/// Leaves only the bit lines that converters read, in their order.
template <class T>
void select_bit_lines(const Placement& placement, std::vector<T>& values) {
    if (values.empty()) return;
    std::vector<T> selected(placement.lines * placement.used);
    for (size_t i = 0; i < selected.size(); ++i)
        selected[i] = values[i / placement.used * placement.width + placement.bit_line[i % placement.used]];
    values = std::move(selected);
}

/// Gives the cells levels of the fine law, of which the wires make what they were to be, and the columns' gains.
std::vector<double> aim_through_wires(const LayerWriter& writer, const ArrayPlan& plan, Placement& placement) {
    const WireTargets targets = find_wire_targets(writer.writer.architecture, plan, placement, *writer.law);
    for (size_t i = 0; i < placement.levels.size(); ++i)
        placement.levels[i] = nearest_level(writer.fine_law->target, targets.conductance[i]);
    return targets.gain;
}

/// Returns the gains that targets against the wires leave to the digital side; none: empty.
std::vector<double> write_cells(const LayerWriter& writer, const ArrayPlan& plan, ProgrammingReport& report,
                                Placement& placement, Cells& cells) {
    place(writer, plan, placement, report);
    std::vector<double> gain;
    if (writer.fine_law) gain = aim_through_wires(writer, plan, placement);
    const CellLaw* const law = writer.fine_law ? &*writer.fine_law : writer.law ? &*writer.law : nullptr;
    cells.columns = plan.columns.size();
    cells.per_column = static_cast<size_t>(plan.cells_per_column);
    const size_t width = placement.width;
    cells.g.resize(placement.levels.size());
    cells.variance.resize(law && law->has_variance() ? cells.g.size() : 0);
    cells.wander.resize(law && law->wanders() ? cells.g.size() : 0);
    cells.trap.resize(law && law->traps_wander() ? cells.g.size() : 0);
    for (size_t r = 0; r < placement.lines; ++r) {
        const std::span<const uint16_t> levels = row_of(placement.levels, r * width, width);
        const std::span<int32_t> g = row_of(cells.g, r * width, width);
        if (!law) {
            write_row_exactly(writer.layer.grid, levels, g);
            continue;
        }
        const CellRow row{g,
                          row_of(cells.variance, r * width, width),
                          row_of(cells.wander, r * width, width),
                          row_of(cells.trap, r * width, width),
                          row_of(placement.stuck, r * width, width),
                          row_of(placement.measured, r * width, width)};
        write_row(*law, writer.writer.trial->cells, static_cast<uint32_t>(plan.id), placement.word_line[r], levels, row,
                  report);
    }
    if (law && writer.writer.architecture.wires.is_on())
        read_through_wires(writer.writer.architecture, plan, placement, *law, cells);
    if (!placement.uses_spares()) return gain;
    select_bit_lines(placement, cells.g);
    select_bit_lines(placement, cells.variance);
    select_bit_lines(placement, cells.wander);
    select_bit_lines(placement, cells.trap);
    return gain;
}

/// out[i] = value of what converters see at place i: a cell, or of a pair what `join` makes of the two.
template <class In, class Out, class Join>
void join_cells(const In* cells, size_t per_column, const Join& join, std::vector<Out>& out) {
    const size_t count = out.size();
    Out* const to = out.data();
    if (per_column == 1) {
        std::copy_n(cells, count, to);
        return;
    }
    for (size_t i = 0; i < count; ++i) to[i] = join(cells[2 * i], cells[2 * i + 1]);
}

/// The largest of numbers of which none is negative, 0 of none. Eight at a time: one after the other they would wait.
float largest_of(const std::vector<float>& values) {
    constexpr size_t kLanes = 8;
    std::array<float, kLanes> largest{};
    const auto take = [](float& most, float value) { most = most < value ? value : most; };
    size_t i = 0;
    for (; i + kLanes <= values.size(); i += kLanes)
        for (size_t lane = 0; lane < kLanes; ++lane) take(largest[lane], values[i + lane]);
    for (; i < values.size(); ++i) take(largest[0], values[i]);
    return *std::max_element(largest.begin(), largest.end());
}

/// Read variances in units that put the largest at 15 bits: noise below 1/256 of the block's largest is left out.
void fill_variance(const Cells& cells, size_t first_cell, kernels::Block& block) {
    if (cells.variance.empty()) return block.variance.clear();
    constexpr float kLargest = 32767;
    thread_local std::vector<float> variance;
    variance.resize(block.g.size());
    join_cells(cells.variance.data() + first_cell, cells.per_column, std::plus<>(), variance);
    const float largest = largest_of(variance);
    constexpr float kNegligible = 1e-30F;  // grid steps^2; far below, the unit would not be a normal number
    if (largest < kNegligible) return block.variance.clear();
    block.variance_unit = static_cast<double>(largest) / static_cast<double>(kLargest);
    const float per_unit = kLargest / largest;
    block.variance.resize(variance.size());
    for (size_t i = 0; i < variance.size(); ++i) {
        const float units = variance[i] * per_unit + 0.5F;
        block.variance[i] = static_cast<int32_t>(units < kLargest ? units : kLargest);
    }
}

/// Flicker noise of a pair is one Gaussian; its traps stay apart.
void fill_wander(const Cells& cells, size_t first_cell, size_t count, size_t copies, Wander& wander) {
    wander.rms.resize(cells.wander.empty() ? 0 : count);
    wander.trap.clear();
    if (wander.empty()) return;
    wander.places = count / copies;
    wander.cells_per_column = static_cast<int>(cells.per_column);
    join_cells(
        cells.wander.data() + first_cell, cells.per_column,
        [](float first, float second) { return std::sqrt(first * first + second * second); }, wander.rms);
    if (cells.trap.empty()) return;
    const auto first = cells.trap.begin() + static_cast<std::ptrdiff_t>(first_cell);
    wander.trap.assign(first, first + static_cast<std::ptrdiff_t>(count * cells.per_column));
}

/// A block without contents that keeps the memory of `worn`.
ChipBlock emptied(ChipBlock worn) {
    ChipBlock block;
    block.cells.g = std::move(worn.cells.g);
    block.cells.variance = std::move(worn.cells.variance);
    block.cells.packed = std::move(worn.cells.packed);
    block.wander.rms = std::move(worn.wander.rms);
    block.wander.trap = std::move(worn.wander.trap);
    return block;
}

void fill_block(const Cells& cells, size_t first_line, size_t lines, size_t copies, ChipBlock& block) {
    block.cells.rows = static_cast<int>(lines);
    block.cells.cols = static_cast<int>(cells.columns);
    block.cells.g.resize(lines * cells.columns);
    const size_t first_cell = cells.begin(first_line);
    join_cells(cells.g.data() + first_cell, cells.per_column, std::minus<>(), block.cells.g);
    fill_variance(cells, first_cell, block.cells);
    fill_wander(cells, first_cell, block.cells.g.size(), copies, block.wander);
}

/// The lines that some word lines stand for.
void fill_lines(const LayerWriter& writer, const Cells& cells, size_t first_line, size_t lines,
                std::span<const LineDriver> drivers, ChipBlock& block) {
    const LinePlan& plan = writer.lines.plan;
    if (!plan.altered) return fill_block(cells, first_line, lines, 1, block);
    fill_block(lines_of(writer.lines, cells, first_line, lines, drivers), 0, lines * plan.copies(), plan.copies(),
               block);
}

std::vector<LineDriver> make_drivers(const LayerWriter& writer, const ArrayPlan& plan) {
    std::vector<LineDriver> drivers;
    if (!writer.lines.plan.altered) return drivers;
    const InputOptions& input = writer.writer.architecture.input;
    const auto lines = static_cast<uint32_t>(plan.rows * drive_rows_per_row(writer.layer));
    for (uint32_t line = 0; line < lines; ++line)
        drivers.push_back(make_line_driver(input.dac, input.bits_per_cycle, writer.writer.trial->drivers,
                                           static_cast<uint32_t>(plan.id), line));
    return drivers;
}

/// Whether float32 holds every sum of the block.
bool fits_float(const LayerWriter& writer, const ChipBlock& block) {
    constexpr int64_t kFloatIntegers = 16777216;
    thread_local std::vector<int64_t> wander;
    largest_wander(block.wander, wander);
    return largest_sum(writer.lines.plan, writer.layer.input, block.cells, wander) < kFloatIntegers;
}

/// Which own output each column adds to, and what the digital side adds for offsets, inverted columns and G_min.
void plan_readout(const MappedLayer& layer, const ArrayPlan& plan, ChipArray& array) {
    for (const Column& column : plan.columns) {
        const auto found = std::find(array.outputs.begin(), array.outputs.end(), column.output);
        auto own = static_cast<size_t>(found - array.outputs.begin());
        if (found == array.outputs.end()) {
            array.outputs.push_back(column.output);
            array.input_weight.push_back(0);
            array.background.push_back(0);
            if (column.output < 0) array.reference = static_cast<int32_t>(own);
        }
        array.readout.column_output.push_back(static_cast<int32_t>(own));
        array.readout.column_weight.push_back(column.weight);
        array.background[own] += column.weight;
        // An inverted column of d-bit digits sums (2^d - 1) - digit.
        if (column.flipped) array.input_weight[own] -= column.weight * ((int64_t{1} << column.bits) - 1);
        // Its share of the offset: the digit of the offset in this slice.
        const bool offset_code = layer.stored.offset != 0 && !layer.stored.reference_columns;
        const int64_t digit = (layer.stored.offset >> column.shift) & ((int64_t{1} << column.bits) - 1);
        if (offset_code) array.input_weight[own] -= std::abs(column.weight) * digit;
        if (layer.stored.encoding == WeightEncoding::xnor) array.input_weight[own] = -1;
    }
    array.readout.outputs = static_cast<int>(array.outputs.size());
    array.corrects_background =
        layer.grid.g_min != 0 && plan.cells_per_column == 1 && !layer.stored.reference_columns &&
        std::any_of(array.background.begin(), array.background.end(), [](auto b) { return b != 0; });
}

/// `worn`: blocks whose memory the array's take.
ChipArray write_array(const LayerWriter& writer, const AdcRange& range, const ArrayPlan& plan,
                      std::vector<ChipBlock> worn, ProgrammingReport& report) {
    const MappedLayer& layer = writer.layer;
    const Trial* trial = writer.writer.trial;
    thread_local Placement placement;  // fresh memory for every array would cost more than its cells
    thread_local Cells cells;
    ChipArray array;
    array.wire_gain = write_cells(writer, plan, report, placement, cells);
    const std::vector<LineDriver> drivers = make_drivers(writer, plan);
    const int32_t per_level = layer.grid.level_step * writer.lines.plan.scale;
    array.converter = make_converter(writer.writer.architecture.adc, range, per_level, static_cast<int>(cells.columns),
                                     static_cast<uint32_t>(plan.id), trial ? &trial->converters : nullptr);
    if (range.votes) {
        const std::vector<double> levels = comparator_levels(layer, plan);
        for (size_t c = 0; c < levels.size(); ++c) array.converter.offset[c] -= levels[c];
    }
    if (trial)
        read_through(writer.writer.architecture.array.transfer, static_cast<double>(layer.bounds.largest), per_level,
                     1 / range.step, array.converter);
    plan_readout(layer, plan, array);
    if (range.votes) array.corrects_background = false;
    const int64_t lines = drive_rows_per_row(layer);
    // Rounding a lossless sum with a background needs more than the 24 bits of float32.
    array.converter.wide = (range.lossless && layer.grid.g_min != 0 && plan.cells_per_column == 1) ||
                           std::max(range.hi, -range.lo) > kernels::kLargestNarrowCode ||
                           kernels::largest_threshold(array.converter) > kernels::kLargestNarrowCode;
    for (int64_t row = 0; row < plan.rows; row += plan.active_rows) {
        const int64_t rows = std::min(plan.active_rows, plan.rows - row);
        const size_t b = array.blocks.size();
        ChipBlock block = b < worn.size() ? emptied(std::move(worn[b])) : ChipBlock{};
        fill_lines(writer, cells, static_cast<size_t>(row * lines), static_cast<size_t>(rows * lines), drivers, block);
        block.first_row = plan.first_row + row;
        block.rows = rows;
        block.cells.one_bit_digits = writer.lines.plan.one_bit_digits;
        block.cells.at_thresholds = array.converter.has_transfer();
        block.cells.compact = writer.compact;
        array.converter.wide = array.converter.wide || !fits_float(writer, block);
        kernels::active().pack(block.cells);
        array.blocks.push_back(std::move(block));
    }
    kernels::lay_out(array.converter);
    return array;
}

/// Whether tables of the whole chip would take too much memory: 12 bytes per number and more, see
/// core/kernels/README.md.
bool is_large(const Mapping& mapping) {
    constexpr int64_t kLargest = 1 << 25;  // numbers
    int64_t numbers = 0;
    for (const MappedLayer& layer : mapping.layers) {
        for (const ArrayPlan& plan : layer.arrays) {
            numbers += plan.rows * drive_rows_per_row(layer) * static_cast<int64_t>(plan.columns.size());
        }
    }
    return numbers > kLargest;
}

Chip write_chip(const Writer& writer, const Mapping& mapping, const std::vector<AdcRange>& ranges, Chip worn) {
    Chip chip;
    worn.layers.resize(mapping.layers.size());
    const bool compact = is_large(mapping);
    chip.layers.resize(mapping.layers.size());
    for (size_t l = 0; l < mapping.layers.size(); ++l) {
        const MappedLayer& layer = mapping.layers[l];
        LayerWriter layer_writer = make_layer_writer(writer, layer);
        layer_writer.compact = compact;
        std::vector<ProgrammingReport> reports(layer.arrays.size());
        chip.layers[l].adc = ranges.at(l);
        chip.layers[l].wanders = layer_writer.law && layer_writer.law->wanders();
        chip.layers[l].lines = layer_writer.lines.plan;
        chip.layers[l].arrays.resize(layer.arrays.size());
        worn.layers[l].arrays.resize(layer.arrays.size());
        parallel_for(static_cast<int64_t>(layer.arrays.size()), [&](int64_t i) {
            const auto a = static_cast<size_t>(i);
            chip.layers[l].arrays[a] = write_array(layer_writer, ranges[l], layer.arrays[a],
                                                   std::move(worn.layers[l].arrays[a].blocks), reports[a]);
        });
        for (const ProgrammingReport& report : reports) chip.report += report;
    }
    return chip;
}

}  // namespace

void Chip::read_with(uint64_t seed, uint32_t number) {
    read_noise = stream_key(seed, number, Purpose::read_noise);
    dac_noise = stream_key(seed, number, Purpose::dac_noise);
    wander = wander_streams(seed, number);
}

Chip program_nominal(const Mapping& mapping, const std::vector<AdcRange>& ranges) {
    return write_chip({mapping.architecture, nullptr}, mapping, ranges, {});
}

Chip program_ideal(const Mapping& mapping) {
    AdcOptions lossless;
    lossless.bits = 0;
    std::vector<AdcRange> ranges;
    for (const MappedLayer& layer : mapping.layers) ranges.push_back(static_range(lossless, layer.bounds));
    return program_nominal(mapping, ranges);
}

Chip program(const Mapping& mapping, const std::vector<AdcRange>& ranges, uint64_t seed, uint32_t number,
             const Conditions& conditions, Chip worn) {
    const Trial trial{cell_streams(seed, number), converter_streams(seed, number), dac_streams(seed, number),
                      conditions};
    Chip chip = write_chip({mapping.architecture, &trial}, mapping, ranges, std::move(worn));
    chip.read_with(seed, number);
    return chip;
}

}  // namespace bitline
