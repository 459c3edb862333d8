#include "core/kernels/lookup_kernel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "core/kernels/bounds.h"
#include "core/kernels/noise.h"
#include "core/kernels/stages.h"

namespace bitline::kernels::lookup {

namespace {

constexpr size_t kAlignment = 64;
constexpr int kMostGroupRows = 8, kMostLanes = 64;
constexpr int kEntryBits = kPlaneBits * kMostPlanes;

/// The first cache line from `memory` on.
uint8_t* aligned(uint8_t* memory) {
    return memory + (kAlignment - reinterpret_cast<uintptr_t>(memory) % kAlignment) % kAlignment;
}

// ------------------------------------------------------------------------------------------------ tables

/// How one array of numbers becomes tables.
struct TablePlan {
    int32_t factor = 1;
    int32_t planes = 0, words = 0, groups = 0;
    size_t table = 0, bias = 0;  // places in Block::packed
};

size_t column_bytes(const Shape& shape, const TablePlan& plan) {
    return size_t(plan.planes) * size_t(plan.groups) * size_t(shape.table_bytes);
}

/// In front of the tables in Block::packed.
struct Header {
    TablePlan g, variance;
    int64_t largest_sum = 0;  // no |S| exceeds it
};

/// Largest sums of |number| over the rows of a group and over all rows.
struct Extent {
    int64_t group = 0, column = 0;
};

Extent extent_of(const Block& block, const std::vector<int32_t>& numbers, int group_rows) {
    std::vector<int64_t> group(size_t(block.cols)), column(size_t(block.cols));
    Extent extent;
    for (int row = 0; row < block.rows; ++row) {
        const int32_t* of_row = numbers.data() + int64_t(row) * block.cols;
        if (row % group_rows == 0) std::fill(group.begin(), group.end(), 0);
        for (int col = 0; col < block.cols; ++col) {
            const int64_t magnitude = std::abs(int64_t{of_row[col]});
            group[size_t(col)] += magnitude;
            column[size_t(col)] += magnitude;
            extent.group = std::max(extent.group, group[size_t(col)]);
        }
    }
    for (const int64_t sum : column) extent.column = std::max(extent.column, sum);
    return extent;
}

int planes_for(int64_t largest_entry) {
    int planes = 1;
    while (planes < kMostPlanes && largest_entry >> (planes * kPlaneBits)) ++planes;
    return planes;
}

/// How many 16-bit sums the planes need, where no sum of them all exceeds `largest`.
int words_for(int planes, int64_t largest) {
    if (planes == 1) return 1;
    // What lies below the two highest planes may have the other sign: at most 2^15 in each plane.
    const int below = kPlaneBits * (planes - 2);
    int64_t rest = 0;
    for (int bits = 0; bits < below; bits += kPlaneBits) rest += int64_t{1} << (15 + bits);
    return (largest + rest) >> below < 1 << 15 ? planes - 1 : planes;
}

/// What the entries of each column's tables hold more than the sums that they stand for, all groups together.
void write_biases(const Block& block, const std::vector<int32_t>& numbers, const TablePlan& plan, std::byte* packed) {
    auto* const bias = reinterpret_cast<int32_t*>(packed + plan.bias);
    std::fill_n(bias, block.cols, 0);
    for (int row = 0; row < block.rows; ++row) {
        const int32_t* of_row = numbers.data() + size_t(row) * size_t(block.cols);
        for (int col = 0; col < block.cols; ++col) bias[col] -= std::min(of_row[col] / plan.factor, 0);
    }
}

/// Tables of the columns from `first_col` to before `last_col`.
void write_tables(const Vector& vector, const Block& block, const std::vector<int32_t>& numbers, const TablePlan& plan,
                  int first_col, int last_col, uint8_t* table) {
    const Shape& shape = vector.shape;
    const size_t column = column_bytes(shape, plan), plane = column / size_t(plan.planes);
    for (int group = 0; group < plan.groups; ++group) {
        const int first = group * shape.group_rows, rows = std::clamp(block.rows - first, 0, shape.group_rows);
        uint8_t* out = table + size_t(group) * size_t(shape.table_bytes);
        for (int col = first_col; col < last_col; ++col, out += column) {
            int32_t of_rows[kMostGroupRows] = {}, start = 0;
            for (int i = 0; i < rows; ++i) {
                const int32_t number = numbers[size_t(first + i) * size_t(block.cols) + size_t(col)];
                of_rows[i] = plan.factor == 1 ? number : number / plan.factor;
                start -= std::min(of_rows[i], 0);
            }
            vector.write_table(of_rows, start, plan.planes, plane, out);
        }
    }
}

Tables tables_of(const Block& block, const TablePlan& plan) {
    Tables tables;
    tables.cols = block.cols;
    tables.groups = plan.groups;
    tables.planes = plan.planes;
    tables.words = plan.words;
    tables.factor = plan.factor;
    if (!block.compact) tables.table = reinterpret_cast<const uint8_t*>(block.packed.data() + plan.table);
    tables.bias = reinterpret_cast<const int32_t*>(block.packed.data() + plan.bias);
    return tables;
}

/// Memory for the tables of some columns of compact blocks, kept from call to call.
struct TableMemory {
    std::vector<uint8_t> bytes;

    void write(const Vector& vector, const Block& block, const std::vector<int32_t>& numbers, const TablePlan& plan,
               int first_col, int last_col, Tables& tables) {
        bytes.resize(size_t(last_col - first_col) * column_bytes(vector.shape, plan) + kAlignment);
        write_tables(vector, block, numbers, plan, first_col, last_col, aligned(bytes.data()));
        tables.first_col = first_col;
        tables.table = aligned(bytes.data());
    }
};

// ------------------------------------------------------------------------------------------------ tiles

/// Digit rows of one tile: either neighbouring vectors in one cycle, or all cycles of some vectors one after another.
struct Tile {
    int first_vector = 0, vectors = 0;
    int cycle = -1;     // -1: all cycles
    int first_row = 0;  // then: first digit row, counted from cycle 0 of first_vector
};

struct DigitRow {
    int vector = -1, cycle = 0;  // vector -1: none
};

DigitRow row_of(const Tile& tile, int lane, int cycles) {
    if (tile.cycle >= 0) return lane < tile.vectors ? DigitRow{tile.first_vector + lane, tile.cycle} : DigitRow{};
    const int row = tile.first_row + lane;
    return row < tile.vectors * cycles ? DigitRow{tile.first_vector + row / cycles, row % cycles} : DigitRow{};
}

/// Vectors side by side where they fill most of a tile; the few that are left over, cycle after cycle.
std::vector<Tile> plan_tiles(const Drive& drive, int lanes) {
    std::vector<Tile> tiles;
    int vector = 0;
    while (drive.vectors - vector > lanes / 2 || (drive.cycles == 1 && vector < drive.vectors)) {
        const int count = std::min(lanes, drive.vectors - vector);
        for (int cycle = 0; cycle < drive.cycles; ++cycle) tiles.push_back({vector, count, cycle, 0});
        vector += count;
    }
    const int left = drive.vectors - vector;
    for (int row = 0; row < left * drive.cycles; row += lanes) tiles.push_back({vector, left, -1, row});
    return tiles;
}

/// Whether two tiles share their totals.
bool share_slot(const Tile& a, const Tile& b) {
    return a.cycle >= 0 && b.cycle >= 0 && a.first_vector == b.first_vector;
}

int32_t halves(int64_t weight) {
    const int64_t first = weight >> 1, second = weight - first;
    return int32_t(uint32_t(uint16_t(first)) | uint32_t(uint16_t(second)) << 16);
}

bool has_halves(int64_t weight) { return weight >= -65536 && weight <= 65534; }

/// Memory of one pass, kept from call to call.
struct PassMemory {
    std::vector<const uint64_t*> bits;
    std::vector<uint8_t> index, draws, words;
    std::vector<TileInfo> tile;
    std::vector<int32_t> slot_vector, weight;  // slot_vector: (slots x lanes), -1: none
    std::vector<int16_t> valid;
    std::vector<uint32_t> counter;

    std::span<const int32_t> slot_vectors() const { return slot_vector; }

    /// Lays out some tiles; `noise` may be null.
    Pass view(const Shape& shape, const Block& block, const Drive& drive, std::span<const Tile> tiles,
              const kernels::Noise* noise) {
        const auto lanes = size_t(shape.lanes), used = tiles.size();
        Pass pass;
        if (stage_ticks) pass.product_ticks = &stage_ticks->product;
        pass.used = int(used);
        pass.tiles = round_up(pass.used, kBatch);
        pass.index_groups =
            round_up((block.rows + shape.group_rows - 1) / shape.group_rows, std::lcm(shape.groups_per_step, kBatch));
        bits.assign(size_t(pass.tiles) * lanes, nullptr);
        const size_t of_tile = index_stride(pass.index_groups, shape.lanes);
        index.resize(size_t(pass.tiles) * of_tile + kAlignment);
        words.resize(size_t(2 * kMostPlanes + 1) * kPage);
        tile.assign(used, {});
        slot_vector.clear();
        weight.assign(used * lanes, 0);
        valid.assign(used * lanes, 0);
        if (noise) {
            counter.assign(used * lanes * 4, 0);
            draws.resize(used * lanes * 16 + kAlignment);
        }
        for (size_t t = 0; t < used; ++t) fill_tile(shape, block, drive, tiles, t, noise, pass);
        pass.bits = bits.data();
        pass.index = aligned(index.data());
        // The end of the last tile of a batch, in another page.
        const auto end = reinterpret_cast<uintptr_t>(pass.index + kBatch * of_tile - words_bytes(shape.lanes)) % kPage;
        const auto start = reinterpret_cast<uintptr_t>(words.data()) % kPage;
        pass.words = words.data() + (kPage + end - start) % kPage;
        pass.tile = tile.data();
        pass.valid = valid.data();
        pass.weight = weight.data();
        pass.counter = counter.data();
        pass.draws = aligned(draws.data());
        return pass;
    }

 private:
    void fill_tile(const Shape& shape, const Block& block, const Drive& drive, std::span<const Tile> tiles, size_t t,
                   const kernels::Noise* noise, Pass& pass) {
        const auto lanes = size_t(shape.lanes), first = t * lanes;
        const bool opens_slot = t == 0 || !share_slot(tiles[t - 1], tiles[t]);
        pass.slots += opens_slot;
        const bool one_cycle = tiles[t].cycle >= 0;
        tile[t].slot = pass.slots - 1;
        tile[t].cycle_weight = one_cycle ? int32_t(drive.cycle_weight[tiles[t].cycle]) : 0;
        tile[t].full = one_cycle && tiles[t].vectors == shape.lanes;

        std::array<DigitRow, kMostLanes> rows;
        for (int lane = 0; lane < shape.lanes; ++lane) rows[size_t(lane)] = row_of(tiles[t], lane, drive.cycles);
        const int of_row = words_of(block.rows);
        for (size_t lane = 0; lane < lanes; ++lane) {
            if (rows[lane].vector < 0) continue;
            bits[first + lane] = drive.bits + (int64_t{rows[lane].vector} * drive.cycles + rows[lane].cycle) * of_row;
        }
        for (size_t k = 0; k < lanes; ++k) {
            const DigitRow code = rows[size_t(lane_of_code(int(k), shape.lanes))];
            const DigitRow total = rows[size_t(lane_of_total(int(k), shape.lanes))];
            if (code.vector >= 0) valid[first + k] = -1;
            if (total.vector >= 0) weight[first + k] = halves(drive.cycle_weight[total.cycle]);
            if (opens_slot) slot_vector.push_back(total.vector);
        }
        if (noise) fill_counters(shape, block, drive, rows, *noise, counter.data() + first * 4);
    }

    static void fill_counters(const Shape& shape, const Block& block, const Drive& drive,
                              const std::array<DigitRow, kMostLanes>& rows, const kernels::Noise& noise,
                              uint32_t* out) {
        const auto per_cycle = uint32_t(block.cols + 3) / 4;
        const int parts = shape.lanes / 16;
        for (int lane = 0; lane < shape.lanes; ++lane) {
            const DigitRow row = rows[size_t(lane)];
            if (row.vector < 0) continue;
            uint32_t* const to = out + (lane % 16 * parts + lane / 16) * 4;
            to[0] = uint32_t(row.cycle) * per_cycle;
            to[1] = drive.position[row.vector];
            to[2] = drive.sample[row.vector];
            to[3] = noise.block;
        }
    }
};

/// So many tiles that their indices stay in the first-level cache.
size_t tiles_per_pass(const Shape& shape, const Block& block) {
    constexpr int kIndexBytes = 8 << 10, kMostTiles = 64;
    const int groups = round_up((block.rows + shape.group_rows - 1) / shape.group_rows, shape.groups_per_step);
    return size_t(std::clamp(kIndexBytes / (groups * shape.lanes) / kBatch * kBatch, kBatch, kMostTiles));
}

/// Passes that are prepared together: their indices stay in the second-level cache.
constexpr size_t kPasses = 8;
struct Passes {
    std::array<PassMemory, kPasses> memory;
    std::array<Pass, kPasses> view;
    std::array<std::span<const Tile>, kPasses> tiles;
    size_t count = 0;
};

/// body(passes) for all tiles, some passes at a time.
template <class Body>
void for_passes(const Vector& vector, const Block& block, const Drive& drive, const kernels::Noise* noise,
                Passes& passes, const Body& body) {
    const std::vector<Tile> tiles = plan_tiles(drive, vector.shape.lanes);
    const size_t step = tiles_per_pass(vector.shape, block);
    for (size_t first = 0; first < tiles.size();) {
        for (passes.count = 0; passes.count < kPasses && first < tiles.size(); ++passes.count, first += step) {
            const size_t p = passes.count;
            passes.tiles[p] = std::span(tiles).subspan(first, std::min(step, tiles.size() - first));
            passes.view[p] = passes.memory[p].view(vector.shape, block, drive, passes.tiles[p], noise);
            vector.index_pass(passes.view[p], words_of(block.rows));
        }
        body(passes);
    }
}

// ------------------------------------------------------------------------------------------------ conversion

/// As the vector part wants them.
struct ConverterArrays {
    std::vector<float> step32, offset32, own;
    std::vector<double> offset64;
    Converters view;

    ConverterArrays(const Block& block, const Converter& converter)
        : offset64(converter.offset), view(view_of(converter)) {
        for (double& offset : offset64) offset += view.anchor;
        step32.assign(converter.inv_step.begin(), converter.inv_step.end());
        offset32.assign(offset64.begin(), offset64.end());
        for (int col = 0; col < block.cols; ++col) own.push_back(noise_scale(block, converter, col).own);
        view.step32 = step32.data();
        view.offset32 = offset32.data();
        view.step64 = converter.inv_step.data();
        view.offset64 = offset64.data();
    }
};

/// Columns that add to one output and whose totals fit in 32 bits together; a column alone is weighted in 64 bits.
struct RunPlan {
    std::vector<int32_t> end, column_weight;
    std::vector<int32_t> output;  // of each run
    std::vector<int64_t> weight;  // of each run

    RunPlan(const Readout& readout, int cols, int64_t largest_total) {
        int64_t weights = 0;
        for (int col = 0; col < cols; ++col) {
            const int64_t next = readout.column_weight[size_t(col)];
            const bool small = std::abs(next) <= kMax32 / std::max<int64_t>(largest_total, 1);
            const bool joins = !end.empty() && small && weight.back() == 1 &&
                               output.back() == readout.column_output[size_t(col)] &&
                               (weights + std::abs(next)) * largest_total <= kMax32;
            if (!joins) {
                end.push_back(0);
                output.push_back(readout.column_output[size_t(col)]);
                weight.push_back(small ? 1 : next);
                weights = 0;
            }
            column_weight.push_back(small ? int32_t(next) : 1);
            weights += std::abs(next);
            end.back() = col + 1;
        }
    }
};

/// First runs of blocks of columns whose tables stay in the second-level cache, and the number of runs behind them.
std::vector<int> run_blocks(const RunPlan& runs, size_t column_bytes) {
    constexpr size_t kTableBytes = 160 << 10;
    const auto columns = int32_t(std::max<size_t>(1, kTableBytes / column_bytes));
    std::vector<int> first = {0};
    int32_t start = 0;
    for (size_t run = 0; run + 1 < runs.end.size(); ++run) {
        if (runs.end[run + 1] - start <= columns) continue;
        first.push_back(int(run) + 1);
        start = runs.end[run];
    }
    first.push_back(int(runs.end.size()));
    return first;
}

/// Where the totals of runs go.
struct Sink {
    const RunPlan& runs;
    std::span<const int32_t> slot_vector;
    int outputs = 0;
    int64_t* acc = nullptr;

    static void add(void* context, int first_run, int count, const int32_t* totals) {
        const auto& sink = *static_cast<const Sink*>(context);
        const size_t stride = sink.slot_vector.size();
        const int32_t* const output = sink.runs.output.data() + first_run;
        const int64_t* const weight = sink.runs.weight.data() + first_run;
        for (size_t k = 0; k < stride; ++k) {
            const int32_t vector = sink.slot_vector[k];
            if (vector < 0) continue;
            int64_t* const out = sink.acc + int64_t{vector} * sink.outputs;
            for (int run = 0; run < count; ++run) out[output[run]] += totals[size_t(run) * stride + k] * weight[run];
        }
    }
};

}  // namespace

bool pack(const Vector& vector, Block& block) {
    const Shape& shape = vector.shape;
    if (block.rows < 1 || block.rows > kMostRows) return false;
    Header header;
    const Extent g = extent_of(block, block.g, shape.group_rows);
    const Extent variance = block.variance.empty() ? Extent{} : extent_of(block, block.variance, shape.group_rows);
    if (std::max(g.column, variance.column) > kMax32 / 2) return false;
    header.largest_sum = g.column;
    header.g.factor = common_factor(block.g);
    if (std::max(g.group / header.g.factor, variance.group) >> kEntryBits) return false;
    header.g.planes = planes_for(g.group / header.g.factor);
    header.g.words = words_for(header.g.planes, g.column / header.g.factor);
    header.variance.planes = planes_for(variance.group);
    header.variance.words = words_for(header.variance.planes, variance.column);

    size_t size = 0;  // behind the header, on cache lines
    const auto reserve = [&size](size_t bytes) {
        const size_t place = size;
        size = (place + bytes + kAlignment - 1) / kAlignment * kAlignment;
        return place;
    };
    const int groups = round_up((block.rows + shape.group_rows - 1) / shape.group_rows, kBatch);
    for (TablePlan* plan : {&header.g, &header.variance}) {
        if (plan == &header.variance && block.variance.empty()) continue;
        plan->groups = groups;
        if (!block.compact) plan->table = reserve(size_t(block.cols) * column_bytes(shape, *plan));
        plan->bias = reserve(size_t(block.cols) * sizeof(int32_t));
    }
    block.packed.resize(sizeof(Header) + kAlignment + size);
    const auto start = reinterpret_cast<uintptr_t>(block.packed.data()) + sizeof(Header);
    // A copy may lie elsewhere and not be aligned: slower, and as right.
    const size_t first = sizeof(Header) + (kAlignment - start % kAlignment) % kAlignment;
    for (TablePlan* plan : {&header.g, &header.variance}) {
        plan->table += first;
        plan->bias += first;
    }
    std::memcpy(block.packed.data(), &header, sizeof(Header));
    const auto write = [&](const std::vector<int32_t>& numbers, const TablePlan& plan) {
        write_biases(block, numbers, plan, block.packed.data());
        if (block.compact) return;
        auto* const table = reinterpret_cast<uint8_t*>(block.packed.data() + plan.table);
        write_tables(vector, block, numbers, plan, 0, block.cols, table);
    };
    write(block.g, header.g);
    if (!block.variance.empty()) write(block.variance, header.variance);
    return true;
}

void sums(const Vector& vector, const Block& block, const Drive& drive, int64_t* out) {
    constexpr int kColumns = 16;  // written together: neighbours in `out`
    const TablePlan plan = packed_header<Header>(block).g;
    Tables tables = tables_of(block, plan);
    const auto lanes = size_t(vector.shape.lanes);
    thread_local Passes memory;
    thread_local TableMemory table_memory;
    std::vector<int32_t> columns;
    std::array<std::vector<int64_t>, kPasses> places;  // of each lane's digit row in `out`; -1: no such lane
    const auto find_places = [&](const Pass& pass, std::span<const Tile> tiles, std::vector<int64_t>& place) {
        place.assign(size_t(pass.used) * lanes, -1);
        for (size_t k = 0; k < place.size(); ++k) {
            const DigitRow row =
                row_of(tiles[k / lanes], lane_of_total(int(k % lanes), vector.shape.lanes), drive.cycles);
            if (row.vector >= 0) place[k] = (int64_t{row.vector} * drive.cycles + row.cycle) * block.cols;
        }
    };
    const auto write = [&](const Pass& pass, const std::vector<int64_t>& place, int first, int count) {
        const size_t size = place.size();
        columns.resize(size * kColumns);
        for (int i = 0; i < count; ++i) vector.sums(tables, pass, first + i, columns.data() + size_t(i) * size);
        for (size_t k = 0; k < size; ++k) {
            if (place[k] < 0) continue;
            int64_t* const to = out + place[k] + first;
            for (int i = 0; i < count; ++i) to[i] = columns[size_t(i) * size + k];
        }
    };
    for_passes(vector, block, drive, nullptr, memory, [&](const Passes& passes) {
        for (size_t p = 0; p < passes.count; ++p) find_places(passes.view[p], passes.tiles[p], places[p]);
        for (int first = 0; first < block.cols; first += kColumns) {
            const int count = std::min(kColumns, block.cols - first);
            if (block.compact) table_memory.write(vector, block, block.g, plan, first, first + count, tables);
            for (size_t p = 0; p < passes.count; ++p) write(passes.view[p], places[p], first, count);
        }
    });
}

bool fits(const Block& block, const Converter& converter, const Drive& drive) {
    constexpr double kLargestT = 1 << 30;
    return std::all_of(drive.cycle_weight, drive.cycle_weight + drive.cycles, has_halves) &&
           largest_code(converter) * sum_of_weights(drive) <= kMax32 &&
           (converter.wide || largest_code(converter) <= std::numeric_limits<int16_t>::max()) &&
           (converter.wide || largest_t(block, converter, packed_header<Header>(block).largest_sum) < kLargestT);
}

int64_t convert(const Vector& vector, const Block& block, const Converter& converter, const Readout& readout,
                const Drive& drive, const kernels::Noise* noise, int64_t* acc) {
    const Header header = packed_header<Header>(block);
    Tables tables = tables_of(block, header.g);
    Tables variance = block.variance.empty() ? Tables{} : tables_of(block, header.variance);
    const ConverterArrays converters(block, converter);
    const RunPlan runs(readout, block.cols, largest_code(converter) * sum_of_weights(drive));
    Noise source;
    source.on = has_noise(block, converter, noise);
    if (source.on) {
        source.variance = block.variance.empty() ? nullptr : &variance;
        source.unit = noise_scale(block, converter, 0).unit;
        source.own = converters.own.data();
        source.k0 = noise->key.k0;
        source.k1 = noise->key.k1;
    }
    thread_local Passes memory;
    thread_local TableMemory of_g, of_variance;
    thread_local std::vector<int32_t> totals;
    const std::vector<int> blocks =
        run_blocks(runs, column_bytes(vector.shape, header.g) + column_bytes(vector.shape, header.variance));
    int64_t clipped = 0;
    for_passes(vector, block, drive, source.on ? noise : nullptr, memory, [&](const Passes& passes) {
        for (size_t first = 0; first + 1 < blocks.size(); ++first) {
            if (block.compact) {
                const int first_col = blocks[first] == 0 ? 0 : runs.end[size_t(blocks[first]) - 1];
                const int last_col = runs.end[size_t(blocks[first + 1]) - 1];
                of_g.write(vector, block, block.g, header.g, first_col, last_col, tables);
                if (source.variance) {
                    of_variance.write(vector, block, block.variance, header.variance, first_col, last_col, variance);
                }
            }
            for (size_t p = 0; p < passes.count; ++p) {
                const Pass& pass = passes.view[p];
                totals.resize(size_t(pass.slots) * size_t(vector.shape.lanes) * kRunsAtOnce);
                Sink sink{runs, passes.memory[p].slot_vectors(), readout.outputs, acc};
                const Runs view{blocks[first], blocks[first + 1], runs.end.data(), totals.data()};
                clipped += vector.convert(tables, pass, view, converters.view, source,
                                          {Sink::add, &sink, runs.column_weight.data()});
            }
        }
    });
    return clipped;
}

}  // namespace bitline::kernels::lookup
