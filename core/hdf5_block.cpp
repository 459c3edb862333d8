#include "core/hdf5_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/sha256.h"

namespace bitline {

namespace {
constexpr char kMagic[] = "BITLINE\n";  // without its terminating zero
constexpr size_t kMagicSize = 8;
constexpr size_t kDigestAt = 12;
constexpr uint32_t kFormatVersion = 1;

uint32_t version_of(const UserBlock& block) {
    return block[8] | uint32_t(block[9]) << 8 | uint32_t(block[10]) << 16 | uint32_t(block[11]) << 24;
}

UserBlock block_with_digest(const std::array<uint8_t, 32>& digest) {
    UserBlock block{};
    std::memcpy(block.data(), kMagic, kMagicSize);
    for (int i = 0; i < 4; ++i) block[kMagicSize + i] = uint8_t(kFormatVersion >> (8 * i));
    std::copy(digest.begin(), digest.end(), block.begin() + kDigestAt);
    return block;
}
}  // namespace

UserBlock make_user_block(const void* content, size_t size) {
    Sha256 hash;
    hash.update(content, size);
    return block_with_digest(hash.finish());
}

bool verify_user_block(const std::string& path, const std::string& what) {
    const Descriptor file = open_for_reading(path, what);
    UserBlock block{};
    const size_t count = read_at(file, path, 0, block.data(), block.size());
    if (count < kMagicSize || std::memcmp(block.data(), kMagic, kMagicSize) != 0) return false;
    if (count > kDigestAt && version_of(block) > kFormatVersion) {
        throw FormatError(fmt::format("{}: is of format version {}, and this Bitline reads up to {}; use a newer one",
                                      path, version_of(block), kFormatVersion));
    }
    Sha256 hash;
    const bool has_content = hash.update_file(path, kUserBlockSize) > 0;
    // Comparing the whole block also covers the version and the zeros behind the digest.
    if (!has_content || block != block_with_digest(hash.finish())) {
        throw FormatError(
            fmt::format("{}: checksum mismatch: the file is truncated or corrupted; make it again", path));
    }
    return true;
}

}  // namespace bitline
