#pragma once

// Numbers for the tests of methods.

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "training/method.h"

namespace bitline::testing {

/// Normal numbers of mean 0, the same for the same seed.
inline std::vector<float> normal_numbers(size_t count, float deviation, uint64_t seed = 1) {
    PhiloxEngine engine(stream_key(seed, 0, Purpose::test), 0, 0, 0);
    std::vector<float> numbers(count);
    for (float& x : numbers) x = deviation * static_cast<float>(gaussian(engine()));
    return numbers;
}

/// The real weights that codes stand for, as training/method.h defines them.
inline std::vector<float> real_weights(const training::QuantizedWeights& quantized, int64_t channels) {
    std::vector<float> w(quantized.planes[0].codes.size(), 0.0F);
    const size_t per_channel = w.size() / static_cast<size_t>(channels);
    for (const auto& plane : quantized.planes) {
        const Quantizer& q = plane.quantizer;
        for (size_t i = 0; i < w.size(); ++i) {
            const size_t slice = q.per_tensor() ? 0 : i / per_channel;
            w[i] += q.scale[slice] * static_cast<float>(plane.codes[i] - q.zero_point[slice]);
        }
    }
    return w;
}

}  // namespace bitline::testing
