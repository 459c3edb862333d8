#pragma once

// What a memory cell is: its levels, what goes wrong when it is written, what time does to it, how it is read. SI
// units. Options only; cell_law.h turns them into conductances. Every part is off by default and can be switched on
// alone.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "devices/state_law.h"
#include "devices/switching.h"
#include "devices/write_verify.h"

namespace bitline {

struct FaultMap;        // fault_map.h
struct ConductanceMap;  // conductance_map.h
struct UserTable;       // user_table.h

enum class DeviceFamily { other, rram, pcm, sram, fefet, flash, mram };

/// Conductance of level L of n, at position p = L / (n - 1).
struct LevelOptions {
    enum class Placement {
        linear,       // g_min + p (g_max - g_min)
        logarithmic,  // g_min (g_max / g_min)^p
        table,        // `table`, evenly spaced in p
    } placement = Placement::linear;
    std::vector<double> table;  // S, rising from g_min to g_max
};

/// Error of one write, fresh at every write. xi is standard normal, r = G_target / G_max.
struct ProgrammingErrorOptions {
    enum class Model {
        none,
        independent,   // G + sigma G_max xi
        proportional,  // G + sigma G xi
        lognormal,     // G exp(sigma xi)
        uniform,       // G + sigma G_max sqrt(3) u, u uniform in (-1, 1)
        state,         // G + deviation(r) xi
        table,         // G + deviation xi, `table` over the levels
    } model = Model::independent;
    double sigma = 0;           // 0 <= sigma <= 10
    StateLaw deviation;         // S
    std::vector<double> table;  // S, evenly spaced over the levels
};

/// What fabrication made of each cell, the same at every write and read: G (1 + sigma xi), at least 0.
struct DeviceToDeviceOptions {
    double sigma = 0;
};

struct StuckAtOptions {
    double low_rate = 0;                      // share of cells stuck at G_min; low_rate + high_rate <= 1
    double high_rate = 0;                     // share of cells stuck at G_max
    std::string map{};                        // file of faulty cells and lines, beside the rates; empty: none
    std::shared_ptr<const FaultMap> known{};  // its content
};

/// Structural relaxation of the conductance, from t0 after programming on; before t0 nothing has happened.
struct DriftOptions {
    enum class Model {
        none,
        power,        // G (t / t0)^-nu
        logarithmic,  // G (1 - nu log10(t / t0)), at least 0
    } model = Model::none;
    double t0 = 1;        // s, when the programmed conductance was read
    StateLaw exponent;    // mean of nu over cells
    StateLaw deviation;   // standard deviation of nu over cells
    bool folded = false;  // |nu| in place of nu
};

/// Measured redistribution after programming: G + mean(r, t) + deviation(r, t) xi, given at the times of a table and
/// interpolated linearly in ln t. 0 < t < times[0] counts as times[0]; times beyond the last are refused.
struct RelaxationOptions {
    enum class Form {
        polynomial,  // c0, c1, .. of a polynomial of r for one time after the other
        table,       // values evenly spaced over r = 0 .. 1 for one time after the other
    } form = Form::polynomial;
    std::vector<double> times;      // s, rising; empty: off
    std::vector<double> mean;       // S; empty: 0
    std::vector<double> deviation;  // S; empty: 0
    /// The deviation is that from the target, programming included, as fits to measured arrays give it: then it starts
    /// at t = 0, with times[0], and no other programming error is drawn.
    bool includes_programming = false;
};

/// Loss of the stored state. With tau(T) = tau exp(Ea / k (1 / T - 1 / T_reference)):
struct RetentionOptions {
    enum class Model {
        none,
        decay,  // G = C + (G - C) exp(-(t / tau(T))^beta), C at share `toward` of the window
        flip,   // every cell mirrors its level with probability (1 - exp(-2 t / tau(T))) / 2
    } model = Model::none;
    double tau = 3e8;  // s
    double beta = 1;
    double toward = 0;                   // 0: G_min, 1: G_max
    double activation_energy = 0;        // eV
    double reference_temperature = 300;  // K
};

/// Conductance over temperature: G(T) = G exp(-Ea / k (1 / T - 1 / T_reference)).
struct TemperatureOptions {
    double activation_energy = 0;        // eV
    double reference_temperature = 300;  // K
};

/// The window closes with the number of writes: G = C + (G - C) (1 - loss log10(writes / onset)), C its middle; not
/// before `onset` writes.
struct EnduranceOptions {
    double writes = 1;   // that the cells have seen
    double onset = 1e6;  // writes
    double loss = 0;     // share of the window per decade
};

/// Every read moves a cell: G = C + (G - C) exp(-rate reads), C at share `toward` of the window.
struct ReadDisturbOptions {
    double reads = 0;   // since programming
    double rate = 0;    // share per read
    double toward = 1;  // 0: G_min, 1: G_max
};

/// What a source of noise keeps its value over. `conversion`: independent from cycle to cycle; `product`: over the
/// serial cycles of one product; `sample`: over one input of the network; `chip`: over all of them.
enum class Persistence { conversion, product, sample, chip };

/// Fluctuations while reading. Every source is independent from cell to cell.
struct ReadNoiseOptions {
    double sigma = 0;  // relative to G, fresh at every read; 0 <= sigma <= 10

    double read_voltage = 0.2;  // V; turns currents into conductances
    double bandwidth = 0;       // Hz, of the thermal and shot noise below; 0: both off
    bool thermal = false;       // Johnson 1928, Nyquist 1928: i^2 = 4 k T G B
    bool shot = false;          // Schottky 1918: i^2 = 2 q G V B

    /// 1/f: rms = G amplitude(r) sqrt(ln((t + t_read) / (2 t_read))), t since programming (Joshi et al. 2020, methods);
    /// none at t = 0.
    struct Flicker {
        StateLaw amplitude;
        bool absolute = false;      // the amplitude is in S and stands for G amplitude
        double read_time = 250e-9;  // s
        Persistence persists = Persistence::sample;
    } flicker;

    /// Random telegraph noise: G (1 - amplitude) while a cell's trap is filled.
    struct Telegraph {
        double amplitude = 0;         // dG / G
        double share_of_cells = 1;    // that have a trap
        double capture_time = 1e-3;   // s, mean time until a free trap is filled
        double emission_time = 1e-3;  // s, mean time until a filled trap is freed
        Persistence persists = Persistence::sample;
        double filled_share() const { return emission_time / (capture_time + emission_time); }  // of the time
    } telegraph;
};

/// In series with every cell: G / (1 + G resistance).
struct SeriesOptions {
    double resistance = 0;  // ohm, of the conducting access transistor or selector
};

/// The cell's current over its voltage; odd in the voltage. G is the conductance at the read voltage, which is what the
/// word line of a layer's largest digit carries: V = read_voltage * digit / largest digit.
struct CurrentVoltageOptions {
    enum class Model {
        linear,  // I = G V
        sinh,    // I = G V_read sinh(V / v0) / sinh(V_read / v0)
        table,   // measured curves, scaled to the cell's conductance between those of the curves
    } model = Model::linear;
    double read_voltage = 0.2;     // V
    double v0 = 0.2;               // V
    std::vector<double> voltages;  // V, rising from above 0, up to the read voltage or beyond; I(0) = 0
    std::vector<double> currents;  // A, curve after curve, one current for each voltage, curves of rising conductance
};

/// What switches a cell on and off, in series with it and with `series.resistance`; odd in the voltage.
struct SelectorOptions {
    enum class Model {
        none,
        threshold,  // V = threshold + I resistance, and no current below the threshold
        sinh,       // I = current sinh(V / v0)
    } model = Model::none;
    double threshold = 0;   // V
    double resistance = 0;  // ohm, when conducting
    double current = 1e-9;  // A
    double v0 = 0.1;        // V
};

/// Where a model's data end. Empty: no limit.
struct ValidRange {
    std::vector<double> time;         // s, first and last; t = 0 is always freshly programmed
    std::vector<double> temperature;  // K, lowest and highest
};

/// Measurements in place of a model; each with the content of its file.
struct MeasurementOptions {
    std::string data;             // conductance over target and time; empty: none
    std::string conductance_map;  // conductance of every cell after programming; empty: none
    std::shared_ptr<const UserTable> table;
    std::shared_ptr<const ConductanceMap> cells;
};

struct CellOptions {
    std::string name, description, source;
    DeviceFamily family = DeviceFamily::other;

    int bits = 2;                 // 1 <= bits <= 16, levels = 2^bits
    double g_min = 0;             // S, 0 <= g_min < g_max
    double g_max = 1e-4;          // S
    double g_ceiling = 0;         // S, physical upper limit that conductances are clipped to; 0: 1.5 * g_max.
                                  // Lower limit: 0
    bool reprogrammable = false;  // weights may be reloaded while running (SRAM): a network larger than the chip is
                                  // time-multiplexed instead of refused
    ProgrammingErrorOptions programming_error;
    StuckAtOptions stuck_at;
    ReadNoiseOptions read_noise;
    LevelOptions levels;
    DeviceToDeviceOptions device_to_device;
    DriftOptions drift;
    RelaxationOptions relaxation;
    RetentionOptions retention;
    TemperatureOptions temperature;
    EnduranceOptions endurance;
    ReadDisturbOptions read_disturb;
    SeriesOptions series;
    MeasurementOptions measured;
    CurrentVoltageOptions current_voltage;
    SelectorOptions selector;
    ValidRange valid;
    SwitchingOptions switching;  // used where write_verify.method = pulses
    WriteVerifyOptions write_verify;
};

/// When and how hot cells are read.
struct Conditions {
    double time = 0;           // s since programming; 0: freshly programmed
    double temperature = 300;  // K
    bool operator==(const Conditions&) const = default;
};

/// Why the model says nothing about these conditions; empty where it does. Times and temperatures beyond the data.
std::string outside_of_model(const CellOptions& cell, const Conditions& conditions);

/// Fixed-point conductances: level spacing, G_min and the step of a lossless ADC are whole grid steps.
/// `level_step` is odd, so that a background of n * G_min is never exactly half a level and rounding is unambiguous.
struct Grid {
    int32_t level_step = 1;  // grid steps between neighbouring levels
    int32_t g_min = 0;       // grid steps
    int32_t ceiling = 0;     // physical upper limit, grid steps
    int32_t g_max = 0;       // grid steps
    double siemens = 0;      // S per grid step
    int levels() const { return (g_max - g_min) / level_step + 1; }
    bool operator==(const Grid&) const = default;
};

/// Coarsest grid with g_max near 2^14 steps and the ceiling below 2^15; finer (g_max up to 2^22) where 2^bits levels
/// or a small G_min need it. G_min is met to 0.1 % of itself or better, below G_max / 10^6 to half a grid step.
Grid choose_grid(const CellOptions& cell, int bits);

}  // namespace bitline
