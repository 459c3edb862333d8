#include <fcntl.h>
#include <fmt/format.h>

#include <cassert>
#include <cerrno>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/hdf5_block.h"
#include "core/hdf5_file.h"
#include "core/hdf5_objects.h"

namespace bitline {

using hdf5::Handle;

// The file is built in memory and written by our own calls: HDF5 itself does not recover from a full disk.
struct Hdf5Writer::Impl {
    std::string path;
    Descriptor disk;
    Handle file;

    void require(bool ok, const std::string& object) const {
        if (!ok) throw RunError(fmt::format("{}: cannot write: the HDF5 library refuses '{}'", path, object));
    }

    void make_group(const std::string& name) const;
    void make_parents(const std::string& name) const;
    void write_attribute(const std::string& object, const std::string& name, hid_t type, const void* value) const;
    void write_dataset(const std::string& name, hid_t file_type, hid_t memory_type, const void* values, size_t count,
                       const Shape& shape) const;
    std::vector<char> image() const;
};

void Hdf5Writer::Impl::make_group(const std::string& name) const {
    if (name.find_first_not_of('/') == std::string::npos || H5Lexists(file.get(), name.c_str(), H5P_DEFAULT) > 0)
        return;
    make_parents(name);
    const Handle properties = hdf5::creation_properties(H5P_GROUP_CREATE);
    const Handle group(H5Gcreate2(file.get(), name.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose);
    require(bool(group), name);
}

void Hdf5Writer::Impl::make_parents(const std::string& name) const {
    const size_t slash = name.rfind('/');
    if (slash != std::string::npos && slash > 0) make_group(name.substr(0, slash));
}

void Hdf5Writer::Impl::write_attribute(const std::string& object, const std::string& name, hid_t type,
                                       const void* value) const {
    make_group(object);
    require(hdf5::write_attribute(file.get(), object, name, type, value), object + ": " + name);
}

void Hdf5Writer::Impl::write_dataset(const std::string& name, hid_t file_type, hid_t memory_type, const void* values,
                                     size_t count, const Shape& shape) const {
    assert(int64_t(count) == element_count(shape));
    make_parents(name);
    const Handle space = hdf5::make_space(shape);
    const Handle properties = hdf5::creation_properties(H5P_DATASET_CREATE);
    const Handle dataset(
        H5Dcreate2(file.get(), name.c_str(), file_type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
        H5Dclose);
    require(bool(dataset), name);
    if (count == 0) return;
    require(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, name);
}

std::vector<char> Hdf5Writer::Impl::image() const {
    require(H5Fflush(file.get(), H5F_SCOPE_GLOBAL) >= 0, "/");
    const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
    require(size > 0, "/");
    std::vector<char> bytes(static_cast<size_t>(size));
    require(H5Fget_file_image(file.get(), bytes.data(), bytes.size()) == size, "/");
    return bytes;
}

Hdf5Writer::Hdf5Writer(const std::string& path) : impl_(std::make_unique<Impl>()) {
    impl_->path = path;
    impl_->disk = Descriptor(::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0666));
    if (impl_->disk.get() < 0) throw RunError(fmt::format("{}: cannot write: {}", path, reason(errno)));
    const hdf5::Lock lock;
    const Handle creation = hdf5::creation_properties(H5P_FILE_CREATE);
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    constexpr size_t kGrowth = size_t(1) << 20;
    H5Pset_fapl_core(access.get(), kGrowth, false);
    impl_->file = Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
    impl_->require(bool(impl_->file), "/");
}

Hdf5Writer::~Hdf5Writer() {
    const hdf5::Lock lock;
    impl_.reset();
}

void Hdf5Writer::group(const std::string& path) {
    const hdf5::Lock lock;
    impl_->make_group(path);
}

void Hdf5Writer::write_string(const std::string& object, const std::string& attribute, const std::string& value) {
    const hdf5::Lock lock;
    impl_->make_group(object);
    impl_->require(hdf5::write_text(impl_->file.get(), object, attribute, value), object + ": " + attribute);
}

void Hdf5Writer::write_int(const std::string& object, const std::string& attribute, int64_t value) {
    const hdf5::Lock lock;
    impl_->write_attribute(object, attribute, H5T_NATIVE_INT64, &value);
}

void Hdf5Writer::write_double(const std::string& object, const std::string& attribute, double value) {
    const hdf5::Lock lock;
    impl_->write_attribute(object, attribute, H5T_NATIVE_DOUBLE, &value);
}

void Hdf5Writer::write(const std::string& dataset, const std::vector<int64_t>& values, const Shape& shape) {
    const hdf5::Lock lock;
    impl_->write_dataset(dataset, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data(), values.size(), shape);
}

void Hdf5Writer::write(const std::string& dataset, const std::vector<int32_t>& values, const Shape& shape) {
    const hdf5::Lock lock;
    impl_->write_dataset(dataset, H5T_STD_I32LE, H5T_NATIVE_INT32, values.data(), values.size(), shape);
}

void Hdf5Writer::write(const std::string& dataset, const std::vector<int8_t>& values, const Shape& shape) {
    const hdf5::Lock lock;
    impl_->write_dataset(dataset, H5T_STD_I8LE, H5T_NATIVE_INT8, values.data(), values.size(), shape);
}

void Hdf5Writer::write(const std::string& dataset, const std::vector<float>& values, const Shape& shape) {
    const hdf5::Lock lock;
    impl_->write_dataset(dataset, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data(), values.size(), shape);
}

void Hdf5Writer::write(const std::string& dataset, const std::vector<double>& values, const Shape& shape) {
    const hdf5::Lock lock;
    impl_->write_dataset(dataset, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values.data(), values.size(), shape);
}

void Hdf5Writer::close() {
    const hdf5::Lock lock;
    const std::vector<char> content = impl_->image();
    // Built without a user block; the library finds the superblock behind ours and takes every address from there.
    const UserBlock block = make_user_block(content.data(), content.size());
    write_all(impl_->disk, impl_->path, block.data(), block.size());
    write_all(impl_->disk, impl_->path, content.data(), content.size());
    impl_->disk = Descriptor();
}

}  // namespace bitline
