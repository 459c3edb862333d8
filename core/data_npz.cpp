// NumPy's archive: a zip file of .npy arrays (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <optional>

#include "core/data_sources.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline {

namespace {

struct NpyHeader {
    std::string type;  // "<f4"
    bool fortran_order = false;
    Shape shape;
};

/// Parses the Python dictionary of an .npy header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
    HeaderParser(const std::string& text, const std::string& name) : text_(text), name_(name) {}

    NpyHeader parse() {
        std::optional<std::string> type;
        std::optional<bool> order;
        std::optional<Shape> shape;
        expect('{');
        while (!accept('}')) {
            const std::string key = string();
            expect(':');
            if (key == "descr" && !type) {
                type = string();
            } else if (key == "fortran_order" && !order) {
                order = boolean();
            } else if (key == "shape" && !shape) {
                shape = tuple();
            } else {
                fail(fmt::format("key '{}' is unexpected", printable(key)));
            }
            if (!accept(',') && peek() != '}') fail("',' or '}' is missing");
        }
        skip_blanks();
        if (at_ != text_.size()) fail("text follows the closing brace");
        if (!type || !order || !shape) fail("descr, fortran_order or shape is missing");
        return {*type, *order, *shape};
    }

 private:
    [[noreturn]] void fail(const std::string& problem) const {
        throw FormatError(fmt::format("{}: the npy header is corrupted: {}", name_, problem));
    }
    void skip_blanks() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    }
    char peek() {
        skip_blanks();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool accept(char c) {
        if (at_ >= text_.size() || peek() != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!accept(c)) fail(fmt::format("'{}' is missing", c));
    }
    std::string string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail("a quoted name or a simple type is expected (records are not read)");
        const size_t end = text_.find(quote, at_ + 1);
        if (end == std::string::npos) fail("a quote is not closed");
        const std::string value = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return value;
    }
    bool boolean() {
        skip_blanks();
        for (const bool value : {false, true}) {
            const std::string word = value ? "True" : "False";
            if (text_.compare(at_, word.size(), word) != 0) continue;
            at_ += word.size();
            return value;
        }
        fail("True or False is expected");
    }
    Shape tuple() {
        constexpr size_t kMostAxes = 32;
        Shape sizes;
        expect('(');
        while (!accept(')')) {
            skip_blanks();
            int64_t size = 0;
            const char* const end = text_.data() + text_.size();
            const auto [next, error] = std::from_chars(text_.data() + at_, end, size);
            if (error != std::errc() || size < 0 || sizes.size() == kMostAxes) fail("the shape is invalid");
            sizes.push_back(size);
            at_ = size_t(next - text_.data());
            if (!accept(',') && peek() != ')') fail("the shape is invalid");
        }
        return sizes;
    }

    const std::string& text_;
    const std::string& name_;
    size_t at_ = 0;
};

ElementFormat npy_format(const std::string& type, const std::string& name) {
    using Kind = ElementFormat::Kind;
    const auto fail = [&] {
        return FormatError(
            fmt::format("{}: type '{}' is not numeric; store integers, floats or booleans", name, printable(type)));
    };
    if (type.size() != 3 || std::strchr("<>|=", type[0]) == nullptr) throw fail();
    ElementFormat format;
    format.size = type[2] - '0';
    format.big_endian = type[0] == '>';
    const bool is_power = format.size == 1 || format.size == 2 || format.size == 4 || format.size == 8;
    switch (type[1]) {
        case 'b':
            if (format.size != 1) throw fail();
            [[fallthrough]];
        case 'u':
            format.kind = Kind::unsigned_integer;
            break;
        case 'i':
            format.kind = Kind::signed_integer;
            break;
        case 'f':
            format.kind = Kind::real;
            break;
        default:
            throw fail();
    }
    if (!is_power || (format.kind == Kind::real && format.size == 1)) throw fail();
    return format;
}

void read_exactly(InputStream& stream, void* out, size_t size) {
    if (stream.read(out, size) != size)
        throw FormatError(fmt::format("{}: the npy header is truncated", stream.name()));
}

NpyHeader read_header(InputStream& stream) {
    static constexpr uint8_t kMagic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    uint8_t start[8];
    read_exactly(stream, start, sizeof start);
    if (std::memcmp(start, kMagic, sizeof kMagic) != 0) {
        throw FormatError(fmt::format("{}: is no npy array: its magic number is missing", stream.name()));
    }
    const int major = start[6], minor = start[7];
    if (major < 1 || major > 3 || minor != 0) {
        throw FormatError(fmt::format("{}: npy version {}.{} is none of 1.0, 2.0, 3.0", stream.name(), major, minor));
    }
    uint8_t length[4] = {};
    read_exactly(stream, length, major == 1 ? 2 : 4);
    const uint32_t size = length[0] | uint32_t(length[1]) << 8 | uint32_t(length[2]) << 16 | uint32_t(length[3]) << 24;
    constexpr uint32_t kLongest = 1 << 16;
    if (size > kLongest) throw FormatError(fmt::format("{}: the npy header is absurdly long", stream.name()));
    std::string text(size, '\0');
    read_exactly(stream, text.data(), text.size());
    return HeaderParser(text, stream.name()).parse();
}

struct NpyArray {
    ElementFormat format;
    Shape shape;
    StoredBytes bytes;
};

NpyArray open_array(const std::string& file, const std::string& member) {
    const auto stream = open_zip_member(file, member);
    const NpyHeader header = read_header(*stream);
    if (header.fortran_order && header.shape.size() > 1) {
        throw FormatError(
            fmt::format("{}: is stored in Fortran order; save numpy.ascontiguousarray(...) of it", stream->name()));
    }
    NpyArray array{npy_format(header.type, stream->name()), header.shape, {}};
    array.bytes = store_exactly(*stream, uint64_t(checked_bytes(array.shape, array.format.size, stream->name())));
    return array;
}

std::vector<int32_t> labels_of(const std::string& file, int64_t samples) {
    const std::string member = "y.npy";
    if (!has_zip_member(file, member)) return {};
    const NpyArray y = open_array(file, member);
    const bool is_column = y.shape.size() == 2 && y.shape[1] == 1;
    if (y.shape.size() != 1 && !is_column) {
        throw FormatError(
            fmt::format("{}: y has shape {}; one class number per sample is expected", file, to_string(y.shape)));
    }
    require_equal_counts(samples, file + " (x)", y.shape[0], file + " (y)");
    return read_labels(y.bytes, y.format, samples);
}

}  // namespace

OpenedData open_npz(const std::string& file) {
    const NpyArray x = open_array(file, "x.npy");
    if (x.shape.size() < 2) {
        throw FormatError(fmt::format("{}: x has {} axes; (samples x ...) needs at least 2", file, x.shape.size()));
    }
    OpenedData data;
    data.shape.assign(x.shape.begin() + 1, x.shape.end());
    data.size = x.shape[0];
    data.labels = labels_of(file, data.size);
    const int64_t elements = element_count(data.shape);
    data.samples = make_record_source({{x.bytes, data.size, 0, elements * x.format.size}}, x.format, elements);
    data.files = {file};
    return data;
}

}  // namespace bitline
