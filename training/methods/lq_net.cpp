// LQ-Net: numbers on a learned basis, one bit for each of its entries.
//   weights: w_q = v . b, b in {-1, +1}^K, a basis v for each output channel
//   inputs:  x_q = v . b, b in {0, 1}^K, a basis for the layer
//   each number takes the nearest of the 2^K levels; v minimises sum (w - v . b)^2 for these b (quantization error
//   minimisation, alternating), and follows as a moving average: v <- 0.9 v + 0.1 argmin, once per training step
//   dC/dw = dC/dw_q;  dC/dx = dC/dx_q where x is at most the largest level, else 0
// Zhang, Yang, Ye, Hua: "LQ-Nets: learned quantization for highly accurate and compact deep neural networks", ECCV
// 2018, equations 4 to 8 and algorithm 1.
//
// Different from the survey: its equation 11 writes v for both bases, the first is that of the weights, and its
// equation 10 holds for weights only. Different from the paper: a basis starts where alternation from the best uniform
// levels ends, on the first weights and the first batch, where the paper starts from a formula of the layer's size; the
// least squares hold on to the last basis by a millionth, so that numbers with fewer values than levels have one
// solution. Inputs that can be negative, which the paper has none of, take b in {-1, +1}^K.
//
// On the chip every plane is a binary layer of its own: weights -1 and +1, inputs 0 and 1 from thresholds midway
// between levels.

#include <numeric>

#include "training/methods/parts.h"

namespace bitline::training {

namespace {

constexpr int kMostBits = 4, kMostLevels = 1 << kMostBits;

/// The bits that a basis entry is multiplied by.
enum class Digits { plus_minus, zero_one };

/// The levels of one basis, ascending, and the bits that each stands for.
struct Levels {
    int bits = 1;
    Digits digits = Digits::plus_minus;
    std::array<int, kMostLevels> pattern{};          // bit j: entry j
    std::array<float, kMostLevels> value{};          // float32 sum in the order of the entries
    std::array<float, kMostLevels - 1> threshold{};  // midway between neighbours

    int count() const { return 1 << bits; }
    int digit(int level, int entry) const {
        const int bit = pattern[size_t(level)] >> entry & 1;
        return digits == Digits::zero_one ? bit : 2 * bit - 1;
    }
};

Levels levels_of(std::span<const float> basis, Digits digits) {
    Levels levels;
    levels.bits = static_cast<int>(basis.size());
    levels.digits = digits;
    const auto count = static_cast<size_t>(levels.count());
    std::array<float, kMostLevels> of_pattern{};
    std::iota(levels.pattern.begin(), levels.pattern.end(), 0);
    for (size_t p = 0; p < count; ++p) {
        for (int j = 0; j < levels.bits; ++j) {
            of_pattern[p] += static_cast<float>(levels.digit(static_cast<int>(p), j)) * basis[size_t(j)];
        }
    }
    const auto end = levels.pattern.begin() + static_cast<std::ptrdiff_t>(count);
    std::sort(levels.pattern.begin(), end, [&](int a, int b) {
        return of_pattern[size_t(a)] != of_pattern[size_t(b)] ? of_pattern[size_t(a)] < of_pattern[size_t(b)] : a < b;
    });
    for (size_t m = 0; m < count; ++m) levels.value[m] = of_pattern[size_t(levels.pattern[m])];
    for (size_t m = 0; m + 1 < count; ++m) levels.threshold[m] = 0.5F * (levels.value[m] + levels.value[m + 1]);
    return levels;
}

/// Number of thresholds crossed; NaN crosses none.
int level_of(const Levels& levels, float x) {
    int level = 0;
    for (int m = 0; m + 1 < levels.count(); ++m) level += x >= levels.threshold[size_t(m)] ? 1 : 0;
    return level;
}

/// A symmetric positive definite system of up to kMostBits unknowns.
struct NormalEquations {
    std::array<std::array<double, kMostBits>, kMostBits> matrix{};
    std::array<double, kMostBits> right{};

    /// Gaussian elimination; needs no pivots. Overwrites itself; the solution is in `right`.
    void solve(int n) {
        for (int i = 0; i < n; ++i) {
            for (int r = i + 1; r < n; ++r) {
                const double factor = matrix[size_t(r)][size_t(i)] / matrix[size_t(i)][size_t(i)];
                for (int c = i; c < n; ++c) matrix[size_t(r)][size_t(c)] -= factor * matrix[size_t(i)][size_t(c)];
                right[size_t(r)] -= factor * right[size_t(i)];
            }
        }
        for (int i = n - 1; i >= 0; --i) {
            for (int c = i + 1; c < n; ++c) right[size_t(i)] -= matrix[size_t(i)][size_t(c)] * right[size_t(c)];
            right[size_t(i)] /= matrix[size_t(i)][size_t(i)];
        }
    }
};

/// One alternation: bits by the nearest level, then the basis of least squares for them, into `next`, ascending and
/// positive. Never a larger squared error. False where that basis has an entry of no use (not above 0, not finite), so
/// that the last one is to be kept.
bool refit(std::span<const float> x, std::span<const float> basis, Digits digits, std::span<float> next) {
    constexpr double kHold = 1e-6;
    const Levels levels = levels_of(basis, digits);
    std::array<double, kMostLevels> number{}, sum{};
    for (const float v : x) {
        const auto level = size_t(level_of(levels, v));
        number[level] += 1;
        sum[level] += double(v);
    }
    NormalEquations equations;
    const int bits = levels.bits;
    const double hold = kHold * static_cast<double>(x.size());
    for (int j = 0; j < bits; ++j) {
        equations.matrix[size_t(j)][size_t(j)] = hold;
        equations.right[size_t(j)] = hold * double(basis[size_t(j)]);
        for (int m = 0; m < levels.count(); ++m) {
            equations.right[size_t(j)] += levels.digit(m, j) * sum[size_t(m)];
            for (int i = 0; i < bits; ++i) {
                equations.matrix[size_t(j)][size_t(i)] += levels.digit(m, j) * levels.digit(m, i) * number[size_t(m)];
            }
        }
    }
    equations.solve(bits);
    for (int j = 0; j < bits; ++j) {
        // -v with the opposite bits gives the same levels, if there are opposite bits.
        const double v =
            digits == Digits::plus_minus ? std::abs(equations.right[size_t(j)]) : equations.right[size_t(j)];
        if (!(v >= double(kSmallestScale) && v <= double(kLargestScale))) return false;
        next[size_t(j)] = static_cast<float>(v);
    }
    std::sort(next.begin(), next.end());
    return true;
}

/// Entries v, 2 v, 4 v, ...: uniform levels, of the range with the least squared error.
void uniform_basis(std::span<const float> x, Digits digits, std::span<float> basis) {
    const float largest = largest_magnitude(x);
    const auto top = static_cast<float>((1 << basis.size()) - 1);
    const auto nearest_odd = [top](float scaled) {
        return 2 * round_half_even((finite_clip(scaled, -top, top) - top) * 0.5F) + top;
    };
    const auto nearest_whole = [top](float scaled) { return round_half_even(finite_clip(scaled, 0, top)); };
    const float share = digits == Digits::plus_minus ? least_squares_share(x, largest, top, nearest_odd)
                                                     : least_squares_share(x, largest, top, nearest_whole);
    const float step = largest > 0 ? largest * share / top : 1.0F;
    for (size_t j = 0; j < basis.size(); ++j) basis[j] = usable_scale(double(step) * double(1 << j));
}

/// From uniform levels until nothing moves any more.
void first_basis(std::span<const float> x, Digits digits, std::span<float> basis) {
    constexpr int kMostRounds = 50;
    uniform_basis(x, digits, basis);
    std::array<float, kMostBits> next{};
    for (int round = 0; round < kMostRounds; ++round) {
        const auto fitted = std::span(next).first(basis.size());
        if (!refit(x, basis, digits, fitted) || std::equal(basis.begin(), basis.end(), fitted.begin())) return;
        std::copy(fitted.begin(), fitted.end(), basis.begin());
    }
}

/// One alternation, followed at a distance.
void follow(std::span<const float> x, Digits digits, std::span<float> basis) {
    constexpr float kKept = 0.9F;
    std::array<float, kMostBits> next{};
    if (!refit(x, basis, digits, std::span(next).first(basis.size()))) return;
    for (size_t j = 0; j < basis.size(); ++j) basis[j] = kKept * basis[j] + (1 - kKept) * next[j];
}

State basis_state(size_t bases, int bits) {
    State basis;
    basis.name = "basis";
    for (size_t i = 0; i < bases; ++i) {
        for (int j = 0; j < bits; ++j) basis.value.push_back(static_cast<float>(1 << j));
    }
    return basis;
}

class BasisWeights : public WeightQuantizer {
 public:
    explicit BasisWeights(const LayerRole& role)
        : channels_(role.channels), bits_(role.bits), basis_(basis_state(size_t(role.channels), role.bits)) {}

    void start(std::span<const float> weights) override {
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t) {
            first_basis(w, Digits::plus_minus, of(channel));
        });
    }

    void quantize(std::span<const float> weights, bool adapt, QuantizedWeights& quantized) override {
        resize_plane(quantized, size_t(bits_), weights.size());
        for (QuantizedWeights::Plane& plane : quantized.planes) {
            plane.quantizer = bipolar_quantizer(std::vector<float>(size_t(channels_)));
        }
        for_each_channel(weights, channels_, [&](size_t channel, std::span<const float> w, size_t first) {
            const std::span<float> basis = of(channel);
            if (adapt) follow(w, Digits::plus_minus, basis);
            const Levels levels = levels_of(basis, Digits::plus_minus);
            for (int j = 0; j < bits_; ++j) quantized.planes[size_t(j)].quantizer.scale[channel] = basis[size_t(j)];
            for (size_t i = 0; i < w.size(); ++i) {
                const int level = level_of(levels, w[i]);
                for (int j = 0; j < bits_; ++j) quantized.planes[size_t(j)].codes[first + i] = levels.digit(level, j);
            }
        });
    }

    void backward(std::span<const float>, const QuantizedWeights&, std::span<const float> gradient,
                  std::span<float> weight_gradient) override {
        std::copy(gradient.begin(), gradient.end(), weight_gradient.begin());
    }

    std::vector<State*> states() override { return {&basis_}; }

 private:
    std::span<float> of(size_t channel) {
        return std::span(basis_.value).subspan(channel * size_t(bits_), size_t(bits_));
    }

    int64_t channels_;
    int bits_;
    State basis_;  // (channels x bits), ascending per channel
};

class BasisInputs : public InputQuantizer {
 public:
    explicit BasisInputs(const LayerRole& role)
        : digits_(role.negative ? Digits::plus_minus : Digits::zero_one), basis_(basis_state(1, role.bits)) {}

    void observe(std::span<const float> x, bool first) override {
        const auto seen = spread_sample(x, first ? kFirstSample : kLaterSample, sample_);
        if (largest_magnitude(seen) == 0) return;  // nothing to fit a basis to
        first ? first_basis(seen, digits_, basis_.value) : follow(seen, digits_, basis_.value);
    }

    std::vector<Operator> planes() const override {
        const Levels levels = levels_of(basis_.value, digits_);
        std::vector<Operator> planes;
        for (int j = 0; j < levels.bits; ++j) {
            Bucketize plane;
            const float scale = basis_.value[size_t(j)];
            plane.to = digits_ == Digits::plus_minus ? bipolar_quantizer({scale}) : unsigned_quantizer(1, scale);
            plane.codes.push_back(levels.digit(0, j));
            for (int m = 1; m < levels.count(); ++m) {
                if (levels.digit(m, j) == plane.codes.back()) continue;
                plane.threshold.push_back(levels.threshold[size_t(m) - 1]);
                plane.codes.push_back(levels.digit(m, j));
            }
            planes.emplace_back(std::move(plane));
        }
        return planes;
    }

    void forward(std::span<const float> x, std::span<float> quantized) const override {
        const Levels levels = levels_of(basis_.value, digits_);
        switch (levels.bits) {
            case 1:
                return look_up<2>(levels, x, quantized);
            case 2:
                return look_up<4>(levels, x, quantized);
            case 3:
                return look_up<8>(levels, x, quantized);
            default:
                return look_up<16>(levels, x, quantized);
        }
    }

    void backward(std::span<const float> x, std::span<const float> gradient, std::span<float> x_gradient,
                  std::span<double>) const override {
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        const Levels levels = levels_of(basis_.value, digits_);
        const float top = levels.value[size_t(levels.count()) - 1];
        pass_inside(x, digits_ == Digits::plus_minus ? -top : -kInfinity, top, gradient, x_gradient);
    }

    std::vector<State*> states() override { return {&basis_}; }

 private:
    /// The value of the last level that x reaches; a known number of levels unrolls, so that the loop vectorises.
    template <size_t kLevels>
    static void look_up(const Levels& levels, std::span<const float> x, std::span<float> quantized) {
        std::array<float, kLevels> value{};
        std::array<float, kLevels - 1> threshold{};
        std::copy_n(levels.value.begin(), kLevels, value.begin());
        std::copy_n(levels.threshold.begin(), kLevels - 1, threshold.begin());
        for (size_t i = 0; i < x.size(); ++i) {
            float result = value[0];
            for (size_t m = 1; m < kLevels; ++m) result = x[i] >= threshold[m - 1] ? value[m] : result;
            quantized[i] = result;
        }
    }

    Digits digits_;
    State basis_;  // ascending
    std::vector<float> sample_;
};

class LqNet : public Method {
 public:
    std::unique_ptr<WeightQuantizer> weights(const LayerRole& role) const override {
        require_weight_bits("lq-net", role);
        return std::make_unique<BasisWeights>(role);
    }
    std::unique_ptr<InputQuantizer> inputs(const LayerRole& role) const override {
        require_input_bits("lq-net", role);
        return std::make_unique<BasisInputs>(role);
    }
};

}  // namespace

std::unique_ptr<Method> make_lq_net(const MethodOptions&) { return std::make_unique<LqNet>(); }

}  // namespace bitline::training
