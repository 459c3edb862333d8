// Networks that others made, where the shared data are at hand (BITLINE_SHARED_DATA, by default beside the repository).

#include <gmock/gmock.h>

#include <filesystem>

#include "core/onnx_builder.h"
#include "support/shared_data.h"

namespace bitline::test {
namespace {

struct Known {
    const char* name;
    Shape input, output;
    int layers;       // MatVec nodes
    int mappable;     // of them quantized
    int thresholds;   // of them with thresholds
    int64_t weights;  // of all layers
};

// Layers and weights counted in the models themselves (onnx, Python).
const std::vector<Known> kModels = {
    {"TFC_1W1A_mnist", {1, 28, 28}, {10}, 4, 4, 3, 59008},
    {"ad_autoencoder_int8_qdq", {640}, {640}, 10, 10, 0, 264192},
    {"cnvW1A1_cifar10_qonnx", {3, 32, 32}, {10}, 9, 9, 8, 1542848},
    {"cnvW2A2_cifar10_qonnx", {3, 32, 32}, {10}, 9, 9, 8, 1542848},
    {"ic_resnet8_fp32", {3, 32, 32}, {10}, 10, 0, 0, 77360},
    {"ic_resnet8_int8_qdq", {3, 32, 32}, {10}, 10, 10, 0, 77360},
    {"kws_dscnn_int8_qdq", {1, 49, 10}, {12}, 10, 10, 0, 22016},
    {"mnist-8", {1, 28, 28}, {10}, 3, 0, 0, 5960},
    {"resnet20_cifar10_fp32", {3, 32, 32}, {10}, 22, 0, 0, 270896},
    {"vww_mobilenetv1_int8_qdq", {3, 96, 96}, {2}, 28, 28, 0, 208112},
};

class RealModels : public ::testing::TestWithParam<Known> {};

TEST_P(RealModels, AreReadWhole) {
    const auto path = bitline::testing::shared_data() / "models" / (std::string(GetParam().name) + ".onnx");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
    const Network network = read_network(path.string());
    EXPECT_EQ(network.values[size_t(network.input)].shape, GetParam().input);
    EXPECT_EQ(output_value(network).shape, GetParam().output);
    int layers = 0, mappable = 0, thresholds = 0;
    int64_t weights = 0;
    for (const Node& node : network.nodes) {
        const auto* layer = std::get_if<MatVec>(&node.op);
        if (layer == nullptr) continue;
        ++layers;
        mappable += is_mappable(network, node) ? 1 : 0;
        thresholds += std::holds_alternative<ThresholdOutput>(layer->output) ? 1 : 0;
        weights += layer->out_channels * layer->rows();
    }
    EXPECT_EQ(layers, GetParam().layers);
    EXPECT_EQ(mappable, GetParam().mappable);
    EXPECT_EQ(thresholds, GetParam().thresholds);
    EXPECT_EQ(weights, GetParam().weights);
}

INSTANTIATE_TEST_SUITE_P(Onnx, RealModels, ::testing::ValuesIn(kModels), [](const auto& tested) {
    std::string name = tested.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace bitline::test
