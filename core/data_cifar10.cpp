// The binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte and
// 3 x 32 x 32 pixels.

#include <fmt/format.h>

#include "core/data_sources.h"
#include "core/error.h"

namespace bitline {

namespace {

constexpr int64_t kPixels = 3 * 32 * 32;
constexpr int64_t kRecord = 1 + kPixels;  // bytes
constexpr int kClasses = 10;

RecordFile open_batch(const std::string& path) {
    const auto stream = open_stream(path, "CIFAR-10 batch", Unpacking::by_name_or_content);
    RecordFile batch{store_rest(*stream), 0, 1, kRecord};
    const int64_t size = int64_t(batch.bytes.size);
    batch.count = size / kRecord;
    if (size == 0 || size % kRecord != 0) {
        throw FormatError(
            fmt::format("{}: expected a multiple of {} bytes (1 label and {} pixels per record), found {}: "
                        "the file is truncated, or not CIFAR-10's binary version",
                        path, kRecord, kPixels, size));
    }
    return batch;
}

void append_labels(const RecordFile& batch, std::vector<int32_t>& labels) {
    std::vector<uint8_t> block(size_t(kRecord) * 64);
    for (int64_t i = 0; i < batch.count; ++i) {
        if (i % 64 == 0) {
            const int64_t some = std::min<int64_t>(64, batch.count - i);
            batch.bytes.read(uint64_t(i * kRecord), block.data(), uint64_t(some * kRecord));
        }
        const int label = block[size_t(i % 64 * kRecord)];
        if (label >= kClasses) {
            throw FormatError(
                fmt::format("{}: the label of record {} is {}, which violates 0 <= label < {}: the file is "
                            "corrupted, or not CIFAR-10's binary version",
                            batch.bytes.name, i, label, kClasses));
        }
        labels.push_back(label);
    }
}

}  // namespace

OpenedData open_cifar10(const std::vector<std::string>& files) {
    OpenedData data;
    std::vector<RecordFile> batches;
    for (const std::string& file : files) {
        batches.push_back(open_batch(file));
        append_labels(batches.back(), data.labels);
        data.size += batches.back().count;
    }
    data.shape = {3, 32, 32};
    data.samples = make_record_source(std::move(batches), {}, kPixels);
    data.files = files;
    return data;
}

}  // namespace bitline
