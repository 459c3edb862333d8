#include "core/kernels/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/kernels/noise.h"
#include "core/kernels/scalar.h"
#include "core/kernels/x86_kernels.h"

namespace bitline::kernels {

double anchor(const Converter& converter) {
    if (converter.one_bit) return 0;
    const int64_t largest = std::max(
        {std::abs(int64_t{converter.lo}), std::abs(int64_t{converter.hi}), int64_t{converter.transfer.largest}});
    return std::ldexp(1.5, std::bit_width(uint64_t(largest) + 1) + 1);
}

NoiseScale noise_scale(const Block& block, const Converter& converter, int col) {
    NoiseScale scale;
    if (!block.variance.empty()) scale.unit = float(block.variance_unit / kNoiseVariance);
    if (!converter.deviation.empty())
        scale.own = float(converter.deviation[col] * converter.deviation[col] / kNoiseVariance);
    return scale;
}

bool has_noise(const Block& block, const Converter& converter, const Noise* noise) {
    return noise && !(block.variance.empty() && converter.deviation.empty());
}

const std::vector<const Kernel*>& all() {
    static const std::vector<const Kernel*> table = {
#if defined(__x86_64__)
        &kAmx,
        &kAvx512,
        &kAvx2,
#endif
        &kScalar,
    };
    return table;
}

const Kernel* find(const std::string& name) {
    const auto named = [&](const Kernel* kernel) { return kernel->name == name; };
    const auto found = std::find_if(all().begin(), all().end(), named);
    return found == all().end() ? nullptr : *found;
}

const Kernel& select(const std::vector<const Kernel*>& table, const std::string& name) {
    std::string names;
    for (const Kernel* kernel : table) {
        if (name.empty() ? kernel->available() : name == kernel->name) {
            if (kernel->available()) return *kernel;
            throw ConfigError(fmt::format("BITLINE_KERNEL={}: this machine lacks {}", name, kernel->missing()));
        }
        names += fmt::format("{}{}", names.empty() ? "" : ", ", kernel->name);
    }
    throw ConfigError(fmt::format("BITLINE_KERNEL={}: no such kernel; choose one of {}", name, names));
}

const Kernel& active() {
    static const Kernel& kernel = []() -> const Kernel& {
        const char* name = std::getenv("BITLINE_KERNEL");
        return select(all(), name ? name : "");
    }();
    return kernel;
}

}  // namespace bitline::kernels
