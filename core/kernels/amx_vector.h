#pragma once

// One-bit digits by tile products, the vector part. Included behind the instructions (amx_instructions.h, or plain
// loops in the tests).
//
// Sixteen vectors at a time: their bits become bytes once, for all cycles and columns. A tile of columns then stays in
// four tile registers while the cycles pass. Tiles take turns, so that the conversion of one cycle's sums, which is
// ordinary vector code, runs while the next cycle is multiplied.

#include "core/kernels/amx.h"
#include "core/kernels/noise_vector.h"

namespace bitline::kernels::amx {
namespace {

// Tile registers. Sums: 0 and 1. A chunk of numbers: low bytes, then high ones.
constexpr int kFirstDigits = 2, kSecondDigits = 3;
constexpr int kFirstNumbers = 4, kSecondNumbers = 6;

// ------------------------------------------------------------------------------------------------ products

/// Tiles no larger than what is there: smaller ones are multiplied faster.
inline void configure_for(const Layout& layout, int vectors) {
    TileConfiguration tiles;
    const bool padded = layout.chunks > 2;
    const int first_depth = layout.chunks == 1 ? layout.last_depth : kDepth;
    const int second_depth = padded ? kDepth : layout.last_depth;
    tiles.row_bytes[kFirstDigits] = uint16_t(first_depth);
    tiles.row_bytes[kSecondDigits] = uint16_t(second_depth);
    for (int tile = 0; tile < 8; ++tile) {
        if (tile != kFirstDigits && tile != kSecondDigits) tiles.row_bytes[tile] = kColumns * sizeof(int32_t);
        tiles.rows[tile] = uint8_t(vectors);
    }
    for (int tile = kFirstNumbers; tile < 8; ++tile) {
        tiles.rows[tile] = uint8_t((tile < kSecondNumbers ? first_depth : second_depth) / 4);
    }
    configure(tiles);
}

/// Bits of some vectors as bytes of 0 and -1, row after row of each cycle and chunk.
inline void spread_digits(const Job& job, int first_vector, int vectors) {
    const int chunks = job.layout.chunks, cycles = job.drive.cycles;
    const uint64_t* bits = job.drive.bits + size_t(first_vector) * cycles * chunks;
    for (int vector = 0; vector < vectors; ++vector) {
        uint8_t* row = job.scratch.digits + vector * kDepth;
        for (int tile = 0; tile < cycles * chunks; ++tile) store(row + size_t(tile) * kTileBytes, spread_bits(*bits++));
    }
}

template <int kLow>
void load_chunk(const Numbers& numbers, const uint8_t* tile) {
    load_tile<kLow>(tile);
    if (numbers.limbs > 1) load_tile<kLow + 1>(tile + kTileBytes);
}

/// Two chunks, or the one that is left.
inline void load_chunks(const Numbers& numbers, const uint8_t* tile, int chunks) {
    load_chunk<kFirstNumbers>(numbers, tile);
    if (chunks > 1) load_chunk<kSecondNumbers>(numbers, tile + numbers.limbs * kTileBytes);
}

template <int kSum, int kDigits, int kLow>
void add_chunk(const Numbers& numbers, const uint8_t* digits) {
    load_tile<kDigits>(digits);
    add_signed<kSum, kDigits, kLow>();
    if (numbers.limbs == 1) return;
    if (numbers.natural) {
        add_unsigned<kSum, kDigits, kLow + 1>();
    } else {
        add_mixed<kSum, kDigits, kLow + 1>();
    }
}

/// One cycle of one tile of columns, whose chunks are loaded where they are no more than two.
template <int kSum>
void multiply_cycle(const Layout& layout, const Numbers& numbers, const uint8_t* tile, const uint8_t* digits) {
    clear_tile<kSum>();
    if (layout.chunks <= 2) {
        add_chunk<kSum, kFirstDigits, kFirstNumbers>(numbers, digits);
        if (layout.chunks == 2) add_chunk<kSum, kSecondDigits, kSecondNumbers>(numbers, digits + kTileBytes);
        return;
    }
    for (int chunk = 0; chunk < layout.chunks; chunk += 2) {
        const int left = layout.chunks - chunk;
        load_chunks(numbers, tile + size_t(chunk) * numbers.limbs * kTileBytes, left);
        add_chunk<kSum, kFirstDigits, kFirstNumbers>(numbers, digits + size_t(chunk) * kTileBytes);
        if (left == 1) break;
        add_chunk<kSum, kSecondDigits, kSecondNumbers>(numbers, digits + size_t(chunk + 1) * kTileBytes);
    }
}

inline size_t column_tile_bytes(const Layout& layout, const Numbers& numbers) {
    return size_t(layout.chunks) * numbers.limbs * kTileBytes;
}

/// All cycles of one tile of columns, out (cycles x 16 x 16).
inline void multiply_cycles(const Job& job, const Numbers& numbers, int column_tile, int32_t* out) {
    const Layout& layout = job.layout;
    const uint8_t* const tile = numbers.tile + column_tile * column_tile_bytes(layout, numbers);
    const uint8_t* digits = job.scratch.digits;
    load_chunks(numbers, tile, layout.chunks);
    for (int cycle = 0; cycle < job.drive.cycles; ++cycle, digits += size_t(layout.chunks) * kTileBytes) {
        if (cycle % 2 == 0) {
            multiply_cycle<0>(layout, numbers, tile, digits);
            store_tile<0>(out + cycle * kTileSums);
        } else {
            multiply_cycle<1>(layout, numbers, tile, digits);
            store_tile<1>(out + cycle * kTileSums);
        }
    }
}

// ------------------------------------------------------------------------------------------------ conversion

/// Vectors of one tile.
struct Group {
    int first = 0, vectors = 0;
    alignas(64) uint32_t counter[kVectors * 16] = {};  // (vectors x 4 counters), with noise only

    Group(const Job& job, int first_vector, int count) : first(first_vector), vectors(count) {
        for (int vector = 0; vector < count && job.noise.on; ++vector) {
            for (int i = 0; i < 4; ++i) {
                uint32_t* to = counter + vector * 16 + i * 4;
                to[1] = job.drive.position[first_vector + vector];
                to[2] = job.drive.sample[first_vector + vector];
                to[3] = job.noise.block;
            }
        }
    }
};

/// Sums of one cycle of one tile of columns, (16 x 16) each, and where their codes add up.
struct Step {
    const Job& job;
    const Group& group;
    const RoundKeys& keys;
    int column_tile = 0, cycle = 0;
    const int32_t* sums = nullptr;
    const int32_t* squares = nullptr;  // with variances only
    int32_t* clipped = nullptr;        // (16), counts that add up
    int32_t* totals = nullptr;         // columns added up: (pairs x 16), in the order of codes;
                                       // else (pairs x 2 x 16), of even and of odd columns; wide: (vectors x columns)
};

/// First word of the counters of a step's columns, the other words 0.
inline Bytes first_counters(const Step& step) {
    constexpr int32_t kWords[16] = {-1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0};
    constexpr int32_t kPlaces[16] = {0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
    const uint32_t of_cycle = (uint32_t(step.job.layout.cols) + 3) / 4;
    const uint32_t first = uint32_t(step.cycle) * of_cycle + uint32_t(step.column_tile) * (kColumns / 4);
    return add32(and_bits(all32(int32_t(first)), load(kWords)), load(kPlaces));
}

enum class Deviation { none, of_column, of_state };

/// The converters of one tile of columns.
struct ColumnVectors {
    Floats step, offset, anchor, factor, unit, own, root;
    Bytes lo, hi;
    Bytes first;     // of the counters
    RoundKeys keys;  // a copy, which no store of totals can change: it stays in registers
    bool has_factor;

    explicit ColumnVectors(const Step& at)
        : step(load_floats(at.job.converters.step32 + at.column_tile * kColumns)),
          offset(load_floats(at.job.converters.offset32 + at.column_tile * kColumns)),
          anchor(all(float(at.job.converters.anchor))),
          factor(all(float(at.job.factor))),
          unit(all(at.job.noise.unit)),
          own(load_floats(at.job.noise.own + at.column_tile * kColumns)),
          root(load_floats(at.job.scratch.roots + at.column_tile * kColumns)),
          lo(all16(at.job.converters.lo)),
          hi(all16(at.job.converters.hi)),
          first(first_counters(at)),
          keys(at.keys),
          has_factor(at.job.factor != 1) {}
};

inline Bytes row_deviates(const Step& step, const RoundKeys& keys, Bytes first, int vector) {
    return deviates(xor_bits(load(step.group.counter + vector * 16), first), keys);
}

/// Codes of one vector before they are bounded, in 32 bits. The product with the factor is exact: a sum below 2^24.
template <Deviation kDeviation, bool kOneBit>
__attribute__((always_inline)) inline Bytes row_codes(const Step& step, const ColumnVectors& columns, int vector) {
    Floats x = to_float(load(step.sums + vector * kColumns));
    if (columns.has_factor) x = multiply(x, columns.factor);
    if (kDeviation != Deviation::none) {
        Floats d = columns.root;
        if (kDeviation == Deviation::of_state) {
            const Floats variance = to_float(load(step.squares + vector * kColumns));
            d = noise_roots(fused(variance, columns.unit, columns.own));
        }
        x = fused(d, to_float(row_deviates(step, columns.keys, columns.first, vector)), x);
    }
    const Floats t = subtract(fused(x, columns.step, columns.offset), columns.anchor);
    return kOneBit ? sign_of(t) : to_nearest(t);
}

/// Weights of the words of a pair of rows: of even and of odd columns, or of all.
struct Weights {
    Bytes even, odd;
    Weights(const Step& step, bool grouped) {
        const int32_t weight = step.job.drive.cycle_weight[step.cycle];
        even = all32(int32_t(uint32_t(weight) & 0xFFFF));
        odd = all32(int32_t(uint32_t(weight) << 16));
        if (grouped) even = multiply16(load(step.job.readout.words + step.column_tile * 2 * kColumns), all16(weight));
    }
};

/// One pair of vectors, whose words `valid` exist. Returns the counts of clipped words.
template <Deviation kDeviation, bool kOneBit, bool kGrouped>
__attribute__((always_inline)) inline Bytes convert_pair(const Step& step, const ColumnVectors& columns,
                                                         const Weights& weights, int pair, uint32_t valid,
                                                         Bytes clipped) {
    Bytes codes = saturate16(row_codes<kDeviation, kOneBit>(step, columns, 2 * pair),
                             row_codes<kDeviation, kOneBit>(step, columns, 2 * pair + 1));
    if (!kOneBit) {
        const Bytes bounded = bound16(codes, columns.lo, columns.hi);
        clipped = count_unequal16(clipped, codes, bounded, valid);
        codes = bounded;
    }
    int32_t* const total = step.totals + pair * kColumns * (kGrouped ? 1 : 2);
    store(total, add_products16(load(total), codes, weights.even));
    if (!kGrouped) store(total + kColumns, add_products16(load(total + kColumns), codes, weights.odd));
    return clipped;
}

/// Codes of one step in float32, added to its totals. The quiet loop is short enough to pay for being unrolled.
template <Deviation kDeviation, bool kOneBit, bool kGrouped>
void convert_narrow(const Step& at) {
    constexpr uint32_t kBoth = 0xFFFFFFFF, kFirst = 0x0F0F0F0F;
    constexpr auto kConvert = convert_pair<kDeviation, kOneBit, kGrouped>;
    const Step step = at;  // for the compiler: no total is stored over it
    const ColumnVectors columns(step);
    const Weights weights(step, kGrouped);
    const int vectors = step.group.vectors;
    Bytes clipped = zero();
    if (kDeviation == Deviation::none && vectors == kVectors) {
#pragma GCC unroll 8
        for (int pair = 0; pair < kPairs; ++pair) clipped = kConvert(step, columns, weights, pair, kBoth, clipped);
    } else {
        for (int pair = 0; pair < vectors / 2; ++pair) {
            clipped = kConvert(step, columns, weights, pair, kBoth, clipped);
        }
        if (vectors % 2) clipped = kConvert(step, columns, weights, vectors / 2, kFirst, clipped);
    }
    if (!kOneBit) store(step.clipped, add_products16(load(step.clipped), clipped, all16(1)));
}

/// Likewise in double, one by one.
void convert_wide(const Step& step) {
    const Converters& converters = step.job.converters;
    const Noise& noise = step.job.noise;
    const int first = step.column_tile * kColumns;
    const int columns = step.job.layout.cols - first < kColumns ? step.job.layout.cols - first : kColumns;
    const Bytes counters = first_counters(step);
    for (int vector = 0; vector < step.group.vectors; ++vector) {
        alignas(64) int32_t deviate[kColumns] = {};
        if (noise.on) store(deviate, row_deviates(step, step.keys, counters, vector));
        for (int col = 0; col < columns; ++col) {
            const int at = vector * kColumns + col;
            double x = double(int64_t(step.sums[at]) * step.job.factor);
            if (noise.on) {
                const float variance = step.squares ? float(step.squares[at]) : 0.0f;
                const float q = __builtin_fmaf(variance, noise.unit, noise.own[first + col]);
                x = __builtin_fma(double(noise_root(q)), double(deviate[col]), x);
            }
            const double anchored = __builtin_fma(x, converters.step64[first + col], converters.offset64[first + col]);
            const double t = anchored - converters.anchor, rounded = __builtin_nearbyint(t);
            const bool below = (rounded < converters.lo);
            const bool above = (rounded > converters.hi);
            int32_t code = t >= 0 ? 1 : -1;
            if (!converters.one_bit) {
                code = below ? converters.lo : above ? converters.hi : int32_t(rounded);
                step.clipped[col] += below || above;
            }
            step.totals[at] += code * step.job.drive.cycle_weight[step.cycle];
        }
    }
}

using Convert = void (*)(const Step& step);

template <Deviation kDeviation>
Convert choose_narrow(const Job& job) {
    const bool grouped = job.readout.group > 1;
    if (job.converters.one_bit) {
        return grouped ? convert_narrow<kDeviation, true, true> : convert_narrow<kDeviation, true, false>;
    }
    return grouped ? convert_narrow<kDeviation, false, true> : convert_narrow<kDeviation, false, false>;
}

inline Convert choose(const Job& job) {
    if (job.converters.wide) return convert_wide;
    if (!job.noise.on) return choose_narrow<Deviation::none>(job);
    return job.variance.limbs ? choose_narrow<Deviation::of_state>(job) : choose_narrow<Deviation::of_column>(job);
}

// ------------------------------------------------------------------------------------------------ readout

/// Totals of one pair of vectors, in 64 bits and weighted: (2 x kColumns / kGroup).
template <int kGroup>
struct PairTotals {
    static constexpr int kCount = 4 / kGroup;
    Bytes at[kCount];
};

inline void widen(const Step& step, int pair, PairTotals<4>& out) {
    out.at[0] = part64(add_pairs32(load(step.totals + pair * kColumns)));
}

inline void widen(const Step& step, int pair, PairTotals<2>& out) {
    const Bytes parted = part64(load(step.totals + pair * kColumns));
    out.at[0] = low_half_to64(parted);
    out.at[1] = high_half_to64(parted);
}

inline void widen(const Step& step, int pair, PairTotals<1>& out) {
    const int64_t* const weight = step.job.readout.weight + step.column_tile * kColumns;
    const Bytes low = load(weight), high = load(weight + 8);
    const Bytes first = load(step.totals + 2 * pair * kColumns);
    const Bytes second = load(step.totals + (2 * pair + 1) * kColumns);
    const bool wide = step.job.converters.wide;
    const Bytes rows[2] = {wide ? first : low32(first, second), wide ? second : high32(first, second)};
    for (int row = 0; row < 2; ++row) {
        out.at[2 * row] = multiply64(low_half_to64(rows[row]), low);
        out.at[2 * row + 1] = multiply64(high_half_to64(rows[row]), high);
    }
}

/// Where each output has its neighbouring columns: `out` of the first vector, `stride` to the second.
inline void add_pair(const PairTotals<4>& totals, int64_t* out, size_t stride) {
    add_low_half64(out, totals.at[0]);
    add_high_half64(out + stride, totals.at[0]);
}

template <int kGroup>
void add_pair(const PairTotals<kGroup>& totals, int64_t* out, size_t stride) {
    constexpr int kHalf = PairTotals<kGroup>::kCount / 2;
    for (int i = 0; i < PairTotals<kGroup>::kCount; ++i) {
        int64_t* const to = out + (i / kHalf) * stride + i % kHalf * 8;
        store(to, add64(load(to), totals.at[i]));
    }
}

/// Adds the totals of a step's columns to their outputs.
template <int kGroup>
void hand_on(const Step& step) {
    constexpr int kWidth = kColumns / kGroup;
    const Readout& readout = step.job.readout;
    const int first = step.column_tile * kWidth, left = readout.cols - first;
    const int count = left < kWidth ? left : kWidth, vectors = step.group.vectors;
    int64_t* out = readout.acc + size_t(step.group.first) * readout.outputs;
    for (int vector = 0; vector < vectors; vector += 2, out += 2 * size_t(readout.outputs)) {
        PairTotals<kGroup> totals;
        widen(step, vector / 2, totals);
        if (readout.ordered && count == kWidth && vector + 1 < vectors) {
            add_pair(totals, out + first, size_t(readout.outputs));
            continue;
        }
        alignas(64) int64_t numbers[2 * kWidth];
        for (int i = 0; i < totals.kCount; ++i) store(numbers + 8 * i, totals.at[i]);
        for (int row = 0; row < 2 && vector + row < vectors; ++row) {
            int64_t* const of_vector = out + row * size_t(readout.outputs);
            for (int i = 0; i < count; ++i) of_vector[readout.output[first + i]] += numbers[row * kWidth + i];
        }
    }
}

__attribute__((noinline)) void hand_on(const Step& step) {
    if (step.job.readout.group == 4) return hand_on<4>(step);
    if (step.job.readout.group == 2) return hand_on<2>(step);
    hand_on<1>(step);
}

// ------------------------------------------------------------------------------------------------ pipeline

/// Products run one cycle ahead of conversions.
struct Pipeline {
    const Job& job;
    const Convert convert;
    bool pending = false, odd = false;  // a product waits, in tile 1
    alignas(64) int32_t sums[kTileSums] = {};
    alignas(64) int32_t totals[2 * kPairs * kColumns] = {};
    alignas(64) int32_t clipped[kColumns] = {};
    Step step;  // of the product that waits

    Pipeline(const Group& group, const RoundKeys& keys, const Job& of, Convert function)
        : job(of), convert(function), step{of, group, keys, 0, 0, sums, nullptr, clipped, totals} {}

    void start(int column_tile, int cycle, const uint8_t* tile, const uint8_t* digits) {
        if (odd) {
            multiply_cycle<0>(job.layout, job.g, tile, digits);
            store_tile<1>(sums);
        } else {
            multiply_cycle<1>(job.layout, job.g, tile, digits);
            if (pending) store_tile<0>(sums);
        }
        if (pending) finish();
        pending = true;
        odd = !odd;
        step.column_tile = column_tile;
        step.cycle = cycle;
        if (job.variance.limbs) step.squares = job.scratch.sums + cycle * kTileSums;
    }

    void drain() {
        if (!pending) return;
        if (odd) {
            store_tile<1>(sums);
        } else {
            store_tile<0>(sums);
        }
        finish();
        pending = odd = false;
    }

    void finish() {
        convert(step);
        if (step.cycle + 1 < job.drive.cycles) return;
        hand_on(step);
        for (int i = 0; i < 2 * kPairs * kColumns; i += kColumns) store(totals + i, zero());
    }
};

/// Every cycle asks for a share of the numbers that the next column tile needs.
struct Prefetch {
    static constexpr size_t kLines = 4 * 64;
    const uint8_t* from;
    size_t share, end, done = 0;

    Prefetch(const uint8_t* next, size_t bytes, int cycles)
        : from(next), share((bytes / cycles + kLines - 1) / kLines * kLines), end(bytes) {}

    void advance() {
        const size_t until = done + share < end ? done + share : end;
        for (; done < until; done += kLines) {
#pragma GCC unroll 4
            for (size_t line = 0; line < kLines; line += 64) __builtin_prefetch(from + done + line);
        }
    }
};

inline int64_t convert_group(const Job& job, const Group& group, const RoundKeys& keys, Convert convert) {
    Pipeline pipeline(group, keys, job, convert);
    const Layout& layout = job.layout;
    const size_t bytes = column_tile_bytes(layout, job.g);
    for (int column_tile = 0; column_tile < layout.column_tiles; ++column_tile) {
        if (job.variance.limbs) {
            pipeline.drain();
            multiply_cycles(job, job.variance, column_tile, job.scratch.sums);
        }
        const uint8_t* const tile = job.g.tile + column_tile * bytes;
        load_chunks(job.g, tile, layout.chunks);
        const bool last = column_tile + 1 == layout.column_tiles;
        Prefetch next(tile + bytes, last || layout.chunks > 2 ? 0 : bytes, job.drive.cycles);
        for (int cycle = 0; cycle < job.drive.cycles; ++cycle) {
            next.advance();
            pipeline.start(column_tile, cycle, tile, job.scratch.digits + size_t(cycle) * layout.chunks * kTileBytes);
        }
    }
    pipeline.drain();
    int64_t clipped = 0;
    for (const int32_t count : pipeline.clipped) clipped += count;
    return clipped;
}

/// body(first vector, vectors) for every tile of vectors, its digits spread.
template <class Body>
void for_groups(const Job& job, const Body& body) {
    int configured = 0;
    for (int first = 0; first < job.drive.vectors; first += kVectors) {
        const int left = job.drive.vectors - first, vectors = left < kVectors ? left : kVectors;
        if (vectors != configured) configure_for(job.layout, vectors);
        configured = vectors;
        spread_digits(job, first, vectors);
        body(first, vectors);
    }
    if (configured) release_tiles();
}

int64_t convert(const Job& job) {
    const RoundKeys keys = round_keys(job.noise.k0, job.noise.k1);
    const Convert convert_step = choose(job);
    for (int col = 0; col < job.layout.column_tiles * kColumns; col += kColumns) {
        store(job.scratch.roots + col, as_bits(noise_roots(load_floats(job.noise.own + col))));
    }
    int64_t clipped = 0;
    for_groups(job, [&](int first, int vectors) {
        const Group group(job, first, vectors);
        clipped += convert_group(job, group, keys, convert_step);
    });
    return clipped;
}

/// Sums of one tile of columns, (cycles x 16 x 16), to their places; times the factor.
inline void copy_sums(const Job& job, const int32_t* sums, int first, int vectors, int column_tile, int64_t* out) {
    const int cols = job.layout.cols, first_col = column_tile * kColumns;
    const int count = cols - first_col < kColumns ? cols - first_col : kColumns;
    for (int cycle = 0; cycle < job.drive.cycles; ++cycle, sums += kTileSums) {
        for (int vector = 0; vector < vectors; ++vector) {
            const size_t row = size_t(first + vector) * job.drive.cycles + cycle;
            for (int i = 0; i < count; ++i) {
                out[row * cols + first_col + i] = int64_t(sums[vector * kColumns + i]) * job.factor;
            }
        }
    }
}

void sums(const Job& job, int64_t* out) {
    for_groups(job, [&](int first, int vectors) {
        for (int column_tile = 0; column_tile < job.layout.column_tiles; ++column_tile) {
            multiply_cycles(job, job.g, column_tile, job.scratch.sums);
            copy_sums(job, job.scratch.sums, first, vectors, column_tile, out);
        }
    });
}

}  // namespace
}  // namespace bitline::kernels::amx
