#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "core/parallel.h"
#include "mapping/chip.h"
#include "mapping/drive.h"

namespace bitline {

namespace {

constexpr int64_t kBins = 65536;       // at most; one level per bin where that suffices
constexpr int64_t kPositions = 64;     // vectors per sample and layer: more of one image add little
constexpr int64_t kSamplesAtOnce = 8;  // bounds the memory for the values of the reference run

SumHistogram empty_histogram(const MappedLayer& layer) {
    SumHistogram histogram;
    const int64_t span = layer.bounds.high - layer.bounds.low + 1;
    histogram.low = layer.bounds.low;
    histogram.width = (span + kBins - 1) / kBins;
    histogram.bins = (span + histogram.width - 1) / histogram.width;
    for (const ArrayPlan& array : layer.arrays)
        for (const Column& column : array.columns)
            for (int64_t weight : layer.input.cycle_weight)
                histogram.classes = std::max(histogram.classes, static_cast<int>(std::bit_width(static_cast<uint64_t>(
                                                                    std::abs(column.weight) * std::abs(weight)))));
    histogram.count.assign(static_cast<size_t>(histogram.classes * histogram.bins), 0);
    return histogram;
}

/// Positions spread over the output, an odd stride apart so that no column of an image is favoured.
Vectors pick_vectors(const MappedLayer& layer, int64_t samples, int64_t first_sample) {
    Vectors vectors;
    const int64_t stride = layer.positions <= kPositions ? 1 : (layer.positions / kPositions) | 1;
    for (int64_t s = 0; s < samples; ++s)
        for (int64_t p = 0; p < layer.positions; p += stride)
            vectors.add(s * layer.positions + p, 1, layer.positions, first_sample);
    return vectors;
}

Vectors slice(const Vectors& all, size_t first, size_t count) {
    Vectors part;
    part.sample.assign(all.sample.begin() + static_cast<std::ptrdiff_t>(first),
                       all.sample.begin() + static_cast<std::ptrdiff_t>(first + count));
    part.position.assign(all.position.begin() + static_cast<std::ptrdiff_t>(first),
                         all.position.begin() + static_cast<std::ptrdiff_t>(first + count));
    return part;
}

int exponent(int64_t weight) { return std::bit_width(static_cast<uint64_t>(std::abs(weight))) - 1; }

/// Sums in grid steps are counted at their nearest level: the odd step keeps nominal ones 1 / (2 step) of a level away
/// from ties, and the product with 1 / step errs by far less. `unit`: what a level has become with age.
void count_sums(const LayerView& layer, const ChipArray& array, const std::vector<int64_t>& sums, size_t vectors,
                double unit, SumHistogram& histogram) {
    const std::vector<int64_t>& column_weight = array.readout.column_weight;
    std::vector<int64_t> first_bin;  // (columns) of the class that the column has in a cycle of weight 1
    for (int64_t weight : column_weight) first_bin.push_back(exponent(weight) * histogram.bins);
    const double per_step = 1.0 / (layer.plan.grid.level_step * unit);
    const double per_bin = 1.0 / static_cast<double>(histogram.width);
    constexpr double kPositive = 1 << 30;  // levels are fewer: truncating what is positive rounds down
    const double low = static_cast<double>(histogram.low) + kPositive - 0.5;
    const int64_t last = histogram.bins - 1;
    const int64_t* sum = sums.data();
    for (size_t v = 0; v < vectors; ++v)
        for (int64_t cycle : layer.plan.input.cycle_weight) {
            int64_t* count = histogram.count.data() + exponent(cycle) * histogram.bins;
            for (size_t c = 0; c < column_weight.size(); ++c) {
                const auto level = static_cast<int64_t>(static_cast<double>(*sum++) * per_step - low + 2 * kPositive) -
                                   static_cast<int64_t>(kPositive);
                const int64_t bin =
                    histogram.width == 1
                        ? level
                        : static_cast<int64_t>(static_cast<double>(std::max<int64_t>(level, 0)) * per_bin);
                ++count[first_bin[c] + std::clamp<int64_t>(bin, 0, last)];
            }
        }
}

/// Is told the sums of one part of an array, (vectors x cycles x columns) in grid steps.
using SumObserver = std::function<void(const ChipArray& array, const std::vector<int64_t>& sums, size_t vectors)>;

void sum_chunk(const LayerView& layer, std::span<const int32_t> codes, int64_t first_sample, Vectors& vectors,
               const SumObserver& seen) {
    Digits digits;
    std::vector<int64_t> sums;
    int32_t pack = -1;
    for (size_t begin = 0; begin < layer.plan.arrays.size();) {
        const size_t end = end_of_row_tile(layer.plan, begin);
        if (layer.plan.arrays[begin].pack != pack) {
            pack = layer.plan.arrays[begin].pack;
            gather(layer, layer.plan.packs[static_cast<size_t>(pack)], codes, first_sample, vectors);
        }
        for (size_t part = 0; part < layer.chip.arrays[begin].blocks.size(); ++part) {
            digitize(layer, layer.plan.packs[static_cast<size_t>(pack)], layer.chip.arrays[begin].blocks[part], vectors,
                     false, digits);
            const kernels::Drive drive = kernel_drive(layer, digits, vectors);
            for (size_t a = begin; a < end; ++a) {
                const kernels::Block& cells = layer.chip.arrays[a].blocks[part].cells;
                sums.resize(vectors.size() * static_cast<size_t>(drive.cycles) * static_cast<size_t>(cells.cols));
                kernels::active().sums(cells, drive, sums.data());
                seen(layer.chip.arrays[a], sums, vectors.size());
            }
        }
        begin = end;
    }
}

void sum_samples(const LayerView& layer, std::span<const int32_t> codes, int64_t samples, int64_t first_sample,
                 const SumObserver& seen) {
    const Vectors all = pick_vectors(layer.plan, samples, first_sample);
    const auto chunk = static_cast<size_t>(vectors_per_chunk(layer));
    for (size_t first = 0; first < all.size(); first += chunk) {
        Vectors part = slice(all, first, std::min(chunk, all.size() - first));
        sum_chunk(layer, codes, first_sample, part, seen);
    }
}

double mean_size(const LayerView& layer, std::span<const int32_t> codes, int64_t samples) {
    double size = 0;
    sum_samples(layer, codes, samples, 0, [&](const ChipArray&, const std::vector<int64_t>& sums, size_t) {
        int64_t of_part = 0;
        for (const int64_t sum : sums) of_part += std::abs(sum);
        size += static_cast<double>(of_part);
    });
    return size;
}

/// What a level of the nominal chip is on this one: 1 as programmed, less after drift.
double level_unit(const LayerView& nominal, const LayerView& aged, std::span<const int32_t> codes, int64_t samples) {
    const double before = mean_size(nominal, codes, samples), now = mean_size(aged, codes, samples);
    return before > 0 && now > 0 ? now / before : 1.0;
}

/// Codes that the integer reference feeds every layer.
struct LayerCodes {
    std::vector<Block> values;
    int64_t first = 0, count = 0;
    std::span<const int32_t> of(const Network& network, const LayerView& layer) const {
        const int value = network.nodes[static_cast<size_t>(layer.plan.node)].inputs.at(0);
        return values[static_cast<size_t>(value)].codes;
    }
};

/// body(layer, codes) for every layer and block of samples, the layers side by side.
void for_codes(const Network& network, const Mapping& mapping, const SampleReader& read, int64_t samples,
               const std::function<void(size_t layer, const LayerCodes& codes)>& body) {
    const auto exact = make_exact_engine(network);
    for (int64_t first = 0; first < samples; first += kSamplesAtOnce) {
        LayerCodes codes;
        codes.first = first;
        codes.count = std::min(kSamplesAtOnce, samples - first);
        run(network, *exact, read(first, codes.count), codes.count, first, &codes.values);
        parallel_for(static_cast<int64_t>(mapping.layers.size()),
                     [&](int64_t l) { body(static_cast<size_t>(l), codes); });
    }
}

/// Ranges of a chip on which a level of layer l is `unit[l]` nominal levels.
std::vector<AdcRange> calibrate(const Network& network, const Mapping& mapping, const Chip& chip,
                                const std::vector<double>& unit, const SampleReader& read, int64_t samples) {
    std::vector<SumHistogram> histograms;
    for (const MappedLayer& layer : mapping.layers) histograms.push_back(empty_histogram(layer));
    for_codes(network, mapping, read, samples, [&](size_t l, const LayerCodes& codes) {
        const LayerView layer = view_layer(network, mapping, chip, l);
        sum_samples(layer, codes.of(network, layer), codes.count, codes.first,
                    [&](const ChipArray& array, const std::vector<int64_t>& sums, size_t vectors) {
                        count_sums(layer, array, sums, vectors, unit[l], histograms[l]);
                    });
    });
    std::vector<AdcRange> ranges;
    for (size_t l = 0; l < mapping.layers.size(); ++l) {
        const MappedLayer& layer = mapping.layers[l];
        AdcRange range =
            layer.sign ? comparator_range() : calibrated_range(mapping.architecture.adc, layer.bounds, histograms[l]);
        range.step *= unit[l];
        range.value_unit *= unit[l];
        range.threshold *= unit[l];
        range.lossless = range.lossless && unit[l] == 1;
        ranges.push_back(range);
    }
    return ranges;
}

}  // namespace

std::vector<AdcRange> static_ranges(const Mapping& mapping) {
    std::vector<AdcRange> ranges;
    for (const MappedLayer& layer : mapping.layers)
        ranges.push_back(layer.sign ? comparator_range() : static_range(mapping.architecture.adc, layer.bounds));
    return ranges;
}

std::vector<AdcRange> calibrate_ranges(const Network& network, const Mapping& mapping, const SampleReader& read,
                                       int64_t samples) {
    const std::vector<double> whole(mapping.layers.size(), 1.0);
    return calibrate(network, mapping, program_ideal(mapping), whole, read, samples);
}

std::vector<AdcRange> recalibrate_ranges(const Network& network, const Mapping& mapping, const Chip& chip,
                                         const SampleReader& read, int64_t samples) {
    const Chip nominal = program_ideal(mapping);
    std::vector<double> unit(mapping.layers.size(), 1.0);
    for_codes(network, mapping, read, std::min(samples, kSamplesAtOnce), [&](size_t l, const LayerCodes& codes) {
        const LayerView before = view_layer(network, mapping, nominal, l), now = view_layer(network, mapping, chip, l);
        unit[l] = level_unit(before, now, codes.of(network, now), codes.count);
    });
    return calibrate(network, mapping, chip, unit, read, samples);
}

}  // namespace bitline
