// Shows other programs what the integer reference computes, so that they can serve as its oracle. Arrays are raw little
// endian files, samples first.
//
//   probe_layers describe MODEL OUT.json           values and nodes of the network
//   probe_layers run MODEL X.bin SAMPLES Y.bin     float32 in (preprocessed), float32 out
//   probe_layers layers MODEL GIVEN.json OUT.json  compares every layer with values that another program computed
//
// GIVEN.json: {"samples": N, "values": {NAME: {"type": "int32" or "float32", "file": FILE}}}. Values of codes may be
// given as codes or as the real numbers that they stand for. Every node runs on the codes that are given, so that no
// error of one layer reaches the next; real numbers between codes are the node's own.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/model_io.h"
#include "core/parallel.h"
#include "core/reference.h"

namespace {

using nlohmann::json;
using namespace bitline;

std::string read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw FormatError("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
std::vector<T> read_array(const std::string& path, int64_t count) {
    const std::string bytes = read_text(path);
    if (bytes.size() != size_t(count) * sizeof(T)) {
        throw FormatError(
            fmt::format("{}: {} bytes violate {} numbers of {} bytes", path, bytes.size(), count, sizeof(T)));
    }
    std::vector<T> values(static_cast<size_t>(count));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(values.data()));
    return values;
}

void write_bytes(const std::string& path, const char* bytes, size_t count) {
    std::ofstream file(path, std::ios::binary);
    if (!file.write(bytes, std::streamsize(count)).flush()) throw RunError("cannot write " + path);
}

void write_json(const std::string& path, const json& value) {
    const std::string text = value.dump(1);
    write_bytes(path, text.data(), text.size());
}

json describe_quantizer(const Quantizer& q) {
    return {{"bipolar", q.kind == Quantizer::Kind::bipolar},
            {"scale", q.scale},
            {"zero_point", q.zero_point},
            {"bits", q.bits},
            {"code_min", q.code_min()},
            {"code_max", q.code_max()}};
}

json describe_node(const Network& network, const Node& node) {
    json inputs = json::array();
    for (const int value : node.inputs) inputs.push_back(network.values[size_t(value)].name);
    return {{"name", node.name},
            {"origin", node.origin},
            {"kind", describe_kind(node.op)},
            {"mappable", is_mappable(network, node)},
            {"inputs", inputs},
            {"output", network.values[size_t(node.output)].name}};
}

void describe(const Network& network, const std::string& path) {
    json values = json::array(), nodes = json::array();
    for (const Value& value : network.values) {
        values.push_back({{"name", value.name},
                          {"shape", value.shape},
                          {"quantizer", value.quantizer ? describe_quantizer(*value.quantizer) : json()}});
    }
    for (const Node& node : network.nodes) nodes.push_back(describe_node(network, node));
    write_json(path, {{"input", network.values[size_t(network.input)].name},
                      {"output", network.values[size_t(network.output)].name},
                      {"values", values},
                      {"nodes", nodes}});
}

void run_samples(const Network& network, const std::string& input, int64_t samples, const std::string& output) {
    constexpr int64_t kBlock = 16;  // samples; keeps the values of a block small
    const int64_t in = element_count(network.values[size_t(network.input)].shape);
    const int64_t out = element_count(network.values[size_t(network.output)].shape);
    const std::vector<float> x = read_array<float>(input, samples * in);
    std::vector<float> y(size_t(samples * out));
    const auto engine = make_exact_engine(network);
    parallel_for((samples + kBlock - 1) / kBlock, [&](int64_t block) {
        const int64_t first = block * kBlock, count = std::min(kBlock, samples - first);
        const std::vector<float> result =
            run(network, *engine, std::span(x).subspan(size_t(first * in), size_t(count * in)), count, first);
        std::copy(result.begin(), result.end(), y.begin() + first * out);
    });
    write_bytes(output, reinterpret_cast<const char*>(y.data()), y.size() * sizeof(float));
}

struct Given {
    Block block;
    double off_grid = 0;  // largest distance of a given real number from its code's, in steps
};

Given codes_of(const Quantizer& quantizer, const std::vector<float>& real) {
    Given given;
    for (const float x : real) {
        const double exact = double(x) / double(quantizer.scale[0]);
        given.off_grid = std::max(given.off_grid, std::abs(exact - std::nearbyint(exact)));
        given.block.codes.push_back(int32_t(std::nearbyint(exact)) + quantizer.zero_point[0]);
    }
    return given;
}

Given read_given(const Value& value, const json& source, int64_t samples) {
    const int64_t count = samples * element_count(value.shape);
    const std::string file = source.at("file"), type = source.at("type");
    if (type == "int32") {
        if (!value.quantizer) throw ConfigError(value.name + " holds real numbers, and codes are given");
        return {{read_array<int32_t>(file, count), {}}};
    }
    std::vector<float> real = read_array<float>(file, count);
    if (value.quantizer) return codes_of(*value.quantizer, real);
    return {{{}, std::move(real)}};
}

/// By value index, those of the network that are given.
std::map<int, Given> read_all_given(const Network& network, const json& values, int64_t samples) {
    std::map<int, Given> all;
    for (size_t i = 0; i < network.values.size(); ++i) {
        const auto source = values.find(network.values[i].name);
        if (source != values.end()) all[int(i)] = read_given(network.values[i], *source, samples);
    }
    if (!all.count(network.input)) throw ConfigError("the network's input is not given");
    return all;
}

/// Codes: differences are in steps. Real numbers: relative to the largest given one.
template <typename T>
json compare(const std::vector<T>& own, const std::vector<T>& given) {
    double largest = 0, range = 0;
    int64_t unequal = 0;
    for (size_t i = 0; i < own.size(); ++i) {
        const double difference = std::abs(double(own[i]) - double(given[i]));
        largest = std::max(largest, difference);
        range = std::max(range, std::abs(double(given[i])));
        unequal += difference != 0;
    }
    if (std::is_floating_point_v<T> && largest > 0) largest /= range;
    return {{"count", own.size()}, {"unequal", unequal}, {"largest_difference", largest}};
}

json compare_node(const Network& network, const Node& node, const Block& own, const Given& given) {
    json entry = describe_node(network, node);
    const bool codes = network.values[size_t(node.output)].quantizer.has_value();
    entry["codes"] = codes;
    entry["off_grid"] = given.off_grid;
    entry.update(codes ? compare(own.codes, given.block.codes) : compare(own.real, given.block.real));
    return entry;
}

void compare_layers(const Network& network, const json& source, const std::string& output) {
    const int64_t samples = source.at("samples");
    const std::map<int, Given> given = read_all_given(network, source.at("values"), samples);
    const auto engine = make_exact_engine(network);
    std::vector<Block> values(network.values.size());
    values[size_t(network.input)] = given.at(network.input).block;
    json report = json::array();
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        const Node& node = network.nodes[i];
        std::vector<const Block*> inputs;
        for (const int value : node.inputs) inputs.push_back(&values[size_t(value)]);
        Block own = run_node(network, int(i), *engine, inputs, samples, 0);
        const auto other = given.find(node.output);
        if (other != given.end()) report.push_back(compare_node(network, node, own, other->second));
        const bool replace = other != given.end() && network.values[size_t(node.output)].quantizer;
        values[size_t(node.output)] = replace ? other->second.block : std::move(own);
    }
    write_json(output, report);
}

int probe(const std::vector<std::string>& words) {
    if (words.size() == 3 && words[0] == "describe") {
        describe(read_network(words[1]), words[2]);
    } else if (words.size() == 5 && words[0] == "run") {
        run_samples(read_network(words[1]), words[2], std::stoll(words[3]), words[4]);
    } else if (words.size() == 4 && words[0] == "layers") {
        compare_layers(read_network(words[1]), json::parse(read_text(words[2])), words[3]);
    } else {
        fmt::print(stderr,
                   "usage: probe_layers describe MODEL OUT.json | run MODEL X.bin SAMPLES Y.bin | "
                   "layers MODEL GIVEN.json OUT.json\n");
        return 2;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        bitline::set_threads(0);
        return probe({argv + 1, argv + argc});
    } catch (const std::exception& e) {
        fmt::print(stderr, "{}\n", e.what());
        return 2;
    }
}
