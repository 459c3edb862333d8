#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/data_sources.h"
#include "core/error.h"
#include "core/hdf5_file.h"

namespace bitline {

namespace {

class Hdf5Source final : public SampleSource {
 public:
    explicit Hdf5Source(std::unique_ptr<const Hdf5Reader> reader) : reader_(std::move(reader)) {}
    void read(int64_t first, int64_t count, float* out) const override { reader_->read_rows("x", first, count, out); }

 private:
    std::unique_ptr<const Hdf5Reader> reader_;
};

std::vector<int32_t> labels_of(const Hdf5Reader& reader, const std::string& file, int64_t samples) {
    if (!reader.has("y")) return {};
    const Shape shape = reader.shape("y");
    const bool is_column = shape.size() == 2 && shape[1] == 1;
    if (shape.size() != 1 && !is_column) {
        throw FormatError(
            fmt::format("{}: y has shape {}; one class number per sample is expected", file, to_string(shape)));
    }
    require_equal_counts(samples, file + " (x)", shape[0], file + " (y)");
    std::vector<int32_t> labels;
    for (const double value : reader.read_doubles("y")) {
        labels.push_back(checked_label(value, int64_t(labels.size()), file));
    }
    return labels;
}

}  // namespace

OpenedData open_h5(const std::string& file) {
    auto reader = std::make_unique<const Hdf5Reader>(file, "data");
    if (!reader->has("x")) {
        throw FormatError(fmt::format("{}: there is no data set x (samples x ...); the file holds: {}", file,
                                      fmt::join(reader->children("/"), ", ")));
    }
    const Shape stored = reader->shape("x");
    if (stored.size() < 2) {
        throw FormatError(fmt::format("{}: x has {} axes; (samples x ...) needs at least 2", file, stored.size()));
    }
    checked_bytes(stored, int64_t(sizeof(float)), file + ": x");
    OpenedData data;
    data.shape.assign(stored.begin() + 1, stored.end());
    data.size = stored[0];
    data.labels = labels_of(*reader, file, data.size);
    data.samples = std::make_unique<Hdf5Source>(std::move(reader));
    data.files = {file};
    return data;
}

}  // namespace bitline
