#pragma once

// Files as Bitline reads and writes them: whole or not at all.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bitline {

/// Lower-case hexadecimal SHA-256 of a file's bytes, as `sha256sum` prints it. Throws FormatError.
std::string sha256_file(const std::string& path);
std::string sha256_bytes(const void* data, size_t size);

/// Throws FormatError unless `path` is a readable, regular, non-empty file. `what` names its role ("model").
void require_file(const std::string& path, const std::string& what);

/// Reads a whole file; refuses directories, missing files and more than `max_bytes`. Throws FormatError.
std::string read_file(const std::string& path, const std::string& what, uint64_t max_bytes = uint64_t(2) << 30);

/// Calls `write` with a temporary name in the same folder, flushes it to disk and renames it to `path`. Where anything
/// throws, `path` stays as it was and the temporary file is gone. Throws ConfigError where the folder is missing or not
/// writable, RunError where writing fails (a full disk).
void write_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& write);

/// The same for text.
void write_text_atomically(const std::string& path, const std::string& text);

/// Removes what a killed run would leave; called by the signal path of the command line. Async-signal-safe.
void remove_temporary_files() noexcept;

/// Throws ConfigError where `path` could not be written by write_atomically: called before long work starts.
void require_writable(const std::string& path);

}  // namespace bitline
