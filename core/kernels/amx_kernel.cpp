#include "core/kernels/amx_kernel.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "core/kernels/bounds.h"

namespace bitline::kernels::amx {

namespace {

constexpr size_t kAlignment = 64;
constexpr int kBase = 255;  // what a digit's byte is without a sign

template <class T>
size_t misalignment(const T* at) {
    return reinterpret_cast<uintptr_t>(at) % kAlignment;
}

// ------------------------------------------------------------------------------------------------ layout

/// How one array of numbers becomes bytes.
struct Plan {
    int32_t factor = 1;
    int32_t limbs = 0;  // 0: it does not
    bool natural = false;
    size_t place = 0;  // in Block::packed
};

/// In front of the tiles in Block::packed.
struct Header {
    Plan g, variance;
    int64_t largest_sum = 0;  // no |S| exceeds it
};

Layout layout_of(const kernels::Block& block) {
    Layout layout;
    layout.cols = block.cols;
    layout.column_tiles = (block.cols + kColumns - 1) / kColumns;
    layout.chunks = words_of(block.rows);
    layout.last_depth = layout.chunks > 2 ? kDepth : round_up(block.rows - (layout.chunks - 1) * kDepth, 4);
    return layout;
}

/// A number as 255 * high - low.
struct Bytes {
    int32_t high, low;
};

Bytes split(int32_t number, int limbs) {
    if (limbs == 1) return {0, -number};
    const int32_t shifted = number + kBase / 2;
    const int32_t high = shifted >= 0 ? shifted / kBase : -((kBase - 1 - shifted) / kBase);
    return {high, kBase * high - number};
}

Plan plan_for(int32_t least, int32_t largest, int32_t factor) {
    Plan plan;
    plan.factor = factor;
    plan.natural = least >= 0;
    least /= factor;
    largest /= factor;
    const int32_t least_high = plan.natural ? 0 : -128, largest_high = plan.natural ? 255 : 127;
    if (least >= -127 && largest <= 128) {
        plan.limbs = 1;
    } else if (least >= kBase * least_high - kBase / 2 && largest <= kBase * largest_high + kBase / 2) {
        plan.limbs = 2;
    }
    return plan;
}

/// Divided by their common factor only where that saves a byte.
Plan plan_for(const std::vector<int32_t>& numbers) {
    const auto [least, largest] = std::minmax_element(numbers.begin(), numbers.end());
    const Plan whole = plan_for(*least, *largest, 1), divided = plan_for(*least, *largest, common_factor(numbers));
    return divided.limbs == whole.limbs ? whole : divided;
}

size_t bytes_of(const Layout& layout, const Plan& plan) {
    return size_t(layout.column_tiles) * size_t(layout.chunks) * size_t(plan.limbs) * kTileBytes;
}

/// Largest sum of |number| in a column.
int64_t largest_column(const kernels::Block& block, const std::vector<int32_t>& numbers) {
    std::vector<int64_t> sums(size_t(block.cols));
    for (size_t i = 0; i < numbers.size(); ++i) sums[i % size_t(block.cols)] += std::abs(int64_t{numbers[i]});
    return *std::max_element(sums.begin(), sums.end());
}

void write_tiles(const kernels::Block& block, const std::vector<int32_t>& numbers, const Plan& plan,
                 std::byte* packed) {
    const Layout layout = layout_of(block);
    for (int row = 0; row < block.rows; ++row) {
        for (int col = 0; col < block.cols; ++col) {
            const int32_t number = numbers[size_t(row) * size_t(block.cols) + size_t(col)];
            const Bytes bytes = split(number / plan.factor, plan.limbs);
            const size_t tile =
                (size_t(col / kColumns) * size_t(layout.chunks) + size_t(row / kDepth)) * size_t(plan.limbs);
            const int within = row % kDepth / 4 * kDepth + col % kColumns * 4 + row % 4;
            std::byte* const to = packed + plan.place + tile * kTileBytes + within;
            to[0] = std::byte(bytes.low);
            if (plan.limbs > 1) to[kTileBytes] = std::byte(bytes.high);
        }
    }
}

Numbers numbers_of(const kernels::Block& block, const Plan& plan) {
    return {plan.limbs, plan.natural, reinterpret_cast<const uint8_t*>(block.packed.data() + plan.place)};
}

// ------------------------------------------------------------------------------------------------ calls

/// What one call lays out for the vector part; the memory is kept from call to call.
struct Workspace {
    std::vector<float> step32, offset32, own;  // (padded columns), as the following
    std::vector<double> step64, offset64;
    std::vector<int16_t> words;
    std::vector<int64_t> weight;
    std::vector<int32_t> output, cycle_weight;
    std::vector<std::byte> scratch;

    Scratch reserve(const Layout& layout, int cycles);
    void lay_out_narrow(const Converter& converter, double anchored, size_t padded);
    void lay_out_wide(const Converter& converter, double anchored);
    Converters lay_out(const kernels::Block& block, const Converter& converter);
    Noise lay_out(const kernels::Block& block, const Converter& converter, const kernels::Noise& noise);
    Readout lay_out(const kernels::Block& block, const kernels::Readout& readout, int group, int64_t sign);
};

Workspace& workspace() {
    thread_local Workspace memory;
    return memory;
}

Scratch Workspace::reserve(const Layout& layout, int cycles) {
    const size_t digits = size_t(cycles) * size_t(layout.chunks) * kTileBytes;
    const size_t sums = size_t(cycles) * kTileSums * sizeof(int32_t);
    const size_t roots = size_t(layout.column_tiles) * kColumns * sizeof(float);
    scratch.resize(digits + sums + roots + kAlignment);
    std::byte* const first = scratch.data() + (kAlignment - misalignment(scratch.data())) % kAlignment;
    return {reinterpret_cast<uint8_t*>(first), reinterpret_cast<int32_t*>(first + digits),
            reinterpret_cast<float*>(first + digits + sums)};
}

/// The columns that fill the last tile get codes of `lo`, whatever the noise.
void Workspace::lay_out_narrow(const Converter& converter, double anchored, size_t padded) {
    const size_t cols = converter.inv_step.size();
    step32.assign(padded, 0);
    offset32.assign(padded, float(converter.lo + anchored));
    for (size_t col = 0; col < cols; ++col) step32[col] = float(converter.inv_step[col]);
    for (size_t col = 0; col < cols; ++col) offset32[col] = float(converter.offset[col] + anchored);
}

void Workspace::lay_out_wide(const Converter& converter, double anchored) {
    step64 = converter.inv_step;
    offset64 = converter.offset;
    for (double& offset : offset64) offset += anchored;
}

Converters Workspace::lay_out(const kernels::Block& block, const Converter& converter) {
    const auto padded = size_t(round_up(block.cols, kColumns));
    Converters view = view_of(converter);
    own.assign(padded, 0);
    if (converter.wide) {
        lay_out_wide(converter, view.anchor);
    } else {
        lay_out_narrow(converter, view.anchor, padded);
    }
    view.step32 = step32.data();
    view.offset32 = offset32.data();
    view.step64 = step64.data();
    view.offset64 = offset64.data();
    return view;
}

Noise Workspace::lay_out(const kernels::Block& block, const Converter& converter, const kernels::Noise& noise) {
    for (int col = 0; col < block.cols; ++col) own[size_t(col)] = noise_scale(block, converter, col).own;
    Noise view;
    view.on = true;
    view.unit = noise_scale(block, converter, 0).unit;
    view.k0 = noise.key.k0;
    view.k1 = noise.key.k1;
    view.block = noise.block;
    return view;
}

/// `sign`: what the cycles' weights were multiplied with.
Readout Workspace::lay_out(const kernels::Block& block, const kernels::Readout& readout, int group, int64_t sign) {
    const auto padded = size_t(round_up(block.cols, kColumns));
    weight.assign(readout.column_weight.begin(), readout.column_weight.end());
    if (sign < 0) std::transform(weight.begin(), weight.end(), weight.begin(), std::negate<>());
    weight.resize(padded, 0);
    words.resize(2 * padded);
    for (size_t first = 0; group > 1 && first < padded; first += 4) {
        // The codes of two vectors, four columns of each in turn.
        int16_t* const to = words.data() + 2 * first;
        for (size_t i = 0; i < 4; ++i) to[i] = to[i + 4] = int16_t(weight[first + i]);
    }
    output.resize(size_t((block.cols + group - 1) / group));
    bool ordered = true;
    for (size_t i = 0; i < output.size(); ++i) {
        output[i] = readout.column_output[i * size_t(group)];
        ordered = ordered && output[i] == int32_t(i);
    }
    Readout view;
    view.group = group;
    view.words = words.data();
    view.weight = weight.data();
    view.output = output.data();
    view.cols = int(output.size());
    view.ordered = ordered;
    view.outputs = readout.outputs;
    return view;
}

/// Codes are weighted by cycle in words of 16 bits, whose least value has no counterpart above.
int64_t sign_of_weights(const kernels::Drive& drive) {
    constexpr int64_t kOnlyBelow = -int64_t{std::numeric_limits<int16_t>::min()};
    const auto* const end = drive.cycle_weight + drive.cycles;
    return std::find(drive.cycle_weight, end, kOnlyBelow) == end ? 1 : -1;
}

int64_t largest_weight(const kernels::Drive& drive) {
    int64_t largest = 0;
    for (int cycle = 0; cycle < drive.cycles; ++cycle) largest = std::max(largest, std::abs(drive.cycle_weight[cycle]));
    return largest;
}

/// Whether columns may be added up `group` at a time, weighted in 16 bits and added up in 32.
bool may_group(const kernels::Readout& readout, int cols, int group, int64_t largest_total, int64_t largest_cycle) {
    int64_t largest = 0, largest_sum = 0;  // of weights
    for (int first = 0; first < cols; first += group) {
        const int last = std::min(first + group, cols);
        int64_t sum = 0;
        for (int col = first; col < last; ++col) {
            if (readout.column_output[size_t(col)] != readout.column_output[size_t(first)]) return false;
            const int64_t magnitude = std::abs(readout.column_weight[size_t(col)]);
            largest = std::max(largest, magnitude);
            sum += magnitude;
        }
        largest_sum = std::max(largest_sum, sum);
    }
    return largest <= std::numeric_limits<int16_t>::max() / std::max<int64_t>(largest_cycle, 1) &&
           largest_sum <= kMax32 / std::max<int64_t>(largest_total, 1);
}

int choose_group(const kernels::Block& block, const Converter& converter, const kernels::Readout& readout,
                 const kernels::Drive& drive) {
    if (converter.wide) return 1;
    const int64_t total = largest_code(converter) * sum_of_weights(drive), cycle = largest_weight(drive);
    for (const int group : {4, 2}) {
        if (may_group(readout, block.cols, group, total, cycle)) return group;
    }
    return 1;
}

/// What sums and conversions share.
Job job_for(const kernels::Block& block, const Header& header, const kernels::Drive& drive) {
    Job job;
    job.layout = layout_of(block);
    job.g = numbers_of(block, header.g);
    job.factor = header.g.factor;
    job.drive.vectors = drive.vectors;
    job.drive.cycles = drive.cycles;
    job.drive.bits = drive.bits;
    job.scratch = workspace().reserve(job.layout, drive.cycles);
    return job;
}

}  // namespace

bool pack(kernels::Block& block) {
    if (block.g.empty()) return false;
    Header header;
    header.g = plan_for(block.g);
    header.largest_sum = largest_column(block, block.g);
    if (header.g.limbs == 0 || header.largest_sum > kMax32) return false;
    if (!block.variance.empty()) {
        header.variance = plan_for(block.variance);
        if (header.variance.limbs == 0 || largest_column(block, block.variance) > kMax32) return false;
        // The noise scales are those of undivided variances.
        if (header.variance.factor != 1) header.variance = plan_for(0, kLargestVariance, 1);
    }

    const Layout layout = layout_of(block);
    const size_t of_g = bytes_of(layout, header.g), of_variance = bytes_of(layout, header.variance);
    block.packed.assign(sizeof(Header) + kAlignment + of_g + of_variance, std::byte{});
    std::byte* const packed = block.packed.data();
    // A copy may lie elsewhere and not be aligned: slower, and as right.
    header.g.place = sizeof(Header) + (kAlignment - misalignment(packed + sizeof(Header))) % kAlignment;
    header.variance.place = header.g.place + of_g;
    std::memcpy(packed, &header, sizeof(Header));
    write_tiles(block, block.g, header.g, packed);
    if (!block.variance.empty()) write_tiles(block, block.variance, header.variance, packed);
    return true;
}

void sums(const Vector& vector, const kernels::Block& block, const kernels::Drive& drive, int64_t* out) {
    const Header header = packed_header<Header>(block);
    vector.sums(job_for(block, header, drive), out);
}

bool fits(const kernels::Block& block, const Converter& converter, const kernels::Drive& drive) {
    constexpr double kLargestT = 1 << 30;
    if (converter.has_transfer()) return false;
    const int64_t sign = sign_of_weights(drive);
    const auto fits16 = [&](int64_t weight) { return int64_t{int16_t(sign * weight)} == sign * weight; };
    if (!std::all_of(drive.cycle_weight, drive.cycle_weight + drive.cycles, fits16)) return false;
    if (largest_code(converter) * sum_of_weights(drive) > kMax32) return false;
    return converter.wide || (largest_code(converter) <= std::numeric_limits<int16_t>::max() &&
                              largest_t(block, converter, packed_header<Header>(block).largest_sum) < kLargestT);
}

int64_t convert(const Vector& vector, const kernels::Block& block, const Converter& converter,
                const kernels::Readout& readout, const kernels::Drive& drive, const kernels::Noise* noise,
                int64_t* acc) {
    const Header header = packed_header<Header>(block);
    Workspace& memory = workspace();
    Job job = job_for(block, header, drive);
    const int64_t sign = sign_of_weights(drive);
    memory.cycle_weight.clear();
    for (int cycle = 0; cycle < drive.cycles; ++cycle) {
        memory.cycle_weight.push_back(int32_t(sign * drive.cycle_weight[cycle]));
    }
    job.drive.cycle_weight = memory.cycle_weight.data();
    job.drive.sample = drive.sample;
    job.drive.position = drive.position;
    job.converters = memory.lay_out(block, converter);
    if (has_noise(block, converter, noise)) {
        job.noise = memory.lay_out(block, converter, *noise);
        job.variance = block.variance.empty() ? Numbers{} : numbers_of(block, header.variance);
    }
    job.noise.own = memory.own.data();
    job.readout = memory.lay_out(block, readout, choose_group(block, converter, readout, drive), sign);
    job.readout.acc = acc;
    return vector.convert(job);
}

}  // namespace bitline::kernels::amx
