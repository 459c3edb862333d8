#include "core/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "core/error.h"

namespace bitline {

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

std::string reason(int error) { return std::generic_category().message(error); }

Descriptor open_for_reading(const std::string& path, const std::string& what) {
    if (path.empty()) throw FormatError(fmt::format("the name of the {} is empty", what));
    // O_NONBLOCK: opening a named pipe must not wait for a writer. It changes nothing for a regular file.
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) throw FormatError(fmt::format("{}: cannot open the {}: {}", path, what, reason(errno)));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        throw FormatError(fmt::format("{}: cannot open the {}: {}", path, what, reason(errno)));
    }
    if (S_ISDIR(status.st_mode)) {
        throw FormatError(fmt::format("{}: is a folder, where a file is expected ({})", path, what));
    }
    if (!S_ISREG(status.st_mode)) {
        throw FormatError(
            fmt::format("{}: is a pipe or a device, where a regular file is expected ({}); save it to a "
                        "file first",
                        path, what));
    }
    return file;
}

uint64_t file_size(const Descriptor& file, const std::string& path) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw FormatError(fmt::format("{}: {}", path, reason(errno)));
    return uint64_t(status.st_size);
}

size_t read_at(const Descriptor& file, const std::string& path, uint64_t offset, void* out, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t count = ::pread(file.get(), static_cast<char*>(out) + done, size - done, off_t(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw FormatError(fmt::format("{}: cannot read: {}", path, reason(errno)));
        if (count == 0) break;
        done += size_t(count);
    }
    return done;
}

void write_all(const Descriptor& file, const std::string& path, const void* data, size_t size) {
    size_t done = 0;
    while (done < size) {
        const ssize_t count = ::write(file.get(), static_cast<const char*>(data) + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw RunError(fmt::format("{}: cannot write: {}", path, reason(errno)));
        done += size_t(count);
    }
}

std::string temporary_folder() {
    const char* folder = std::getenv("TMPDIR");
    return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

Descriptor open_unnamed_temporary() {
    const std::string folder = temporary_folder();
    Descriptor unnamed(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (unnamed.get() >= 0) return unnamed;
    // Some file systems (NFS, older overlays) have no O_TMPFILE.
    std::string name = folder + "/bitline-XXXXXX";
    Descriptor named(::mkostemp(name.data(), O_CLOEXEC));
    if (named.get() < 0) {
        throw RunError(fmt::format("{}: cannot create a temporary file: {}; set TMPDIR to a folder with free space",
                                   folder, reason(errno)));
    }
    ::unlink(name.c_str());
    return named;
}

}  // namespace bitline
