#include "devices/conductance_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/hdf5_file.h"
#include "core/options.h"
#include "devices/measured_file.h"

namespace bitline {

namespace {

int32_t array_number(const std::string& path, const std::string& group) {
    int32_t number = -1;
    const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), number);
    if (error != std::errc() || end != group.data() + group.size() || number < 0)
        throw FormatError(fmt::format("{}: arrays/{} is not the number of an array", path, printable(group)));
    return number;
}

void add_array(ConductanceMap& map, int32_t number, ConductanceMap::Array array) {
    for (size_t i = 0; i < array.siemens.size(); ++i) {
        const double g = array.siemens[i];
        if (std::isnan(g) || (g >= 0 && std::isfinite(g))) continue;
        const auto index = static_cast<int64_t>(i);
        throw FormatError(
            fmt::format("{}: the conductance of array {}, row {}, col {} is {} S, and must be 0 or more, or "
                        "NaN where it was not measured",
                        map.path, number, index / array.cols, index % array.cols, real_text(g)));
    }
    if (!map.arrays.emplace(number, std::move(array)).second)
        throw FormatError(fmt::format("{}: array {} stands there twice", map.path, number));
}

void read_whole(const Hdf5Reader& file, ConductanceMap& map) {
    const Shape shape = require_arrays(file, map.path, "conductances");
    const std::vector<double> all = file.read_doubles("conductances");
    const auto size = static_cast<std::ptrdiff_t>(shape[1] * shape[2]);
    for (int64_t a = 0; a < shape[0]; ++a) {
        const auto first = all.begin() + a * size;
        add_array(map, static_cast<int32_t>(a), {shape[1], shape[2], {first, first + size}});
    }
}

void read_groups(const Hdf5Reader& file, ConductanceMap& map) {
    for (const std::string& group : file.children("arrays")) {
        const int32_t number = array_number(map.path, group);
        const std::string name = "arrays/" + group + "/conductances";
        if (!file.has(name)) throw FormatError(fmt::format("{}: has no data set {}", map.path, printable(name)));
        const Shape shape = file.shape(name);
        if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0)
            throw FormatError(fmt::format("{}: {} has the shape ({}), and expected is (rows x cols)", map.path,
                                          printable(name), to_string(shape)));
        add_array(map, number, {shape[0], shape[1], file.read_doubles(name)});
    }
}

}  // namespace

ConductanceMap read_conductance_map(const std::string& path) {
    if (!is_hdf5_name(path, "conductance map"))
        throw ConfigError(fmt::format("{}: a conductance map is a file .h5 or .hdf5", printable(path)));
    const Hdf5Reader file(path, "conductance map");
    ConductanceMap map;
    map.path = path;
    const bool whole = file.has("conductances");
    if (whole == file.has("arrays"))
        throw FormatError(
            fmt::format("{}: a conductance map holds either `conductances` or groups `arrays/NNNNN`, and "
                        "here {}",
                        path, whole ? "are both" : "is neither"));
    if (whole) {
        read_whole(file, map);
    } else {
        read_groups(file, map);
    }
    return map;
}

}  // namespace bitline
