#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/hdf5_objects.h"

namespace bitline::hdf5 {

namespace {

/// The type of this machine that holds every value of `type` (of floats: float32 or float64).
hid_t native_type(hid_t type) {
    const size_t size = H5Tget_size(type);
    if (H5Tget_class(type) == H5T_FLOAT) return size <= 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
    const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
    if (size <= 1) return is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8;
    if (size <= 2) return is_signed ? H5T_NATIVE_INT16 : H5T_NATIVE_UINT16;
    if (size <= 4) return is_signed ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32;
    return is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
}

class Copier {
 public:
    Copier(const File& from, hid_t to) : from_(from), to_(to) {}

    void copy(const std::string& object, int depth) {
        constexpr int kDeepest = 32;
        constexpr size_t kMostObjects = 100000;
        if (depth > kDeepest) fail(from_, object, fmt::format("more than {} groups inside each other", kDeepest));
        H5O_info_t info;
        if (H5Oget_info_by_name2(from_.id.get(), object.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
            fail(from_, object, "cannot be read");
        }
        const auto [known, is_new] = copied_.emplace(info.addr, object);
        if (!is_new) return link(known->second, object);
        if (copied_.size() > kMostObjects) fail(from_, object, fmt::format("more than {} objects", kMostObjects));
        if (info.type == H5O_TYPE_DATASET) copy_dataset(object);
        if (info.type == H5O_TYPE_GROUP) copy_group(object, depth);
    }

 private:
    void require(bool ok) const {
        if (ok) return;
        throw RunError(
            fmt::format("{}: cannot be unpacked into {}: is the disk full? Set TMPDIR to a folder with free "
                        "space",
                        from_.path, temporary_folder()));
    }

    /// Groups may contain each other, and one object may have several names.
    void link(const std::string& first_name, const std::string& name) const {
        require(H5Lcreate_hard(to_, first_name.c_str(), to_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT) >= 0);
    }

    void copy_group(const std::string& group, int depth) {
        if (group != "/") {
            const Handle properties = creation_properties(H5P_GROUP_CREATE);
            const Handle copy(H5Gcreate2(to_, group.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose);
            require(bool(copy));
        }
        copy_attributes(group);
        for (const std::string& name : children(from_, group)) {
            const std::string child = group == "/" ? group + name : group + "/" + name;
            if (exists(from_, child)) copy(child, depth + 1);
        }
    }

    void copy_attributes(const std::string& object) const {
        for (const std::string& name : attributes(from_, object)) {
            try {
                copy_attribute(object, name);
            } catch (const FormatError&) {
                // Lists and other kinds of attributes are of no use to us, and no reason to refuse the file.
            }
        }
    }

    void copy_attribute(const std::string& object, const std::string& name) const {
        switch (attribute_kind(from_, object, name)) {
            case AttributeKind::integer: {
                const int64_t value = read_int(from_, object, name);
                return require(write_attribute(to_, object, name, H5T_NATIVE_INT64, &value));
            }
            case AttributeKind::real: {
                const double value = read_double(from_, object, name);
                return require(write_attribute(to_, object, name, H5T_NATIVE_DOUBLE, &value));
            }
            case AttributeKind::text:
                return require(write_text(to_, object, name, read_string(from_, object, name)));
            case AttributeKind::other:
                return;
        }
    }

    /// What holds no numbers keeps its name, so that messages can speak of it.
    void copy_dataset(const std::string& name) {
        if (is_numeric(from_, name)) {
            copy_numbers(name);
        } else {
            create_dataset(name, H5T_C_S1, {});
        }
        copy_attributes(name);
    }

    Handle create_dataset(const std::string& name, hid_t type, const Shape& shape) const {
        const Handle space = make_space(shape);
        const Handle properties = creation_properties(H5P_DATASET_CREATE);
        Handle copy(H5Dcreate2(to_, name.c_str(), type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                    H5Dclose);
        require(bool(copy));
        return copy;
    }

    void copy_numbers(const std::string& name) {
        const Dataset dataset = open_dataset(from_, name);
        const Handle stored(H5Dget_type(dataset.id.get()), H5Tclose);
        const hid_t type = native_type(stored.get());
        const Handle copy = create_dataset(name, type, dataset.shape);
        if (dataset.shape.empty()) {
            char value[8];
            read_all(from_, dataset, type, value);
            return require(H5Dwrite(copy.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) >= 0);
        }
        constexpr int64_t kBlock = int64_t(1) << 24;  // bytes
        const int64_t row = row_elements(dataset) * int64_t(H5Tget_size(type));
        if (row == 0) return;
        const int64_t rows = std::clamp<int64_t>(kBlock / row, 1, std::max<int64_t>(dataset.shape[0], 1));
        std::vector<char> block(size_t(rows * row));
        for (int64_t first = 0; first < dataset.shape[0]; first += rows) {
            const int64_t count = std::min(rows, dataset.shape[0] - first);
            read_rows(from_, dataset, first, count, type, block.data());
            const RowSelection rows_of_copy(copy.get(), dataset.shape, first, count);
            require(H5Dwrite(copy.get(), type, rows_of_copy.memory.get(), rows_of_copy.file.get(), H5P_DEFAULT,
                             block.data()) >= 0);
        }
    }

    const File& from_;
    hid_t to_;
    std::map<haddr_t, std::string> copied_;  // address in the file, name of the copy
};

}  // namespace

void copy_content(const File& from, const std::string& to) {
    const Handle creation = creation_properties(H5P_FILE_CREATE);
    const Handle access = file_access();
    Handle copy(H5Fcreate(to.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
    if (!copy) throw RunError(fmt::format("{}: cannot create a temporary file in {}", from.path, temporary_folder()));
    Copier(from, copy.get()).copy("/", 0);
    if (H5Fflush(copy.get(), H5F_SCOPE_GLOBAL) < 0) {
        throw RunError(fmt::format("{}: cannot be unpacked into {}", from.path, temporary_folder()));
    }
}

}  // namespace bitline::hdf5
