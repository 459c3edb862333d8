#include "core/hdf5_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cmath>
#include <limits>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_objects.h"
#include "tests/support/foreign_hdf5.h"
#include "tests/support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

using testing::bytes_of;
using testing::ForeignHdf5;
using testing::TemporaryFolder;

void write_example(const std::string& path) {
    Hdf5Writer file(path);
    file.group("z/inner");
    file.group("a");
    file.write_string("", "title", "crossbar \xc3\xa9");
    file.write("/z/inner/floats", std::vector<float>{0.1F, -0.0F, 1e-40F, 3e38F, 5, 6}, {3, 2});
    file.close();
}

TEST(Hdf5, EveryTypeComesBackToTheBit) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5"), zero_inside("a\0b", 3), longer(200000, 'l');
    const std::vector<int64_t> longs{INT64_MIN, -1, 0, INT64_MAX};
    const std::vector<int32_t> ints{INT32_MIN, INT32_MAX};
    const std::vector<int8_t> bytes{-128, 127, 0};
    const std::vector<float> floats{0.1F, -0.0F, std::numeric_limits<float>::denorm_min(), INFINITY};
    const std::vector<double> doubles{0.1, std::numeric_limits<double>::max()};
    {
        Hdf5Writer file(path);
        file.write("longs", longs, {4});
        file.write("ints", ints, {1, 2});
        file.write("bytes", bytes, {3, 1});
        file.write("floats", floats, {2, 2});
        file.write("doubles", doubles, {2});
        file.write("none", std::vector<float>{}, {0, 3});
        file.write("scalar", std::vector<int64_t>{7}, {});
        for (const auto& [name, text] : {std::pair{"zero", zero_inside}, {"long", longer}, {"empty", std::string()}}) {
            file.write_string("group", name, text);
        }
        file.write_int("group", "int", INT64_MIN);
        file.write_int("group", "int", -3);  // replaces
        file.write_double("longs", "double", 0.1);
        file.close();
    }
    const Hdf5Reader file(path, "network");
    EXPECT_TRUE(file.ours());
    EXPECT_EQ(file.read_ints("longs"), longs);
    EXPECT_THAT(file.read_ints("/ints"), ElementsAre(INT32_MIN, INT32_MAX));
    EXPECT_THAT(file.read_ints("bytes"), ElementsAre(-128, 127, 0));
    EXPECT_EQ(file.read_floats("floats"), floats);
    EXPECT_TRUE(std::signbit(file.read_floats("floats")[1]));
    EXPECT_EQ(file.read_doubles("doubles"), doubles);
    EXPECT_THAT(file.read_floats("none"), IsEmpty());
    EXPECT_EQ(file.shape("none"), (Shape{0, 3}));
    EXPECT_EQ(file.shape("ints"), (Shape{1, 2}));
    EXPECT_EQ(file.shape("scalar"), Shape{});
    EXPECT_THAT(file.read_ints("scalar"), ElementsAre(7));
    EXPECT_EQ(file.read_string("group", "zero"), zero_inside);
    EXPECT_EQ(file.read_string("group", "long"), longer);
    EXPECT_EQ(file.read_string("group", "empty"), "");
    EXPECT_EQ(file.read_int("group", "int"), -3);
    EXPECT_EQ(file.read_double("longs", "double"), 0.1);
}

TEST(Hdf5, ListsInOrderOfCreation) {
    const TemporaryFolder folder;
    write_example(folder.file("f.h5"));
    const Hdf5Reader file(folder.file("f.h5"), "network");
    EXPECT_THAT(file.children("/"), ElementsAre("z", "a"));
    EXPECT_THAT(file.children("z/inner"), ElementsAre("floats"));
    EXPECT_THAT(file.children("a"), IsEmpty());
    EXPECT_TRUE(file.has("z/inner/floats") && file.has("/") && file.has("/z/") && file.has(""));
    EXPECT_FALSE(file.has("z/missing/floats") || file.has("q"));
    EXPECT_TRUE(file.has_attribute("/", "title"));
    EXPECT_FALSE(file.has_attribute("/", "q") || file.has_attribute("q", "title"));
}

TEST(Hdf5, EqualContentGivesEqualBytes) {
    const TemporaryFolder folder;
    write_example(folder.file("a.h5"));
    write_example(folder.file("b.h5"));
    EXPECT_EQ(bytes_of(folder.file("a.h5")), bytes_of(folder.file("b.h5")));
}

TEST(Hdf5, UserBlockIsAsDocumented) {
    const TemporaryFolder folder;
    write_example(folder.file("f.h5"));
    const std::string bytes = bytes_of(folder.file("f.h5"));
    EXPECT_EQ(bytes.substr(0, 12), std::string("BITLINE\n\1\0\0\0", 12));
    std::string digest;
    for (const char byte : bytes.substr(12, 32)) {
        char text[3];
        std::snprintf(text, sizeof text, "%02x", static_cast<unsigned char>(byte));
        digest += text;
    }
    EXPECT_EQ(digest, sha256_bytes(bytes.data() + 512, bytes.size() - 512));
    EXPECT_EQ(bytes.substr(44, 468), std::string(468, '\0'));
    EXPECT_EQ(bytes.substr(512, 4), "\x89HDF");
}

TEST(Hdf5, MistakesNameFileAndObject) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    write_example(path);
    const Hdf5Reader file(path, "network");
    const auto message = [&](const std::string& object, const std::string& what) {
        return ThrowsMessage<FormatError>(AllOf(HasSubstr(path), HasSubstr(object), HasSubstr(what)));
    };
    EXPECT_THAT([&] { file.shape("z/q"); }, message("z/q", "no such"));
    EXPECT_THAT([&] { file.read_floats("z"); }, message("z", "not a data set"));
    EXPECT_THAT([&] { file.read_ints("z/inner/floats"); }, message("z/inner/floats", "integers"));
    EXPECT_THAT([&] { file.children("z/inner/floats"); }, message("z/inner/floats", "not a group"));
    EXPECT_THAT([&] { file.children("q"); }, message("q", "no such"));
    EXPECT_THAT([&] { file.read_string("z", "q"); }, message("z", "'q'"));
    EXPECT_THAT([&] { file.read_int("", "title"); }, message("title", "not an integer"));
    EXPECT_THAT([&] { file.read_double("", "title"); }, message("title", "not a number"));
    float row[2];
    EXPECT_THAT([&] { file.read_rows("z/inner/floats", 2, 2, row); }, message("z/inner/floats", "3 rows"));
}

TEST(Hdf5, FilesThatAreNoneAreRefused) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    write_example(path);
    const std::string whole = bytes_of(path);
    std::string newer = whole;
    newer[8] = 2;
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "0 bytes"},
        {"BITLINE\n", "checksum mismatch"},
        {"BITLINE", "no HDF5 file"},
        {"some text", "no HDF5 file"},
        {whole.substr(0, 512), "checksum mismatch"},
        {whole.substr(0, whole.size() - 1), "checksum mismatch"},
        {whole + "x", "checksum mismatch"},
        {newer, "version 2"},
        {whole.substr(512, 1000), "corrupted"},
    };
    for (const auto& [content, expected] : cases) {
        folder.write("bad.h5", content);
        EXPECT_THAT([&] { Hdf5Reader(folder.file("bad.h5"), "network"); },
                    ThrowsMessage<FormatError>(AllOf(HasSubstr("bad.h5"), HasSubstr(expected))));
    }
    EXPECT_THROW(Hdf5Reader(folder.path().string(), "network"), FormatError);
    EXPECT_THROW(Hdf5Reader(folder.file("missing"), "network"), FormatError);
}

TEST(Hdf5, EveryFlippedByteOfOursIsNoticed) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    write_example(path);
    const std::string whole = bytes_of(path);
    // Behind the magic: without it the file counts as somebody else's.
    for (size_t at = 8; at < whole.size(); at += at < 1024 ? 7 : 97) {
        std::string changed = whole;
        changed[at] = char(changed[at] ^ (1 << at % 8));
        folder.write("f.h5", changed);
        EXPECT_THROW(Hdf5Reader(path, "network"), FormatError) << at;
    }
}

TEST(Hdf5, UnclosedWriterLeavesNothingUsable) {
    const TemporaryFolder folder;
    { Hdf5Writer(folder.file("f.h5")).write("x", std::vector<float>{1}, {1}); }
    EXPECT_THROW(Hdf5Reader(folder.file("f.h5"), "network"), FormatError);
    EXPECT_THROW(Hdf5Writer(folder.file("missing/f.h5")), RunError);
    EXPECT_THAT(
        [] {
            Hdf5Writer file("/dev/full");
            file.write("x", std::vector<float>{1}, {1});
            file.close();
        },
        ThrowsMessage<RunError>("/dev/full: cannot write: No space left on device"));
}

TEST(Hdf5, ReadsWhatOthersWrite) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    {
        const ForeignHdf5 file(path);
        file.write("x", H5T_STD_I16BE, {100, 3, 5}, {7, 3, 2});  // chunks that do not divide the shape, packed
        file.write("doubles", H5T_IEEE_F64BE, {4}, {});
        file.write("unsigned", H5T_STD_U64LE, {4}, {});
        file.fixed_text("text", "padded", 10);
    }
    const Hdf5Reader file(path, "data");
    EXPECT_FALSE(file.ours());
    EXPECT_THAT(file.children("/"), ElementsAre("doubles", "unsigned", "x"));
    EXPECT_EQ(file.shape("x"), (Shape{100, 3, 5}));
    EXPECT_EQ(file.read_string("/", "text"), "padded");
    std::vector<float> rows(30);
    file.read_rows("x", 90, 2, rows.data());
    for (int i = 0; i < 30; ++i) EXPECT_EQ(rows[size_t(i)], ForeignHdf5::value(90 * 15 + i));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(file.read_doubles("doubles")[size_t(i)], ForeignHdf5::value(i));
    EXPECT_THAT(file.read_ints("unsigned"), ElementsAre(0, 1, 2, 3));
}

TEST(Hdf5, DifferentThreadsReadTheSame) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    { ForeignHdf5(path).write("x", H5T_IEEE_F32LE, {200, 50}, {16, 50}); }
    const Hdf5Reader file(path, "data");
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            std::vector<float> row(50);
            for (int64_t i = int64_t(t); i < 200; i += 3) {
                file.read_rows("x", i, 1, row.data());
                for (int64_t j = 0; j < 50; ++j) wrong[t] += row[size_t(j)] != ForeignHdf5::value(i * 50 + j);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST(Hdf5, AbsurdShapesAreRefusedBeforeMemoryIsTaken) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    { ForeignHdf5(path).declare("x", H5T_IEEE_F32LE, {hsize_t(1) << 40, 1024}, {1, 1024}); }
    EXPECT_THAT([&] { Hdf5Reader(path, "data"); },
                ThrowsMessage<FormatError>(AllOf(HasSubstr("x"), HasSubstr("absurdly large"))));
}

TEST(Hdf5, LoopsAndLinksOutOfTheFileAreHarmless) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    {
        const ForeignHdf5 file(path);
        H5Gclose(H5Gcreate2(file.id(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        H5Lcreate_hard(file.id(), "/", file.id(), "group/loop", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_soft("nowhere", file.id(), "dangling", H5P_DEFAULT, H5P_DEFAULT);
        H5Lcreate_external("/etc/passwd", "/", file.id(), "outside", H5P_DEFAULT, H5P_DEFAULT);
    }
    const Hdf5Reader file(path, "data");
    EXPECT_TRUE(file.has("group/loop/group"));
    EXPECT_FALSE(file.has("dangling") || file.has("outside"));
}

TEST(Hdf5, TimeLimitEndsTheChild) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    { ForeignHdf5(path).write("x", H5T_IEEE_F32LE, {4}, {}); }
    const hdf5::Lock lock;
    EXPECT_NO_THROW(hdf5::open_foreign_file(path, "data", 20));
    EXPECT_THAT([&] { hdf5::open_foreign_file(path, "data", 0); },
                ThrowsMessage<FormatError>(HasSubstr("took longer")));
}

TEST(Hdf5, DamagedForeignFilesNeverCrash) {
    const TemporaryFolder folder;
    const std::string path = folder.file("f.h5");
    {
        const ForeignHdf5 file(path);
        file.write("x", H5T_STD_I16BE, {20, 4}, {6, 4});
        file.write("y", H5T_STD_U8LE, {20}, {});
        file.fixed_text("text", "value", 5);
    }
    const std::string whole = bytes_of(path);
    int refused = 0, cases = 0;
    const auto try_bytes = [&](const std::string& content) {
        folder.write("f.h5", content);
        ++cases;
        try {
            const Hdf5Reader file(path, "data");
            std::vector<float> rows(80);
            if (file.has("x") && file.shape("x") == Shape{20, 4}) file.read_rows("x", 0, 20, rows.data());
        } catch (const FormatError&) {
            ++refused;
        }
    };
    for (size_t i = 0; i < 100; ++i) {
        const size_t at = i < 60 ? i : (i - 60) * whole.size() / 40;
        std::string changed = whole;
        changed[at] = i % 2 == 0 ? '\xff' : char(changed[at] ^ (1 << i % 8));
        try_bytes(changed);
    }
    for (size_t i = 0; i < 20; ++i) try_bytes(whole.substr(0, i * whole.size() / 20));
    EXPECT_GT(refused, 20);  // all truncations at least
    EXPECT_LT(refused, cases);
}

}  // namespace
}  // namespace bitline
