// How long a step of training takes: forward pass, loss, gradients, optimizer, beside what the machine's own peak would
// allow its products. LeNet-5 at batch 64 and ResNet-20 at batch 128, in float, quantized, and with each strength of
// hardware in the loop. pytorch_steps.py runs it beside PyTorch.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "bench/json_file.h"
#include "bench/peaks.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/summary.h"
#include "training/hardware.h"
#include "training/loss.h"
#include "training/model.h"
#include "training/optimizer.h"
#include "training/zoo.h"

namespace {

using namespace bitline;
using namespace bitline::training;

struct Workload {
    std::string network;
    Shape input;
    int64_t batch;
};
const std::vector<Workload> kWorkloads = {{"lenet5", {1, 28, 28}, 64}, {"resnet20", {3, 32, 32}, 128}};
const std::vector<std::string> kStrengths = {"float", "quantized", "noise", "device", "full"};

struct Options {
    std::string json;
    std::vector<std::string> networks, strengths = kStrengths;
    int rounds = 10, threads = 1;
};

/// Of the calling thread where it does all the work, so that other programs on the machine do not count.
double seconds_now() {
    if (threads() == 1) return bench::thread_seconds();
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Samples between 0 and 1.
Tensor noise_images(const Workload& workload) {
    Tensor x;
    x.resize(workload.input, workload.batch);
    for (size_t i = 0; i < x.values.size(); ++i)
        x.values[i] = float(philox({uint32_t(i), 0, 0, 0}, stream_key(1, 0, Purpose::shuffle))[0]) * 0x1p-32F;
    return x;
}

/// The chip of examples/train_on_chip: 4-bit weights in 2-bit cells with 5 % programming error, 5-bit converters.
Architecture chip() {
    return parse_architecture("name: bench", "bench", {{"adc.bits", "5"}, {"cell.programming_error.sigma", "0.05"}});
}

/// One network in training with one strength of hardware.
class Training {
 public:
    Training(const Workload& workload, const std::string& strength)
        : x_(noise_images(workload)),
          model_(build_network(workload.network, workload.input, 10, {}, 1), model_options(strength)) {
        for (int64_t s = 0; s < workload.batch; ++s) labels_.push_back(int32_t(s % 10));
        if (strength == "noise" || strength == "device" || strength == "full") attach(strength);
        std::vector<Parameter*> all = model_.parameters();
        OptimizerOptions adam;
        adam.kind = OptimizerOptions::Kind::adam;
        optimizer_.emplace(all, adam);
    }

    void step() {
        Pass pass;
        pass.training = true;
        pass.seed = 1;
        pass.step = step_++;
        cross_entropy(model_.forward(pass, x_), labels_, 0, gradient_);
        model_.backward(pass, gradient_);
        optimizer_->step(1e-4);
    }

 private:
    static ModelOptions model_options(const std::string& strength) {
        ModelOptions options;
        if (strength == "float") return options;
        options.method = "lsq";
        options.weight_bits = options.input_bits = 4;
        options.first_last_bits = 0;
        return options;
    }

    void attach(const std::string& strength) {
        HardwareOptions options;
        options.strength = strength == "noise"    ? HardwareStrength::noise
                           : strength == "device" ? HardwareStrength::device
                                                  : HardwareStrength::full;
        if (strength != "noise") options.architecture = chip();
        options.calibration_samples = x_.samples;
        const auto reader = [this](int64_t first, int64_t count) {
            return std::vector<float>(x_.sample(first), x_.sample(first) + count * x_.elements());
        };
        hardware_ = make_hardware(options, 1, model_.products(), reader);
        model_.attach(hardware_.get());
    }

    Tensor x_, gradient_;
    std::vector<int32_t> labels_;
    Model model_;
    std::unique_ptr<Hardware> hardware_;
    std::optional<Optimizer> optimizer_;
    uint32_t step_ = 0;
};

/// Best of several bursts that are long enough to be timed.
double step_seconds(Training& training, int rounds) {
    training.step();  // ranges, memory
    const double start = seconds_now();
    training.step();
    const int repeat = std::clamp(int(0.02 / (seconds_now() - start)), 1, 100);
    double best = 1e30;
    for (int round = 0; round < rounds; ++round) {
        const double begin = seconds_now();
        for (int i = 0; i < repeat; ++i) training.step();
        best = std::min(best, (seconds_now() - begin) / repeat);
    }
    return best;
}

/// Multiply-accumulates of a step in units of 1e9: forward, and twice as many backward.
double products_of(const Workload& workload) {
    const TrainingNetwork network = build_network(workload.network, workload.input, 10, {}, 1);
    return 3e-9 * double(workload.batch * summarize(network.network).macs);
}

nlohmann::ordered_json run(const Options& options) {
    set_threads(options.threads);
    const double peak =
        std::max(bench::rate(bench::fp32_avx2(), 0.1), bench::rate(bench::fp32_avx512(), 0.1)) * options.threads;
    fmt::print("peak of {} core(s): {:.1f} GMAC/s float32 FMA\n", options.threads, peak);
    nlohmann::ordered_json result{{"threads", options.threads}, {"peak_fp32_fma_gmacs", peak}};
    result["rows"] = nlohmann::ordered_json::array();
    for (const Workload& workload : kWorkloads) {
        if (std::count(options.networks.begin(), options.networks.end(), workload.network) == 0) continue;
        for (const std::string& strength : options.strengths) {
            Training training(workload, strength);
            const double seconds = step_seconds(training, options.rounds);
            const double rate = products_of(workload) / seconds;
            fmt::print("{:9} batch {:<4} {:10} {:8.2f} ms a step  {:6.1f} GMAC/s {:4.2f} of the peak\n",
                       workload.network, workload.batch, strength, 1e3 * seconds, rate, rate / peak);
            result["rows"].push_back({{"network", workload.network},
                                      {"batch", workload.batch},
                                      {"strength", strength},
                                      {"seconds", seconds},
                                      {"gmacs", rate},
                                      {"fraction_of_peak", rate / peak}});
        }
    }
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Times steps of training beside the machine's peak"};
    Options options;
    app.add_option("--json", options.json, "write the figures to this file");
    app.add_option("--network", options.networks, "only these (default: all)")
        ->check(CLI::IsMember({"lenet5", "resnet20"}));
    app.add_option("--strength", options.strengths, "only these (default: all)")->check(CLI::IsMember(kStrengths));
    app.add_option("--rounds", options.rounds, "of which the best counts")->check(CLI::Range(1, 1000));
    app.add_option("--threads", options.threads, "worker threads")->check(CLI::Range(1, 1024));
    CLI11_PARSE(app, argc, argv);
    if (options.networks.empty()) options.networks = {"lenet5", "resnet20"};
    return bench::write_json("bench_training", options.json, run(options));
}
