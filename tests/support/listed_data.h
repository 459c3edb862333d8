#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/data.h"

namespace bitline::testing {

/// Samples and labels in memory.
class ListedData : public Dataset {
 public:
    ListedData(Shape shape, std::vector<float> x, std::vector<int32_t> y)
        : shape_(std::move(shape)), x_(std::move(x)), y_(std::move(y)) {}
    int64_t size() const override { return static_cast<int64_t>(x_.size()) / element_count(shape_); }
    const Shape& shape() const override { return shape_; }
    void read(int64_t first, int64_t count, float* out) const override {
        const int64_t size = element_count(shape_);
        std::copy_n(x_.begin() + first * size, count * size, out);
    }
    const std::vector<int32_t>& labels() const override { return y_; }
    const std::vector<std::string>& files() const override { return files_; }
    const std::string& spec() const override { return spec_; }

 private:
    Shape shape_;
    std::vector<float> x_;
    std::vector<int32_t> y_;
    std::string spec_ = "listed";
    std::vector<std::string> files_;
};

}  // namespace bitline::testing
