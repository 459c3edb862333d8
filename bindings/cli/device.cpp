#include <fmt/format.h>

#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "core/ages.h"
#include "core/error.h"
#include "core/files.h"
#include "devices/cell_curves.h"

namespace bitline::cli {

namespace {

struct Arguments {
    std::optional<std::string> device, ages, temperature, bits, cells, seed, csv, json;
    std::vector<std::string> settings;
};

/// One age of the device; no states where its model ends.
struct Age {
    double seconds = 0;
    std::string outside;
    std::vector<StateSample> states;
};

struct Run {
    Architecture architecture;
    double temperature = 300;
    int bits = 3;
    int64_t cells = 4000;
    uint64_t seed = 0;
    std::vector<Age> ages;
};

Run sample(const Arguments& a) {
    Run run;
    if (a.temperature) run.temperature = parse_number("--temperature", *a.temperature, 1, 2000, false);
    if (a.bits) run.bits = static_cast<int>(parse_whole("--bits", *a.bits, 1, 8));
    if (a.cells) run.cells = parse_whole("--cells", *a.cells, 2, 10000000);
    if (a.seed) run.seed = static_cast<uint64_t>(parse_whole("--seed", *a.seed, 0, (int64_t(1) << 53) - 1));
    const std::vector<double> ages = parse_ages("--age", a.ages.value_or("0,1h,1d,30d,1y"));
    run.architecture = read_chip("default", with_device(a.device, a.settings));
    const CellOptions& cell = run.architecture.cell;
    if (const std::string hot = outside_of_model(cell, {0, run.temperature}); !hot.empty())
        throw ConfigError(fmt::format("--temperature {}: {}", run.temperature, hot));
    for (const double seconds : ages) {
        const Conditions conditions{seconds, run.temperature};
        Age age{seconds, outside_of_model(cell, conditions), {}};
        if (age.outside.empty()) age.states = sample_states(cell, run.bits, conditions, run.cells, run.seed);
        run.ages.push_back(std::move(age));
    }
    return run;
}

const Age& first_covered(const Run& run) {
    for (const Age& age : run.ages)
        if (age.outside.empty()) return age;
    throw ConfigError("no age is covered: " + run.ages.at(0).outside);
}

std::string report(const Run& run) {
    const CellOptions& cell = run.architecture.cell;
    std::string text = fmt::format("{}\n", cell.name.empty() ? "device" : clean_line(cell.name));
    if (!cell.source.empty()) text += wrap(cell.source, kTableWidth, 4);
    Table table;
    table.columns = {{"target uS"}};
    for (const Age& age : run.ages) table.columns.push_back({age_text(age.seconds)});
    table.columns.push_back({"one read"});
    const std::vector<StateSample>& first = first_covered(run).states;
    for (size_t level = 0; level < first.size(); ++level) {
        std::vector<std::string> row{fmt::format("{:.3f}", 1e6 * first[level].target)};
        double noise = 0;
        for (const Age& age : run.ages) {
            if (age.states.empty()) {
                row.push_back("n/a");
                continue;
            }
            const StateSample& state = age.states[level];
            row.push_back(fmt::format("{:.3f} \u00b1{:.3f}", 1e6 * state.mean, 1e6 * state.deviation));
            noise = state.read_deviation;
        }
        row.push_back(fmt::format("\u00b1{:.3f}", 1e6 * noise));
        table.rows.push_back(row);
    }
    text += "\n" + render(table);
    text += fmt::format(
        "mean and standard deviation over {} cells of each state, uS, at {:.6g} K; one read: noise at the "
        "last age\n",
        count_text(run.cells), run.temperature);
    for (const Age& age : run.ages)
        if (!age.outside.empty()) text += fmt::format("n/a at {}: {}\n", age_text(age.seconds), age.outside);
    return text;
}

std::string csv_text(const Run& run) {
    std::string text = "age_s,target_S,mean_S,deviation_S,low_S,median_S,high_S,read_deviation_S\n";
    for (const Age& age : run.ages) {
        for (const StateSample& s : age.states)
            text += fmt::format("{},{},{},{},{},{},{},{}\n", age.seconds, s.target, s.mean, s.deviation, s.low,
                                s.median, s.high, s.read_deviation);
    }
    return text;
}

Json json_of(const Run& run, const Arguments& a) {
    Json ages = Json::array();
    for (const Age& age : run.ages) {
        Json states = Json::array();
        for (const StateSample& s : age.states)
            states.push_back({{"target", number(s.target)},
                              {"mean", number(s.mean)},
                              {"deviation", number(s.deviation)},
                              {"low", number(s.low)},
                              {"median", number(s.median)},
                              {"high", number(s.high)},
                              {"read_deviation", number(s.read_deviation)}});
        ages.push_back({{"age", number(age.seconds)},
                        {"outside_of_model", age.outside.empty() ? Json(nullptr) : Json(age.outside)},
                        {"states", states}});
    }
    return {{"device", to_json(run.architecture, *a.device, a.settings)},
            {"temperature", number(run.temperature)},
            {"cells", run.cells},
            {"seed", run.seed},
            {"ages", ages}};
}

void device(const Arguments& a) {
    std::vector<std::string> outputs;
    for (const auto* path : {&a.csv, &a.json})
        if (*path && **path != kStandardOutput) outputs.push_back(**path);
    for (const std::string& path : outputs) require_output("--csv or --json", path, {*a.device});
    require_distinct(outputs);
    const Run run = sample(a);
    first_covered(run);
    if (a.csv) write_text_atomically(*a.csv, csv_text(run));
    if (a.json) write_json(json_of(run, a), *a.json);
    if (a.json != kStandardOutput) print(report(run));
}

}  // namespace

Command make_device(const CommandEntry& entry) {
    Command command = new_command(entry,
                                  "low, median and high in the files are the quantiles 5 %, 50 % and 95 % over cells.\n"
                                  "Examples:\n"
                                  "  bitline device pcm-nandakumar2019\n"
                                  "  bitline device rram-wan2022 --age 0,1d,2d --bits 4\n"
                                  "  bitline device mine.yaml --age 0,1s,1h,1d --temperature 350 --csv curves.csv\n");
    auto a = std::make_shared<Arguments>();
    command.required = {add_text(command, "DEVICE", a->device, "", "name (bitline list devices) or YAML file")};
    add_text(command, "--age", a->ages, "LIST", "since programming, such as 0,1s,1h,1d (0,1h,1d,30d,1y)");
    add_text(command, "--temperature", a->temperature, "K", "1 to 2000 (300)");
    add_text(command, "--bits", a->bits, "B", "2^B states, 1 to 8 (3)");
    add_text(command, "--cells", a->cells, "N", "of each state (4000)");
    add_text(command, "--seed", a->seed, "S", "of all random numbers (0)");
    add_texts(command, "--set", a->settings, "KEY=VALUE", "override a key (bitline list keys cell); may be repeated");
    add_text(command, "--csv", a->csv, "FILE", "write every state and age as a table");
    add_text(command, "--json", a->json, "FILE", "write the result as JSON; - for standard output");
    command.run = [a] { device(*a); };
    return command;
}

}  // namespace bitline::cli
