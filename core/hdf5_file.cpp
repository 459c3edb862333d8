#include "core/hdf5_file.h"

#include <fmt/format.h>

#include <map>

#include "core/descriptor.h"
#include "core/hdf5_block.h"
#include "core/hdf5_objects.h"

namespace bitline {

struct Hdf5Reader::Impl {
    bool ours = false;
    hdf5::File file;
    std::map<std::string, hdf5::Dataset> open;  // kept open for the sake of their chunk caches

    const hdf5::Dataset& dataset(const std::string& name) {
        const auto found = open.find(name);
        return found != open.end() ? found->second : open.emplace(name, hdf5::open_dataset(file, name)).first->second;
    }

    template <class T>
    std::vector<T> read(const std::string& name, hid_t memory_type, bool integers_only) {
        const hdf5::Dataset& data = dataset(name);
        if (integers_only && !data.is_integer) hdf5::fail(file, name, "does not hold integers");
        const int64_t elements = (data.shape.empty() ? 1 : data.shape[0]) * hdf5::row_elements(data);
        constexpr int64_t kMostBytes = int64_t(1) << 33;
        if (elements > kMostBytes / int64_t(sizeof(T))) {
            hdf5::fail(file, name, fmt::format("its shape {} is too large", to_string(data.shape)));
        }
        std::vector<T> values(static_cast<size_t>(elements));
        if (elements > 0) hdf5::read_all(file, data, memory_type, values.data());
        return values;
    }
};

namespace {
/// Seconds for copying a file: generous for a slow disk, since the limit only has to end a hang.
double time_limit(uint64_t bytes) { return 20 + double(bytes) / 20e6; }
}  // namespace

Hdf5Reader::Hdf5Reader(const std::string& path, const std::string& what) : impl_(std::make_unique<Impl>()) {
    impl_->ours = verify_user_block(path, what);
    const hdf5::Lock lock;
    impl_->file = impl_->ours
                      ? hdf5::open_file(path, what)
                      : hdf5::open_foreign_file(path, what, time_limit(file_size(open_for_reading(path, what), path)));
}

Hdf5Reader::~Hdf5Reader() {
    const hdf5::Lock lock;
    impl_.reset();
}

bool Hdf5Reader::ours() const { return impl_->ours; }

bool Hdf5Reader::has(const std::string& object) const {
    const hdf5::Lock lock;
    return hdf5::exists(impl_->file, object);
}

std::vector<std::string> Hdf5Reader::children(const std::string& group) const {
    const hdf5::Lock lock;
    return hdf5::children(impl_->file, group);
}

bool Hdf5Reader::has_attribute(const std::string& object, const std::string& name) const {
    const hdf5::Lock lock;
    return hdf5::has_attribute(impl_->file, object, name);
}

Shape Hdf5Reader::shape(const std::string& dataset) const {
    const hdf5::Lock lock;
    return impl_->dataset(dataset).shape;
}

std::string Hdf5Reader::read_string(const std::string& object, const std::string& attribute) const {
    const hdf5::Lock lock;
    return hdf5::read_string(impl_->file, object, attribute);
}

int64_t Hdf5Reader::read_int(const std::string& object, const std::string& attribute) const {
    const hdf5::Lock lock;
    return hdf5::read_int(impl_->file, object, attribute);
}

double Hdf5Reader::read_double(const std::string& object, const std::string& attribute) const {
    const hdf5::Lock lock;
    return hdf5::read_double(impl_->file, object, attribute);
}

std::vector<int64_t> Hdf5Reader::read_ints(const std::string& dataset) const {
    const hdf5::Lock lock;
    return impl_->read<int64_t>(dataset, H5T_NATIVE_INT64, true);
}

std::vector<float> Hdf5Reader::read_floats(const std::string& dataset) const {
    const hdf5::Lock lock;
    return impl_->read<float>(dataset, H5T_NATIVE_FLOAT, false);
}

std::vector<double> Hdf5Reader::read_doubles(const std::string& dataset) const {
    const hdf5::Lock lock;
    return impl_->read<double>(dataset, H5T_NATIVE_DOUBLE, false);
}

void Hdf5Reader::read_rows(const std::string& dataset, int64_t first, int64_t count, float* out) const {
    const hdf5::Lock lock;
    hdf5::read_rows(impl_->file, impl_->dataset(dataset), first, count, H5T_NATIVE_FLOAT, out);
}

}  // namespace bitline
