#include <algorithm>
#include <cmath>
#include <optional>

#include "core/parallel.h"
#include "devices/cell_law.h"
#include "mapping/chip.h"
#include "mapping/placement.h"

namespace bitline {

namespace {

/// What writes the cells of one chip: errors and noise where `trial` is given, none where it is null.
struct Trial {
    CellStreams cells;
    ConverterStreams converters;
    Conditions conditions;
};
struct Writer {
    const Architecture& architecture;
    const Trial* trial = nullptr;
};

/// A layer with what its cells are written by; no law: exactly.
struct LayerWriter {
    const Writer& writer;
    const MappedLayer& layer;
    std::optional<CellLaw> law;
    bool compact = false;  // see kernels::Block
};

LayerWriter make_layer_writer(const Writer& writer, const MappedLayer& layer) {
    if (!writer.trial) return {writer, layer, std::nullopt};
    return {writer, layer, make_cell_law(writer.architecture.cell, layer.grid, writer.trial->conditions)};
}

/// The cells of one array, row by row. With bit-line pairs the two cells of column c stand at 2c and 2c + 1.
struct Cells {
    Placement placement;
    size_t columns = 0, per_column = 1;
    std::vector<int32_t> g;                     // (drive rows x columns x per_column)
    std::vector<float> variance, wander, trap;  // likewise, or empty

    size_t width() const { return columns * per_column; }
    size_t begin(size_t line) const { return line * width(); }
};

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

void write_cells(const LayerWriter& writer, const ArrayPlan& plan, ProgrammingReport& report, Cells& cells) {
    Placement& placement = cells.placement;
    place(writer, plan, placement, report);
    cells.columns = plan.columns.size();
    cells.per_column = static_cast<size_t>(plan.cells_per_column);
    const size_t width = placement.width;
    cells.g.resize(placement.levels.size());
    cells.variance.resize(writer.law && writer.law->has_variance() ? cells.g.size() : 0);
    cells.wander.resize(writer.law && writer.law->wanders() ? cells.g.size() : 0);
    cells.trap.resize(writer.law && writer.law->traps_wander() ? cells.g.size() : 0);
    for (size_t r = 0; r < placement.lines; ++r) {
        const std::span<const uint16_t> levels = row_of(placement.levels, r * width, width);
        const std::span<int32_t> g = row_of(cells.g, r * width, width);
        if (!writer.law) {
            write_row_exactly(writer.layer.grid, levels, g);
            continue;
        }
        const CellRow row{g,
                          row_of(cells.variance, r * width, width),
                          row_of(cells.wander, r * width, width),
                          row_of(cells.trap, r * width, width),
                          row_of(placement.stuck, r * width, width),
                          row_of(placement.measured, r * width, width)};
        write_row(*writer.law, writer.writer.trial->cells, static_cast<uint32_t>(plan.id), placement.word_line[r],
                  levels, row, report);
    }
    if (!placement.uses_spares()) return;
    select_bit_lines(placement, cells.g);
    select_bit_lines(placement, cells.variance);
    select_bit_lines(placement, cells.wander);
    select_bit_lines(placement, cells.trap);
}

/// Read variances in units that put the largest at 15 bits: noise below 1/256 of the block's largest is left out.
void fill_variance(const Cells& cells, size_t first_cell, kernels::Block& block) {
    constexpr float kLargest = 32767;
    thread_local std::vector<float> variance;
    variance.resize(block.g.size());
    const float* of_cells = cells.variance.data() + first_cell;
    for (size_t i = 0; i < variance.size(); ++i)
        variance[i] = cells.per_column == 2 ? of_cells[2 * i] + of_cells[2 * i + 1] : of_cells[i];
    const float largest = *std::max_element(variance.begin(), variance.end());
    constexpr float kNegligible = 1e-30F;  // grid steps^2; far below, the unit would not be a normal number
    if (largest < kNegligible) return;
    block.variance_unit = static_cast<double>(largest) / static_cast<double>(kLargest);
    const float per_unit = kLargest / largest;
    block.variance.resize(variance.size());
    for (size_t i = 0; i < variance.size(); ++i)
        block.variance[i] = static_cast<int32_t>(std::min(variance[i] * per_unit + 0.5F, kLargest));
}

/// Flicker noise of a pair is one Gaussian; its traps stay apart.
Wander make_wander(const Cells& cells, size_t first_cell, size_t count) {
    Wander wander;
    wander.cells_per_column = static_cast<int>(cells.per_column);
    const auto part = [&](const std::vector<float>& values) {
        const auto first = values.begin() + static_cast<std::ptrdiff_t>(first_cell);
        return std::vector<float>(first, first + static_cast<std::ptrdiff_t>(count * cells.per_column));
    };
    wander.rms = part(cells.wander);
    if (!cells.trap.empty()) wander.trap = part(cells.trap);
    if (cells.per_column == 1) return wander;
    for (size_t i = 0; i < count; ++i) {
        const float first = wander.rms[2 * i], second = wander.rms[2 * i + 1];
        wander.rms[i] = std::sqrt(first * first + second * second);
    }
    wander.rms.resize(count);
    return wander;
}

ChipBlock make_block(const Cells& cells, size_t first_line, size_t lines) {
    ChipBlock block;
    block.cells.rows = static_cast<int>(lines);
    block.cells.cols = static_cast<int>(cells.columns);
    block.cells.g.resize(lines * cells.columns);
    const size_t first_cell = cells.begin(first_line);
    for (size_t i = 0; i < block.cells.g.size(); ++i) {
        const size_t cell = first_cell + i * cells.per_column;
        block.cells.g[i] = cells.per_column == 2 ? cells.g[cell] - cells.g[cell + 1] : cells.g[cell];
    }
    if (!cells.variance.empty()) fill_variance(cells, first_cell, block.cells);
    if (!cells.wander.empty()) block.wander = make_wander(cells, first_cell, block.cells.g.size());
    return block;
}

/// Whether float32 holds every sum of the block.
bool fits_float(const ChipBlock& block, int32_t max_digit) {
    constexpr int64_t kFloatIntegers = 16777216;
    std::vector<int64_t> sums(static_cast<size_t>(block.cells.cols));
    const int32_t* g = block.cells.g.data();
    for (int r = 0; r < block.cells.rows; ++r)
        for (int64_t& sum : sums) sum += std::abs(int64_t{*g++});
    if (!block.wander.empty()) add_largest_wander(block.wander, sums);
    return *std::max_element(sums.begin(), sums.end()) * max_digit < kFloatIntegers;
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
    array.corrects_inputs = std::any_of(array.input_weight.begin(), array.input_weight.end(), [](auto w) { return w; });
    array.corrects_background =
        layer.grid.g_min != 0 && plan.cells_per_column == 1 && !layer.stored.reference_columns &&
        std::any_of(array.background.begin(), array.background.end(), [](auto b) { return b != 0; });
}

ChipArray write_array(const LayerWriter& writer, const AdcRange& range, const ArrayPlan& plan,
                      ProgrammingReport& report) {
    const MappedLayer& layer = writer.layer;
    const Trial* trial = writer.writer.trial;
    thread_local Cells cells;  // fresh memory for every array would cost more than its cells
    write_cells(writer, plan, report, cells);
    ChipArray array;
    array.converter =
        make_converter(writer.writer.architecture.adc, range, layer.grid.level_step, static_cast<int>(cells.columns),
                       static_cast<uint32_t>(plan.id), trial ? &trial->converters : nullptr);
    plan_readout(layer, plan, array);
    const int64_t lines = drive_rows_per_row(layer);
    const int32_t max_digit = std::max(layer.input.digit_max, -layer.input.digit_min);
    // Rounding a lossless sum with a background needs more than the 24 bits of float32.
    array.converter.wide = (range.lossless && layer.grid.g_min != 0 && plan.cells_per_column == 1) ||
                           std::max(range.hi, -range.lo) > kernels::kLargestNarrowCode ||
                           kernels::largest_threshold(array.converter) > kernels::kLargestNarrowCode;
    for (int64_t row = 0; row < plan.rows; row += plan.active_rows) {
        const int64_t rows = std::min(plan.active_rows, plan.rows - row);
        ChipBlock block = make_block(cells, static_cast<size_t>(row * lines), static_cast<size_t>(rows * lines));
        block.first_row = plan.first_row + row;
        block.rows = rows;
        block.cells.one_bit_digits = layer.input.one_bit_digits();
        block.cells.at_thresholds = array.converter.has_transfer();
        block.cells.compact = writer.compact;
        array.converter.wide = array.converter.wide || !fits_float(block, max_digit);
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

Chip write_chip(const Writer& writer, const Mapping& mapping, const std::vector<AdcRange>& ranges) {
    Chip chip;
    const bool compact = is_large(mapping);
    chip.layers.resize(mapping.layers.size());
    for (size_t l = 0; l < mapping.layers.size(); ++l) {
        const MappedLayer& layer = mapping.layers[l];
        LayerWriter layer_writer = make_layer_writer(writer, layer);
        layer_writer.compact = compact;
        std::vector<ProgrammingReport> reports(layer.arrays.size());
        chip.layers[l].adc = ranges.at(l);
        chip.layers[l].wanders = layer_writer.law && layer_writer.law->wanders();
        chip.layers[l].arrays.resize(layer.arrays.size());
        parallel_for(static_cast<int64_t>(layer.arrays.size()), [&](int64_t i) {
            const auto a = static_cast<size_t>(i);
            chip.layers[l].arrays[a] = write_array(layer_writer, ranges[l], layer.arrays[a], reports[a]);
        });
        for (const ProgrammingReport& report : reports) chip.report += report;
    }
    return chip;
}

}  // namespace

void Chip::read_with(uint64_t seed, uint32_t number) {
    read_noise = stream_key(seed, number, Purpose::read_noise);
    wander = wander_streams(seed, number);
}

Chip program_nominal(const Mapping& mapping, const std::vector<AdcRange>& ranges) {
    return write_chip({mapping.architecture, nullptr}, mapping, ranges);
}

Chip program_ideal(const Mapping& mapping) {
    AdcOptions lossless;
    lossless.bits = 0;
    std::vector<AdcRange> ranges;
    for (const MappedLayer& layer : mapping.layers) ranges.push_back(static_range(lossless, layer.bounds));
    return program_nominal(mapping, ranges);
}

Chip program(const Mapping& mapping, const std::vector<AdcRange>& ranges, uint64_t seed, uint32_t number,
             const Conditions& conditions) {
    const Trial trial{cell_streams(seed, number), converter_streams(seed, number), conditions};
    Chip chip = write_chip({mapping.architecture, &trial}, mapping, ranges);
    chip.read_with(seed, number);
    return chip;
}

}  // namespace bitline
