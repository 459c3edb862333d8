#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace bitline {

/// SHA-256 of bytes that arrive in pieces.
class Sha256 {
 public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void update(const void* data, size_t size);
    /// Adds the bytes of a file from `offset` to its end; returns how many they were. Throws FormatError.
    uint64_t update_file(const std::string& path, uint64_t offset = 0);
    std::array<uint8_t, 32> finish();

 private:
    struct Context;
    std::unique_ptr<Context> context_;
};

/// Lower-case hexadecimal, as `sha256sum` prints it.
std::string to_hex(const std::array<uint8_t, 32>& digest);

}  // namespace bitline
