#include "mapping/architecture_keys.h"

#include <fmt/format.h>

#include <limits>

#include "mapping/cell_keys.h"
#include "mapping/compensation_keys.h"
#include "mapping/converter_keys.h"
#include "mapping/wire_keys.h"

namespace bitline {

namespace {

using A = Architecture;
using Encoding = WeightEncoding;

bool uses(const A& a, Encoding encoding) { return a.weights.encoding == encoding || a.weights.fallback == encoding; }

bool has_fallback(const A& a) {
    return a.weights.encoding == Encoding::xnor || a.weights.encoding == Encoding::multilevel;
}

const OptionCondition<A> kFallback{"weights.encoding = xnor or multilevel", {"weights.encoding"}, has_fallback};
const OptionCondition<A> kDifferential{"weights.encoding (or weights.fallback) = differential",
                                       {"weights.encoding", "weights.fallback"},
                                       [](const A& a) { return uses(a, Encoding::differential); }};
const OptionCondition<A> kOffset{"weights.encoding (or weights.fallback) = offset or multilevel",
                                 {"weights.encoding", "weights.fallback"},
                                 [](const A& a) { return uses(a, Encoding::offset) || uses(a, Encoding::multilevel); }};
const OptionCondition<A> kSliced{
    "weights.encoding (or weights.fallback) = differential, offset, twos_complement or flipped",
    {"weights.encoding", "weights.fallback"},
    [](const A& a) {
        return !has_fallback(a) || (a.weights.fallback && *a.weights.fallback != Encoding::xnor &&
                                    *a.weights.fallback != Encoding::multilevel);
    }};
const OptionCondition<A> kFaults{"cell.stuck_at or array.line_faults",
                                 {"cell.stuck_at.low_rate", "cell.stuck_at.high_rate", "cell.stuck_at.map",
                                  "array.line_faults.open_word_lines", "array.line_faults.open_bit_lines"},
                                 [](const A& a) {
                                     const StuckAtOptions& stuck = a.cell.stuck_at;
                                     const ArrayOptions::LineFaults& lines = a.array.line_faults;
                                     return stuck.low_rate + stuck.high_rate > 0 || !stuck.map.empty() ||
                                            lines.open_word_lines > 0 || lines.open_bit_lines > 0;
                                 }};

const std::vector<std::pair<InputOptions::SignedCodes, std::string>> kSignedCodes{
    {InputOptions::SignedCodes::offset, "offset"}, {InputOptions::SignedCodes::twos_complement, "twos_complement"}};
const std::vector<std::pair<InputOptions::BinaryCodes, std::string>> kBinaryCodes{
    {InputOptions::BinaryCodes::bipolar, "bipolar"}, {InputOptions::BinaryCodes::zero_one, "zero_one"}};
const std::vector<std::pair<Encoding, std::string>> kEncodings{{Encoding::differential, "differential"},
                                                               {Encoding::offset, "offset"},
                                                               {Encoding::twos_complement, "twos_complement"},
                                                               {Encoding::flipped, "flipped"},
                                                               {Encoding::xnor, "xnor"},
                                                               {Encoding::multilevel, "multilevel"}};
const std::vector<std::pair<WeightOptions::Split, std::string>> kSplits{{WeightOptions::Split::one_sided, "one_sided"},
                                                                        {WeightOptions::Split::balanced, "balanced"}};
const std::vector<std::pair<WeightOptions::Subtraction, std::string>> kSubtractions{
    {WeightOptions::Subtraction::analog, "analog"}, {WeightOptions::Subtraction::digital, "digital"}};
const std::vector<std::pair<WeightOptions::ShortSlice, std::string>> kShortSlices{
    {WeightOptions::ShortSlice::top, "top"}, {WeightOptions::ShortSlice::bottom, "bottom"}};
const std::vector<std::pair<WeightOptions::OffsetCorrection, std::string>> kCorrections{
    {WeightOptions::OffsetCorrection::digital, "digital"},
    {WeightOptions::OffsetCorrection::reference_column, "reference_column"}};
const std::vector<std::pair<BiasOptions::Place, std::string>> kPlaces{{BiasOptions::Place::digital, "digital"},
                                                                      {BiasOptions::Place::rows, "rows"}};
const std::vector<std::pair<FaultRemap, std::string>> kRemaps{
    {FaultRemap::none, "none"}, {FaultRemap::rows, "rows"}, {FaultRemap::pairs, "pairs"}};

std::vector<std::pair<std::optional<Encoding>, std::string>> fallbacks() {
    std::vector<std::pair<std::optional<Encoding>, std::string>> all{{std::nullopt, "none"}};
    all.insert(all.end(), kEncodings.begin(), kEncodings.end());
    return all;
}

constexpr OptionRange kCount{1, 65536};
constexpr OptionRange kUnits{0, 1e6};  // the product of three such counts fits 64 bits
constexpr OptionRange kUpTo1{0, 1, true};
constexpr OptionRange kRate{0, 1};

OptionFields<A> text_keys() {
    return {
        text_field<A>("name", member_of(&A::name), "name in reports; the file's name where it is missing"),
        text_field<A>("description", member_of(&A::description), "one line for lists"),
    };
}

OptionFields<A> array_keys() {
    const auto array = [](auto member) { return member_of(&A::array, member); };
    const auto faults = [](auto member) { return member_of(&A::array, &ArrayOptions::line_faults, member); };
    return {
        integer_field<A>("array.rows", array(&ArrayOptions::rows), kCount, "word lines of an array"),
        integer_field<A>("array.cols", array(&ArrayOptions::cols), kCount, "bit lines of an array"),
        integer_field<A>("array.active_rows", array(&ArrayOptions::active_rows), {0, 65536},
                         "rows driven at a time; 0: all; at most array.rows"),
        real_field<A>("array.line_faults.open_word_lines", faults(&ArrayOptions::LineFaults::open_word_lines), kRate,
                      kShare, "share of word lines that are interrupted: their cells carry no current"),
        real_field<A>("array.line_faults.open_bit_lines", faults(&ArrayOptions::LineFaults::open_bit_lines), kRate,
                      kShare, "share of bit lines that are interrupted"),
        integer_field<A>("array.spare_columns", array(&ArrayOptions::spare_columns), {0, 1024},
                         "bit lines beside array.cols, with faults of their own, that replace those with the largest "
                         "error from faults")
            .only_with(kFaults),
    };
}

OptionFields<A> coding_keys() {
    const auto input = [](auto member) { return member_of(&A::input, member); };
    const auto weights = [](auto member) { return member_of(&A::weights, member); };
    using I = InputOptions;
    using W = WeightOptions;
    return {
        integer_field<A>("input.bits_per_cycle", input(&I::bits_per_cycle), {1, 8},
                         "resolution of the row drivers: input bits per cycle"),
        choice_field<A>("input.signed_codes", input(&I::signed_codes), kSignedCodes,
                        "signed inputs: shifted to unsigned and corrected digitally, or the sign bit in a cycle of its "
                        "own"),
        choice_field<A>("input.binary_codes", input(&I::binary_codes), kBinaryCodes,
                        "inputs of -1, 0, +1: opposite voltages in one cycle, or -1/+1 as 0 and 1 with a digital "
                        "correction"),
        choice_field<A>("weights.encoding", weights(&W::encoding), kEncodings, "how a signed weight becomes cells"),
        choice_field<A>("weights.fallback", weights(&W::fallback), fallbacks(),
                        "encoding of layers that weights.encoding cannot hold; none: refuse them")
            .only_with(kFallback),
        choice_field<A>("weights.short_slice", weights(&W::short_slice), kShortSlices,
                        "which slice has fewer bits where cell.bits does not divide a weight's: the most significant, "
                        "or the least, so that errors of cells weigh half or less")
            .only_with(kSliced),
        choice_field<A>("weights.differential_split", weights(&W::differential_split), kSplits,
                        "w = p - n: one of the two zero, or both around the middle level")
            .only_with(kDifferential),
        choice_field<A>("weights.subtraction", weights(&W::subtraction), kSubtractions,
                        "positive minus negative column, before or after the ADC")
            .only_with(kDifferential),
        choice_field<A>("weights.offset_correction", weights(&W::offset_correction), kCorrections,
                        "removes the weights' offset: from the input sum, or with a column of constant cells")
            .only_with(kOffset),
        real_field<A>("weights.clip", weights(&W::clip), kUpTo1, kShare,
                      "weights are clipped to this share of the layer's largest before mapping"),
        choice_field<A>("bias.place", member_of(&A::bias, &BiasOptions::place), kPlaces,
                        "added digitally, or held in rows of the array"),
    };
}

OptionFields<A> chip_keys() {
    const auto chip = [](auto member) { return member_of(&A::chip, member); };
    using H = HierarchyOptions;
    return {
        integer_field<A>("chip.arrays_per_core", chip(&H::arrays_per_core), kUnits, "0: unlimited"),
        integer_field<A>("chip.cores_per_tile", chip(&H::cores_per_tile), kUnits, "0: unlimited"),
        integer_field<A>("chip.tiles_per_chip", chip(&H::tiles_per_chip), kUnits, "0: unlimited"),
        bool_field<A>("mapping.pack_groups", member_of(&A::pack_groups),
                      "several groups of a grouped or depthwise layer share an array"),
        choice_field<A>(
            "mapping.fault_remap", member_of(&A::fault_remap), kRemaps,
            "what programming does about faults, which it knows: rows change places, or the working cell of "
            "a differential pair makes up for the faulty one")
            .only_with(kFaults),
    };
}

}  // namespace

const OptionFields<Architecture>& architecture_keys() {
    static const OptionFields<A> all = [] {
        OptionFields<A> joined;
        for (const auto& keys : {text_keys(), array_keys(), transfer_keys(), wire_keys(), cell_keys(), dac_keys(),
                                 coding_keys(), converter_keys(), compensation_keys(), chip_keys()}) {
            joined.insert(joined.end(), keys.begin(), keys.end());
        }
        return joined;
    }();
    return all;
}

}  // namespace bitline
