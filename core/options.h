#pragma once

// Options as users write them. A struct's keys are one table of fields; reading, range checks, relations between keys,
// the canonical text, the description of every key and the nearest valid name all follow from that table.
//
// Values come in layers: defaults, then base files, then the file, then --set. A key that has no effect under the final
// values (adc.full_scale while adc.range = lossless) is an error where it was set in the same layer as what switches it
// off or in a later one; where it was inherited from an earlier layer it falls back to its default.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.h"

namespace bitline {

/// One value as the user wrote it.
struct OptionText {
    enum class Kind { plain, quoted, null, section, list } kind = Kind::plain;
    std::string path;   // "adc.bits"
    std::string value;  // empty for null and for a section without keys; of a list "[1, 2]"
    std::string where;  // "chip.yaml:7", or "--set adc.bits=8"
    bool from_setting = false;
};

/// Every value of a YAML document, in order. One document, maps of maps of scalars and of lists of numbers; at most
/// 1 MiB. Throws FormatError with file and line for text that is no such document, ConfigError for duplicate keys,
/// aliases, tags and other lists.
std::vector<OptionText> read_yaml_options(const std::string& yaml, const std::string& origin);

/// path=value as given with --set. Throws ConfigError for text that is no UTF-8.
OptionText setting_option(const std::string& path, const std::string& value);

/// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours); the first of equals.
/// A path is also compared by its last part. Empty without candidates.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

/// UTF-8 without control characters other than tab and newline.
bool is_plain_text(const std::string& text);

/// Text as a message shows it: control characters escaped, shortened to a line.
std::string printable(const std::string& text);

/// Escaped and in double quotes: the same string for every YAML reader.
std::string quoted_yaml(const std::string& text);

/// Nested YAML from (path, scalar) pairs; keys of one section must follow each other.
std::string nested_yaml(const std::vector<std::pair<std::string, std::string>>& scalars);

// ---------------------------------------------------------------------------------------------- scalars

/// A unit's accepted suffixes, each with its power of ten. A number without suffix is in `name`.
struct OptionUnit {
    std::string name;
    std::vector<std::pair<std::string, int>> suffixes;
};
inline const OptionUnit kPureNumber{"", {}};
inline const OptionUnit kSiemens{"S", {{"S", 0}, {"mS", -3}, {"uS", -6}, {"nS", -9}, {"pS", -12}}};
inline const OptionUnit kShare{"share of 1", {{"%", -2}}};
inline const OptionUnit kPercent{"%", {{"%", 0}}};
inline const OptionUnit kLsb{"LSB", {{"LSB", 0}}};
inline const OptionUnit kSeconds{"s", {{"s", 0}, {"ms", -3}, {"us", -6}, {"ns", -9}, {"ps", -12}}};
inline const OptionUnit kKelvin{"K", {{"K", 0}}};
inline const OptionUnit kElectronvolts{"eV", {{"eV", 0}, {"meV", -3}}};
inline const OptionUnit kVolts{"V", {{"V", 0}, {"mV", -3}}};
inline const OptionUnit kAmperes{"A", {{"A", 0}, {"mA", -3}, {"uA", -6}, {"nA", -9}, {"pA", -12}}};
inline const OptionUnit kHertz{"Hz", {{"Hz", 0}, {"kHz", 3}, {"MHz", 6}, {"GHz", 9}}};
inline const OptionUnit kOhms{"ohm", {{"ohm", 0}, {"kohm", 3}, {"Mohm", 6}}};

struct OptionRange {
    double low = 0, high = 0;
    bool low_open = false;  // low < x instead of low <= x

    /// Written so that NaN lies outside.
    bool contains(double x) const { return (low_open ? x > low : x >= low) && x <= high; }
    std::string relation(const std::string& path) const;  // "1 <= adc.bits <= 16"
};

/// Decimal, without leading zeros. Throws ConfigError that says how to write it.
int64_t parse_integer(const OptionText& option);
/// Decimal and finite, correctly rounded, unit suffix included.
double parse_real(const OptionText& option, const OptionUnit& unit);
bool parse_bool(const OptionText& option);
/// Index of the option's value in `names`.
size_t parse_choice(const OptionText& option, const std::vector<std::string>& names);
std::string parse_text(const OptionText& option);
/// The parts of "[a, b]", of "a, b", or of a single value; none of "[]". Each has the path of the list with its index.
std::vector<OptionText> parse_list(const OptionText& option);

std::string real_text(double value);  // shortest text that reads back as the same double

ConfigError option_error(const OptionText& option, const std::string& message);
ConfigError violation_error(const OptionText& option, const std::string& relation);
/// `paths`: every valid key.
ConfigError unknown_key_error(const OptionText& option, const std::vector<std::string>& paths);

// ---------------------------------------------------------------------------------------------- fields

/// Where a key has an effect.
template <class T>
struct OptionCondition {
    std::string text;               // "adc.range = fixed"
    std::vector<std::string> keys;  // that decide it
    std::function<bool(const T&)> holds;
};

template <class T>
struct OptionField {
    std::string path, type, range, meaning;
    std::function<void(T&, const OptionText&)> read;  // throws ConfigError
    std::function<std::string(const T&)> write;       // as a YAML scalar
    std::function<std::string(const T&)> violation;   // "adc.bits = 40 violates ...", empty where there is none
    std::function<void(T& to, const T& from)> copy;
    const OptionCondition<T>* condition = nullptr;  // always has an effect where null

    OptionField only_with(const OptionCondition<T>& c) const {
        OptionField copy_of_this = *this;
        copy_of_this.condition = &c;
        return copy_of_this;
    }
    bool has_effect(const T& object) const { return !condition || condition->holds(object); }
};

template <class T>
using OptionFields = std::vector<OptionField<T>>;

/// Access to a member of a member: member_of(&Outer::inner, &Inner::value).
template <class... Members>
auto member_of(Members... members) {
    return [=](auto& object) -> auto& { return (object.*....*members); };
}

template <class T, class Access>
OptionField<T> base_field(const std::string& path, Access access, const std::string& meaning) {
    OptionField<T> field;
    field.path = path;
    field.meaning = meaning;
    field.copy = [access](T& to, const T& from) { access(to) = access(from); };
    field.violation = [](const T&) { return std::string(); };
    return field;
}

/// `word`, where given, stands for `word_value`, which the range leaves out.
template <class T, class Access>
OptionField<T> integer_field(const std::string& path, Access access, OptionRange range, const std::string& meaning,
                             const std::string& word = "", int64_t word_value = 0) {
    using Number = std::remove_reference_t<decltype(access(std::declval<T&>()))>;
    OptionField<T> field = base_field<T>(path, access, meaning);
    field.type = word.empty() ? "integer" : "integer or " + word;
    field.range = range.relation(path) + (word.empty() ? "" : " (or " + word + ")");
    field.read = [=, relation = field.range](T& object, const OptionText& option) {
        if (!word.empty() && option.value == word) {
            access(object) = static_cast<Number>(word_value);
            return;
        }
        const int64_t value = parse_integer(option);
        if (!range.contains(static_cast<double>(value))) throw violation_error(option, relation);
        access(object) = static_cast<Number>(value);
    };
    field.write = [=](const T& object) {
        const int64_t value = access(object);
        return !word.empty() && value == word_value ? word : std::to_string(value);
    };
    field.violation = [=, relation = field.range](const T& object) {
        const int64_t value = access(object);
        const bool fine = range.contains(static_cast<double>(value)) || (!word.empty() && value == word_value);
        return fine ? "" : path + " = " + std::to_string(value) + " violates " + relation;
    };
    return field;
}

std::string number_type(const OptionUnit& unit);  // "number, S (also mS, uS)"
std::string number_range(const std::string& path, OptionRange range, const OptionUnit& unit);

template <class T, class Access>
OptionField<T> real_field(const std::string& path, Access access, OptionRange range, const OptionUnit& unit,
                          const std::string& meaning) {
    OptionField<T> field = base_field<T>(path, access, meaning);
    field.type = number_type(unit);
    field.range = number_range(path, range, unit);
    field.read = [=, relation = field.range](T& object, const OptionText& option) {
        const double value = parse_real(option, unit);
        if (!range.contains(value)) throw violation_error(option, relation);
        access(object) = value;
    };
    field.write = [=](const T& object) { return real_text(access(object)); };
    field.violation = [=, relation = field.range](const T& object) {
        const double value = access(object);
        return range.contains(value) ? "" : path + " = " + real_text(value) + " violates " + relation;
    };
    return field;
}

inline std::string list_text(const std::vector<double>& values) {
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : ", ") + real_text(value);
    return "[" + text + "]";
}

/// Numbers in one order, each in `range`; `longest` bounds their count.
template <class T, class Access>
OptionField<T> list_field(const std::string& path, Access access, OptionRange range, const OptionUnit& unit,
                          size_t longest, const std::string& meaning) {
    OptionField<T> field = base_field<T>(path, access, meaning);
    field.type = "list, " + number_type(unit);
    field.range = number_range(path, range, unit) + " for each, at most " + std::to_string(longest);
    const auto check = [=,
                        relation = number_range(path, range, unit)](const std::vector<double>& values) -> std::string {
        if (values.size() > longest) {
            return path + " has " + std::to_string(values.size()) + " values, and at most " + std::to_string(longest) +
                   " are read";
        }
        for (const double value : values) {
            if (!range.contains(value)) return path + ": " + real_text(value) + " violates " + relation;
        }
        return {};
    };
    field.read = [=](T& object, const OptionText& option) {
        std::vector<double> values;
        for (const OptionText& item : parse_list(option)) values.push_back(parse_real(item, unit));
        const std::string violation = check(values);
        if (!violation.empty()) throw option_error(option, violation);
        access(object) = values;
    };
    field.write = [=](const T& object) { return list_text(access(object)); };
    field.violation = [=](const T& object) { return check(access(object)); };
    return field;
}

template <class T, class Access>
OptionField<T> bool_field(const std::string& path, Access access, const std::string& meaning) {
    OptionField<T> field = base_field<T>(path, access, meaning);
    field.type = "boolean";
    field.range = "true, false";
    field.read = [=](T& object, const OptionText& option) { access(object) = parse_bool(option); };
    field.write = [=](const T& object) { return std::string(access(object) ? "true" : "false"); };
    return field;
}

template <class T, class Access>
OptionField<T> text_field(const std::string& path, Access access, const std::string& meaning) {
    OptionField<T> field = base_field<T>(path, access, meaning);
    field.type = "text";
    field.read = [=](T& object, const OptionText& option) { access(object) = parse_text(option); };
    field.write = [=](const T& object) { return quoted_yaml(access(object)); };
    return field;
}

template <class T, class Access, class Value>
OptionField<T> choice_field(const std::string& path, Access access,
                            const std::vector<std::pair<Value, std::string>>& choices, const std::string& meaning) {
    OptionField<T> field = base_field<T>(path, access, meaning);
    std::vector<std::string> names;
    for (const auto& [value, name] : choices) {
        names.push_back(name);
        field.range += (field.range.empty() ? "" : ", ") + name;
    }
    field.type = "choice";
    field.read = [=](T& object, const OptionText& option) {
        access(object) = choices[parse_choice(option, names)].first;
    };
    field.write = [=](const T& object) {
        const auto same = [&](const auto& choice) { return choice.first == access(object); };
        const auto found = std::find_if(choices.begin(), choices.end(), same);
        return found == choices.end() ? std::string() : found->second;
    };
    field.violation = [write = field.write, path, range = field.range](const T& object) {
        return write(object).empty() ? path + " is none of " + range : std::string();
    };
    return field;
}

// ---------------------------------------------------------------------------------------------- layers

/// Who set each key last.
struct OptionOrigins {
    struct Origin {
        int layer = 0;  // 0: default
        int order = 0;  // later is higher
        OptionText option;
    };
    std::map<std::string, Origin> by_path;
    int count = 0;  // options read so far

    int layer(const std::string& path) const {
        const auto found = by_path.find(path);
        return found == by_path.end() ? 0 : found->second.layer;
    }
    /// The option among `paths` that was set last; null where all are defaults.
    const OptionText* latest(const std::vector<std::string>& paths) const;
};

template <class T>
std::vector<std::string> paths_of(const OptionFields<T>& fields) {
    std::vector<std::string> paths;
    for (const OptionField<T>& field : fields) paths.push_back(field.path);
    return paths;
}

template <class T>
const OptionField<T>* find_field(const OptionFields<T>& fields, const std::string& path) {
    const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.path == path; });
    return found == fields.end() ? nullptr : &*found;
}

/// True for `adc:` with nothing below: a section whose keys are all commented out.
bool is_empty_section(const OptionText& option, const std::vector<std::string>& paths);

/// Sets the options of one layer. Throws ConfigError.
template <class T>
void apply_layer(const OptionFields<T>& fields, T& object, const std::vector<OptionText>& layer, int index,
                 OptionOrigins& origins) {
    for (const OptionText& option : layer) {
        const OptionField<T>* field = find_field(fields, option.path);
        if (!field) {
            const std::vector<std::string> paths = paths_of(fields);
            if (is_empty_section(option, paths)) continue;
            throw unknown_key_error(option, paths);
        }
        field->read(object, option);
        origins.by_path[option.path] = {index, origins.count++, option};
    }
}

/// "adc.range = lossless, adc.calibration = mse"
template <class T>
std::string state_of(const OptionFields<T>& fields, const T& object, const std::vector<std::string>& paths) {
    std::string text;
    for (const std::string& path : paths) {
        text += (text.empty() ? "" : ", ") + path + " = " + find_field(fields, path)->write(object);
    }
    return text;
}

/// Refuses keys without effect that were set on purpose; inherited ones fall back to their default.
template <class T>
void settle_effects(const OptionFields<T>& fields, T& object, const OptionOrigins& origins) {
    const T defaults{};
    for (const OptionField<T>& field : fields) {
        if (field.has_effect(object)) continue;
        int deciding = 0;
        for (const std::string& key : field.condition->keys) deciding = std::max(deciding, origins.layer(key));
        if (const OptionText* option = origins.latest({field.path}); option && origins.layer(field.path) >= deciding) {
            throw option_error(*option, (option->from_setting ? "" : field.path + " ") + "has no effect: it needs " +
                                            field.condition->text + ", and here " +
                                            state_of(fields, object, field.condition->keys));
        }
        field.copy(object, defaults);
    }
}

/// A relation that does not hold.
struct OptionViolation {
    std::vector<std::string> paths;  // keys that take part
    std::string text;                // "cell.g_min = 0.1 violates ..."; empty: everything holds
};

/// Ranges, and keys that differ from their default without an effect.
template <class T>
OptionViolation find_field_violation(const OptionFields<T>& fields, const T& object) {
    const T defaults{};
    for (const OptionField<T>& field : fields) {
        const std::string text = field.violation(object);
        if (!text.empty()) return {{field.path}, text};
    }
    for (const OptionField<T>& field : fields) {
        if (field.has_effect(object) || field.write(object) == field.write(defaults)) continue;
        return {{field.path},
                field.path + " = " + field.write(object) + " has no effect: it needs " + field.condition->text};
    }
    return {};
}

/// Canonical text: every key that has an effect.
template <class T>
std::string write_options(const OptionFields<T>& fields, const T& object) {
    std::vector<std::pair<std::string, std::string>> scalars;
    for (const OptionField<T>& field : fields) {
        if (field.has_effect(object)) scalars.emplace_back(field.path, field.write(object));
    }
    return nested_yaml(scalars);
}

}  // namespace bitline
