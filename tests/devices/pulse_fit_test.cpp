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

TEST(Explore, All) {
    std::vector<SwitchingOptions> all;
    SwitchingOptions o;
    o.cycle_noise = CycleNoise::step;
    o.cycle_sigma = 0.2;
    o.pulses_up = o.pulses_down = 100;
    o.label_up = 2.4;
    o.label_down = 4.9;
    o.step_up = 0.02;
    o.step_down = 0.03;
    o.slope_up = 0.6;
    o.slope_down = 0.8;
    o.exp_factor_up = -1.2;
    o.exp_rate_up = -4;
    o.exp_factor_down = -0.5;
    o.exp_rate_down = -3;
    o.power_up = 1.4;
    o.power_down = 0.7;
    o.table_up = {1, 0.5, 0.3, 0.4, 0.2};
    o.table_down = {0.3, 0.5, 0.6, 0.4, 0.9};
    for (Law law : {Law::exponential, Law::constant, Law::linear, Law::soft_bounds, Law::exp_step, Law::pow_step, Law::piecewise}) {
        o.law = law;
        if (law == Law::constant) o.step_up = 0.0095, o.step_down = 0.0085; else o.step_up=0.02, o.step_down=0.03;
        if (law == Law::exp_step) o.step_up = 0.008, o.step_down = 0.009;
        for (uint64_t seed : {1, 2}) {
            Bench b;
            b.seed = seed;
            b.read_sigma = 3e-8;
            const PulseData data = measure(o, b);
            PulseFitOptions fo;
            fo.law = law;
            if (law == Law::constant || law == Law::linear || law == Law::exp_step || law == Law::piecewise) fo.g_min = kMin, fo.g_max = kMax;
            const PulseFit fit = fit_pulses(data, fo);
            fmt::print("{} seed {} R2 {:.5f} rms {:.3g} pulse {:.3g} ll {:.2f} bic {:.1f} noise {}\n", to_string(law), seed, fit.r_squared, fit.curve_rms, fit.pulse_rms, fit.log_likelihood, fit.bic, int(fit.switching.cycle_noise));
            for (const auto& p : fit.parameters) fmt::print("    {:18} {:.5g} +- {:.3g} {}\n", p.name, p.value, p.error, p.determined);
        }
    }
}

}  // namespace
}  // namespace bitline
