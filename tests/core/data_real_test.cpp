// Real data by others, where there are any: the folder is BITLINE_SHARED_DATA, by default ../shared/data.

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "core/data.h"
#include "support/shared_data.h"

namespace bitline {
namespace {

class RealData : public ::testing::Test {
 protected:
    void SetUp() override {
        folder_ = bitline::testing::shared_data().string();
        if (!std::filesystem::is_directory(folder_)) {
            GTEST_SKIP() << "no real data at " << folder_ << ": set BITLINE_SHARED_DATA";
        }
    }
    std::string file(const std::string& name) const { return folder_ + "/" + name; }

 private:
    std::string folder_;
};

double mean(const Dataset& data) {
    std::vector<float> x(size_t(data.size() * element_count(data.shape())));
    data.read(0, data.size(), x.data());
    return std::accumulate(x.begin(), x.end(), 0.0) / double(x.size());
}

std::vector<int> class_counts(const Dataset& data) {
    std::vector<int> counts(10, 0);
    for (const int32_t label : data.labels()) ++counts.at(size_t(label));
    return counts;
}

TEST_F(RealData, Mnist) {
    const auto data =
        open_dataset("idx:" + file("mnist/t10k-images-idx3-ubyte.gz") + "," + file("mnist/t10k-labels-idx1-ubyte.gz"));
    EXPECT_EQ(data->size(), 10000);
    EXPECT_EQ(data->shape(), (Shape{1, 28, 28}));
    // The published numbers of test samples of each digit, and the mean pixel.
    EXPECT_EQ(class_counts(*data), (std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
    EXPECT_NEAR(mean(*data) / 255, 0.1325, 5e-5);
}

TEST_F(RealData, Cifar10) {
    const auto data = open_dataset("cifar10:" + file("cifar-10/test_batch.bin.xz"));
    EXPECT_EQ(data->size(), 10000);
    EXPECT_EQ(class_counts(*data), std::vector<int>(10, 1000));
    EXPECT_EQ(std::vector<int32_t>(data->labels().begin(), data->labels().begin() + 5),
              (std::vector<int32_t>{3, 8, 8, 0, 6}));  // cat, ship, ship, airplane, frog
    float first[3072];
    data->read(0, 1, first);
    EXPECT_EQ(first[0], 158);  // the first test image begins with (158, 112, 49)
    EXPECT_EQ(first[1024], 112);
    EXPECT_EQ(first[2048], 49);
}

TEST_F(RealData, KeywordSpotting) {
    const auto data = open_dataset("raw:" + file("kws01/kws01_x_int8_1000x490.bin") + "," +
                                   file("kws01/kws01_y_uint8_1000.bin") + ",int8,1x49x10");
    EXPECT_EQ(data->size(), 1000);
    EXPECT_EQ(element_count(data->shape()), 490);
    EXPECT_LT(*std::max_element(data->labels().begin(), data->labels().end()), 12);
}

}  // namespace
}  // namespace bitline
