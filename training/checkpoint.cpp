#include "training/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <tuple>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_file.h"
#include "core/options.h"
#include "core/sha256.h"

namespace bitline::training {

namespace {

constexpr char kFormat[] = "bitline training checkpoint";
constexpr int64_t kVersion = 1;

// ---------------------------------------------------------------------------------------------- writing

void write_numbers(Hdf5Writer& file, const std::string& group, const std::vector<NamedNumbers>& all) {
    file.group(group);
    for (size_t i = 0; i < all.size(); ++i) {
        const std::string path = fmt::format("{}/{:04}", group, i);
        file.write_string(path, "name", all[i].name);
        file.write_int(path, "count", static_cast<int64_t>(all[i].value.size()));
        if (!all[i].value.empty())
            file.write(path + "/value", all[i].value, {static_cast<int64_t>(all[i].value.size())});
    }
}

void write_standing(Hdf5Writer& file, const Standing& standing) {
    file.write_int("/", "step", standing.step);
    file.write_int("/", "epochs", standing.epochs);
    file.write_double("/", "epoch_loss", standing.epoch.loss);
    file.write_int("/", "epoch_right", standing.epoch.right);
    file.write_int("/", "epoch_samples", standing.epoch.samples);
    file.write_double("/", "epoch_seconds", standing.epoch.seconds);
    file.write_double("/", "best_accuracy", standing.best_accuracy);
    file.write_int("/", "best_epoch", standing.best_epoch);
}

// ---------------------------------------------------------------------------------------------- reading

std::vector<NamedNumbers> read_numbers(const Hdf5Reader& file, const std::string& path, const std::string& group) {
    std::vector<NamedNumbers> all;
    for (const std::string& child : file.children(group)) {
        const std::string object = group + "/" + child;
        NamedNumbers numbers;
        numbers.name = file.read_string(object, "name");
        const int64_t count = file.read_int(object, "count");
        if (count != 0) numbers.value = file.read_floats(object + "/value");
        if (count != static_cast<int64_t>(numbers.value.size())) {
            throw FormatError(fmt::format("{}: {} holds {} numbers, and its attribute count says {}", path, object,
                                          numbers.value.size(), count));
        }
        all.push_back(std::move(numbers));
    }
    return all;
}

Standing read_standing(const Hdf5Reader& file, const std::string& path) {
    Standing standing;
    standing.step = file.read_int("/", "step");
    standing.epochs = file.read_int("/", "epochs");
    standing.epoch.loss = file.read_double("/", "epoch_loss");
    standing.epoch.right = file.read_int("/", "epoch_right");
    standing.epoch.samples = file.read_int("/", "epoch_samples");
    standing.epoch.seconds = file.read_double("/", "epoch_seconds");
    standing.best_accuracy = file.read_double("/", "best_accuracy");
    standing.best_epoch = file.read_int("/", "best_epoch");
    if (standing.step >= standing.epochs && standing.epochs >= 0) return standing;
    throw FormatError(
        fmt::format("{}: step = {}, epochs = {} violate step >= epochs >= 0", path, standing.step, standing.epochs));
}

OptionTexts read_options(const Hdf5Reader& file) {
    OptionTexts options;
    for (const std::string& child : file.children("/options")) {
        const std::string object = "/options/" + child;
        options.emplace_back(file.read_string(object, "name"), file.read_string(object, "value"));
    }
    return options;
}

// ---------------------------------------------------------------------------------------------- comparing

const std::string* find_option(const OptionTexts& options, const std::string& name) {
    const auto found = std::find_if(options.begin(), options.end(), [&](const auto& o) { return o.first == name; });
    return found == options.end() ? nullptr : &found->second;
}

std::string shown(const std::string* value) { return value ? fmt::format("'{}'", printable(*value)) : "not set"; }

void require_same_options(const OptionTexts& then, const std::string& path, const OptionTexts& now) {
    OptionTexts all = now;
    all.insert(all.end(), then.begin(), then.end());
    for (const auto& [name, ignored] : all) {
        const std::string* const a = find_option(then, name);
        const std::string* const b = find_option(now, name);
        if (a && b && *a == *b) continue;
        throw ConfigError(
            fmt::format("{}: was written by a run with {} {}, and here it is {}; resume with the options "
                        "of that run, or start anew without --resume",
                        path, printable(name), shown(a), shown(b)));
    }
}

[[noreturn]] void fail_network(const std::string& path, const std::string& difference) {
    throw ConfigError(
        fmt::format("{}: is a checkpoint of another network: {}; resume with the network and method of "
                    "that run, or start anew without --resume",
                    path, difference));
}

/// `what`: "parameter".
void require_same_names(const std::vector<NamedNumbers>& then, const std::vector<NamedNumbers>& now,
                        const std::string& path, const std::string& what) {
    for (size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
        if (i >= now.size()) fail_network(path, fmt::format("its {} {} is none here", what, printable(then[i].name)));
        const std::string name = printable(now[i].name);
        if (i >= then.size() || then[i].name != now[i].name)
            fail_network(path, fmt::format("it lacks {} {}", what, name));
        if (then[i].value.size() == now[i].value.size() || now[i].value.empty()) continue;  // empty: not set yet
        fail_network(path, fmt::format("its {} {} has {} numbers, here it has {}", what, name, then[i].value.size(),
                                       now[i].value.size()));
    }
}

template <class Item>
std::vector<NamedNumbers> copy_all(const std::vector<Item*>& items) {
    std::vector<NamedNumbers> copies;
    for (const Item* item : items) copies.push_back({item->name, item->value});
    return copies;
}

template <class Item>
void restore_all(const std::vector<NamedNumbers>& from, const std::vector<Item*>& to) {
    assert(from.size() == to.size());
    for (size_t i = 0; i < to.size(); ++i) {
        assert(from[i].name == to[i]->name);
        to[i]->value = from[i].value;
    }
}

template <class Item>
void restore_all_known(const std::vector<NamedNumbers>& from, const std::vector<Item*>& to, const std::string& path,
                       const std::string& what) {
    for (const NamedNumbers& numbers : from) {
        const std::string name = printable(numbers.name);
        const auto found = std::find_if(to.begin(), to.end(), [&](const Item* i) { return i->name == numbers.name; });
        if (found == to.end()) fail_network(path, fmt::format("its {} {} is none here", what, name));
        if (!(*found)->value.empty() && (*found)->value.size() != numbers.value.size()) {
            fail_network(path, fmt::format("its {} {} has {} numbers, here it has {}", what, name, numbers.value.size(),
                                           (*found)->value.size()));
        }
        (*found)->value = numbers.value;
    }
}

// ---------------------------------------------------------------------------------------------- structure

std::string text_of(const Window& w) {
    return fmt::format("{} {} {} {} {} {} {} {} {} {}", w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h,
                       w.dilation_w, w.pad_top, w.pad_left, w.pad_bottom, w.pad_right);
}

/// Fields that training leaves as they are and that describe_kind does not name.
struct FixedFields {
    std::string operator()(const MatVec& op) const {
        return fmt::format("{} {} {} {} {}", op.in_channels, op.out_channels, op.groups, text_of(op.window),
                           op.real_bias.empty() ? 0 : 1);
    }
    std::string operator()(const Arithmetic& op) const {
        return fmt::format("{} {}", static_cast<int>(op.kind), fmt::join(op.constant, " "));
    }
    std::string operator()(const BatchNorm& op) const { return fmt::format("{}", op.epsilon); }
    std::string operator()(const Activation& op) const {
        return fmt::format("{} {} {}", static_cast<int>(op.kind), op.low, op.high);
    }
    std::string operator()(const Pool& op) const {
        return fmt::format("{} {} {}", static_cast<int>(op.kind), text_of(op.window), op.count_padding);
    }
    std::string operator()(const Concat& op) const { return fmt::format("{}", op.axis); }
    std::string operator()(const Permute& op) const { return fmt::format("{}", fmt::join(op.order, " ")); }
    std::string operator()(const Softmax& op) const { return fmt::format("{} {}", op.axis, op.flatten_from_axis); }
    template <class Other>
    std::string operator()(const Other&) const {
        return {};  // no fields, or quantizers, which a network to be trained has none of
    }
};

}  // namespace

void write_checkpoint(const Checkpoint& checkpoint, const std::string& path) {
    write_atomically(path, [&](const std::string& temporary) {
        Hdf5Writer file(temporary);
        file.write_string("/", "format", kFormat);
        file.write_int("/", "format_version", kVersion);
        file.write_string("/", "network", checkpoint.network);
        file.write_string("/", "data", checkpoint.data);
        file.write_string("/", "test_data", checkpoint.test_data);
        write_standing(file, checkpoint.standing);
        file.group("/options");
        for (size_t i = 0; i < checkpoint.options.size(); ++i) {
            const std::string object = fmt::format("/options/{:04}", i);
            file.write_string(object, "name", checkpoint.options[i].first);
            file.write_string(object, "value", checkpoint.options[i].second);
        }
        write_numbers(file, "/parameters", checkpoint.parameters);
        write_numbers(file, "/states", checkpoint.states);
        write_numbers(file, "/optimizer", checkpoint.optimizer);
        file.close();
    });
}

Checkpoint read_checkpoint(const std::string& path) {
    const Hdf5Reader file(path, "checkpoint");
    if (!file.has_attribute("/", "format") || file.read_string("/", "format") != kFormat) {
        throw FormatError(
            fmt::format("{}: is no checkpoint of a training run; --resume takes what --checkpoint wrote", path));
    }
    const int64_t version = file.read_int("/", "format_version");
    if (version != kVersion) {
        throw FormatError(fmt::format("{}: is a checkpoint of format version {}; this program reads version {}", path,
                                      version, kVersion));
    }
    Checkpoint checkpoint;
    checkpoint.network = file.read_string("/", "network");
    checkpoint.data = file.read_string("/", "data");
    checkpoint.test_data = file.read_string("/", "test_data");
    checkpoint.standing = read_standing(file, path);
    checkpoint.options = read_options(file);
    checkpoint.parameters = read_numbers(file, path, "/parameters");
    checkpoint.states = read_numbers(file, path, "/states");
    checkpoint.optimizer = read_numbers(file, path, "/optimizer");
    return checkpoint;
}

void require_same_run(const Checkpoint& checkpoint, const std::string& path, const Checkpoint& now) {
    require_same_options(checkpoint.options, path, now.options);
    require_same_names(checkpoint.parameters, now.parameters, path, "parameter");
    if (checkpoint.network != now.network) fail_network(path, "shapes, edges or constants differ");
    for (const auto& [then, here, what] : {std::tuple{&checkpoint.data, &now.data, "training data (--data)"},
                                           std::tuple{&checkpoint.test_data, &now.test_data, "test data (--test)"}}) {
        if (*then == *here) continue;
        throw ConfigError(
            fmt::format("{}: was written by a run on other {}: number, shape, labels or values of the "
                        "samples differ; resume with the data of that run, or start anew without "
                        "--resume",
                        path, what));
    }
    require_same_names(checkpoint.states, now.states, path, "state");
    require_same_names(checkpoint.optimizer, now.optimizer, path, "optimizer state");
}

std::vector<NamedNumbers> copy_values(const std::vector<Parameter*>& parameters) { return copy_all(parameters); }
std::vector<NamedNumbers> copy_values(const std::vector<State*>& states) { return copy_all(states); }

void restore_values(const std::vector<NamedNumbers>& from, const std::vector<Parameter*>& to) { restore_all(from, to); }
void restore_values(const std::vector<NamedNumbers>& from, const std::vector<State*>& to) { restore_all(from, to); }

void restore_known(const std::vector<NamedNumbers>& from, const std::vector<Parameter*>& to, const std::string& path) {
    restore_all_known(from, to, path, "parameter");
}
void restore_known(const std::vector<NamedNumbers>& from, const std::vector<State*>& to, const std::string& path) {
    restore_all_known(from, to, path, "state");
}

std::string fingerprint(const Network& network) {
    std::string text;
    for (const Value& value : network.values) text += bitline::to_string(value.shape) + "\n";
    for (const Node& node : network.nodes) {
        text += fmt::format("{} {} -> {}: {} {}\n", node.name, fmt::join(node.inputs, " "), node.output,
                            describe_kind(node.op), std::visit(FixedFields(), node.op));
    }
    text += fmt::format("{} -> {}\n", network.input, network.output);
    return sha256_bytes(text.data(), text.size());
}

}  // namespace bitline::training
