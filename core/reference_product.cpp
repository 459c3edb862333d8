// Exact integer sums of quantized layers on the active kernel.

#include <algorithm>
#include <cassert>
#include <limits>

#include "core/kernels/kernels.h"
#include "core/reference.h"
#include "core/reference_windows.h"

namespace bitline {

namespace {

using reference::PaddedPlanes;

constexpr int64_t kScratchBytes = int64_t(1) << 20;  // gathered rows, and sums, of one chunk: stays in the cache
constexpr int64_t kFewColumns = 8;                   // below, a group is summed directly: packing would cost more
constexpr int64_t kDigitBase = 256;                  // a kernel takes |digit| <= 255

/// One layer, laid out once for the kernel.
struct Prepared {
    std::vector<kernels::Block> blocks;  // (groups); empty where `direct`
    std::vector<int32_t> weights;        // (out_channels x rows) q_w - z_w; only where `direct`
    std::vector<int32_t> offsets;        // (rows), see row_offsets
    bool direct = false;
    bool narrow = false;  // every sum fits int32
    int cycles = 1;       // digits of base 256 per input code
};

int64_t largest_input(const Quantizer& q) {
    return std::max(q.code_max() - q.zero_point[0], q.zero_point[0] - q.code_min());
}

/// q_w - z_w, (out_channels x rows).
std::vector<int32_t> centered_weights(const MatVec& op) {
    std::vector<int32_t> weights = op.codes;
    const int64_t rows = op.rows();
    for (int64_t c = 0; c < op.out_channels; ++c) {
        const int32_t zero = op.weight.zero_point[op.weight.per_tensor() ? 0 : size_t(c)];
        for (int64_t r = 0; r < rows; ++r) weights[size_t(c * rows + r)] -= zero;
    }
    return weights;
}

/// Whether sum |x||w| of every channel stays below 2^31.
bool fits_int32(const std::vector<int32_t>& weights, int64_t rows, int64_t largest_x) {
    for (size_t first = 0; first < weights.size(); first += size_t(rows)) {
        int64_t sum = 0;
        for (int64_t r = 0; r < rows; ++r) sum += std::abs(weights[first + size_t(r)]);
        if (sum > std::numeric_limits<int32_t>::max() / largest_x) return false;
    }
    return true;
}

kernels::Block make_block(const std::vector<int32_t>& weights, int64_t rows, int64_t first_channel, int64_t cols) {
    kernels::Block block;
    block.rows = int(rows);
    block.cols = int(cols);
    block.g.resize(size_t(rows * cols));
    for (int64_t c = 0; c < cols; ++c) {
        const int32_t* column = weights.data() + (first_channel + c) * rows;
        for (int64_t r = 0; r < rows; ++r) block.g[size_t(r * cols + c)] = column[r];
    }
    return block;
}

Prepared prepare(const Network& network, const Node& node, const kernels::Kernel& kernel) {
    const auto& op = std::get<MatVec>(node.op);
    const Value& input = network.values[size_t(node.inputs[0])];
    const int64_t cols = op.out_channels / op.groups, largest = largest_input(*input.quantizer);
    Prepared prepared;
    prepared.offsets = row_offsets(op, PaddedPlanes(op, input.shape));
    prepared.cycles = largest < kDigitBase ? 1 : 2;  // |x| <= 65535
    prepared.weights = centered_weights(op);
    prepared.direct = op.groups > 1 && cols < kFewColumns;
    if (prepared.direct) {
        prepared.narrow = fits_int32(prepared.weights, op.rows(), largest);
        return prepared;
    }
    for (int64_t g = 0; g < op.groups; ++g) {
        prepared.blocks.push_back(make_block(prepared.weights, op.rows(), g * cols, cols));
        kernel.pack(prepared.blocks.back());
    }
    prepared.weights = {};
    return prepared;
}

/// One product call: a layer on a block of samples.
struct Job {
    const MatVec& op;
    const Shape& in;
    const Prepared& prepared;
    PaddedPlanes planes;
    int32_t zero;  // z_x
    std::span<const int32_t> codes;
    int64_t samples;
    std::span<double> acc;

    int64_t bias(int64_t channel) const { return op.bias_codes.empty() ? 0 : op.bias_codes[size_t(channel)]; }
    double* out(int64_t sample, int64_t channel) const {
        return acc.data() + (sample * op.out_channels + channel) * planes.positions();
    }
    const int32_t* sample_codes(int64_t sample) const { return codes.data() + sample * element_count(in); }
};

// ------------------------------------------------------------------------------- direct, for depthwise layers

/// sum[p] += w * x at every position of one row of the kernel window.
template <typename Acc>
void add_row(const Job& job, const int32_t* first, Acc weight, Acc* sum) {
    const int64_t width = job.planes.out_width, stride = job.op.window.stride_w;
    for (int64_t y = 0; y < job.planes.out_height; ++y) {
        const int32_t* x = first + y * job.op.window.stride_h * job.planes.width;
        if (stride == 1) {
            for (int64_t i = 0; i < width; ++i) sum[i] += weight * Acc(x[i]);
        } else {
            for (int64_t i = 0; i < width; ++i) sum[i] += weight * Acc(x[i * stride]);
        }
        sum += width;
    }
}

template <typename Acc>
void direct_sums(const Job& job) {
    const int64_t rows = job.op.rows(), cols = job.op.out_channels / job.op.groups;
    const int64_t group_size = job.planes.size() / job.op.groups;
    std::vector<int32_t> planes(size_t(job.planes.size()), 0);
    std::vector<Acc> sums(size_t(job.planes.positions()));
    for (int64_t s = 0; s < job.samples; ++s) {
        reference::fill_planes(
            job.op, job.in, job.planes, job.sample_codes(s), [&](int32_t q) { return q - job.zero; }, planes.data());
        for (int64_t c = 0; c < job.op.out_channels; ++c) {
            std::fill(sums.begin(), sums.end(), Acc(0));
            const int32_t* group = planes.data() + c / cols * group_size;
            const int32_t* weights = job.prepared.weights.data() + c * rows;
            for (int64_t r = 0; r < rows; ++r) {
                add_row(job, group + job.prepared.offsets[size_t(r)], Acc(weights[r]), sums.data());
            }
            const int64_t bias = job.bias(c);
            std::transform(sums.begin(), sums.end(), job.out(s, c),
                           [&](Acc sum) { return double(int64_t(sum) + bias); });
        }
    }
}

// ------------------------------------------------------------------------------- on the kernel

/// Digits of q - z, sign and magnitude, one set of padded planes per cycle: (cycles x samples x planes).
std::vector<int16_t> digit_planes(const Job& job) {
    const int64_t size = job.planes.size();
    std::vector<int16_t> planes(size_t(job.prepared.cycles * job.samples * size), 0);
    for (int cycle = 0; cycle < job.prepared.cycles; ++cycle) {
        for (int64_t s = 0; s < job.samples; ++s) {
            int16_t* out = planes.data() + (cycle * job.samples + s) * size;
            const auto digit = [&](int32_t q) {
                const int32_t x = q - job.zero;
                return int16_t(cycle == 0 ? x % int32_t(kDigitBase) : x / int32_t(kDigitBase));
            };
            reference::fill_planes(job.op, job.in, job.planes, job.sample_codes(s), digit, out);
        }
    }
    return planes;
}

/// Vectors first .. first + count - 1 of one group, a vector being a (sample, position): (count x cycles x rows).
void gather_digits(const Job& job, const std::vector<int16_t>& planes, int64_t group, int64_t first, int64_t count,
                   int16_t* out) {
    const int64_t size = job.planes.size(), positions = job.planes.positions();
    for (int64_t v = first; v < first + count; ++v) {
        const int64_t base = job.planes.base(job.op.window, v % positions);
        for (int cycle = 0; cycle < job.prepared.cycles; ++cycle) {
            const int16_t* sample = planes.data() + (cycle * job.samples + v / positions) * size;
            reference::gather_position(job.prepared.offsets, sample + group * (size / job.op.groups), base, out);
            out += job.prepared.offsets.size();
        }
    }
}

/// Adds the digits' sums by significance, and the bias. `sums` is (count x cycles x cols).
void store_sums(const Job& job, const int64_t* sums, int64_t group, int64_t first, int64_t count) {
    const int64_t cols = job.op.out_channels / job.op.groups, positions = job.planes.positions();
    const int cycles = job.prepared.cycles;
    for (int64_t done = 0; done < count;) {  // runs of positions within one sample
        const int64_t sample = (first + done) / positions, position = (first + done) % positions;
        const int64_t run = std::min(count - done, positions - position);
        for (int64_t c = 0; c < cols; ++c) {
            const int64_t channel = group * cols + c, bias = job.bias(channel);
            double* out = job.out(sample, channel) + position;
            const int64_t* in = sums + done * cycles * cols + c;
            for (int64_t i = 0; i < run; ++i, in += cycles * cols) {
                out[i] = double(bias + in[0] + (cycles == 2 ? kDigitBase * in[cols] : 0));
            }
        }
        done += run;
    }
}

void kernel_sums(const Job& job, const kernels::Kernel& kernel) {
    const int64_t rows = job.op.rows(), cols = job.op.out_channels / job.op.groups;
    const int cycles = job.prepared.cycles;
    const int64_t vectors = job.samples * job.planes.positions();
    const int64_t bytes = cycles * std::max(rows * int64_t(sizeof(int16_t)), cols * int64_t(sizeof(int64_t)));
    const int64_t chunk = std::clamp<int64_t>(kScratchBytes / bytes, 1, vectors);
    const std::vector<int16_t> planes = digit_planes(job);
    std::vector<int16_t> digits(size_t(chunk * cycles * rows));
    std::vector<int64_t> sums(size_t(chunk * cycles * cols));
    const int64_t cycle_weight[2] = {1, kDigitBase};
    kernels::Drive drive;
    drive.digits = digits.data();
    drive.cycles = cycles;
    drive.cycle_weight = cycle_weight;
    for (int64_t first = 0; first < vectors; first += chunk) {
        drive.vectors = int(std::min(chunk, vectors - first));
        for (int64_t g = 0; g < job.op.groups; ++g) {
            gather_digits(job, planes, g, first, drive.vectors, digits.data());
            kernel.sums(job.prepared.blocks[size_t(g)], drive, sums.data());
            store_sums(job, sums.data(), g, first, drive.vectors);
        }
    }
}

class ExactEngine : public ProductEngine {
 public:
    explicit ExactEngine(const Network& network) : kernel_(kernels::active()), layers_(network.nodes.size()) {
        for (size_t i = 0; i < network.nodes.size(); ++i) {
            if (is_mappable(network, network.nodes[i])) layers_[i] = prepare(network, network.nodes[i], kernel_);
        }
    }

    void product(const Network& network, int node, std::span<const int32_t> codes, int64_t samples, int64_t,
                 std::span<double> acc) override {
        const auto& op = std::get<MatVec>(network.nodes[size_t(node)].op);
        const Value& input = network.values[size_t(network.nodes[size_t(node)].inputs[0])];
        const Job job{op,
                      input.shape,
                      layers_[size_t(node)],
                      PaddedPlanes(op, input.shape),
                      input.quantizer->zero_point[0],
                      codes,
                      samples,
                      acc};
        assert(int64_t(acc.size()) == samples * op.out_channels * job.planes.positions());
        if (!job.prepared.direct) return kernel_sums(job, kernel_);
        job.prepared.narrow ? direct_sums<int32_t>(job) : direct_sums<int64_t>(job);
    }

 private:
    const kernels::Kernel& kernel_;
    std::vector<Prepared> layers_;  // (nodes), filled where the node is mappable
};

}  // namespace

std::unique_ptr<ProductEngine> make_exact_engine(const Network& network) {
    return std::make_unique<ExactEngine>(network);
}

namespace {

/// Every window of one group that lies inside the input, row = (channel, ky, kx).
void gather_inside(const Window& w, const int32_t* corner, int64_t channels, int64_t height, int64_t width,
                   int32_t* out) {
    for (int64_t c = 0; c < channels; ++c, corner += height * width) {
        const int32_t* line = corner;
        for (int64_t ky = 0; ky < w.kernel_h; ++ky, line += w.dilation_h * width) {
            if (w.kernel_w == 3 && w.dilation_w == 1) {  // most convolutions: no inner loop
                out[0] = line[0];
                out[1] = line[1];
                out[2] = line[2];
                out += 3;
                continue;
            }
            for (int64_t kx = 0; kx < w.kernel_w; ++kx) *out++ = line[kx * w.dilation_w];
        }
    }
}

}  // namespace

void gather_rows(const MatVec& op, const Shape& input_shape, const int32_t* sample_codes, int64_t group,
                 int64_t first_position, int64_t positions, int32_t pad, int32_t* out) {
    const Window& w = op.window;
    const int64_t height = op.is_convolution ? input_shape[1] : 1, width = op.is_convolution ? input_shape[2] : 1;
    const int64_t channels = op.in_channels / op.groups, out_width = PaddedPlanes(op, input_shape).out_width;
    const int32_t* planes = sample_codes + group * channels * height * width;
    const int64_t last_y = (w.kernel_h - 1) * w.dilation_h, last_x = (w.kernel_w - 1) * w.dilation_w;
    for (int64_t p = first_position; p < first_position + positions; ++p) {
        const int64_t top = p / out_width * w.stride_h - w.pad_top, left = p % out_width * w.stride_w - w.pad_left;
        if (top >= 0 && left >= 0 && top + last_y < height && left + last_x < width) {
            gather_inside(w, planes + top * width + left, channels, height, width, out);
            out += channels * w.kernel_h * w.kernel_w;
            continue;
        }
        for (int64_t c = 0; c < channels; ++c) {
            for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
                const int64_t y = top + ky * w.dilation_h;
                const bool inside = y >= 0 && y < height;
                const int32_t* line = planes + (c * height + (inside ? y : 0)) * width;
                for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
                    const int64_t x = left + kx * w.dilation_w;
                    *out++ = inside && x >= 0 && x < width ? line[x] : pad;
                }
            }
        }
    }
}

}  // namespace bitline
