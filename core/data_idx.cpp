// The format of MNIST (http://yann.lecun.com/exdb/mnist): two zero bytes, type, rank, one big-endian uint32 per axis,
// then the numbers, big endian, the last axis fastest.

#include <fmt/format.h>

#include "core/data_sources.h"
#include "core/error.h"

namespace bitline {

namespace {

struct IdxArray {
    ElementFormat format;
    Shape shape;
    StoredBytes bytes;
};

ElementFormat idx_format(uint8_t code, const std::string& name) {
    using Kind = ElementFormat::Kind;
    switch (code) {
        case 0x08:
            return {Kind::unsigned_integer, 1, true};
        case 0x09:
            return {Kind::signed_integer, 1, true};
        case 0x0B:
            return {Kind::signed_integer, 2, true};
        case 0x0C:
            return {Kind::signed_integer, 4, true};
        case 0x0D:
            return {Kind::real, 4, true};
        case 0x0E:
            return {Kind::real, 8, true};
        default:
            throw FormatError(fmt::format("{}: idx type 0x{:02X} is none of 08, 09, 0B, 0C, 0D, 0E", name, code));
    }
}

void read_header(InputStream& stream, uint8_t* out, size_t size) {
    if (stream.read(out, size) != size)
        throw FormatError(fmt::format("{}: the idx header is truncated", stream.name()));
}

IdxArray open_array(const std::string& path, const std::string& what) {
    const auto stream = open_stream(path, what, Unpacking::by_name_or_content);
    uint8_t magic[4];
    read_header(*stream, magic, sizeof magic);
    if (magic[0] != 0 || magic[1] != 0) {
        throw FormatError(fmt::format("{}: is no idx file: it begins with bytes {:02X} {:02X} instead of 00 00", path,
                                      magic[0], magic[1]));
    }
    IdxArray array;
    array.format = idx_format(magic[2], path);
    for (int axis = 0; axis < magic[3]; ++axis) {
        uint8_t size[4];
        read_header(*stream, size, sizeof size);
        array.shape.push_back(int64_t(size[0]) << 24 | size[1] << 16 | size[2] << 8 | size[3]);
    }
    array.bytes = store_exactly(*stream, uint64_t(checked_bytes(array.shape, array.format.size, path)));
    return array;
}

Shape sample_shape(const Shape& stored, const std::string& name) {
    switch (stored.size()) {
        case 2:
            return {stored[1]};
        case 3:
            return {1, stored[1], stored[2]};  // grey images
        case 4:
            return {stored[1], stored[2], stored[3]};
        default:
            throw FormatError(fmt::format("{}: the images have {} axes; 2, 3 or 4 are read", name, stored.size()));
    }
}

}  // namespace

OpenedData open_idx(const std::string& images, const std::string& labels) {
    const IdxArray x = open_array(images, "idx images");
    const IdxArray y = open_array(labels, "idx labels");
    OpenedData data;
    data.shape = sample_shape(x.shape, images);
    data.size = x.shape[0];
    if (y.shape.size() != 1) {
        throw FormatError(fmt::format("{}: the labels have {} axes instead of 1", labels, y.shape.size()));
    }
    require_equal_counts(data.size, images, y.shape[0], labels);
    data.labels = read_labels(y.bytes, y.format, data.size);
    const int64_t elements = element_count(data.shape);
    data.samples = make_record_source({{x.bytes, data.size, 0, elements * x.format.size}}, x.format, elements);
    data.files = {images, labels};
    return data;
}

}  // namespace bitline
