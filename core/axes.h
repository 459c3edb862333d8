#pragma once

// Where the elements of a sample lie along its axes, for the reference and for training.

#include <cstdint>
#include <vector>

#include "core/network.h"

namespace bitline {

/// source[i]: where element i of a permuted sample lies in the input; output axis i is input axis order[i].
inline std::vector<int64_t> permuted_indices(const Shape& in, const std::vector<int64_t>& order) {
    std::vector<int64_t> stride(in.size(), 1);
    for (size_t a = in.size(); a-- > 1;) stride[a - 1] = stride[a] * in[a];
    std::vector<int64_t> source{0};
    for (const int64_t axis : order) {
        std::vector<int64_t> longer;
        longer.reserve(source.size() * static_cast<size_t>(in[static_cast<size_t>(axis)]));
        for (const int64_t base : source) {
            for (int64_t i = 0; i < in[static_cast<size_t>(axis)]; ++i)
                longer.push_back(base + i * stride[static_cast<size_t>(axis)]);
        }
        source = std::move(longer);
    }
    return source;
}

/// The lines that a softmax runs along: blocks of count * stride elements, `stride` lines in each, whose elements lie
/// `stride` apart.
struct Lines {
    int64_t count = 1, stride = 1;
};

inline Lines softmax_lines(const Softmax& op, const Shape& shape) {
    const auto axis = op.axis < 0 ? op.axis + static_cast<int64_t>(shape.size()) : op.axis;
    const int64_t along = shape[static_cast<size_t>(axis)];
    const int64_t behind = element_count(Shape(shape.begin() + axis + 1, shape.end()));
    return op.flatten_from_axis ? Lines{along * behind, 1} : Lines{along, behind};
}

}  // namespace bitline
