#include "core/hdf5_objects.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/descriptor.h"
#include "core/error.h"

namespace bitline::hdf5 {

namespace {

std::mutex& global_mutex() {
    static std::mutex mutex;
    return mutex;
}

bool has_signature(const Descriptor& file, const std::string& path, uint64_t size) {
    static constexpr unsigned char kSignature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    // The superblock stands at byte 0, 512, 1024, 2048, ... (HDF5 File Format Specification, section II.A).
    for (uint64_t at = 0; at + sizeof kSignature <= size; at = at == 0 ? 512 : 2 * at) {
        unsigned char bytes[sizeof kSignature];
        if (read_at(file, path, at, bytes, sizeof bytes) == sizeof bytes &&
            std::equal(std::begin(bytes), std::end(bytes), std::begin(kSignature))) {
            return true;
        }
    }
    return false;
}

uint64_t require_signature(const std::string& path, const std::string& what) {
    const Descriptor file = open_for_reading(path, what);
    const uint64_t size = file_size(file, path);
    if (size == 0) throw FormatError(fmt::format("{}: the {} is empty (0 bytes)", path, what));
    if (!has_signature(file, path, size)) {
        throw FormatError(fmt::format("{}: the {} is no HDF5 file: its signature is missing", path, what));
    }
    return size;
}

herr_t collect_link(hid_t, const char* name, const H5L_info_t*, void* names) {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
    return 0;
}

herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* names) {
    static_cast<std::vector<std::string>*>(names)->emplace_back(name);
    return 0;
}

bool link_leads_inside(hid_t file, const std::string& path) {
    H5L_info_t info;
    return H5Lexists(file, path.c_str(), H5P_DEFAULT) > 0 && H5Lget_info(file, path.c_str(), &info, H5P_DEFAULT) >= 0 &&
           (info.type == H5L_TYPE_HARD || info.type == H5L_TYPE_SOFT) &&
           H5Oexists_by_name(file, path.c_str(), H5P_DEFAULT) > 0;
}

Handle open_object(const File& file, const std::string& object) {
    if (!exists(file, object)) fail(file, object, "there is no such object");
    Handle handle(H5Oopen(file.id.get(), object.empty() ? "/" : object.c_str(), H5P_DEFAULT), H5Oclose);
    if (!handle) fail(file, object, "cannot be opened");
    return handle;
}

Shape extent(const File& file, const std::string& name, hid_t dataset) {
    const Handle space(H5Dget_space(dataset), H5Sclose);
    const H5S_class_t kind = H5Sget_simple_extent_type(space.get());
    if (kind == H5S_SCALAR) return {};
    if (kind != H5S_SIMPLE) fail(file, name, "has no shape");
    hsize_t sizes[H5S_MAX_RANK];
    const int rank = H5Sget_simple_extent_dims(space.get(), sizes, nullptr);
    if (rank < 0) fail(file, name, "its shape cannot be read");
    Shape shape;
    for (int i = 0; i < rank; ++i) {
        if (sizes[i] > hsize_t(INT64_MAX)) fail(file, name, "its shape is absurdly large");
        shape.push_back(int64_t(sizes[i]));
    }
    return shape;
}

/// Deflate packs at most 1032 to 1, and chunks that were never written take no space: what is declared beyond such a
/// multiple of the file's size is a corrupted shape, not data.
void require_plausible(const File& file, const std::string& name, const Shape& shape, size_t element_size) {
    int64_t bytes = int64_t(element_size);
    bool overflow = false;
    // A zero among the sizes must not hide an overflow of the others.
    for (const int64_t size : shape) overflow |= __builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes);
    const uint64_t bound = (uint64_t(64) << 20) + 2000 * std::min(file.size, uint64_t(1) << 50);
    if (overflow || uint64_t(bytes) > bound) {
        fail(file, name,
             fmt::format("its shape {} of {} bytes each is absurdly large for a file of {} bytes", to_string(shape),
                         element_size, file.size));
    }
}

void require_read(const File& file, const Dataset& dataset, herr_t status) {
    if (status < 0) {
        fail(file, dataset.name,
             "cannot be read: it is corrupted, or packed by a filter that this HDF5 library lacks (use gzip)");
    }
}

}  // namespace

Lock::Lock() : guard_(global_mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

void fail(const File& file, const std::string& object, const std::string& problem) {
    throw FormatError(fmt::format("{}: {}: {}", file.path, object.empty() ? "/" : object, problem));
}

File open_file(const std::string& path, const std::string& what) {
    File file;
    file.path = path;
    file.size = require_signature(path, what);
    const Handle access = file_access();
    file.id = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
    if (!file.id) {
        throw FormatError(fmt::format("{}: the {} is a truncated or corrupted HDF5 file", path, what));
    }
    return file;
}

bool exists(const File& file, const std::string& object) {
    // H5Lexists fails where a group on the way is missing, so every step is asked for.
    for (size_t at = object.find_first_not_of('/'); at != std::string::npos;) {
        const size_t end = object.find('/', at);
        if (!link_leads_inside(file.id.get(), object.substr(0, end))) return false;
        at = object.find_first_not_of('/', end);
    }
    return true;
}

std::vector<std::string> children(const File& file, const std::string& group) {
    if (kind_of(file, group) != Kind::group) fail(file, group, "is not a group");
    const Handle id = open_object(file, group);
    const Handle creation(H5Gget_create_plist(id.get()), H5Pclose);
    unsigned order = 0;
    H5Pget_link_creation_order(creation.get(), &order);
    const H5_index_t index = (order & H5P_CRT_ORDER_TRACKED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    std::vector<std::string> names;
    if (H5Literate(id.get(), index, H5_ITER_INC, nullptr, collect_link, &names) < 0) {
        fail(file, group, "its members cannot be listed");
    }
    return names;
}

bool has_attribute(const File& file, const std::string& object, const std::string& name) {
    return exists(file, object) && H5Aexists(open_object(file, object).get(), name.c_str()) > 0;
}

std::vector<std::string> attributes(const File& file, const std::string& object) {
    std::vector<std::string> names;
    if (H5Aiterate2(open_object(file, object).get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_attribute, &names) <
        0) {
        fail(file, object, "its attributes cannot be listed");
    }
    return names;
}

Kind kind_of(const File& file, const std::string& object) {
    switch (H5Iget_type(open_object(file, object).get())) {
        case H5I_GROUP:
            return Kind::group;
        case H5I_DATASET:
            return Kind::dataset;
        default:
            return Kind::other;
    }
}

bool is_numeric(const File& file, const std::string& dataset) {
    const Handle id = open_object(file, dataset);
    const Handle type(H5Dget_type(id.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    return kind == H5T_INTEGER || kind == H5T_FLOAT;
}

Dataset open_dataset(const File& file, const std::string& name) {
    if (kind_of(file, name) != Kind::dataset) fail(file, name, "is not a data set");
    const Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
    // Packed chunks larger than the cache (1 MiB by default) would be unpacked again for every sample.
    H5Pset_chunk_cache(access.get(), H5D_CHUNK_CACHE_NSLOTS_DEFAULT, size_t(32) << 20, H5D_CHUNK_CACHE_W0_DEFAULT);
    Dataset dataset{name, Handle(H5Dopen2(file.id.get(), name.c_str(), access.get()), H5Dclose), {}, false};
    if (!dataset.id) fail(file, name, "cannot be opened");
    const Handle type(H5Dget_type(dataset.id.get()), H5Tclose);
    const H5T_class_t kind = H5Tget_class(type.get());
    if (kind != H5T_INTEGER && kind != H5T_FLOAT) {
        fail(file, name, "holds neither integers nor floating-point numbers; store it as such (uint8, float32, ...)");
    }
    dataset.is_integer = kind == H5T_INTEGER;
    dataset.shape = extent(file, name, dataset.id.get());
    require_plausible(file, name, dataset.shape, H5Tget_size(type.get()));
    return dataset;
}

int64_t row_elements(const Dataset& dataset) {
    int64_t elements = 1;
    for (size_t axis = 1; axis < dataset.shape.size(); ++axis) elements *= dataset.shape[axis];
    return elements;
}

void read_all(const File& file, const Dataset& dataset, hid_t memory_type, void* out) {
    require_read(file, dataset, H5Dread(dataset.id.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out));
}

void read_rows(const File& file, const Dataset& dataset, int64_t first, int64_t count, hid_t memory_type, void* out) {
    if (dataset.shape.empty()) fail(file, dataset.name, "is a single number, where rows are expected");
    if (first < 0 || count < 0 || first > dataset.shape[0] - count) {
        fail(file, dataset.name, fmt::format("has {} rows; row {} was asked for", dataset.shape[0], first + count - 1));
    }
    if (count == 0 || row_elements(dataset) == 0) return;
    const RowSelection rows(dataset.id.get(), dataset.shape, first, count);
    require_read(file, dataset, rows.ok ? 0 : -1);
    require_read(file, dataset,
                 H5Dread(dataset.id.get(), memory_type, rows.memory.get(), rows.file.get(), H5P_DEFAULT, out));
}

RowSelection::RowSelection(hid_t dataset, const Shape& shape, int64_t first, int64_t count) {
    std::vector<hsize_t> start(shape.size(), 0), block(shape.begin(), shape.end());
    start[0] = hsize_t(first);
    block[0] = hsize_t(count);
    file = Handle(H5Dget_space(dataset), H5Sclose);
    memory = Handle(H5Screate_simple(int(block.size()), block.data(), nullptr), H5Sclose);
    ok = memory && H5Sselect_hyperslab(file.get(), H5S_SELECT_SET, start.data(), nullptr, block.data(), nullptr) >= 0;
}

Handle creation_properties(hid_t kind) {
    Handle properties(H5Pcreate(kind), H5Pclose);
    H5Pset_obj_track_times(properties.get(), false);
    if (kind != H5P_DATASET_CREATE) {
        H5Pset_link_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    }
    return properties;
}

Handle file_access() {
    Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_file_locking(access.get(), false, true);
    return access;
}

Handle make_space(const Shape& shape) {
    if (shape.empty()) return Handle(H5Screate(H5S_SCALAR), H5Sclose);
    const std::vector<hsize_t> sizes(shape.begin(), shape.end());
    return Handle(H5Screate_simple(int(sizes.size()), sizes.data(), nullptr), H5Sclose);
}

}  // namespace bitline::hdf5
