// How fast training's products are, beside the machine's own peak measured in the same run: layers of ResNet-20 on
// CIFAR-10 at batch 128, of LeNet-5 on MNIST at batch 64, and some others. Each layer as often as the network has it,
// without the input gradient of the first, gives the time that the products of a training step take.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/json_file.h"
#include "bench/peaks.h"
#include "core/parallel.h"
#include "training/products/products.h"

namespace {

using bitline::Window;
using bitline::training::ConvolutionShape;
using Numbers = std::vector<float>;

struct Layer {
    std::string network, name;
    int64_t samples = 1;
    int count = 1;  // how often the network has it
    bool first = false;
    ConvolutionShape shape;
};

Window square(int64_t kernel, int64_t stride, int64_t pad) {
    return {kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad};
}

const std::vector<Layer>& layers() {
    using bitline::training::fully_connected;
    static const std::vector<Layer> table = {
        {"resnet20", "3-16 3x3 at 32", 128, 1, true, {3, 32, 32, 16, 1, square(3, 1, 1)}},
        {"resnet20", "16-16 3x3 at 32", 128, 6, false, {16, 32, 32, 16, 1, square(3, 1, 1)}},
        {"resnet20", "16-32 3x3 /2", 128, 1, false, {16, 32, 32, 32, 1, square(3, 2, 1)}},
        {"resnet20", "16-32 1x1 /2", 128, 1, false, {16, 32, 32, 32, 1, square(1, 2, 0)}},
        {"resnet20", "32-32 3x3 at 16", 128, 5, false, {32, 16, 16, 32, 1, square(3, 1, 1)}},
        {"resnet20", "32-64 3x3 /2", 128, 1, false, {32, 16, 16, 64, 1, square(3, 2, 1)}},
        {"resnet20", "32-64 1x1 /2", 128, 1, false, {32, 16, 16, 64, 1, square(1, 2, 0)}},
        {"resnet20", "64-64 3x3 at 8", 128, 5, false, {64, 8, 8, 64, 1, square(3, 1, 1)}},
        {"resnet20", "64-10", 128, 1, false, fully_connected(64, 10)},
        {"lenet5", "1-6 5x5 at 28", 64, 1, true, {1, 28, 28, 6, 1, square(5, 1, 2)}},
        {"lenet5", "6-16 5x5 at 14", 64, 1, false, {6, 14, 14, 16, 1, square(5, 1, 0)}},
        {"lenet5", "400-120", 64, 1, false, fully_connected(400, 120)},
        {"lenet5", "120-84", 64, 1, false, fully_connected(120, 84)},
        {"lenet5", "84-10", 64, 1, false, fully_connected(84, 10)},
        {"other", "64 depthwise 3x3 at 16", 128, 1, false, {64, 16, 16, 64, 64, square(3, 1, 1)}},
        {"other", "64-128 1x1 at 16", 128, 1, false, {64, 16, 16, 128, 1, square(1, 1, 0)}},
        {"other", "128-128 3x3 at 16", 16, 1, false, {128, 16, 16, 128, 1, square(3, 1, 1)}},
        {"other", "256-256 3x3 at 4", 64, 1, false, {256, 4, 4, 256, 1, square(3, 1, 1)}},
        {"other", "1024-1024", 128, 1, false, fully_connected(1024, 1024)},
    };
    return table;
}

const char* const kDirections[] = {"forward", "input gradient", "weight gradient"};

/// A layer with numbers to compute with.
struct Work {
    const Layer& layer;
    Numbers x, w, y, gx, gw;

    explicit Work(const Layer& of)
        : layer(of),
          x(size_t(of.samples * of.shape.in_size()), 0.5F),
          w(size_t(of.shape.weight_size()), 0.25F),
          y(size_t(of.samples * of.shape.out_size()), 0.75F),
          gx(x.size()),
          gw(w.size()) {}

    void run(int direction) {
        const auto n = layer.samples;
        if (direction == 0) bitline::training::convolve(layer.shape, n, x.data(), w.data(), y.data());
        if (direction == 1) convolve_input_gradient(layer.shape, n, y.data(), w.data(), gx.data());
        if (direction == 2) convolve_weight_gradient(layer.shape, n, x.data(), y.data(), gw.data());
    }
};

/// Of the calling thread where it does all the work, so that other programs on the machine do not count.
double seconds_now() {
    if (bitline::threads() == 1) return bench::thread_seconds();
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Options {
    std::string json;
    std::vector<std::string> networks;
    int rounds = 10, threads = 1;
};

/// Best time of several bursts that are long enough to be timed.
double best_seconds(Work& work, int direction, int rounds) {
    work.run(direction);
    const double start = seconds_now();
    work.run(direction);
    const int repeat = std::clamp(int(2e-3 / (seconds_now() - start)), 1, 1000);
    double best = 1e30;
    for (int round = 0; round < rounds; ++round) {
        const double begin = seconds_now();
        for (int i = 0; i < repeat; ++i) work.run(direction);
        best = std::min(best, (seconds_now() - begin) / repeat);
    }
    return best;
}

nlohmann::ordered_json run(const Options& options) {
    bitline::set_threads(options.threads);
    const double peak =
        std::max(bench::rate(bench::fp32_avx2(), 0.1), bench::rate(bench::fp32_avx512(), 0.1)) * options.threads;
    fmt::print("peak of {} core(s): {:.1f} GMAC/s float32 FMA\n", options.threads, peak);
    nlohmann::ordered_json result{{"threads", options.threads}, {"peak_fp32_fma_gmacs", peak}};
    result["rows"] = nlohmann::ordered_json::array();
    std::vector<std::pair<std::string, double>> totals;
    for (const Layer& layer : layers()) {
        if (std::count(options.networks.begin(), options.networks.end(), layer.network) == 0) continue;
        Work work(layer);
        const double products = double(layer.samples * layer.shape.multiply_accumulates()) * 1e-9;
        fmt::print("{:9} {:24}", layer.network, layer.name);
        if (totals.empty() || totals.back().first != layer.network) totals.emplace_back(layer.network, 0);
        for (int direction = 0; direction < 3; ++direction) {
            const double seconds = best_seconds(work, direction, options.rounds);
            const double rate = products / seconds;
            fmt::print("  {} {:6.1f} GMAC/s {:4.2f}", kDirections[direction], rate, peak > 0 ? rate / peak : 0);
            const int times = direction == 1 && layer.first ? 0 : layer.count;
            totals.back().second += times * seconds;
            const ConvolutionShape& shape = layer.shape;
            const Window& window = shape.window;
            result["rows"].push_back(
                {{"network", layer.network},
                 {"layer", layer.name},
                 {"samples", layer.samples},
                 {"input", {shape.in_channels, shape.in_h, shape.in_w}},
                 {"weights", {shape.out_channels, shape.in_channels / shape.groups, window.kernel_h, window.kernel_w}},
                 {"stride", window.stride_h},
                 {"pad", window.pad_top},
                 {"times", times},
                 {"direction", kDirections[direction]},
                 {"seconds", seconds},
                 {"gmacs", rate},
                 {"fraction_of_peak", peak > 0 ? nlohmann::ordered_json(rate / peak) : nlohmann::ordered_json()}});
        }
        fmt::print("\n");
    }
    for (const auto& [network, seconds] : totals) {
        if (network == "other") continue;
        fmt::print("{}: {:.2f} ms for the products of a step\n", network, 1e3 * seconds);
        result["step_seconds"][network] = seconds;
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Times training's products beside the machine's peak"};
    Options options;
    app.add_option("--json", options.json, "write the figures to this file");
    app.add_option("--network", options.networks, "only the layers of these (default: all)")
        ->check(CLI::IsMember({"resnet20", "lenet5", "other"}));
    app.add_option("--rounds", options.rounds, "of which the best counts")->check(CLI::Range(1, 1000));
    app.add_option("--threads", options.threads, "worker threads")->check(CLI::Range(1, 1024));
    CLI11_PARSE(app, argc, argv);
    if (options.networks.empty()) options.networks = {"resnet20", "lenet5", "other"};
    return bench::write_json("bench_products", options.json, run(options));
}
