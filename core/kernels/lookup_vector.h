#pragma once

// One-bit digits by lookup, the vector part. Included behind the vectors of an instruction set (avx2_vector.h, ...), in
// a file compiled for it.
//
// The bits of a few word lines are an index, and a table holds the sums that they can give. Lanes are digit rows, so
// one byte shuffle looks up one group of word lines for 32 or 64 digit rows at once, out of a table that lies in a
// register: no gathers, no first-level cache to miss. Bytes of six bits add up four times before they must be widened.

#include "core/kernels/lookup.h"
#include "core/kernels/noise_vector.h"

namespace bitline::kernels::lookup {
namespace {

constexpr int kQuarters = 4;                  // vectors of 32-bit numbers per tile
constexpr int kQuarter = kLanes / kQuarters;  // numbers of each

/// Sums of one plane over all groups, words of the even and of the odd lanes.
struct Words {
    Bytes even[kBatch], odd[kBatch];
};

inline void widen(Bytes& even, Bytes& odd, Bytes bytes) {
    accumulate16(even, bytes);
    accumulate16(odd, odd_bytes(bytes));
}

/// Sums of a plane in units of the plane below, which begins with `start`.
inline void carry(Bytes& even, Bytes& odd, Bytes start) {
    odd = add16(left16<kPlaneBits>(odd), start);
    even = add16(add16(left16<kPlaneBits>(even), start), left16<8>(start));
}

/// Minus the bias of a column, a plane's part of it; the last plane takes what is left.
inline int plane_start(int32_t bias, int plane, int planes) {
    const int32_t part = bias >> (plane * kPlaneBits);
    return -(plane + 1 < planes ? part & ((1 << kPlaneBits) - 1) : part);
}

/// Tables of one column.
struct ColumnTables {
    const uint8_t* table;
    size_t plane_bytes;
    int planes;
    int32_t bias;
};

/// Sums of the planes from `highest` down to `lowest`, in units of the lowest. `stride`: bytes from the indices of one
/// tile to those of the next.
__attribute__((always_inline)) inline void plane_sums(const ColumnTables& column, int highest, int lowest,
                                                      const uint8_t* first_index, size_t stride, Words& out) {
    static_assert(kBatch == 4);
    // Named one by one, because GCC copies an array of sums to and fro in every round of the loop.
    // Even words gain 256 times what the odd ones hold, which is taken away at the end.
    int plane = highest;
    Bytes odd0 = all16(plane_start(column.bias, plane, column.planes)), odd1 = odd0, odd2 = odd0, odd3 = odd0;
    Bytes even0 = add16(odd0, left16<8>(odd0)), even1 = even0, even2 = even0, even3 = even0;
    for (;;) {
        const uint8_t* table = column.table + size_t(column.planes - 1 - plane) * column.plane_bytes;
        const uint8_t* index = first_index;
        const uint8_t* const end = table + column.plane_bytes;
        do {
            Bytes entries = load_table(table);
            Bytes sum0 = look_up(entries, index), sum1 = look_up(entries, index + stride);
            Bytes sum2 = look_up(entries, index + 2 * stride), sum3 = look_up(entries, index + 3 * stride);
#pragma GCC unroll 3
            for (int i = 1; i < kBatch; ++i) {
                entries = load_table(table + i * kTableBytes);
                const uint8_t* at = index + i * kLanes;
                sum0 = add8(sum0, look_up(entries, at));
                sum1 = add8(sum1, look_up(entries, at + stride));
                sum2 = add8(sum2, look_up(entries, at + 2 * stride));
                sum3 = add8(sum3, look_up(entries, at + 3 * stride));
            }
            widen(even0, odd0, sum0);
            widen(even1, odd1, sum1);
            widen(even2, odd2, sum2);
            widen(even3, odd3, sum3);
            table += kBatch * kTableBytes;
            index += kBatch * kLanes;
        } while (table != end);
        if (plane == lowest) break;
        const Bytes start = all16(plane_start(column.bias, --plane, column.planes));
        carry(even0, odd0, start);
        carry(even1, odd1, start);
        carry(even2, odd2, start);
        carry(even3, odd3, start);
    }
    out = {{sub16(even0, left16<8>(odd0)), sub16(even1, left16<8>(odd1)), sub16(even2, left16<8>(odd2)),
            sub16(even3, left16<8>(odd3))},
           {odd0, odd1, odd2, odd3}};
}

/// All planes of one column for a batch of tiles, a page apart.
struct PlaneSums {
    uint8_t* words;
    Words& plane(int i) const { return *reinterpret_cast<Words*>(words + size_t(i) * kPage); }
};
static_assert(sizeof(Words) == words_bytes(kLanes));

/// The first of the two that a pass has room for, or the second.
inline PlaneSums plane_memory(const Pass& pass, int which) {
    return {pass.words + size_t(which) * kMostPlanes * kPage};
}

/// A function of its own: GCC then has registers enough.
__attribute__((noinline)) void column_planes(const Tables& tables, int col, const uint8_t* index, size_t stride,
                                             const PlaneSums& out) {
    const size_t plane_bytes = size_t(tables.groups) * kTableBytes;
    const ColumnTables column{tables.table + size_t(col - tables.first_col) * tables.planes * plane_bytes, plane_bytes,
                              tables.planes, tables.bias[col]};
    for (int word = tables.words - 1; word >= 0; --word) {  // as the planes lie in memory
        const int highest = word + 1 < tables.words ? word : tables.planes - 1;
        plane_sums(column, highest, word, index, stride, out.plane(word));
    }
}

/// S / factor of one tile, in the order of totals.
struct Integers {
    Bytes at[kQuarters];
};

/// Numbers of half a tile, in the order of totals.
struct Half {
    Bytes low, high;
};

inline Half join_pair(Bytes first, Bytes second) {
    const Bytes places = all32(1 | 1 << (16 + kPlaneBits));
    return {add_products16(low16(first, second), places), add_products16(high16(first, second), places)};
}

/// Words times 2^kBits, kBits <= 16.
template <int kBits>
Half scale_words(Bytes words) {
    return {signed_right32<16 - kBits>(low16(zero(), words)), signed_right32<16 - kBits>(high16(zero(), words))};
}

inline Half add(const Half& a, const Half& b) { return {add32(a.low, b.low), add32(a.high, b.high)}; }

template <int kWords>
Half join_half(const Bytes* words) {
    if (kWords == 1) return scale_words<0>(words[0]);
    const Half low = join_pair(words[0], words[1]);
    if (kWords == 2) return low;
    if (kWords == 3) return add(low, scale_words<2 * kPlaneBits>(words[2]));
    const Half high = join_pair(words[2], words[3]);
    return add(low, {left32<2 * kPlaneBits>(high.low), left32<2 * kPlaneBits>(high.high)});
}

template <int kWords>
__attribute__((always_inline)) inline Integers join_words(const PlaneSums& sums, int tile) {
    Integers out;
    for (int half = 0; half < 2; ++half) {
        Bytes words[kWords];
        for (int word = 0; word < kWords; ++word) {
            words[word] = half ? sums.plane(word).odd[tile] : sums.plane(word).even[tile];
        }
        const Half numbers = join_half<kWords>(words);
        out.at[2 * half] = numbers.low;
        out.at[2 * half + 1] = numbers.high;
    }
    return out;
}

__attribute__((always_inline)) inline Integers join_all(const PlaneSums& sums, int words, int tile) {
    if (words == 2) return join_words<2>(sums, tile);
    if (words == 3) return join_words<3>(sums, tile);
    return words == 1 ? join_words<1>(sums, tile) : join_words<4>(sums, tile);
}

// ------------------------------------------------------------------------------------------------ noise

/// Deviates of four neighbouring columns for one tile, in the order of totals.
struct Draws {
    Integers column[4];
};

/// `columns`: number of the four columns, what their counters begin with.
inline void draw(const RoundKeys& keys, const uint32_t* counters, uint32_t columns, Draws& out) {
    constexpr int kFirst[kQuarters] = {0, 8, 1, 9};
    const Bytes first = repeat(_mm_set_epi32(0, 0, 0, int(columns)));
    for (int quarter = 0; quarter < kQuarters; ++quarter) {
        Bytes z[4];
        for (int i = 0; i < 4; ++i) {
            const int lane = kFirst[quarter] + 2 * i;
            z[i] = deviates(add32(load(counters + lane * kParts * 4), first), keys);
        }
        const Bytes low01 = low32(z[0], z[1]), high01 = high32(z[0], z[1]);
        const Bytes low23 = low32(z[2], z[3]), high23 = high32(z[2], z[3]);
        out.column[0].at[quarter] = low64(low01, low23);
        out.column[1].at[quarter] = high64(low01, low23);
        out.column[2].at[quarter] = low64(high01, high23);
        out.column[3].at[quarter] = high64(high01, high23);
    }
}

// ------------------------------------------------------------------------------------------------ conversion

/// What the conversions of one column need.
struct Column {
    const Converters& converters;
    int col;
    int32_t factor, weight;
    bool small_weights, noisy;
    float unit, own;  // of the noise
};

/// How t becomes a code.
enum class Decision { rounding, sign, thresholds };

/// The bins of one column's converter, see Bins.
struct ColumnBins {
    const int32_t* table = nullptr;
    const int32_t* value_of = nullptr;
    int32_t of_bin = 0, count = 0, shift = 0;
    Floats lowest, highest;
    Bytes origin, rest, below, lo, hi;  // `below`: the code of no threshold crossed. lo, hi: bounds of what is crossed

    ColumnBins(const Converters& converters, int col) : lowest(all(0)), highest(all(0)) {
        if (!converters.bins.table) return;
        const Bins& bins = converters.bins;
        const size_t number = size_t(converters.converter[col]);
        table = bins.table + number * size_t(bins.layers) * size_t(bins.count);
        if (bins.value_of) value_of = bins.value_of + number * (size_t(converters.hi - converters.lo) + 3);
        of_bin = bins.of_bin[number];
        count = bins.count;
        shift = bins.shift;
        lowest = all(bins.lowest);
        highest = all(bins.highest);
        origin = as_bits(lowest);
        rest = all32((1 << shift) - 1);
        below = all16(converters.lo - 1);
        lo = all16(1);
        hi = all16(bins.distinct[number] - 1);
    }
};

/// The same in every lane.
struct ColumnVectors {
    Floats step, offset, anchor, factor, unit, own;
    Bytes lo, hi, weight;
    ColumnBins bins;
    bool has_factor, small_weights;  // the cycles' weights times the column's fit in 16 bits

    explicit ColumnVectors(const Column& column)
        : step(all(column.converters.step32[column.col])),
          offset(all(column.converters.offset32[column.col])),
          anchor(all(float(column.converters.anchor))),
          factor(all(float(column.factor))),
          unit(all(column.unit)),
          own(all(column.own)),
          lo(all16(column.converters.lo)),
          hi(all16(column.converters.hi)),
          weight(all32(column.weight)),
          bins(column.converters, column.col),
          has_factor(column.factor != 1),
          small_weights(column.small_weights) {}
};

/// t of one vector of sums, with the anchor. The product with the factor is exact: a sum below 2^24.
template <bool kNoisy>
Floats anchored(const ColumnVectors& column, Bytes sum, Bytes variance, Bytes z) {
    Floats x = to_float(sum);
    if (column.has_factor) x = multiply(x, column.factor);
    if (kNoisy) x = fused(noise_roots(fused(to_float(variance), column.unit, column.own)), to_float(z), x);
    return fused(x, column.step, column.offset);
}

/// How many different thresholds of the column's converter are crossed.
inline Bytes thresholds_crossed(const ColumnBins& bins, Floats anchored_t) {
    const Bytes u = sub32(as_bits(bound(anchored_t, bins.lowest, bins.highest)), bins.origin);
    const Bytes bin = shift_right32(u, bins.shift), rest = and_bits(u, bins.rest);
    Bytes entry = gather(bins.table, bin);
    const auto carried = [&](Bytes from) { return shift_right32(add32(from, rest), bins.shift); };
    Bytes crossed = carried(shift_right32(entry, bins.shift));
    for (int pair = 1; pair < bins.of_bin; pair += 2) {
        crossed = add32(crossed, carried(and_bits(entry, bins.rest)));
        if (pair + 1 == bins.of_bin) break;
        entry = gather(bins.table + size_t(pair + 1) / 2 * size_t(bins.count), bin);
        crossed = add32(crossed, carried(shift_right32(entry, bins.shift)));
    }
    return crossed;
}

/// Numbers of one tile in memory, in the order of totals.
struct Numbers {
    alignas(64) int32_t at[kLanes];
    explicit Numbers(const Integers& from) {
        for (int q = 0; q < kQuarters; ++q) store(at + q * kQuarter, from.at[q]);
    }
};

/// Clips t, which is a whole number, and counts.
inline int32_t clip(double t, const Converters& converters, int& clipped) {
    if (t < converters.lo) return ++clipped, converters.lo;
    if (t > converters.hi) return ++clipped, converters.hi;
    return int32_t(t);
}

/// One tile in double. Returns how many were clipped.
inline int64_t convert_wide(const Column& column, const Integers& sum, const Integers& variance, const Integers& z,
                            const int16_t* valid, const int32_t* weight, int32_t* totals) {
    const Converters& converters = column.converters;
    const Numbers sums(sum), variances(variance), deviate(z);
    int clipped = 0;
    for (int k = 0; k < kLanes; ++k) {
        double x = double(int64_t(sums.at[k]) * column.factor);
        if (column.noisy) {
            const float q = __builtin_fmaf(float(variances.at[k]), column.unit, column.own);
            x = __builtin_fma(double(noise_root(q)), double(deviate.at[k]), x);
        }
        const double anchored = __builtin_fma(x, converters.step64[column.col], converters.offset64[column.col]);
        const double t = anchored - converters.anchor;
        int32_t code = t >= 0 ? 1 : -1;
        if (!converters.one_bit) {
            int beyond = 0;
            code = converters.threshold ? convert_at_thresholds(converters, column.col, t, beyond)
                                        : clip(__builtin_nearbyint(t), converters, beyond);
            clipped += valid[code_of_total(k, kLanes)] ? beyond : 0;
        }
        totals[k] += code * (int32_t(int16_t(weight[k])) + (weight[k] >> 16)) * column.weight;
    }
    return clipped;
}

/// Codes of one tile, 16 bits each.
struct Codes {
    Bytes half[2];
};

/// What the whole numbers `rounded` become between lo and hi; counts those that are clipped.
inline Bytes clip_and_count(Bytes rounded, Bytes lo, Bytes hi, const int16_t* valid, Bytes& clipped) {
    const Bytes bounded = bound16(rounded, lo, hi);
    clipped =
        valid ? count_unequal16(clipped, rounded, bounded, load(valid)) : count_unequal16(clipped, rounded, bounded);
    return bounded;
}

/// Codes of half a tile at thresholds.
inline Bytes decide(const ColumnVectors& column, Floats first, Floats second, const int16_t* valid, Bytes& clipped) {
    const ColumnBins& bins = column.bins;
    const Bytes a = thresholds_crossed(bins, first), b = thresholds_crossed(bins, second);
    const Bytes crossed = saturate16(a, b);
    if (!bins.value_of) return clip_and_count(add16(crossed, bins.below), column.lo, column.hi, valid, clipped);
    clip_and_count(crossed, bins.lo, bins.hi, valid, clipped);
    return saturate16(gather(bins.value_of, a), gather(bins.value_of, b));
}

/// One tile in float32. `valid`: null where no lane is missing.
template <bool kNoisy, Decision kDecision>
__attribute__((always_inline)) inline Codes convert_narrow(const ColumnVectors& column, const Integers& sum,
                                                           const Integers& variance, const Integers& z,
                                                           const int16_t* valid, Bytes& clipped) {
    Codes codes;
    for (int half = 0; half < 2; ++half) {
        const int q = 2 * half;
        const Floats first = anchored<kNoisy>(column, sum.at[q], variance.at[q], z.at[q]);
        const Floats second = anchored<kNoisy>(column, sum.at[q + 1], variance.at[q + 1], z.at[q + 1]);
        const int16_t* const of_half = valid ? valid + half * (kLanes / 2) : nullptr;
        if constexpr (kDecision == Decision::thresholds) {
            codes.half[half] = decide(column, first, second, of_half, clipped);
            continue;
        }
        const Floats t[2] = {subtract(first, column.anchor), subtract(second, column.anchor)};
        codes.half[half] = kDecision == Decision::sign ? saturate16(sign_of(t[0]), sign_of(t[1]))
                                                       : clip_and_count(saturate16(to_nearest(t[0]), to_nearest(t[1])),
                                                                        column.lo, column.hi, of_half, clipped);
    }
    return codes;
}

inline void add_to(int32_t* total, Bytes more) { store(total, add32(load(total), more)); }

/// totals += first * (low half of weights) + second * (high half).
inline void add_codes(const Codes& first, const Codes& second, Bytes weights, int32_t* totals) {
    for (int half = 0; half < 2; ++half) {
        const Bytes a = first.half[half], b = second.half[half];
        add_to(totals + 2 * half * kQuarter, add_products16(low16(a, b), weights));
        add_to(totals + (2 * half + 1) * kQuarter, add_products16(high16(a, b), weights));
    }
}

/// Likewise with weights of each lane, whose halves add up, and the weight of the column.
inline void add_weighted(const Codes& codes, const int32_t* weight, Bytes column_weight, int32_t* totals) {
    for (int half = 0; half < 2; ++half) {
        const int32_t* of_lanes = weight + 2 * half * kQuarter;
        const Bytes a = codes.half[half];
        const Bytes low = add_products16(low16(a, a), load(of_lanes));
        const Bytes high = add_products16(high16(a, a), load(of_lanes + kQuarter));
        add_to(totals + 2 * half * kQuarter, multiply32(low, column_weight));
        add_to(totals + (2 * half + 1) * kQuarter, multiply32(high, column_weight));
    }
}

inline int64_t sum_numbers(Bytes numbers) {
    alignas(64) int32_t at[kQuarter];
    store(at, numbers);
    int64_t sum = 0;
    for (int i = 0; i < kQuarter; ++i) sum += at[i];
    return sum;
}

/// Deviates of four columns for every tile.
inline void draw_columns(const RoundKeys& keys, const Pass& pass, int columns, Draws* draws) {
    for (int tile = 0; tile < pass.used; ++tile) {
        draw(keys, pass.counter + size_t(tile) * kLanes * 4, uint32_t(columns), draws[tile]);
    }
}

/// Everything that one call shares.
struct Conversion {
    const Tables& tables;
    const Pass& pass;
    const Converters& converters;
    const Noise& noise;
    const Draws* draws;  // (used), deviates of the column's four
};

/// What one tile is converted from; zeros without noise.
struct Inputs {
    Integers sum, variance, z;
};

/// Vector by vector, because GCC copies a whole in smaller pieces.
inline Integers read(const Integers& from) { return {{from.at[0], from.at[1], from.at[2], from.at[3]}}; }

template <bool kNoisy>
__attribute__((always_inline)) inline Inputs inputs_of(const Conversion& all, const Column& column, int tile, int place,
                                                       const PlaneSums& sums, const PlaneSums& squares) {
    const Integers none = {{zero(), zero(), zero(), zero()}};
    Inputs inputs = {join_all(sums, all.tables.words, place), none, none};
    if (!kNoisy) return inputs;
    if (all.noise.variance) inputs.variance = join_all(squares, all.noise.variance->words, place);
    inputs.z = read(all.draws[tile].column[column.col % 4]);
    return inputs;
}

/// One batch of tiles of one column, in double. Returns how many were clipped.
template <bool kNoisy>
int64_t convert_batch_wide(const Conversion& all, const Column& column, int first, int count, const PlaneSums& sums,
                           const PlaneSums& squares, int32_t* totals) {
    int64_t clipped = 0;
    for (int i = 0; i < count; ++i) {
        const auto tile = size_t(first + i);
        const Inputs from = inputs_of<kNoisy>(all, column, int(tile), i, sums, squares);
        clipped += convert_wide(column, from.sum, from.variance, from.z, all.pass.valid + tile * kLanes,
                                all.pass.weight + tile * kLanes, totals + size_t(all.pass.tile[tile].slot) * kLanes);
    }
    return clipped;
}

/// Likewise in float32; `clipped_numbers` counts. Codes of two cycles of the same vectors are added up together.
template <bool kNoisy, Decision kDecision>
__attribute__((noinline)) void convert_batch(const Conversion& all, const Column& column, const ColumnVectors& vectors,
                                             int first, int count, const PlaneSums& sums, const PlaneSums& squares,
                                             int32_t* totals, Bytes& clipped_numbers) {
    Bytes clipped = zero();
    Codes before = {{zero(), zero()}};
    bool waiting = false;  // for the next tile
    uint32_t weights = 0;  // of the codes before, in the upper half
    for (int i = 0; i < count; ++i) {
        const TileInfo& tile = all.pass.tile[first + i];
        const Inputs from = inputs_of<kNoisy>(all, column, first + i, i, sums, squares);
        const int16_t* const valid = tile.full ? nullptr : all.pass.valid + size_t(first + i) * kLanes;
        const Codes codes = convert_narrow<kNoisy, kDecision>(vectors, from.sum, from.variance, from.z, valid, clipped);
        int32_t* const total = totals + size_t(tile.slot) * kLanes;
        if (tile.cycle_weight == 0 || !vectors.small_weights) {
            add_weighted(codes, all.pass.weight + size_t(first + i) * kLanes, vectors.weight, total);
            continue;
        }
        weights = weights << 16 | uint16_t(tile.cycle_weight * column.weight);
        const TileInfo* const next = &tile + 1;
        waiting = !waiting && i + 1 < count && next->slot == tile.slot && next->cycle_weight != 0;
        if (waiting) {
            before = codes;
            continue;
        }
        add_codes(codes, before, all32(int32_t(weights)), total);
        weights = 0;
    }
    clipped_numbers = add32(clipped_numbers, add_products16(clipped, all16(1)));
}

/// One column, all tiles of a pass. Returns how many were clipped, but for those that `clipped_numbers` counts.
template <bool kNoisy, Decision kDecision>
int64_t convert_column(const Conversion& all, const Column& column, int32_t* totals, Bytes& clipped_numbers) {
    const ColumnVectors vectors(column);
    const size_t tile_bytes = index_stride(all.pass.index_groups, kLanes);
    int64_t clipped = 0;
    for (int first = 0; first < all.pass.tiles; first += kBatch) {
        const uint8_t* const index = all.pass.index + size_t(first) * tile_bytes;
        const uint64_t start = all.pass.product_ticks ? __rdtsc() : 0;
        const PlaneSums sums = plane_memory(all.pass, 0), squares = plane_memory(all.pass, 1);
        column_planes(all.tables, column.col, index, tile_bytes, sums);
        if (kNoisy && all.noise.variance) column_planes(*all.noise.variance, column.col, index, tile_bytes, squares);
        if (all.pass.product_ticks) *all.pass.product_ticks += __rdtsc() - start;
        const int count = all.pass.used - first < kBatch ? all.pass.used - first : kBatch;
        if (all.converters.wide) {
            clipped += convert_batch_wide<kNoisy>(all, column, first, count, sums, squares, totals);
        } else {
            convert_batch<kNoisy, kDecision>(all, column, vectors, first, count, sums, squares, totals,
                                             clipped_numbers);
        }
    }
    return clipped;
}

template <bool kNoisy>
int64_t convert_any_column(const Conversion& all, const Column& column, int32_t* totals, Bytes& clipped) {
    if (column.converters.one_bit) return convert_column<kNoisy, Decision::sign>(all, column, totals, clipped);
    if (column.converters.threshold) return convert_column<kNoisy, Decision::thresholds>(all, column, totals, clipped);
    return convert_column<kNoisy, Decision::rounding>(all, column, totals, clipped);
}

int64_t convert(const Tables& tables, const Pass& pass, const Runs& runs, const Converters& converters,
                const Noise& noise, const Output& output) {
    auto* const draws = static_cast<Draws*>(pass.draws);
    const RoundKeys keys = round_keys(noise.k0, noise.k1);
    int64_t clipped = 0;
    Bytes clipped_numbers = zero();
    const Conversion all{tables, pass, converters, noise, draws};
    int64_t largest = 0;  // weight of a cycle
    for (int tile = 0; tile < pass.used; ++tile) {
        const int64_t weight = __builtin_llabs(pass.tile[tile].cycle_weight);
        largest = largest < weight ? weight : largest;
    }
    const size_t run_size = size_t(pass.slots) * kLanes;
    const int start = runs.first == 0 ? 0 : runs.end[runs.first - 1];
    for (int first = runs.first, col = start; first < runs.last; first += kRunsAtOnce) {
        const int count = runs.last - first < kRunsAtOnce ? runs.last - first : kRunsAtOnce;
        __builtin_memset(runs.totals, 0, size_t(count) * run_size * sizeof(int32_t));
        for (int run = 0; run < count; ++run) {
            for (; col < runs.end[first + run]; ++col) {
                if (noise.on && (col % 4 == 0 || col == start)) draw_columns(keys, pass, col / 4, draws);
                const float own = noise.on ? noise.own[col] : 0;
                const int32_t weight = output.column_weight[col];
                const bool small = largest * __builtin_llabs(weight) <= INT16_MAX;
                const Column column{converters, col, tables.factor, weight, small, noise.on, noise.unit, own};
                int32_t* const totals = runs.totals + size_t(run) * run_size;
                clipped += noise.on ? convert_any_column<true>(all, column, totals, clipped_numbers)
                                    : convert_any_column<false>(all, column, totals, clipped_numbers);
            }
        }
        output.add(output.context, first, count, runs.totals);
    }
    return clipped + sum_numbers(clipped_numbers);
}

void column_sums(const Tables& tables, const Pass& pass, int col, int32_t* out) {
    const size_t tile_bytes = index_stride(pass.index_groups, kLanes);
    for (int first = 0; first < pass.tiles; first += kBatch) {
        const PlaneSums sums = plane_memory(pass, 0);
        column_planes(tables, col, pass.index + size_t(first) * tile_bytes, tile_bytes, sums);
        for (int i = 0; i < kBatch && first + i < pass.used; ++i, out += kLanes) {
            const Integers sum = join_all(sums, tables.words, i);
            for (int q = 0; q < kQuarters; ++q) {
                store(out + q * kQuarter, multiply32(sum.at[q], all32(tables.factor)));
            }
        }
    }
}

/// 32-bit numbers 0, 1, 2, .. of an entry's bits: the entries kQuarter * part .. of one vector.
inline Bytes entry_numbers(int part) {
    alignas(64) int32_t numbers[kQuarter];
    for (int i = 0; i < kQuarter; ++i) numbers[i] = part * kQuarter + i;
    return load(numbers);
}

void write_table(const int32_t* numbers, int32_t start, int planes, size_t plane_bytes, uint8_t* out) {
    constexpr int kVectors = kTableBytes / kQuarter;
    Bytes entries[kVectors];
    for (int part = 0; part < kVectors; ++part) {
        const Bytes bits = entry_numbers(part);
        entries[part] = all32(start);
        for (int row = 0; row < kGroupRows; ++row) {
            entries[part] = add32(entries[part], and_bits(where_bit(bits, row), all32(numbers[row])));
        }
    }
    for (int plane = planes - 1; plane >= 0; --plane, out += plane_bytes) {
        const Bytes mask = all32((1 << kPlaneBits) - 1);
        Bytes parts[kVectors];
        for (int part = 0; part < kVectors; ++part) {
            parts[part] = and_bits(shift_right32(entries[part], plane * kPlaneBits), mask);
        }
        store_low_bytes(out, parts);
    }
}

/// Indices of every tile, from rows of `words` words of bits.
void index_pass(const Pass& pass, int words) {
    constexpr int kAtOnce = 16;
    for (int tile = 0; tile < pass.tiles; ++tile) {
        for (int lane = 0; lane < kLanes; lane += kAtOnce) {
            const uint64_t* const* rows = pass.bits + size_t(tile) * kLanes + lane;
            uint8_t* out = pass.index + size_t(tile) * index_stride(pass.index_groups, kLanes) + lane;
            for (int group = 0; group < pass.index_groups; group += kGroupsPerStep, out += kGroupsPerStep * kLanes) {
                uint64_t bits[kAtOnce];
                for (int i = 0; i < kAtOnce; ++i) bits[i] = rows[i] ? step_bits(rows[i], words, group) : 0;
                index_step(bits, out);
            }
        }
    }
}

}  // namespace
}  // namespace bitline::kernels::lookup
