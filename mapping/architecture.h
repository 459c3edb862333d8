#pragma once

// What a chip is made of, as an architecture YAML file says it. SI units.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitline {

struct ArrayOptions {
    int rows = 128;       // 1 <= rows <= 65536, word lines
    int cols = 128;       // 1 <= cols <= 65536, bit lines
    int active_rows = 0;  // 0 <= active_rows <= rows, rows driven at a time; 0: all
};

struct ProgrammingErrorOptions {
    enum class Model {
        none,
        independent,   // sigma * G_max, whatever the state
        proportional,  // sigma * G
        lognormal,     // G * exp(sigma * xi)
    } model = Model::none;
    double sigma = 0;  // 0 <= sigma <= 10
};

struct StuckAtOptions {
    double low_rate = 0;   // share of cells stuck at G_min; low_rate + high_rate <= 1
    double high_rate = 0;  // share of cells stuck at G_max
};

struct ReadNoiseOptions {
    double sigma = 0;  // relative to G, fresh at every read; 0 <= sigma <= 10
};

struct CellOptions {
    int bits = 2;          // 1 <= bits <= 16, levels = 2^bits, linear in G
    double g_min = 0;      // S, 0 <= g_min < g_max
    double g_max = 1e-4;   // S
    double g_ceiling = 0;  // S, physical upper limit that programming error is clipped to; 0: 1.5 * g_max. Lower limit: 0
    bool reprogrammable = false;  // weights may be reloaded while running (SRAM): a network larger than the chip is
                                  // time-multiplexed instead of refused
    ProgrammingErrorOptions programming_error;
    StuckAtOptions stuck_at;
    ReadNoiseOptions read_noise;
};

struct InputOptions {
    int bits_per_cycle = 1;  // 1 <= bits_per_cycle <= 8, resolution of the row drivers (DAC)
    enum class SignedCodes {
        offset,           // codes are shifted to unsigned and corrected digitally by the weight sums
        twos_complement,  // the sign bit in a cycle of its own, with negative significance
    } signed_codes = SignedCodes::offset;
    enum class BinaryCodes {
        bipolar,   // -1 and +1 are driven as opposite voltages, 0 (padding) as none
        zero_one,  // driven as 0 and 1 and corrected digitally: x = 2 u - 1
    } binary_codes = BinaryCodes::bipolar;
};

enum class WeightEncoding {
    differential,     // two cells per slice, positive and negative part
    offset,           // w + 2^(b-1) in unsigned slices
    twos_complement,  // sign bit in a column of its own with negative significance
    flipped,          // offset, and each column stored original or inverted, whichever sums to less (ISAAC)
    xnor,             // pairs of rows for -1/+1 weights and inputs
    multilevel,       // one cell of 2^b levels per weight, offset
};

struct WeightOptions {
    WeightEncoding encoding = WeightEncoding::differential;
    enum class Split { one_sided, balanced } differential_split = Split::one_sided;
    enum class Subtraction { analog, digital } subtraction = Subtraction::analog;
    enum class OffsetCorrection { digital, reference_column } offset_correction = OffsetCorrection::digital;
    std::optional<WeightEncoding> fallback;  // for layers that `encoding` cannot hold (xnor, multilevel); none: refuse
    double clip = 1.0;  // 0 < clip <= 1, weights are clipped to clip * the largest code before mapping
};

struct BiasOptions {
    enum class Place { digital, rows } place = Place::digital;
};

struct AdcOptions {
    int bits = 8;  // 1 <= bits <= 16; 0 ("lossless" in YAML): as many as the worst case needs
    enum class Range {
        lossless,    // covers the worst-case sum; step = one level where the bits suffice
        fixed,       // full_scale * the largest possible sum
        calibrated,  // per layer, from samples
    } range = Range::lossless;
    double full_scale = 1.0;  // 0 < full_scale <= 1, range = fixed only
    enum class Calibration { mse, percentile } calibration = Calibration::mse;
    double percentile = 99.99;        // 50 < percentile <= 100
    double offset_sigma = 0;          // LSB, spread of the converters' offset, 0 <= offset_sigma <= 1000
    double gain_sigma = 0;            // relative spread of the converters' gain, 0 <= gain_sigma <= 1
    int columns_per_converter = 8;    // >= 1: columns share a converter and its errors
    bool sense_amplifier = false;     // one-bit sign decision; bits must be 1
};

struct HierarchyOptions {  // 0: unlimited
    int64_t arrays_per_core = 0, cores_per_tile = 0, tiles_per_chip = 0;
};

struct Architecture {
    std::string name;
    std::string description;
    ArrayOptions array;
    CellOptions cell;
    InputOptions input;
    WeightOptions weights;
    BiasOptions bias;
    AdcOptions adc;
    HierarchyOptions chip;
    bool pack_groups = true;  // mapping.pack_groups: several groups of a grouped layer share an array

    std::string hash;  // SHA-256 of the canonical YAML (to_yaml)
};

using Setting = std::pair<std::string, std::string>;  // path.to.key, value as text

/// `name_or_file` is a preset (`list_architectures`) or a YAML file. A file may start from another with `base: NAME`.
/// `settings` override keys, in order. Throws ConfigError with file, line, path, relation and the nearest valid name.
Architecture read_architecture(const std::string& name_or_file, const std::vector<Setting>& settings = {});

/// The same from YAML text; `origin` stands for the file name in messages.
Architecture parse_architecture(const std::string& yaml, const std::string& origin,
                                const std::vector<Setting>& settings = {});

/// "path.to.key=value" -> Setting. Throws ConfigError.
Setting parse_setting(const std::string& text);

struct ArchitectureSummary {
    std::string name, description;
};
std::vector<ArchitectureSummary> list_architectures();

/// The preset's own YAML text, comments included, to copy and edit. Throws ConfigError where there is none.
std::string architecture_text(const std::string& name);

/// Every key with its value, canonical order: what a run records.
std::string to_yaml(const Architecture& architecture);

/// Every key with type, range, default, unit and meaning, for `bitline list keys`.
struct KeyDescription {
    std::string path, type, range, default_value, meaning;
};
std::vector<KeyDescription> describe_keys();

/// Relations between keys and the range of each. Throws ConfigError. Called by the readers.
void validate(const Architecture& architecture);

}  // namespace bitline
