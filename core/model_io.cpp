#include "core/model_io.h"

#include <fstream>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace bitline {

namespace {

constexpr std::string_view kHdf5Signature = "\x89HDF\r\n\x1a\n";
constexpr std::string_view kOwnMagic = "BITLINE\n";  // before an HDF5 file of ours, with its checksum

/// HDF5's superblock lies at 0, or behind a user block of 512 bytes or more (a power of two; ours is 512).
bool is_hdf5(const std::string& head) {
    const auto starts_at = [&](size_t offset, std::string_view text) {
        return head.size() >= offset + text.size() && head.compare(offset, text.size(), text) == 0;
    };
    return starts_at(0, kHdf5Signature) || starts_at(512, kHdf5Signature) || starts_at(0, kOwnMagic);
}

}  // namespace

Network read_network(const std::string& path) {
    require_file(path, "model");
    std::string head(520, '\0');
    std::ifstream file(path, std::ios::binary);
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<size_t>(file.gcount()));
    return is_hdf5(head) ? read_hdf5(path) : read_onnx(path);
}

}  // namespace bitline
