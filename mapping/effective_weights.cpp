#include "mapping/effective_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace bitline {

namespace {

/// (lines x own outputs) of one block: levels that a digit of 1 on a line adds to each output.
std::vector<double> slopes_of(const MappedLayer& plan, const ChipLayer& layer, const ChipArray& array,
                              const ChipBlock& block) {
    const auto outputs = array.outputs.size(), columns = array.readout.column_output.size();
    const Correction& correction = layer.correction;
    const double per_step =
        correction.gain * std::ldexp(1.0, -correction.gain_bits) / static_cast<double>(plan.grid.level_step);
    const double background = static_cast<double>(plan.grid.g_min) / static_cast<double>(plan.grid.level_step);
    std::vector<double> slopes(static_cast<size_t>(block.cells.rows) * outputs, 0.0);
    for (size_t line = 0; line < static_cast<size_t>(block.cells.rows); ++line) {
        double* slope = slopes.data() + line * outputs;
        for (size_t c = 0; c < columns; ++c)
            slope[array.readout.column_output[c]] += static_cast<double>(array.readout.column_weight[c]) * per_step *
                                                     static_cast<double>(block.cells.g[line * columns + c]);
        for (size_t o = 0; o < outputs; ++o) {
            slope[o] += static_cast<double>(array.input_weight[o]);
            if (array.corrects_background) slope[o] -= static_cast<double>(array.background[o]) * background;
        }
        if (array.reference < 0 || outputs == 1) continue;
        const double reference = slope[array.reference];
        for (size_t o = 0; o < outputs; ++o) slope[o] -= reference;
    }
    return slopes;
}

/// Sums of a pack: (rows x outputs) of levels by a driven code of 1, and by one of -1 where lines come in pairs.
struct PackSlopes {
    std::vector<double> plus, minus;
};

void add_block(const MappedLayer& plan, const Pack& pack, const ChipArray& array, const ChipBlock& block,
               const std::vector<double>& slopes, PackSlopes& sums) {
    const auto outputs = array.outputs.size();
    const bool pairs = drive_rows_per_row(plan) == 2;
    const bool shared_reference = array.reference >= 0 && outputs == 1;
    for (int64_t r = 0; r < block.rows; ++r) {
        const double* plus = slopes.data() + static_cast<size_t>(pairs ? 2 * r : r) * outputs;
        const size_t row = static_cast<size_t>((block.first_row + r) * pack.cols);
        if (shared_reference) {
            for (size_t o = 0; o < static_cast<size_t>(pack.cols); ++o) sums.plus[row + o] -= plus[0];
            continue;
        }
        for (size_t o = 0; o < outputs; ++o) {
            if (array.outputs[o] < 0) continue;
            const size_t at = row + static_cast<size_t>(array.outputs[o]);
            sums.plus[at] += plus[o];
            if (pairs) sums.minus[at] += plus[outputs + o];
        }
    }
}

/// Turns the sums of one pack into weights and offsets of its channels.
void read_pack(const MappedLayer& plan, const Correction& correction, const Pack& pack, const PackSlopes& sums,
               EffectiveWeights& effective) {
    const bool pairs = drive_rows_per_row(plan) == 2;
    const auto scale = static_cast<double>(plan.input.scale), center = static_cast<double>(plan.input.center);
    for (int64_t o = 0; o < pack.cols; ++o) {
        const int64_t channel = pack.first_group * plan.cols + o;
        const int64_t first_row = o / plan.cols * plan.rows;
        const auto c = static_cast<size_t>(channel);
        const double factor = correction.scale.empty() ? 1.0 : correction.scale[c];
        double offset = correction.offset.empty() ? 0.0 : correction.offset[c] * scale;
        for (int64_t r = 0; r < plan.rows; ++r) {
            const auto at = static_cast<size_t>((first_row + r) * pack.cols + o);
            const double plus = sums.plus[at];
            const double slope = pairs ? scale * (plus - sums.minus[at]) / 2 : plus;
            offset += pairs ? scale * (plus + sums.minus[at]) / 2 : plus * center;
            effective.weight[static_cast<size_t>(channel * plan.rows + r)] = static_cast<float>(slope * factor);
        }
        offset -= center * static_cast<double>(plan.weight_sums[c]);
        const auto bias_rows = static_cast<int64_t>(plan.bias_drive.size());
        for (int64_t b = 0; b < bias_rows; ++b) {
            const auto at = static_cast<size_t>((pack.groups * plan.rows + b) * pack.cols + o);
            offset += scale * sums.plus[at] * plan.bias_drive[static_cast<size_t>(b)];
        }
        const double shift = correction.shift.empty() ? 0.0 : correction.shift[c];
        effective.offset[c] = static_cast<float>(offset * factor + shift);
    }
}

}  // namespace

EffectiveWeights effective_weights(const Mapping& mapping, const Chip& chip, size_t layer) {
    const MappedLayer& plan = mapping.layers.at(layer);
    const ChipLayer& programmed = chip.layers.at(layer);
    if (programmed.lines.altered)
        throw ConfigError(fmt::format(
            "layer '{}': currents that are no digit times a conductance violate effective weights", plan.name));
    EffectiveWeights effective;
    effective.weight.resize(plan.weights.size());
    effective.offset.resize(plan.weight_sums.size());
    for (size_t p = 0; p < plan.packs.size(); ++p) {
        const Pack& pack = plan.packs[p];
        PackSlopes sums;
        sums.plus.assign(static_cast<size_t>(pack.rows * pack.cols), 0.0);
        sums.minus.assign(drive_rows_per_row(plan) == 2 ? sums.plus.size() : 0, 0.0);
        for (size_t a = 0; a < plan.arrays.size(); ++a) {
            if (static_cast<size_t>(plan.arrays[a].pack) != p) continue;
            const ChipArray& array = programmed.arrays[a];
            for (const ChipBlock& block : array.blocks)
                add_block(plan, pack, array, block, slopes_of(plan, programmed, array, block), sums);
        }
        read_pack(plan, programmed.correction, pack, sums, effective);
    }
    return effective;
}

}  // namespace bitline
