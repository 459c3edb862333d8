#include "devices/switching.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace bitline {
namespace {

using Law = SwitchingLaw;
constexpr auto kUp = PulseDirection::up, kDown = PulseDirection::down;
constexpr double kMin = 2e-6, kMax = 5e-5;  // S

double ulps(double value, long double exact) {
    const double magnitude = std::abs(double(exact));
    const double ulp = std::nextafter(magnitude, std::numeric_limits<double>::infinity()) - magnitude;
    return double(std::abs(value - exact) / ulp);
}

TEST(FixedMath, Expm1KeepsItsDigitsAtSmallArguments) {
    for (double x = 1e-300; x < 700; x *= 1.013) {
        ASSERT_LT(ulps(fixed_expm1(x), std::expm1((long double)x)), 8) << x;
        ASSERT_LT(ulps(fixed_expm1(-x), std::expm1(-(long double)x)), 8) << -x;
    }
    EXPECT_EQ(fixed_expm1(0), 0);
}

TEST(FixedMath, PowerIsRightToItsStatedError) {
    for (double x = 1e-12; x < 1e6; x *= 1.7) {
        for (double y : {-3.0, -0.5, 0.1, 0.5, 1.0, 2.0, 7.3, 20.0}) {
            const long double exact = std::pow((long double)x, (long double)y);
            const double bound = 0x1p-51 * (2 + std::abs(y * std::log(x)));
            ASSERT_LT(std::abs(fixed_pow(x, y) / exact - 1), bound) << x << "^" << y;
        }
    }
    EXPECT_EQ(fixed_pow(0, 2), 0);
    EXPECT_EQ(fixed_pow(0, 0), 1);
    EXPECT_EQ(fixed_pow(3, 0), 1);
}

// ---------------------------------------------------------------------------------------------- the label

/// The published relation by brute force: the largest f(x) - x on a fine grid.
double label_by_search(double k) {
    double most = 0;
    for (int i = 0; i <= 200000; ++i) {
        const double x = i / 200000.0, f = std::expm1(-k * x) / std::expm1(-k);
        if (std::abs(f - x) > std::abs(most)) most = f - x;
    }
    return 10.1015 * most;
}

TEST(Label, IsTenTimesTheLargestDistanceFromTheStraightLine) {
    for (double k : {0.001, 0.05, 0.0999, 0.1001, 0.5, 1.0, 4.0, 10.0, 40.0, 75.0}) {
        EXPECT_NEAR(label_of_curvature(k), label_by_search(k), 1e-8 * label_by_search(k) + 1e-9) << k;
        EXPECT_NEAR(label_of_curvature(-k), label_by_search(-k), 1e-8 * label_by_search(k) + 1e-9) << k;
    }
}

TEST(Label, InvertsToTheCurvature) {
    for (double label = -9; label <= 9; label += 0.09) {
        const double k = curvature_of_label(label);
        EXPECT_NEAR(label_of_curvature(k), label, 1e-11) << label;
        EXPECT_EQ(curvature_of_label(-label), -k) << label;
    }
    EXPECT_EQ(curvature_of_label(0), 0);
    EXPECT_NEAR(1 / curvature_of_label(0.01), 126.27, 0.005);  // first row of NeuroSim's table of A / P
}

TEST(Label, SmallAndLargeCurvaturesJoin) {
    EXPECT_NEAR(label_of_curvature(0.1 - 1e-9), label_of_curvature(0.1 + 1e-9), 1e-8);
    EXPECT_NEAR(curvature_of_label(1e-9), 8e-9 / 10.1015, 1e-20);
}

// ---------------------------------------------------------------------------------------------- mean trajectories

double after(const SwitchingOptions& options, double u, PulseDirection direction, int pulses) {
    return apply_pulses(options, nominal_device(options, kMin, kMax), u, direction, pulses, nullptr).back();
}

TEST(ExponentialLaw, FollowsNeuroSimsClosedForm) {
    for (double label : {-6.0, -1.0, 0.0, 1e-7, 0.5, 2.4, 4.88, 9.0}) {
        SwitchingOptions options;
        options.pulses_up = 97;
        options.pulses_down = 60;
        options.label_up = label;
        options.label_down = -label / 2;
        const double k_up = curvature_of_label(label), k_down = curvature_of_label(-label / 2);
        for (int p : {1, 20, 50, 96}) {
            const double a = 97 / k_up;  // pulses
            const double up = k_up == 0 ? p / 97.0 : std::expm1(-p / a) / std::expm1(-97 / a);
            EXPECT_NEAR(after(options, 0, kUp, p), up, 1e-12) << label << " " << p;
        }
        for (int p : {1, 20, 59}) {
            // G = -B (1 - exp((P - P_max) / A)) + G_max, P falling from P_max.
            const double down = k_down == 0 ? 1 - p / 60.0 : 1 - std::expm1(-k_down * p / 60) / std::expm1(-k_down);
            EXPECT_NEAR(after(options, 1, kDown, p), down, 1e-12) << label << " " << p;
        }
        EXPECT_NEAR(after(options, 0, kUp, 97), 1, 1e-12);
        EXPECT_NEAR(after(options, 1, kDown, 60), 0, 1e-12);
    }
}

TEST(ExponentialLaw, PositiveLabelStepsMostAtTheStartOfEachBranch) {
    SwitchingOptions options;
    options.label_up = options.label_down = 3;
    EXPECT_GT(after(options, 0, kUp, 1), 2.0 / 64);
    EXPECT_LT(after(options, 1, kDown, 1), 1 - 2.0 / 64);
}

TEST(StepLaws, FollowTheirClosedForms) {
    SwitchingOptions o;
    o.step_up = 0.013;
    o.step_down = 0.021;
    o.law = Law::constant;
    EXPECT_NEAR(after(o, 0.2, kUp, 30), 0.2 + 30 * 0.013, 1e-12);
    EXPECT_NEAR(after(o, 0.9, kDown, 30), 0.9 - 30 * 0.021, 1e-12);
    EXPECT_EQ(after(o, 0.2, kUp, 90), 1);

    o.law = Law::soft_bounds;
    EXPECT_NEAR(after(o, 0.2, kUp, 30), 1 - 0.8 * std::pow(1 - 0.013, 30), 1e-12);
    EXPECT_NEAR(after(o, 0.9, kDown, 30), 0.9 * std::pow(1 - 0.021, 30), 1e-12);

    o.law = Law::linear;
    o.slope_up = 0.7;
    o.slope_down = -0.4;
    EXPECT_NEAR(after(o, 0.1, kUp, 30), (1 - (1 - 0.07) * std::pow(1 - 0.7 * 0.013, 30)) / 0.7, 1e-12);
    EXPECT_NEAR(1 - after(o, 0.9, kDown, 30), (1 - (1 + 0.04) * std::pow(1 + 0.4 * 0.021, 30)) / -0.4, 1e-12);
    o.slope_up = 0;
    EXPECT_NEAR(after(o, 0.2, kUp, 30), 0.2 + 30 * 0.013, 1e-12);
}

TEST(StepLaws, StepsEqualTheirPublishedFormulas) {
    SwitchingOptions o;
    o.step_up = 0.013;
    o.step_down = 0.021;
    o.exp_a = 0.244;
    o.exp_b = 0.2425;
    o.exp_factor_up = 0.00081;
    o.exp_factor_down = 0.36833;
    o.exp_rate_up = 12.44625;
    o.exp_rate_down = 12.78785;
    o.power_up = 1.7;
    o.power_down = 0.4;
    o.table_up = {1, 0.5, 2};
    o.table_down = {0.3, 0.9};
    for (double u : {0.0, 0.1, 0.5, 0.77, 1.0}) {
        const auto step = [&](Law law, PulseDirection direction) {
            o.law = law;
            return mean_step(o, nominal_device(o, kMin, kMax), u, direction);
        };
        const double w = 2 * u - 1, z = 2 * 0.244 * w / 2 + 0.2425;  // in weights of -1 to 1
        EXPECT_NEAR(step(Law::exp_step, kUp), 0.013 * std::max(0.0, 1 - 0.00081 * std::exp(12.44625 * z)), 1e-14);
        EXPECT_NEAR(step(Law::exp_step, kDown), 0.021 * std::max(0.0, 1 - 0.36833 * std::exp(-12.78785 * z)), 1e-14);
        EXPECT_NEAR(step(Law::pow_step, kUp), 0.013 * std::pow(1 - u, 1.7), 1e-14);
        EXPECT_NEAR(step(Law::pow_step, kDown), 0.021 * std::pow(u, 0.4), 1e-14);
        EXPECT_NEAR(step(Law::piecewise, kUp), 0.013 * (u < 0.5 ? 1 - u : 0.5 + 3 * (u - 0.5)), 1e-14);
        EXPECT_NEAR(step(Law::piecewise, kDown), 0.021 * (0.3 + 0.6 * u), 1e-14);
    }
}

// ---------------------------------------------------------------------------------------------- VTEAM

SwitchingOptions vteam_options() {
    SwitchingOptions o;
    o.law = Law::vteam;
    o.vteam.v_on = -0.7;
    o.vteam.v_off = 0.5;
    o.vteam.k_on = -4e5;
    o.vteam.k_off = 2e5;
    o.vteam.alpha_on = 3;
    o.vteam.alpha_off = 1.5;
    o.voltage_up = -1.1;
    o.voltage_down = 0.9;
    o.pulse_width = 3e-7;
    return o;
}

/// One pulse by a million Euler steps of the published equation in x, resistances in ohm.
double euler(const SwitchingOptions& o, double u, bool up) {
    const VteamOptions& v = o.vteam;
    const double on = 1 / kMax, off = 1 / kMin, lambda = std::log(off / on);
    const bool linear = v.resistance == VteamOptions::Resistance::linear;
    const double resistance = 1 / (kMin + (kMax - kMin) * u);
    double x = linear ? (resistance - on) / (off - on) : std::log(resistance / on) / lambda;
    const double rate = up ? v.k_on * std::pow(o.voltage_up / v.v_on - 1, v.alpha_on)
                           : v.k_off * std::pow(o.voltage_down / v.v_off - 1, v.alpha_off);
    const int steps = 1000000;
    for (int i = 0; i < steps; ++i) {
        double f = 1;
        if (v.window == VteamOptions::Window::biolek) f = 1 - std::pow(up ? 1 - x : x, 2 * v.window_power);
        if (v.window == VteamOptions::Window::team)
            f = std::exp(-std::exp((up ? v.a_on - x : x - v.a_off) / v.window_width));
        x = std::clamp(x + rate * f * o.pulse_width / steps, 0.0, 1.0);
    }
    const double after_pulse = linear ? on + (off - on) * x : on * std::exp(lambda * x);
    return (1 / after_pulse - kMin) / (kMax - kMin);
}

TEST(Vteam, OnePulseSolvesTheEquation) {
    using Window = VteamOptions::Window;
    using Resistance = VteamOptions::Resistance;
    for (Resistance resistance : {Resistance::linear, Resistance::exponential}) {
        for (Window window : {Window::none, Window::biolek, Window::team}) {
            SwitchingOptions o = vteam_options();
            o.vteam.resistance = resistance;
            o.vteam.window = window;
            o.vteam.window_power = 3;
            const SwitchingDevice device = nominal_device(o, kMin, kMax);
            for (double u : {0.003, 0.05, 0.4, 0.97}) {
                const std::string where = fmt::format("{} {} {}", int(resistance), int(window), u);
                EXPECT_NEAR(apply_pulse(o, device, u, kUp, 0), euler(o, u, true), 2e-6) << where;
                EXPECT_NEAR(apply_pulse(o, device, u, kDown, 0), euler(o, u, false), 2e-6) << where;
            }
        }
    }
}

TEST(Vteam, BiolekWindowOfPowerOneIsAHyperbolicTangent) {
    SwitchingOptions o = vteam_options();
    o.vteam.window = VteamOptions::Window::biolek;
    o.vteam.resistance = VteamOptions::Resistance::exponential;
    const double travel = 2e5 * std::pow(0.8, 1.5) * 3e-7, ratio = kMax / kMin;
    const double x = std::tanh(20 * travel);  // from x = 0 towards off
    EXPECT_NEAR(after(o, 1, kDown, 20), (std::pow(ratio, 1 - x) - 1) / (ratio - 1), 1e-7);
}

TEST(Vteam, BelowItsThresholdsNothingMoves) {
    SwitchingOptions o = vteam_options();
    o.voltage_up = -0.7;
    o.voltage_down = 0.4;
    EXPECT_EQ(after(o, 0.4, kUp, 5), 0.4);
    EXPECT_EQ(after(o, 0.4, kDown, 5), 0.4);
    EXPECT_NE(find_switching_violation(o, kMin, kMax), "");
}

TEST(Vteam, RefusesWhatHasNoState) {
    const SwitchingOptions good = vteam_options();
    EXPECT_EQ(find_switching_violation(good, kMin, kMax), "");
    EXPECT_NE(find_switching_violation(good, 0, kMax).find("g_min > 0"), std::string::npos);
    SwitchingOptions o = good;
    o.vteam.k_on = 3;
    EXPECT_NE(find_switching_violation(o, kMin, kMax).find("k_on = 3"), std::string::npos);
    o = good;
    o.pulse_width = 1;
    EXPECT_NE(find_switching_violation(o, kMin, kMax).find("pulse_width"), std::string::npos);
}

// ---------------------------------------------------------------------------------------------- noise and spread

/// Every law with parameters of its own.
std::vector<SwitchingOptions> all_laws() {
    std::vector<SwitchingOptions> all;
    for (Law law : {Law::exponential, Law::constant, Law::linear, Law::soft_bounds, Law::exp_step, Law::pow_step,
                    Law::piecewise}) {
        SwitchingOptions o;
        o.law = law;
        o.label_up = 2.4;
        o.label_down = 4.9;
        o.slope_up = 0.6;
        o.slope_down = 0.3;
        o.exp_factor_up = -1.2;
        o.exp_rate_up = -3;
        o.exp_factor_down = 0.2;
        o.power_up = 1.4;
        o.power_down = 2;
        o.table_up = {1, 0.4, 0.6};
        o.step_up = 0.02;
        o.step_down = 0.015;
        all.push_back(o);
    }
    all.push_back(vteam_options());
    all.back().vteam.window = VteamOptions::Window::biolek;
    return all;
}

struct Moments {
    double mean = 0, deviation = 0;
};

Moments moments(const std::vector<double>& values) {
    Moments m;
    for (double v : values) m.mean += v / static_cast<double>(values.size());
    for (double v : values) m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(values.size());
    m.deviation = std::sqrt(m.deviation);
    return m;
}

TEST(CycleNoise, HasItsStatedDeviationInEveryLaw) {
    const StreamKey key = stream_key(3, 0, Purpose::switching_cycle);
    constexpr int kCells = 40000;  // five standard errors: 2.5 % of sigma for a mean, 1.8 % for a deviation
    for (SwitchingOptions o : all_laws()) {
        const SwitchingDevice device = nominal_device(o, kMin, kMax);
        for (double u : {0.3, 0.6}) {
            using Noise = SwitchingOptions::CycleNoise;
            const double step = mean_step(o, device, u, kUp);
            for (auto [noise, sigma, unit] :
                 {std::tuple(Noise::step, 0.2, step), std::tuple(Noise::mean_step, 0.15, device.up.step),
                  std::tuple(Noise::range, 0.01, 1.0)}) {
                o.cycle_sigma = sigma;
                o.cycle_noise = noise;
                std::vector<double> moved;
                for (uint32_t cell = 0; cell < kCells; ++cell) {
                    CellGaussians numbers(key, 1, 2, cell);
                    moved.push_back(apply_pulse(o, device, u, kUp, numbers.next()) - u);
                }
                const Moments m = moments(moved);
                const std::string where = fmt::format("{} u {} noise {}", to_string(o.law), u, int(noise));
                EXPECT_NEAR(m.mean, step, 0.025 * sigma * unit) << where;
                EXPECT_NEAR(m.deviation, sigma * unit, 0.018 * sigma * unit) << where;
            }
        }
    }
}

TEST(CycleNoise, OfTheRangeAddsUpAsTheRootOfThePulses) {
    SwitchingOptions o;
    o.pulses_up = 1000;
    o.cycle_sigma = 0.004;
    o.cycle_noise = SwitchingOptions::CycleNoise::range;
    const SwitchingDevice device = nominal_device(o, kMin, kMax);
    std::vector<double> last;
    for (uint32_t cell = 0; cell < 10000; ++cell) {
        CellGaussians numbers(stream_key(3, 0, Purpose::switching_cycle), 0, 0, cell);
        last.push_back(apply_pulses(o, device, 0.3, kUp, 100, &numbers).back());
    }
    const Moments m = moments(last);
    EXPECT_NEAR(m.mean, 0.4, 5 * 0.04 / 100);
    EXPECT_NEAR(m.deviation, 0.004 * 10, 0.036 * 0.04);  // five standard errors
}

TEST(Switching, NeverLeavesTheWindow) {
    for (SwitchingOptions o : all_laws()) {
        o.cycle_sigma = 5;
        o.spread = {0.5, 0.2, 2, 0.4, 0.3};
        for (uint32_t cell = 0; cell < 200; ++cell) {
            const SwitchingDevice d =
                sample_device(o, kMin, kMax, stream_key(1, 0, Purpose::switching_spread), 0, 1, cell);
            ASSERT_GT(d.g_low, 0) << to_string(o.law);
            ASSERT_GE(d.g_high - d.g_low, 0.0999 * (kMax - kMin)) << to_string(o.law);
            CellGaussians numbers(stream_key(1, 0, Purpose::switching_cycle), 0, 1, cell);
            double u = 0.5;
            for (int pulse = 0; pulse < 200; ++pulse) {
                u = apply_pulse(o, d, u, pulse / 40 % 2 ? kDown : kUp, numbers.next());
                ASSERT_TRUE(u >= 0 && u <= 1) << to_string(o.law) << " " << u;
                ASSERT_GE(mean_step(o, d, u, kUp), 0) << to_string(o.law);
                ASSERT_GE(mean_step(o, d, u, kDown), 0) << to_string(o.law);
            }
        }
    }
}

TEST(Switching, CyclingComesToRestWhereBothStepsAreEqual) {
    // Alternate pulses of soft bounds settle around u = step_up / (step_up + step_down) = 2 / 3.
    SwitchingOptions o;
    o.law = Law::soft_bounds;
    o.step_up = 0.02;
    o.step_down = 0.01;
    const SwitchingDevice device = nominal_device(o, kMin, kMax);
    double u = 0.05;
    for (int i = 0; i < 2000; ++i) u = apply_pulse(o, device, apply_pulse(o, device, u, kUp, 0), kDown, 0);
    EXPECT_NEAR(u, 2.0 / 3, 0.01);
}

TEST(Spread, HasItsStatedMoments) {
    SwitchingOptions o;
    o.law = Law::linear;
    o.slope_up = 0.5;
    o.slope_down = 0.2;
    o.spread = {0.1, 0.05, 0, 0.03, 0.02};
    const StreamKey key = stream_key(9, 1, Purpose::switching_spread);
    std::vector<double> up, down, sum, difference, slope, low, high;
    for (uint32_t cell = 0; cell < 40000; ++cell) {
        const SwitchingDevice d = sample_device(o, kMin, kMax, key, cell % 7, cell / 7, cell);
        up.push_back(d.up.step / 0.01);
        down.push_back(d.down.step / 0.01);
        sum.push_back((up.back() + down.back()) / 2);
        difference.push_back((up.back() - down.back()) / 2);
        slope.push_back(d.up.slope);
        low.push_back((d.g_low - kMin) / (kMax - kMin));
        high.push_back((d.g_high - kMax) / (kMax - kMin));
    }
    const auto expect = [](const std::vector<double>& values, double mean, double sigma) {
        const Moments m = moments(values);  // five standard errors, as above
        EXPECT_NEAR(m.mean, mean, 0.025 * sigma);
        EXPECT_NEAR(m.deviation, sigma, 0.018 * sigma);
    };
    expect(up, 1, std::hypot(0.1, 0.05));
    expect(down, 1, std::hypot(0.1, 0.05));
    expect(sum, 1, 0.1);
    expect(difference, 0, 0.05);
    expect(slope, 0.5, 0.03);
    expect(high, 0, 0.02);
    // The low end is clipped where the window would reach below zero: kMin is 0.0417 of the range, two sigma away.
    EXPECT_NEAR(moments(low).mean, 0, 0.0006);
    EXPECT_NEAR(moments(low).deviation, 0.02, 0.0008);
}

TEST(Spread, OfLabelsBendsEachBranchOnItsOwn) {
    SwitchingOptions o;
    o.label_up = 2;
    o.label_down = 3;
    o.spread.label = 0.3;
    std::vector<double> up, down, product;
    for (uint32_t cell = 0; cell < 20000; ++cell) {
        const SwitchingDevice d = sample_device(o, kMin, kMax, stream_key(1, 0, Purpose::switching_spread), 0, 0, cell);
        const auto label = [](const SwitchingDevice::Branch& b) {
            return label_of_curvature(-64 * std::log1p(-b.gain));
        };
        up.push_back(label(d.up));
        down.push_back(label(d.down));
        product.push_back((up.back() - 2) * (down.back() - 3));
    }
    EXPECT_NEAR(moments(up).mean, 2, 5 * 0.3 / std::sqrt(20000));
    EXPECT_NEAR(moments(up).deviation, 0.3, 5 * 0.3 / std::sqrt(40000));
    EXPECT_NEAR(moments(down).mean, 3, 5 * 0.3 / std::sqrt(20000));
    EXPECT_NEAR(moments(product).mean, 0, 5 * 0.09 / std::sqrt(20000));
}

TEST(Switching, IsAFunctionOfSeedAndPlace) {
    SwitchingOptions o = all_laws()[4];
    o.cycle_sigma = 0.3;
    o.spread.step = 0.2;
    const auto run = [&](uint64_t seed, uint32_t array, uint32_t row, uint32_t column) {
        const SwitchingDevice d =
            sample_device(o, kMin, kMax, stream_key(seed, 0, Purpose::switching_spread), array, row, column);
        CellGaussians numbers(stream_key(seed, 0, Purpose::switching_cycle), array, row, column);
        return apply_pulses(o, d, 0, kUp, 50, &numbers);
    };
    EXPECT_EQ(run(1, 2, 3, 4), run(1, 2, 3, 4));
    EXPECT_NE(run(1, 2, 3, 4), run(2, 2, 3, 4));
    EXPECT_NE(run(1, 2, 3, 4), run(1, 3, 3, 4));
    EXPECT_NE(run(1, 2, 3, 4), run(1, 2, 4, 4));
    EXPECT_NE(run(1, 2, 3, 4), run(1, 2, 3, 5));
}

TEST(Switching, GivesTheSameBitsEverywhere) {
    // The sum of a noisy run of every law, as computed on the first machine: libm or contraction would change it.
    double sum = 0;
    for (SwitchingOptions o : all_laws()) {
        o.cycle_sigma = 0.3;
        o.spread = {0.2, 0.1, 0.3, 0.1, 0.05};
        const SwitchingDevice d = sample_device(o, kMin, kMax, stream_key(5, 0, Purpose::switching_spread), 1, 2, 3);
        CellGaussians numbers(stream_key(5, 0, Purpose::switching_cycle), 1, 2, 3);
        for (double u : apply_pulses(o, d, 0.1, kUp, 40, &numbers)) sum += u;
        for (double u : apply_pulses(o, d, 0.9, kDown, 40, &numbers)) sum += u;
    }
    EXPECT_EQ(fmt::format("{:a}", sum), "0x1.4847580acbd6dp+8");
}

}  // namespace
}  // namespace bitline
