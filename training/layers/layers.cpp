#include "training/layers/layers.h"

#include <fmt/format.h>

#include "core/error.h"
#include "training/layers/activation.h"
#include "training/layers/add_values.h"
#include "training/layers/arithmetic.h"
#include "training/layers/batch_norm.h"
#include "training/layers/concat.h"
#include "training/layers/dropout.h"
#include "training/layers/permute.h"
#include "training/layers/pool.h"
#include "training/layers/reshape.h"
#include "training/layers/softmax.h"

namespace bitline::training {

namespace {

/// One function per operator, chosen by std::visit.
struct Maker {
    std::string name;
    int number;
    bool affine;
    const Shape& input;
    const Shape& output;

    using Made = std::unique_ptr<Layer>;
    Made operator()(const Activation& op) const { return std::make_unique<ActivationLayer>(name, number, op); }
    Made operator()(const AddValues&) const { return std::make_unique<AddValuesLayer>(name, number); }
    Made operator()(const Arithmetic& op) const { return std::make_unique<ArithmeticLayer>(name, number, op); }
    Made operator()(const BatchNorm& op) const { return std::make_unique<BatchNormLayer>(name, number, op, affine); }
    Made operator()(const Concat& op) const { return std::make_unique<ConcatLayer>(name, number, op); }
    Made operator()(const Permute& op) const { return std::make_unique<PermuteLayer>(name, number, op, input); }
    Made operator()(const Pool& op) const { return std::make_unique<PoolLayer>(name, number, op, input, output); }
    Made operator()(const Reshape&) const { return std::make_unique<ReshapeLayer>(name, number); }
    Made operator()(const Softmax& op) const { return std::make_unique<SoftmaxLayer>(name, number, op, input); }
    template <class Other>
    Made operator()(const Other& op) const {
        throw ConfigError(fmt::format("layer '{}' ({}) has no gradient of its own", name, describe_kind(op)));
    }
};

void require_real(const Network& network, int value, const std::string& name) {
    const Value& v = network.values[static_cast<size_t>(value)];
    if (v.quantizer) {
        throw ConfigError(
            fmt::format("layer '{}': value '{}' holds integer codes; only float networks are trained", name, v.name));
    }
}

}  // namespace

std::string layer_name(const Network& network, int node) {
    const std::string& name = network.nodes[static_cast<size_t>(node)].name;
    bool taken = name.empty();
    for (int i = 0; i < node && !taken; ++i) taken = network.nodes[static_cast<size_t>(i)].name == name;
    return taken ? fmt::format("{}{}{}", name, name.empty() ? "layer" : "_", node) : name;
}

std::unique_ptr<Layer> make_layer(const Network& network, int node, int number, bool affine) {
    const Node& n = network.nodes[static_cast<size_t>(node)];
    const std::string name = layer_name(network, node);
    for (const int input : n.inputs) require_real(network, input, name);
    require_real(network, n.output, name);
    const Shape& input = network.values[static_cast<size_t>(n.inputs[0])].shape;
    return std::visit(Maker{name, number, affine, input, network.values[static_cast<size_t>(n.output)].shape}, n.op);
}

std::unique_ptr<Layer> make_dropout(const std::string& name, int number, float share) {
    return std::make_unique<DropoutLayer>(name, number, share);
}

}  // namespace bitline::training
