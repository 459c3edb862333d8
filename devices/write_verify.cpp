#include "devices/write_verify.h"

#include <algorithm>
#include <cmath>

namespace bitline {

namespace {

/// One cell's place and the band that its readings shall fall into.
struct Goal {
    double target = 0, tolerance = 0, read_sigma = 0;  // S
    uint32_t array = 0, row = 0, column = 0;

    CellGaussians numbers(StreamKey key) const { return {key, array, row, column}; }
    bool holds(double g) const { return std::abs(g - target) <= tolerance; }
};

/// The reading of a cell; counted.
double read_back(const WriteVerifyOptions& options, const Goal& goal, double g, CellGaussians& noise,
                 WriteReport& report) {
    ++report.reads;
    report.energy += options.read_energy;
    return goal.read_sigma > 0 ? g + goal.read_sigma * noise.next() : g;
}

void finish(const Goal& goal, bool accepted, double g, int64_t count, WriteReport& report) {
    ++report.cells;
    report.misses += accepted ? 0 : 1;
    report.outside += goal.holds(g) ? 0 : 1;
    report.most = std::max(report.most, count);
}

double attempt_cell(const WriteVerifyOptions& options, double sigma, const Goal& goal,
                    const WriteVerifyStreams& streams, WriteReport& report) {
    CellGaussians error = goal.numbers(streams.attempt), noise = goal.numbers(streams.read);
    double g = 0;
    bool accepted = false;
    int64_t attempts = 0;
    while (!accepted && attempts < options.limit) {
        g = std::max(0.0, goal.target + sigma * error.next());
        ++attempts;
        report.energy += options.pulse_energy;
        accepted = goal.holds(read_back(options, goal, g, noise, report));
    }
    report.attempts += attempts;
    finish(goal, accepted, g, attempts, report);
    return g;
}

double pulse_energy(const WriteVerifyOptions& options, const SwitchingOptions& switching, double g, bool up) {
    if (options.pulse_energy > 0) return options.pulse_energy;
    const double voltage = up ? switching.voltage_up : switching.voltage_down;
    return voltage * voltage * g * switching.pulse_width;
}

double pulse_cell(const WriteVerifyOptions& options, const SwitchingOptions& switching, const SwitchingDevice& device,
                  const Goal& goal, const WriteVerifyStreams& streams, WriteReport& report) {
    CellGaussians cycle = goal.numbers(streams.cycle), noise = goal.numbers(streams.read);
    double u = options.start == WriteVerifyOptions::Start::low ? 0 : 1;
    double g = device.conductance(u);
    int64_t pulses = 0;
    double reading = read_back(options, goal, g, noise, report);
    while (!goal.holds(reading) && pulses < options.limit) {
        const bool up = reading < goal.target;
        report.energy += pulse_energy(options, switching, g, up);
        ++(up ? report.pulses_up : report.pulses_down);
        ++pulses;
        const double xi = switching.cycle_sigma > 0 ? cycle.next() : 0;
        u = apply_pulse(switching, device, u, up ? PulseDirection::up : PulseDirection::down, xi);
        g = device.conductance(u);
        reading = read_back(options, goal, g, noise, report);
    }
    finish(goal, goal.holds(reading), g, pulses, report);
    return g;
}

bool has_spread(const SwitchingSpread& s) {
    return s.step > 0 || s.asymmetry > 0 || s.label > 0 || s.slope > 0 || s.range > 0;
}

}  // namespace

WriteReport& WriteReport::operator+=(const WriteReport& other) {
    cells += other.cells;
    pulses_up += other.pulses_up;
    pulses_down += other.pulses_down;
    attempts += other.attempts;
    reads += other.reads;
    misses += other.misses;
    outside += other.outside;
    most = std::max(most, other.most);
    energy += other.energy;
    return *this;
}

WriteVerifyStreams write_verify_streams(uint64_t seed, uint32_t trial) {
    return {stream_key(seed, trial, Purpose::switching_spread), stream_key(seed, trial, Purpose::switching_cycle),
            stream_key(seed, trial, Purpose::write_attempt), stream_key(seed, trial, Purpose::write_verify_read)};
}

void write_verify_row(const WriteVerifyOptions& options, const SwitchingOptions& switching, double g_min, double g_max,
                      const WriteVerifyStreams& streams, uint32_t array, uint32_t row, std::span<const double> target,
                      std::span<double> g, WriteReport& report) {
    const bool statistical = options.method == WriteVerifyOptions::Method::statistical;
    const bool varied = has_spread(switching.spread);
    SwitchingDevice device = nominal_device(switching, g_min, g_max);
    for (size_t i = 0; i < target.size(); ++i) {
        const auto column = static_cast<uint32_t>(i);
        const Goal goal{target[i], options.tolerance * g_max, options.read_sigma * g_max, array, row, column};
        if (statistical) {
            g[i] = attempt_cell(options, options.attempt_sigma * g_max, goal, streams, report);
        } else {
            if (varied) device = sample_device(switching, g_min, g_max, streams.spread, array, row, column);
            g[i] = pulse_cell(options, switching, device, goal, streams, report);
        }
    }
}

}  // namespace bitline
