#include <fmt/format.h>

#include <algorithm>

#include "core/data_sources.h"
#include "core/error.h"

namespace bitline {

namespace {

class RecordSource final : public SampleSource {
 public:
    RecordSource(std::vector<RecordFile> files, const ElementFormat& format, int64_t elements)
        : files_(std::move(files)), format_(format), elements_(elements) {}

    void read(int64_t first, int64_t count, float* out) const override {
        for (const RecordFile& file : files_) {
            const int64_t here = std::clamp<int64_t>(file.count - first, 0, count);
            if (here > 0) read_file(file, first, here, out);
            first = std::max<int64_t>(first - file.count, 0);
            count -= here;
            out += here * elements_;
        }
    }

 private:
    void read_file(const RecordFile& file, int64_t first, int64_t count, float* out) const {
        constexpr int64_t kBlock = int64_t(1) << 18;  // bytes read at once
        const int64_t records = std::clamp<int64_t>(kBlock / file.stride, 1, count);
        std::vector<uint8_t> block(size_t(records * file.stride));
        for (int64_t done = 0; done < count; done += records) {
            const int64_t some = std::min(records, count - done);
            file.bytes.read(uint64_t((first + done) * file.stride), block.data(), uint64_t(some * file.stride));
            for (int64_t i = 0; i < some; ++i) {
                convert(format_, block.data() + i * file.stride + file.skip, elements_, out + (done + i) * elements_);
            }
        }
    }

    std::vector<RecordFile> files_;
    ElementFormat format_;
    int64_t elements_;
};

}  // namespace

std::unique_ptr<SampleSource> make_record_source(std::vector<RecordFile> files, const ElementFormat& format,
                                                 int64_t elements) {
    return std::make_unique<RecordSource>(std::move(files), format, elements);
}

int64_t checked_bytes(const Shape& sizes, int64_t element_size, const std::string& where) {
    constexpr int64_t kMost = int64_t(1) << 50;
    int64_t bytes = element_size;
    for (const int64_t size : sizes) {
        if (size < 1) throw FormatError(fmt::format("{}: shape {} holds no samples", where, to_string(sizes)));
        if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > kMost) {
            throw FormatError(fmt::format("{}: shape {} is absurdly large", where, to_string(sizes)));
        }
    }
    return bytes;
}

void require_equal_counts(int64_t samples, const std::string& samples_name, int64_t labels,
                          const std::string& labels_name) {
    if (samples == labels) return;
    throw FormatError(fmt::format("{} samples in {}, but {} labels in {}", samples, samples_name, labels, labels_name));
}

}  // namespace bitline
