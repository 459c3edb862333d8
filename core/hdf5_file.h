#pragma once

// A small wrapper of HDF5's C library. The library crashes on some damaged files, so none reaches it unproved:
// Bitline's own files carry a checksum that is verified first; files by others (h5py, ...) carry none, and a child
// process copies their numbers and texts into a temporary file (in TMPDIR, else /tmp), from which they are then read.
//
// Bitline's own files begin with a user block, HDF5's mechanism for bytes of a user in front of its own
// (H5Pset_userblock; h5py: File(..., userblock_size=512)):
//
//   byte     0 ..   7   magic "BITLINE\n"
//   byte     8 ..  11   format version 1, uint32 little endian
//   byte    12 ..  43   SHA-256 of all bytes from 512 to the end of the file
//   byte    44 .. 511   zero
//   byte   512 ..       HDF5: its superblock and everything else
//
// Another program makes such a file by writing HDF5 with a user block of 512 bytes, closing it, and then writing the
// first 44 bytes.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/network.h"

namespace bitline {

class Hdf5Reader {
 public:
    /// `what` names the file's role in messages ("network", "data"). Throws FormatError.
    Hdf5Reader(const std::string& path, const std::string& what);
    ~Hdf5Reader();
    Hdf5Reader(const Hdf5Reader&) = delete;
    Hdf5Reader& operator=(const Hdf5Reader&) = delete;

    bool ours() const;  // carries Bitline's user block
    bool has(const std::string& object) const;
    std::vector<std::string> children(const std::string& group) const;  // in creation order where kept, else by name
    bool has_attribute(const std::string& object, const std::string& name) const;

    // Missing object, wrong type or wrong rank: FormatError with file and path inside the file.
    Shape shape(const std::string& dataset) const;
    std::string read_string(const std::string& object, const std::string& attribute) const;
    int64_t read_int(const std::string& object, const std::string& attribute) const;
    double read_double(const std::string& object, const std::string& attribute) const;
    std::vector<int64_t> read_ints(const std::string& dataset) const;
    std::vector<float> read_floats(const std::string& dataset) const;  // exact for stored float32
    std::vector<double> read_doubles(const std::string& dataset) const;
    /// Rows first .. first + count - 1 of axis 0, converted to float32. Thread safe (one lock).
    void read_rows(const std::string& dataset, int64_t first, int64_t count, float* out) const;

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

class Hdf5Writer {
 public:
    /// Creates `path` (a temporary name given by write_atomically). Throws RunError where the disk refuses.
    /// The content is kept in memory until `close`.
    explicit Hdf5Writer(const std::string& path);
    ~Hdf5Writer();
    Hdf5Writer(const Hdf5Writer&) = delete;
    Hdf5Writer& operator=(const Hdf5Writer&) = delete;

    // Missing parents (and the object of an attribute) are created as groups. The order of creation is kept; times are
    // not, so equal content gives equal bytes. Strings may contain anything, zero bytes too.
    void group(const std::string& path);
    void write_string(const std::string& object, const std::string& attribute, const std::string& value);
    void write_int(const std::string& object, const std::string& attribute, int64_t value);
    void write_double(const std::string& object, const std::string& attribute, double value);
    void write(const std::string& dataset, const std::vector<int64_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<int32_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<int8_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<float>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<double>& values, const Shape& shape);

    /// Writes the user block with its checksum and the content. Without it the file stays empty. Nothing may be written
    /// afterwards. Throws RunError where the disk refuses.
    void close();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bitline
