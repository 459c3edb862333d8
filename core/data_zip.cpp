#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>

#include "core/data_input.h"
#include "core/error.h"

namespace bitline {

namespace {

using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;
using Member = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

Archive open_archive(const std::string& path) {
    const Descriptor file = open_for_reading(path, "npz archive");
    if (file_size(file, path) == 0) throw FormatError(fmt::format("{}: the npz archive is empty (0 bytes)", path));
    int code = 0;
    Archive archive(zip_open(path.c_str(), ZIP_RDONLY, &code), &zip_discard);
    if (archive) return archive;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw FormatError(fmt::format("{}: is no npz archive, or a truncated or corrupted one: {}", path, text));
}

std::vector<std::string> member_names(zip_t* archive) {
    std::vector<std::string> names;
    const zip_int64_t count = zip_get_num_entries(archive, 0);
    for (zip_int64_t i = 0; i < count && i < 20; ++i) {
        const char* name = zip_get_name(archive, zip_uint64_t(i), 0);
        names.emplace_back(name != nullptr ? name : "?");
    }
    return names;
}

class ZipStream final : public InputStream {
 public:
    ZipStream(const std::string& path, const std::string& member)
        : InputStream(path + ": " + member), archive_(open_archive(path)), member_(nullptr, &zip_fclose) {
        if (zip_name_locate(archive_.get(), member.c_str(), 0) < 0) {
            throw FormatError(fmt::format("{}: there is no array {}; the archive holds: {}", path, member,
                                          fmt::join(member_names(archive_.get()), ", ")));
        }
        zip_stat_t status;
        zip_stat_init(&status);
        if (zip_stat(archive_.get(), member.c_str(), 0, &status) == 0 && (status.valid & ZIP_STAT_SIZE) != 0) {
            most_ = status.size;
        }
        member_.reset(zip_fopen(archive_.get(), member.c_str(), 0));
        if (!member_) throw FormatError(fmt::format("{}: cannot be read: {}", name(), zip_strerror(archive_.get())));
    }

    size_t read(void* out, size_t size) override {
        size_t done = 0;
        while (done < size) {
            const zip_int64_t count = zip_fread(member_.get(), static_cast<char*>(out) + done, size - done);
            if (count < 0) {
                throw FormatError(
                    fmt::format("{}: is truncated or corrupted: {}", name(), zip_file_strerror(member_.get())));
            }
            if (count == 0) break;
            done += size_t(count);
        }
        position_ += done;
        return done;
    }

    uint64_t most_bytes() const override { return most_; }

 private:
    Archive archive_;
    Member member_;
    uint64_t most_ = UINT64_MAX;
};

}  // namespace

std::unique_ptr<InputStream> open_zip_member(const std::string& path, const std::string& member) {
    return std::make_unique<ZipStream>(path, member);
}

bool has_zip_member(const std::string& path, const std::string& member) {
    return zip_name_locate(open_archive(path).get(), member.c_str(), 0) >= 0;
}

}  // namespace bitline
