#include "mapping/tiling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "core/error.h"

namespace bitline {

namespace {

/// What an array offers to one layer, in logical rows and converter columns.
struct ArrayShape {
    int64_t rows = 0;         // logical rows
    int64_t active_rows = 0;  // logical rows driven at a time
    int64_t columns = 0;      // converter columns
    int64_t arrays = 1;       // physical arrays that hold them: 2 where a pair does not fit one array
};

ArrayShape array_shape(const MappedLayer& layer, const ArrayOptions& array) {
    const int64_t lines = drive_rows_per_row(layer);
    if (array.rows < lines)
        throw ConfigError(
            fmt::format("layer {}: array.rows = {} violates array.rows >= {}: xnor takes a pair of rows "
                        "per weight",
                        layer.name, array.rows, lines));
    ArrayShape shape;
    shape.rows = array.rows / lines;
    shape.active_rows = array.active_rows == 0 ? shape.rows : std::max<int64_t>(1, array.active_rows / lines);
    shape.columns = layer.stored.pairs ? std::max(1, array.cols / 2) : array.cols;
    shape.arrays = layer.stored.pairs && array.cols == 1 ? 2 : 1;
    return shape;
}

int64_t columns_per_output(const MappedLayer& layer) {
    return static_cast<int64_t>(layer.stored.slices.size()) * (layer.stored.digital_parts ? 2 : 1);
}

/// Groups that fit one array side by side; 1 where they are not packed.
int64_t groups_per_pack(const MappedLayer& layer, const ArrayShape& shape, bool pack_groups) {
    if (layer.groups == 1 || !pack_groups || layer.stored.encoding == WeightEncoding::xnor) return 1;
    const auto bias_rows = static_cast<int64_t>(layer.bias_drive.size());
    int64_t columns = shape.columns / columns_per_output(layer);
    if (layer.stored.reference_columns) --columns;
    return std::clamp<int64_t>(std::min((shape.rows - bias_rows) / layer.rows, columns / layer.cols), 1, layer.groups);
}

void make_packs(MappedLayer& layer, const ArrayShape& shape, bool pack_groups) {
    const int64_t size = groups_per_pack(layer, shape, pack_groups);
    for (int64_t first = 0; first < layer.groups; first += size) {
        Pack pack;
        pack.first_group = first;
        pack.groups = std::min(size, layer.groups - first);
        pack.rows = pack.groups * layer.rows + static_cast<int64_t>(layer.bias_drive.size());
        pack.cols = pack.groups * layer.cols;
        layer.packs.push_back(pack);
    }
}

void append_output(const WeightPlan& stored, int32_t output, std::vector<Column>& columns) {
    for (const Slice& slice : stored.slices) {
        columns.push_back({output, slice.shift, slice.bits, slice.weight, false, false});
        if (stored.digital_parts) columns.push_back({output, slice.shift, slice.bits, -slice.weight, false, true});
    }
}

/// The converter columns of one row tile, cut into arrays. A reference column stands first in each array; where an
/// array is too narrow for one beside a whole output, the row tile has one reference in arrays of its own.
std::vector<std::vector<Column>> cut_columns(const MappedLayer& layer, const Pack& pack, int64_t capacity) {
    const int64_t per_output = columns_per_output(layer);
    const bool reference = layer.stored.reference_columns;
    const bool shared_reference = reference && capacity < 2 * per_output;
    std::vector<std::vector<Column>> arrays;
    std::vector<Column> all;
    if (shared_reference) append_output(layer.stored, -1, all);
    for (int64_t output = 0; output < pack.cols; ++output)
        append_output(layer.stored, static_cast<int32_t>(output), all);

    if (reference && !shared_reference) {
        const int64_t outputs = capacity / per_output - 1;
        for (int64_t first = 0; first < pack.cols; first += outputs) {
            arrays.emplace_back();
            append_output(layer.stored, -1, arrays.back());
            const auto begin = all.begin() + first * per_output;
            arrays.back().insert(arrays.back().end(), begin, begin + std::min(outputs, pack.cols - first) * per_output);
        }
        return arrays;
    }
    // The shared reference never mixes with outputs in one array, so that each array has one kind of column.
    size_t begin = 0;
    const size_t references = shared_reference ? static_cast<size_t>(per_output) : 0;
    while (begin < all.size()) {
        size_t end = std::min(all.size(), begin + static_cast<size_t>(capacity));
        if (begin < references) end = std::min(end, references);
        arrays.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(begin),
                            all.begin() + static_cast<std::ptrdiff_t>(end));
        begin = end;
    }
    return arrays;
}

int64_t level_sum(const MappedLayer& layer, const Pack& pack, const ArrayPlan& array, const Column& column) {
    int64_t sum = 0;
    for (int64_t r = 0; r < array.rows; ++r)
        sum += stored_level(layer.stored, {column.shift, column.bits, 1}, false, false,
                            column.output < 0 ? 0 : weight_at(layer, pack, array.first_row + r, column.output));
    return sum;
}

/// Stores a column inverted where that halves the largest sum it can reach (ISAAC's flipped columns).
void flip_columns(const MappedLayer& layer, const Pack& pack, ArrayPlan& array) {
    for (Column& column : array.columns) {
        const int64_t full = array.rows * ((int64_t{1} << column.bits) - 1);
        if (2 * level_sum(layer, pack, array, column) <= full) continue;
        column.flipped = true;
        column.weight = -column.weight;
    }
}

void make_arrays(MappedLayer& layer, const ArrayShape& shape, int32_t& next_array, int32_t& next_block) {
    for (size_t p = 0; p < layer.packs.size(); ++p) {
        const Pack& pack = layer.packs[p];
        const auto columns = cut_columns(layer, pack, shape.columns);
        for (int64_t row = 0; row < pack.rows; row += shape.rows) {
            for (const auto& part : columns) {
                ArrayPlan array;
                array.pack = static_cast<int32_t>(p);
                array.first_row = row;
                array.rows = std::min(shape.rows, pack.rows - row);
                array.columns = part;
                array.cells_per_column = layer.stored.pairs ? 2 : 1;
                array.active_rows = std::min(shape.active_rows, array.rows);
                if (layer.stored.encoding == WeightEncoding::flipped) flip_columns(layer, pack, array);
                array.id = next_array++;
                array.first_block = next_block;
                next_block += static_cast<int32_t>((array.rows + array.active_rows - 1) / array.active_rows);
                layer.array_count += shape.arrays;
                layer.cells_used +=
                    array.rows * drive_rows_per_row(layer) * static_cast<int64_t>(part.size()) * array.cells_per_column;
                layer.arrays.push_back(std::move(array));
            }
        }
    }
}

/// Digits times level of one cell, lowest and highest over all digits.
void add_cell(const InputPlan& input, int64_t level, int64_t& low, int64_t& high) {
    const int64_t a = level * input.digit_min, b = level * input.digit_max;
    low += std::min(a, b);
    high += std::max(a, b);
}

/// Widens the bounds by the sums that one column can reach, one part of the rows at a time.
void bound_column(const MappedLayer& layer, const ArrayPlan& array, const std::vector<uint16_t>& positive,
                  const std::vector<uint16_t>& negative, size_t column, SumBounds& bounds) {
    const int64_t lines = drive_rows_per_row(layer);
    const size_t columns = array.columns.size();
    const double background = static_cast<double>(layer.grid.g_min) / layer.grid.level_step;
    for (int64_t first = 0; first < array.rows; first += array.active_rows) {
        const int64_t end = std::min(array.rows, first + array.active_rows);
        int64_t low = 0, high = 0;
        for (int64_t r = first; r < end; ++r) {
            if (lines == 2) {  // one line of each pair is driven
                high += 1;
                continue;
            }
            const size_t i = static_cast<size_t>(r) * columns + column;
            add_cell(layer.input, int64_t{positive[i]} - (negative.empty() ? 0 : int64_t{negative[i]}), low, high);
        }
        if (negative.empty()) {
            const double most = background * static_cast<double>((end - first) * layer.input.digit_max);
            high += static_cast<int64_t>(std::ceil(most));
            if (layer.input.digit_min < 0) low -= static_cast<int64_t>(std::ceil(most));
        }
        bounds.low = std::min(bounds.low, low);
        bounds.high = std::max(bounds.high, high);
    }
}

SumBounds find_bounds(const MappedLayer& layer) {
    SumBounds bounds;
    std::vector<uint16_t> positive, negative;
    int64_t most_rows = 1;
    double top = 1;  // levels that one digit of one row can reach
    for (const ArrayPlan& array : layer.arrays) {
        target_levels(layer, array, positive, negative);
        for (size_t c = 0; c < array.columns.size(); ++c) {
            bound_column(layer, array, positive, negative, c, bounds);
            top = std::max(top, std::ldexp(1.0, array.columns[c].bits) - 1);
        }
        most_rows = std::max(most_rows, array.active_rows);
    }
    if (!layer.stored.pairs) top += static_cast<double>(layer.grid.g_min) / layer.grid.level_step;
    const auto digits = static_cast<double>(most_rows) * std::max(layer.input.digit_max, -layer.input.digit_min);
    bounds.largest = static_cast<int64_t>(std::ceil(digits * top));
    bounds.high = std::max<int64_t>(bounds.high, 1);
    return bounds;
}

// ---------------------------------------------------------------------------------------------- levels

size_t drive_rows(const MappedLayer& layer, const ArrayPlan& array) {
    return static_cast<size_t>(array.rows * drive_rows_per_row(layer));
}

/// Levels of word lines and columns that stand so far from each other.
struct LevelTable {
    uint16_t* levels = nullptr;  // null: none
    size_t line = 0, column = 0;
};

/// `weights` (rows) of one output from `first_row` on; those of a reference column are 0.
void gather_weights(const MappedLayer& layer, const Pack& pack, int64_t first_row, int64_t output,
                    std::span<int32_t> weights) {
    const auto count = static_cast<int64_t>(weights.size());
    if (output < 0) {
        std::fill(weights.begin(), weights.end(), 0);
    } else if (pack.groups == 1 && first_row + count <= layer.rows) {  // they lie side by side
        const int64_t channel = pack.first_group * layer.cols + output;
        std::copy_n(layer.weights.begin() + channel * layer.rows + first_row, count, weights.begin());
    } else {
        for (int64_t r = 0; r < count; ++r)
            weights[static_cast<size_t>(r)] = weight_at(layer, pack, first_row + r, output);
    }
}

/// `negative`: of bit-line pairs.
void write_levels(const MappedLayer& layer, const ArrayPlan& array, const LevelTable& positive,
                  const LevelTable& negative) {
    constexpr size_t kRows = 32;  // at a time: the levels of all their columns stay in the first-level cache
    const Pack& pack = layer.packs[static_cast<size_t>(array.pack)];
    const auto lines = static_cast<size_t>(drive_rows_per_row(layer));
    const auto rows = static_cast<size_t>(array.rows);
    std::array<int32_t, kRows> weight_memory;
    std::array<uint16_t, kRows> levels;
    for (size_t first = 0; first < rows; first += kRows) {
        const std::span<int32_t> weights(weight_memory.data(), std::min(kRows, rows - first));
        for (size_t c = 0; c < array.columns.size(); ++c) {
            const Column& column = array.columns[c];
            if (c == 0 || column.output != array.columns[c - 1].output)  // slices share them
                gather_weights(layer, pack, array.first_row + static_cast<int64_t>(first), column.output, weights);
            const auto write = [&](bool second, bool flipped, const LevelTable& table, size_t line) {
                stored_levels(layer.stored, {column.shift, column.bits, 1}, second, flipped, weights, levels.data());
                uint16_t* out = table.levels + (first * lines + line) * table.line + c * table.column;
                for (size_t r = 0; r < weights.size(); ++r, out += lines * table.line) *out = levels[r];
            };
            write(column.negative, column.flipped, positive, 0);
            if (lines == 2) write(true, false, positive, 1);
            if (negative.levels) write(true, false, negative, 0);
        }
    }
}

}  // namespace

int drive_rows_per_row(const MappedLayer& layer) { return layer.stored.encoding == WeightEncoding::xnor ? 2 : 1; }

int32_t weight_at(const MappedLayer& layer, const Pack& pack, int64_t row, int64_t col) {
    const int64_t channel = pack.first_group * layer.cols + col;
    const int64_t weight_rows = pack.groups * layer.rows;
    if (row >= weight_rows)
        return layer.bias_weights[static_cast<size_t>(channel * static_cast<int64_t>(layer.bias_drive.size()) + row -
                                                      weight_rows)];
    if (row / layer.rows != col / layer.cols) return 0;  // beside the diagonal of a pack
    return layer.weights[static_cast<size_t>(channel * layer.rows + row % layer.rows)];
}

void target_levels(const MappedLayer& layer, const ArrayPlan& array, std::vector<uint16_t>& positive,
                   std::vector<uint16_t>& negative) {
    const size_t columns = array.columns.size(), cells = drive_rows(layer, array) * columns;
    positive.resize(cells);
    negative.resize(array.cells_per_column == 2 ? cells : 0);
    write_levels(layer, array, {positive.data(), columns, 1},
                 {negative.empty() ? nullptr : negative.data(), columns, 1});
}

void target_levels(const MappedLayer& layer, const ArrayPlan& array, std::vector<uint16_t>& levels) {
    const auto per_column = static_cast<size_t>(array.cells_per_column);
    const size_t width = array.columns.size() * per_column;
    levels.resize(drive_rows(layer, array) * width);
    write_levels(layer, array, {levels.data(), width, per_column},
                 {per_column == 2 ? levels.data() + 1 : nullptr, width, per_column});
}

void tile_layer(MappedLayer& layer, const Architecture& architecture, int32_t& next_array, int32_t& next_block) {
    const ArrayShape shape = array_shape(layer, architecture.array);
    make_packs(layer, shape, architecture.pack_groups);
    make_arrays(layer, shape, next_array, next_block);
    layer.bounds = find_bounds(layer);
    layer.lossless_bits = lossless_bits(layer.bounds);
    const auto cells = static_cast<double>(architecture.array.rows) * architecture.array.cols;
    layer.utilisation = static_cast<double>(layer.cells_used) / (cells * static_cast<double>(layer.array_count));
    int64_t parts = 1;
    for (const ArrayPlan& array : layer.arrays)
        parts = std::max(parts, (array.rows + array.active_rows - 1) / array.active_rows);
    layer.cycles_per_vector = layer.input.cycles() * parts;
    layer.cycles = layer.cycles_per_vector * layer.positions;
}

}  // namespace bitline
