#pragma once

// Labelled samples from the formats that the field uses, and how raw samples become a network's input.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/network.h"

namespace bitline {

/// Samples are read on demand, so memory does not grow with the data set. What is packed (.gz, .xz, .npz) and HDF5 by
/// others is unpacked once into a temporary file without a name (in TMPDIR, else /tmp).
class Dataset {
 public:
    virtual ~Dataset() = default;
    virtual int64_t size() const = 0;
    virtual const Shape& shape() const = 0;  // per sample, as stored: {1, 28, 28}, {3, 32, 32}, {64}
    /// Raw values of samples first .. first + count - 1 as float32, (count x elements). Thread safe.
    virtual void read(int64_t first, int64_t count, float* out) const = 0;
    virtual const std::vector<int32_t>& labels() const = 0;     // (size), >= 0; empty where the data carry none
    virtual const std::vector<std::string>& files() const = 0;  // that the samples and labels were read from
    virtual const std::string& spec() const = 0;                // as the user wrote it
};

/// Opens `spec`:
///   h5:FILE or FILE.h5          data sets x (samples x ...) and y (samples); Bitline's own or anybody's
///   idx:IMAGES,LABELS           the format of MNIST; .gz accepted
///   cifar10:FILE[,FILE...]      1 label byte, 3072 bytes CHW per record; .xz and .gz accepted
///   npz:FILE                    arrays x and y
///   raw:FILE,LABELS,DTYPE,AxBxC DTYPE is uint8, int8, int16, int32, float32 or float64, little endian; labels uint8
/// Only the first `limit` samples are used where given (1 <= limit <= samples). `read` throws FormatError for numbers
/// that are not finite. Throws FormatError, ConfigError.
std::shared_ptr<const Dataset> open_dataset(const std::string& spec, std::optional<int64_t> limit = std::nullopt);

/// "raw", "unit" (x / 255), "imagenet" (x / 255, channel means .485 .456 .406, deviations .229 .224 .225), or
/// "scale=1/255,mean=.5/.5/.5,std=.2/.2/.2" in any subset. Throws ConfigError.
Preprocess parse_preprocess(const std::string& text);
std::string to_string(const Preprocess& preprocess);

/// Applies (x * scale - mean) / std per channel (axis 0 of `shape`), float32, in place. Throws ConfigError where mean
/// or std have neither one entry nor one per channel.
void apply(const Preprocess& preprocess, const Shape& shape, int64_t samples, float* x);

/// Samples first .. first + count - 1 as a network takes them: read, then preprocessed with the channels of its input.
void read_input(const Dataset& data, const Preprocess& preprocess, const Shape& input, int64_t first, int64_t count,
                float* out);
std::vector<float> read_input(const Dataset& data, const Preprocess& preprocess, const Shape& input, int64_t first,
                              int64_t count);

/// Throws ConfigError where the samples do not fit the network's input (same number of elements, and the same shape
/// but for axes of length 1, unless one of the two is flat), or a label lies outside 0 .. classes - 1.
void require_fit(const Dataset& data, const Network& network);

}  // namespace bitline
