#pragma once

#include <cstdint>
#include <span>

#include "core/network.h"
#include "mapping/chip.h"
#include "mapping/mapping.h"

namespace bitline {

/// Which results of a layer rest on conversions that clipped: what gradients through a chip must know.
class ClipMeter {
 public:
    /// All three must outlive the meter, which threads share.
    ClipMeter(const Network& network, const Mapping& mapping, const Chip& chip);

    /// For the codes and samples of a product (see ProductEngine), each (samples x out_channels x positions):
    /// `share`: significance of the clipped conversions over that of all, 0 .. 1; `limits`, where not empty: what the
    /// clipped conversions add to the result, in its units. The same noise as in the product, but for that which
    /// outlasts a conversion and that of row drivers.
    void measure(size_t layer, std::span<const int32_t> codes, int64_t samples, int64_t first_sample,
                 std::span<float> share, std::span<float> limits) const;

 private:
    const Network& network_;
    const Mapping& mapping_;
    const Chip& chip_;
};

}  // namespace bitline
