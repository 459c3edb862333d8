// A network as HDF5:
//   /                 format, format_version, name, input, output (indices into /values)
//   /values/0000      name, shape and, where it holds codes, the group quantizer
//   /layers/0000_name name, origin, inputs, output, kind and the fields of that kind, in an order of execution
//   /preprocess       where the model carries its own
//   /metadata/0000    key, value
// Real numbers are float32, scales and biases say in the attribute `meaning` what they stand for.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <new>
#include <stdexcept>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_file.h"
#include "core/model_io.h"
#include "core/network_hdf5_fields.h"

namespace bitline {

namespace hdf5_format {

namespace {

constexpr const char* kFormat = "bitline network";
constexpr int64_t kFormatVersion = 1;
// Sizes that a file may claim, checked before memory is asked for. Bitline writes at least a byte per element; another
// program may have compressed it.
constexpr int64_t kMaxElements = int64_t(1) << 28;  // of one data set: 1 GiB of weights
constexpr int64_t kMaxElementsPerByte = 64;

std::string join_path(const std::string& group, const std::string& name) {
    return group == "/" ? group + name : group + "/" + name;
}

// ---------------------------------------------------------------------------------------------- writing

class WriteArchive {
 public:
    static constexpr bool kWrites = true;
    WriteArchive(Hdf5Writer& file, std::string path) : file_(file), path_(std::move(path)) {}

    void number(const char* name, int64_t value) { file_.write_int(path_, name, value); }
    void flag(const char* name, bool value) { file_.write_int(path_, name, value ? 1 : 0); }
    void real(const char* name, float value) { file_.write_double(path_, name, double(value)); }
    void text(const char* name, const std::string& value) { file_.write_string(path_, name, value); }

    template <class Enum, size_t kCount>
    void choice(const char* name, Enum value, const std::array<std::string_view, kCount>& names) {
        file_.write_string(path_, name, std::string(names.at(size_t(value))));
    }

    template <class T>
    void list(const char* name, const std::vector<T>& values, Shape shape, const std::string& meaning) {
        if (values.empty()) return;
        const auto count = int64_t(values.size());
        if (shape.empty() || element_count(shape) != count) shape = {count};
        const std::string path = join_path(path_, name);
        file_.write(path, values, shape);
        if (!meaning.empty()) file_.write_string(path, "meaning", meaning);
    }

    WriteArchive sub(const std::string& name) {
        const std::string path = join_path(path_, name);
        file_.group(path);
        return {file_, path};
    }

    template <class T>
    void optional(const char* name, const std::optional<T>& value) {
        if (!value) return;
        WriteArchive archive = sub(name);
        exchange(archive, *value);
    }

    template <class Variant, size_t kCount>
    void alternative(const char* name, const Variant& value, const std::array<std::string_view, kCount>& names) {
        file_.write_string(path_, name, std::string(names.at(value.index())));
        std::visit([this](const auto& chosen) { exchange(*this, chosen); }, value);
    }

 private:
    Hdf5Writer& file_;
    std::string path_;
};

/// "0007_conv1": sorts in the order of the indices, and tells a reader of the bare file what it is.
std::string group_name(size_t index, size_t count, const std::string& label) {
    const size_t digits = std::max<size_t>(4, std::to_string(count).size());
    std::string name = fmt::format("{:0{}}", index, digits);
    if (label.empty()) return name;
    name += '_';
    for (const char c : label.substr(0, 48)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        name += plain ? c : '_';
    }
    return name;
}

void write_metadata(WriteArchive& root, const std::map<std::string, std::string>& metadata) {
    WriteArchive group = root.sub("metadata");
    size_t index = 0;
    for (const auto& [key, value] : metadata) {
        WriteArchive entry = group.sub(group_name(index++, metadata.size(), ""));
        entry.text("key", key);
        entry.text("value", value);
    }
}

void write_all(Hdf5Writer& file, const Network& network) {
    WriteArchive root(file, "/");
    root.text("format", kFormat);
    root.number("format_version", kFormatVersion);
    root.text("name", network.name);
    root.number("input", network.input);
    root.number("output", network.output);

    WriteArchive values = root.sub("values");
    for (size_t i = 0; i < network.values.size(); ++i) {
        WriteArchive value = values.sub(group_name(i, network.values.size(), ""));
        exchange(value, network.values[i]);
    }
    WriteArchive layers = root.sub("layers");
    for (size_t i = 0; i < network.nodes.size(); ++i) {
        WriteArchive layer = layers.sub(group_name(i, network.nodes.size(), network.nodes[i].name));
        exchange(layer, network.nodes[i]);
    }
    root.optional("preprocess", network.preprocess);
    write_metadata(root, network.metadata);
}

// ---------------------------------------------------------------------------------------------- reading

class ReadArchive {
 public:
    static constexpr bool kWrites = false;
    ReadArchive(const Hdf5Reader& file, const std::string& file_name, std::string path)
        : file_(file), file_name_(file_name), path_(std::move(path)) {}

    template <class Int>
    void number(const char* name, Int& value) {
        value = narrowed<Int>(name, file_.read_int(path_, name));
    }
    void flag(const char* name, bool& value) {
        const int64_t number = file_.read_int(path_, name);
        if (number != 0 && number != 1) fail(name, fmt::format("{} violates 0 or 1", number));
        value = number == 1;
    }
    void real(const char* name, float& value) {
        const double number = file_.read_double(path_, name);
        value = float(number);
        if (double(value) != number) fail(name, fmt::format("{} violates a finite float32", number));
    }
    void text(const char* name, std::string& value) { value = file_.read_string(path_, name); }

    template <class Enum, size_t kCount>
    void choice(const char* name, Enum& value, const std::array<std::string_view, kCount>& names) {
        value = Enum(index_of(name, names.data(), kCount));
    }

    template <class T>
    void list(const char* name, std::vector<T>& values, const Shape&, const char*);

    ReadArchive sub(const std::string& name) const { return {file_, file_name_, join_path(path_, name)}; }
    std::vector<ReadArchive> subs(const std::string& name) const;

    template <class T>
    void optional(const char* name, std::optional<T>& value) {
        if (!file_.has(join_path(path_, name))) return;
        ReadArchive archive = sub(name);
        exchange(archive, value.emplace());
    }

    template <class Variant, size_t kCount>
    void alternative(const char* name, Variant& value, const std::array<std::string_view, kCount>& names) {
        emplace_alternative<0>(value, index_of(name, names.data(), kCount));
        std::visit([this](auto& chosen) { exchange(*this, chosen); }, value);
    }

    [[noreturn]] void fail(const std::string& name, const std::string& why) const {
        throw FormatError(fmt::format("network {}: {}: {}", file_name_, join_path(path_, name), why));
    }

 private:
    template <class Int>
    Int narrowed(const std::string& name, int64_t value) const {
        constexpr int64_t kLow = std::numeric_limits<Int>::min(), kHigh = std::numeric_limits<Int>::max();
        if (value < kLow || value > kHigh) {
            fail(name, fmt::format("{} violates {} <= value <= {}", value, kLow, kHigh));
        }
        return Int(value);
    }

    template <size_t kIndex, class Variant>
    static void emplace_alternative(Variant& value, size_t index) {
        if (index == kIndex) {
            value.template emplace<kIndex>();
        } else if constexpr (kIndex + 1 < std::variant_size_v<Variant>) {
            emplace_alternative<kIndex + 1>(value, index);
        }
    }

    size_t index_of(const char* name, const std::string_view* names, size_t count) const;
    void require_size(const std::string& name) const;

    const Hdf5Reader& file_;
    const std::string& file_name_;
    std::string path_;
};

size_t ReadArchive::index_of(const char* name, const std::string_view* names, size_t count) const {
    const std::string text = file_.read_string(path_, name);
    const auto* const found = std::find(names, names + count, text);
    if (found == names + count) {
        fail(name, fmt::format("'{}' violates one of: {}", text, fmt::join(names, names + count, ", ")));
    }
    return size_t(found - names);
}

void ReadArchive::require_size(const std::string& name) const {
    const Shape shape = file_.shape(join_path(path_, name));
    std::error_code error;  // a file that vanished meanwhile holds nothing
    const std::uintmax_t size = std::filesystem::file_size(file_name_, error);
    const int64_t bytes = error ? 0 : int64_t(size);
    const int64_t most = std::min(kMaxElements, bytes * kMaxElementsPerByte);
    if (element_count(shape) > most) {
        fail(name, fmt::format("shape {} violates at most {} elements, which a file of {} bytes may hold",
                               to_string(shape), most, bytes));
    }
}

template <class T>
void ReadArchive::list(const char* name, std::vector<T>& values, const Shape&, const char*) {
    values.clear();
    const std::string path = join_path(path_, name);
    if (!file_.has(path)) return;
    require_size(name);
    if constexpr (std::is_same_v<T, float>) {
        values = file_.read_floats(path);
    } else if constexpr (std::is_same_v<T, int64_t>) {
        values = file_.read_ints(path);
    } else {
        const std::vector<int64_t> numbers = file_.read_ints(path);
        values.reserve(numbers.size());
        for (const int64_t number : numbers) values.push_back(narrowed<T>(name, number));
    }
}

std::vector<ReadArchive> ReadArchive::subs(const std::string& name) const {
    const std::string path = join_path(path_, name);
    if (!file_.has(path)) fail(name, "is missing; the file was not written by this version, or is damaged");
    std::vector<std::string> names = file_.children(path);
    std::sort(names.begin(), names.end());
    std::vector<ReadArchive> archives;
    for (const std::string& child : names) archives.emplace_back(file_, file_name_, join_path(path, child));
    return archives;
}

void require_format(const Hdf5Reader& file, const ReadArchive& root) {
    if (!file.has_attribute("/", "format") || file.read_string("/", "format") != kFormat) {
        root.fail("format", fmt::format("violates '{}'; this HDF5 file holds no network", kFormat));
    }
    const int64_t version = file.read_int("/", "format_version");
    if (version != kFormatVersion) {
        root.fail("format_version", fmt::format("{} violates format_version = {}; read it with the version of Bitline "
                                                "that wrote it, or write it again",
                                                version, kFormatVersion));
    }
}

Network read_all(const Hdf5Reader& file, const std::string& path) {
    ReadArchive root(file, path, "/");
    require_format(file, root);
    Network network;
    root.text("name", network.name);
    root.number("input", network.input);
    root.number("output", network.output);
    for (ReadArchive& value : root.subs("values")) exchange(value, network.values.emplace_back());
    for (ReadArchive& layer : root.subs("layers")) exchange(layer, network.nodes.emplace_back());
    root.optional("preprocess", network.preprocess);
    for (ReadArchive& entry : root.subs("metadata")) {
        std::string key, value;
        entry.text("key", key);
        entry.text("value", value);
        if (!network.metadata.emplace(key, value).second) entry.fail("key", fmt::format("'{}' appears twice", key));
    }
    return network;
}

}  // namespace

}  // namespace hdf5_format

Network read_hdf5(const std::string& path) {
    try {
        const Hdf5Reader file(path, "network");
        Network network = hdf5_format::read_all(file, path);
        validate(network);
        return network;
    } catch (const FormatError& error) {
        const std::string text = error.what();
        throw FormatError(text.find(path) == std::string::npos ? fmt::format("network {}: {}", path, text) : text);
    } catch (const std::bad_alloc&) {
        throw FormatError(fmt::format("network {}: its data sets need more memory than there is", path));
    } catch (const std::length_error&) {
        throw FormatError(fmt::format("network {}: its data sets need more memory than there is", path));
    }
}

void write_hdf5(const Network& network, const std::string& path) {
    write_atomically(path, [&](const std::string& temporary) {
        Hdf5Writer file(temporary);
        hdf5_format::write_all(file, network);
        file.close();
    });
}

}  // namespace bitline
