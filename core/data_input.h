#pragma once

// Bytes of data files. What is packed (.gz, .xz, members of .npz) is unpacked once into a temporary file without a
// name, so that samples can be read in any order while memory stays small.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/data_elements.h"
#include "core/descriptor.h"

namespace bitline {

/// Bytes in order, unpacked where the file is packed.
class InputStream {
 public:
    explicit InputStream(std::string name) : name_(std::move(name)) {}
    virtual ~InputStream() = default;
    /// Reads up to `size` bytes; fewer only at the end. Throws FormatError where the packed stream is corrupted.
    virtual size_t read(void* out, size_t size) = 0;
    /// Bytes that may follow at most: exact for a plain file, else from the highest ratio that the packing can reach.
    virtual uint64_t most_bytes() const = 0;
    /// The file itself where it is not packed; else null.
    virtual std::shared_ptr<const Descriptor> plain_file() const { return nullptr; }

    const std::string& name() const { return name_; }  // for messages: file, or file and member
    uint64_t position() const { return position_; }    // unpacked bytes read so far

 protected:
    uint64_t position_ = 0;

 private:
    std::string name_;
};

/// Whether a packed file is known by its name alone, or also by its first bytes (for formats that cannot begin so).
enum class Unpacking { by_name, by_name_or_content };
std::unique_ptr<InputStream> open_stream(const std::string& path, const std::string& what, Unpacking unpacking);

/// A member of a zip archive (.npz). Throws FormatError that lists the members where `member` is missing.
std::unique_ptr<InputStream> open_zip_member(const std::string& path, const std::string& member);
bool has_zip_member(const std::string& path, const std::string& member);

/// Bytes that can be read in any order.
struct StoredBytes {
    std::shared_ptr<const Descriptor> file;
    std::string name;     // for messages
    uint64_t offset = 0;  // of the first byte within the file
    uint64_t size = 0;

    /// Thread safe. Throws FormatError where the file has shrunk since it was opened.
    void read(uint64_t at, void* out, uint64_t count) const;
};

/// The rest of the stream, which must be exactly `size` bytes. Throws FormatError with both numbers.
StoredBytes store_exactly(InputStream& stream, uint64_t size);
/// The rest of the stream, whatever its length.
StoredBytes store_rest(InputStream& stream);

/// Stored numbers as labels: whole and 0 .. 2^31 - 1. Throws FormatError that names the first wrong row.
std::vector<int32_t> read_labels(const StoredBytes& bytes, const ElementFormat& format, int64_t count);
int32_t checked_label(double value, int64_t row, const std::string& where);

}  // namespace bitline
