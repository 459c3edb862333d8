#include "training/augment.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/options.h"
#include "core/random.h"

namespace bitline::training {

namespace {

constexpr int64_t kLargestCrop = 1024;

[[noreturn]] void fail(const std::string& text, const std::string& problem) {
    throw ConfigError(fmt::format("augmentation '{}': {}; write none, or crop=4, reflect and flip with commas between",
                                  printable(text), problem));
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> items;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        items.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return items;
}

int64_t parse_crop(const std::string& value) {
    OptionText option;
    option.path = "augmentation: crop";
    option.value = value;
    const int64_t crop = parse_integer(option);
    if (crop < 1 || crop > kLargestCrop) throw violation_error(option, fmt::format("1 <= crop <= {}", kLargestCrop));
    return crop;
}

void set_item(Augmentation& augmentation, const std::string& item, const std::string& text) {
    if (item.rfind("crop=", 0) == 0) {
        augmentation.crop = parse_crop(item.substr(5));
    } else if (item == "reflect") {
        augmentation.reflect = true;
    } else if (item == "flip") {
        augmentation.flip = true;
    } else if (item == "none") {
        fail(text, "none stands alone");
    } else {
        const std::string name = item.substr(0, item.find('='));
        fail(text, fmt::format("'{}' is unknown, did you mean '{}'?", printable(item),
                               nearest_name(name, {"crop", "reflect", "flip", "none"})));
    }
}

struct Image {
    int64_t channels = 1, height = 1, width = 1;
};

Image image_of(const Shape& shape) {
    if (shape.size() == 2) return {1, shape[0], shape[1]};
    return {shape[0], shape[1], shape[2]};
}

/// Index into an axis of `size` pixels, mirrored without repeating the outermost; needs -size < at < 2 size - 1.
int64_t reflected(int64_t at, int64_t size) {
    if (at < 0) return -at;
    return at < size ? at : 2 * (size - 1) - at;
}

/// A whole number of 0 .. count - 1 from 32 random bits. Its bias is below count / 2^32.
int64_t below(uint32_t bits, int64_t count) {
    return static_cast<int64_t>((uint64_t(bits) * static_cast<uint64_t>(count)) >> 32);
}

}  // namespace

Augmentation parse_augmentation(const std::string& text) {
    Augmentation augmentation;
    if (text == "none") return augmentation;
    std::vector<std::string> seen;
    for (const std::string& item : split(text)) {
        const std::string name = item.substr(0, item.find('='));
        if (std::find(seen.begin(), seen.end(), name) != seen.end())
            fail(text, fmt::format("'{}' is given twice", printable(name)));
        seen.push_back(name);
        set_item(augmentation, item, text);
    }
    if (augmentation.reflect && augmentation.crop == 0) fail(text, "reflect says how crop pads, and crop is missing");
    return augmentation;
}

std::string to_string(const Augmentation& augmentation) {
    if (augmentation == Augmentation{}) return "none";
    std::string text;
    const auto add = [&](const std::string& item) { text += (text.empty() ? "" : ",") + item; };
    if (augmentation.crop > 0) add(fmt::format("crop={}", augmentation.crop));
    if (augmentation.reflect) add("reflect");
    if (augmentation.flip) add("flip");
    return text;
}

void require_images(const Augmentation& augmentation, const Shape& shape) {
    if (augmentation == Augmentation{}) return;
    if (shape.size() != 2 && shape.size() != 3) {
        throw ConfigError(
            fmt::format("augmentation '{}' needs images (channels x height x width); the samples have "
                        "shape {}; use none",
                        to_string(augmentation), bitline::to_string(shape)));
    }
    const Image image = image_of(shape);
    if (augmentation.crop < std::min(image.height, image.width)) return;
    throw ConfigError(fmt::format("augmentation: crop = {} violates crop < {}, the smaller side of images of shape {}",
                                  augmentation.crop, std::min(image.height, image.width), bitline::to_string(shape)));
}

AugmentationDraw draw_augmentation(const Augmentation& augmentation, uint64_t seed, uint32_t epoch, int64_t sample) {
    const auto index = static_cast<uint64_t>(sample);
    const Counter bits = philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), 0, 0},
                                stream_key(seed, epoch, Purpose::augmentation));
    AugmentationDraw draw;
    draw.down = below(bits[0], 2 * augmentation.crop + 1) - augmentation.crop;
    draw.right = below(bits[1], 2 * augmentation.crop + 1) - augmentation.crop;
    draw.mirrored = augmentation.flip && below(bits[2], 2) == 1;
    return draw;
}

void augment(const Augmentation& augmentation, const AugmentationDraw& draw, const Shape& shape, const float* from,
             float* to) {
    const Image image = image_of(shape);
    for (int64_t row = 0; row < image.channels * image.height; ++row) {
        const int64_t channel = row / image.height, source_y = row % image.height + draw.down;
        const bool row_outside = source_y < 0 || source_y >= image.height;
        const int64_t y = augmentation.reflect ? reflected(source_y, image.height) : source_y;
        const float* const line =
            from + (channel * image.height + (row_outside && !augmentation.reflect ? 0 : y)) * image.width;
        for (int64_t column = 0; column < image.width; ++column) {
            const int64_t source_x = (draw.mirrored ? image.width - 1 - column : column) + draw.right;
            const bool outside = row_outside || source_x < 0 || source_x >= image.width;
            float& pixel = to[row * image.width + column];
            if (augmentation.reflect) {
                pixel = line[reflected(source_x, image.width)];
            } else {
                pixel = outside ? 0.0F : line[source_x];
            }
        }
    }
}

}  // namespace bitline::training
