#pragma once

// What a chip is made of, as an architecture YAML file says it. SI units.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devices/cell.h"
#include "mapping/weight_encoding.h"
#include "peripherals/adc.h"
#include "peripherals/column_transfer.h"
#include "peripherals/input_encoding.h"
#include "peripherals/wires/wires.h"

namespace bitline {

struct ArrayOptions {
    int rows = 128;       // 1 <= rows <= 65536, word lines
    int cols = 128;       // 1 <= cols <= 65536, bit lines
    int active_rows = 0;  // 0 <= active_rows <= rows, rows driven at a time; 0: all
    ColumnTransferOptions transfer;

    /// Share of word lines and bit lines that are interrupted: their cells carry no current.
    struct LineFaults {
        double open_word_lines = 0, open_bit_lines = 0;
    } line_faults;
    int spare_columns = 0;  // 0 <= spare_columns <= 1024, bit lines beside `cols` that replace the worst ones
};

/// Word and bit lines of metal, see peripherals/wires/wires.h. Off where no segment, driver or sense amplifier has a
/// resistance.
struct WiringOptions {
    enum class Topology {
        crossbar,  // every cell conducts between its word and its bit line, driven or not
    } topology = Topology::crossbar;
    /// Cells of an array beside those that a layer uses.
    enum class UnusedCells {
        g_min,  // conduct G_min: erased
        open,   // conduct nothing: cut off by their transistors
    } unused_cells = UnusedCells::g_min;
    WireOptions lines;
    bool is_on() const { return has_resistance(lines); }
};

/// How programming goes around faults that a test of the chip has found.
enum class FaultRemap {
    none,
    rows,   // logical rows change places so that faults hit where they change least
    pairs,  // the working cell of a differential pair makes up for the stuck one
};

struct BiasOptions {
    enum class Place { digital, rows } place = Place::digital;
};

/// What is done against what time, spread and wires did to the chip. Targets against wires are set when it is written;
/// all else the digital side measures at its age, applied in this order: converter ranges, drift gain, column gain and
/// offset, output statistics.
struct CompensationOptions {
    /// Gain = sum of |column currents| of a reference read when freshly programmed / the same at the age (Joshi et al.,
    /// Nat. Commun. 11, 2473, 2020: global drift compensation), taken together for ...
    enum class DriftGain { none, chip, layer, column } drift_gain = DriftGain::none;
    bool column_affine = false;  // gain and offset of each column, from codes of a reference read over nominal sums
    bool adc_ranges = false;     // calibrated ranges from the sums of the aged cells; adc.range = calibrated only
    bool batch_norm = false;     // mean and deviation of every output channel as the software network has them on the
                                 // calibration samples (ibid.: adaptive batch normalization statistics update)
    /// Against the wires: cells are written to conductances of which the array with its wires makes the wanted ones, as
    /// large a share of them as fits a column's cells; a digital gain of each column makes up for the share.
    enum class Wires { none, targets } wires = Wires::none;
    int reference_vectors = 64;  // 8 <= vectors <= 4096, of a reference read
};

struct HierarchyOptions {  // 0: unlimited
    int64_t arrays_per_core = 0, cores_per_tile = 0, tiles_per_chip = 0;
};

struct Architecture {
    std::string name;
    std::string description;
    ArrayOptions array;
    WiringOptions wires;
    CellOptions cell;
    InputOptions input;
    WeightOptions weights;
    BiasOptions bias;
    AdcOptions adc;
    HierarchyOptions chip;
    CompensationOptions compensation;
    bool pack_groups = true;                    // mapping.pack_groups: several groups of a grouped layer share an array
    FaultRemap fault_remap = FaultRemap::none;  // mapping.fault_remap

    std::string
        hash;  // SHA-256 of the canonical YAML (to_yaml), with the contents of its files in place of their names
};

using Setting = std::pair<std::string, std::string>;  // path.to.key, value as text

/// `name_or_file` is a preset (`list_architectures`) or a YAML file. A file may start from another with `base: NAME`,
/// a preset or a path relative to the file, and take its cell from a device with `cell.device: NAME`, likewise: a
/// device replaces the whole cell, but its bits where it is silent about them. `settings` override keys, in order; a
/// key that they leave without an effect falls back to its default. Throws ConfigError with file, line, path, relation
/// and the nearest valid name, FormatError for what is no YAML.
Architecture read_architecture(const std::string& name_or_file, const std::vector<Setting>& settings = {});

/// The same from YAML text; `origin` stands for the file name: in messages, for `base`, and for a missing `name`.
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

/// A device preset: what may stand below `cell`. Keys that no source gives are `required`.
struct DeviceSummary {
    std::string name, family, description, source;
    std::string covers;                 // conductances, times and temperatures, in words; empty where they are open
    std::vector<std::string> required;  // full paths
};
std::vector<DeviceSummary> list_devices();

/// The preset's own YAML text. Throws ConfigError where there is none.
std::string device_text(const std::string& name);

/// Every key that has an effect, with its value, in canonical order: what a run records.
std::string to_yaml(const Architecture& architecture);

/// Every key with type, range, default, unit and meaning, for `bitline list keys`.
struct KeyDescription {
    std::string path, type, range, default_value, meaning;
};
std::vector<KeyDescription> describe_keys();

/// The range of each key, relations between keys, and keys that differ from their default without having an effect.
/// Throws ConfigError. Called by the readers.
void validate(const Architecture& architecture);

}  // namespace bitline
