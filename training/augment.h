#pragma once

// Random changes of images that keep their class, as the field trains with (He et al., CVPR 2016, section 4.2: "4
// pixels are padded on each side, and a 32x32 crop is randomly sampled from the padded image or its horizontal flip").

#include <cstdint>
#include <string>

#include "core/network.h"

namespace bitline::training {

struct Augmentation {
    int64_t crop = 0;      // pixels of padding on each side, from which a window of the image's size is cut; 0: none
    bool reflect = false;  // padding mirrors the image at its outermost pixels, else it is 0 in units of the raw data
    bool flip = false;     // left to right in half of the cases
    bool operator==(const Augmentation&) const = default;
};

/// "none", or "crop=4", "reflect" (beside crop) and "flip" with commas between them. Throws ConfigError.
Augmentation parse_augmentation(const std::string& text);
std::string to_string(const Augmentation& augmentation);

/// Throws ConfigError unless samples of this shape are images (height x width, or channels x height x width) on each
/// side larger than the padding.
void require_images(const Augmentation& augmentation, const Shape& shape);

/// Where a crop lies and whether it is mirrored.
struct AugmentationDraw {
    int64_t down = 0, right = 0;  // first pixel of the window relative to the image's, -crop .. crop
    bool mirrored = false;
};

/// A pure function of (seed, epoch, sample).
AugmentationDraw draw_augmentation(const Augmentation& augmentation, uint64_t seed, uint32_t epoch, int64_t sample);

/// `from` and `to` are one sample each and do not overlap.
void augment(const Augmentation& augmentation, const AugmentationDraw& draw, const Shape& shape, const float* from,
             float* to);

}  // namespace bitline::training
