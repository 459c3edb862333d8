#include "mapping/wander.h"

#include <cmath>

namespace bitline {

namespace {

constexpr double kLargestDeviate = 6.5;  // of `gaussian`

uint32_t position_of(Persistence persists, WanderMoment moment) {
    return persists == Persistence::product ? moment.position : 0xFFFFFFFFU;
}

void add_flicker(const Wander& wander, StreamKey key, uint32_t block, uint32_t sample, uint32_t position,
                 std::vector<double>& shift) {
    std::vector<float> xi(wander.places);
    kernels::active().gaussians(key, 0, block, sample, position, xi.size(), xi.data());
    for (size_t i = 0; i < shift.size(); ++i)
        shift[i] += static_cast<double>(wander.rms[i]) * static_cast<double>(xi[i % wander.places]);
}

/// A filled trap lowers its cell; the second cell of a pair counts negative.
void add_telegraph(const Wander& wander, StreamKey key, double filled, uint32_t block, uint32_t sample,
                   uint32_t position, std::vector<double>& shift) {
    const auto per_column = static_cast<size_t>(wander.cells_per_column);
    const size_t cells = wander.places * per_column;
    Counter bits{};
    for (size_t cell = 0; cell < cells; ++cell) {
        if (cell % 4 == 0) bits = philox({static_cast<uint32_t>(cell / 4), block, sample, position}, key);
        if (uniform(bits[cell % 4]) >= filled) continue;
        for (size_t at = cell; at < wander.trap.size(); at += cells) {
            const auto fall = static_cast<double>(wander.trap[at]);
            shift[at / per_column] += at % per_column == 0 ? -fall : fall;
        }
    }
}

}  // namespace

WanderStreams wander_streams(uint64_t seed, uint32_t trial) {
    return {stream_key(seed, trial, Purpose::wandering_flicker), stream_key(seed, trial, Purpose::wandering_telegraph)};
}

void largest_wander(const Wander& wander, std::vector<int64_t>& largest) {
    const auto per_column = static_cast<size_t>(wander.cells_per_column);
    largest.resize(wander.rms.size());
    for (size_t i = 0; i < largest.size(); ++i) {
        double steps = kLargestDeviate * static_cast<double>(wander.rms[i]);
        for (size_t k = 0; k < per_column && !wander.trap.empty(); ++k)
            steps += std::abs(static_cast<double>(wander.trap[i * per_column + k]));
        largest[i] = static_cast<int64_t>(steps) + 1;
    }
}

void draw_wander(const kernels::Block& cells, const Wander& wander, const ReadNoiseOptions& noise,
                 const WanderStreams& streams, uint32_t block, WanderMoment moment, kernels::Block& out) {
    std::vector<double> shift(cells.g.size());
    add_flicker(wander, streams.flicker, block, moment.sample, position_of(noise.flicker.persists, moment), shift);
    if (noise.telegraph.amplitude > 0)
        add_telegraph(wander, streams.telegraph, noise.telegraph.filled_share(), block, moment.sample,
                      position_of(noise.telegraph.persists, moment), shift);
    out = cells;
    for (size_t i = 0; i < shift.size(); ++i) out.g[i] += static_cast<int32_t>(std::floor(shift[i] + 0.5));
    kernels::active().pack(out);
}

bool wanders_by_product(const ReadNoiseOptions& noise) {
    return (!is_zero(noise.flicker.amplitude) && noise.flicker.persists == Persistence::product) ||
           (noise.telegraph.amplitude > 0 && noise.telegraph.persists == Persistence::product);
}

}  // namespace bitline
