#pragma once

// A small wrapper of HDF5's C library. Bitline's own files begin with a user block (512 bytes, HDF5's own mechanism):
// the magic "BITLINE\n", a format version and the SHA-256 of everything behind the block. The checksum is verified
// before the library opens the file, because the library crashes on some corrupted ones. Files by others (h5py, ...)
// carry no block and are first opened and read in a child process.

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
    std::vector<float> read_floats(const std::string& dataset) const;    // exact for stored float32
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
    explicit Hdf5Writer(const std::string& path);
    ~Hdf5Writer();
    Hdf5Writer(const Hdf5Writer&) = delete;
    Hdf5Writer& operator=(const Hdf5Writer&) = delete;

    void group(const std::string& path);  // creates parents too; creation order is tracked
    void write_string(const std::string& object, const std::string& attribute, const std::string& value);
    void write_int(const std::string& object, const std::string& attribute, int64_t value);
    void write_double(const std::string& object, const std::string& attribute, double value);
    void write(const std::string& dataset, const std::vector<int64_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<int32_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<int8_t>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<float>& values, const Shape& shape);
    void write(const std::string& dataset, const std::vector<double>& values, const Shape& shape);

    /// Closes the file and writes the user block with its checksum. Without it the file stays unusable.
    void close();

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bitline
