#pragma once

// The input side of a layer's products: which vectors it sees, and the digits that its word lines carry.

#include <cstdint>
#include <span>
#include <vector>

#include "core/network.h"
#include "mapping/chip.h"
#include "mapping/mapping.h"

namespace bitline {

/// A layer of the plan with what its products need.
struct LayerView {
    const MappedLayer& plan;
    const ChipLayer& chip;
    const MatVec& op;
    const Shape& input_shape;
    int64_t input_size = 0;
    StreamKey noise, dac_noise;
    const ReadNoiseOptions& read_noise;
    const WanderStreams& wander;
};
LayerView view_layer(const Network& network, const Mapping& mapping, const Chip& chip, size_t layer);

/// Input vectors of one pack that are worked on together; a vector is one (sample, output position).
struct Vectors {
    std::vector<uint32_t> sample, position;  // (vectors), sample counted from the start of the data set
    std::vector<int32_t> driven;             // (vectors x rows of the pack)
    std::vector<int32_t> gathered;           // scratch
    size_t size() const { return sample.size(); }
    void clear();
    void add(int64_t first, int64_t count, int64_t positions, int64_t first_sample);  // index = sample * positions + p
};

/// Fills `driven`: the rows of each group of the pack, then the constant bias rows. `codes` holds the samples from
/// `first_sample` on.
void gather(const LayerView& layer, const Pack& pack, std::span<const int32_t> codes, int64_t first_sample,
            Vectors& vectors);

/// Digits of the rows that one block drives, with the sums that the digital corrections need.
struct Digits {
    std::vector<uint64_t> bits;       // (vectors x cycles x words of lines), where digits of lines are bits
    std::vector<int16_t> digits;      // (vectors x cycles x lines), else
    std::vector<int64_t> driven_sum;  // (vectors), sum of the driven codes; xnor: number of pairs driven
    std::vector<int64_t> background;  // (vectors), what G_min adds: codes where the ADC is lossless, else grid steps
};
void digitize(const LayerView& layer, const Pack& pack, const ChipBlock& block, const Vectors& vectors,
              bool with_background, Digits& digits);

/// The block's digits as the kernels take them; points into `digits`, `vectors` and the layer's plan.
kernels::Drive kernel_drive(const LayerView& layer, const Digits& digits, const Vectors& vectors);

/// The same digits with the noise that the row drivers of block number `number` add.
void add_dac_noise(const LayerView& layer, const ChipBlock& block, uint32_t number, const Vectors& vectors,
                   std::span<const int16_t> digits, std::vector<int16_t>& noisy);

/// Vectors `first` to `first + count` of a drive.
kernels::Drive part_of(const kernels::Drive& drive, int lines, size_t first, size_t count);

/// Vectors that fit the caches together; where cells keep their noise over a sample, the sample's, up to a limit.
int64_t vectors_per_chunk(const LayerView& layer);

/// Arrays that share the same rows of the same pack stand side by side: index behind the last one.
size_t end_of_row_tile(const MappedLayer& layer, size_t begin);

}  // namespace bitline
