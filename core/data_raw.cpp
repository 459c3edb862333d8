#include <fmt/format.h>

#include <charconv>
#include <map>

#include "core/data_sources.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline {

namespace {

ElementFormat parse_type(const std::string& name) {
    using Kind = ElementFormat::Kind;
    static const std::map<std::string, ElementFormat> kTypes{
        {"uint8", {Kind::unsigned_integer, 1}}, {"int8", {Kind::signed_integer, 1}},
        {"int16", {Kind::signed_integer, 2}},   {"int32", {Kind::signed_integer, 4}},
        {"float32", {Kind::real, 4}},           {"float64", {Kind::real, 8}},
    };
    const auto found = kTypes.find(name);
    if (found != kTypes.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [known, format] : kTypes) names.push_back(known);
    throw ConfigError(
        fmt::format("raw: type '{}' is none of uint8, int8, int16, int32, float32, float64; did you mean "
                    "'{}'?",
                    printable(name), nearest_name(name, names)));
}

Shape parse_shape(const std::string& text) {
    const auto fail = [&] {
        return ConfigError(
            fmt::format("raw: shape '{}' is not written AxBxC with sizes from 1 to 2^31", printable(text)));
    };
    Shape shape;
    int64_t elements = 1;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (true) {
        int64_t size = 0;
        const auto [next, error] = std::from_chars(at, end, size);
        if (error != std::errc() || size < 1 || size > INT64_C(1) << 31 || elements > (INT64_C(1) << 31) / size)
            throw fail();
        elements *= size;
        shape.push_back(size);
        if (next == end) return shape;
        if (*next != 'x') throw fail();
        at = next + 1;
    }
}

}  // namespace

OpenedData open_raw(const std::string& file, const std::string& labels, const std::string& type,
                    const std::string& shape) {
    const ElementFormat format = parse_type(type);
    OpenedData data;
    data.shape = parse_shape(shape);
    const int64_t elements = element_count(data.shape);
    const auto y = open_stream(labels, "labels", Unpacking::by_name);
    const StoredBytes label_bytes = store_rest(*y);
    data.size = int64_t(label_bytes.size);
    if (data.size == 0) throw FormatError(fmt::format("{}: the labels are empty", labels));
    const auto x = open_stream(file, "samples", Unpacking::by_name);
    const int64_t bytes = checked_bytes({data.size, elements}, format.size, file);
    StoredBytes samples;
    try {
        samples = store_exactly(*x, uint64_t(bytes));
    } catch (const FormatError& error) {
        throw FormatError(
            fmt::format("{} ({} labels in {} for samples of {} {})", error.what(), data.size, labels, shape, type));
    }
    data.labels = read_labels(label_bytes, {}, data.size);
    data.samples = make_record_source({{samples, data.size, 0, elements * format.size}}, format, elements);
    data.files = {file, labels};
    return data;
}

}  // namespace bitline
