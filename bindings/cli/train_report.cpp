#include "bindings/cli/train_report.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>

#include "bindings/cli/terminal.h"
#include "core/ages.h"
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

/// One link of the chain, measured before and after.
std::vector<std::string> row(const std::string& name, const std::optional<std::string>& before,
                             const std::string& after) {
    return {name, before.value_or(""), after};
}

std::string chip_share(const ChipResult& chip) {
    return chip.accuracy_std ? fmt::format("{} ± {:.2f}", percent_text(chip.accuracy_mean), 100 * *chip.accuracy_std)
                             : percent_text(chip.accuracy_mean);
}

std::string aged_share(const AgeResult& age) { return age.chip ? chip_share(*age.chip) : "n/a"; }

std::string gap_text(double gap, const std::optional<double>& deviation) {
    const double points = 100 * gap;
    return deviation ? fmt::format("{:.2f} ± {:.2f}", points, 100 * *deviation) : fmt::format("{:.2f}", points);
}

std::string aged_gap(const Chain& chain, const AgeResult& age) {
    return age.chip ? gap_text(chain.integer - age.chip->accuracy_mean, age.chip->accuracy_std) : "n/a";
}

Json to_json(const Chain& chain) {
    Json ages = Json::array();
    for (const AgeResult& age : chain.chip.ages) {
        Json entry{{"age", number(age.age)}};
        if (age.chip) {
            entry["accuracy"] = {{"mean", number(age.chip->accuracy_mean)}, {"std", number(age.chip->accuracy_std)}};
            Json trials = Json::array();
            for (const TrialResult& trial : age.chip->trials) trials.push_back(number(trial.accuracy));
            entry["accuracy"]["trials"] = trials;
            entry["gap"] = number(chain.integer - age.chip->accuracy_mean);
        } else {
            entry["outside"] = age.outside;
        }
        ages.push_back(entry);
    }
    return {{"float", number(chain.real)},
            {"quantized", number(chain.quantized)},
            {"integer", number(chain.integer)},
            {"ideal_chip", number(chain.chip.ideal_accuracy)},
            {"chips", ages}};
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

std::string chain_text(const HardwarePlan& plan, const std::optional<Chain>& before, const Chain& after) {
    Table table;
    table.columns = {{"accuracy", Align::left}, {before ? "before" : ""}, {before ? "after" : "trained"}};
    const auto add = [&](const std::string& name, const auto& text) {
        table.rows.push_back(row(name, before ? std::optional(text(*before)) : std::nullopt, text(after)));
    };
    add("float", [](const Chain& c) { return percent_text(c.real); });
    add("quantized, float sums", [](const Chain& c) { return percent_text(c.quantized); });
    add("quantized, integer sums", [](const Chain& c) { return percent_text(c.integer); });
    add("ideal chip",
        [](const Chain& c) { return c.chip.ideal_accuracy ? percent_text(*c.chip.ideal_accuracy) : "n/a"; });
    for (size_t i = 0; i < after.chip.ages.size(); ++i)
        add("real chip, " + age_text(after.chip.ages[i].age),
            [i](const Chain& c) { return aged_share(c.chip.ages.at(i)); });
    for (size_t i = 0; i < after.chip.ages.size(); ++i)
        add("gap in points, " + age_text(after.chip.ages[i].age),
            [i](const Chain& c) { return aged_gap(c, c.chip.ages.at(i)); });
    std::string text =
        fmt::format("\n{} chips of architecture {}, {} samples each, seed {}; ± standard deviation\n\n",
                    plan.chips.trials, clean_line(plan.name), count_text(after.chip.samples), plan.chips.seed);
    return text + render(table);
}

Json to_json(const HardwarePlan& plan, const std::optional<Chain>& before, const Chain& after) {
    Json json{{"architecture", plan.name}, {"trials", plan.chips.trials}, {"samples", after.chip.samples}};
    if (before) json["before"] = to_json(*before);
    json["after"] = to_json(after);
    return {{"chain", json}};
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
