#include "mapping/sign_readout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "mapping/tiling.h"

namespace bitline {

namespace {

bool drives_pairs(const MappedLayer& layer) { return layer.stored.encoding == WeightEncoding::xnor; }

/// Whether every input is -1 or +1.
bool drives_every_row(const MatVec& op, const Quantizer& inputs) {
    const Window& w = op.window;
    return inputs.kind == Quantizer::Kind::bipolar && w.pad_top + w.pad_left + w.pad_bottom + w.pad_right == 0;
}

int64_t parts_of(const ArrayPlan& array) { return (array.rows + array.active_rows - 1) / array.active_rows; }

/// The comparators of an array stand where all of its parts of the rows want them.
bool has_equal_parts(const ArrayPlan& array) { return array.rows % array.active_rows == 0; }

/// Parts that the rows of the first pack are cut into; all packs are cut alike.
int64_t count_votes(const MappedLayer& layer) {
    int64_t votes = 0;
    std::set<int64_t> seen;
    for (const ArrayPlan& array : layer.arrays)
        if (array.pack == 0 && seen.insert(array.first_row).second) votes += parts_of(array);
    return votes;
}

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Midway between the last level sum below numerator / denominator and the first at or above it, of those that differ
/// from `odd` by multiples of `spacing`.
double between_levels(int64_t numerator, int64_t denominator, int64_t odd, int64_t spacing) {
    const int64_t first = -floor_divide(odd * denominator - numerator, denominator * spacing);  // rounded up
    return static_cast<double>(first * spacing + odd) - 0.5 * static_cast<double>(spacing);
}

/// threshold - bias; a threshold that no sum reaches stays one, and products with the rows fit 64 bits.
int64_t distance(int64_t threshold, int64_t bias) {
    constexpr int64_t kBeyondSums = int64_t{1} << 60, kBeyondParts = int64_t{1} << 40;
    return std::clamp(std::clamp(threshold, -kBeyondSums, kBeyondSums) - bias, -kBeyondParts, kBeyondParts);
}

std::string obstacle_of_weights(const MappedLayer& layer) {
    const WeightPlan& stored = layer.stored;
    if (stored.digital_parts)
        return "the positive and the negative part of its weights are subtracted behind the converters";
    if (stored.reference_columns) return "a reference column is subtracted behind the converters";
    if (stored.slices.size() > 1)
        return fmt::format("its weights take {} slices, whose sums are shifted and added", stored.slices.size());
    if (stored.offset != 0)
        return fmt::format("weights.encoding = {} needs the sum of its inputs as a correction",
                           to_string(stored.encoding));
    return {};
}

}  // namespace

std::string sign_readout_obstacle(const MatVec& op, const Quantizer& inputs, const MappedLayer& layer) {
    const auto* steps = std::get_if<ThresholdOutput>(&op.output);
    if (steps == nullptr) return "its output is not decided by thresholds";
    if (steps->codes.size() != 2) return fmt::format("its output has {} levels, not two", steps->codes.size());
    if (layer.input.cycles() != 1)
        return fmt::format("its inputs take {} cycles, whose sums are shifted and added", layer.input.cycles());
    const std::string of_weights = obstacle_of_weights(layer);
    if (!of_weights.empty()) return of_weights;
    if (drives_pairs(layer) && !drives_every_row(op, inputs))
        return "inputs of 0 drive no row of a pair, and how many there are is not known beforehand";
    for (const ArrayPlan& array : layer.arrays) {
        if (!has_equal_parts(array))
            return fmt::format("array.active_rows cuts the {} rows of an array into parts of {} and {}", array.rows,
                               array.active_rows, array.rows % array.active_rows);
        if (parts_of(array) == 1) continue;
        if (layer.packs[static_cast<size_t>(array.pack)].groups > 1)
            return "array.active_rows cuts arrays that several groups share";
        if (layer.input.center != 0)
            return "array.active_rows cuts arrays whose inputs have an offset, which each part counts with other "
                   "weights";
    }
    return {};
}

SignReadout plan_sign_readout(const MatVec& op, const Quantizer& inputs, const MappedLayer& layer) {
    const auto& steps = std::get<ThresholdOutput>(op.output);
    SignReadout sign;
    sign.threshold = steps.threshold;
    sign.falling = steps.falling;
    sign.votes = count_votes(layer);
    // Weights that are each taken as they are or negated sum to what is as odd as their own sum.
    const bool negated = layer.input.coding == InputPlan::Coding::bipolar && drives_every_row(op, inputs);
    const bool whole = std::all_of(layer.arrays.begin(), layer.arrays.end(), [](auto& a) { return parts_of(a) == 1; });
    if (negated && whole) sign.spacing = 2;
    return sign;
}

std::vector<double> comparator_levels(const MappedLayer& layer, const ArrayPlan& array) {
    const SignReadout& sign = *layer.sign;
    const Pack& pack = layer.packs[static_cast<size_t>(array.pack)];
    const int64_t rows = array.active_rows, pairs = drives_pairs(layer) ? rows : 0;
    const double background = static_cast<double>(layer.grid.g_min) / layer.grid.level_step;
    std::vector<double> levels;
    for (const Column& column : array.columns) {
        const auto channel = static_cast<size_t>(pack.first_group * layer.cols + column.output);
        int64_t weights = 0;
        for (int64_t r = 0; r < rows; ++r) weights += weight_at(layer, pack, array.first_row + r, column.output);
        const int64_t bias = layer.digital_bias.empty() ? 0 : layer.digital_bias[channel];
        const int64_t odd = sign.spacing == 2 ? weights & 1 : 0;
        // Twice the part's share of T' - bias, as levels of the column.
        const int64_t turn = sign.falling[channel] != 0 ? -1 : 1;
        int64_t numerator = (2 * distance(sign.threshold[channel], bias) - turn) * rows;
        numerator += 2 * (layer.input.center * weights + pairs * layer.input.scale) * pack.rows;
        const int64_t denominator = 2 * pack.rows * layer.input.scale * column.weight;
        const double between = between_levels(turn * numerator, denominator, turn * odd, sign.spacing);
        levels.push_back(static_cast<double>(turn) * between + static_cast<double>(pairs) * background);
    }
    return levels;
}

bool crosses(const ThresholdOutput& output, int64_t channel, double sum) {
    const auto c = static_cast<size_t>(channel);
    const auto threshold = static_cast<double>(output.threshold[c]);
    return output.falling[c] != 0 ? sum <= threshold : sum >= threshold;
}

double sum_of_votes(const ThresholdOutput& output, int64_t channel, int64_t votes) {
    constexpr double kFar = std::numeric_limits<double>::infinity();
    const auto c = static_cast<size_t>(channel);
    const auto threshold = static_cast<double>(output.threshold[c]);
    if (output.falling[c] != 0)
        return votes <= 0 ? threshold : std::max(threshold + 1, std::nextafter(threshold, kFar));
    return votes >= 0 ? threshold : std::min(threshold - 1, std::nextafter(threshold, -kFar));
}

}  // namespace bitline
