// Networks from YAML: one section per layer, in their order. Keys and the relations between them are a table of fields
// as those of architectures are.

#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "training/network_builder.h"
#include "training/zoo.h"

namespace bitline::training {

namespace {

enum class Type {
    convolution,
    fully_connected,
    batch_norm,
    activation,
    relu,
    relu6,
    hard_tanh,
    sign,
    sigmoid,
    tanh,
    max_pool,
    average_pool,
    global_average_pool,
    add,
    concat,
    flatten,
    dropout,
    softmax
};

const std::vector<std::pair<Type, std::string>> kTypes{{Type::convolution, "convolution"},
                                                       {Type::fully_connected, "fully_connected"},
                                                       {Type::batch_norm, "batch_norm"},
                                                       {Type::activation, "activation"},
                                                       {Type::relu, "relu"},
                                                       {Type::relu6, "relu6"},
                                                       {Type::hard_tanh, "hard_tanh"},
                                                       {Type::sign, "sign"},
                                                       {Type::sigmoid, "sigmoid"},
                                                       {Type::tanh, "tanh"},
                                                       {Type::max_pool, "max_pool"},
                                                       {Type::average_pool, "average_pool"},
                                                       {Type::global_average_pool, "global_average_pool"},
                                                       {Type::add, "add"},
                                                       {Type::concat, "concat"},
                                                       {Type::flatten, "flatten"},
                                                       {Type::dropout, "dropout"},
                                                       {Type::softmax, "softmax"}};

constexpr int64_t kClasses = -1, kUnset = 0;  // channels
constexpr int64_t kDepthwise = 0;             // groups

enum class Bias { automatic, off, on };

using Sizes = std::vector<int64_t>;  // one for both axes, or height and width; empty: the default

/// A layer as the file states it.
struct LayerText {
    Type type = Type::convolution;
    int64_t channels = kUnset;
    Sizes kernel, stride, pad, dilation;
    int64_t groups = 1;
    Bias bias = Bias::automatic;
    double share = 0;
    std::vector<std::string> from;  // empty: the layer before
};

using Condition = OptionCondition<LayerText>;

Condition with_types(const std::string& text, std::vector<Type> types) {
    return {"type = " + text, {"type"}, [types](const LayerText& layer) {
                return std::find(types.begin(), types.end(), layer.type) != types.end();
            }};
}

OptionField<LayerText> sizes_field(const std::string& path, Sizes LayerText::*member, OptionRange range,
                                   const std::string& meaning) {
    const auto access = member_of(member);
    OptionField<LayerText> field = base_field<LayerText>(path, access, meaning);
    field.type = "integer, or [height, width]";
    field.range = range.relation(path);
    field.read = [=](LayerText& layer, const OptionText& option) {
        Sizes sizes;
        for (const OptionText& item : parse_list(option)) {
            sizes.push_back(parse_integer(item));
            if (!range.contains(static_cast<double>(sizes.back()))) throw violation_error(item, range.relation(path));
        }
        if (sizes.empty() || sizes.size() > 2)
            throw option_error(option, path + " takes one number, or two: [height, width]");
        access(layer) = sizes;
    };
    field.write = [=](const LayerText& layer) { return fmt::format("[{}]", fmt::join(access(layer), ", ")); };
    return field;
}

OptionField<LayerText> from_field() {
    const auto access = member_of(&LayerText::from);
    OptionField<LayerText> field =
        base_field<LayerText>("from", access, "earlier layers that it reads, or input; default: the one before");
    field.type = "name, or list of names";
    field.read = [=](LayerText& layer, const OptionText& option) {
        access(layer).clear();
        for (const OptionText& item : parse_list(option)) access(layer).push_back(parse_text(item));
        if (access(layer).empty()) throw option_error(option, "from names no layer");
    };
    field.write = [=](const LayerText& layer) { return fmt::format("[{}]", fmt::join(access(layer), ", ")); };
    return field;
}

const OptionFields<LayerText>& layer_fields() {
    static const Condition kConvolution = with_types("convolution", {Type::convolution});
    static const Condition kWeights =
        with_types("convolution or fully_connected", {Type::convolution, Type::fully_connected});
    static const Condition kWindow =
        with_types("convolution, max_pool or average_pool", {Type::convolution, Type::max_pool, Type::average_pool});
    static const Condition kDropout = with_types("dropout", {Type::dropout});
    constexpr double kLargest = 1 << 20;
    static const OptionFields<LayerText> fields = {
        choice_field<LayerText>("type", member_of(&LayerText::type), kTypes, "kind of layer"),
        integer_field<LayerText>("channels", member_of(&LayerText::channels), {1, kLargest}, "outputs", "classes",
                                 kClasses)
            .only_with(kWeights),
        sizes_field("kernel", &LayerText::kernel, {1, kLargest}, "window").only_with(kWindow),
        sizes_field("stride", &LayerText::stride, {1, kLargest}, "step; default: 1, of pools the kernel")
            .only_with(kWindow),
        sizes_field("pad", &LayerText::pad, {0, kLargest}, "border on both sides").only_with(kWindow),
        sizes_field("dilation", &LayerText::dilation, {1, kLargest}, "step within the window").only_with(kWindow),
        integer_field<LayerText>("groups", member_of(&LayerText::groups), {1, kLargest}, "groups of channels",
                                 "depthwise", kDepthwise)
            .only_with(kConvolution),
        choice_field<LayerText, decltype(member_of(&LayerText::bias)), Bias>(
            "bias", member_of(&LayerText::bias), {{Bias::automatic, "auto"}, {Bias::off, "false"}, {Bias::on, "true"}},
            "whether it has a bias")
            .only_with(kWeights),
        real_field<LayerText>("share", member_of(&LayerText::share), {0, 0.99, true}, kShare, "of numbers set to 0")
            .only_with(kDropout),
        from_field(),
    };
    return fields;
}

struct NamedLayer {
    std::string name;
    LayerText text;
    OptionText at;  // where it starts
};

struct NetworkText {
    std::string name;
    std::optional<OptionText> input;
    std::vector<NamedLayer> layers;
};

/// "layers.NAME.KEY" -> NAME and KEY; KEY is empty for a section without keys.
std::array<std::string, 2> split_path(const OptionText& option) {
    const std::string rest = option.path.substr(std::string("layers.").size());
    const size_t dot = rest.find('.');
    return {rest.substr(0, dot), dot == std::string::npos ? "" : rest.substr(dot + 1)};
}

void require_keys(const NamedLayer& layer, const OptionOrigins& origins) {
    const LayerText& text = layer.text;
    const auto need = [&](bool needed, const char* key) {
        if (needed && origins.layer(key) == 0)
            throw option_error(layer.at, fmt::format("layer {} states no {}", printable(layer.name), key));
    };
    need(true, "type");
    need(text.type == Type::fully_connected || (text.type == Type::convolution && text.groups != kDepthwise),
         "channels");
    need(text.type == Type::convolution || text.type == Type::max_pool || text.type == Type::average_pool, "kernel");
    need(text.type == Type::dropout, "share");
    need(text.type == Type::add || text.type == Type::concat, "from");
}

NamedLayer read_layer(const std::string& name, const std::vector<OptionText>& options) {
    NamedLayer layer{name, {}, options.front()};
    OptionOrigins origins;
    if (!options.front().path.empty()) apply_layer(layer_fields(), layer.text, options, 1, origins);
    require_keys(layer, origins);
    settle_effects(layer_fields(), layer.text, origins);
    return layer;
}

NetworkText read_text(const std::string& yaml, const std::string& origin) {
    NetworkText text;
    std::vector<std::pair<std::string, std::vector<OptionText>>> sections;
    for (const OptionText& option : read_yaml_options(yaml, origin)) {
        if (option.path.rfind("layers.", 0) == 0) {
            const auto [name, key] = split_path(option);
            if (name.empty() || name == "input") throw option_error(option, "a layer must have a name, and not input");
            if (sections.empty() || sections.back().first != name) sections.push_back({name, {}});
            OptionText own = option;
            own.path = key;
            const bool value = option.kind != OptionText::Kind::section;
            if (key.empty() && value)
                throw option_error(option, fmt::format("layer {} takes keys: {{type: ...}}", printable(name)));
            sections.back().second.push_back(own);
        } else if (option.path == "name") {
            text.name = parse_text(option);
        } else if (option.path == "input") {
            text.input = option;
        } else {
            const size_t dot = option.path.find('.');  // what follows is a layer's
            const std::string rest = dot == std::string::npos ? "" : option.path.substr(dot);
            throw unknown_key_error(option, {"name", "input", "layers" + rest});
        }
    }
    for (const auto& [name, options] : sections) text.layers.push_back(read_layer(name, options));
    if (text.layers.empty()) throw FormatError(origin + ": states no layers");
    return text;
}

void require_input(const OptionText& option, const Shape& input) {
    Shape stated;
    for (const OptionText& item : parse_list(option)) stated.push_back(parse_integer(item));
    if (stated != input) {
        throw option_error(option,
                           fmt::format("input [{}] violates the data's {}", fmt::join(stated, ", "), to_string(input)));
    }
}

/// Height and width of a size.
std::array<int64_t, 2> both(const Sizes& sizes, std::array<int64_t, 2> unset) {
    return sizes.empty() ? unset : std::array<int64_t, 2>{sizes.front(), sizes.back()};
}

Window window_of(const LayerText& text) {
    const auto kernel = both(text.kernel, {1, 1});
    const auto stride = both(text.stride, text.type == Type::convolution ? std::array<int64_t, 2>{1, 1} : kernel);
    const auto pad = both(text.pad, {0, 0}), dilation = both(text.dilation, {1, 1});
    return {kernel[0], kernel[1], stride[0], stride[1], dilation[0], dilation[1], pad[0], pad[1], pad[0], pad[1]};
}

/// Adds layers to a builder and remembers their values by name.
class Assembler {
 public:
    Assembler(NetworkBuilder& builder, const std::vector<NamedLayer>& layers, int64_t classes)
        : builder_(builder), layers_(layers), classes_(classes) {}

    int assemble() {
        int at = builder_.input();
        values_.emplace_back("input", at);
        for (size_t i = 0; i < layers_.size(); ++i) {
            const NamedLayer& layer = layers_[i];
            try {
                at = add(i, inputs(layer, at));
            } catch (const InputError& error) {
                throw option_error(layer.at, fmt::format("layer {}: {}", printable(layer.name), error.what()));
            }
            values_.emplace_back(layer.name, at);
        }
        return at;
    }

 private:
    int value(const std::string& name) const {
        std::vector<std::string> names;
        for (const auto& [known, value] : values_) {
            if (known == name) return value;
            names.push_back(known);
        }
        throw ConfigError(
            fmt::format("from: {} is no earlier layer; nearest is {}", printable(name), nearest_name(name, names)));
    }

    /// What a layer reads. A sum or concatenation of one name has the layer before as its first input.
    std::vector<int> inputs(const NamedLayer& layer, int before) const {
        const bool joins = layer.text.type == Type::add || layer.text.type == Type::concat;
        const std::vector<std::string>& from = layer.text.from;
        std::vector<int> read;
        if (from.empty() || (joins && from.size() == 1)) read.push_back(before);
        for (const std::string& name : from) read.push_back(value(name));
        if (!joins && read.size() != 1) throw ConfigError("from names more than one layer");
        return read;
    }

    bool batch_norm_follows(size_t i) const {
        if (i + 1 == layers_.size()) return false;
        const LayerText& next = layers_[i + 1].text;
        return next.type == Type::batch_norm && (next.from.empty() || next.from.front() == layers_[i].name);
    }

    int add_weights(size_t i, int from) {
        const auto& [name, text, at] = layers_[i];
        const bool bias = text.bias == Bias::automatic ? builder_.bias(batch_norm_follows(i)) : text.bias == Bias::on;
        const bool depthwise = text.groups == kDepthwise;
        const int64_t in = builder_.shape(from).empty() ? 1 : builder_.shape(from)[0];
        const int64_t channels = text.channels == kClasses ? classes_
                                 : text.channels == kUnset ? in
                                                           : builder_.scaled(text.channels);
        if (text.type == Type::fully_connected) return builder_.fully_connected(name, from, channels, bias);
        return builder_.convolution(name, from, channels, window_of(text), depthwise ? in : text.groups, bias);
    }

    int add(size_t i, const std::vector<int>& from) {
        const auto& [name, text, at] = layers_[i];
        const auto act = [&, &named = name](Activation op) { return builder_.add(named, op, from); };
        switch (text.type) {
            case Type::convolution:
            case Type::fully_connected:
                return add_weights(i, from[0]);
            case Type::batch_norm:
                return builder_.batch_norm(name, from[0]);
            case Type::activation:
                return builder_.activation(name, from[0]);
            case Type::relu:
                return act({Activation::Kind::relu});
            case Type::relu6:
                return act({Activation::Kind::clip, 0, 6});
            case Type::hard_tanh:
                return act({Activation::Kind::clip, -1, 1});
            case Type::sign:
                return act({Activation::Kind::sign});
            case Type::sigmoid:
                return act({Activation::Kind::sigmoid});
            case Type::tanh:
                return act({Activation::Kind::tanh});
            case Type::max_pool:
                return builder_.add(name, Pool{Pool::Kind::max, window_of(text), false}, from);
            case Type::average_pool:
                return builder_.add(name, Pool{Pool::Kind::average, window_of(text), false}, from);
            case Type::global_average_pool:
                return builder_.global_average(name, from[0]);
            case Type::add:
                return builder_.add(name, AddValues{}, from);
            case Type::concat:
                return builder_.add(name, Concat{0}, from);
            case Type::flatten:
                return builder_.flatten(name, from[0]);
            case Type::dropout:
                builder_.dropout(from[0], static_cast<float>(text.share));
                return from[0];
            case Type::softmax:
                return builder_.add(name, Softmax{}, from);
        }
        return from[0];
    }

    NetworkBuilder& builder_;
    const std::vector<NamedLayer>& layers_;
    int64_t classes_;
    std::vector<std::pair<std::string, int>> values_;
};

}  // namespace

TrainingNetwork parse_network(const std::string& yaml, const std::string& origin, const Shape& input, int64_t classes,
                              const NetworkOptions& options, uint64_t seed) {
    const NetworkText text = read_text(yaml, origin);
    if (text.input) require_input(*text.input, input);
    NetworkBuilder builder(text.name.empty() ? origin : text.name, input, options);
    const int output = Assembler(builder, text.layers, classes).assemble();
    try {
        return builder.finish(output, classes, seed);
    } catch (const InputError& error) {
        throw FormatError(fmt::format("{}: {}", origin, error.what()));
    }
}

TrainingNetwork read_network(const std::string& path, const Shape& input, int64_t classes,
                             const NetworkOptions& options, uint64_t seed) {
    constexpr uint64_t kLargest = uint64_t(1) << 20;
    return parse_network(read_file(path, "network", kLargest), path, input, classes, options, seed);
}

}  // namespace bitline::training
