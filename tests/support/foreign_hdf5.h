#pragma once

// HDF5 files as other programs make them: no user block, chunks, compression, any byte order.

#include <hdf5.h>

#include <string>
#include <vector>

namespace bitline::testing {

class ForeignHdf5 {
 public:
    explicit ForeignHdf5(const std::string& path)
        : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
    ~ForeignHdf5() { H5Fclose(id_); }
    ForeignHdf5(const ForeignHdf5&) = delete;
    ForeignHdf5& operator=(const ForeignHdf5&) = delete;
    hid_t id() const { return id_; }

    /// Element i of every data set.
    static float value(int64_t i) { return float(i % 251); }

    /// Packed by deflate where `chunk` is not empty.
    void write(const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
               const std::vector<hsize_t>& chunk) const {
        hsize_t count = 1;
        for (const hsize_t size : shape) count *= size;
        std::vector<float> values(count);
        for (hsize_t i = 0; i < count; ++i) values[i] = value(int64_t(i));
        write_values(name, type, shape, chunk, values.data());
    }

    /// Without any values: they take no space.
    void declare(const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
                 const std::vector<hsize_t>& chunk) const {
        write_values(name, type, shape, chunk, nullptr);
    }

    void write_values(const std::string& name, hid_t type, const std::vector<hsize_t>& shape,
                      const std::vector<hsize_t>& chunk, const float* values) const {
        const hid_t space = H5Screate_simple(int(shape.size()), shape.data(), nullptr);
        const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
        if (!chunk.empty()) {
            H5Pset_chunk(properties, int(chunk.size()), chunk.data());
            H5Pset_deflate(properties, 4);
        }
        const hid_t dataset = H5Dcreate2(id_, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
        if (values) H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        H5Dclose(dataset);
        H5Pclose(properties);
        H5Sclose(space);
    }

    void fixed_text(const std::string& name, const std::string& text, size_t size) const {
        std::string padded = text;
        padded.resize(size, ' ');
        const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
        H5Tset_size(type, size);
        H5Tset_strpad(type, H5T_STR_SPACEPAD);
        const hid_t attribute = H5Acreate2(id_, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, type, padded.data());
        H5Aclose(attribute);
        H5Tclose(type);
        H5Sclose(space);
    }

 private:
    hid_t id_;
};

}  // namespace bitline::testing
