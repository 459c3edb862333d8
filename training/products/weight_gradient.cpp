#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "training/products/correlate.h"
#include "training/products/padded.h"

namespace bitline::training::products {

namespace {

constexpr int64_t kMostOutputs = 64;     // output channels of a block
constexpr int64_t kMostRows = 320;       // weights of an output channel in a block
constexpr int64_t kFewOutputs = 4;       // below which vectors run along positions instead
constexpr int64_t kCachedFloats = 4096;  // of a panel of gradients, half the first-level cache
constexpr int64_t kTaskProducts = 1 << 19, kMostTasks = 64, kLeastPositions = 64;  // of a chunk of samples

/// Weights that are summed up together.
struct Block {
    int64_t first_group = 0, groups = 1;
    int64_t first_output = 0, outputs = 0;    // within the group
    int64_t first_channel = 0, channels = 0;  // within the group
    int64_t rows = 0;                         // weights of an output
    int64_t sums = 0, size = 0;               // where its sums (groups x rows x stride) begin, and how many they are
};

struct Plan {
    const ConvolutionShape& shape;
    Correlation correlation;
    const TileSet& tiles;
    int64_t samples = 0, chunks = 1;
    bool along_positions = false;
    int64_t group_outputs = 0, group_channels = 0, kernel = 0;
    int64_t stride = 0;            // sums of a row
    int64_t sums = 0;              // of all blocks
    int64_t panels = 1;            // in which a block's gradients lie
    int64_t cached_positions = 1;  // whose gradients in a panel the first-level cache holds
    std::vector<int64_t> offset = {};
    std::vector<Block> blocks = {};

    int64_t out_h() const { return correlation.h.target; }
    int64_t out_w() const { return correlation.w.target; }
    int64_t positions() const { return correlation.target_plane(); }
};

struct Range {
    int64_t first, count;
};

/// Part `index` of `parts` even ones.
Range share(int64_t count, int64_t parts, int64_t index) {
    const int64_t first = count * index / parts;
    return {first, count * (index + 1) / parts - first};
}

/// Blocks of groups where groups are small, else blocks within each group.
void add_blocks(Plan& plan) {
    const int64_t output_parts = divide_up(plan.group_outputs, kMostOutputs);
    const int64_t channel_parts = std::min(plan.group_channels, divide_up(plan.shape.rows(), kMostRows));
    const int64_t group_size = plan.shape.rows() * plan.group_outputs;
    const int64_t together =
        output_parts * channel_parts > 1 ? 1 : std::max<int64_t>(1, kMostRows * kMostOutputs / 16 / group_size);
    const int64_t group_parts = divide_up(plan.correlation.groups, together);
    const int64_t widest = divide_up(plan.group_outputs, output_parts);
    plan.stride = plan.along_positions ? widest : divide_up(widest, plan.tiles.lanes) * plan.tiles.lanes;
    for (int64_t g = 0; g < group_parts; ++g) {
        for (int64_t o = 0; o < output_parts; ++o) {
            for (int64_t c = 0; c < channel_parts; ++c) {
                const Range groups = share(plan.correlation.groups, group_parts, g);
                const Range outputs = share(plan.group_outputs, output_parts, o);
                const Range channels = share(plan.group_channels, channel_parts, c);
                Block block{groups.first, groups.count, outputs.first, outputs.count, channels.first, channels.count};
                block.rows = channels.count * plan.kernel;
                block.sums = plan.sums;
                block.size = groups.count * block.rows * plan.stride;
                plan.sums += block.size;
                plan.blocks.push_back(block);
            }
        }
    }
}

/// The channels whose sums are computed together: panel `index` of a block's gradients, (positions x count).
Range panel(const Plan& plan, int64_t index) {
    const Range vectors = share(plan.stride / plan.tiles.lanes, plan.panels, index);
    return {vectors.first * plan.tiles.lanes, vectors.count * plan.tiles.lanes};
}

/// Chunks of samples have sums of their own. Their number is part of the specification: it depends on the shape and on
/// the number of samples only.
Plan make_plan(const ConvolutionShape& shape, const TileSet& tiles, int64_t samples) {
    Plan plan{shape, forward(shape), tiles, samples};
    plan.group_outputs = shape.out_channels / shape.groups;
    plan.group_channels = shape.in_channels / shape.groups;
    plan.kernel = shape.window.kernel_h * shape.window.kernel_w;
    plan.along_positions = plan.group_outputs < kFewOutputs && plan.positions() > 1;
    plan.offset = offsets(plan.correlation, plan.correlation.h.parts[0], plan.correlation.w.parts[0]);
    add_blocks(plan);
    if (!plan.along_positions) {
        plan.panels = divide_up(plan.stride, int64_t{tiles.outer_vectors} * tiles.lanes);
        plan.cached_positions = kCachedFloats / panel(plan, 0).count;
    }
    const int64_t tasks = std::min(samples * shape.multiply_accumulates() / kTaskProducts, kMostTasks);
    const int64_t most = std::min(samples, samples * plan.positions() / kLeastPositions);
    plan.chunks = std::clamp<int64_t>(tasks / int64_t(plan.blocks.size()), 1, std::max<int64_t>(1, most));
    return plan;
}

/// The source of a block's channels: the padded copy, or x itself where that would be the same.
struct Source {
    const float* at = nullptr;
    int64_t sample_stride = 0;
};

/// The inputs of fully connected outputs, samples a few numbers further apart than they must be: apart by a power of
/// two, they would meet in few sets of the cache.
Source side_by_side(const Plan& plan, int64_t rows, const float* x, int64_t samples, Buffer& buffer) {
    constexpr int64_t kApart = 16;
    const int64_t stride = divide_up(rows, kApart) * kApart + kApart;
    float* copy = buffer.get(samples * stride);
    for (int64_t n = 0; n < samples; ++n) std::copy_n(x + n * plan.shape.in_size(), rows, copy + n * stride);
    return {copy, stride};
}

Source source_of(const Plan& plan, const Block& block, int64_t group, const float* x, const Range& samples) {
    static thread_local Buffer buffer;
    const Correlation& correlation = plan.correlation;
    const int64_t channel = group * plan.group_channels + block.first_channel;
    const float* from = x + samples.first * plan.shape.in_size() + channel * correlation.source_plane();
    if (plan.positions() == 1 && correlation.plain())
        return side_by_side(plan, block.rows, from, samples.count, buffer);
    if (correlation.plain() && !plan.along_positions) return {from, plan.shape.in_size()};
    const int64_t size = block.channels * correlation.plane();
    const int64_t slack = kDotLanes + correlation.pitch();
    float* copy = buffer.get(samples.count * size + slack);
    for (int64_t n = 0; n < samples.count; ++n) {
        copy_padded(correlation, plan.tiles, block.channels, 1, 1, from + n * plan.shape.in_size(), 0, copy + n * size);
    }
    std::fill_n(copy + samples.count * size, slack, 0.0F);
    return {copy, size};
}

// ---------------------------------------------------------------------------------------------- along channels

/// Every tile of a block's sums over the positions of a walk; a panel holds those of `positions`.
void add_outer(const Plan& plan, const Block& block, const Walk& walk, const float* source, const float* gradient,
               int64_t positions, float* sums) {
    const int64_t down = divide_up(block.rows, plan.tiles.outer_rows);
    for (int64_t i = 0; i < plan.panels; ++i) {
        const Range col = panel(plan, i);
        for (int64_t j = 0; j < down; ++j) {
            const Range row = share(block.rows, down, j);
            plan.tiles.outer[row.count][col.count / plan.tiles.lanes](
                walk, source, &plan.offset[size_t(row.first)], gradient + col.first * positions, col.count,
                sums + row.first * plan.stride + col.first, plan.stride);
        }
    }
}

/// A block's gradients on some lines of a sample into panels, each of `positions`, from position `first` on.
void copy_gradients(const Plan& plan, const Block& block, const float* gy, int64_t count, int64_t positions,
                    int64_t first, float* gradient) {
    for (int64_t i = 0; i < plan.panels; ++i) {
        const Range col = panel(plan, i);
        float* to = gradient + col.first * positions + first * col.count;
        const int64_t outputs = std::clamp<int64_t>(block.outputs - col.first, 0, col.count);
        const float* from = gy + col.first * plan.positions();
        if (plan.positions() == 1) {
            std::copy_n(from, outputs, to);
        } else {
            plan.tiles.transpose(outputs, count, from, plan.positions(), to, col.count);
        }
    }
}

/// The walk over some lines of some samples, its inner loop as long as can be.
Walk walk_over(const Plan& plan, const Source& source, int64_t samples, int64_t lines) {
    const int64_t pitch = plan.correlation.pitch(), cols = plan.out_w();
    if (plan.positions() == 1) return {1, 1, samples, 0, 0, source.sample_stride};
    if (pitch == cols) return {samples, 1, lines * cols, source.sample_stride, 0, 1};
    return {samples, lines, cols, source.sample_stride, pitch, 1};
}

/// Adds the products of some samples of one group, by so many lines at a time as the cache holds.
void add_group(const Plan& plan, const Block& block, int64_t group, const Range& samples, const float* x,
               const float* gy, float* sums) {
    static thread_local Buffer buffer;
    const Source source = source_of(plan, block, group, x, samples);
    const int64_t cols = plan.out_w();
    const int64_t lines = std::clamp<int64_t>(plan.cached_positions / cols, 1, plan.out_h());
    const int64_t most = samples.count * lines * cols;
    float* gradient = buffer.get(most * plan.stride);
    if (plan.stride > block.outputs) std::fill_n(gradient, most * plan.stride, 0.0F);
    const int64_t output = group * plan.group_outputs + block.first_output;
    for (int64_t line = 0; line < plan.out_h(); line += lines) {
        const int64_t count = std::min(lines, plan.out_h() - line);
        for (int64_t n = 0; n < samples.count; ++n) {
            copy_gradients(plan, block,
                           gy + (samples.first + n) * plan.shape.out_size() + output * plan.positions() + line * cols,
                           count * cols, samples.count * count * cols, n * count * cols, gradient);
        }
        add_outer(plan, block, walk_over(plan, source, samples.count, count),
                  source.at + line * plan.correlation.pitch(), gradient, samples.count * count * cols, sums);
    }
}

// ---------------------------------------------------------------------------------------------- along positions

/// Sum of the lanes, in pairs: a tree that no instruction set changes.
float sum_of(const float* lanes) {
    float sum[kDotLanes];
    std::copy_n(lanes, kDotLanes, sum);
    for (int width = kDotLanes / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; ++i) sum[i] += sum[i + width];
    }
    return sum[0];
}

/// The plane of one output's gradients, spread to the pitch of the padded copy, zeros between: one long line.
void spread(const Plan& plan, const float* gy, int64_t size, float* to) {
    const int64_t pitch = plan.correlation.pitch(), cols = plan.out_w();
    std::fill_n(to, size, 0.0F);
    for (int64_t line = 0; line < plan.out_h(); ++line) std::copy_n(gy + line * cols, cols, to + line * pitch);
}

/// Adds the products of some samples of one group to (outputs x rows x kDotLanes) sums.
void add_group_along(const Plan& plan, const Block& block, int64_t group, const Range& samples, const float* x,
                     const float* gy, float* sums) {
    static thread_local Buffer buffer;
    const int64_t steps = divide_up((plan.out_h() - 1) * plan.correlation.pitch() + plan.out_w(), kDotLanes);
    float* gradient = buffer.get(steps * kDotLanes);
    const int64_t tiles = divide_up(block.rows, kDotTaps);
    for (int64_t n = 0; n < samples.count; ++n) {
        const Source source = source_of(plan, block, group, x, {samples.first + n, 1});
        for (int64_t o = 0; o < block.outputs; ++o) {
            const int64_t output = group * plan.group_outputs + block.first_output + o;
            spread(plan, gy + (samples.first + n) * plan.shape.out_size() + output * plan.positions(),
                   steps * kDotLanes, gradient);
            for (int64_t tile = 0; tile < tiles; ++tile) {
                const Range row = share(block.rows, tiles, tile);
                plan.tiles.dot[row.count](steps, source.at, &plan.offset[size_t(row.first)], gradient,
                                          sums + (o * block.rows + row.first) * kDotLanes);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- chunks

/// The sums of one block over one chunk of samples.
void sum_chunk(const Plan& plan, const Block& block, const Range& samples, const float* x, const float* gy,
               float* sums) {
    static thread_local Buffer buffer;
    const int64_t group_size = block.rows * plan.stride;
    std::fill_n(sums, block.size, 0.0F);
    const int64_t together = std::max<int64_t>(1, plan.cached_positions / plan.positions());
    for (int64_t group = 0; group < block.groups; ++group, sums += group_size) {
        if (plan.along_positions) {
            float* lanes = buffer.get(group_size * kDotLanes);
            std::fill_n(lanes, group_size * kDotLanes, 0.0F);
            add_group_along(plan, block, block.first_group + group, samples, x, gy, lanes);
            for (int64_t row = 0; row < block.rows; ++row) {
                for (int64_t o = 0; o < block.outputs; ++o)
                    sums[row * plan.stride + o] = sum_of(lanes + (o * block.rows + row) * kDotLanes);
            }
            continue;
        }
        for (int64_t first = 0; first < samples.count; first += together) {
            const Range some{samples.first + first, std::min(together, samples.count - first)};
            add_group(plan, block, block.first_group + group, some, x, gy, sums);
        }
    }
}

/// Adds the chunks' sums up, in their order, and brings them to their places.
void collect(const Plan& plan, const Block& block, float* sums, float* gw) {
    float* total = sums + block.sums;
    for (int64_t chunk = 1; chunk < plan.chunks; ++chunk) {
        const float* more = total + chunk * plan.sums;
        for (int64_t i = 0; i < block.size; ++i) total[i] += more[i];
    }
    for (int64_t group = 0; group < block.groups; ++group) {
        const int64_t output = (block.first_group + group) * plan.group_outputs + block.first_output;
        plan.tiles.transpose(block.rows, block.outputs, total + group * block.rows * plan.stride, plan.stride,
                             gw + output * plan.shape.rows() + block.first_channel * plan.kernel, plan.shape.rows());
    }
}

}  // namespace

void weight_gradient(const ConvolutionShape& shape, const TileSet& tiles, int64_t samples, const float* x,
                     const float* gy, float* gw) {
    const Plan plan = make_plan(shape, tiles, samples);
    static thread_local Buffer buffer;  // written by the workers until this call returns
    float* sums = buffer.get(plan.sums * plan.chunks);
    const auto blocks = int64_t(plan.blocks.size());
    parallel_for(blocks * plan.chunks, [&](int64_t i) {
        const Block& block = plan.blocks[size_t(i % blocks)];
        const int64_t chunk = i / blocks;
        sum_chunk(plan, block, share(samples, plan.chunks, chunk), x, gy, sums + chunk * plan.sums + block.sums);
    });
    parallel_for(blocks, [&](int64_t i) { collect(plan, plan.blocks[size_t(i)], sums, gw); });
}

}  // namespace bitline::training::products
