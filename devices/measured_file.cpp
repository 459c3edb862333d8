#include "devices/measured_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/options.h"

namespace bitline {

bool is_hdf5_name(const std::string& path, const std::string& what) {
    const std::string extension = std::filesystem::path(path).extension().string();
    if (extension == ".h5" || extension == ".hdf5") return true;
    if (extension == ".csv") return false;
    throw ConfigError(fmt::format("{}: a {} is a file .csv, .h5 or .hdf5", printable(path), what));
}

Shape require_arrays(const Hdf5Reader& file, const std::string& path, const std::string& dataset) {
    Shape shape = file.shape(dataset);
    if (shape.size() != 3 || std::find(shape.begin(), shape.end(), 0) != shape.end()) {
        throw FormatError(fmt::format("{}: {} has the shape ({}), and expected is (arrays x rows x cols)", path,
                                      dataset, to_string(shape)));
    }
    return shape;
}

}  // namespace bitline
