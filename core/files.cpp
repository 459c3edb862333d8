#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/sha256.h"
#include "core/temporary_name.h"

namespace bitline {

namespace {

/// Where the bytes go in the end.
struct Target {
    std::filesystem::path path;    // symbolic links followed, so that a link stays a link
    std::filesystem::path folder;  // of the temporary file
    bool is_stream = false;        // a device or a pipe (/dev/stdout): written into, never replaced
    mode_t mode = 0666;            // of a file that exists already
    bool exists = false;
};

/// /dev/stdout, /dev/fd/1 and their kin may lead to a regular file that the shell keeps open: replacing it would lose
/// what else is written there.
bool names_open_file(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::string folder = std::filesystem::weakly_canonical(path.parent_path(), ignored).string();
    return folder == "/dev" || folder.rfind("/proc/", 0) == 0;
}

/// The descriptor that `name` stands for, or -1. It shares its position with what else is printed, where opening the
/// name anew would start at byte 0, or be forbidden.
int open_descriptor(const std::string& name) {
    if (name == "/dev/stdout") return STDOUT_FILENO;
    if (name == "/dev/stderr") return STDERR_FILENO;
    return -1;
}

Target find_target(const std::string& name) {
    if (name.empty()) throw ConfigError("the name of the output file is empty");
    Target target;
    std::error_code error;
    target.path = std::filesystem::absolute(name, error);
    struct stat status {};
    target.exists = ::stat(name.c_str(), &status) == 0;
    if (target.exists && S_ISDIR(status.st_mode)) {
        throw ConfigError(fmt::format("{}: is a folder; give the name of a file", name));
    }
    if (!target.path.has_filename()) throw ConfigError(fmt::format("{}: names a folder, not a file", name));
    target.is_stream = target.exists && (!S_ISREG(status.st_mode) || names_open_file(target.path));
    if (target.exists && !target.is_stream && !error) {
        target.mode = status.st_mode & 07777;
        target.path = std::filesystem::canonical(target.path, error);
    }
    const bool is_open = open_descriptor(name) >= 0;
    if (error || (target.exists && !is_open && ::access(name.c_str(), W_OK) != 0)) {
        throw ConfigError(fmt::format("{}: cannot be written: {}", name, error ? error.message() : reason(errno)));
    }
    target.folder = target.is_stream ? std::filesystem::path(temporary_folder()) : target.path.parent_path();
    if (!std::filesystem::is_directory(target.folder, error)) {
        throw ConfigError(
            fmt::format("{}: its folder {} does not exist; create it first", name, target.folder.string()));
    }
    return target;
}

void create_empty(const TemporaryName& temporary, const std::string& name) {
    const Descriptor file(::open(temporary.get().c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
    if (file.get() >= 0) return;
    const int error = errno;
    const std::string message =
        fmt::format("{}: cannot be written: no file can be created in its folder: {}", name, reason(error));
    if (error == ENOSPC || error == EDQUOT) throw RunError(message);
    throw ConfigError(message);
}

/// Calls `write`; the user knows the target's name, not the temporary one.
void call_writer(const std::function<void(const std::string&)>& write, const std::string& temporary,
                 const std::string& name) {
    try {
        write(temporary);
    } catch (const RunError& error) {
        std::string message = error.what();
        const size_t at = message.find(temporary);
        if (at == std::string::npos) throw;
        throw RunError(message.replace(at, temporary.size(), name));
    }
}

void flush_to_disk(const std::string& path, int flags, const std::string& name) {
    const Descriptor file(::open(path.c_str(), flags | O_CLOEXEC));
    // EINVAL: the file system has nothing to flush.
    if (file.get() < 0 || (::fsync(file.get()) != 0 && errno != EINVAL)) {
        throw RunError(fmt::format("{}: cannot write: {}", name, reason(errno)));
    }
}

Descriptor open_stream(const std::string& name) {
    const int open_already = open_descriptor(name);
    if (open_already >= 0) return Descriptor(::fcntl(open_already, F_DUPFD_CLOEXEC, 0));
    return Descriptor(::open(name.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
}

void copy_to_stream(const std::string& temporary, const std::string& name) {
    const Descriptor from = open_for_reading(temporary, "temporary file");
    const Descriptor to = open_stream(name);
    if (to.get() < 0) throw RunError(fmt::format("{}: cannot write: {}", name, reason(errno)));
    std::vector<char> buffer(size_t(1) << 20);
    uint64_t done = 0;
    while (const size_t count = read_at(from, temporary, done, buffer.data(), buffer.size())) {
        write_all(to, name, buffer.data(), count);
        done += count;
    }
}

void replace_target(const TemporaryName& temporary, const Target& target, const std::string& name) {
    if (target.exists) ::chmod(temporary.get().c_str(), target.mode);
    flush_to_disk(temporary.get(), O_RDONLY, name);
    if (std::rename(temporary.get().c_str(), target.path.c_str()) != 0) {
        throw RunError(fmt::format("{}: cannot write: {}", name, reason(errno)));
    }
    flush_to_disk(target.folder.string(), O_RDONLY | O_DIRECTORY, name);
}

}  // namespace

std::string sha256_file(const std::string& path) {
    Sha256 hash;
    hash.update_file(path);
    return to_hex(hash.finish());
}

std::string sha256_bytes(const void* data, size_t size) {
    Sha256 hash;
    hash.update(data, size);
    return to_hex(hash.finish());
}

void require_file(const std::string& path, const std::string& what) {
    if (file_size(open_for_reading(path, what), path) == 0) {
        throw FormatError(fmt::format("{}: the {} is empty (0 bytes)", path, what));
    }
}

std::string read_file(const std::string& path, const std::string& what, uint64_t max_bytes) {
    const Descriptor file = open_for_reading(path, what);
    const uint64_t size = file_size(file, path);
    if (size > max_bytes) {
        throw FormatError(
            fmt::format("{}: the {} has {} bytes, more than the {} that are accepted", path, what, size, max_bytes));
    }
    std::string content(size, '\0');
    content.resize(read_at(file, path, 0, content.data(), content.size()));
    return content;
}

void write_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& write) {
    const Target target = find_target(path);
    const TemporaryName temporary(unused_name(target.folder.string(), target.path.filename().string()));
    create_empty(temporary, path);
    call_writer(write, temporary.get(), path);
    if (target.is_stream) {
        copy_to_stream(temporary.get(), path);
    } else {
        replace_target(temporary, target, path);
    }
}

void write_text_atomically(const std::string& path, const std::string& text) {
    write_atomically(path, [&](const std::string& temporary) {
        const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
        if (file.get() < 0) throw RunError(fmt::format("{}: cannot write: {}", temporary, reason(errno)));
        write_all(file, temporary, text.data(), text.size());
    });
}

void require_writable(const std::string& path) {
    const Target target = find_target(path);
    if (target.is_stream) return;
    const TemporaryName temporary(unused_name(target.folder.string(), target.path.filename().string()));
    create_empty(temporary, path);
}

}  // namespace bitline
