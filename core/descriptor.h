#pragma once

// The few system calls behind files.h, data.h and hdf5_file.h, with errors that name the file and the reason.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace bitline {

/// Owns a file descriptor.
class Descriptor {
 public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const { return fd_; }

 private:
    int fd_;
};

/// What `error` (an errno) means, in words.
std::string reason(int error);

/// Opens a regular file. Throws FormatError; `what` names the file's role ("model").
Descriptor open_for_reading(const std::string& path, const std::string& what);

uint64_t file_size(const Descriptor& file, const std::string& path);

/// Reads up to `size` bytes at `offset`; fewer only at the end of the file. Thread safe. Throws FormatError.
size_t read_at(const Descriptor& file, const std::string& path, uint64_t offset, void* out, size_t size);

/// Writes everything at the current position. Throws RunError that names `path` (a full disk).
void write_all(const Descriptor& file, const std::string& path, const void* data, size_t size);

/// A file without a name in the folder for temporary files (TMPDIR, else /tmp): gone when it is closed.
Descriptor open_unnamed_temporary();

/// The folder for temporary files: TMPDIR, else /tmp.
std::string temporary_folder();

}  // namespace bitline
