#include "core/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <filesystem>

#include "core/data_sources.h"
#include "core/error.h"
#include "core/options.h"

namespace bitline {

namespace {

constexpr char kForms[] =
    "h5:FILE, FILE.h5, idx:IMAGES,LABELS, cifar10:FILE[,FILE...], npz:FILE or raw:FILE,LABELS,DTYPE,AxBxC";

class OpenDataset final : public Dataset {
 public:
    OpenDataset(std::string spec, OpenedData data) : spec_(std::move(spec)), data_(std::move(data)) {}

    int64_t size() const override { return data_.size; }
    const Shape& shape() const override { return data_.shape; }
    const std::vector<int32_t>& labels() const override { return data_.labels; }
    const std::string& spec() const override { return spec_; }
    const std::vector<std::string>& files() const override { return data_.files; }

    void read(int64_t first, int64_t count, float* out) const override {
        assert(0 <= first && 0 <= count && first + count <= data_.size);
        data_.samples->read(first, count, out);
        const int64_t elements = element_count(data_.shape);
        const float* const end = out + count * elements;
        const float* const bad =
            std::find_if(static_cast<const float*>(out), end, [](float x) { return !std::isfinite(x); });
        if (bad == end) return;
        throw FormatError(fmt::format("{}: sample {} holds {} at element {}; only finite float32 numbers can be used",
                                      spec_, first + (bad - out) / elements, *bad, (bad - out) % elements));
    }

 private:
    std::string spec_;
    OpenedData data_;
};

/// scheme:FIELD,FIELD
struct Spec {
    std::string scheme;
    std::vector<std::string> fields;
};

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    size_t start = 0;
    for (size_t at = text.find(separator); at != std::string::npos; at = text.find(separator, start)) {
        parts.push_back(text.substr(start, at - start));
        start = at + 1;
    }
    parts.push_back(text.substr(start));
    return parts;
}

bool is_hdf5_name(const std::string& path) {
    const std::string extension = std::filesystem::path(path).extension().string();
    return extension == ".h5" || extension == ".hdf5";
}

/// What somebody most likely wanted who gave only a file's name.
std::string guess(const std::string& path) {
    const std::string extension = std::filesystem::path(path).extension().string();
    if (extension == ".npz") return fmt::format("; write npz:{}", path);
    if (path.find("ubyte") != std::string::npos) return fmt::format("; write idx:{},LABELS", path);
    if (path.find("batch") != std::string::npos) return fmt::format("; write cifar10:{}", path);
    return "";
}

const std::vector<std::string>& schemes() {
    static const std::vector<std::string> kSchemes{"h5", "idx", "cifar10", "npz", "raw"};
    return kSchemes;
}

Spec parse_spec(const std::string& text) {
    if (text.empty()) throw ConfigError(fmt::format("the data are not given; write {}", kForms));
    const size_t colon = text.find(':');
    const std::string scheme = text.substr(0, colon);
    const bool known = std::find(schemes().begin(), schemes().end(), scheme) != schemes().end();
    if (colon != std::string::npos && known) return {scheme, split(text.substr(colon + 1), ',')};
    std::error_code ignored;
    if (is_hdf5_name(text) && (colon == std::string::npos || std::filesystem::exists(text, ignored))) {
        return {"h5", {text}};
    }
    if (colon == std::string::npos) {
        throw ConfigError(fmt::format("data '{}' name no format{}; the forms are {}", printable(text),
                                      guess(printable(text)), kForms));
    }
    throw ConfigError(fmt::format("data '{}': unknown format '{}', did you mean '{}'? The forms are {}",
                                  printable(text), printable(scheme), nearest_name(scheme, schemes()), kForms));
}

void require_fields(const Spec& spec, const std::string& text, size_t least, size_t most, const std::string& form) {
    const bool has_empty = std::find(spec.fields.begin(), spec.fields.end(), "") != spec.fields.end();
    if (spec.fields.size() >= least && spec.fields.size() <= most && !has_empty) return;
    throw ConfigError(fmt::format("data '{}' are not written {}", printable(text), form));
}

OpenedData open_spec(const std::string& text) {
    const Spec spec = parse_spec(text);
    const std::vector<std::string>& f = spec.fields;
    if (spec.scheme == "h5") {
        require_fields(spec, text, 1, 1, "h5:FILE");
        return open_h5(f[0]);
    }
    if (spec.scheme == "idx") {
        require_fields(spec, text, 2, 2, "idx:IMAGES,LABELS");
        return open_idx(f[0], f[1]);
    }
    if (spec.scheme == "cifar10") {
        require_fields(spec, text, 1, SIZE_MAX, "cifar10:FILE[,FILE...]");
        return open_cifar10(f);
    }
    if (spec.scheme == "npz") {
        require_fields(spec, text, 1, 1, "npz:FILE");
        return open_npz(f[0]);
    }
    require_fields(spec, text, 4, 4, "raw:FILE,LABELS,DTYPE,AxBxC");
    return open_raw(f[0], f[1], f[2], f[3]);
}

/// Sizes without axes of length 1: {1, 28, 28} and {28, 28} are the same image.
Shape without_unit_axes(Shape shape) {
    shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
    return shape;
}

void require_shape_fits(const Dataset& data, const Shape& wanted) {
    const Shape stored = without_unit_axes(data.shape()), input = without_unit_axes(wanted);
    const bool same_count = element_count(data.shape()) == element_count(wanted);
    if (same_count && (stored == input || stored.size() <= 1 || input.size() <= 1)) return;
    const bool reordered = std::is_permutation(stored.begin(), stored.end(), input.begin(), input.end());
    throw ConfigError(fmt::format("samples of {} have shape {}, the network's input has {}{}", data.spec(),
                                  to_string(data.shape()), to_string(wanted),
                                  reordered ? "; transpose the samples to channels x height x width" : ""));
}

}  // namespace

std::shared_ptr<const Dataset> open_dataset(const std::string& spec, std::optional<int64_t> limit) {
    if (limit && *limit < 1) throw ConfigError(fmt::format("limit = {} violates 1 <= limit", *limit));
    OpenedData data = open_spec(spec);
    if (limit && *limit > data.size) {
        throw ConfigError(fmt::format("limit = {} exceeds the {} samples of {}", *limit, data.size, spec));
    }
    if (limit) {
        data.size = *limit;
        data.labels.resize(std::min(data.labels.size(), size_t(*limit)));
    }
    return std::make_shared<OpenDataset>(spec, std::move(data));
}

void require_fit(const Dataset& data, const Network& network) {
    require_shape_fits(data, network.values.at(size_t(network.input)).shape);
    const int64_t classes = element_count(network.values.at(size_t(network.output)).shape);
    const std::vector<int32_t>& labels = data.labels();
    const auto bad = std::find_if(labels.begin(), labels.end(), [&](int32_t label) { return label >= classes; });
    if (bad == labels.end()) return;
    throw ConfigError(
        fmt::format("{}: label {} of sample {} violates 0 <= label < {}, the number of the network's outputs",
                    data.spec(), *bad, bad - labels.begin(), classes));
}

}  // namespace bitline
