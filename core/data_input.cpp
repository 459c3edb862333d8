#include "core/data_input.h"

#include <fmt/format.h>
#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace bitline {

namespace {

constexpr size_t kBlock = size_t(1) << 18;  // bytes read or unpacked at once

class PlainStream final : public InputStream {
 public:
    PlainStream(const std::string& path, std::shared_ptr<const Descriptor> file)
        : InputStream(path), file_(std::move(file)), size_(file_size(*file_, path)) {}

    size_t read(void* out, size_t size) override {
        const size_t count = read_at(*file_, name(), position_, out, size);
        position_ += count;
        return count;
    }
    uint64_t most_bytes() const override { return size_ - std::min(size_, position_); }
    std::shared_ptr<const Descriptor> plain_file() const override { return file_; }

 private:
    std::shared_ptr<const Descriptor> file_;
    uint64_t size_;
};

/// What the two packed streams share: a window over the packed file.
class PackedStream : public InputStream {
 public:
    PackedStream(const std::string& path, std::shared_ptr<const Descriptor> file, uint64_t ratio)
        : InputStream(path),
          packed_(std::move(file)),
          size_(file_size(*packed_, path)),
          ratio_(ratio),
          window_(kBlock) {}

    uint64_t most_bytes() const override { return size_ > UINT64_MAX / ratio_ ? UINT64_MAX : size_ * ratio_; }

 protected:
    /// The next packed bytes; 0 at the end of the file.
    size_t refill() {
        const size_t count = read_at(*packed_, name(), consumed_, window_.data(), window_.size());
        consumed_ += count;
        return count;
    }
    const uint8_t* window() const { return window_.data(); }

 private:
    std::shared_ptr<const Descriptor> packed_;
    uint64_t size_, consumed_ = 0, ratio_;
    std::vector<uint8_t> window_;
};

class GzipStream final : public PackedStream {
 public:
    static constexpr uint64_t kRatio = 1032;  // deflate: 258 bytes from 2 bits at best

    GzipStream(const std::string& path, std::shared_ptr<const Descriptor> file)
        : PackedStream(path, std::move(file), kRatio) {
        constexpr int kGzipOnly = 16 + MAX_WBITS;
        if (inflateInit2(&state_, kGzipOnly) != Z_OK) throw RunError(fmt::format("{}: zlib does not start", path));
    }
    ~GzipStream() override { inflateEnd(&state_); }

    size_t read(void* out, size_t size) override {
        state_.next_out = static_cast<Bytef*>(out);
        size_t done = 0;
        while (done < size && !at_end()) {
            const uInt room = uInt(std::min<size_t>(size - done, UINT32_MAX / 2));
            state_.avail_out = room;
            step();
            done += room - state_.avail_out;
        }
        position_ += done;
        return done;
    }

 private:
    bool refill_input() {
        if (state_.avail_in > 0) return true;
        state_.avail_in = uInt(refill());
        state_.next_in = const_cast<Bytef*>(window());
        return state_.avail_in > 0;
    }

    /// A file may hold several members one after the other; it ends where one does.
    bool at_end() {
        if (!between_members_) return false;
        if (!refill_input()) return true;
        inflateReset(&state_);
        between_members_ = false;
        return false;
    }

    void step() {
        if (!refill_input()) throw FormatError(fmt::format("{}: the gzip stream is truncated", name()));
        const int result = inflate(&state_, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            between_members_ = true;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            throw FormatError(fmt::format("{}: the gzip stream is corrupted: {}", name(),
                                          state_.msg != nullptr ? state_.msg : "invalid data"));
        }
    }

    z_stream state_{};
    bool between_members_ = false;
};

class XzStream final : public PackedStream {
 public:
    static constexpr uint64_t kRatio = 10000;  // measured on zeros: about 7000

    XzStream(const std::string& path, std::shared_ptr<const Descriptor> file)
        : PackedStream(path, std::move(file), kRatio) {
        constexpr uint64_t kMemory = uint64_t(1) << 30;  // bytes; xz -9 needs 65 MiB
        if (lzma_stream_decoder(&state_, kMemory, LZMA_CONCATENATED) != LZMA_OK) {
            throw RunError(fmt::format("{}: liblzma does not start", path));
        }
    }
    ~XzStream() override { lzma_end(&state_); }

    size_t read(void* out, size_t size) override {
        state_.next_out = static_cast<uint8_t*>(out);
        state_.avail_out = size;
        while (state_.avail_out > 0 && !ended_) step();
        const size_t done = size - state_.avail_out;
        position_ += done;
        return done;
    }

 private:
    void step() {
        if (state_.avail_in == 0) {
            state_.avail_in = refill();
            state_.next_in = window();
        }
        const lzma_ret result = lzma_code(&state_, state_.avail_in == 0 ? LZMA_FINISH : LZMA_RUN);
        ended_ = result == LZMA_STREAM_END;
        if (result == LZMA_BUF_ERROR) throw FormatError(fmt::format("{}: the xz stream is truncated", name()));
        if (result != LZMA_OK && !ended_) throw FormatError(fmt::format("{}: the xz stream is corrupted", name()));
    }

    lzma_stream state_ = LZMA_STREAM_INIT;
    bool ended_ = false;
};

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

template <size_t N>
bool begins_with(const Descriptor& file, const std::string& path, const uint8_t (&magic)[N]) {
    uint8_t bytes[N];
    return read_at(file, path, 0, bytes, N) == N && std::equal(bytes, bytes + N, magic);
}

constexpr uint8_t kGzipMagic[] = {0x1f, 0x8b};
constexpr uint8_t kXzMagic[] = {0xfd, '7', 'z', 'X', 'Z', 0};

StoredBytes spool(InputStream& stream, uint64_t size) {
    auto file = std::make_shared<Descriptor>(open_unnamed_temporary());
    std::vector<char> block(kBlock);
    uint64_t done = 0;
    while (done < size) {
        const size_t count = stream.read(block.data(), size_t(std::min<uint64_t>(block.size(), size - done)));
        if (count == 0) break;
        check_interrupt();
        write_all(*file, temporary_folder() + " (TMPDIR), where the data are unpacked", block.data(), count);
        done += count;
    }
    return {file, stream.name(), 0, done};
}

[[noreturn]] void fail_size(const std::string& name, uint64_t expected, uint64_t start, const std::string& found) {
    const std::string place = start > 0 ? fmt::format(" after its header of {} bytes", start) : "";
    throw FormatError(
        fmt::format("{}: expected {} bytes{}, found {}: the file is truncated, corrupted or of another kind", name,
                    expected, place, found));
}

}  // namespace

std::unique_ptr<InputStream> open_stream(const std::string& path, const std::string& what, Unpacking unpacking) {
    auto file = std::make_shared<const Descriptor>(open_for_reading(path, what));
    if (file_size(*file, path) == 0) throw FormatError(fmt::format("{}: the {} is empty (0 bytes)", path, what));
    const bool by_content = unpacking == Unpacking::by_name_or_content;
    if (ends_with(path, ".gz") || (by_content && begins_with(*file, path, kGzipMagic))) {
        return std::make_unique<GzipStream>(path, file);
    }
    if (ends_with(path, ".xz") || (by_content && begins_with(*file, path, kXzMagic))) {
        return std::make_unique<XzStream>(path, file);
    }
    return std::make_unique<PlainStream>(path, file);
}

void StoredBytes::read(uint64_t at, void* out, uint64_t count) const {
    if (read_at(*file, name, offset + at, out, size_t(count)) != count) {
        throw FormatError(fmt::format("{}: became shorter while it was read", name));
    }
}

StoredBytes store_exactly(InputStream& stream, uint64_t size) {
    const uint64_t most = stream.most_bytes(), start = stream.position();
    if (const auto file = stream.plain_file()) {
        if (most != size) fail_size(stream.name(), size, start, std::to_string(most));
        return {file, stream.name(), start, size};
    }
    if (size > most) fail_size(stream.name(), size, start, fmt::format("a packed file that holds at most {}", most));
    StoredBytes stored = spool(stream, size);
    if (stored.size < size) fail_size(stream.name(), size, start, std::to_string(stored.size));
    char extra = 0;
    // Reading on to the end also lets the unpacker verify its checksum.
    if (stream.read(&extra, 1) > 0) fail_size(stream.name(), size, start, "more");
    return stored;
}

StoredBytes store_rest(InputStream& stream) {
    if (const auto file = stream.plain_file()) {
        return {file, stream.name(), stream.position(), stream.most_bytes()};
    }
    constexpr uint64_t kMostUnpacked = uint64_t(1) << 36;  // bytes
    StoredBytes stored = spool(stream, kMostUnpacked);
    char extra = 0;
    if (stored.size == kMostUnpacked && stream.read(&extra, 1) > 0) {
        throw FormatError(
            fmt::format("{}: unpacks to more than {} bytes; unpack it first", stream.name(), kMostUnpacked));
    }
    return stored;
}

int32_t checked_label(double value, int64_t row, const std::string& where) {
    if (!(value >= 0 && value <= double(INT32_MAX)) || value != std::floor(value)) {
        throw FormatError(fmt::format("{}: the label of sample {} is {}, no whole number >= 0", where, row, value));
    }
    return int32_t(value);
}

std::vector<int32_t> read_labels(const StoredBytes& bytes, const ElementFormat& format, int64_t count) {
    std::vector<int32_t> labels;
    labels.reserve(size_t(count));
    std::vector<uint8_t> raw(kBlock);
    std::vector<double> values(kBlock);
    while (int64_t(labels.size()) < count) {
        const int64_t done = int64_t(labels.size());
        const int64_t some = std::min<int64_t>(count - done, int64_t(kBlock) / format.size);
        bytes.read(uint64_t(done) * uint64_t(format.size), raw.data(), uint64_t(some) * uint64_t(format.size));
        convert(format, raw.data(), some, values.data());
        for (int64_t i = 0; i < some; ++i) labels.push_back(checked_label(values[size_t(i)], done + i, bytes.name));
    }
    return labels;
}

}  // namespace bitline
