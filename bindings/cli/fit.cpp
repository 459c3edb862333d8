#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bindings/cli/command.h"
#include "bindings/cli/fit_plot.h"
#include "bindings/cli/inputs.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/files.h"
#include "core/options.h"
#include "devices/pulse_fit.h"
#include "mapping/architecture_keys.h"
#include "mapping/fitted_architecture.h"

namespace bitline::cli {

namespace {

struct Arguments {
    std::optional<std::string> pulses, law, g_min, g_max, output, plot, csv, json;
    std::vector<std::string> settings;
};

const std::vector<SwitchingLaw> kLaws{SwitchingLaw::exponential, SwitchingLaw::constant, SwitchingLaw::linear,
                                      SwitchingLaw::soft_bounds, SwitchingLaw::exp_step, SwitchingLaw::pow_step,
                                      SwitchingLaw::piecewise,   SwitchingLaw::vteam};

/// Null: the likeliest.
std::optional<SwitchingLaw> parse_law(const std::string& name) {
    OptionText option;
    option.path = "--law";
    option.value = name;
    std::vector<std::string> names;
    for (const SwitchingLaw law : kLaws) names.push_back(to_string(law));
    names.push_back("auto");
    const size_t chosen = parse_choice(option, names);
    if (chosen == kLaws.size()) return std::nullopt;
    return kLaws[chosen];
}

double parse_conductance(const std::string& name, const std::string& text) {
    OptionText option;
    option.path = name;
    option.value = text;
    const OptionRange range{0, 1, false};
    const double value = parse_real(option, kSiemens);
    if (!range.contains(value)) throw violation_error(option, range.relation(name) + " S");
    return value;
}

/// What --set may state: what is known of the pulses and of a threshold model, not what the fit finds.
bool is_known_beforehand(const std::string& path) {
    const std::string vteam = "cell.switching.vteam.";
    if (path.rfind(vteam, 0) == 0) return path != vteam + "k_on" && path != vteam + "k_off";
    return path == "cell.switching.voltage_up" || path == "cell.switching.voltage_down" ||
           path == "cell.switching.pulse_width";
}

SwitchingOptions read_settings(const std::vector<std::string>& settings, SwitchingLaw law) {
    OptionFields<Architecture> fields;
    for (const OptionField<Architecture>& field : architecture_keys())
        if (is_known_beforehand(field.path)) fields.push_back(field);
    Architecture architecture;
    architecture.cell.write_verify.method = WriteVerifyOptions::Method::pulses;
    architecture.cell.switching.law = law;
    std::vector<OptionText> layer;
    for (const std::string& text : settings) {
        const size_t equals = text.find('=');
        if (equals == std::string::npos) {
            throw ConfigError(
                fmt::format("--set {} is no key=value, such as cell.switching.vteam.v_on=-0.7", printable(text)));
        }
        const std::string path = text.substr(0, equals);
        if (find_field(architecture_keys(), path) && !is_known_beforehand(path)) {
            throw ConfigError(
                fmt::format("--set {}: a fit takes only what is known of the pulses beforehand: "
                            "cell.switching.vteam.* but k_on and k_off, and cell.switching.voltage_up, "
                            "voltage_down and pulse_width",
                            printable(text)));
        }
        layer.push_back(setting_option(path, text.substr(equals + 1)));
    }
    OptionOrigins origins;
    apply_layer(fields, architecture, layer, 1, origins);
    for (const OptionField<Architecture>& field : fields) {
        if (field.has_effect(architecture)) continue;
        if (const OptionText* option = origins.latest({field.path}))
            throw option_error(*option, "has no effect: it needs " + field.condition->text);
    }
    return architecture.cell.switching;
}

void check_outputs(const Arguments& a) {
    std::vector<std::string> outputs;
    for (const auto& [name, path] : {std::pair("-o", &a.output), std::pair("--plot", &a.plot),
                                     std::pair("--csv", &a.csv), std::pair("--json", &a.json)}) {
        if (!*path || **path == kStandardOutput) continue;
        require_output(name, **path, {*a.pulses});
        outputs.push_back(**path);
    }
    require_distinct(outputs);
}

// ---------------------------------------------------------------------------------------------- results

std::string number_text(double value) { return fmt::format("{:.5g}", value); }

Table parameter_table(const PulseFit& fit) {
    Table table;
    table.columns = {{"parameter", Align::left}, {"value"}, {"std error"}, {"unit", Align::left}, {"", Align::left}};
    for (const FittedParameter& p : fit.parameters)
        table.rows.push_back({p.name, number_text(p.value), p.determined ? fmt::format("{:.2g}", p.error) : "-", p.unit,
                              p.determined ? "" : "not determined by these data"});
    const SwitchingSpread& s = fit.switching.spread;
    if (fit.devices > 1) {
        for (const auto& [name, value] : {std::pair("spread.step", s.step), std::pair("spread.asymmetry", s.asymmetry),
                                          std::pair("spread.label", s.label)})
            if (value > 0) table.rows.push_back({name, number_text(value), "", "", "device to device"});
    }
    if (!fit.g_min_fitted) table.rows.push_back({"g_min", number_text(fit.g_min), "", "S", "given, or from the data"});
    if (!fit.g_max_fitted) table.rows.push_back({"g_max", number_text(fit.g_max), "", "S", "given, or from the data"});
    return table;
}

std::string to_string(SwitchingOptions::CycleNoise noise) {
    using Noise = SwitchingOptions::CycleNoise;
    return noise == Noise::step ? "step" : noise == Noise::mean_step ? "mean_step" : "range";
}

std::string cycle_noise_text(const PulseFit& fit) {
    using Noise = SwitchingOptions::CycleNoise;
    const Noise noise = fit.switching.cycle_noise;
    return noise == Noise::step    ? "relative to each step"
           : noise == Noise::range ? "share of the window"
                                   : "relative to the mean step";
}

std::string states_text(double states) { return states > 0 ? count_text(static_cast<int64_t>(states)) : "never"; }

std::string summary_text(const PulseFit& fit, const std::string& source) {
    std::string text = fmt::format("law            {}\n", bitline::to_string(fit.switching.law));
    text += fmt::format("data           {} readings of {} device{} in {}\n", count_text(fit.readings),
                        count_text(fit.devices), fit.devices == 1 ? "" : "s", clean_line(source));
    text += fmt::format("residual       {:.4g} S per reading, {:.4g} S of the mean curve, R^2 {:.5f}\n", fit.pulse_rms,
                        fit.curve_rms, fit.r_squared);
    text += fmt::format("cycle noise    cycle_sigma is {}\n", cycle_noise_text(fit));
    text += fmt::format("states         {} pulses up, {} down for 99 % of the window\n", states_text(fit.states_up),
                        states_text(fit.states_down));
    if (fit.switching.law == SwitchingLaw::exponential) {
        text += fmt::format("nonlinearity   label {:.3f} up, {:.3f} down; A / P = {:.4g} and {:.4g}\n",
                            fit.switching.label_up, fit.switching.label_down,
                            1 / curvature_of_label(fit.switching.label_up),
                            1 / curvature_of_label(fit.switching.label_down));
    }
    if (fit.mirrored_up) text += "note           no pulses up in the data: potentiation mirrors depression\n";
    if (fit.mirrored_down) text += "note           no pulses down in the data: depression mirrors potentiation\n";
    return text;
}

Table law_table(const std::vector<PulseFit>& fits) {
    Table table;
    table.columns = {{"law", Align::left}, {"parameters"}, {"BIC"}, {"residual S"}, {"of the curve S"}, {"R^2"}};
    for (const PulseFit& fit : fits) {
        table.rows.push_back({bitline::to_string(fit.switching.law), fmt::format("{}", fit.parameters.size()),
                              fmt::format("{:.1f}", fit.bic), fmt::format("{:.4g}", fit.pulse_rms),
                              fmt::format("{:.4g}", fit.curve_rms), fmt::format("{:.5f}", fit.r_squared)});
    }
    return table;
}

Json fit_json(const PulseFit& fit) {
    Json parameters = Json::object();
    for (const FittedParameter& p : fit.parameters)
        parameters[p.name] = {
            {"value", number(p.value)}, {"error", number(p.error)}, {"unit", p.unit}, {"determined", p.determined}};
    const SwitchingSpread& s = fit.switching.spread;
    return {{"law", bitline::to_string(fit.switching.law)},
            {"g_min", fit.g_min},
            {"g_max", fit.g_max},
            {"parameters", parameters},
            {"cycle_noise", to_string(fit.switching.cycle_noise)},
            {"spread", {{"step", s.step}, {"asymmetry", s.asymmetry}, {"label", s.label}}},
            {"readings", fit.readings},
            {"devices", fit.devices},
            {"log_likelihood", number(fit.log_likelihood)},
            {"bic", number(fit.bic)},
            {"pulse_rms", number(fit.pulse_rms)},
            {"curve_rms", number(fit.curve_rms)},
            {"r_squared", number(fit.r_squared)},
            {"states_up", fit.states_up},
            {"states_down", fit.states_down}};
}

void write_outputs(const Arguments& a, const PulseData& data, const std::vector<PulseFit>& fits) {
    const PulseFit& best = fits.front();
    if (a.output) write_text_atomically(*a.output, fitted_architecture(best, clean_line(*a.pulses)));
    if (a.plot) {
        const std::string title =
            fmt::format("{}: {}, R\u00b2 {:.4f}", std::filesystem::path(*a.pulses).filename().string(),
                        bitline::to_string(best.switching.law), best.r_squared);
        write_text_atomically(*a.plot, fit_svg(data, best, title));
    }
    if (a.csv) write_text_atomically(*a.csv, fit_csv(data, best));
    if (!a.json) return;
    Json json = fit_json(best);
    if (fits.size() > 1) {
        json["laws"] = Json::array();
        for (const PulseFit& fit : fits) json["laws"].push_back(fit_json(fit));
    }
    write_json(json, *a.json);
}

void fit(const Arguments& a) {
    const std::optional<SwitchingLaw> law = parse_law(a.law.value_or("auto"));
    PulseFitOptions options;
    options.start = read_settings(a.settings, law.value_or(SwitchingLaw::exponential));
    if (a.g_min) options.g_min = parse_conductance("--g-min", *a.g_min);
    if (a.g_max) options.g_max = parse_conductance("--g-max", *a.g_max);
    check_outputs(a);
    const PulseData data = read_pulses(*a.pulses);
    std::vector<PulseFit> fits;
    if (law) {
        options.law = *law;
        fits.push_back(fit_pulses(data, options));
    } else {
        fits = fit_every_law(data, options);
    }
    check_interrupt();
    write_outputs(a, data, fits);
    if (a.json && *a.json == kStandardOutput) return;
    std::string text;
    if (fits.size() > 1) text += render(law_table(fits)) + "\n";
    text += render(parameter_table(fits.front())) + "\n" + summary_text(fits.front(), *a.pulses);
    for (const auto* path : {&a.output, &a.plot, &a.csv, &a.json})
        if (*path) text += fmt::format("written        {}\n", clean_line(**path));
    print(text);
}

}  // namespace

Command make_fit(const CommandEntry& entry) {
    Command command = new_command(
        entry,
        "PULSES.csv: a line of column names, then one reading per line. Columns: pulse (number, rising), conductance\n"
        "(S, after that pulse) and, as needed, direction (up or down) and device (a name).\n\n"
        "Laws: exponential, constant, linear, soft_bounds, exp_step, pow_step, piecewise, vteam;\n"
        "`bitline list keys cell.switching` gives their equations.\n\n"
        "Examples:\n"
        "  bitline fit examples/devices/pulses.csv --plot fit.svg\n"
        "  bitline fit examples/devices/pulses.csv --law exponential -o device.yaml --json fit.json\n"
        "  bitline fit pulses.csv --law vteam --g-min 2uS --g-max 50uS --set cell.switching.vteam.v_on=-0.7 \\\n"
        "      --set cell.switching.vteam.v_off=0.5 --set cell.switching.voltage_up=-1.1 \\\n"
        "      --set cell.switching.voltage_down=0.9 --set cell.switching.pulse_width=100ns\n");
    auto a = std::make_shared<Arguments>();
    command.required = {add_text(command, "PULSES", a->pulses, "", "measured pulses: .csv")};
    add_text(command, "--law", a->law, "NAME", "see below; auto: of all but vteam the one with the least BIC (auto)");
    add_text(command, "--g-min", a->g_min, "G", "lowest conductance (fitted, or from the data)");
    add_text(command, "--g-max", a->g_max, "G", "highest conductance (fitted, or from the data)");
    add_texts(command, "--set", a->settings, "KEY=VALUE", "what is known of the pulses and of vteam; may be repeated");
    add_text(command, "-o,--output", a->output, "FILE", "the fitted cell: an architecture with base default");
    add_text(command, "--plot", a->plot, "FILE", "measured and fitted curves as SVG");
    add_text(command, "--csv", a->csv, "FILE", "the same as numbers");
    add_text(command, "--json", a->json, "FILE", "everything as JSON; -: to standard output");
    command.run = [a] { fit(*a); };
    return command;
}

}  // namespace bitline::cli
