#include "training/hardware.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "core/error.h"
#include "core/reference.h"
#include "mapping/clipping.h"
#include "mapping/compensation.h"
#include "mapping/effective_weights.h"

namespace bitline::training {

namespace {

void require(const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high))
        throw ConfigError(fmt::format("{} = {} violates {} <= {} <= {}", name, value, low, name, high));
}

float largest_magnitude(std::span<const float> values) {
    float largest = 0;
    for (const float v : values) largest = std::max(largest, std::abs(v));
    return largest;
}

/// values[i] += deviation * z, z being lane i % 4 of counter (i / 4, c1, c2, 0).
void add_gaussian(StreamKey key, uint32_t c1, uint32_t c2, float deviation, std::span<float> values) {
    for (size_t i = 0; i < values.size(); i += 4) {
        const Counter bits = philox({static_cast<uint32_t>(i / 4), c1, c2, 0}, key);
        for (size_t lane = 0; lane < std::min<size_t>(4, values.size() - i); ++lane)
            values[i + lane] += deviation * gaussian(bits[lane]);
    }
}

// ------------------------------------------------------------------------------------------------- noise

/// w + N(0, (sigma max|w|)^2), fresh at every step; the same of the outputs (Joshi et al., Nature Communications 11,
/// 2473, 2020). The gradient passes as if the noise were a constant.
class NoiseHardware : public Hardware {
 public:
    NoiseHardware(const HardwareOptions& options, uint64_t seed) : options_(options), seed_(seed) {}

    void begin(const Pass&, const Exported*) override {}

    void disturb_weights(const Pass& pass, size_t index, Product& product) override {
        const float deviation = static_cast<float>(options_.weight_noise) * largest_magnitude(product.weights);
        if (deviation == 0) return;
        add_weight_noise(seed_, pass.step, static_cast<uint32_t>(index), deviation, product.weights);
    }

    void disturb_outputs(const Pass& pass, size_t index, Tensor& output) override {
        const float deviation = static_cast<float>(options_.output_noise) * largest_magnitude(output.values);
        if (deviation == 0) return;
        const StreamKey key = stream_key(seed_, pass.step, Purpose::output_noise);
        const auto size = static_cast<size_t>(output.elements());
        for_chunks(output.samples, [&](int64_t, int64_t first, int64_t count) {
            for (int64_t s = first; s < first + count; ++s)
                add_gaussian(key, static_cast<uint32_t>(index), static_cast<uint32_t>(s), deviation,
                             std::span(output.sample(s), size));
        });
    }

 private:
    HardwareOptions options_;
    uint64_t seed_;
};

// -------------------------------------------------------------------------------------------------- chips

/// A list of numbers as floats that keep every bit: doubles in four parts of 16 bits.
class StateWriter {
 public:
    explicit StateWriter(std::vector<float>& out) : out_(out) { out_.clear(); }
    void operator()(double value) {
        const auto bits = std::bit_cast<uint64_t>(value);
        for (int part = 0; part < 4; ++part) out_.push_back(static_cast<float>(bits >> (16 * part) & 0xFFFF));
    }
    template <class T>
    void list(const std::vector<T>& values) {
        (*this)(static_cast<double>(values.size()));
        for (const T value : values) (*this)(static_cast<double>(value));
    }

 private:
    std::vector<float>& out_;
};

class StateReader {
 public:
    explicit StateReader(const std::vector<float>& in) : in_(in) {}
    double operator()() {
        if (next_ + 4 > in_.size()) throw FormatError("the converters' ranges of the checkpoint are cut short");
        uint64_t bits = 0;
        for (int part = 0; part < 4; ++part) {
            const float value = in_[next_++];
            if (!(value >= 0 && value <= 65535))
                throw FormatError("the converters' ranges of the checkpoint are damaged");
            bits |= static_cast<uint64_t>(value) << (16 * part);
        }
        return std::bit_cast<double>(bits);
    }
    template <class T>
    void list(std::vector<T>& values) {
        const double count = (*this)();
        if (!(count >= 0 && count <= static_cast<double>(in_.size())))
            throw FormatError("the converters' ranges of the checkpoint are damaged");
        values.clear();
        for (double i = 0; i < count; ++i) values.push_back(static_cast<T>((*this)()));
    }

 private:
    const std::vector<float>& in_;
    size_t next_ = 0;
};

void write_ranges(const std::vector<AdcRange>& ranges, std::vector<float>& out) {
    StateWriter write(out);
    write(static_cast<double>(ranges.size()));
    for (const AdcRange& r : ranges) {
        for (const double value : {r.step, r.offset, r.value_unit, double(r.lo), double(r.hi), double(r.bits),
                                   double(r.lossless), double(r.one_bit), r.threshold})
            write(value);
        write.list(r.thresholds);
        write.list(r.values);
    }
}

std::vector<AdcRange> read_ranges(const std::vector<float>& in) {
    StateReader read(in);
    std::vector<AdcRange> ranges;
    const double count = read();
    for (double i = 0; i < count; ++i) {
        AdcRange r;
        r.step = read();
        r.offset = read();
        r.value_unit = read();
        r.lo = static_cast<int32_t>(read());
        r.hi = static_cast<int32_t>(read());
        r.bits = static_cast<int>(read());
        r.lossless = read() != 0;
        r.one_bit = read() != 0;
        r.threshold = read();
        read.list(r.thresholds);
        read.list(r.values);
        r.policy = "as trained";
        ranges.push_back(std::move(r));
    }
    return ranges;
}

/// A chip of the model's integer network, programmed anew for every step, or always the same one.
class ChipHardware : public Hardware {
 public:
    ChipHardware(const HardwareOptions& options, uint64_t seed, SampleReader calibration)
        : options_(options), architecture_(*options.architecture), seed_(seed), calibration_(std::move(calibration)) {}

    bool needs_network() const override { return true; }

    void begin(const Pass& pass, const Exported* exported) override {
        const bool keep = !pass.training && chip_ && made_of_ == exported->network && chip_step_ == step_of(pass);
        exported_ = exported;
        if (keep) return;
        mapping_ = map_network(exported->network, architecture_, false);
        layer_of_node_.clear();
        for (size_t l = 0; l < mapping_->layers.size(); ++l) layer_of_node_[mapping_->layers[l].node] = l;
        choose_ranges(pass);
        program(pass);
        made_of_ = exported->network;
        chip_step_ = step_of(pass);
        ready(pass);
    }

    std::vector<State*> states() override { return {&ranges_}; }

 protected:
    /// The chip is there.
    virtual void ready(const Pass&) {}
    virtual std::vector<AdcRange> in_use(std::vector<AdcRange> calibrated) { return calibrated; }
    virtual bool keeps_ranges() const { return false; }

    size_t layer_of(int node) const { return layer_of_node_.at(node); }
    const Network& network() const { return exported_->network; }

    HardwareOptions options_;
    Architecture architecture_;
    const Exported* exported_ = nullptr;
    std::optional<Mapping> mapping_;
    std::optional<Chip> chip_;

 private:
    uint32_t step_of(const Pass& pass) const { return options_.fixed_chip ? 0 : pass.step; }

    void choose_ranges(const Pass& pass) {
        if (architecture_.adc.range != AdcOptions::Range::calibrated) {
            write_ranges(static_ranges(*mapping_), ranges_.value);
            return;
        }
        const auto every = static_cast<uint32_t>(options_.calibrate_every);
        const bool due = pass.training && !pass.freeze_batch_norm && !keeps_ranges() && pass.step % every == 0;
        if (!ranges_.value.empty() && !due) return;
        write_ranges(calibrate_ranges(network(), *mapping_, calibration_, options_.calibration_samples), ranges_.value);
    }

    void program(const Pass& pass) {
        const uint64_t seed = options_.fixed_chip ? seed_ : chip_seed(seed_, pass.step);
        ChipMaker maker(network(), *mapping_, in_use(read_ranges(ranges_.value)), calibration_,
                        options_.calibration_samples, seed);
        const double age = draw_age(seed_, pass.step, options_.age_low, options_.age_high);
        chip_ = maker.make(0, {age, options_.temperature});
    }

    uint64_t seed_;
    SampleReader calibration_;
    std::map<int, size_t> layer_of_node_;
    State ranges_{"hardware.ranges", {}};
    Network made_of_;
    uint32_t chip_step_ = 0;
};

/// Trains on what the cells of a chip multiply by; converters resolve everything. Of several bit planes of the inputs
/// all meet the cells of the first.
class DeviceHardware : public ChipHardware {
 public:
    DeviceHardware(const HardwareOptions& options, uint64_t seed, SampleReader calibration)
        : ChipHardware(options, seed, std::move(calibration)) {
        architecture_ = with_lossless_converters(architecture_);
    }

    void disturb_weights(const Pass&, size_t index, Product& product) override {
        const ExportedProduct& nodes = exported_->products[index];
        std::fill(product.weights.begin(), product.weights.end(), 0.0F);
        product.offsets.assign(static_cast<size_t>(product.geometry().out_channels), 0.0F);
        for (size_t p = 0; p < nodes.products.size(); ++p) {
            const auto& op = std::get<MatVec>(network().nodes[size_t(nodes.products[p])].op);
            const EffectiveWeights chip = effective_weights(*mapping_, *chip_, layer_of(nodes.products[p]));
            const auto& scale = std::get<ScaleOutput>(op.output).scale;
            for (size_t c = 0; c < product.offsets.size(); ++c) product.offsets[c] += chip.offset[c] * scale[c];
            if (p % nodes.codes.size() == 0) add_weights(op, chip, product.weights);
        }
    }

 private:
    static void add_weights(const MatVec& op, const EffectiveWeights& chip, std::vector<float>& weights) {
        const size_t each = weights.size() / static_cast<size_t>(op.out_channels);
        for (size_t i = 0; i < weights.size(); ++i)
            weights[i] += chip.weight[i] * op.weight.scale[op.weight.per_tensor() ? 0 : i / each];
    }
};

/// The chip simulation itself as the forward pass. Gradients pass straight through but for the share of an output's
/// significance that was clipped by converters.
class FullHardware : public ChipHardware {
 public:
    FullHardware(const HardwareOptions& options, uint64_t seed, size_t products, SampleReader calibration)
        : ChipHardware(options, seed, std::move(calibration)) {
        if (!options.learn_ranges) return;
        factors_.resize(products);
        limits_.resize(products);
        for (size_t i = 0; i < products; ++i) {
            factors_[i].name = fmt::format("hardware.range{}", i);
            factors_[i].value = {1};
            factors_[i].gradient = {0};
            factors_[i].low = 1.0F / 64;
            factors_[i].high = 64;
        }
    }

    bool replaces_products() const override { return true; }
    void disturb_weights(const Pass&, size_t, Product&) override {}

    void multiply(const Pass&, size_t index, const Tensor& x, Product& product, Tensor& output) override {
        const ExportedProduct& nodes = exported_->products[index];
        product.pass_through.assign(output.values.size(), 1.0F);
        if (!limits_.empty()) limits_[index].assign(output.values.size(), 0.0F);
        for_chunks(x.samples, [&](int64_t, int64_t first, int64_t count) {
            multiply_chunk(nodes, index, x, first, count, product, output);
        });
    }

    /// As PACT trains where activations are clipped (Choi et al., 2018, equation 3): a clipped conversion moves with
    /// the end of the range, and the optimizer's decay pulls the range together.
    void learn(size_t index, const Tensor& output, const Tensor& gradient) override {
        if (factors_.empty()) return;
        const std::vector<float>& limits = limits_[index];
        std::vector<double> parts(static_cast<size_t>(chunks(output.samples)), 0.0);
        for_chunks(output.samples, [&](int64_t chunk, int64_t first, int64_t count) {
            double sum = 0;
            const auto begin = static_cast<size_t>(first * output.elements());
            for (size_t i = begin; i < begin + static_cast<size_t>(count * output.elements()); ++i)
                sum += double(gradient.values[i]) * double(limits[i]);
            parts[static_cast<size_t>(chunk)] = sum;
        });
        double sum = 0;
        for (const double part : parts) sum += part;
        factors_[index].gradient[0] = static_cast<float>(sum / double(factors_[index].value[0]));
    }

    std::vector<Parameter*> parameters() override {
        std::vector<Parameter*> all;
        for (Parameter& factor : factors_) all.push_back(&factor);
        return all;
    }

 protected:
    void ready(const Pass&) override {
        engine_ = std::make_unique<ChipEngine>(network(), *mapping_, *chip_);
        meter_.emplace(network(), *mapping_, *chip_);
    }

    bool keeps_ranges() const override { return !factors_.empty(); }

    std::vector<AdcRange> in_use(std::vector<AdcRange> calibrated) override {
        if (factors_.empty()) return calibrated;
        for (size_t i = 0; i < exported_->products.size(); ++i)
            for (const int node : exported_->products[i].products)
                calibrated.at(layer_of(node)).step *= double(factors_[i].value[0]);
        return calibrated;
    }

 private:
    /// The same nodes as in a simulation, on some samples of the batch.
    void multiply_chunk(const ExportedProduct& nodes, size_t index, const Tensor& x, int64_t first, int64_t count,
                        Product& product, Tensor& output) {
        const Block real{{}, {x.sample(first), x.sample(first) + count * x.elements()}};
        std::vector<Block> codes;
        for (const int node : nodes.codes) codes.push_back(run_node(network(), node, *engine_, {&real}, count, first));
        const size_t begin = static_cast<size_t>(first * output.elements()),
                     size = static_cast<size_t>(count) * static_cast<size_t>(output.elements());
        Block sum;
        std::vector<float> share(size), limit(limits_.empty() ? 0 : size);
        const float each = 1.0F / static_cast<float>(nodes.products.size());
        for (size_t p = 0; p < nodes.products.size(); ++p) {
            const Block& input = codes[p % codes.size()];
            Block part = run_node(network(), nodes.products[p], *engine_, {&input}, count, first);
            sum = p == 0 ? std::move(part)
                         : run_node(network(), nodes.sums[p - 1], *engine_, {&sum, &part}, count, first);
            meter_->measure(layer_of(nodes.products[p]), input.codes, count, first, share, limit);
            for (size_t i = 0; i < size; ++i) product.pass_through[begin + i] -= each * share[i];
            if (!limits_.empty()) add_limits(nodes.products[p], limit, output.elements(), &limits_[index][begin]);
        }
        std::copy(sum.real.begin(), sum.real.end(), output.values.begin() + static_cast<std::ptrdiff_t>(begin));
    }

    /// From units of the sums to those of the outputs.
    void add_limits(int node, const std::vector<float>& limit, int64_t elements, float* out) const {
        const auto& op = std::get<MatVec>(network().nodes[size_t(node)].op);
        const auto& scale = std::get<ScaleOutput>(op.output).scale;
        const int64_t positions = elements / op.out_channels;
        for (size_t i = 0; i < limit.size(); ++i)
            out[i] += limit[i] * scale[static_cast<size_t>(static_cast<int64_t>(i) / positions % op.out_channels)];
    }

    std::unique_ptr<ChipEngine> engine_;
    std::optional<ClipMeter> meter_;
    std::vector<Parameter> factors_;          // (products) of the calibrated steps; empty: not learned
    std::vector<std::vector<float>> limits_;  // (products) what clipped conversions add to each output
};

}  // namespace

void validate(const HardwareOptions& options) {
    require("weight noise", options.weight_noise, 0, 10);
    require("output noise", options.output_noise, 0, 10);
    require("lowest age", options.age_low, 0, 1e12);
    require("highest age", options.age_high, options.age_low, 1e12);
    require("temperature", options.temperature, 1, 2000);
    require("calibration samples", static_cast<double>(options.calibration_samples), 1, 1e9);
    require("steps between calibrations", static_cast<double>(options.calibrate_every), 1, 1e9);
    if (options.strength != HardwareStrength::noise && !options.architecture)
        throw ConfigError("hardware strengths device and full need an architecture");
    if (options.learn_ranges && options.strength != HardwareStrength::full)
        throw ConfigError("learned converter ranges need the hardware strength full: others have no converters");
    if (options.learn_ranges && options.architecture->adc.range != AdcOptions::Range::calibrated)
        throw ConfigError("learned converter ranges start from calibrated ones: set adc.range = calibrated");
}

void add_weight_noise(uint64_t seed, uint32_t step, uint32_t index, float deviation, std::span<float> values) {
    add_gaussian(stream_key(seed, step, Purpose::weight_noise), index, 0, deviation, values);
}

uint64_t chip_seed(uint64_t seed, uint32_t step) {
    const StreamKey key = stream_key(seed, step, Purpose::training_chip);
    return uint64_t{key.k1} << 32 | key.k0;
}

double draw_age(uint64_t seed, uint32_t step, double low, double high) {
    if (low == high) return low;
    const Counter bits = philox({step, 0, 0, 0}, stream_key(seed, 0, Purpose::training_age));
    const double from = fixed_log(1 + low), to = fixed_log(1 + high);
    return std::clamp(fixed_expm1(from + (to - from) * uniform(bits[0])), low, high);
}

Architecture with_lossless_converters(Architecture architecture) {
    architecture.adc.range = AdcOptions::Range::lossless;
    architecture.adc.bits = 0;
    architecture.compensation.adc_ranges = false;
    return architecture;
}

std::unique_ptr<Hardware> make_hardware(const HardwareOptions& options, uint64_t seed, size_t products,
                                        SampleReader calibration) {
    validate(options);
    switch (options.strength) {
        case HardwareStrength::noise:
            return std::make_unique<NoiseHardware>(options, seed);
        case HardwareStrength::device:
            return std::make_unique<DeviceHardware>(options, seed, std::move(calibration));
        case HardwareStrength::full:
            return std::make_unique<FullHardware>(options, seed, products, std::move(calibration));
    }
    throw ConfigError("unknown hardware strength");
}

}  // namespace bitline::training
