#include "training/methods/parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"

namespace bitline::training {

namespace {

void require_bits(const std::string& method, const LayerRole& role, const char* what, int low, int high) {
    if (role.bits >= low && role.bits <= high) return;
    throw ConfigError(low == high ? fmt::format("layer '{}': {} bits = {} violates {} bits = {} of method '{}'",
                                                role.name, what, role.bits, what, low, method)
                                  : fmt::format("layer '{}': {} bits = {} violates {} <= {} bits <= {} of method '{}'",
                                                role.name, what, role.bits, low, what, high, method));
}

}  // namespace

float usable_scale(double scale) {
    if (!(scale > kSmallestScale)) return kSmallestScale;
    return scale < kLargestScale ? static_cast<float>(scale) : kLargestScale;
}

Quantizer narrow_quantizer(int bits, std::vector<float> scale) {
    Quantizer quantizer;
    quantizer.bits = bits;
    quantizer.narrow = true;
    quantizer.zero_point.assign(scale.size(), 0);
    quantizer.scale = std::move(scale);
    return quantizer;
}

Quantizer unsigned_quantizer(int bits, float scale) {
    Quantizer quantizer;
    quantizer.bits = bits;
    quantizer.is_signed = false;
    quantizer.zero_point = {0};
    quantizer.scale = {scale};
    return quantizer;
}

Quantizer bipolar_quantizer(std::vector<float> scale) {
    Quantizer quantizer = narrow_quantizer(1, std::move(scale));
    quantizer.kind = Quantizer::Kind::bipolar;
    quantizer.narrow = false;
    return quantizer;
}

Quantizer input_quantizer(const LayerRole& role, float scale) {
    return role.negative ? narrow_quantizer(role.bits, {scale}) : unsigned_quantizer(role.bits, scale);
}

void require_weight_bits(const std::string& method, const LayerRole& role) {
    const MethodEntry& entry = find_method(method);
    require_bits(method, role, "weight", entry.weight_bits_low, entry.weight_bits_high);
}

void require_input_bits(const std::string& method, const LayerRole& role) {
    const MethodEntry& entry = find_method(method);
    require_bits(method, role, "input", entry.input_bits_low, entry.input_bits_high);
}

Operator quantize_node(const Quantizer& to) {
    Quantize node;
    node.to = to;
    return node;
}

void quantize_to_grid(const Quantizer& to, std::span<const float> x, std::span<float> quantized) {
    const CodeOf code(to);
    const float scale = to.scale[0];
    for (size_t i = 0; i < x.size(); ++i) quantized[i] = code.on_grid(x[i] / scale) * scale;
}

void pass_inside(std::span<const float> x, float low, float high, std::span<const float> gradient,
                 std::span<float> x_gradient) {
    for (size_t i = 0; i < x.size(); ++i) {
        const bool inside = (x[i] >= low) & (x[i] <= high);
        x_gradient[i] = inside ? gradient[i] : 0.0F;
    }
}

float largest_magnitude(std::span<const float> x) {
    float largest = 0;
    for (const float v : x) {
        const float magnitude = std::abs(v);
        const bool larger = (magnitude > largest) & (magnitude <= std::numeric_limits<float>::max());
        largest = larger ? magnitude : largest;
    }
    return largest;
}

double mean_magnitude(std::span<const float> x) {
    if (x.empty()) return 0;
    return lane_sum(x, [](float v) { return std::abs(v); }) / static_cast<double>(x.size());
}

void for_each_channel(std::span<const float> weights, int64_t channels,
                      const std::function<void(size_t, std::span<const float>, size_t)>& body) {
    constexpr int64_t kWork = 16384;  // weights of one piece of parallel work, about 10 us
    const auto per_channel = static_cast<int64_t>(weights.size()) / channels;
    const int64_t at_once = std::max<int64_t>(1, kWork / std::max<int64_t>(per_channel, 1));
    parallel_for((channels + at_once - 1) / at_once, [&](int64_t piece) {
        const int64_t end = std::min(channels, (piece + 1) * at_once);
        for (int64_t c = piece * at_once; c < end; ++c) {
            const auto first = static_cast<size_t>(c * per_channel);
            body(static_cast<size_t>(c), weights.subspan(first, static_cast<size_t>(per_channel)), first);
        }
    });
}

void resize_plane(QuantizedWeights& quantized, size_t planes, size_t count) {
    quantized.planes.resize(planes);
    for (QuantizedWeights::Plane& plane : quantized.planes) plane.codes.resize(count);
}

std::span<const float> spread_sample(std::span<const float> x, size_t count, std::vector<float>& storage) {
    constexpr uint32_t kGolden = 0x9E3779B9U;  // 2^32 / golden ratio, odd
    storage.clear();
    const size_t wanted = std::min(count, x.size());
    uint32_t place = 0;
    for (size_t i = 0; i < wanted; ++i, place += kGolden) {
        const size_t index = x.size() <= count ? i : static_cast<size_t>((uint64_t(place) * x.size()) >> 32);
        if (std::isfinite(x[index])) storage.push_back(x[index]);
    }
    return storage;
}

}  // namespace bitline::training
