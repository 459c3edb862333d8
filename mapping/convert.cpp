#include "mapping/convert.h"

#include <numeric>

#include "core/kernels/stages.h"

namespace bitline {

namespace {

/// First vector behind those that see the same conductances as vector `first`.
size_t end_of_moment(const LayerView& layer, const Vectors& vectors, size_t first) {
    if (!layer.chip.wanders) return vectors.size();
    size_t end = first + 1;
    if (wanders_by_product(layer.read_noise)) return end;
    while (end < vectors.size() && vectors.sample[end] == vectors.sample[first]) ++end;
    return end;
}

}  // namespace

kernels::Readout column_by_column(int cols) {
    kernels::Readout readout;
    readout.outputs = cols;
    readout.column_weight.assign(static_cast<size_t>(cols), 1);
    readout.column_output.resize(static_cast<size_t>(cols));
    std::iota(readout.column_output.begin(), readout.column_output.end(), 0);
    return readout;
}

int64_t convert_block(const LayerView& layer, const kernels::Converter& converter, const kernels::Readout& readout,
                      const ChipBlock& block, kernels::Drive drive, uint32_t number, const Vectors& vectors,
                      Reading& reading) {
    if (layer.chip.lines.noise_sigma > 0) {
        const StageTimer timer(&StageTicks::input);
        add_dac_noise(
            layer, block, number, vectors,
            {drive.digits, vectors.size() * static_cast<size_t>(drive.cycles) * static_cast<size_t>(block.cells.rows)},
            reading.noisy);
        drive.digits = reading.noisy.data();
    }
    const StageTimer timer(&StageTicks::kernel);
    const kernels::Noise noise{layer.noise, number};
    const auto outputs = static_cast<size_t>(readout.outputs);
    reading.own.assign(vectors.size() * outputs, 0);
    int64_t clipped = 0;
    for (size_t first = 0; first < vectors.size();) {
        const size_t end = end_of_moment(layer, vectors, first);
        if (!block.wander.empty())
            draw_wander(block.cells, block.wander, layer.read_noise, layer.wander, number,
                        {vectors.sample[first], vectors.position[first]}, reading.drawn);
        clipped += kernels::active().convert(block.wander.empty() ? block.cells : reading.drawn, converter, readout,
                                             part_of(drive, block.cells.rows, first, end - first), &noise,
                                             reading.own.data() + first * outputs);
        first = end;
    }
    return clipped;
}

}  // namespace bitline
