#include "training/products/correlate.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "training/products/padded.h"

namespace bitline::training::products {

namespace {

constexpr int64_t kPanelFloats = 32768;  // of weights, for one pass over an image: they stay in the second-level cache
constexpr int64_t kFewTasks = 16;        // with fewer, the rows of a sample are shared out, too

/// Rows of the target that are computed together, and their weights (depth x rows).
struct RowTile {
    int64_t first = 0;
    int rows = 0;
};

/// Rows in tiles of at most `most`, as even as can be.
std::vector<RowTile> row_tiles(int64_t rows, int64_t most) {
    const int64_t tiles = divide_up(rows, most);
    std::vector<RowTile> result;
    for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t first = rows * tile / tiles;
        result.push_back({first, int(rows * (tile + 1) / tiles - first)});
    }
    return result;
}

/// A vector of positions: where it begins in the padded copy, and what it holds of a line of the target.
struct Positions {
    int64_t source = 0;
    int64_t row = 0;    // of the part
    int64_t place = 0;  // col * lanes + sample
    int64_t count = 0;  // of positions, the vector's others are of no use
};

/// A phase of the target.
struct Part {
    const AxisPart* h = nullptr;
    const AxisPart* w = nullptr;
    std::vector<int64_t> offset;  // (depth)
    std::vector<Positions> positions;
    int64_t panels = 0;  // where the weights of group 0 begin
    int64_t depth() const { return int64_t(offset.size()); }
    bool dense() const { return h->step == 1 && w->step == 1; }
};

/// How a correlation is computed.
struct Plan {
    const Correlation& correlation;
    const TileSet& tiles;
    int64_t samples = 0;
    bool add = false;
    int64_t lanes = 1;         // samples side by side
    bool in_place = false;     // the source serves as it is
    bool flat = false;         // a plane is one line
    bool side_target = false;  // outputs of samples side by side are gathered before they go to their places
    int vectors = 1;           // of a tile
    std::vector<RowTile> rows = {};
    std::vector<Part> parts = {};
    int64_t group_panel = 0;  // floats
};

/// Positions that lie side by side where samples do not.
int64_t line_length(const Correlation& correlation, bool flat) {
    int64_t longest = 1;
    for (const AxisPart& part : correlation.w.parts) longest = std::max(longest, part.count);
    return flat ? correlation.target_plane() : longest;
}

/// One tap and no pads: the padded copy of a plane is a line of positions like any other.
bool is_flat(const Correlation& correlation) {
    const Axis &h = correlation.h, &w = correlation.w;
    return correlation.plain() && h.parts.size() == 1 && w.parts.size() == 1 && h.target == h.extent &&
           w.target == w.extent;
}

/// How many samples lie side by side: as few as fill the vectors well. What an output is does not depend on it.
int64_t side_by_side(int64_t line, int64_t plane, int64_t samples, int lanes) {
    int64_t best = 1;
    double best_use = 0;
    for (const int64_t count : {1, 2, 4, 8, 16, 32}) {
        if (count > 1 && count >= 2 * samples) break;
        const int64_t length = line * count;
        const double wanted = double(std::min<int64_t>(plane * count, 2 * lanes)) / (2 * lanes);  // two vectors a tile
        const double use = double(length) / double(divide_up(length, lanes) * lanes) * wanted;
        if (use > best_use + 0.1) {
            best = count;
            best_use = use;
        }
    }
    return best;
}

std::vector<Positions> positions_of(const Plan& plan, const AxisPart& h, const AxisPart& w) {
    const int64_t rows = plan.flat ? 1 : h.count;
    const int64_t length = (plan.flat ? h.count * w.count : w.count) * plan.lanes;
    std::vector<Positions> positions;
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t place = 0; place < length; place += plan.tiles.lanes) {
            positions.push_back({row * plan.correlation.pitch() * plan.lanes + place, row, place,
                                 std::min<int64_t>(plan.tiles.lanes, length - place)});
        }
    }
    return positions;
}

Plan make_plan(const Correlation& correlation, const TileSet& tiles, int64_t samples, bool add) {
    Plan plan{correlation, tiles, samples, add};
    plan.flat = is_flat(correlation);
    const int64_t line = line_length(correlation, plan.flat);
    plan.lanes = side_by_side(line, correlation.target_plane(), samples, tiles.lanes);
    plan.in_place = plan.lanes == 1 && correlation.plain() && line % tiles.lanes == 0;
    plan.rows = row_tiles(correlation.rows, tiles.rows);
    int most = 0;
    for (const RowTile& tile : plan.rows) most = std::max(most, tile.rows);
    plan.vectors = tiles.vectors[most];
    plan.side_target = plan.lanes > 1 && correlation.h.parts.size() == 1 && correlation.w.parts.size() == 1;
    for (const AxisPart& h : correlation.h.parts) {
        for (const AxisPart& w : correlation.w.parts) {
            if (add && (h.taps.empty() || w.taps.empty())) continue;  // nothing to add
            Part part{&h, &w, offsets(correlation, h, w), positions_of(plan, h, w), plan.group_panel};
            for (int64_t& offset : part.offset) offset *= plan.lanes;
            plan.group_panel += correlation.rows * part.depth();
            plan.parts.push_back(std::move(part));
        }
    }
    return plan;
}

// ---------------------------------------------------------------------------------------------- weights

/// The weights of a tile, (depth x rows), in the order of the offsets.
void pack(const Plan& plan, const Part& part, const RowTile& tile, const float* weights, float* panel) {
    const Correlation& correlation = plan.correlation;
    const float* first = weights + tile.first * correlation.row_stride;
    const auto taps = int64_t(part.h->taps.size() * part.w->taps.size());
    if (correlation.channel_stride == taps && correlation.row_stride == part.depth()) {  // rows are already in order
        plan.tiles.transpose(tile.rows, part.depth(), first, correlation.row_stride, panel, tile.rows);
        return;
    }
    for (int64_t channel = 0; channel < correlation.channels; ++channel) {
        for (const Tap& row : part.h->taps) {
            for (const Tap& col : part.w->taps) {
                const float* from =
                    first + channel * correlation.channel_stride + row.kernel * correlation.kernel_w + col.kernel;
                for (int r = 0; r < tile.rows; ++r) *panel++ = from[r * correlation.row_stride];
            }
        }
    }
}

void pack_all(const Plan& plan, const float* weights, float* panels) {
    const auto tiles = int64_t(plan.rows.size());
    parallel_for(plan.correlation.groups * tiles, [&](int64_t i) {
        const int64_t group = i / tiles;
        const RowTile& tile = plan.rows[size_t(i % tiles)];
        for (const Part& part : plan.parts) {
            pack(plan, part, tile, weights + group * plan.correlation.group_stride,
                 panels + group * plan.group_panel + part.panels + tile.first * part.depth());
        }
    });
}

// ---------------------------------------------------------------------------------------------- outputs

/// Where the outputs of a group of samples go.
struct Target {
    float* at;  // first sample, row `first_row` of the group
    int64_t first_row;
    int64_t row_stride;
    int64_t sample_stride;
    int64_t samples;
};

/// Brings a vector of outputs, (rows x the set's lanes), to its places.
void scatter(const Plan& plan, const Part& part, const Positions& positions, int rows, const TileTarget& from,
             const Target& target) {
    const int64_t line = (part.h->first + positions.row * part.h->step) * plan.correlation.w.target + part.w->first;
    const int64_t step = part.w->step;
    const auto put = [&](float& to, float output) { to = plan.add ? to + output : output; };
    for (int r = 0; r < rows; ++r) {
        const float* output = from.at + r * from.row_stride;
        float* to = target.at + r * target.row_stride + line;
        if (plan.lanes == 1) {
            for (int64_t i = 0; i < positions.count; ++i) put(to[(positions.place + i) * step], output[i]);
            continue;
        }
        for (int64_t i = 0; i < positions.count; ++i) {
            const int64_t col = (positions.place + i) / plan.lanes, sample = (positions.place + i) % plan.lanes;
            if (sample < target.samples) put(to[sample * target.sample_stride + col * step], output[i]);
        }
    }
}

/// Outputs of some tiles of rows at up to plan.vectors vectors of positions.
struct Strip {
    const Plan& plan;
    const Part& part;
    const float* panels;  // of the part and the group
    const Target& target;

    /// Where a vector's outputs go without a detour: whole vectors of neighbours, or the lines of samples side by side,
    /// beyond whose ends it may write, because what comes there is computed later.
    bool direct(const Positions& positions) const {
        if (plan.side_target) return true;
        return plan.lanes == 1 && part.dense() && positions.count == plan.tiles.lanes;
    }

    void compute(const Positions* positions, int vectors, const float* source, const RowTile& tile) const {
        constexpr int kMostLanes = 16;
        alignas(64) float outputs[kMostRows * kMostVectors * kMostLanes];
        Target rows = target;
        rows.at += (tile.first - target.first_row) * target.row_stride;
        const float* from[kMostVectors] = {};
        TileTarget to[kMostVectors];
        for (int v = 0; v < vectors; ++v) {
            from[v] = source + positions[v].source;
            const int64_t line = positions[v].row * plan.correlation.w.target * (plan.side_target ? plan.lanes : 1);
            to[v] =
                direct(positions[v])
                    ? TileTarget{rows.at + line + positions[v].place, rows.row_stride, plan.add && !plan.side_target}
                    : TileTarget{outputs + v * plan.tiles.lanes, int64_t{vectors} * plan.tiles.lanes, false};
        }
        plan.tiles.correlate[tile.rows][vectors](part.depth(), panels + tile.first * part.depth(), part.offset.data(),
                                                 from, to);
        for (int v = 0; v < vectors; ++v) {
            if (!direct(positions[v])) scatter(plan, part, positions[v], tile.rows, to[v], rows);
        }
    }

    /// Tiles of rows in passes whose weights stay in the cache; all positions in each.
    void run(const float* source, const RowTile* first, const RowTile* last) const {
        const auto count = int64_t(part.positions.size());
        const int64_t strips = divide_up(count, plan.vectors);
        const int64_t pass = std::max<int64_t>(1, kPanelFloats / std::max<int64_t>(1, part.depth() * plan.tiles.rows));
        for (const RowTile* begin = first; begin < last; begin += pass) {
            const RowTile* end = begin + std::min<int64_t>(pass, last - begin);
            for (int64_t strip = 0; strip < strips; ++strip) {
                const int64_t from = count * strip / strips, to = count * (strip + 1) / strips;
                for (const RowTile* tile = begin; tile < end; ++tile)
                    compute(&part.positions[size_t(from)], int(to - from), source, *tile);
            }
        }
    }
};

/// Brings the outputs of samples side by side, (rows x target.row_stride), to their places.
void deliver(const Plan& plan, int64_t rows, const float* from, int64_t from_stride, const Target& target) {
    static thread_local Buffer buffer;
    const int64_t size = target.row_stride;
    const bool whole = from_stride == size * plan.lanes;  // then the rows are one matrix
    for (int64_t row = 0; row < (whole ? 1 : rows); ++row) {
        const int64_t count = whole ? rows * size : size;
        float* to = target.at + row * size;
        if (!plan.add && target.samples == plan.lanes) {
            plan.tiles.transpose(count, plan.lanes, from + row * from_stride, plan.lanes, to, target.sample_stride);
            continue;
        }
        float* outputs = buffer.get(count * plan.lanes);
        plan.tiles.transpose(count, plan.lanes, from + row * from_stride, plan.lanes, outputs, count);
        for (int64_t n = 0; n < target.samples; ++n) {
            float* sample = to + n * target.sample_stride;
            for (int64_t i = 0; i < count; ++i)
                sample[i] = plan.add ? sample[i] + outputs[n * count + i] : outputs[n * count + i];
        }
    }
}

/// The source of some samples as the tiles read it.
const float* prepare(const Plan& plan, const float* source, int64_t samples) {
    if (plan.in_place) return source;
    static thread_local Buffer buffer;
    const Correlation& correlation = plan.correlation;
    const int64_t size = correlation.channels * correlation.plane() * plan.lanes;
    float* copy = buffer.get(size + kSlack);
    std::fill_n(copy + size, kSlack, 0.0F);
    copy_padded(correlation, plan.tiles, correlation.channels, samples, plan.lanes, source,
                correlation.groups * correlation.channels * correlation.source_plane(), copy);
    return copy;
}

/// Some tiles of rows, of each group, of the samples from `first` on.
void run_task(const Plan& plan, const float* source, const float* panels, float* target, int64_t first,
              const RowTile* begin, const RowTile* end) {
    static thread_local Buffer buffer;
    const Correlation& correlation = plan.correlation;
    const int64_t plane = correlation.target_plane();
    const int64_t source_group = correlation.channels * correlation.source_plane();
    const int64_t target_group = correlation.rows * plane;
    const int64_t first_row = begin->first, rows = end[-1].first + end[-1].rows - first_row;
    const bool exact = plan.correlation.w.target * plan.lanes % plan.tiles.lanes == 0;  // no line ends within a vector
    const int64_t side_stride = plane * plan.lanes + (exact ? 0 : plan.tiles.lanes);
    for (int64_t group = 0; group < correlation.groups; ++group) {
        const int64_t samples = std::min(plan.lanes, plan.samples - first);
        const float* from = prepare(plan, source + (first * correlation.groups + group) * source_group, samples);
        const Target to{target + (first * correlation.groups + group) * target_group + first_row * plane, first_row,
                        plane, target_group * correlation.groups, samples};
        const Target side{plan.side_target ? buffer.get(rows * side_stride) : nullptr, first_row, side_stride, 1,
                          samples};
        for (const Part& part : plan.parts) {
            const float* weights = panels + group * plan.group_panel + part.panels;
            Strip{plan, part, weights, plan.side_target ? side : to}.run(from, begin, end);
        }
        if (plan.side_target) deliver(plan, rows, side.at, side_stride, to);
    }
}

}  // namespace

void correlate(const Correlation& correlation, const TileSet& tiles, int64_t samples, const float* source,
               const float* weights, bool add, float* target) {
    if (samples == 0) return;
    const Plan plan = make_plan(correlation, tiles, samples, add);
    static thread_local Buffer buffer;  // read by the workers until this call returns
    float* panels = buffer.get(correlation.groups * plan.group_panel);
    pack_all(plan, weights, panels);
    const int64_t groups_of_samples = divide_up(samples, plan.lanes);
    const auto row_count = int64_t(plan.rows.size());
    const int64_t shares = std::clamp<int64_t>(kFewTasks / groups_of_samples, 1, row_count);
    parallel_for(groups_of_samples * shares, [&](int64_t i) {
        const int64_t share = i % shares;
        const RowTile* rows = plan.rows.data();
        run_task(plan, source, panels, target, i / shares * plan.lanes, rows + row_count * share / shares,
                 rows + row_count * (share + 1) / shares);
    });
}

}  // namespace bitline::training::products
