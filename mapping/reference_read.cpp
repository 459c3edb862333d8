#include "mapping/reference_read.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "mapping/convert.h"

namespace bitline {

namespace {

/// Digits of word lines on the lines that stand for them: (vectors x lines).
std::vector<int16_t> expand(const LinePlan& plan, const std::vector<int16_t>& digits, size_t lines) {
    const size_t word_lines = lines / plan.copies(), vectors = digits.size() / word_lines;
    std::vector<int16_t> expanded(vectors * lines, 0);
    for (size_t v = 0; v < vectors; ++v) {
        const int16_t* const from = digits.data() + v * word_lines;
        int16_t* const to = expanded.data() + v * lines;
        if (plan.values.empty()) std::copy_n(from, word_lines, to);
        for (size_t copy = 0; copy < plan.values.size(); ++copy) {
            for (size_t l = 0; l < word_lines; ++l) to[copy * word_lines + l] = from[l] == plan.values[copy] ? 1 : 0;
        }
    }
    return expanded;
}

/// Drives each pattern in a cycle of its own; points into itself.
class ReferenceDrive {
 public:
    ReferenceDrive(const LinePlan& plan, const InputPlan& input, int lines, int vectors, StreamKey dac_noise,
                   uint32_t block)
        : sample_(static_cast<size_t>(vectors)), position_(static_cast<size_t>(vectors), 0) {
        const auto all = static_cast<size_t>(lines), word_lines = all / plan.copies();
        digits_ = expand(plan, reference_digits(input, static_cast<int>(word_lines), vectors), all);
        std::iota(sample_.begin(), sample_.end(), 0U);
        for (size_t v = 0; plan.noise_sigma > 0 && v < sample_.size(); ++v)
            add_line_noise(plan, 1, all, {dac_noise, block, sample_[v], 0}, digits_.data() + v * all);
        if (plan.one_bit_digits) pack_bits(all);
        drive_.bits = bits_.empty() ? nullptr : bits_.data();
        drive_.digits = bits_.empty() ? digits_.data() : nullptr;
        drive_.vectors = vectors;
        drive_.cycles = 1;
        drive_.cycle_weight = &kWeight;
        drive_.sample = sample_.data();
        drive_.position = position_.data();
    }
    ReferenceDrive(const ReferenceDrive&) = delete;
    ReferenceDrive& operator=(const ReferenceDrive&) = delete;

    const kernels::Drive& drive() const { return drive_; }

 private:
    static constexpr int64_t kWeight = 1;

    void pack_bits(size_t lines) {
        const auto words = static_cast<size_t>(kernels::words_of(static_cast<int>(lines)));
        bits_.assign(sample_.size() * words, 0);
        for (size_t i = 0; i < digits_.size(); ++i) {
            const size_t line = i % lines;
            if (digits_[i] != 0) bits_[i / lines * words + line / 64] |= uint64_t{1} << (line % 64);
        }
    }

    std::vector<int16_t> digits_;
    std::vector<uint64_t> bits_;
    std::vector<uint32_t> sample_, position_;
    kernels::Drive drive_;
};

}  // namespace

bool is_silent(int vector) { return vector % 8 == 7; }

std::vector<int16_t> reference_digits(const InputPlan& input, int lines, int vectors) {
    const StreamKey key = stream_key(0, 0, Purpose::reference_pattern);
    const bool pairs = input.coding == InputPlan::Coding::xnor;
    std::vector<int16_t> digits;
    digits.reserve(static_cast<size_t>(lines) * static_cast<size_t>(vectors));
    for (int vector = 0; vector < vectors; ++vector) {
        const double share = is_silent(vector) ? 0.0 : std::ldexp(1.0, -(1 + vector % 4));
        for (int line = 0; line < lines; ++line) {
            const Counter random =
                philox({static_cast<uint32_t>(pairs ? line / 2 : line), static_cast<uint32_t>(vector), 0, 0}, key);
            const bool upper = random[1] >> 31;
            int32_t digit = 1 + static_cast<int32_t>(random[1] % static_cast<uint32_t>(input.digit_max));
            if (input.digit_min < 0) digit = upper ? 1 : -1;
            if (pairs) digit = upper == (line % 2 == 1) ? 1 : 0;
            digits.push_back(static_cast<int16_t>(uniform(random[0]) < share ? digit : 0));
        }
    }
    return digits;
}

std::vector<int32_t> read_codes(const Mapping& mapping, const Chip& chip, size_t layer, size_t array, int vectors) {
    const ChipArray& cells = chip.layers[layer].arrays[array];
    const kernels::Readout readout = column_by_column(static_cast<int>(cells.readout.column_output.size()));
    std::vector<int32_t> codes;
    std::vector<int64_t> sums;
    kernels::Block drawn;
    for (size_t part = 0; part < cells.blocks.size(); ++part) {
        const ChipBlock& block = cells.blocks[part];
        const auto number =
            static_cast<uint32_t>(mapping.layers[layer].arrays[array].first_block) + static_cast<uint32_t>(part);
        if (!block.wander.empty())
            draw_wander(block.cells, block.wander, mapping.architecture.cell.read_noise, chip.wander, number, {},
                        drawn);
        const ReferenceDrive reference(chip.layers[layer].lines, mapping.layers[layer].input, block.cells.rows, vectors,
                                       chip.dac_noise, number);
        const kernels::Noise noise{chip.read_noise, number};
        sums.assign(static_cast<size_t>(vectors) * static_cast<size_t>(readout.outputs), 0);
        kernels::active().convert(block.wander.empty() ? block.cells : drawn, cells.converter, readout,
                                  reference.drive(), &noise, sums.data());
        for (const int64_t code : sums) codes.push_back(static_cast<int32_t>(code));
    }
    return codes;
}

std::vector<double> read_exactly(const Mapping& mapping, const Chip& chip, size_t layer, size_t array, int vectors) {
    const AdcRange& adc = chip.layers[layer].adc;
    const double step = adc.unit() * mapping.layers[layer].grid.level_step;  // grid steps
    std::vector<double> steps;
    std::vector<int64_t> sums;
    for (const ChipBlock& block : chip.layers[layer].arrays[array].blocks) {
        const ReferenceDrive reference(chip.layers[layer].lines, mapping.layers[layer].input, block.cells.rows, vectors,
                                       chip.dac_noise, 0);
        sums.resize(static_cast<size_t>(vectors) * static_cast<size_t>(block.cells.cols));
        kernels::active().sums(block.cells, reference.drive(), sums.data());
        for (const int64_t sum : sums) {
            const double exact = static_cast<double>(sum) / step;
            steps.push_back(adc.lossless ? std::nearbyint(exact) : exact);
        }
    }
    return steps;
}

ReferenceRead read_reference(const Mapping& mapping, const Chip& chip, int vectors) {
    ReferenceRead read;
    for (size_t l = 0; l < chip.layers.size(); ++l) {
        ReferenceRead::Layer layer{chip.layers[l].adc, {}};
        layer.codes.resize(chip.layers[l].arrays.size());
        parallel_for(static_cast<int64_t>(layer.codes.size()), [&](int64_t a) {
            layer.codes[static_cast<size_t>(a)] = read_codes(mapping, chip, l, static_cast<size_t>(a), vectors);
        });
        read.layers.push_back(std::move(layer));
    }
    return read;
}

}  // namespace bitline
