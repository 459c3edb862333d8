#include "mapping/compensation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <unordered_map>

#include "core/error.h"
#include "core/parallel.h"

namespace bitline {

namespace {

using DriftGain = CompensationOptions::DriftGain;

// ------------------------------------------------------------------------------------------------ columns

int32_t lowest_result(const AdcRange& adc) { return adc.values.empty() ? adc.lo : adc.values.front(); }
int32_t highest_result(const AdcRange& adc) { return adc.values.empty() ? adc.hi : adc.values.back(); }

/// A result at the end of the range may stand for any sum beyond it.
bool is_clipped(const AdcRange& adc, int32_t result) {
    return result <= lowest_result(adc) || result >= highest_result(adc);
}

/// What a perfect converter gives a column without current. A fitted value stands for the sums around 0, and is none of
/// the converter's errors.
double result_of_nothing(const AdcRange& adc) {
    if (adc.values.empty()) return 0;
    const auto crossed = std::upper_bound(adc.thresholds.begin(), adc.thresholds.end(), adc.offset);
    return adc.values[static_cast<size_t>(crossed - adc.thresholds.begin())];
}

int64_t sum_of_sizes(const std::vector<int64_t>& values) {
    int64_t sum = 0;
    for (const int64_t value : values) sum += std::abs(value);
    return sum;
}

/// No sum of codes of the layer exceeds it.
double largest_sum(const MappedLayer& plan, const ChipLayer& layer) {
    double weights = 0;
    for (const ChipArray& array : layer.arrays)
        weights +=
            static_cast<double>(sum_of_sizes(array.readout.column_weight)) * static_cast<double>(array.blocks.size());
    const double code =
        std::max(-static_cast<double>(lowest_result(layer.adc)), static_cast<double>(highest_result(layer.adc)));
    return weights * code * static_cast<double>(sum_of_sizes(plan.input.cycle_weight));
}

/// Bits behind the binary point that leave room for every sum.
int gain_bits(const MappedLayer& plan, const ChipLayer& layer, const std::vector<std::vector<double>>& gains) {
    constexpr int kMost = 12, kLeast = 6;
    double largest = 1;
    for (const auto& of_array : gains)
        for (const double gain : of_array) largest = std::max(largest, std::abs(gain));
    const int room = 61 - std::ilogb(largest_sum(plan, layer) * largest + 1);
    if (room < kLeast)
        throw ConfigError(fmt::format(
            "layer {}: compensation of single columns has no room in 64 bits beside codes of {} bits; use fewer bits "
            "or compensation.drift_gain=layer",
            plan.name, layer.adc.bits));
    return std::min(room, kMost);
}

// ------------------------------------------------------------------------------------------------ drift

/// Sums of |current| of the reads that neither time clips, in levels.
struct Currents {
    double fresh = 0, now = 0;
    double gain() const { return fresh > 0 && now > 0 ? fresh / now : 1.0; }
    void add(const Currents& other) {
        fresh += other.fresh;
        now += other.now;
    }
};

std::vector<Currents> column_currents(const ReferenceRead::Layer& fresh, const ReferenceRead::Layer& now, size_t array,
                                      size_t columns) {
    std::vector<int64_t> before(columns), after(columns);
    const std::vector<int32_t>&old_codes = fresh.codes[array], &new_codes = now.codes[array];
    for (size_t i = 0; i < old_codes.size(); ++i) {
        if (is_clipped(fresh.adc, old_codes[i]) || is_clipped(now.adc, new_codes[i])) continue;
        before[i % columns] += std::abs(old_codes[i]);
        after[i % columns] += std::abs(new_codes[i]);
    }
    std::vector<Currents> currents(columns);
    for (size_t c = 0; c < columns; ++c)
        currents[c] = {static_cast<double>(before[c]) * fresh.adc.unit(),
                       static_cast<double>(after[c]) * now.adc.unit()};
    return currents;
}

void set_gain(double gain, ChipLayer& layer) {
    layer.correction.gain = gain;
    layer.compensation.drift_gain.add(gain);
}

// ------------------------------------------------------------------------------------------------ gain and offset

/// Codes x over known sums y: x = x0 + a y, with x0 the mean code while no line is driven, less what it should be. It
/// is the codes that err: fitting y over x would take gain away for every error of a cell. And a free intercept would
/// answer for errors of large sums with an offset that counts in every cycle, most of which carry small ones.
struct Line {
    double silent = 0, silent_x = 0;  // reads without a driven line
    double n = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
    void add_silent(double px) {
        silent += 1;
        silent_x += px;
    }
    void add(double px, double py) {
        n += 1;
        x += px;
        y += py;
        xx += px * px;
        xy += px * py;
        yy += py * py;
    }
    double start() const { return silent > 0 ? silent_x / silent : 0.0; }
    /// 1 where the slope is not four times its standard error: a column of next to no current.
    double gain() const {
        constexpr double kCertain = 4;
        const double x0 = start();
        const double sxx = xx - 2 * x0 * x + n * x0 * x0, sxy = xy - x0 * y;
        if (!(n > 1 && sxy > 0)) return 1.0;
        const double residual = std::max(0.0, sxx * yy - sxy * sxy);
        return sxy * sxy * (n - 1) > kCertain * kCertain * residual ? yy / sxy : 1.0;
    }
    double offset() const { return -gain() * start(); }
};

std::vector<Line> fit_array(const Mapping& mapping, const Chip& nominal, const Chip& chip, size_t layer, size_t array,
                            const std::vector<double>& gains) {
    const ChipLayer& cells = chip.layers[layer];
    const int vectors = mapping.architecture.compensation.reference_vectors;
    const std::vector<int32_t> codes = read_codes(mapping, chip, layer, array, vectors);
    const std::vector<double> sums = read_exactly(mapping, nominal, layer, array, vectors);
    const double nothing = result_of_nothing(cells.adc);
    std::vector<Line> lines(gains.size());
    for (size_t i = 0; i < codes.size(); ++i) {
        const size_t c = i % gains.size();
        const auto vector = static_cast<int>(i / gains.size() % static_cast<size_t>(vectors));
        const double code = static_cast<double>(codes[i]) * gains[c] * cells.correction.gain;
        if (is_silent(vector)) {
            lines[c].add_silent(code - nothing * gains[c] * cells.correction.gain);
        } else if (!is_clipped(cells.adc, codes[i])) {
            lines[c].add(code, sums[i]);
        }
    }
    return lines;
}

/// What the offsets of an array's columns add to the sums of its pack, in levels.
void add_offsets(const MappedLayer& plan, const ChipArray& array, int32_t pack, const std::vector<Line>& lines,
                 double step, std::vector<double>& offset) {
    int64_t cycles = 0;
    for (const int64_t weight : plan.input.cycle_weight) cycles += weight;
    const double per_code = step * static_cast<double>(cycles) * static_cast<double>(array.blocks.size());
    std::vector<double> own(array.outputs.size());
    for (size_t c = 0; c < lines.size(); ++c)
        own[static_cast<size_t>(array.readout.column_output[c])] +=
            static_cast<double>(array.readout.column_weight[c]) * lines[c].offset() * per_code;
    const Pack& of = plan.packs[static_cast<size_t>(pack)];
    const auto first = static_cast<size_t>(of.first_group * plan.cols);
    if (array.reference >= 0 && own.size() == 1) {  // shared by the whole pack
        for (size_t o = 0; o < static_cast<size_t>(of.cols); ++o) offset[first + o] -= own[0];
        return;
    }
    for (size_t o = 0; o < own.size(); ++o) {
        if (array.outputs[o] < 0) continue;
        const double reference = array.reference >= 0 ? own[static_cast<size_t>(array.reference)] : 0.0;
        offset[first + static_cast<size_t>(array.outputs[o])] += own[o] - reference;
    }
}

// ------------------------------------------------------------------------------------------------ statistics

ChannelStatistics measure(std::span<const double> acc, int64_t samples, int64_t channels) {
    ChannelStatistics statistics;
    statistics.mean.resize(static_cast<size_t>(channels));
    statistics.deviation.resize(static_cast<size_t>(channels));
    const int64_t positions = static_cast<int64_t>(acc.size()) / (samples * channels);
    const auto count = static_cast<double>(samples * positions);
    parallel_for(channels, [&](int64_t channel) {
        const auto each = [&](auto&& body) {
            for (int64_t s = 0; s < samples; ++s)
                for (int64_t p = 0; p < positions; ++p)
                    body(acc[static_cast<size_t>((s * channels + channel) * positions + p)]);
        };
        double sum = 0, squares = 0;
        each([&](double x) { sum += x; });
        const double mean = sum / count;
        each([&](double x) { squares += (x - mean) * (x - mean); });
        statistics.mean[static_cast<size_t>(channel)] = mean;
        statistics.deviation[static_cast<size_t>(channel)] = std::sqrt(squares / count);
    });
    return statistics;
}

/// Hands the results of another engine to `seen` before they are used. All samples come as one block, which is cut for
/// the threads.
class ObservedEngine : public ProductEngine {
 public:
    using Observer = std::function<void(int node, std::span<double> acc)>;
    ObservedEngine(ProductEngine& engine, Observer seen) : engine_(engine), seen_(std::move(seen)) {}

    void product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples,
                 int64_t first_sample, std::span<double> acc) override {
        constexpr int64_t kBlock = 4;
        const size_t inputs = codes.size() / static_cast<size_t>(samples);
        const size_t outputs = acc.size() / static_cast<size_t>(samples);
        parallel_for((samples + kBlock - 1) / kBlock, [&](int64_t i) {
            const int64_t first = i * kBlock, count = std::min(kBlock, samples - first);
            const auto at = static_cast<size_t>(first), n = static_cast<size_t>(count);
            engine_.product(network, node, codes.subspan(at * inputs, n * inputs), count, first_sample + first,
                            acc.subspan(at * outputs, n * outputs));
        });
        seen_(node, acc);
    }

 private:
    ProductEngine& engine_;
    Observer seen_;
};

std::unordered_map<int, size_t> layers_by_node(const Mapping& mapping) {
    std::unordered_map<int, size_t> layers;
    for (size_t l = 0; l < mapping.layers.size(); ++l) layers[mapping.layers[l].node] = l;
    return layers;
}

int64_t channels_of(const Network& network, int node) {
    return std::get<MatVec>(network.nodes[static_cast<size_t>(node)].op).out_channels;
}

}  // namespace

void Summary::add(double value) { *this += Summary{value, value, value, 1}; }

Summary& Summary::operator+=(const Summary& other) {
    if (other.count == 0) return *this;
    least = count == 0 ? other.least : std::min(least, other.least);
    most = count == 0 ? other.most : std::max(most, other.most);
    sum += other.sum;
    count += other.count;
    return *this;
}

CompensationReport& CompensationReport::operator+=(const CompensationReport& other) {
    wire_gain += other.wire_gain;
    drift_gain += other.drift_gain;
    column_gain += other.column_gain;
    offset += other.offset;
    channel_scale += other.channel_scale;
    channel_shift += other.channel_shift;
    return *this;
}

ColumnGains gains_of_wires(const Chip& chip) {
    ColumnGains gains;
    for (const ChipLayer& layer : chip.layers) {
        gains.emplace_back();
        for (const ChipArray& array : layer.arrays) {
            gains.back().push_back(array.wire_gain);
            gains.back().back().resize(array.readout.column_weight.size(), 1.0);
        }
    }
    return gains;
}

void compensate_drift(const Mapping& mapping, const ReferenceRead& fresh, const ReferenceRead& now, Chip& chip,
                      ColumnGains& gains) {
    const DriftGain together = mapping.architecture.compensation.drift_gain;
    Currents of_chip;
    for (size_t l = 0; l < chip.layers.size(); ++l) {
        Currents of_layer;
        for (size_t a = 0; a < gains[l].size(); ++a) {
            const size_t columns = gains[l][a].size();
            const std::vector<Currents> currents = column_currents(fresh.layers[l], now.layers[l], a, columns);
            for (size_t c = 0; c < columns; ++c) {
                of_layer.add(currents[c]);
                if (together != DriftGain::column) continue;
                gains[l][a][c] *= currents[c].gain();
                chip.layers[l].compensation.drift_gain.add(currents[c].gain());
            }
        }
        if (together == DriftGain::layer) set_gain(of_layer.gain(), chip.layers[l]);
        of_chip.add(of_layer);
    }
    if (together != DriftGain::chip) return;
    for (ChipLayer& layer : chip.layers) set_gain(of_chip.gain(), layer);
}

void fit_columns(const Mapping& mapping, const Chip& nominal, Chip& chip, ColumnGains& gains) {
    for (size_t l = 0; l < chip.layers.size(); ++l) {
        const MappedLayer& plan = mapping.layers[l];
        ChipLayer& layer = chip.layers[l];
        std::vector<std::vector<Line>> lines(layer.arrays.size());
        parallel_for(static_cast<int64_t>(lines.size()), [&](int64_t i) {
            const auto a = static_cast<size_t>(i);
            lines[a] = fit_array(mapping, nominal, chip, l, a, gains[l][a]);
        });
        layer.correction.offset.assign(plan.weight_sums.size(), 0);
        for (size_t a = 0; a < lines.size(); ++a) {
            for (size_t c = 0; c < lines[a].size(); ++c) {
                gains[l][a][c] *= lines[a][c].gain();
                layer.compensation.column_gain.add(lines[a][c].gain());
            }
            add_offsets(plan, layer.arrays[a], plan.arrays[a].pack, lines[a], layer.adc.unit(),
                        layer.correction.offset);
        }
        for (const double offset : layer.correction.offset) layer.compensation.offset.add(offset);
    }
}

void apply_gains(const Mapping& mapping, const ColumnGains& gains, Chip& chip) {
    for (size_t l = 0; l < chip.layers.size(); ++l) {
        ChipLayer& layer = chip.layers[l];
        const int bits = gain_bits(mapping.layers[l], layer, gains[l]);
        layer.correction.gain_bits = bits;
        for (size_t a = 0; a < gains[l].size(); ++a) {
            std::vector<int64_t>& weight = layer.arrays[a].readout.column_weight;
            for (size_t c = 0; c < weight.size(); ++c)
                weight[c] = static_cast<int64_t>(
                    std::floor(std::ldexp(static_cast<double>(weight[c]) * gains[l][a][c], bits) + 0.5));
        }
    }
}

std::vector<ChannelStatistics> software_statistics(const Network& network, const Mapping& mapping,
                                                   const SampleReader& read, int64_t samples) {
    const std::unordered_map<int, size_t> layers = layers_by_node(mapping);
    std::vector<ChannelStatistics> statistics(mapping.layers.size());
    const auto exact = make_exact_engine(network);
    ObservedEngine engine(*exact, [&](int node, std::span<double> acc) {
        statistics[layers.at(node)] = measure(acc, samples, channels_of(network, node));
    });
    run(network, engine, read(0, samples), samples, 0);
    return statistics;
}

void match_statistics(const Network& network, const Mapping& mapping, const std::vector<ChannelStatistics>& wanted,
                      const SampleReader& read, int64_t samples, Chip& chip) {
    const std::unordered_map<int, size_t> layers = layers_by_node(mapping);
    ChipEngine reader(network, mapping, chip);
    ObservedEngine engine(reader, [&](int node, std::span<double> acc) {
        const size_t l = layers.at(node);
        const ChannelStatistics found = measure(acc, samples, channels_of(network, node));
        Correction& correction = chip.layers[l].correction;
        for (size_t c = 0; c < found.mean.size(); ++c) {
            const double scale = found.deviation[c] > 0 ? wanted[l].deviation[c] / found.deviation[c] : 1.0;
            correction.scale.push_back(scale);
            correction.shift.push_back(wanted[l].mean[c] - scale * found.mean[c]);
            chip.layers[l].compensation.channel_scale.add(scale);
            chip.layers[l].compensation.channel_shift.add(correction.shift.back());
        }
        const size_t channels = found.mean.size(), positions = acc.size() / (static_cast<size_t>(samples) * channels);
        for (size_t i = 0; i < acc.size(); ++i) {
            const size_t c = i / positions % channels;
            acc[i] = acc[i] * correction.scale[c] + correction.shift[c];
        }
    });
    run(network, engine, read(0, samples), samples, 0);
}

ChipMaker::ChipMaker(const Network& network, const Mapping& mapping, SampleReader read, int64_t samples, uint64_t seed)
    : ChipMaker(network, mapping,
                mapping.architecture.adc.range == AdcOptions::Range::calibrated
                    ? calibrate_ranges(network, mapping, read, samples)
                    : static_ranges(mapping),
                read, samples, seed) {}

ChipMaker::ChipMaker(const Network& network, const Mapping& mapping, std::vector<AdcRange> ranges, SampleReader read,
                     int64_t samples, uint64_t seed)
    : network_(network),
      mapping_(mapping),
      options_(mapping.architecture.compensation),
      read_(std::move(read)),
      samples_(samples),
      seed_(seed),
      ranges_(std::move(ranges)) {
    if (options_.batch_norm && samples < 2)
        throw ConfigError(fmt::format(
            "compensation.batch_norm = true needs at least 2 calibration samples for a deviation, and there is {}",
            samples));
    if (options_.batch_norm) wanted_ = software_statistics(network, mapping, read_, samples_);
}

void ChipMaker::read_for(Purpose purpose, uint32_t number, Chip& chip) const {
    const StreamKey key = stream_key(seed_, number, purpose);
    chip.read_with(uint64_t{key.k1} << 32 | key.k0, number);
}

const ReferenceRead& ChipMaker::fresh_read(uint32_t number, double temperature) {
    if (!fresh_ || fresh_->number != number || fresh_->temperature != temperature) {
        Chip chip = program(mapping_, ranges_, seed_, number, {0, temperature});
        read_for(Purpose::first_reference_read, number, chip);
        fresh_ = Fresh{number, temperature, read_reference(mapping_, chip, options_.reference_vectors)};
    }
    return fresh_->read;
}

void ChipMaker::compensate_columns(uint32_t number, const Conditions& conditions, Chip& chip) {
    ColumnGains gains = gains_of_wires(chip);
    for (ChipLayer& layer : chip.layers)
        for (const ChipArray& array : layer.arrays)
            for (const double gain : array.wire_gain) layer.compensation.wire_gain.add(gain);
    if (options_.drift_gain != DriftGain::none) {
        const ReferenceRead& fresh = fresh_read(number, conditions.temperature);
        read_for(Purpose::reference_read, number, chip);
        const ReferenceRead now = read_reference(mapping_, chip, options_.reference_vectors);
        compensate_drift(mapping_, fresh, now, chip, gains);
    }
    if (options_.column_affine) {
        std::vector<AdcRange> ranges;
        for (const ChipLayer& layer : chip.layers) ranges.push_back(layer.adc);
        read_for(Purpose::affine_read, number, chip);
        fit_columns(mapping_, program_nominal(mapping_, ranges), chip, gains);
    }
    if (options_.drift_gain == DriftGain::column || options_.column_affine ||
        options_.wires != CompensationOptions::Wires::none)
        apply_gains(mapping_, gains, chip);
}

Chip ChipMaker::make(uint32_t number, const Conditions& conditions, Chip worn) {
    Chip chip = program(mapping_, ranges_, seed_, number, conditions, std::move(worn));
    if (options_.adc_ranges) {
        const std::vector<AdcRange> ranges = recalibrate_ranges(network_, mapping_, chip, read_, samples_);
        chip = program(mapping_, ranges, seed_, number, conditions, std::move(chip));
    }
    compensate_columns(number, conditions, chip);
    if (options_.batch_norm) {
        read_for(Purpose::statistics_read, number, chip);
        match_statistics(network_, mapping_, wanted_, read_, samples_, chip);
    }
    chip.read_with(seed_, number);
    return chip;
}

}  // namespace bitline
