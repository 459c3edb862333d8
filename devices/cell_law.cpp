#include "devices/cell_law.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/fixed_exp.h"
#include "core/kernels/kernels.h"
#include "devices/current_voltage.h"
#include "devices/row_loops.h"
#include "devices/user_table.h"

namespace bitline {

namespace {

constexpr double kBoltzmann = 1.380649e-23;            // J / K
constexpr double kElementaryCharge = 1.602176634e-19;  // C
constexpr double kElectronvolt = kElementaryCharge;    // J

/// exp(Ea / k (1 / T - 1 / T_reference)).
double arrhenius(double activation_energy, double temperature, double reference) {
    if (activation_energy == 0 || temperature == reference) return 1;
    return fixed_exp(activation_energy * kElectronvolt / kBoltzmann * (1 / temperature - 1 / reference));
}

// ---------------------------------------------------------------------------------------------- tables over the levels

double position(const Grid& grid, int level) {
    return grid.levels() > 1 ? static_cast<double>(level) / (grid.levels() - 1) : 0.0;
}

double level_target(const CellOptions& cell, const Grid& grid, int level) {
    const double p = position(grid, level);
    switch (cell.levels.placement) {
        case LevelOptions::Placement::linear:
            return grid.g_min + static_cast<double>(level) * grid.level_step;
        case LevelOptions::Placement::logarithmic:
            return cell.g_min * fixed_power(cell.g_max / cell.g_min, p) / grid.siemens;
        case LevelOptions::Placement::table:
            return interpolate_evenly(cell.levels.table, p) / grid.siemens;
    }
    return 0;
}

/// f(level, r) for every level.
template <class Function>
std::vector<double> over_levels(const CellLaw& law, const Function& f) {
    std::vector<double> values;
    const double g_max = law.cell.g_max / law.grid.siemens;
    for (int level = 0; level < law.grid.levels(); ++level)
        values.push_back(f(level, law.target[static_cast<size_t>(level)] / g_max));
    return values;
}

void require_deviations(const std::vector<double>& values, double unit, const std::string& what) {
    for (size_t level = 0; level < values.size(); ++level) {
        if (values[level] >= 0) continue;
        throw ConfigError(fmt::format("{} gives {:.4g} at level {} of {}, and a standard deviation is at least 0", what,
                                      values[level] * unit, level, values.size()));
    }
}

void set_write_error(CellLaw& law) {
    using Model = ProgrammingErrorOptions::Model;
    const ProgrammingErrorOptions& error = law.cell.programming_error;
    const double top = error.sigma * law.grid.g_max;
    switch (error.model) {
        case Model::none:
            return;
        case Model::independent:
        case Model::uniform:
            if (error.sigma > 0) law.write_deviation = over_levels(law, [top](int, double) { return top; });
            return;
        case Model::proportional:
            if (error.sigma > 0)
                law.write_deviation = over_levels(
                    law, [&](int level, double) { return error.sigma * law.target[static_cast<size_t>(level)]; });
            return;
        case Model::lognormal:
            law.lognormal_sigma = error.sigma;
            return;
        case Model::state:
            law.write_deviation =
                over_levels(law, [&](int, double r) { return evaluate(error.deviation, r) / law.grid.siemens; });
            break;
        case Model::table:
            law.write_deviation = over_levels(law, [&](int level, double) {
                return interpolate_evenly(error.table, position(law.grid, level)) / law.grid.siemens;
            });
            break;
    }
    require_deviations(law.write_deviation, law.grid.siemens, "cell.programming_error");
}

void set_measured(CellLaw& law) {
    if (!law.cell.measured.table) return;
    const UserTable& table = *law.cell.measured.table;
    const double rounding = 2e-3 * law.cell.g_max;  // of the grid: g_min and g_max are whole steps
    for (const double target : law.target) {
        const double siemens = target * law.grid.siemens;
        const double inside = std::clamp(siemens, table.targets.front(), table.targets.back());
        const double asked = std::abs(siemens - inside) <= rounding ? inside : siemens;
        const TablePoint point = find_point(table, asked, law.conditions.time);
        MeasuredLevel level;
        for (size_t i = 0; i < point.entry.size(); ++i) {
            level.share[i] = point.share[i] / law.grid.siemens;
            if (table.has_samples()) {
                level.samples[i] = &table.samples[point.entry[i]];
            } else {
                level.mean += level.share[i] * table.mean[point.entry[i]];
                level.deviation += level.share[i] * table.deviation[point.entry[i]];
            }
        }
        law.measured.push_back(level);
    }
}

/// Functions of r at the times of a table, interpolated in ln t.
double interpolate_relaxation(const RelaxationOptions& relaxation, const std::vector<double>& values, double t,
                              double r) {
    const std::vector<double>& times = relaxation.times;
    const size_t terms = values.size() / times.size();
    const auto at = [&](size_t i) {
        const auto first = values.begin() + static_cast<std::ptrdiff_t>(i * terms);
        const std::vector<double> of_time(first, first + static_cast<std::ptrdiff_t>(terms));
        if (relaxation.form == RelaxationOptions::Form::table) return interpolate_evenly(of_time, std::min(r, 1.0));
        return evaluate_polynomial(of_time, r);
    };
    const auto above = std::lower_bound(times.begin(), times.end(), t);
    const auto i = static_cast<size_t>(above - times.begin());
    if (i < times.size() && times[i] == t) return at(i);
    const double before = fixed_log(times[i - 1]), after = fixed_log(times[i]);
    const double share = (fixed_log(t) - before) / (after - before);
    return at(i - 1) + share * (at(i) - at(i - 1));
}

void set_relaxation(CellLaw& law) {
    const RelaxationOptions& relaxation = law.cell.relaxation;
    if (relaxation.times.empty() || (law.conditions.time == 0 && !relaxation.includes_programming)) return;
    const double t = std::max(law.conditions.time, relaxation.times.front());
    const auto table = [&](const std::vector<double>& values) {
        return over_levels(law, [&](int, double r) {
            return values.empty() ? 0.0 : interpolate_relaxation(relaxation, values, t, r) / law.grid.siemens;
        });
    };
    law.relaxation_mean = table(relaxation.mean);
    law.relaxation_deviation = table(relaxation.deviation);
    require_deviations(law.relaxation_deviation, law.grid.siemens, "cell.relaxation.deviation");
}

void set_drift(CellLaw& law) {
    const DriftOptions& drift = law.cell.drift;
    const double t = law.conditions.time;
    if (drift.model == DriftOptions::Model::none || t <= drift.t0) return;
    constexpr double kPerDecade = 0.43429448190325182765;  // 1 / ln 10
    law.drift_log = fixed_log(t / drift.t0);
    if (drift.model == DriftOptions::Model::logarithmic) law.drift_log *= kPerDecade;
    law.drift_exponent = over_levels(law, [&](int, double r) { return evaluate(drift.exponent, r); });
    law.drift_deviation = over_levels(law, [&](int, double r) { return evaluate(drift.deviation, r); });
    require_deviations(law.drift_deviation, 1, "cell.drift.deviation");
}

// ---------------------------------------------------------------------------------------------- scalars

double window_point(const Grid& grid, double share) { return grid.g_min + share * (grid.g_max - grid.g_min); }

void set_retention(CellLaw& law) {
    const RetentionOptions& retention = law.cell.retention;
    const double t = law.conditions.time;
    if (retention.model == RetentionOptions::Model::none || t == 0) return;
    const double tau = retention.tau * arrhenius(retention.activation_energy, law.conditions.temperature,
                                                 retention.reference_temperature);
    if (retention.model == RetentionOptions::Model::flip) {
        law.flip_probability = 0.5 * (1 - fixed_exp(-2 * t / tau));
        return;
    }
    const double exponent = retention.beta == 1 ? t / tau : fixed_power(t / tau, retention.beta);
    law.contractions.push_back({window_point(law.grid, retention.toward), fixed_exp(-exponent)});
}

void set_wear(CellLaw& law) {
    const EnduranceOptions& endurance = law.cell.endurance;
    if (endurance.loss > 0 && endurance.writes > endurance.onset) {
        const double decades = fixed_log(endurance.writes / endurance.onset) / fixed_log(10);
        law.contractions.push_back({window_point(law.grid, 0.5), std::max(0.0, 1 - endurance.loss * decades)});
    }
    const ReadDisturbOptions& disturb = law.cell.read_disturb;
    if (disturb.reads > 0 && disturb.rate > 0)
        law.contractions.push_back({window_point(law.grid, disturb.toward), fixed_exp(-disturb.rate * disturb.reads)});
}

void set_noise(CellLaw& law) {
    const ReadNoiseOptions& noise = law.cell.read_noise;
    law.square_noise = noise.sigma * noise.sigma;
    const double volts = noise.read_voltage;
    if (noise.thermal)
        law.linear_noise += 4 * kBoltzmann * law.conditions.temperature * noise.bandwidth / (volts * volts);
    if (noise.shot) law.linear_noise += 2 * kElementaryCharge * noise.bandwidth / volts;
    law.linear_noise /= law.grid.siemens;
    const double t = law.conditions.time, t_read = noise.flicker.read_time;
    if (!is_zero(noise.flicker.amplitude) && t > t_read) {
        const double spread = std::sqrt(fixed_log((t + t_read) / (2 * t_read)));
        const double scale = noise.flicker.absolute ? spread / law.grid.siemens : spread;
        law.flicker = over_levels(law, [&](int, double r) { return evaluate(noise.flicker.amplitude, r) * scale; });
        require_deviations(law.flicker, 1, "cell.read_noise.flicker.amplitude");
    }
}

bool outlasts_conversion(Persistence persistence) {
    return persistence == Persistence::product || persistence == Persistence::sample;
}

// ---------------------------------------------------------------------------------------------- rows

/// Buffers of one row, kept between rows.
struct RowBuffers {
    std::vector<uint16_t> levels;
    std::vector<double> g;
    std::vector<float> xi;
    std::vector<double> exponent;
};

/// One row's way from levels to conductances.
struct RowWriter {
    const CellLaw& law;
    const CellStreams& streams;
    uint32_t array, row;
    std::span<const uint16_t> levels;
    RowBuffers& buffers;

    size_t size() const { return levels.size(); }
    double* g() const { return buffers.g.data(); }

    const float* gaussians(StreamKey key) const {
        buffers.xi.resize(size());
        kernels::active().gaussians(key, 0, array, row, 0, size(), buffers.xi.data());
        return buffers.xi.data();
    }
    Counter random(StreamKey key, size_t i) const { return philox({static_cast<uint32_t>(i), array, row, 0}, key); }

    void flip() {
        if (law.flip_probability == 0) return;
        buffers.levels.assign(levels.begin(), levels.end());
        const auto top = static_cast<uint16_t>(law.grid.levels() - 1);
        Counter bits{};
        for (size_t i = 0; i < size(); ++i) {
            if (i % 4 == 0) bits = random(streams.retention, i / 4);
            if (uniform(bits[i % 4]) < law.flip_probability)
                buffers.levels[i] = static_cast<uint16_t>(top - buffers.levels[i]);
        }
        levels = buffers.levels;
    }

    void place() {
        buffers.g.resize(size());
        row_loops().look_up(law.target.data(), levels.data(), size(), g());
    }

    void add_uniform_error() {
        constexpr double kSqrt3 = 1.7320508075688772935;
        Counter bits{};
        for (size_t i = 0; i < size(); ++i) {
            if (i % 4 == 0) bits = random(streams.programming_error, i / 4);
            buffers.g[i] += law.write_deviation[levels[i]] * (kSqrt3 * (2 * uniform(bits[i % 4]) - 1));
        }
    }

    /// In a closed loop, in siemens.
    void write_and_verify(WriteReport& report) {
        const double siemens = law.grid.siemens;
        for (size_t i = 0; i < size(); ++i) g()[i] *= siemens;
        write_verify_row(law.cell.write_verify, law.cell.switching, law.cell.g_min, law.cell.g_max,
                         streams.write_verify, array, row, buffers.g, buffers.g, report);
        for (size_t i = 0; i < size(); ++i) g()[i] /= siemens;
    }

    void write() {
        if (law.write_deviation.empty() && law.lognormal_sigma == 0) return;
        if (law.cell.programming_error.model == ProgrammingErrorOptions::Model::uniform) return add_uniform_error();
        const float* xi = gaussians(streams.programming_error);
        const double sigma = law.lognormal_sigma;
        if (sigma > 0) {
            for (size_t i = 0; i < size(); ++i) g()[i] *= fixed_exp_within(sigma * static_cast<double>(xi[i]));
        } else {
            row_loops().add_deviations(law.write_deviation.data(), levels.data(), xi, size(), g());
        }
    }

    /// From a user's table, at the age of the conditions.
    void draw_from_table() {
        if (law.measured.empty()) return;
        if (!law.cell.measured.table->has_samples()) {
            const float* xi = gaussians(streams.measured_device);
            for (size_t i = 0; i < size(); ++i) {
                const MeasuredLevel& level = law.measured[levels[i]];
                g()[i] = level.mean + level.deviation * static_cast<double>(xi[i]);
            }
            return;
        }
        Counter bits{};
        for (size_t i = 0; i < size(); ++i) {
            if (i % 4 == 0) bits = random(streams.measured_device, i / 4);
            const MeasuredLevel& level = law.measured[levels[i]];
            const double u = uniform(bits[i % 4]);
            double sum = 0;
            for (size_t k = 0; k < level.share.size(); ++k)
                if (level.share[k] > 0) sum += level.share[k] * quantile(*level.samples[k], u);
            buffers.g[i] = sum;
        }
    }

    void take_measured(std::span<const double> measured, ProgrammingReport& report) {
        for (size_t i = 0; i < measured.size(); ++i) {
            if (std::isnan(measured[i])) continue;
            buffers.g[i] = measured[i];
            ++report.measured;
        }
    }

    /// A cell holds 0 to the ceiling. Returns how many would not, what rounds to the ends not counted.
    int64_t clip() { return row_loops().clip(static_cast<double>(law.grid.ceiling), size(), g()); }

    void vary_devices() {
        if (law.device_sigma == 0) return;
        const float* xi = gaussians(streams.device_to_device);
        const double sigma = law.device_sigma;
        for (size_t i = 0; i < size(); ++i) g()[i] *= 1 + sigma * static_cast<double>(xi[i]);
    }

    void relax() {
        if (law.relaxation_mean.empty()) return;
        const float* xi = gaussians(streams.relaxation);
        for (size_t i = 0; i < size(); ++i) g()[i] += law.relaxation_mean[levels[i]];
        row_loops().add_deviations(law.relaxation_deviation.data(), levels.data(), xi, size(), g());
        clip();  // before it drifts: what is 0 stays 0
    }

    void drift() {
        if (!law.drifts()) return;
        const float* xi = gaussians(streams.drift);
        std::vector<double>& nu = buffers.exponent;
        nu.resize(size());
        row_loops().look_up(law.drift_exponent.data(), levels.data(), size(), nu.data());
        row_loops().add_deviations(law.drift_deviation.data(), levels.data(), xi, size(), nu.data());
        if (law.cell.drift.folded)
            for (size_t i = 0; i < size(); ++i) nu[i] = std::abs(nu[i]);
        if (law.cell.drift.model == DriftOptions::Model::power)
            row_loops().fall_by_power(nu.data(), law.drift_log, size(), g());
        else
            fall_by_decade(nu.data());
    }

    void fall_by_decade(const double* nu) {
        double* values = g();
        for (size_t i = 0; i < size(); ++i) {
            const double share = 1 - nu[i] * law.drift_log;
            values[i] *= share > 0 ? share : 0;
        }
    }

    void contract() {
        for (const Contraction& c : law.contractions)
            for (size_t i = 0; i < size(); ++i) g()[i] = c.center + (g()[i] - c.center) * c.factor;
    }

    void stick(std::span<const double> stuck) {
        for (size_t i = 0; i < stuck.size(); ++i)
            if (!std::isnan(stuck[i])) buffers.g[i] = stuck[i];
    }

    void read_in_circuit() {
        if (law.heat != 1)
            for (size_t i = 0; i < size(); ++i) g()[i] *= law.heat;
        if (law.series > 0)
            for (size_t i = 0; i < size(); ++i) g()[i] /= 1 + g()[i] * law.series;
    }

    /// Noise of the reader: variances of a conversion from the conductances as they are.
    void add_variances(std::span<float> variance) {
        if (variance.empty()) return;
        row_loops().find_variances(g(), law.square_noise, law.linear_noise, size(), variance.data());
    }

    void flicker(const CellRow& out) {
        std::fill(out.wander.begin(), out.wander.end(), 0.0f);  // traps may be all that wanders
        if (law.flicker.empty()) return;
        const Persistence persists = law.cell.read_noise.flicker.persists;
        const bool absolute = law.cell.read_noise.flicker.absolute;
        const auto rms = [&](size_t i) { return law.flicker[levels[i]] * (absolute ? 1.0 : g()[i]); };
        if (persists == Persistence::conversion) {
            for (size_t i = 0; i < size(); ++i) out.variance[i] += static_cast<float>(rms(i) * rms(i));
        } else if (persists == Persistence::chip) {
            const float* xi = gaussians(streams.flicker);
            for (size_t i = 0; i < size(); ++i) g()[i] += rms(i) * static_cast<double>(xi[i]);
        } else {
            for (size_t i = 0; i < size(); ++i) out.wander[i] = static_cast<float>(rms(i));
        }
    }

    void telegraph(const CellRow& out) {
        if (!law.has_traps()) return;
        const ReadNoiseOptions::Telegraph& noise = law.cell.read_noise.telegraph;
        const double filled = noise.filled_share();
        Counter bits{};
        for (size_t i = 0; i < size(); ++i) {
            if (i % 2 == 0) bits = random(streams.telegraph, i / 2);
            const size_t lane = 2 * (i % 2);
            const double fall = noise.amplitude * g()[i];
            const bool has_trap = uniform(bits[lane]) < noise.share_of_cells;
            switch (noise.persists) {
                case Persistence::conversion:
                    if (has_trap) buffers.g[i] -= fall * filled;
                    if (has_trap) out.variance[i] += static_cast<float>(fall * fall * filled * (1 - filled));
                    break;
                case Persistence::chip:
                    if (has_trap && uniform(bits[lane + 1]) < filled) buffers.g[i] -= fall;
                    break;
                case Persistence::product:
                case Persistence::sample:
                    out.trap[i] = has_trap ? static_cast<float>(fall) : 0.0f;
                    break;
            }
        }
    }

    void round(std::span<int32_t> out) {
        clip();
        row_loops().round(g(), size(), out.data());
    }
};

}  // namespace

std::string outside_of_model(const CellOptions& cell, const Conditions& conditions) {
    const std::string name = cell.name.empty() ? "the cell's model" : "the model of " + cell.name;
    const double t = conditions.time;
    const auto beyond = [](const std::vector<double>& range, double x) {
        return range.size() == 2 && !(x >= range[0] && x <= range[1]);
    };
    if (t > 0 && beyond(cell.valid.time, t))
        return fmt::format("{} covers {:.6g} to {:.6g} s after programming", name, cell.valid.time[0],
                           cell.valid.time[1]);
    const std::vector<double>& times = cell.relaxation.times;
    if (!times.empty() && t > times.back())
        return fmt::format("{} has data up to {:.6g} s after programming", name, times.back());
    if (const UserTable* table = cell.measured.table.get();
        table && t > 0 && (t < table->first_time() || t > table->times.back()))
        return fmt::format("{} has data from {:.6g} to {:.6g} s after programming", table->path, table->first_time(),
                           table->times.back());
    if (beyond(cell.valid.temperature, conditions.temperature))
        return fmt::format("{} covers {:.6g} to {:.6g} K", name, cell.valid.temperature[0], cell.valid.temperature[1]);
    return {};
}

ProgrammingReport& ProgrammingReport::operator+=(const ProgrammingReport& other) {
    cells += other.cells;
    stuck_low += other.stuck_low;
    stuck_high += other.stuck_high;
    stuck_other += other.stuck_other;
    open += other.open;
    open_word_lines += other.open_word_lines;
    open_bit_lines += other.open_bit_lines;
    faulty_digits += other.faulty_digits;
    unrepaired_digits += other.unrepaired_digits;
    measured += other.measured;
    clipped += other.clipped;
    write_verify += other.write_verify;
    return *this;
}

CellStreams cell_streams(uint64_t seed, uint32_t trial) {
    const auto key = [&](Purpose purpose) { return stream_key(seed, trial, purpose); };
    return {key(Purpose::programming_error), key(Purpose::stuck_at),      key(Purpose::device_to_device),
            key(Purpose::relaxation),        key(Purpose::drift),         key(Purpose::retention),
            key(Purpose::flicker),           key(Purpose::telegraph),     write_verify_streams(seed, trial),
            key(Purpose::open_word_line),    key(Purpose::open_bit_line), key(Purpose::measured_device)};
}

bool CellLaw::has_variance() const {
    const ReadNoiseOptions& noise = cell.read_noise;
    return square_noise > 0 || linear_noise > 0 ||
           (!flicker.empty() && noise.flicker.persists == Persistence::conversion) ||
           (has_traps() && noise.telegraph.persists == Persistence::conversion);
}

bool CellLaw::traps_wander() const { return has_traps() && outlasts_conversion(cell.read_noise.telegraph.persists); }

bool CellLaw::wanders() const {
    return (!flicker.empty() && outlasts_conversion(cell.read_noise.flicker.persists)) || traps_wander();
}

CellLaw make_cell_law(const CellOptions& cell, const Grid& grid, const Conditions& conditions) {
    if (const std::string reason = outside_of_model(cell, conditions); !reason.empty())
        throw ConfigError(
            fmt::format("time = {:.6g} s at {:.6g} K: {}", conditions.time, conditions.temperature, reason));
    CellLaw law;
    law.cell = cell;
    law.grid = grid;
    law.conditions = conditions;
    for (int level = 0; level < grid.levels(); ++level) law.target.push_back(level_target(cell, grid, level));
    law.device_sigma = cell.device_to_device.sigma;
    law.heat = 1 / arrhenius(cell.temperature.activation_energy, conditions.temperature,
                             cell.temperature.reference_temperature);
    // Beside anything that is not ohmic the resistance's share depends on the voltage: see current_voltage.h.
    law.series = is_ohmic(cell) ? cell.series.resistance * grid.siemens : 0;
    set_write_error(law);
    set_measured(law);
    set_relaxation(law);
    set_drift(law);
    set_retention(law);
    set_wear(law);
    set_noise(law);
    return law;
}

void write_row_exactly(const Grid& grid, std::span<const uint16_t> levels, std::span<int32_t> g) {
    for (size_t i = 0; i < g.size(); ++i) g[i] = grid.g_min + grid.level_step * levels[i];
}

void write_row(const CellLaw& law, const CellStreams& streams, uint32_t array, uint32_t row,
               std::span<const uint16_t> levels, const CellRow& out, ProgrammingReport& report) {
    thread_local RowBuffers buffers;
    RowWriter writer{law, streams, array, row, levels, buffers};
    report.cells += static_cast<int64_t>(levels.size());
    writer.flip();
    writer.place();
    if (law.cell.write_verify.method == WriteVerifyOptions::Method::none)
        writer.write();
    else
        writer.write_and_verify(report.write_verify);
    writer.draw_from_table();
    writer.vary_devices();
    report.clipped += writer.clip();
    writer.take_measured(out.measured, report);
    writer.relax();
    writer.drift();
    writer.contract();
    writer.stick(out.stuck);
    writer.read_in_circuit();
    writer.add_variances(out.variance);
    writer.flicker(out);
    writer.telegraph(out);
    writer.round(out.g);
}

}  // namespace bitline
