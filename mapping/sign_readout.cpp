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

bool has_padding(const Window& window) {
    return window.pad_top + window.pad_left + window.pad_bottom + window.pad_right > 0;
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

std::string sign_readout_obstacle(const MatVec& op, const MappedLayer& layer) {
    const auto* steps = std::get_if<ThresholdOutput>(&op.output);
    if (steps == nullptr) return "its output is not decided by thresholds";
    if (steps->codes.size() != 2) return fmt::format("its output has {} levels, not two", steps->codes.size());
    if (layer.input.cycles() != 1)
        return fmt::format("its inputs take {} cycles, whose sums are shifted and added", layer.input.cycles());
    const std::string of_weights = obstacle_of_weights(layer);
    if (!of_weights.empty()) return of_weights;
    if (drives_pairs(layer) && has_padding(op.window))
        return "padding leaves pairs of rows without a match that could be expected";
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

SignReadout plan_sign_readout(const MatVec& op, const MappedLayer& layer) {
    const auto& steps = std::get<ThresholdOutput>(op.output);
    SignReadout sign;
    sign.falling = steps.falling;
    sign.votes = count_votes(layer);
    for (size_t c = 0; c < steps.threshold.size(); ++c)
        sign.threshold.push_back(static_cast<double>(steps.threshold[c]) + (steps.falling[c] != 0 ? 0.5 : -0.5));
    return sign;
}

std::vector<double> comparator_levels(const MappedLayer& layer, const ArrayPlan& array) {
    const Pack& pack = layer.packs[static_cast<size_t>(array.pack)];
    const auto parts = static_cast<double>(parts_of(array));
    const double share = static_cast<double>(array.rows) / (parts * static_cast<double>(pack.rows));
    const double pairs = drives_pairs(layer) ? static_cast<double>(array.rows) / parts : 0.0;
    const double background = static_cast<double>(layer.grid.g_min) / layer.grid.level_step;
    std::vector<double> levels;
    for (const Column& column : array.columns) {
        const int64_t channel = pack.first_group * layer.cols + column.output;
        const auto c = static_cast<size_t>(channel);
        const double bias = layer.digital_bias.empty() ? 0.0 : static_cast<double>(layer.digital_bias[c]);
        int64_t weights = 0;
        for (int64_t r = 0; layer.input.center != 0 && r < array.rows; ++r)
            weights += weight_at(layer, pack, array.first_row + r, column.output);
        const double part = (layer.sign->threshold[c] - bias) * share;
        const double sum =
            (part + static_cast<double>(layer.input.center * weights)) / static_cast<double>(layer.input.scale);
        levels.push_back((sum + pairs) / static_cast<double>(column.weight) + pairs * background);
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
