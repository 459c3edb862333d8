#include "bindings/cli/train_report.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "bindings/cli/terminal.h"
#include "core/files.h"
#include "core/summary.h"

namespace bitline::cli {

using namespace training;

namespace {

std::string method_text(const training::Model& model) {
    const ModelOptions& o = model.options();
    if (o.method.empty()) return "float";
    std::string text = fmt::format("{}, weights {} bits, inputs {} bits", o.method, o.weight_bits, o.input_bits);
    if (o.first_last_bits > 0) text += fmt::format(", first and last layer {}", o.first_last_bits);
    if (!o.layer_bits.empty()) text += fmt::format(", {} layers apart", o.layer_bits.size());
    if (o.fold_batch_norm) text += ", batch norm folded";
    return text;
}

}  // namespace

Progress progress_of(const TrainProgress& p) {
    Progress progress;
    progress.stage = fmt::format("epoch {}/{}, loss {:.4g}, {:.1f} %", p.epoch, p.epochs, p.loss, 100 * p.accuracy);
    constexpr int64_t kParts = int64_t(1) << 20;
    progress.done = static_cast<int64_t>(p.share * double(kParts));
    progress.total = kParts;
    progress.seconds = p.seconds;
    return progress;
}

std::string epoch_text(const EpochResult& r) {
    return fmt::format("epoch {}/{}  loss {:.4f}  train {}  test {}  {}", r.epoch, r.epochs, r.loss,
                       percent_text(r.accuracy), percent_text(r.test_accuracy), duration_text(r.seconds));
}

Json epoch_json(const EpochResult& r) {
    return {{"epoch", r.epoch},
            {"epochs", r.epochs},
            {"step", r.step},
            {"rate", number(r.rate)},
            {"loss", number(r.loss)},
            {"accuracy", number(r.accuracy)},
            {"test_accuracy", number(r.test_accuracy)},
            {"best_accuracy", number(r.best_accuracy)},
            {"best_epoch", r.best_epoch},
            {"seconds", number(r.seconds)}};
}

Json trained_json(const Network& network, const training::Model& model, const TrainOptions& options) {
    const ModelOptions& o = model.options();
    Json json = {{"network", network.name},
                 {"parameters", summarize(network).parameters.count},
                 {"method", o.method.empty() ? "float" : o.method},
                 {"average_bits", number(model.average_bits())},
                 {"epochs", options.epochs},
                 {"seed", options.seed}};
    if (!o.method.empty()) {
        json["weight_bits"] = o.weight_bits;
        json["input_bits"] = o.input_bits;
        json["fold_batch_norm"] = o.fold_batch_norm;
        json["first_last_bits"] = o.first_last_bits > 0 ? Json(o.first_last_bits) : Json("same");
    }
    return {{"trained", std::move(json)}};
}

std::string train_text(const TrainReport& report, const Network& network, const training::Model& model,
                       const TrainOptions& options, const Dataset& training, const Dataset& test) {
    std::string text = fmt::format("network        {}, {} parameters\n", clean_line(network.name),
                                   count_text(summarize(network).parameters.count));
    text += fmt::format("method         {}\n", method_text(model));
    if (!model.options().method.empty())
        text += fmt::format("average bits   {:.3f} per parameter\n", model.average_bits());
    text += fmt::format("preprocess     {} ({})\n", to_string(options.preprocess), report.preprocess_origin);
    text += fmt::format("trained        {} epochs of {} samples of {}, seed {}\n", options.epochs,
                        count_text(training.size()), clean_line(training.spec()), options.seed);
    if (const auto& last = report.last) {
        text += fmt::format("last epoch     loss {:.4f}, accuracy {}\n", last->loss, percent_text(last->accuracy));
        text += fmt::format("test           {} of {} samples (highest {}, after epoch {})\n",
                            percent_text(last->test_accuracy), count_text(test.size()),
                            percent_text(last->best_accuracy), last->best_epoch);
    }
    for (const std::string& path : report.written) text += fmt::format("written        {}\n", clean_line(path));
    return text;
}

void EpochJournal::keep(int64_t epochs) {
    std::error_code ignored;
    if (!path_ || *path_ == kStandardOutput || epochs == 0 || !std::filesystem::is_regular_file(*path_, ignored))
        return;
    std::istringstream lines(read_file(*path_, "JSON"));
    for (std::string line; std::getline(lines, line);) {
        const Json json = Json::parse(line, nullptr, false);
        const bool has_epoch = json.is_object() && json.contains("epoch") && json["epoch"].is_number_integer();
        if (has_epoch && json["epoch"].get<int64_t>() <= epochs) text_ += line + "\n";
    }
}

void EpochJournal::add(const Json& line) {
    if (!path_) return;
    const std::string added = line.dump() + "\n";
    if (*path_ == kStandardOutput) {
        print(added);
        flush_output();
        return;
    }
    text_ += added;
    write_text_atomically(*path_, text_);
}

}  // namespace bitline::cli
