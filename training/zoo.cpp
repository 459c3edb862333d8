#include "training/zoo.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/options.h"
#include "training/network_builder.h"

namespace bitline::training {

namespace {

Window square(int64_t kernel, int64_t stride, int64_t pad) {
    Window w;
    w.kernel_h = w.kernel_w = kernel;
    w.stride_h = w.stride_w = stride;
    w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = pad;
    return w;
}

/// Puts layers behind each other: every call continues from the value that the one before left in `at`.
struct Chain {
    NetworkBuilder& net;
    int at = 0;

    /// Convolution and batch norm; groups = channels of both sides where depthwise.
    void convolution(const std::string& name, int64_t channels, const Window& window, int64_t groups = 1) {
        at = net.convolution(name, at, channels, window, groups, net.bias(true));
        at = net.batch_norm(name + ".bn", at);
    }
    void fully_connected(const std::string& name, int64_t channels) {
        at = net.fully_connected(name, at, channels, net.bias(true));
        at = net.batch_norm(name + ".bn", at);
    }
    void activation(const std::string& name) { at = net.activation(name + ".act", at); }
    void max_pool(const std::string& name) { at = net.add(name, Pool{Pool::Kind::max, square(2, 2, 0)}, {at}); }
    void flatten() { at = net.flatten("flatten", at); }
    void classify(const std::string& name, int64_t classes) {
        at = net.fully_connected(name, at, classes, net.bias(false));
    }
};

/// LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86, 1998, in today's form:
/// max pooling, and batch norm behind every layer but the last, which networks of few bits need.
void lenet5(Chain& c, int64_t classes) {
    c.convolution("conv1", c.net.scaled(6), square(5, 1, 2));
    c.activation("conv1");
    c.max_pool("pool1");
    c.convolution("conv2", c.net.scaled(16), square(5, 1, 0));
    c.activation("conv2");
    c.max_pool("pool2");
    c.flatten();
    c.fully_connected("fc1", c.net.scaled(120));
    c.activation("fc1");
    c.fully_connected("fc2", c.net.scaled(84));
    c.activation("fc2");
    c.classify("fc3", classes);
}

/// The VGG of the papers on few bits (Zhang et al., "LQ-Nets", ECCV 2018; BNN's with one fully connected layer).
void vgg_small(Chain& c, int64_t classes) {
    int number = 0;
    for (const int64_t channels : {128, 256, 512}) {
        for (int i = 0; i < 2; ++i) {
            const std::string name = fmt::format("conv{}", ++number);
            c.convolution(name, c.net.scaled(channels), square(3, 1, 1));
            c.activation(name);
        }
        c.max_pool(fmt::format("pool{}", number / 2));
    }
    c.flatten();
    c.classify("fc", classes);
}

/// Two 3x3 convolutions round a shortcut; where the shape changes, the shortcut is a 1x1 convolution (option B of He et
/// al., "Deep residual learning for image recognition", CVPR 2016): it can go on a crossbar, padding channels could
/// not.
void basic_block(Chain& c, const std::string& name, int64_t channels, int64_t stride) {
    const int start = c.at;
    c.convolution(name + ".conv1", channels, square(3, stride, 1));
    c.activation(name + ".conv1");
    c.convolution(name + ".conv2", channels, square(3, 1, 1));
    const int residual = c.at;
    c.at = start;
    if (c.net.shape(start) != c.net.shape(residual)) c.convolution(name + ".shortcut", channels, square(1, stride, 0));
    c.at = c.net.add(name + ".add", AddValues{}, {residual, c.at});
    c.activation(name);
}

void residual_network(Chain& c, int64_t classes, const std::vector<int64_t>& channels, int blocks) {
    c.convolution("conv1", c.net.scaled(channels[0]), square(3, 1, 1));
    c.activation("conv1");
    for (size_t stage = 0; stage < channels.size(); ++stage) {
        for (int block = 0; block < blocks; ++block) {
            basic_block(c, fmt::format("stage{}.block{}", stage + 1, block + 1), c.net.scaled(channels[stage]),
                        stage > 0 && block == 0 ? 2 : 1);
        }
    }
    c.at = c.net.global_average("pool", c.at);
    c.flatten();
    c.classify("fc", classes);
}

void resnet18_cifar(Chain& c, int64_t classes) { residual_network(c, classes, {64, 128, 256, 512}, 2); }
void resnet20(Chain& c, int64_t classes) { residual_network(c, classes, {16, 32, 64}, 3); }

/// Howard et al., "MobileNets", 2017, for small images: the first convolution keeps the size, and seven depthwise
/// separable blocks stand for its thirteen.
void mobilenetv1_small(Chain& c, int64_t classes) {
    struct Block {
        int64_t channels, stride;
    };
    c.convolution("conv1", c.net.scaled(32), square(3, 1, 1));
    c.activation("conv1");
    int number = 0;
    for (const Block& block : {Block{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}}) {
        const std::string name = fmt::format("block{}", ++number);
        const int64_t in = c.net.shape(c.at)[0];
        c.convolution(name + ".depthwise", in, square(3, block.stride, 1), in);
        c.activation(name + ".depthwise");
        c.convolution(name + ".pointwise", c.net.scaled(block.channels), square(1, 1, 0));
        c.activation(name + ".pointwise");
    }
    c.at = c.net.global_average("pool", c.at);
    c.flatten();
    c.classify("fc", classes);
}

struct Entry {
    NetworkEntry listed;
    void (*build)(Chain&, int64_t classes);
};

const std::vector<Entry>& entries() {
    static const std::vector<Entry> all = {
        {{"lenet5", "LeNet-5: 6C5-MP2-16C5-MP2-120-84, for 1x28x28"}, lenet5},
        {{"vgg-small", "VGG of the papers on few bits: 2x128C3-MP2-2x256C3-MP2-2x512C3-MP2, for 3x32x32"}, vgg_small},
        {{"resnet18-cifar", "ResNet-18 with a 3x3 first layer: 64, 128, 256, 512 channels, for 3x32x32"},
         resnet18_cifar},
        {{"resnet20", "ResNet-20 with 1x1 shortcuts: 16, 32, 64 channels, for 3x32x32"}, resnet20},
        {{"mobilenetv1-small", "MobileNetV1 of 7 depthwise separable blocks: 32 to 512 channels, for 3x32x32"},
         mobilenetv1_small},
    };
    return all;
}

const Entry& find_entry(const std::string& name) {
    std::vector<std::string> names;
    for (const Entry& entry : entries()) {
        if (entry.listed.name == name) return entry;
        names.push_back(entry.listed.name);
    }
    throw ConfigError(fmt::format("network {} is none of {}; nearest is {}", printable(name), fmt::join(names, ", "),
                                  nearest_name(name, names)));
}

}  // namespace

const std::vector<NetworkEntry>& list_networks() {
    static const std::vector<NetworkEntry> all = [] {
        std::vector<NetworkEntry> listed;
        for (const Entry& entry : entries()) listed.push_back(entry.listed);
        return listed;
    }();
    return all;
}

TrainingNetwork build_network(const std::string& name, const Shape& input, int64_t classes,
                              const NetworkOptions& options, uint64_t seed) {
    const Entry& entry = find_entry(name);
    if (input.size() != 3)
        throw ConfigError(
            fmt::format("network {}: input {} violates channels x height x width", name, to_string(input)));
    try {
        NetworkBuilder builder(name, input, options);
        Chain chain{builder, builder.input()};
        entry.build(chain, classes);
        return builder.finish(chain.at, classes, seed);
    } catch (const FormatError& error) {
        throw ConfigError(fmt::format("network {} for an input of {}: {}", name, to_string(input), error.what()));
    }
}

}  // namespace bitline::training
