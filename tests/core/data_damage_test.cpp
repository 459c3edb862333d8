// Damaged data files end in a FormatError or are read (a changed pixel is still a pixel); nothing else may happen.

#include <gtest/gtest.h>

#include <functional>

#include "core/data.h"
#include "core/error.h"
#include "core/hdf5_file.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

namespace bitline {
namespace {

using testing::bytes_of;
using testing::counting;
using testing::gzip;
using testing::idx_file;
using testing::npy;
using testing::npy_header;
using testing::packed;
using testing::TemporaryFolder;
using testing::write_zip;
using testing::xz;

struct Outcome {
    int read = 0, refused = 0;
};

/// Opens and reads the file with every bit pattern of a fixed set at `positions` places, and cut at as many.
Outcome damage(const TemporaryFolder& folder, const std::string& file, const std::string& spec, size_t positions) {
    Outcome outcome;
    const std::string whole = bytes_of(folder.file(file));
    const auto attempt = [&](const std::string& content) {
        folder.write(file, content);
        try {
            const auto data = open_dataset(spec);
            std::vector<float> x(size_t(data->size() * element_count(data->shape())));
            data->read(0, data->size(), x.data());
            ++outcome.read;
        } catch (const FormatError&) {
            ++outcome.refused;
        }
    };
    for (size_t i = 0; i < std::min(positions, whole.size()); ++i) {
        const size_t at = whole.size() <= positions ? i : i * whole.size() / positions;
        for (const char change : {'\x01', '\x80', '\xff'}) {
            std::string changed = whole;
            changed[at] = char(changed[at] ^ change);
            attempt(changed);
        }
        attempt(whole.substr(0, at));
        attempt(whole.substr(0, at) + whole.substr(at + 1));
    }
    return outcome;
}

const std::string kImages = idx_file(0x08, {3, 4, 5}, packed(counting<uint8_t>(60)));
const std::string kLabels = idx_file(0x08, {3}, "\1\2\3");

TEST(DamagedData, Idx) {
    const TemporaryFolder folder;
    const std::string spec = "idx:" + folder.write("x", kImages) + "," + folder.write("y", kLabels);
    const Outcome images = damage(folder, "x", spec, 400);
    EXPECT_GE(images.read, 3 * 60);              // changed pixels
    EXPECT_GE(images.refused, 3 * 14 + 2 * 76);  // magic, type and sizes; everything cut
    folder.write("x", kImages);
    EXPECT_GT(damage(folder, "y", spec, 100).refused, 0);
}

TEST(DamagedData, PackedIdx) {
    const TemporaryFolder folder;
    const std::string spec = "idx:" + folder.file("x") + "," + folder.write("y", kLabels);
    for (const std::string& content : {gzip(kImages), xz(kImages)}) {
        folder.write("x", content);
        const Outcome outcome = damage(folder, "x", spec, 120);
        // All content is under a checksum; gzip's header (times, names) is not.
        EXPECT_LE(outcome.read, 3 * 10);
        EXPECT_GT(outcome.refused, 100);
    }
}

TEST(DamagedData, Cifar10) {
    const TemporaryFolder folder;
    const std::string record = std::string(1, '\4') + std::string(3072, 'p');
    folder.write("x", xz(record + record));
    // One change of the packing's parameters happens to unpack to the same bytes.
    EXPECT_LE(damage(folder, "x", "cifar10:" + folder.file("x"), 200).read, 1);
    folder.write("x", record + record);
    EXPECT_GT(damage(folder, "x", "cifar10:" + folder.file("x"), 50).refused, 90);
}

TEST(DamagedData, Npz) {
    const TemporaryFolder folder;
    const std::string x = npy(npy_header("<f4", "(3, 4)"), packed(counting<float>(12)));
    const std::string y = npy(npy_header("<i8", "(3,)"), packed(counting<int64_t>(3)));
    for (const bool deflated : {false, true}) {
        write_zip(folder.file("d.npz"), {{"x.npy", x}, {"y.npy", y}}, deflated);
        const Outcome outcome = damage(folder, "d.npz", "npz:" + folder.file("d.npz"), 120);
        EXPECT_GT(outcome.refused, 240);
    }
}

TEST(DamagedData, OurHdf5) {
    const TemporaryFolder folder;
    Hdf5Writer file(folder.file("d.h5"));
    file.write("x", counting<float>(12), {3, 4});
    file.write("y", std::vector<int64_t>{0, 1, 2}, {3});
    file.close();
    const Outcome outcome = damage(folder, "d.h5", folder.file("d.h5"), 60);
    EXPECT_LE(outcome.read, 3);  // without its magic it counts as somebody else's, and is read in a child process first
}

}  // namespace
}  // namespace bitline
