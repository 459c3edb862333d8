#include "training/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/named_options.h"
#include "core/options.h"

namespace bitline::training {

namespace {

/// Images without channels have one.
Shape image_shape(const Shape& stored) { return stored.size() == 2 ? Shape{1, stored[0], stored[1]} : stored; }

int64_t class_count(const RunTexts& texts, const Dataset& data) {
    if (texts.classes) return parse_whole(option_name("classes"), *texts.classes, 1, 1 << 20);
    const auto& labels = data.labels();
    return labels.empty() ? 1 : int64_t(*std::max_element(labels.begin(), labels.end())) + 1;
}

/// The first samples of a data set.
class FirstSamples final : public Dataset {
 public:
    FirstSamples(std::shared_ptr<const Dataset> all, int64_t count) : all_(std::move(all)), size_(count) {
        const auto& labels = all_->labels();
        labels_.assign(labels.begin(), labels.begin() + std::min<int64_t>(count, std::ssize(labels)));
    }

    int64_t size() const override { return size_; }
    const Shape& shape() const override { return all_->shape(); }
    void read(int64_t first, int64_t count, float* out) const override { all_->read(first, count, out); }
    const std::vector<int32_t>& labels() const override { return labels_; }
    const std::vector<std::string>& files() const override { return all_->files(); }
    const std::string& spec() const override { return all_->spec(); }

 private:
    std::shared_ptr<const Dataset> all_;
    int64_t size_;
    std::vector<int32_t> labels_;
};

/// What decides a run besides the options of training and method.
OptionTexts describe(const RunOrigin& origin, const RunPlan& plan) {
    const auto on = [](const std::optional<bool>& value) { return value ? (*value ? "on" : "off") : "default"; };
    OptionTexts texts{{"network", origin.network}};
    if (origin.new_network) {
        texts.emplace_back("width", real_text(plan.network.width));
        texts.emplace_back("bias", on(plan.network.bias));
        texts.emplace_back("affine", on(plan.network.affine));
        texts.emplace_back("batch norm", plan.network.batch_norm ? "on" : "off");
        texts.emplace_back("dropout", real_text(double(plan.network.dropout)));
    }
    if (origin.teacher) texts.emplace_back("teacher", *origin.teacher);
    if (origin.start) texts.emplace_back("initial", *origin.start);
    for (const auto& text : describe(plan.hardware)) texts.push_back(text);
    return texts;
}

/// Before the long work.
TrainData checked(const TrainData& data, const RunPlan& plan) {
    const auto limit = plan.hardware.limit;
    if (limit && *limit > data.test->size())
        throw ConfigError(fmt::format("{} = {} exceeds the {} samples of {}", option_name("chip-limit"), *limit,
                                      data.test->size(), data.test->spec()));
    return data;
}

RunPlan with_preprocess(RunPlan plan, const Preprocess& preprocess) {
    plan.options.preprocess = preprocess;
    return plan;
}

TrainingNetwork with_preprocess(TrainingNetwork network, const Preprocess& preprocess) {
    network.network.preprocess = preprocess;  // whoever reads the result needs no option
    return network;
}

}  // namespace

RunPlan parse_run(const RunTexts& texts) {
    RunPlan plan;
    plan.options = parse_train_options(texts);
    plan.model = parse_model_options(texts);
    plan.network = parse_network_options(texts);
    plan.hardware = parse_hardware(texts.hardware, plan.quantized(), plan.options.seed);
    plan.options.hardware_after = plan.hardware.after;
    if (texts.preprocess) parse_preprocess(*texts.preprocess);
    return plan;
}

NetworkSource source_of(const std::string& model) {
    const std::string extension = std::filesystem::path(model).extension().string();
    if (extension == ".yaml" || extension == ".yml") return NetworkSource::yaml;
    const auto& known = list_networks();
    const bool is_name = std::any_of(known.begin(), known.end(), [&](const auto& n) { return n.name == model; });
    const bool is_file = extension == ".onnx" || extension == ".h5" || model.find('/') != std::string::npos;
    return is_name || !is_file ? NetworkSource::name : NetworkSource::file;
}

TrainingNetwork make_network(const std::string& model, const RunTexts& texts, const RunPlan& plan,
                             const Dataset& data) {
    const Shape input = image_shape(data.shape());
    const int64_t classes = class_count(texts, data);
    if (source_of(model) == NetworkSource::name)
        return build_network(model, input, classes, plan.network, plan.options.seed);
    require_file(model, "network");
    return training::read_network(model, input, classes, plan.network, plan.options.seed);
}

ChosenPreprocess choose_preprocess(const std::optional<std::string>& given, const Network& network,
                                   const std::string& data_spec) {
    if (given) return {parse_preprocess(*given), option_name("preprocess")};
    if (network.preprocess) return {*network.preprocess, "the model"};
    const bool bytes = data_spec.rfind("idx:", 0) == 0 || data_spec.rfind("cifar10:", 0) == 0;
    return bytes ? ChosenPreprocess{parse_preprocess("unit"), "images of bytes"}
                 : ChosenPreprocess{Preprocess{}, "default"};
}

Run::Run(RunPlan plan, const RunOrigin& origin, TrainingNetwork network, const TrainData& data,
         const Preprocess& preprocess)
    : plan_(with_preprocess(std::move(plan), preprocess)),
      network_(with_preprocess(std::move(network), preprocess)),
      data_(checked(data, plan_)),
      model_(network_, plan_.model),
      hardware_(attach_hardware()),
      trainer_(model_, network_.network, data_, plan_.options, describe(origin, plan_)) {}

/// Training samples for converter ranges and compensation.
SampleReader Run::calibration() const {
    return [data = data_.training, preprocess = plan_.options.preprocess, shape = model_.input_shape()](
               int64_t first, int64_t count) { return read_input(*data, preprocess, shape, first, count); };
}

std::unique_ptr<Hardware> Run::attach_hardware() {
    if (!plan_.hardware.in_loop) return nullptr;
    HardwareOptions options = *plan_.hardware.in_loop;
    options.calibration_samples = std::min(options.calibration_samples, data_.training->size());
    auto hardware = make_hardware(options, plan_.options.seed, model_.products(), calibration());
    model_.attach(hardware.get());
    return hardware;
}

Chain Run::measure(const ProgressFunction& progress) {
    SimulateOptions chips = plan_.hardware.chips;
    chips.calibration_samples = std::min(chips.calibration_samples, data_.training->size());
    std::shared_ptr<const Dataset> test = data_.test;
    if (plan_.hardware.limit) test = std::make_shared<FirstSamples>(test, *plan_.hardware.limit);
    return measure_chain(model_, test, plan_.options.preprocess, data_.training.get(), plan_.hardware.architecture,
                         chips, progress);
}

Chain Run::measure_start(const ProgressFunction& progress) {
    Pass look;
    look.ideal = true;
    Tensor first;
    first.resize(model_.input_shape(), std::min(plan_.options.batch, data_.training->size()));
    first.values = calibration()(0, first.samples);
    model_.forward(look, first);
    return measure(progress);
}

Network Run::result() const { return plan_.quantized() ? model_.quantized() : model_.real(); }

}  // namespace bitline::training
