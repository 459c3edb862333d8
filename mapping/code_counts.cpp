#include "mapping/code_counts.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/interrupt.h"
#include "mapping/convert.h"

namespace bitline {

namespace {

constexpr int kMostBits = 20;  // counts of 8 MiB

/// Converters whose results are codes, whatever those count as.
kernels::Converter bare(const kernels::Converter& converter) {
    kernels::Converter codes = converter;
    if (codes.transfer.value.empty()) return codes;
    codes.transfer.value.clear();
    kernels::lay_out(codes);
    return codes;
}

/// Counts the conversions of one block. Every cycle is read by itself, with a weight of 1 among zeros, so that it
/// draws the noise that it draws among the others.
void count_block(const LayerView& layer, const kernels::Converter& converter, const ChipBlock& block,
                 kernels::Drive drive, uint32_t number, const Vectors& vectors, Reading& reading, CodeCounts& counts) {
    const kernels::Readout readout = column_by_column(block.cells.cols);
    std::vector<int64_t> weight(static_cast<size_t>(drive.cycles), 0);
    drive.cycle_weight = weight.data();
    for (size_t cycle = 0; cycle < weight.size(); ++cycle) {
        weight[cycle] = 1;
        const int64_t clipped = convert_block(layer, converter, readout, block, drive, number, vectors, reading);
        weight[cycle] = 0;
        for (const int64_t code : reading.own) ++counts.count[static_cast<size_t>(code - counts.lo)];
        if (cycle == 0) counts.clipped += clipped;  // of all cycles, whatever their weight
    }
}

}  // namespace

CodeCounts& CodeCounts::operator+=(const CodeCounts& other) {
    lo = other.lo;
    count.resize(other.count.size());
    for (size_t code = 0; code < count.size(); ++code) count[code] += other.count[code];
    clipped += other.clipped;
    return *this;
}

CodeCounts count_codes(const Network& network, const Mapping& mapping, const Chip& chip, size_t layer,
                       std::span<const int32_t> codes, int64_t samples, int64_t first_sample) {
    const LayerView view = view_layer(network, mapping, chip, layer);
    if (view.chip.adc.bits > kMostBits)
        throw ConfigError(fmt::format("layer {}: converters of {} bits have too many codes to count, at most {} can be",
                                      view.plan.name, view.chip.adc.bits, kMostBits));
    CodeCounts counts;
    counts.lo = view.chip.adc.lo;
    counts.count.resize(static_cast<size_t>(view.chip.adc.hi - view.chip.adc.lo) + 1);
    const int64_t chunk = vectors_per_chunk(view), total = samples * view.plan.positions;
    Vectors vectors;
    Digits digits;
    Reading reading;
    for (int64_t first = 0; first < total; first += chunk) {
        check_interrupt();
        vectors.clear();
        vectors.add(first, std::min(chunk, total - first), view.plan.positions, first_sample);
        for (size_t a = 0; a < view.plan.arrays.size(); ++a) {
            const ArrayPlan& plan = view.plan.arrays[a];
            const ChipArray& array = view.chip.arrays[a];
            const Pack& pack = view.plan.packs[static_cast<size_t>(plan.pack)];
            gather(view, pack, codes, first_sample, vectors);
            const kernels::Converter converter = bare(array.converter);
            for (size_t part = 0; part < array.blocks.size(); ++part) {
                digitize(view, pack, array.blocks[part], vectors, false, digits);
                count_block(view, converter, array.blocks[part], kernel_drive(view, digits, vectors),
                            static_cast<uint32_t>(plan.first_block) + static_cast<uint32_t>(part), vectors, reading,
                            counts);
            }
        }
    }
    return counts;
}

}  // namespace bitline
