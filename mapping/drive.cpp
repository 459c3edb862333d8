#include "mapping/drive.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace bitline {

namespace {

/// n / d rounded to nearest; d is odd, so there are no ties.
int64_t divide_rounded(int64_t n, int64_t d) {
    const int64_t doubled = 2 * n + d;
    const int64_t quotient = doubled / (2 * d);
    return doubled % (2 * d) < 0 ? quotient - 1 : quotient;
}

/// What G_min adds to the sum of one cycle. A lossless sum has a known fraction, so rounding it away is exact.
int64_t background_of(const LayerView& layer, int64_t digit_sum) {
    const int64_t steps = layer.plan.grid.g_min * digit_sum;
    return layer.chip.adc.lossless ? divide_rounded(steps, layer.plan.grid.level_step) : steps;
}

int64_t sum_of_driven(const InputPlan& input, const int32_t* driven, int64_t rows) {
    int64_t sum = 0;
    if (input.coding == InputPlan::Coding::xnor) {
        for (int64_t r = 0; r < rows; ++r) sum += std::abs(driven[r]);
    } else {
        for (int64_t r = 0; r < rows; ++r) sum += driven[r];
    }
    return sum;
}

int64_t count_bits(const uint64_t* bits, size_t words) {
    int64_t count = 0;
    for (size_t w = 0; w < words; ++w) count += std::popcount(bits[w]);
    return count;
}

int64_t sum_of_digits(const InputPlan& input, const int32_t* driven, int64_t rows, size_t cycle) {
    using Coding = InputPlan::Coding;
    if (input.coding == Coding::xnor || input.coding == Coding::bipolar) return sum_of_driven(input, driven, rows);
    const int32_t mask = (1 << input.cycle_bits[cycle]) - 1;
    int64_t sum = 0;
    for (int64_t r = 0; r < rows; ++r) sum += (driven[r] >> input.cycle_shift[cycle]) & mask;
    return sum;
}

/// Vectors from `begin` on that are neighbouring positions of one sample.
size_t end_of_run(const Vectors& vectors, size_t begin) {
    size_t end = begin + 1;
    while (end < vectors.size() && vectors.sample[end] == vectors.sample[begin] &&
           vectors.position[end] == vectors.position[end - 1] + 1)
        ++end;
    return end;
}

}  // namespace

LayerView view_layer(const Network& network, const Mapping& mapping, const Chip& chip, size_t layer) {
    const MappedLayer& plan = mapping.layers[layer];
    const Node& node = network.nodes[static_cast<size_t>(plan.node)];
    const Shape& shape = network.values[static_cast<size_t>(node.inputs.at(0))].shape;
    return {plan,
            chip.layers[layer],
            std::get<MatVec>(node.op),
            shape,
            element_count(shape),
            chip.read_noise,
            chip.dac_noise,
            mapping.architecture.cell.read_noise,
            chip.wander};
}

void Vectors::clear() {
    sample.clear();
    position.clear();
}

void Vectors::add(int64_t first, int64_t count, int64_t positions, int64_t first_sample) {
    for (int64_t i = first; i < first + count; ++i) {
        sample.push_back(static_cast<uint32_t>(first_sample + i / positions));
        position.push_back(static_cast<uint32_t>(i % positions));
    }
}

void gather(const LayerView& layer, const Pack& pack, std::span<const int32_t> codes, int64_t first_sample,
            Vectors& vectors) {
    const MappedLayer& plan = layer.plan;
    const int64_t rows = plan.rows;
    vectors.driven.resize(vectors.size() * static_cast<size_t>(pack.rows));
    for (size_t begin = 0; begin < vectors.size();) {
        const size_t end = end_of_run(vectors, begin);
        const auto count = static_cast<int64_t>(end - begin);
        const int64_t sample = int64_t{vectors.sample[begin]} - first_sample;
        int32_t* out = vectors.driven.data() + begin * static_cast<size_t>(pack.rows);
        const int32_t* of_sample = codes.data() + sample * layer.input_size;
        if (pack.groups == 1 && pack.rows == rows) {  // nothing stands between the rows of two vectors
            gather_rows(layer.op, layer.input_shape, of_sample, pack.first_group, vectors.position[begin], count,
                        plan.input.pad_code, out);
            drive_codes(plan.input, out, count * rows, out);
            begin = end;
            continue;
        }
        vectors.gathered.resize(static_cast<size_t>(count * rows));
        for (int64_t g = 0; g < pack.groups; ++g) {
            gather_rows(layer.op, layer.input_shape, of_sample, pack.first_group + g, vectors.position[begin], count,
                        plan.input.pad_code, vectors.gathered.data());
            for (int64_t i = 0; i < count; ++i)
                drive_codes(plan.input, vectors.gathered.data() + i * rows, rows, out + i * pack.rows + g * rows);
        }
        for (int64_t i = 0; i < count; ++i)
            std::copy(plan.bias_drive.begin(), plan.bias_drive.end(), out + i * pack.rows + pack.groups * rows);
        begin = end;
    }
}

void digitize(const LayerView& layer, const Pack& pack, const ChipBlock& block, const Vectors& vectors,
              bool with_background, Digits& out) {
    const InputPlan& input = layer.plan.input;
    const LinePlan& line_plan = layer.chip.lines;
    const bool bits = line_plan.one_bit_digits;
    const auto lines = static_cast<size_t>(block.cells.rows), cycles = input.cycle_weight.size();
    const auto words = static_cast<size_t>(kernels::words_of(block.cells.rows));
    out.bits.resize(bits ? vectors.size() * cycles * words : 0);
    out.digits.resize(bits ? 0 : vectors.size() * cycles * lines);
    out.driven_sum.assign(vectors.size(), 0);
    out.background.assign(vectors.size(), 0);
    for (size_t i = 0; i < vectors.size(); ++i) {
        const int32_t* driven = vectors.driven.data() + i * static_cast<size_t>(pack.rows) + block.first_row;
        uint64_t* const of_bits = out.bits.data() + i * cycles * words;
        int16_t* const of_digits = out.digits.data() + i * cycles * lines;
        if (bits) {
            make_line_bits(line_plan, input, driven, block.rows, of_bits);
        } else {
            make_line_digits(line_plan, input, driven, block.rows, of_digits);
        }
        out.driven_sum[i] = sum_of_driven(input, driven, block.rows);
        if (!with_background) continue;
        for (size_t c = 0; c < cycles; ++c) {
            const bool counts = bits && line_plan.values.empty();
            const int64_t sum =
                counts ? count_bits(of_bits + c * words, words) : sum_of_digits(input, driven, block.rows, c);
            out.background[i] += input.cycle_weight[c] * background_of(layer, sum);
        }
    }
}

kernels::Drive kernel_drive(const LayerView& layer, const Digits& digits, const Vectors& vectors) {
    kernels::Drive drive;
    if (layer.chip.lines.one_bit_digits) {
        drive.bits = digits.bits.data();
    } else {
        drive.digits = digits.digits.data();
    }
    drive.vectors = static_cast<int>(vectors.size());
    drive.cycles = layer.plan.input.cycles();
    drive.cycle_weight = layer.plan.input.cycle_weight.data();
    drive.sample = vectors.sample.data();
    drive.position = vectors.position.data();
    return drive;
}

void add_dac_noise(const LayerView& layer, const ChipBlock& block, uint32_t number, const Vectors& vectors,
                   std::span<const int16_t> digits, std::vector<int16_t>& noisy) {
    const auto lines = static_cast<size_t>(block.cells.rows);
    const int cycles = layer.plan.input.cycles();
    noisy.assign(digits.begin(), digits.end());
    for (size_t i = 0; i < vectors.size(); ++i)
        add_line_noise(layer.chip.lines, cycles, lines,
                       {layer.dac_noise, number, vectors.sample[i], vectors.position[i]},
                       noisy.data() + i * static_cast<size_t>(cycles) * lines);
}

kernels::Drive part_of(const kernels::Drive& drive, int lines, size_t first, size_t count) {
    kernels::Drive part = drive;
    const size_t cycles = first * static_cast<size_t>(drive.cycles);
    if (drive.bits) part.bits += cycles * static_cast<size_t>(kernels::words_of(lines));
    if (drive.digits) part.digits += cycles * static_cast<size_t>(lines);
    part.sample += first;
    part.position += first;
    part.vectors = static_cast<int>(count);
    return part;
}

int64_t vectors_per_chunk(const LayerView& layer) {
    // 16 KiB of bits or 64 KiB of wider digits: they, the codes and one array stay in the second-level cache.
    const MappedLayer& plan = layer.plan;
    const LinePlan& line_plan = layer.chip.lines;
    const int64_t digits = line_plan.one_bit_digits ? 131072 : 32768;
    int64_t lines = 1;
    for (const ArrayPlan& array : plan.arrays) lines = std::max(lines, array.active_rows);
    lines *= drive_rows_per_row(plan) * static_cast<int64_t>(line_plan.copies());
    const int64_t fitting = std::clamp<int64_t>(digits / (lines * plan.input.cycles()), 4, 1024);
    // Cells that are redrawn for every sample: redrawing costs more than a cache does.
    constexpr int64_t kMostOfASample = 4096;
    if (layer.chip.wanders && !wanders_by_product(layer.read_noise))
        return std::max(fitting, std::min(plan.positions, kMostOfASample));
    return fitting;
}

size_t end_of_row_tile(const MappedLayer& layer, size_t begin) {
    size_t end = begin + 1;
    while (end < layer.arrays.size() && layer.arrays[end].pack == layer.arrays[begin].pack &&
           layer.arrays[end].first_row == layer.arrays[begin].first_row)
        ++end;
    return end;
}

}  // namespace bitline
