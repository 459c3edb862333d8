#include "devices/pulse_fit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using Law = SwitchingLaw;
using CycleNoise = SwitchingOptions::CycleNoise;
constexpr double kMin = 3e-6, kMax = 4e-5;  // S

struct Bench {
    int devices = 1, cycles = 2, pulses_up = 100, pulses_down = 100, read_every = 1;
    double read_sigma = 1e-8;  // S
    uint64_t seed = 1;
};

/// What a tester would have measured: `cycles` times up and down.
PulseData measure(const SwitchingOptions& options, const Bench& bench) {
    PulseData data;
    for (int d = 0; d < bench.devices; ++d) {
        const auto column = static_cast<uint32_t>(d);
        const SwitchingDevice device =
            sample_device(options, kMin, kMax, stream_key(bench.seed, 0, Purpose::switching_spread), 0, 0, column);
        CellGaussians cycle(stream_key(bench.seed, 0, Purpose::switching_cycle), 0, 0, column);
        CellGaussians read(stream_key(bench.seed, 0, Purpose::test), 0, 0, column);
        PulseTrace trace{std::string(1, static_cast<char>('a' + d)), {}, {}, {}};
        double u = 0;
        int64_t pulse = 0;
        const auto take = [&](int8_t sign) {
            trace.g.push_back(std::max(0.0, device.conductance(u) + bench.read_sigma * read.next()));
            trace.pulse.push_back(pulse);
            trace.sign.push_back(sign);
            ++data.readings;
        };
        take(0);
        for (int run = 0; run < 2 * bench.cycles; ++run) {
            const bool up = run % 2 == 0;
            for (int p = 1; p <= (up ? bench.pulses_up : bench.pulses_down); ++p) {
                u = apply_pulse(options, device, u, up ? PulseDirection::up : PulseDirection::down, cycle.next());
                ++pulse;
                if (p % bench.read_every == 0) take(up ? 1 : -1);
            }
        }
        data.traces.push_back(std::move(trace));
    }
    data.has_up = bench.pulses_up > 0;
    data.has_down = bench.pulses_down > 0;
    return data;
}

const FittedParameter& parameter(const PulseFit& fit, const std::string& name) {
    const auto found = std::find_if(fit.parameters.begin(), fit.parameters.end(),
                                    [&](const FittedParameter& p) { return p.name == name; });
    if (found == fit.parameters.end()) throw std::runtime_error("no parameter " + name);
    return *found;
}

/// What a fit shall find again, by the name of the parameter.
using Truth = std::vector<std::pair<std::string, double>>;

struct Known {
    SwitchingOptions options;
    Truth truth;
    bool window_known = false;
};

std::vector<Known> known_laws() {
    std::vector<Known> all;
    SwitchingOptions o;
    o.cycle_sigma = 0.2;
    o.pulses_up = 100;
    o.pulses_down = 100;
    o.label_up = 2.4;
    o.label_down = 4.9;
    o.step_up = 0.02;
    o.step_down = 0.03;
    o.law = Law::exponential;
    all.push_back({o, {{"label_up", 2.4}, {"label_down", 4.9}, {"g_min", kMin}, {"g_max", kMax}}});
    o.law = Law::soft_bounds;
    all.push_back({o, {{"step_up", 0.02}, {"step_down", 0.03}, {"g_min", kMin}, {"g_max", kMax}}});
    o.law = Law::pow_step;
    o.power_up = 1.4;
    o.power_down = 0.7;
    all.push_back({o, {{"step_up", 0.02}, {"step_down", 0.03}, {"power_up", 1.4}, {"power_down", 0.7}}});
    o.law = Law::linear;
    o.slope_up = 0.9;
    o.slope_down = 0.8;
    all.push_back({o, {{"step_up", 0.02}, {"step_down", 0.03}, {"slope_up", 0.9}, {"slope_down", 0.8}}, true});
    o.law = Law::constant;
    o.step_up = 0.0085;
    o.step_down = 0.0075;
    all.push_back({o, {{"step_up", 0.0085}, {"step_down", 0.0075}}, true});
    o.law = Law::exp_step;
    o.step_up = 0.008;
    o.step_down = 0.007;
    o.exp_factor_up = -1.2;
    o.exp_rate_up = -4;
    o.exp_factor_down = -0.1;
    o.exp_rate_down = -3;
    all.push_back({o,
                   {{"step_up", 0.008},
                    {"step_down", 0.007},
                    {"exp_factor_up", -1.2},
                    {"exp_rate_up", -4},
                    {"exp_factor_down", -0.1},
                    {"exp_rate_down", -3}},
                   true});
    return all;
}

TEST(PulseFit, FindsTheParametersWithinTheirErrors) {
    // Some 230 comparisons: beyond three standard errors one would expect 0.6 of them, beyond four none.
    int beyond = 0, compared = 0;
    for (const Known& known : known_laws()) {
        for (uint64_t seed = 1; seed <= 6; ++seed) {
            Bench bench;
            bench.seed = seed;
            bench.read_sigma = 3e-8;
            PulseFitOptions options;
            options.law = known.options.law;
            options.cycle_noise = CycleNoise::step;
            if (known.window_known) {
                options.g_min = kMin;
                options.g_max = kMax;
            }
            const PulseFit fit = fit_pulses(measure(known.options, bench), options);
            Truth truth = known.truth;
            truth.emplace_back("cycle_sigma", 0.2);
            truth.emplace_back("read_sigma", 3e-8);
            for (const auto& [name, value] : truth) {
                const FittedParameter& p = parameter(fit, name);
                const double z = (p.value - value) / p.error;
                ++compared;
                beyond += std::abs(z) > 3 ? 1 : 0;
                EXPECT_LT(std::abs(z), 5) << to_string(known.options.law) << " seed " << seed << " " << name << " "
                                          << p.value << " +- " << p.error;
            }
            EXPECT_GT(fit.r_squared, 0.98) << to_string(known.options.law);
        }
    }
    EXPECT_GT(compared, 200);
    EXPECT_LE(beyond, 6) << "of " << compared;
}

TEST(PulseFit, FindsTheNodesOfATable) {
    SwitchingOptions o;
    o.law = Law::piecewise;
    o.cycle_sigma = 0.15;
    o.step_up = 0.02;
    o.step_down = 0.03;
    o.table_up = {1, 0.5, 0.3, 0.4, 0.2};
    o.table_down = {0.2, 0.5, 0.6, 0.4, 0.9};
    Bench bench;
    bench.cycles = 4;
    bench.pulses_up = bench.pulses_down = 110;
    PulseFitOptions options;
    options.law = Law::piecewise;
    options.g_min = kMin;
    options.g_max = kMax;
    const PulseFit fit = fit_pulses(measure(o, bench), options);
    for (size_t i = 0; i < 5; ++i) {
        for (const bool up : {true, false}) {
            const double scale = up ? fit.switching.step_up : fit.switching.step_down;
            const double truth = up ? 0.02 * o.table_up[i] : 0.03 * o.table_down[i];
            const FittedParameter& p = parameter(fit, fmt::format("table_{}[{}]", up ? "up" : "down", i));
            EXPECT_NEAR(p.value * scale, truth, 4 * p.error * scale) << p.name;
        }
    }
}

TEST(PulseFit, FindsTheRatesOfVteam) {
    SwitchingOptions o;
    o.law = Law::vteam;
    o.vteam.v_on = -0.7;
    o.vteam.v_off = 0.5;
    o.vteam.k_on = -5e4;
    o.vteam.k_off = 1.5e4;
    o.vteam.alpha_on = 2;
    o.vteam.window = VteamOptions::Window::biolek;
    o.vteam.resistance = VteamOptions::Resistance::exponential;
    o.voltage_up = -1.1;
    o.voltage_down = 0.9;
    o.pulse_width = 1e-6;
    o.cycle_sigma = 0.1;
    PulseFitOptions options;
    options.law = Law::vteam;
    options.start = o;
    options.start.vteam.k_on = options.start.vteam.k_off = 0;
    options.g_min = kMin;
    options.g_max = kMax;
    const PulseFit fit = fit_pulses(measure(o, {}), options);
    for (const auto& [name, truth] : {std::pair("vteam.k_on", -5e4), std::pair("vteam.k_off", 1.5e4)}) {
        const FittedParameter& p = parameter(fit, name);
        EXPECT_NEAR(p.value, truth, 4 * p.error) << name;
        EXPECT_LT(p.error, 0.05 * std::abs(truth)) << name;
    }
    options.start.vteam.v_on = 0;
    EXPECT_THROW(fit_pulses(measure(o, {}), options), ConfigError);
}

TEST(PulseFit, TellsNoiseOfPulsesFromNoiseOfReadings) {
    SwitchingOptions o;
    o.label_up = o.label_down = 2;
    o.pulses_up = o.pulses_down = 100;
    PulseFitOptions options;
    Bench quiet_pulses;
    quiet_pulses.read_sigma = 2e-7;
    const PulseFit reading = fit_pulses(measure(o, quiet_pulses), options);
    EXPECT_NEAR(reading.read_sigma, 2e-7, 0.15 * 2e-7);
    EXPECT_LT(reading.curve_rms, 2.3e-7);
    EXPECT_LT(reading.switching.cycle_sigma, 0.1);
    o.cycle_sigma = 0.01;
    o.cycle_noise = CycleNoise::range;
    Bench quiet_reads;
    quiet_reads.read_sigma = 1e-10;
    const PulseFit pulses = fit_pulses(measure(o, quiet_reads), options);
    EXPECT_EQ(pulses.switching.cycle_noise, CycleNoise::range);
    EXPECT_NEAR(pulses.switching.cycle_sigma, 0.01, 0.001);
}

TEST(PulseFit, FindsHowDevicesDiffer) {
    SwitchingOptions o;
    o.law = Law::soft_bounds;
    o.step_up = 0.03;
    o.step_down = 0.04;
    o.cycle_sigma = 0.1;
    o.spread.step = 0.2;
    o.spread.asymmetry = 0.08;
    Bench bench;
    bench.devices = 24;
    bench.cycles = 1;
    bench.read_sigma = 1e-9;
    PulseFitOptions options;
    options.law = Law::soft_bounds;
    options.cycle_noise = CycleNoise::step;
    options.g_min = kMin;
    options.g_max = kMax;
    const PulseFit fit = fit_pulses(measure(o, bench), options);
    EXPECT_EQ(fit.devices, 24);
    // Standard error of a deviation from 24 values: 15 %.
    EXPECT_NEAR(fit.switching.spread.step, 0.2, 0.09);
    EXPECT_NEAR(fit.switching.spread.asymmetry, 0.08, 0.036);
    EXPECT_NEAR(fit.switching.cycle_sigma, 0.1, 0.01);
    EXPECT_NEAR(fit.switching.step_up, 0.03, 4 * parameter(fit, "step_up").error);
    EXPECT_GT(parameter(fit, "step_up").error, 0.03 * 0.2 / std::sqrt(24) * 0.6);
}

TEST(PulseFit, TakesReadingsThatSkipPulsesAndCountsStates) {
    SwitchingOptions o;
    o.pulses_up = 128;
    o.pulses_down = 64;
    o.label_up = 3;
    o.label_down = 1;
    Bench bench;
    bench.pulses_up = 128;
    bench.pulses_down = 64;
    bench.read_every = 4;
    const PulseFit fit = fit_pulses(measure(o, bench), {});
    EXPECT_EQ(fit.switching.pulses_up, 128);
    EXPECT_EQ(fit.switching.pulses_down, 64);
    EXPECT_NEAR(fit.switching.label_up, 3, 0.1);
    EXPECT_NEAR(fit.switching.label_down, 1, 0.1);
    EXPECT_NEAR(fit.states_down, 64, 3);
}

TEST(PulseFit, MirrorsADirectionThatWasNotMeasured) {
    SwitchingOptions o;
    o.law = Law::pow_step;
    o.power_up = 1.5;
    o.step_up = 0.05;
    Bench bench;
    bench.pulses_down = 0;
    bench.cycles = 1;
    PulseFitOptions options;
    options.law = Law::pow_step;
    const PulseFit fit = fit_pulses(measure(o, bench), options);
    EXPECT_TRUE(fit.mirrored_down);
    EXPECT_FALSE(fit.mirrored_up);
    EXPECT_EQ(fit.switching.power_down, fit.switching.power_up);
    EXPECT_EQ(fit.switching.step_down, fit.switching.step_up);
}

TEST(PulseFit, ChoosesTheLawThatWroteTheData) {
    for (const Known& known : known_laws()) {
        if (known.options.law != Law::constant && known.options.law != Law::exponential) continue;
        Bench bench;
        bench.read_sigma = 3e-8;
        PulseFitOptions options;
        options.cycle_noise = CycleNoise::step;
        const std::vector<PulseFit> fits = fit_every_law(measure(known.options, bench), options);
        ASSERT_EQ(fits.size(), 7u);
        for (size_t i = 1; i < fits.size(); ++i) EXPECT_LE(fits[i - 1].bic, fits[i].bic);
        // Soft bounds and exponential saturation are one curve with equal labels; these have unequal ones.
        EXPECT_EQ(fits[0].switching.law, known.options.law) << to_string(known.options.law);
    }
}

TEST(PulseFit, IsDeterministic) {
    const PulseData data = measure(known_laws()[0].options, {});
    const PulseFit a = fit_pulses(data, {}), b = fit_pulses(data, {});
    ASSERT_EQ(a.parameters.size(), b.parameters.size());
    for (size_t i = 0; i < a.parameters.size(); ++i) EXPECT_EQ(a.parameters[i].value, b.parameters[i].value);
}

// ---------------------------------------------------------------------------------------------- files

class PulseFile : public ::testing::Test {
 protected:
    testing::TemporaryFolder folder;

    PulseData read(const std::string& text) {
        write_text_atomically(folder.file("p.csv"), text);
        return read_pulses(folder.file("p.csv"));
    }
    void refuses(const std::string& text, const std::string& what) {
        try {
            read(text);
            ADD_FAILURE() << "accepted: " << text;
        } catch (const InputError& error) {
            EXPECT_THAT(error.what(), ::testing::HasSubstr(what)) << text;
        }
    }
};

/// Ten readings that rise, from row 2 on.
std::string ten_rows(const std::string& header = "pulse,conductance") {
    std::string text = header + "\n";
    for (int i = 0; i < 10; ++i) text += fmt::format("{},{}e-6\n", i, i + 1);
    return text;
}

TEST_F(PulseFile, ReadsColumnsInAnyOrder) {
    const PulseData data = read(
        "\xEF\xBB\xBF# a comment\r\n device , direction,conductance,pulse\r\n"
        "b,,1e-6,0\r\na,down,5e-6,3\r\nb,up,2e-6,1\r\nb,+,3e-6,2\r\nb,+1,4e-6,5\r\nb,1,5e-6,6\r\nb,-,4e-6,7\r\n"
        "b,-1,3e-6,8\r\nb,down,2e-6,9\r\n\r\na,down,4e-6,4\r\na,down,4e-6,5\r\na,down,4e-6,6\r\na,down,4e-6,7\r\n"
        "\"a\",down,4e-6,8\r\na,down,4e-6,9\r\na,down,3e-6,10");
    ASSERT_EQ(data.traces.size(), 2u);
    EXPECT_EQ(data.traces[0].device, "b");
    EXPECT_EQ(data.traces[0].pulse, (std::vector<int64_t>{0, 1, 2, 5, 6, 7, 8, 9}));
    EXPECT_EQ(data.traces[0].sign, (std::vector<int8_t>{0, 1, 1, 1, 1, -1, -1, -1}));
    EXPECT_EQ(data.traces[1].g.size(), 8u);
    EXPECT_TRUE(data.has_up && data.has_down);
    EXPECT_EQ(data.readings, 16);
}

TEST_F(PulseFile, WithoutDirectionsAllPulsesGoOneWay) {
    const PulseData data = read(ten_rows());
    EXPECT_TRUE(data.has_up);
    EXPECT_FALSE(data.has_down);
    std::string triangle = ten_rows();
    for (int i = 0; i < 10; ++i) triangle += fmt::format("{},{}e-6\n", 10 + i, 10 - i);
    refuses(triangle, "rises and falls");
}

TEST_F(PulseFile, SaysWhichRowIsWrongAndWhy) {
    const std::string p = folder.file("p.csv");
    refuses("pulse,direction\n1,up\n", p + ":1: the columns are pulse,direction, and expected are pulse,conductance");
    refuses("conductance\n1e-6\n", p + ":1: the columns are conductance, and expected are pulse,conductance");
    refuses("pulse,conductanse\n", "nearest to 'conductanse' is conductance");
    refuses("pulse,pulse,conductance\n", "the columns are pulse,pulse,conductance");
    refuses("# nothing\n", "is empty; its first line names the columns pulse,conductance");
    refuses("pulse,conductance\n", "has no rows below its header");
    refuses(ten_rows() + "10,nan\n", p + ":12: conductance = nan");
    refuses(ten_rows() + "10,inf\n", p + ":12: conductance = inf");
    refuses(ten_rows() + "ten,1e-6\n", p + ":12: pulse = ten");
    refuses(ten_rows() + "10,\n", p + ":12: conductance");
    refuses(ten_rows() + "10\n", p + ":12: 1 values");
    refuses(ten_rows() + "10,1e-6,3\n", p + ":12: 3 values");
    refuses(ten_rows() + "10,-1e-6\n", "violates 0 <= conductance");
    refuses(ten_rows() + "10,25\n", "25 uS is written 25e-6");
    refuses(ten_rows() + "-1,1e-6\n", "violates 0 <= pulse");
    refuses(ten_rows() + "9,1e-6\n", p + ":12: pulse = 9 follows pulse 9");
    refuses(ten_rows() + "3,1e-6\n", "pulse numbers must rise");
    refuses(ten_rows() + "900000000,1e-6\n", "pulses since the reading before");
    refuses("pulse,conductance,direction\n0,1e-6,\n1,2e-6,\n", p + ":3: direction is empty");
    refuses("pulse,conductance,direction\n0,1e-6,\n1,2e-6,left\n", p + ":3: direction = left");
    refuses("pulse,conductance\n0,1e-6\n1,2e-6\n", "2 readings, and a fit needs at least 8");
    std::string still = "pulse,conductance\n";
    for (int i = 0; i < 10; ++i) still += fmt::format("{},1e-6\n", i);
    refuses(still, "nothing switches");
    EXPECT_THROW(read_pulses(folder.file("missing.csv")), FormatError);
}

}  // namespace
}  // namespace bitline
