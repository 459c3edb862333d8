#pragma once

// The user block of Bitline's own HDF5 files; its layout is in hdf5_file.h.

#include <array>
#include <cstdint>
#include <string>

namespace bitline {

constexpr size_t kUserBlockSize = 512;  // the smallest that HDF5 allows
using UserBlock = std::array<uint8_t, kUserBlockSize>;

/// The block in front of `size` bytes of HDF5.
UserBlock make_user_block(const void* content, size_t size);

/// True for a file of ours whose checksum holds, false for a file without our magic. Throws FormatError for a file of
/// ours that is damaged or of a newer format. `what` names the file's role.
bool verify_user_block(const std::string& path, const std::string& what);

}  // namespace bitline
