#include "mapping/clipping.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "mapping/drive.h"

namespace bitline {

namespace {

/// Replaces what codes count as: `low` below the range, 0 within, `high` above it. It decides by the same converters,
/// so the noise of a conversion is the same.
kernels::Converter counting(const kernels::Converter& converter, int32_t low, int32_t high) {
    kernels::Converter counter = converter;
    counter.lo = 0;
    counter.hi = 2;
    counter.transfer = {};
    counter.transfer.value = {low, 0, high};
    const size_t each = static_cast<size_t>(converter.hi - converter.lo) + 2;
    const auto add = [&](double first, double last) {
        for (const double t : {first - 1, first, last, last + 1}) counter.transfer.threshold.push_back(t);
    };
    if (converter.has_transfer()) {
        counter.transfer.converter = converter.transfer.converter;
        const std::vector<double>& all = converter.transfer.threshold;
        for (size_t i = 0; i < all.size(); i += each) add(all[i], all[i + each - 1]);
    } else {
        counter.transfer.converter.assign(converter.inv_step.size(), 0);
        add(converter.lo - 0.5, converter.hi + 0.5);
    }
    counter.wide = counter.wide || kernels::largest_threshold(counter) > kernels::kLargestNarrowCode;
    kernels::lay_out(counter);
    return counter;
}

struct Counter {
    kernels::Converter converter;
    kernels::Readout readout;
};

kernels::Readout magnitudes(kernels::Readout readout) {
    for (int64_t& weight : readout.column_weight) weight = std::abs(weight);
    return readout;
}

/// Sums over the arrays of one pack, (vectors x outputs of the pack).
struct ClipSums {
    std::vector<int64_t> clipped, limits;
    std::vector<int64_t> all;  // (outputs), significance of a vector's conversions
};

void add_own(const ChipArray& array, const std::vector<int64_t>& own, int64_t outputs, std::vector<int64_t>& sums) {
    const size_t count = array.outputs.size();
    for (size_t i = 0; i < own.size(); ++i) {
        const int32_t output = array.outputs[i % count];
        if (output >= 0) sums[i / count * static_cast<size_t>(outputs) + static_cast<size_t>(output)] += own[i];
    }
}

int64_t magnitude_of(const InputPlan& input) {
    int64_t sum = 0;
    for (const int64_t weight : input.cycle_weight) sum += std::abs(weight);
    return sum;
}

/// One block of one array for all vectors.
void count_block(const LayerView& layer, const ChipArray& array, const ChipBlock& block, kernels::Drive drive,
                 uint32_t number, int64_t outputs, bool with_limits, ClipSums& sums) {
    const kernels::Noise noise{layer.noise, number};
    const auto vectors = static_cast<size_t>(drive.vectors);
    std::vector<int64_t> own(vectors * array.outputs.size(), 0), cycle_weight;
    const auto convert = [&](int32_t low, int32_t high, const kernels::Readout& readout) {
        std::fill(own.begin(), own.end(), 0);
        kernels::active().convert(block.cells, counting(array.converter, low, high), readout, drive, &noise,
                                  own.data());
    };
    if (with_limits) {
        convert(array.converter.lo, array.converter.hi, array.readout);
        add_own(array, own, outputs, sums.limits);
    }
    for (int c = 0; c < drive.cycles; ++c) cycle_weight.push_back(std::abs(drive.cycle_weight[c]));
    drive.cycle_weight = cycle_weight.data();
    convert(1, 1, magnitudes(array.readout));
    add_own(array, own, outputs, sums.clipped);
    for (size_t c = 0; c < array.readout.column_output.size(); ++c) {
        const int32_t output = array.outputs[static_cast<size_t>(array.readout.column_output[c])];
        if (output >= 0)
            sums.all[static_cast<size_t>(output)] +=
                std::abs(array.readout.column_weight[c]) * magnitude_of(layer.plan.input);
    }
}

void count_pack(const LayerView& layer, size_t p, size_t array, const Vectors& vectors, bool with_limits,
                ClipSums& sums) {
    const Pack& pack = layer.plan.packs[p];
    Digits digits;
    while (array < layer.plan.arrays.size() && static_cast<size_t>(layer.plan.arrays[array].pack) == p) {
        const size_t end = end_of_row_tile(layer.plan, array);
        for (size_t part = 0; part < layer.chip.arrays[array].blocks.size(); ++part) {
            digitize(layer, pack, layer.chip.arrays[array].blocks[part], vectors, false, digits);
            const kernels::Drive drive = kernel_drive(layer, digits, vectors);
            for (size_t a = array; a < end; ++a) {
                const auto number =
                    static_cast<uint32_t>(layer.plan.arrays[a].first_block) + static_cast<uint32_t>(part);
                count_block(layer, layer.chip.arrays[a], layer.chip.arrays[a].blocks[part], drive, number, pack.cols,
                            with_limits, sums);
            }
        }
        array = end;
    }
}

}  // namespace

ClipMeter::ClipMeter(const Network& network, const Mapping& mapping, const Chip& chip)
    : network_(network), mapping_(mapping), chip_(chip) {}

void ClipMeter::measure(size_t index, std::span<const int32_t> codes, int64_t samples, int64_t first_sample,
                        std::span<float> share, std::span<float> limits) const {
    const LayerView layer = view_layer(network_, mapping_, chip_, index);
    std::fill(share.begin(), share.end(), 0.0F);
    std::fill(limits.begin(), limits.end(), 0.0F);
    if (layer.chip.adc.one_bit) return;  // a comparator has no range
    const Correction& correction = layer.chip.correction;
    const double per_code = layer.chip.adc.unit() * correction.gain * std::ldexp(1.0, -correction.gain_bits) *
                            static_cast<double>(layer.plan.input.scale);
    const int64_t chunk = vectors_per_chunk(layer), total = samples * layer.plan.positions;
    Vectors vectors;
    size_t array = 0;
    for (size_t p = 0; p < layer.plan.packs.size(); ++p) {
        const Pack& pack = layer.plan.packs[p];
        while (static_cast<size_t>(layer.plan.arrays[array].pack) != p) ++array;
        for (int64_t first = 0; first < total; first += chunk) {
            vectors.clear();
            vectors.add(first, std::min(chunk, total - first), layer.plan.positions, first_sample);
            gather(layer, pack, codes, first_sample, vectors);
            ClipSums sums;
            sums.clipped.assign(vectors.size() * static_cast<size_t>(pack.cols), 0);
            sums.limits.assign(limits.empty() ? 0 : sums.clipped.size(), 0);
            sums.all.assign(static_cast<size_t>(pack.cols), 0);
            count_pack(layer, p, array, vectors, !limits.empty(), sums);
            for (size_t i = 0; i < sums.clipped.size(); ++i) {
                const size_t vector = i / static_cast<size_t>(pack.cols), o = i % static_cast<size_t>(pack.cols);
                const int64_t channel = pack.first_group * layer.plan.cols + static_cast<int64_t>(o);
                const int64_t row =
                    ((int64_t{vectors.sample[vector]} - first_sample) * layer.op.out_channels + channel) *
                    layer.plan.positions;
                const size_t at = static_cast<size_t>(row) + vectors.position[vector];
                share[at] = static_cast<float>(static_cast<double>(sums.clipped[i]) / static_cast<double>(sums.all[o]));
                if (!limits.empty()) limits[at] = static_cast<float>(static_cast<double>(sums.limits[i]) * per_code);
            }
        }
    }
}

}  // namespace bitline
