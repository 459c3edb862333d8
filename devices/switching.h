#pragma once

// How a cell's conductance answers voltage pulses: nonlinear, asymmetric, noisy switching.
//
// The state is the position u in the device's own window: G = G_low + (G_high - G_low) u, 0 <= u <= 1. A pulse up adds
// f_up(u) to u, a pulse down takes f_down(u) away; both are shares of the window, both are clipped to it.
//
// exponential   f_up = (B - u) (1 - exp(-k / P)), B = 1 / (1 - exp(-k)), so that P pulses from u = 0 follow
//               u(p) = (1 - exp(-k p / P)) / (1 - exp(-k)) and end at 1; k = P / A of Chen, Peng and Yu (NeuroSim,
//               IEDM 2017, TCAD 2018). k follows from the nonlinearity label, see curvature_of_label. Depression is the
//               mirror image, 1 - u from the top: a positive label means largest steps first in both directions
//               (NeuroSim writes such a depression with a negative label). P is the number of states.
// constant      f = step
// linear        f_up = step (1 - slope u), f_down = step (1 - slope (1 - u)), never below 0
// soft_bounds   f_up = step (1 - u), f_down = step u
// exp_step      f_up = step max(0, 1 - A_up exp(gamma_up z)), f_down = step max(0, 1 - A_down exp(-gamma_down z)),
//               z = a (2u - 1) + b (Gong et al., Nature Communications 9, 2102, 2018; the form that IBM's analog
//               hardware kit fits to it). With a = b = 1/2, z = u.
// pow_step      f_up = step (1 - u)^power_up, f_down = step u^power_down (Fusi and Abbott, Nature Neuroscience 10,
//               2007; Frascaroli et al., Scientific Reports 8, 2018)
// piecewise     f = step * table(u), linear between nodes that are equally spaced from u = 0 to u = 1
// vteam         Kvatinsky et al., IEEE TCAS-II 62(8), 2015: dx/dt = k_off (v / v_off - 1)^alpha_off f_off(x) for
//               v > v_off > 0, k_on (v / v_on - 1)^alpha_on f_on(x) for v < v_on < 0, else 0. x = 0 is on (G_high),
//               x = 1 off (G_low); k_off > 0 > k_on in 1/s. R = R_on + (R_off - R_on) x, or R_on (R_off / R_on)^x.
//               The state is integrated over a rectangular pulse.

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace bitline {

enum class SwitchingLaw { exponential, constant, linear, soft_bounds, exp_step, pow_step, piecewise, vteam };

struct VteamOptions {
    double v_on = 0, v_off = 0;          // V, thresholds: v_on < 0 < v_off
    double k_on = 0, k_off = 0;          // 1/s, k_on < 0 < k_off
    double alpha_on = 1, alpha_off = 1;  // 0 < alpha <= 20
    enum class Window {
        none,    // f = 1
        biolek,  // f_off = 1 - x^(2p), f_on = 1 - (1 - x)^(2p) (Biolek, Biolek, Biolkova, Radioengineering 2009)
        team,    // f_off = exp(-exp((x - a_off) / w)), f_on = exp(-exp((a_on - x) / w)) (Kvatinsky et al., TEAM, 2013)
    } window = Window::none;
    int window_power = 1;                                                           // p, 1 to 10
    double a_on = 0, a_off = 1, window_width = 0.1;                                 // 0.01 <= w <= 1
    enum class Resistance { linear, exponential } resistance = Resistance::linear;  // of x
};

/// Device to device, frozen at fabrication: standard deviations of independent normal numbers.
struct SwitchingSpread {
    double step = 0;       // of the step relative to its mean, the same factor up and down (vteam: of the rates)
    double asymmetry = 0;  // relative, added to the factor up and taken from the factor down
    double label = 0;      // exponential: of both labels, each its own
    double slope = 0;      // linear: of both slopes; pow_step: of both powers; each its own
    double range = 0;      // of both ends of the window, each its own, as a share of G_max - G_min
};

struct SwitchingOptions {
    SwitchingLaw law = SwitchingLaw::exponential;
    int pulses_up = 64, pulses_down = 64;           // exponential: P, 2 to 10^6
    double label_up = 0, label_down = 0;            // exponential: -9 to 9; 0: linear
    double step_up = 0.01, step_down = 0.01;        // share of the window, above 0; what the laws above call step
    double slope_up = 0, slope_down = 0;            // linear: -10 to 1
    double exp_a = 0.5, exp_b = 0.5;                // exp_step
    double exp_factor_up = 0, exp_factor_down = 0;  // exp_step: A
    double exp_rate_up = 1, exp_rate_down = 1;      // exp_step: gamma
    double power_up = 1, power_down = 1;            // pow_step: 0 to 20
    std::vector<double> table_up{1, 1}, table_down{1, 1};  // piecewise: 2 to 64 nodes each, 0 or above
    VteamOptions vteam;
    // The pulse itself: what vteam is driven by, and what a pulse's energy V^2 G t follows from. vteam needs
    // voltage_up < v_on and voltage_down > v_off.
    double voltage_up = 0, voltage_down = 0;  // V across the device
    double pulse_width = 1e-7;                // s
    double cycle_sigma = 0;                   // of one pulse, fresh at every pulse
    enum class CycleNoise {
        step,       // relative to this pulse's own step
        mean_step,  // relative to the parameter `step` (exponential: 1 / P), whatever the state
        range,      // share of the window (NeuroSim)
    } cycle_noise = CycleNoise::step;
    SwitchingSpread spread;
};

std::string to_string(SwitchingLaw law);

/// Relation between fields that does not hold, in terms of field names ("step_up = 0 violates ..."); empty: all hold.
std::string find_switching_violation(const SwitchingOptions& options, double g_min, double g_max);

/// k of the exponential law from its label: label = 10.1015 max_x (f(x) - x), f(x) = (1 - exp(-k x)) / (1 - exp(-k)).
/// Odd in the label; |label| <= 9. The factor is NeuroSim's, whose table of A / P it reproduces.
double curvature_of_label(double label);
double label_of_curvature(double k);

enum class PulseDirection { up, down };

/// One device as fabricated.
struct SwitchingDevice {
    double g_low = 0, g_high = 0;  // S, its own window
    struct Branch {
        double step = 0;       // of this device: mean step times its own factor
        double slope = 0;      // linear: slope; pow_step: power
        double asymptote = 0;  // exponential: B; 0 where k = 0
        double gain = 0;       // exponential: 1 - exp(-k / P), or 1 / P where k = 0
        double travel = 0;     // vteam: |k| |v / v_th - 1|^alpha * pulse width
    } up, down;
    double conductance(double u) const { return g_low + (g_high - g_low) * u; }
    double position(double g) const;  // clipped to 0 .. 1
};

/// Without spread.
SwitchingDevice nominal_device(const SwitchingOptions& options, double g_min, double g_max);

/// Cell (array, row, column) of a chip: Philox counters (column, array, row, 0 and 1) of `spread`. A factor of a step
/// below 0 is taken as 0; the lower end of a window stays above 0 S and the two ends at least a tenth of the range
/// apart.
SwitchingDevice sample_device(const SwitchingOptions& options, double g_min, double g_max, StreamKey spread,
                              uint32_t array, uint32_t row, uint32_t column);

/// Mean change of u by one pulse, without sign.
double mean_step(const SwitchingOptions& options, const SwitchingDevice& device, double u, PulseDirection direction);

/// u after one pulse; xi: standard normal.
double apply_pulse(const SwitchingOptions& options, const SwitchingDevice& device, double u, PulseDirection direction,
                   double xi);

/// Standard normal numbers of one cell in order: number n is lane n % 4 of counter (column, array, row, n / 4).
class CellGaussians {
 public:
    CellGaussians(StreamKey key, uint32_t array, uint32_t row, uint32_t column)
        : key_(key), counter_{column, array, row, 0} {}
    double next();

 private:
    StreamKey key_;
    Counter counter_, block_{};
    int lane_ = 4;
};

/// u after each of `count` pulses in one direction from u; `noise` may be null: the mean trajectory.
std::vector<double> apply_pulses(const SwitchingOptions& options, const SwitchingDevice& device, double u,
                                 PulseDirection direction, int count, CellGaussians* noise);

}  // namespace bitline
