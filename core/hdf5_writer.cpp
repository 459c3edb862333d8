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

namespace {

/// No times of creation, so that equal content gives equal files.
Handle creation_properties(hid_t kind) {
    Handle properties(H5Pcreate(kind), H5Pclose);
    H5Pset_obj_track_times(properties.get(), false);
    return properties;
}

void keep_creation_order(const Handle& properties) {
    H5Pset_link_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
}

}  // namespace

void Hdf5Writer::Impl::make_group(const std::string& name) const {
    if (name.find_first_not_of('/') == std::string::npos || H5Lexists(file.get(), name.c_str(), H5P_DEFAULT) > 0)
        return;
    make_parents(name);
    const Handle properties = creation_properties(H5P_GROUP_CREATE);
    keep_creation_order(properties);
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
    const Handle owner(H5Oopen(file.get(), object.empty() ? "/" : object.c_str(), H5P_DEFAULT), H5Oclose);
    require(bool(owner), object);
    if (H5Aexists(owner.get(), name.c_str()) > 0) H5Adelete(owner.get(), name.c_str());
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle attribute(H5Acreate2(owner.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    require(attribute && H5Awrite(attribute.get(), type, value) >= 0, object + ": " + name);
}

void Hdf5Writer::Impl::write_dataset(const std::string& name, hid_t file_type, hid_t memory_type, const void* values,
                                     size_t count, const Shape& shape) const {
    assert(int64_t(count) == element_count(shape));
    make_parents(name);
    const std::vector<hsize_t> sizes(shape.begin(), shape.end());
    const Handle space(
        sizes.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(sizes.size()), sizes.data(), nullptr), H5Sclose);
    const Handle properties = creation_properties(H5P_DATASET_CREATE);
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
    const Handle creation = creation_properties(H5P_FILE_CREATE);
    keep_creation_order(creation);
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
    if (value.find('\0') != std::string::npos) {  // HDF5's strings end at the first zero byte
        const Handle bytes(H5Tvlen_create(H5T_STD_U8LE), H5Tclose);
        const hvl_t sequence{value.size(), const_cast<char*>(value.data())};
        return impl_->write_attribute(object, attribute, bytes.get(), &sequence);
    }
    const Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(text.get(), H5T_VARIABLE);
    H5Tset_cset(text.get(), H5T_CSET_UTF8);
    const char* pointer = value.c_str();
    impl_->write_attribute(object, attribute, text.get(), &pointer);
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
