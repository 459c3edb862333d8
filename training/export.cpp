#include "training/export.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "training/model_steps.h"

namespace bitline::training {

namespace {

/// Builds the integer network value by value.
class Exporter {
 public:
    explicit Exporter(const Network& source) {
        exported.network.name = source.name;
        exported.network.preprocess = source.preprocess;
        exported.network.metadata = source.metadata;
    }

    int add_value(const std::string& name, const Shape& shape, std::optional<Quantizer> quantizer = std::nullopt) {
        exported.network.values.push_back({name, shape, std::move(quantizer)});
        return static_cast<int>(exported.network.values.size()) - 1;
    }

    /// Returns the node's index.
    int add_node(const std::string& name, std::vector<int> inputs, int output, Operator op) {
        exported.network.nodes.push_back({name, describe_kind(op), std::move(inputs), output, std::move(op)});
        return static_cast<int>(exported.network.nodes.size()) - 1;
    }

    int output_of(int node) const { return exported.network.nodes[size_t(node)].output; }
    const Value& value(int index) const { return exported.network.values[size_t(index)]; }

    Exported exported;
};

const Quantizer& quantizer_of(const Operator& op) {
    if (const auto* quantize = std::get_if<Quantize>(&op)) return quantize->to;
    return std::get<Bucketize>(op).to;
}

std::string plane_name(const std::string& name, size_t plane, size_t planes) {
    return planes == 1 ? name : fmt::format("{}.{}", name, plane);
}

std::vector<int> add_codes(Exporter& out, const InputCodes& codes, int value) {
    const std::vector<Operator> planes = codes.planes();
    std::vector<int> nodes;
    for (size_t p = 0; p < planes.size(); ++p) {
        const std::string name = plane_name(codes.name(), p, planes.size());
        const int output = out.add_value(name, out.value(value).shape, quantizer_of(planes[p]));
        nodes.push_back(out.add_node(name, {value}, output, planes[p]));
    }
    return nodes;
}

MatVec integer_layer(const Product& product, const QuantizedWeights::Plane& plane, const Quantizer& input,
                     bool with_bias) {
    MatVec op = product.geometry();
    op.codes = plane.codes;
    op.weight = plane.quantizer;
    ScaleOutput output;
    for (int64_t c = 0; c < op.out_channels; ++c)
        output.scale.push_back(input.scale[0] * plane.quantizer.scale[plane.quantizer.per_tensor() ? 0 : size_t(c)]);
    if (with_bias) output.bias.assign(product.bias().begin(), product.bias().end());
    op.output = output;
    return op;
}

/// One integer layer for each pair of planes, added up; the last writes `output`.
ExportedProduct add_integer_product(Exporter& out, const Product& product, const std::vector<int>& codes, int output) {
    ExportedProduct nodes;
    nodes.codes = codes;
    const auto& planes = product.quantized().planes;
    const size_t pairs = planes.size() * codes.size();
    const Shape shape = out.value(output).shape;
    int sum = -1;
    for (size_t pair = 0; pair < pairs; ++pair) {
        const size_t w = pair / codes.size(), x = pair % codes.size();
        const int input = out.output_of(codes[x]);
        const std::string name = pairs == 1 ? product.name() : fmt::format("{}.w{}x{}", product.name(), w, x);
        const int own = pairs == 1 ? output : out.add_value(name, shape);
        nodes.products.push_back(out.add_node(
            name, {input}, own, integer_layer(product, planes[w], *out.value(input).quantizer, pair == 0)));
        if (pair == 0) {
            sum = own;
            continue;
        }
        const std::string sum_name = fmt::format("{}.sum{}", product.name(), pair);
        const int total = pair + 1 == pairs ? output : out.add_value(sum_name, shape);
        nodes.sums.push_back(out.add_node(sum_name, {sum, own}, total, AddValues{}));
        sum = total;
    }
    return nodes;
}

}  // namespace

Exported Model::Impl::export_network() const {
    const Network& network = source.network;
    Exporter out(network);
    std::vector<int> value_of_slot(slots.size(), -1);
    std::vector<std::vector<int>> codes_of_step(steps.size());
    const Value& input = network.values[size_t(network.input)];
    out.exported.network.input = out.add_value(input.name, input.shape);
    value_of_slot[0] = out.exported.network.input;
    for (size_t s = 0; s < steps.size(); ++s) {
        const Step& step = steps[s];
        const int first = value_of_slot[size_t(step.inputs[0])];
        if (step.codes) {
            codes_of_step[s] = add_codes(out, *step.codes, first);
            continue;
        }
        if (step.node < 0) {  // dropout
            value_of_slot[size_t(step.output)] = first;
            continue;
        }
        const Node& node = network.nodes[size_t(step.node)];
        const Value& value = network.values[size_t(network.nodes[size_t(step.last_node())].output)];
        const int output = value_of_slot[size_t(step.output)] = out.add_value(value.name, value.shape);
        if (step.product && step.product->is_quantized()) {
            out.exported.products.push_back(
                add_integer_product(out, *step.product, codes_of_step[size_t(step.codes_step)], output));
            continue;
        }
        std::vector<int> inputs;
        for (const int slot : step.inputs) inputs.push_back(value_of_slot[size_t(slot)]);
        const int index = out.add_node(node.name, inputs, output, step.layer->trained());
        if (step.product) out.exported.products.push_back({{}, {index}, {}});
    }
    out.exported.network.output = value_of_slot[size_t(slot_of_value[size_t(network.output)])];
    return std::move(out.exported);
}

Network Model::quantized() const { return exported_network().network; }

Exported Model::exported_network() const {
    Pass still;
    for (Step& step : impl_->steps)
        if (step.product) step.product->prepare(still);
    Exported exported = impl_->export_network();
    validate(exported.network);
    return exported;
}

}  // namespace bitline::training
