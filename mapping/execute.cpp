#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/kernels/stages.h"
#include "mapping/chip.h"
#include "mapping/convert.h"
#include "mapping/drive.h"
#include "mapping/sign_readout.h"

namespace bitline {

namespace {

/// Sums of one pack in the units that the digital side keeps apart.
struct Sums {
    std::vector<int64_t> codes;       // (vectors x outputs of the pack), code * significance
    std::vector<int64_t> levels;      // (vectors x outputs), whole levels that are known exactly
    std::vector<int64_t> background;  // (vectors x outputs), see Digits::background
    std::vector<int64_t> thresholds;  // (vectors x outputs), how often the threshold of a sense amplifier counts
    std::vector<int64_t> reference;   // (vectors), codes of a reference shared by the whole pack

    void reset(size_t vectors, size_t outputs) {
        for (auto* sums : {&codes, &levels, &background, &thresholds}) sums->assign(vectors * outputs, 0);
        reference.assign(vectors, 0);
    }
};

struct Scratch {
    Vectors vectors;
    Digits digits;
    Sums sums;
    Reading reading;
};

int64_t sum_of(const std::vector<int64_t>& values) {
    int64_t sum = 0;
    for (int64_t v : values) sum += v;
    return sum;
}

/// Adds what one array contributed to the sums of its pack.
void scatter(const LayerView& layer, const ChipArray& array, int64_t outputs, Scratch& scratch) {
    const size_t own_outputs = array.outputs.size();
    Sums& sums = scratch.sums;
    const bool counts_threshold =
        layer.chip.adc.one_bit && !layer.chip.adc.votes && !layer.plan.stored.reference_columns;
    const int64_t cycle_weights = sum_of(layer.plan.input.cycle_weight);
    for (size_t i = 0; i < scratch.vectors.size(); ++i) {
        const int64_t* own = scratch.reading.own.data() + i * own_outputs;
        if (array.reference >= 0 && own_outputs == 1) {
            sums.reference[i] += own[0];
            continue;
        }
        const int64_t reference = array.reference >= 0 ? own[array.reference] : 0;
        for (size_t o = 0; o < own_outputs; ++o) {
            if (array.outputs[o] < 0) continue;
            const size_t at = i * static_cast<size_t>(outputs) + static_cast<size_t>(array.outputs[o]);
            sums.codes[at] += own[o] - reference;
            sums.levels[at] += array.input_weight[o] * scratch.digits.driven_sum[i];
            if (array.corrects_background) sums.background[at] += array.background[o] * scratch.digits.background[i];
            if (counts_threshold) sums.thresholds[at] += array.background[o] * cycle_weights;
        }
    }
}

/// Drives one part of the rows and reads every array that shares them. Returns the number of clipped conversions.
int64_t convert_part(const LayerView& layer, const Pack& pack, size_t first_array, size_t end_array, size_t part,
                     Scratch& scratch) {
    const std::span arrays(layer.chip.arrays.data() + first_array, end_array - first_array);
    const bool background = std::any_of(arrays.begin(), arrays.end(), [](auto& a) { return a.corrects_background; });
    {
        const StageTimer timer(&StageTicks::input);
        digitize(layer, pack, arrays[0].blocks[part], scratch.vectors, background, scratch.digits);
    }
    const kernels::Drive drive = kernel_drive(layer, scratch.digits, scratch.vectors);
    int64_t clipped = 0;
    for (size_t a = 0; a < arrays.size(); ++a) {
        const auto number =
            static_cast<uint32_t>(layer.plan.arrays[first_array + a].first_block) + static_cast<uint32_t>(part);
        clipped += convert_block(layer, arrays[a].converter, arrays[a].readout, arrays[a].blocks[part], drive, number,
                                 scratch.vectors, scratch.reading);
        scatter(layer, arrays[a], pack.cols, scratch);
    }
    return clipped;
}

/// sum w x + bias from the sums of a pack: levels = codes * unit, background and input corrections, then the integer
/// relation between driven codes and inputs. The order of the double operations is fixed.
void assemble(const LayerView& layer, const Pack& pack, const Scratch& scratch, int64_t first_sample,
              std::span<double> acc) {
    const Sums& sums = scratch.sums;
    const MappedLayer& plan = layer.plan;
    const AdcRange& adc = layer.chip.adc;
    const Correction& correction = layer.chip.correction;
    const double per_code = adc.unit() * correction.gain * std::ldexp(1.0, -correction.gain_bits);
    const double per_background = adc.lossless ? 1.0 : 1.0 / static_cast<double>(plan.grid.level_step);
    const auto scale = static_cast<double>(plan.input.scale);
    for (int64_t o = 0; o < pack.cols; ++o) {
        const int64_t channel = pack.first_group * plan.cols + o;
        int64_t constant = -plan.input.center * plan.weight_sums[static_cast<size_t>(channel)];
        if (!plan.digital_bias.empty()) constant += plan.digital_bias[static_cast<size_t>(channel)];
        const auto c = static_cast<size_t>(channel);
        const double offset = correction.offset.empty() ? 0.0 : correction.offset[c];
        const double factor = correction.scale.empty() ? 1.0 : correction.scale[c];
        const double shift = correction.shift.empty() ? 0.0 : correction.shift[c];
        for (size_t i = 0; i < scratch.vectors.size(); ++i) {
            const size_t at = i * static_cast<size_t>(pack.cols) + static_cast<size_t>(o);
            double levels = static_cast<double>(sums.codes[at] - sums.reference[i]) * per_code;
            levels += static_cast<double>(sums.levels[at]);
            levels -= static_cast<double>(sums.background[at]) * per_background;
            levels += static_cast<double>(sums.thresholds[at]) * adc.threshold;
            levels += offset;
            const int64_t sample = int64_t{scratch.vectors.sample[i]} - first_sample;
            const int64_t row = (sample * layer.op.out_channels + channel) * plan.positions;
            acc[static_cast<size_t>(row) + scratch.vectors.position[i]] =
                (levels * scale + static_cast<double>(constant)) * factor + shift;
        }
    }
}

/// Where comparators decide, the sum that stands for their votes.
void count_votes(const LayerView& layer, const Pack& pack, const Scratch& scratch, int64_t first_sample,
                 std::span<double> acc) {
    const auto& output = std::get<ThresholdOutput>(layer.op.output);
    for (int64_t o = 0; o < pack.cols; ++o) {
        const int64_t channel = pack.first_group * layer.plan.cols + o;
        for (size_t i = 0; i < scratch.vectors.size(); ++i) {
            const size_t at = i * static_cast<size_t>(pack.cols) + static_cast<size_t>(o);
            const int64_t sample = int64_t{scratch.vectors.sample[i]} - first_sample;
            const int64_t row = (sample * layer.op.out_channels + channel) * layer.plan.positions;
            acc[static_cast<size_t>(row) + scratch.vectors.position[i]] =
                sum_of_votes(output, channel, scratch.sums.codes[at]);
        }
    }
}

/// One chunk of vectors through all arrays of one pack, whose first array is `array`.
int64_t convert_pack(const LayerView& layer, size_t pack, size_t array, Scratch& scratch) {
    const Pack& plan = layer.plan.packs[pack];
    scratch.sums.reset(scratch.vectors.size(), static_cast<size_t>(plan.cols));
    int64_t clipped = 0;
    while (array < layer.plan.arrays.size() && static_cast<size_t>(layer.plan.arrays[array].pack) == pack) {
        const size_t end = end_of_row_tile(layer.plan, array);
        for (size_t part = 0; part < layer.chip.arrays[array].blocks.size(); ++part)
            clipped += convert_part(layer, plan, array, end, part, scratch);
        array = end;
    }
    return clipped;
}

/// A whole layer for a block of samples.
int64_t run_layer(const LayerView& layer, std::span<const int32_t> codes, int64_t samples, int64_t first_sample,
                  std::span<double> acc) {
    thread_local Scratch scratch;
    const int64_t chunk = vectors_per_chunk(layer), total = samples * layer.plan.positions;
    int64_t clipped = 0;
    size_t array = 0;
    for (size_t p = 0; p < layer.plan.packs.size(); ++p) {
        while (static_cast<size_t>(layer.plan.arrays[array].pack) != p) ++array;
        for (int64_t first = 0; first < total; first += chunk) {
            scratch.vectors.clear();
            scratch.vectors.add(first, std::min(chunk, total - first), layer.plan.positions, first_sample);
            {
                const StageTimer timer(&StageTicks::input);
                gather(layer, layer.plan.packs[p], codes, first_sample, scratch.vectors);
            }
            clipped += convert_pack(layer, p, array, scratch);
            const auto finish = layer.chip.adc.votes ? count_votes : assemble;
            finish(layer, layer.plan.packs[p], scratch, first_sample, acc);
        }
    }
    return clipped;
}

int64_t conversions_per_sample(const LayerView& layer) {
    int64_t conversions = 0;
    for (const ChipArray& array : layer.chip.arrays)
        conversions += static_cast<int64_t>(array.blocks.size() * array.readout.column_output.size());
    return conversions * layer.plan.input.cycles() * layer.plan.positions;
}

LayerRecord compare(std::span<const double> chip, std::span<const double> exact) {
    LayerRecord record;
    for (size_t i = 0; i < chip.size(); ++i) {
        const double difference = chip[i] - exact[i];
        record.signal += exact[i] * exact[i];
        record.error += difference * difference;
    }
    return record;
}

/// The same of decisions, +1 where a threshold is crossed and -1 where not.
LayerRecord compare_decisions(const MatVec& op, std::span<const double> chip, std::span<const double> exact) {
    const auto& output = std::get<ThresholdOutput>(op.output);
    const size_t positions = chip.size() / static_cast<size_t>(op.out_channels);
    LayerRecord record;
    for (size_t i = 0; i < chip.size(); ++i) {
        const auto channel = static_cast<int64_t>(i / positions);
        record.signal += 1;
        if (crosses(output, channel, chip[i]) != crosses(output, channel, exact[i])) record.error += 4;
    }
    return record;
}

}  // namespace

struct ChipEngine::Impl {
    const Network& network;
    const Mapping& mapping;
    const Chip& chip;
    std::unordered_map<int, size_t> layer_of_node;
    ProductEngine* exact = nullptr;
    std::span<LayerRecord> records;
    int64_t first_recorded = 0;
};

ChipEngine::ChipEngine(const Network& network, const Mapping& mapping, const Chip& chip)
    : impl_(new Impl{network, mapping, chip, {}, nullptr, {}, 0}) {
    for (size_t l = 0; l < mapping.layers.size(); ++l) impl_->layer_of_node[mapping.layers[l].node] = l;
}

ChipEngine::~ChipEngine() = default;

void ChipEngine::compare_with(ProductEngine& exact, std::span<LayerRecord> records, int64_t first_sample) {
    impl_->exact = &exact;
    impl_->records = records;
    impl_->first_recorded = first_sample;
}

void ChipEngine::product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples,
                         int64_t first_sample, std::span<double> acc) {
    const size_t l = impl_->layer_of_node.at(node);
    const LayerView layer = view_layer(impl_->network, impl_->mapping, impl_->chip, l);
    const int64_t clipped = run_layer(layer, codes, samples, first_sample, acc);
    if (!impl_->exact) return;
    std::vector<double> exact(acc.size());
    impl_->exact->product(network, node, codes, samples, first_sample, exact);
    const size_t size = acc.size() / static_cast<size_t>(samples);
    for (size_t s = 0; s < static_cast<size_t>(samples); ++s) {
        const std::span<const double> of_chip = acc.subspan(s * size, size);
        const auto of_exact = std::span<const double>(exact).subspan(s * size, size);
        LayerRecord record =
            layer.chip.adc.votes ? compare_decisions(layer.op, of_chip, of_exact) : compare(of_chip, of_exact);
        record.clipped = s == 0 ? clipped : 0;  // counted per block: only totals are reported
        record.conversions = conversions_per_sample(layer);
        const auto slot = static_cast<size_t>(first_sample - impl_->first_recorded) + s;
        impl_->records[slot * impl_->mapping.layers.size() + l] = record;
    }
}

}  // namespace bitline
