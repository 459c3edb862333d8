#include "mapping/architecture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_file.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

template <class Action>
std::string message_of(Action action) {
    try {
        action();
    } catch (const InputError& error) {
        return error.what();
    }
    return "nothing thrown";
}

std::vector<Setting> settings_of(const std::vector<std::string>& texts) {
    std::vector<Setting> settings;
    for (const std::string& text : texts) settings.push_back(parse_setting(text));
    return settings;
}

Architecture preset_with(const std::string& preset, const std::vector<std::string>& texts) {
    return read_architecture(preset, settings_of(texts));
}

std::string setting_error(const std::string& preset, const std::vector<std::string>& texts) {
    return message_of([&] { preset_with(preset, texts); });
}

std::string file_error(const std::string& yaml) {
    return message_of([&] { parse_architecture(yaml, "chip.yaml"); });
}

/// A folder that goes away with the test.
class Folder {
 public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "bitline_architecture_XXXXXX").string();
        if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
        path_ = pattern;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
        return (path_ / name).string();
    }
    std::string path() const { return path_.string(); }

 private:
    std::filesystem::path path_;
};

TEST(Architecture, PresetsAreWhatTheySay) {
    std::vector<std::string> names;
    for (const ArchitectureSummary& summary : list_architectures()) {
        names.push_back(summary.name);
        EXPECT_FALSE(summary.description.empty()) << summary.name;
    }
    EXPECT_THAT(names, ::testing::ElementsAre("default", "ideal", "isaac"));

    const Architecture ideal = read_architecture("ideal");
    EXPECT_EQ(ideal.array.rows, 128);
    EXPECT_EQ(ideal.cell.g_min, 0);
    EXPECT_EQ(ideal.cell.g_max, 1e-4);
    EXPECT_EQ(ideal.cell.programming_error.sigma, 0);
    EXPECT_EQ(ideal.cell.read_noise.sigma, 0);
    EXPECT_EQ(ideal.adc.bits, 0);
    EXPECT_EQ(ideal.adc.range, AdcOptions::Range::lossless);

    const Architecture neutral = read_architecture("default");
    EXPECT_EQ(neutral.array.cols, 128);
    EXPECT_EQ(neutral.cell.bits, 2);
    EXPECT_EQ(neutral.cell.g_min, 1e-6);
    EXPECT_EQ(neutral.cell.g_max, 1e-4);
    EXPECT_EQ(neutral.cell.programming_error.model, ProgrammingErrorOptions::Model::independent);
    EXPECT_EQ(neutral.cell.programming_error.sigma, 0.02);
    EXPECT_EQ(neutral.cell.read_noise.sigma, 0.005);
    EXPECT_EQ(neutral.input.bits_per_cycle, 1);
    EXPECT_EQ(neutral.weights.encoding, WeightEncoding::differential);
    EXPECT_EQ(neutral.weights.subtraction, WeightOptions::Subtraction::analog);
    EXPECT_EQ(neutral.adc.bits, 8);
    EXPECT_EQ(neutral.adc.range, AdcOptions::Range::calibrated);
    EXPECT_EQ(neutral.adc.calibration, AdcOptions::Calibration::mse);
    EXPECT_EQ(neutral.chip.tiles_per_chip, 168);

    const Architecture isaac = read_architecture("isaac");
    EXPECT_EQ(isaac.weights.encoding, WeightEncoding::flipped);
    EXPECT_EQ(isaac.adc.bits, 8);
    EXPECT_EQ(isaac.adc.range, AdcOptions::Range::lossless);
    EXPECT_EQ(isaac.cell.g_min, 0);
}

TEST(Architecture, PresetTextReadsAsThePreset) {
    for (const ArchitectureSummary& summary : list_architectures()) {
        const Architecture copy = parse_architecture(architecture_text(summary.name), "copy.yaml");
        EXPECT_EQ(to_yaml(copy), to_yaml(read_architecture(summary.name)));
        EXPECT_THAT(architecture_text(summary.name), HasSubstr("# "));  // comments included
    }
    EXPECT_THAT(message_of([] { architecture_text("isac"); }), HasSubstr("nearest preset is isaac"));
}

TEST(Architecture, StructDefaultsAreValid) { EXPECT_NO_THROW(validate(Architecture{})); }

std::string conductance_map(const TemporaryFolder& folder) {
    const std::string path = folder.file("cells.h5");
    Hdf5Writer file(path);
    file.write("/conductances", std::vector<double>{1e-5}, {1, 1, 1});
    file.close();
    return path;
}

TEST(Architecture, EveryKeyIsDescribedReadAndWritten) {
    const TemporaryFolder folder;
    // One valid value per key, each other than its default, with what it needs.
    std::vector<std::vector<std::string>> cases{
        {"name=chip"},
        {"description=mine"},
        {"array.rows=65536"},
        {"array.cols=1"},
        {"array.active_rows=16"},
        {"array.line_faults.open_word_lines=1 %"},
        {"array.line_faults.open_bit_lines=0.01"},
        {"array.spare_columns=4", "cell.stuck_at.low_rate=1e-3"},
        {"cell.name=mine"},
        {"cell.description=a cell"},
        {"cell.family=pcm"},
        {"cell.source=a paper"},
        {"cell.bits=4"},
        {"cell.g_min=2uS"},
        {"cell.g_max=0.05 mS"},
        {"cell.g_ceiling=120 uS"},
        {"cell.reprogrammable=true"},
        {"cell.programming_error.model=lognormal"},
        {"cell.programming_error.sigma=5 %"},
        {"cell.programming_error.table=[1 uS, 2e-6]", "cell.programming_error.model=table"},
        {"cell.levels.placement=logarithmic", "cell.g_min=1 uS"},
        {"cell.levels.table=[0, 1e-5, 1e-4]", "cell.levels.placement=table"},
        {"cell.device_to_device.sigma=1 %"},
        {"cell.drift.model=power"},
        {"cell.drift.t0=20 s", "cell.drift.model=power"},
        {"cell.drift.folded=true", "cell.drift.model=power"},
        {"cell.relaxation.times=[1, 2 s]"},
        {"cell.relaxation.form=table", "cell.relaxation.times=1"},
        {"cell.relaxation.includes_programming=true", "cell.relaxation.times=1"},
        {"cell.relaxation.mean=[1e-6, 2e-6]", "cell.relaxation.times=1, 2"},
        {"cell.relaxation.deviation=[1e-6, 2e-6]", "cell.relaxation.times=1, 2"},
        {"cell.retention.model=flip"},
        {"cell.retention.tau=1e9", "cell.retention.model=flip"},
        {"cell.retention.beta=0.5", "cell.retention.model=decay"},
        {"cell.retention.toward=1", "cell.retention.model=decay"},
        {"cell.retention.activation_energy=1.1 eV", "cell.retention.model=decay"},
        {"cell.retention.reference_temperature=358", "cell.retention.model=decay",
         "cell.retention.activation_energy=1.2 eV"},
        {"cell.temperature.activation_energy=50 meV"},
        {"cell.temperature.reference_temperature=310", "cell.temperature.activation_energy=51 meV"},
        {"cell.endurance.loss=10 %"},
        {"cell.endurance.onset=100", "cell.endurance.loss=10 %"},
        {"cell.endurance.writes=1e9", "cell.endurance.loss=10 %"},
        {"cell.read_disturb.rate=1e-9"},
        {"cell.read_disturb.reads=1e6", "cell.read_disturb.rate=1e-9"},
        {"cell.read_disturb.toward=0", "cell.read_disturb.rate=1e-9"},
        {"cell.read_noise.thermal=true", "cell.read_noise.bandwidth=1 MHz"},
        {"cell.read_noise.shot=true", "cell.read_noise.bandwidth=1 MHz"},
        {"cell.read_noise.bandwidth=2 MHz", "cell.read_noise.shot=true"},
        {"cell.read_noise.read_voltage=50 mV", "cell.read_noise.shot=true", "cell.read_noise.bandwidth=1 MHz"},
        {"cell.read_noise.flicker.absolute=true", "cell.read_noise.flicker.amplitude.polynomial=1e-8"},
        {"cell.read_noise.flicker.read_time=1 us", "cell.read_noise.flicker.amplitude.polynomial=1e-8"},
        {"cell.read_noise.flicker.persists=product", "cell.read_noise.flicker.amplitude.polynomial=1e-8"},
        {"cell.read_noise.telegraph.amplitude=5 %"},
        {"cell.read_noise.telegraph.share_of_cells=10 %", "cell.read_noise.telegraph.amplitude=5 %"},
        {"cell.read_noise.telegraph.capture_time=1 s", "cell.read_noise.telegraph.amplitude=5 %"},
        {"cell.read_noise.telegraph.emission_time=1 s", "cell.read_noise.telegraph.amplitude=5 %"},
        {"cell.read_noise.telegraph.persists=chip", "cell.read_noise.telegraph.amplitude=5 %"},
        {"cell.series.resistance=10 kohm"},
        {"cell.valid.time=[0, 1e6]"},
        {"cell.valid.temperature=[250, 400 K]"},
        {"cell.stuck_at.low_rate=1e-3"},
        {"cell.stuck_at.high_rate=0.2 %"},
        {"cell.stuck_at.map=" + folder.write("faults.csv", "array,row,col,state\n0,0,0,low\n")},
        {"cell.data=" + folder.write("device.csv", "target_S,time_s,mean_S,sigma_S\n0,0,0,0\n1e-4,0,1e-4,0\n")},
        {"cell.conductance_map=" + conductance_map(folder)},
        {"cell.read_noise.sigma=0.01"},
        {"input.bits_per_cycle=8"},
        {"input.signed_codes=twos_complement"},
        {"input.binary_codes=zero_one"},
        {"weights.encoding=twos_complement"},
        {"weights.fallback=offset", "weights.encoding=xnor"},
        {"weights.short_slice=bottom"},
        {"weights.differential_split=balanced"},
        {"weights.subtraction=digital"},
        {"weights.offset_correction=reference_column", "weights.encoding=offset"},
        {"weights.clip=0.9"},
        {"bias.place=rows"},
        {"adc.bits=16"},
        {"adc.range=calibrated"},
        {"adc.full_scale=0.25", "adc.range=fixed"},
        {"adc.calibration=percentile", "adc.range=calibrated"},
        {"adc.percentile=99.5 %", "adc.range=calibrated", "adc.calibration=percentile"},
        {"adc.thresholds=lloyd_max", "adc.range=calibrated", "adc.bits=4"},
        {"adc.table=[0.5, 1.5, 4]", "adc.thresholds=table", "adc.bits=2"},
        {"adc.type=sar"},
        {"adc.capacitor_sigma=1 %", "adc.type=sar"},
        {"adc.step_sigma=1 %", "adc.type=ramp"},
        {"adc.resistor_sigma=1 %", "adc.type=flash"},
        {"adc.comparator_sigma=0.5", "adc.type=flash"},
        {"adc.inl_sigma=0.5"},
        {"adc.dnl_sigma=0.5"},
        {"adc.missing_codes=1 %"},
        {"adc.offset_sigma=0.5"},
        {"adc.gain_sigma=1 %"},
        {"adc.noise_sigma=0.5"},
        {"adc.columns_per_converter=1"},
        {"adc.sense_amplifier=true", "adc.bits=1"},
        {"adc.readout=sign"},
        {"compensation.drift_gain=column"},
        {"compensation.column_affine=true"},
        {"compensation.adc_ranges=true", "adc.range=calibrated"},
        {"compensation.batch_norm=true"},
        {"compensation.reference_vectors=99", "compensation.drift_gain=chip"},
        {"chip.arrays_per_core=1000000"},
        {"chip.cores_per_tile=3"},
        {"chip.tiles_per_chip=9"},
        {"mapping.pack_groups=false"},
        {"mapping.fault_remap=rows", "cell.stuck_at.low_rate=1e-3"}};
    const std::vector<std::pair<std::string, std::string>> laws{
        {"cell.programming_error.deviation", "cell.programming_error.model=state"},
        {"cell.drift.exponent", "cell.drift.model=logarithmic"},
        {"cell.drift.deviation", "cell.drift.model=logarithmic"},
        {"cell.read_noise.flicker.amplitude", "name=flicker"}};
    for (const auto& [law, needs] : laws) {
        for (const char* part :
             {".polynomial=[0.1, 2e-3]", ".log_slope=-0.1", ".power_scale=0.2", ".power=2", ".low=-1", ".high=2"})
            cases.push_back({law + part, needs});
        cases.push_back({law + ".above_from=0.5", law + ".above=0.1", needs});
        cases.push_back({law + ".above=[0.1, 0.2]", law + ".above_from=0.5", needs});
    }
    const std::string curve = "cell.current_voltage.", selector = "cell.selector.", transfer = "array.transfer.";
    const std::vector<std::string> curves{curve + "model=table", curve + "read_voltage=0.2",
                                          curve + "voltages=[0.1, 0.2]", curve + "currents=[1e-6, 3e-6, 4e-6, 8e-6]"};
    for (size_t i = 1; i < curves.size(); ++i) {
        const std::vector<std::string> other{"", "read_voltage=0.15", "voltages=[0.08, 0.2]",
                                             "currents=[1e-6, 2e-6, 4e-6, 9e-6]"};
        cases.push_back({curve + other[i]});
        for (size_t k = 0; k < curves.size(); ++k) {
            if (k != i) cases.back().push_back(curves[k]);
        }
    }
    cases.push_back({curve + "model=sinh", "name=curved"});
    cases.push_back({curve + "v0=0.3", curve + "model=sinh"});
    cases.push_back({selector + "model=sinh"});
    cases.push_back({selector + "current=2 uA", selector + "model=sinh"});
    cases.push_back({selector + "v0=60 mV", selector + "model=sinh"});
    cases.push_back({selector + "threshold=0.1", selector + "model=threshold"});
    cases.push_back({selector + "resistance=1 kohm", selector + "model=threshold", selector + "threshold=0.1"});
    cases.push_back({transfer + "model=charge_sharing"});
    cases.push_back({transfer + "parasitic=0.2", transfer + "model=charge_sharing"});
    cases.push_back({transfer + "strength_ratio=1.5", transfer + "model=divider"});
    cases.push_back({transfer + "table=[0, 0.4, 0.9]", transfer + "model=table"});
    for (const char* ohm : {"row_ohm=2.5", "col_ohm=1 ohm", "driver_ohm=1 kohm", "sense_ohm=50"})
        cases.push_back({std::string("wires.") + ohm});
    for (const char* setting : {"wires.drive=both", "wires.sense=top", "wires.unused_cells=open"})
        cases.push_back({setting, "wires.row_ohm=1"});
    cases.push_back({"wires.topology=crossbar", "wires.row_ohm=3"});
    cases.push_back({"compensation.wires=targets", "wires.row_ohm=1"});
    cases.push_back({"input.dac.levels=[0, 0.99]"});
    cases.push_back({"input.dac.inl_sigma=0.1", "input.bits_per_cycle=2"});
    cases.push_back({"input.dac.dnl_sigma=0.1", "input.bits_per_cycle=2"});
    for (const char* setting : {"gain_sigma=1 %", "offset_sigma=0.1", "noise_sigma=0.1"})
        cases.push_back({std::string("input.dac.") + setting});
    const std::string pulses = "cell.write_verify.method=pulses", up = "cell.switching.";
    const auto with_law = [&](const std::string& law, const std::vector<std::string>& settings) {
        for (const std::string& setting : settings) cases.push_back({up + setting, pulses, up + "law=" + law});
    };
    cases.push_back({up + "law=linear", pulses});
    with_law("exponential",
             {"pulses_up=50", "pulses_down=60", "label_up=1.5", "label_down=2.5", "spread.label=0.1", "voltage_up=-1.1",
              "voltage_down=1.2", "pulse_width=1 us", "cycle_sigma=0.1", "spread.range=2 %"});
    with_law("linear", {"step_up=2 %", "step_down=3 %", "slope_up=0.3", "slope_down=0.4", "spread.step=10 %",
                        "spread.asymmetry=4 %", "spread.slope=0.05"});
    with_law("exp_step",
             {"exp_a=2", "exp_b=0.5", "exp_factor_up=0.2", "exp_factor_down=0.3", "exp_rate_up=2", "exp_rate_down=3"});
    with_law("pow_step", {"power_up=2", "power_down=3"});
    for (const char* table : {"table_up=[2, 1]", "table_down=[1, 2]"})
        cases.push_back({up + table, up + (table[6] == 'u' ? "table_down=[1, 1]" : "table_up=[1, 1]"), pulses,
                         up + "law=piecewise"});
    cases.push_back({up + "cycle_noise=range", up + "cycle_sigma=0.02", pulses});
    const std::vector<std::string> vteam{"v_on=-0.2", "v_off=0.3", "k_on=-10", "k_off=5"};
    const auto with_vteam = [&](const std::string& setting, const std::string& window) {
        cases.push_back({up + "vteam." + setting, pulses, up + "law=vteam", up + "voltage_up=-1", up + "voltage_down=1",
                         "cell.g_min=1 uS"});
        if (!window.empty()) cases.back().push_back(up + "vteam.window=" + window);
        for (const std::string& needed : vteam) {
            if (parse_setting(needed).first != parse_setting(setting).first)
                cases.back().push_back(up + "vteam." + needed);
        }
    };
    for (const char* setting : {"v_on=-0.5", "v_off=0.6", "k_on=-9", "k_off=8", "alpha_on=2", "alpha_off=4",
                                "window=biolek", "resistance=exponential"})
        with_vteam(setting, "");
    with_vteam("window_power=3", "biolek");
    for (const char* setting : {"a_on=0.1", "a_off=0.8", "window_width=0.2"}) with_vteam(setting, "team");
    const std::string loop = "cell.write_verify.";
    for (const char* setting :
         {"tolerance=2 %", "limit=9", "attempt_sigma=4 %", "read_sigma=1 %", "pulse_energy=1 pJ", "read_energy=2 pJ"})
        cases.push_back({loop + setting, loop + "method=statistical"});
    cases.push_back({loop + "method=statistical"});
    cases.push_back({loop + "start=high", pulses});
    std::set<std::string> seen, hashes;
    for (const std::vector<std::string>& texts : cases) {
        const Architecture changed = parse_architecture("array: {rows: 128}", "plain.yaml", settings_of(texts));
        const Architecture again = parse_architecture(to_yaml(changed), "again.yaml");
        EXPECT_EQ(to_yaml(again), to_yaml(changed)) << texts[0];
        EXPECT_EQ(again.hash, changed.hash) << texts[0];
        EXPECT_TRUE(hashes.insert(changed.hash).second) << texts[0] << " changed nothing";
        seen.insert(parse_setting(texts[0]).first);
    }
    for (const KeyDescription& key : describe_keys()) {
        EXPECT_TRUE(seen.count(key.path)) << key.path << " has no case above";
        EXPECT_FALSE(key.type.empty() || key.meaning.empty()) << key.path;
    }
    EXPECT_EQ(seen.size(), describe_keys().size());
}

TEST(Architecture, FilesAreRelativeToTheYamlThatNamesThem) {
    const TemporaryFolder folder, other;
    std::filesystem::create_directory(folder.path() / "deeper");
    const std::string faults = "array,row,col,state\n0,0,0,low\n";
    folder.write("deeper/faults.csv", faults);
    const std::string base = folder.write("deeper/base.yaml", "cell:\n  stuck_at:\n    map: faults.csv\n");
    const Architecture named = read_architecture(base);
    EXPECT_EQ(named.cell.stuck_at.map, folder.file("deeper/faults.csv"));
    ASSERT_TRUE(named.cell.stuck_at.known);
    const Architecture heir =
        read_architecture(folder.write("heir.yaml", "base: deeper/base.yaml\narray:\n  spare_columns: 1\n"));
    EXPECT_EQ(heir.cell.stuck_at.map, folder.file("deeper/faults.csv"));
    // The hash is that of contents: the same in another folder, another for other faults.
    other.write("same.csv", faults);
    const std::string yaml = "name: base\ncell:\n  stuck_at:\n    map: same.csv\n";
    EXPECT_EQ(read_architecture(other.write("a.yaml", yaml)).hash, named.hash);
    other.write("same.csv", faults + "0,0,1,low\n");
    EXPECT_NE(read_architecture(other.write("a.yaml", yaml)).hash, named.hash);
    EXPECT_THAT(message_of([&] {
                    read_architecture(base, {{"cell.stuck_at.map", other.file("nowhere.csv")}});
                }),
                HasSubstr("nowhere.csv"));
    EXPECT_FALSE(read_architecture(base, {{"cell.stuck_at.map", ""}}).cell.stuck_at.known);
}

TEST(Architecture, HashIsThatOfTheCanonicalText) {
    const Architecture architecture = read_architecture("default");
    const std::string text = to_yaml(architecture);
    EXPECT_EQ(architecture.hash, sha256_bytes(text.data(), text.size()));
    EXPECT_EQ(parse_architecture("{name: x, adc: {bits: 8}}", "a").hash, parse_architecture("name: x", "b").hash);
}

TEST(Architecture, SettingsOverrideInOrder) {
    const Architecture changed = preset_with("default", {"adc.bits=4", "adc.bits=6", "array.rows=64"});
    EXPECT_EQ(changed.adc.bits, 6);
    EXPECT_EQ(changed.array.rows, 64);
    EXPECT_EQ(changed.array.cols, 128);
    EXPECT_EQ(parse_setting(" adc.bits =6"), Setting("adc.bits", "6"));
    EXPECT_EQ(parse_setting("name=a=b"), Setting("name", "a=b"));
    for (const char* text : {"adc.bits", "=3", "", "  =1"}) EXPECT_THROW(parse_setting(text), ConfigError) << text;
}

TEST(Architecture, InheritedKeysWithoutEffectAreDropped) {
    const Architecture offset = preset_with("default", {"weights.encoding=offset"});
    EXPECT_THAT(to_yaml(offset), ::testing::Not(HasSubstr("subtraction")));
    EXPECT_THAT(to_yaml(offset), HasSubstr("offset_correction: digital"));

    const std::string base =
        "weights: {encoding: xnor, fallback: differential, subtraction: digital}\n"
        "adc: {range: calibrated, calibration: percentile, percentile: 99}\n";
    const Architecture plain = parse_architecture(base, "chip.yaml", settings_of({"weights.encoding=offset"}));
    EXPECT_EQ(plain.weights.fallback, std::nullopt);
    EXPECT_EQ(plain.weights.subtraction, WeightOptions::Subtraction::analog);
    EXPECT_EQ(plain.adc.percentile, 99);
    const Architecture mse = parse_architecture(base, "chip.yaml", settings_of({"adc.calibration=mse"}));
    EXPECT_EQ(mse.adc.percentile, AdcOptions{}.percentile);
    const Architecture lossless = parse_architecture(base, "chip.yaml", settings_of({"adc.range=lossless"}));
    EXPECT_EQ(lossless.adc.calibration, AdcOptions::Calibration::mse);

    EXPECT_EQ(preset_with("default", {"cell.programming_error.model=none"}).cell.programming_error.sigma, 0);
    EXPECT_EQ(preset_with("ideal", {"cell.programming_error.sigma=0.05"}).cell.programming_error.sigma, 0.05);
}

TEST(Architecture, KeysWithoutEffectAreRefusedWhereTheUserSetThem) {
    EXPECT_EQ(setting_error("default", {"adc.full_scale=0.5"}),
              "--set adc.full_scale=0.5: has no effect: it needs adc.range = fixed, and here adc.range = calibrated");
    const std::vector<std::pair<std::string, std::vector<std::string>>> cases{
        {"default", {"adc.percentile=99"}},
        {"default", {"adc.capacitor_sigma=0.01"}},
        {"default", {"adc.type=sar", "adc.step_sigma=0.01"}},
        {"default", {"adc.type=ramp", "adc.resistor_sigma=0.01"}},
        {"default", {"adc.comparator_sigma=0.01"}},
        {"default", {"adc.table=[1]"}},
        {"default", {"adc.thresholds=lloyd_max", "adc.calibration=percentile"}},
        {"default", {"adc.sense_amplifier=true", "adc.bits=1", "adc.inl_sigma=1"}},
        {"ideal", {"adc.calibration=percentile"}},
        {"default", {"adc.range=lossless", "adc.calibration=mse"}},
        {"isaac", {"weights.subtraction=digital"}},
        {"default", {"weights.differential_split=balanced", "weights.encoding=flipped"}},
        {"default", {"weights.offset_correction=digital"}},
        {"default", {"weights.fallback=offset"}},
        {"default", {"cell.programming_error.model=none", "cell.programming_error.sigma=0.1"}},
    };
    for (const auto& [preset, texts] : cases) EXPECT_THAT(setting_error(preset, texts), HasSubstr("has no effect"));
    EXPECT_EQ(file_error("adc:\n  range: lossless\n  full_scale: 0.5\n"),
              "chip.yaml:3: adc.full_scale has no effect: it needs adc.range = fixed, and here adc.range = lossless");
    EXPECT_NO_THROW(preset_with("default", {"cell.programming_error.sigma=0", "cell.programming_error.model=none"}));
    EXPECT_NO_THROW(preset_with(
        "default", {"weights.encoding=xnor", "weights.fallback=differential", "weights.subtraction=digital"}));
}

TEST(Architecture, RangesAndRelations) {
    EXPECT_EQ(file_error("\n\n\n\n\nadc:\n  bits: 0\n"),
              "chip.yaml:7: adc.bits = 0 violates 1 <= adc.bits <= 16 (or lossless)");
    EXPECT_EQ(file_error("cell:\n  g_min: 3 uS\n  g_max: 2 uS\n"),
              "chip.yaml:3: cell.g_min = 3e-06 violates cell.g_min < cell.g_max = 2e-06 S");
    EXPECT_EQ(setting_error("default", {"array.active_rows=64", "array.rows=32"}),
              "--set array.rows=32: array.active_rows = 64 violates array.active_rows <= array.rows = 32 (0: all)");
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{"array.rows=0"}, "1 <= array.rows <= 65536"},
        {{"array.cols=65537"}, "1 <= array.cols <= 65536"},
        {{"array.rows=-1"}, "1 <= array.rows <= 65536"},
        {{"adc.bits=40"}, "1 <= adc.bits <= 16 (or lossless)"},
        {{"cell.bits=17"}, "1 <= cell.bits <= 16"},
        {{"input.bits_per_cycle=9"}, "1 <= input.bits_per_cycle <= 8"},
        {{"cell.read_noise.sigma=-0.1"}, "0 <= cell.read_noise.sigma <= 10"},
        {{"cell.programming_error.sigma=11"}, "0 <= cell.programming_error.sigma <= 10"},
        {{"weights.clip=0"}, "0 < weights.clip <= 1"},
        {{"adc.calibration=percentile", "adc.percentile=50"}, "50 < adc.percentile <= 100 %"},
        {{"cell.g_max=100"}, "cell.g_max = 100 violates 1e-12 <= cell.g_max <= 1 S"},
        {{"cell.g_max=0"}, "1e-12 <= cell.g_max <= 1 S"},
        {{"cell.g_ceiling=50 uS"}, "cell.g_max <= cell.g_ceiling"},
        {{"cell.g_ceiling=2 mS"}, "cell.g_ceiling <= 10 * cell.g_max"},
        {{"cell.stuck_at.low_rate=0.6", "cell.stuck_at.high_rate=0.5"}, "low_rate + high_rate <= 1"},
        {{"array.spare_columns=1025", "cell.stuck_at.low_rate=0.1"}, "0 <= array.spare_columns <= 1024"},
        {{"array.spare_columns=2"}, "has no effect: it needs cell.stuck_at or array.line_faults"},
        {{"mapping.fault_remap=rows"}, "has no effect: it needs cell.stuck_at or array.line_faults"},
        {{"mapping.fault_remap=pairs", "weights.encoding=offset", "cell.stuck_at.low_rate=0.1"},
         "needs weights.encoding (or weights.fallback) = differential"},
        {{"array.line_faults.open_bit_lines=1.1"}, "array.line_faults.open_bit_lines <= 1"},
        {{"chip.tiles_per_chip=99999999999"}, "0 <= chip.tiles_per_chip <= 1000000"},
        {{"weights.encoding=xnor", "array.rows=1"}, "array.rows >= 2"},
        {{"weights.encoding=xnor", "array.active_rows=7"}, "array.active_rows = 7 is odd"},
        {{"weights.encoding=xnor", "weights.fallback=xnor"}, "choose another or none"},
        {{"weights.encoding=multilevel", "weights.fallback=xnor"}, "choose another or none"},
        {{"adc.sense_amplifier=true"}, "set adc.bits=1"},
        {{"adc.sense_amplifier=true", "adc.bits=4"}, "1 to 3 bits"},
        {{"adc.bits=13", "adc.inl_sigma=0.1"}, "1 <= adc.bits <= 12"},
        {{"adc.thresholds=lloyd_max", "adc.range=fixed"}, "needs adc.range = calibrated"},
        {{"adc.thresholds=lloyd_max", "adc.type=sar"}, "equal steps"},
        {{"adc.thresholds=table"}, "adc.table has 0 thresholds, and adc.bits = 8 needs 2^8 - 1 = 255"},
        {{"adc.thresholds=table", "adc.bits=2", "adc.table=[0.5, 1.5]"}, "needs 2^2 - 1 = 3"},
        {{"adc.thresholds=table", "adc.bits=2", "adc.table=[0.5, 2.5, 1.5]"},
         "threshold 1.5 of code 3 lies below threshold 2.5 of code 2"},
        {{"adc.thresholds=table", "adc.bits=2", "adc.table=[0.5, nan, 1.5]"}, "nan"},
        {{"adc.thresholds=table", "adc.bits=2", "adc.table=[0.5, 1.5, 1e9]"}, "adc.table <= 8192"},
        {{"adc.bits=lossless"}, "set adc.range=lossless"},
    };
    for (const auto& [texts, expected] : cases) EXPECT_THAT(setting_error("default", texts), HasSubstr(expected));
    EXPECT_NO_THROW(preset_with("default", {"weights.encoding=xnor", "array.rows=7"}));
    EXPECT_NO_THROW(preset_with("default", {"array.rows=1", "array.cols=1"}));
    EXPECT_NO_THROW(preset_with("default", {"adc.bits=lossless", "adc.range=lossless"}));
}

TEST(Architecture, WrongTypesAndNames) {
    EXPECT_EQ(setting_error("default", {"adc.bitz=3"}), "--set adc.bitz=3: no such key; nearest is adc.bits");
    EXPECT_EQ(file_error("adc:\n  bitz: 3\n"), "chip.yaml:2: adc.bitz: no such key; nearest is adc.bits");
    EXPECT_EQ(file_error("adcc: {}\n"), "chip.yaml:1: adcc: no such key; nearest is adc");
    EXPECT_THAT(file_error("adc: 3\n"), HasSubstr("chip.yaml:1: adc: a section, not a value; its keys are adc.bits"));
    EXPECT_THAT(file_error("adc: {bits: {x: 3}}\n"), HasSubstr("adc.bits takes a value, not a section"));
    EXPECT_THAT(file_error("adc: {bits: {}}\n"), HasSubstr("adc.bits takes a value, not a section"));
    EXPECT_THAT(file_error("adc:\n  bits:\n"), HasSubstr("chip.yaml:2: adc.bits has no value"));
    EXPECT_THAT(file_error("adc: {bits: 010}\n"), HasSubstr("write 10"));
    EXPECT_THAT(file_error("adc: {bits: \"8\"}\n"), HasSubstr("without quotes"));
    EXPECT_THAT(file_error("adc: {bits: eight}\n"), HasSubstr("adc.bits = eight is not a whole number"));
    EXPECT_THAT(file_error("adc: {sense_amplifier: yes}\n"), HasSubstr("write true"));
    EXPECT_THAT(file_error("cell: {g_max: .nan}\n"), HasSubstr("not a finite decimal number"));
    EXPECT_THAT(file_error("weights: {encoding: offsett}\n"), HasSubstr("nearest is offset"));
    EXPECT_THAT(file_error("adc: {bits: 3}\nadc.bits: 4\n"), HasSubstr("stands twice"));
    EXPECT_NO_THROW(parse_architecture("name: x\nadc:\n  # bits: 3\n", "chip.yaml"));  // all keys commented out
}

TEST(Architecture, NamesComeFromTheFile) {
    EXPECT_EQ(parse_architecture("base: default\n", "my/chip.yaml").name, "chip");
    EXPECT_EQ(parse_architecture("base: default\n", "chip.yaml").description, "");
    EXPECT_EQ(parse_architecture("name: \"a \\\"b\\\" \\u00b5\"\n", "chip.yaml").name, "a \"b\" \xC2\xB5");
    EXPECT_EQ(preset_with("default", {"adc.bits=6"}).name, "default");
    EXPECT_THAT(file_error("name: \"\\x1b[2J\"\n"), HasSubstr("without control characters"));
}

TEST(Architecture, BasesArePresetsOrFilesBesideTheFile) {
    const Folder folder;
    folder.write("sub/base.yaml", "base: default\nadc: {bits: 5}\narray: {rows: 32}\n");
    const std::string top = folder.write("top.yaml", "base: sub/base.yaml\narray: {rows: 16}\n");
    const Architecture read = read_architecture(top, settings_of({"array.cols=8"}));
    EXPECT_EQ(read.name, "top");
    EXPECT_EQ(read.adc.bits, 5);
    EXPECT_EQ(read.array.rows, 16);
    EXPECT_EQ(read.array.cols, 8);
    EXPECT_EQ(read.cell.g_min, 1e-6);

    // What a base states gives way to what the file says, also where it then has no effect.
    const std::string changed = folder.write("changed.yaml", "base: default\nweights: {encoding: offset}\n");
    EXPECT_EQ(read_architecture(changed).weights.encoding, WeightEncoding::offset);

    const std::string one = folder.write("one.yaml", "base: two.yaml\n");
    folder.write("two.yaml", "name: two\nbase: ./sub/../one.yaml\n");
    EXPECT_THAT(message_of([&] { read_architecture(one); }),
                HasSubstr("two.yaml:2: base = ./sub/../one.yaml leads back"));
    EXPECT_THAT(message_of([&] { read_architecture(folder.write("self.yaml", "base: self.yaml\n")); }),
                HasSubstr("leads back to itself"));
    EXPECT_EQ(file_error("base: defalt\n"),
              "chip.yaml:1: base: architecture defalt is no preset (default, ideal, isaac) and no file; "
              "nearest preset is default");
    EXPECT_THAT(file_error("base: {a: 1}\n"), HasSubstr("base.a"));
    EXPECT_THAT(file_error("base:\nname: x\n"), HasSubstr("is no preset"));
    EXPECT_THAT(setting_error("default", {"base=ideal"}), HasSubstr("a base can only stand in a file"));
}

TEST(Architecture, LongChainsOfBasesAreRefused) {
    const Folder folder;
    for (int i = 0; i < 30; ++i) {
        folder.write(fmt::format("c{}.yaml", i), fmt::format("base: c{}.yaml\n", i + 1));
    }
    EXPECT_THAT(message_of([&] { read_architecture(folder.path() + "/c0.yaml"); }), HasSubstr("more than 16 files"));
}

TEST(Architecture, MissingAndUnreadableFiles) {
    const Folder folder;
    EXPECT_EQ(message_of([] { read_architecture("defualt"); }),
              "architecture defualt is no preset (default, ideal, isaac) and no file; nearest preset is default");
    EXPECT_THAT(message_of([] { read_architecture(""); }), HasSubstr("is no preset"));
    EXPECT_THAT(message_of([] { read_architecture(std::string(100000, 'x')); }), HasSubstr("is no preset"));
    EXPECT_NE(message_of([&] { read_architecture(folder.path()); }), "nothing thrown");
    const std::string empty = folder.write("empty.yaml", "");
    EXPECT_THAT(message_of([&] { read_architecture(empty); }), HasSubstr("empty.yaml"));
    const std::string binary = folder.write("binary.yaml", std::string("\x89PNG\r\n\x1A\n\0", 9));
    EXPECT_THAT(message_of([&] { read_architecture(binary); }), HasSubstr("binary.yaml:1: byte 0x89"));
}

TEST(Architecture, ValidateChecksStructsFilledByHand) {
    Architecture architecture;
    architecture.adc.bits = 17;
    EXPECT_EQ(message_of([&] { validate(architecture); }), "adc.bits = 17 violates 1 <= adc.bits <= 16 (or lossless)");
    architecture = {};
    architecture.adc.full_scale = 0.5;
    EXPECT_THAT(message_of([&] { validate(architecture); }), HasSubstr("has no effect: it needs adc.range = fixed"));
    architecture = {};
    architecture.weights.encoding = static_cast<WeightEncoding>(99);
    EXPECT_THAT(message_of([&] { validate(architecture); }), HasSubstr("weights.encoding is none of"));
}

}  // namespace
}  // namespace bitline
