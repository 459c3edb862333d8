#pragma once

// What is done inside an open HDF5 file. Shared by the reader, the writer and the child process that copies files made
// by others. Every function here needs the lock.

#include <hdf5.h>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/network.h"

namespace bitline::hdf5 {

/// HDF5 is not thread safe, or only behind one lock of its own: everything goes through this one. Holding it also turns
/// off the diagnostics that the library would print.
class Lock {
 public:
    Lock();

 private:
    std::lock_guard<std::mutex> guard_;
};

/// Owns one of HDF5's identifiers.
class Handle {
 public:
    using Close = herr_t (*)(hid_t);
    Handle() = default;
    Handle(hid_t id, Close close) : id_(id), close_(close) {}
    ~Handle() {
        if (id_ >= 0) close_(id_);
    }
    Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(close_, other.close_);
        return *this;
    }
    hid_t get() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }

 private:
    hid_t id_ = H5I_INVALID_HID;
    Close close_ = nullptr;
};

struct File {
    std::string path;
    uint64_t size = 0;  // bytes
    Handle id;
};

/// Throws FormatError with file and object.
[[noreturn]] void fail(const File& file, const std::string& object, const std::string& problem);

/// Throws FormatError where HDF5 refuses the file.
File open_file(const std::string& path, const std::string& what);

/// Opens a file made by others. The library crashes on some damaged files, depending on what else lies in memory, so
/// this process never opens it: a child process copies all that we can use (numbers, texts) into a clean temporary
/// file. Where it crashes, or takes longer than `seconds`: FormatError.
File open_foreign_file(const std::string& path, const std::string& what, double seconds);

/// Copies groups, numbers and single attributes. Throws FormatError, or RunError where the disk is full.
void copy_content(const File& from, const std::string& to);

/// Links out of the file (external ones) do not exist for us.
bool exists(const File& file, const std::string& object);
/// In creation order where the file keeps it, else by name.
std::vector<std::string> children(const File& file, const std::string& group);
bool has_attribute(const File& file, const std::string& object, const std::string& name);
std::vector<std::string> attributes(const File& file, const std::string& object);

enum class Kind { group, dataset, other };
Kind kind_of(const File& file, const std::string& object);

/// An open data set of numbers whose shape is plausible for the size of the file.
struct Dataset {
    std::string name;
    Handle id;
    Shape shape;
    bool is_integer = false;
};
bool is_numeric(const File& file, const std::string& dataset);
Dataset open_dataset(const File& file, const std::string& name);
int64_t row_elements(const Dataset& dataset);

/// Everything, or rows first .. first + count - 1 of axis 0, converted to `memory_type` (of `element_size` bytes).
void read_all(const File& file, const Dataset& dataset, hid_t memory_type, void* out);
void read_rows(const File& file, const Dataset& dataset, int64_t first, int64_t count, hid_t memory_type, void* out);

/// Rows first .. first + count - 1 in a file's data set and in memory.
struct RowSelection {
    RowSelection(hid_t dataset, const Shape& shape, int64_t first, int64_t count);
    bool ok = false;
    Handle file, memory;
};

// Properties of what we create: the order of creation is kept, times are not, so equal content gives equal bytes.
Handle creation_properties(hid_t kind);
/// No file locks: some network file systems have none, and what we read or make is ours alone.
Handle file_access();
Handle make_space(const Shape& shape);

/// False where the library refuses. Replaces an attribute of that name.
bool write_attribute(hid_t file, const std::string& object, const std::string& name, hid_t type, const void* value);
/// Text may hold anything, zero bytes too.
bool write_text(hid_t file, const std::string& object, const std::string& name, const std::string& text);

std::string read_string(const File& file, const std::string& object, const std::string& attribute);
int64_t read_int(const File& file, const std::string& object, const std::string& attribute);
double read_double(const File& file, const std::string& object, const std::string& attribute);
enum class AttributeKind { integer, real, text, other };
AttributeKind attribute_kind(const File& file, const std::string& object, const std::string& attribute);

}  // namespace bitline::hdf5
