#include "mapping/bias_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace bitline {

namespace {

/// Driven codes of the rows, largest first: n rows at the largest code, then a radix 2W+1 ladder down to 1, so that
/// every |sum| up to the reach of the first rows can be written with weights -W .. W.
std::vector<int32_t> plan_drives(int64_t largest_bias, int64_t largest_weight, int64_t driven_max) {
    std::vector<int32_t> ladder;
    for (int64_t u = 1; u < driven_max; u *= 2 * largest_weight + 1) ladder.push_back(static_cast<int32_t>(u));
    if (driven_max == 1) ladder.push_back(1);
    const int64_t reach = largest_weight * driven_max;
    const int64_t full = (largest_bias + reach - 1) / reach;
    std::vector<int32_t> drives(static_cast<size_t>(full - (driven_max == 1 ? 1 : 0)),
                                static_cast<int32_t>(driven_max));
    drives.insert(drives.end(), ladder.rbegin(), ladder.rend());
    return drives;
}

int64_t round_divide(int64_t a, int64_t b) { return (2 * std::abs(a) + b) / (2 * b) * (a < 0 ? -1 : 1); }

void keep_digital(MappedLayer& layer, const std::string& why) { layer.note = "bias kept digital: " + why; }

}  // namespace

void place_bias_in_rows(MappedLayer& layer) {
    if (layer.digital_bias.empty()) return;
    if (layer.stored.encoding == WeightEncoding::xnor) return keep_digital(layer, "xnor pairs hold no zero");
    int64_t largest = 0;
    for (int64_t b : layer.digital_bias) largest = std::max(largest, std::abs(b) / layer.input.scale);
    if (largest == 0) return;
    const int64_t weight = layer.stored.largest_weight, top = layer.input.driven_max;
    if (top < 1) return keep_digital(layer, "no input code is positive");
    const int64_t limit = std::max<int64_t>(256, layer.rows);
    if (largest / (weight * top) > limit)
        return keep_digital(layer, fmt::format("it would take {} rows, more than {}", largest / (weight * top), limit));

    layer.bias_drive = plan_drives(largest, weight, top);
    const size_t rows = layer.bias_drive.size();
    layer.bias_weights.resize(layer.digital_bias.size() * rows);
    for (size_t c = 0; c < layer.digital_bias.size(); ++c) {
        int64_t rest = layer.digital_bias[c];
        for (size_t r = 0; r < rows; ++r) {
            const int64_t unit = layer.input.scale * layer.bias_drive[r];
            const int64_t w = std::clamp(round_divide(rest, unit), -weight, weight);
            layer.bias_weights[c * rows + r] = static_cast<int32_t>(w);
            rest -= w * unit;
        }
        layer.digital_bias[c] = rest;
    }
    if (std::all_of(layer.digital_bias.begin(), layer.digital_bias.end(), [](int64_t b) { return b == 0; }))
        layer.digital_bias.clear();
    else
        layer.note = "the part of the bias that its rows cannot hold stays digital";
}

}  // namespace bitline
