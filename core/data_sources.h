#pragma once

// The formats behind open_dataset.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/data_input.h"
#include "core/network.h"

namespace bitline {

/// Reads samples from wherever they lie. Thread safe.
class SampleSource {
 public:
    virtual ~SampleSource() = default;
    virtual void read(int64_t first, int64_t count, float* out) const = 0;
};

struct OpenedData {
    Shape shape;                  // per sample
    int64_t size = 0;             // samples, >= 1
    std::vector<int32_t> labels;  // (size) or empty
    std::unique_ptr<SampleSource> samples;
    std::vector<std::string> files;  // in the order of the data specification
};

OpenedData open_h5(const std::string& file);
OpenedData open_idx(const std::string& images, const std::string& labels);
OpenedData open_cifar10(const std::vector<std::string>& files);
OpenedData open_npz(const std::string& file);
OpenedData open_raw(const std::string& file, const std::string& labels, const std::string& type,
                    const std::string& shape);

/// Equally long records, one sample in each.
struct RecordFile {
    StoredBytes bytes;
    int64_t count = 0;   // records
    int64_t skip = 0;    // bytes of a record in front of its sample
    int64_t stride = 0;  // bytes per record
};
std::unique_ptr<SampleSource> make_record_source(std::vector<RecordFile> files, const ElementFormat& format,
                                                 int64_t elements);

/// Product of the sizes and of `element_size`. Throws FormatError where a size is zero or the product is absurd.
int64_t checked_bytes(const Shape& sizes, int64_t element_size, const std::string& where);

/// Throws FormatError unless there are as many labels as samples.
void require_equal_counts(int64_t samples, const std::string& samples_name, int64_t labels,
                          const std::string& labels_name);

}  // namespace bitline
