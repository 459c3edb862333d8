#include "core/data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hdf5_file.h"
#include "tests/support/data_files.h"
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
using testing::counting;
using testing::ForeignHdf5;
using testing::gzip;
using testing::idx_file;
using testing::npy;
using testing::npy_header;
using testing::packed;
using testing::TemporaryFolder;
using testing::write_zip;
using testing::xz;

std::vector<float> read_all(const Dataset& data) {
    std::vector<float> x(size_t(data.size() * element_count(data.shape())));
    data.read(0, data.size(), x.data());
    return x;
}

auto format_error(const std::string& text) { return ThrowsMessage<FormatError>(HasSubstr(text)); }
auto config_error(const std::string& text) { return ThrowsMessage<ConfigError>(HasSubstr(text)); }
auto opening(const std::string& spec) {
    return [spec] { open_dataset(spec); };
}

// ------------------------------------------------------------------------------------------ idx

template <class T>
void expect_idx_type(int code, const std::vector<T>& values) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", idx_file(code, {2, uint32_t(values.size() / 2)}, packed(values, true)));
    const std::string y = folder.write("y", idx_file(0x08, {2}, std::string("\3\1")));
    const auto data = open_dataset("idx:" + x + "," + y);
    EXPECT_EQ(read_all(*data), std::vector<float>(values.begin(), values.end())) << code;
    EXPECT_EQ(data->shape(), Shape{int64_t(values.size() / 2)});
    EXPECT_THAT(data->labels(), ElementsAre(3, 1));
}

TEST(IdxData, EveryTypeIsRead) {
    expect_idx_type<uint8_t>(0x08, {0, 255, 128, 1});
    expect_idx_type<int8_t>(0x09, {-128, 127, 0, -1});
    expect_idx_type<int16_t>(0x0B, {-32768, 32767, 258, -2});
    expect_idx_type<int32_t>(0x0C, {-16777216, 16777216, 66051, -2});
    expect_idx_type<float>(0x0D, {0.1F, -3e38F, 1e-40F, 2});
    expect_idx_type<double>(0x0E, {0.5, -3e38F, 1e-40F, 2});
}

TEST(IdxData, RankGivesTheShapePerSample) {
    const TemporaryFolder folder;
    const std::string y = folder.write("y", idx_file(0x0C, {2}, packed<int32_t>({7, 70000}, true)));
    const std::vector<std::pair<std::vector<uint32_t>, Shape>> cases{
        {{2, 12}, {12}}, {{2, 3, 4}, {1, 3, 4}}, {{2, 2, 3, 2}, {2, 3, 2}}};
    for (const auto& [sizes, shape] : cases) {
        const std::string x = folder.write("x", idx_file(0x08, sizes, packed(counting<uint8_t>(24))));
        const auto data = open_dataset("idx:" + x + "," + y);
        EXPECT_EQ(data->shape(), shape);
        EXPECT_EQ(read_all(*data), counting<float>(24));
        EXPECT_THAT(data->labels(), ElementsAre(7, 70000));
    }
    for (const std::vector<uint32_t>& sizes : {std::vector<uint32_t>{24}, {2, 2, 2, 3, 1}}) {
        const std::string x = folder.write("x", idx_file(0x08, sizes, packed(counting<uint8_t>(24))));
        EXPECT_THAT(opening("idx:" + x + "," + y), format_error("2, 3 or 4"));
    }
}

TEST(IdxData, PackedFilesGiveTheSame) {
    const TemporaryFolder folder;
    const std::string images = idx_file(0x08, {5, 30, 40}, packed(counting<uint8_t>(6000)));
    const std::string labels = idx_file(0x08, {5}, packed(counting<uint8_t>(5)));
    const auto plain = open_dataset("idx:" + folder.write("plain", images) + "," + folder.write("y", labels));
    const std::string halves = gzip(images.substr(0, 100)) + gzip(images.substr(100));
    const std::string two_streams = xz(images.substr(0, 100)) + xz(images.substr(100));
    for (const auto& [name, content] : {std::pair{"x.gz", gzip(images)},
                                        {"x", gzip(images)},
                                        {"x.xz", xz(images)},
                                        {"x.gz", halves},
                                        {"x.xz", two_streams}}) {
        const std::string spec = "idx:" + folder.write(name, content) + "," + folder.write("y.gz", gzip(labels));
        const auto data = open_dataset(spec);
        EXPECT_EQ(read_all(*data), read_all(*plain)) << name;
        EXPECT_EQ(data->labels(), plain->labels());
        EXPECT_THAT(data->files(), ElementsAre((folder.path() / name).string(), (folder.path() / "y.gz").string()));
        EXPECT_EQ(data->spec(), spec);
    }
}

TEST(IdxData, DamageIsNamed) {
    const TemporaryFolder folder;
    const std::string y = folder.write("y", idx_file(0x08, {2}, std::string("\3\1")));
    const std::string good = idx_file(0x08, {2, 12}, packed(counting<uint8_t>(24)));
    std::string bad_crc = gzip(good);
    bad_crc[bad_crc.size() - 8] = char(bad_crc[bad_crc.size() - 8] ^ 1);
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "0 bytes"},
        {good.substr(0, 3), "header is truncated"},
        {good.substr(0, 10), "header is truncated"},
        {good.substr(0, 30), "expected 24 bytes after its header of 12 bytes, found 18"},
        {good + "x", "expected 24 bytes after its header of 12 bytes, found 25"},
        {"\1" + good.substr(1), "01 00 instead of 00 00"},
        {idx_file(0x0A, {2, 12}, ""), "idx type 0x0A"},
        {idx_file(0x08, {0, 12}, ""), "no samples"},
        {idx_file(0x08, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, "x"), "absurdly large"},
        {idx_file(0x08, {3, 8}, packed(counting<uint8_t>(24))), "3 samples"},
        {gzip(good).substr(0, 30), "truncated"},
        {gzip(good) + "junk", "corrupted"},
        {gzip(good + "x"), "found more"},
        {gzip(good.substr(0, 30)), "found 18"},
        {gzip(idx_file(0x08, {1000000, 1000}, "x")), "at most"},
        {bad_crc, "corrupted: incorrect data check"},
        {xz(good).substr(0, 50), "truncated"},
        {xz(good) + "some junk behind it", "corrupted"},
    };
    for (const auto& [content, problem] : cases) {
        const std::string x = folder.write("x", content);
        EXPECT_THAT(opening("idx:" + x + "," + y), AllOf(format_error(problem), format_error(x)));
    }
    EXPECT_THAT(opening("idx:" + folder.write("plain.gz", good) + "," + y), format_error("gzip stream is corrupted"));
    EXPECT_THAT(opening("idx:" + folder.path().string() + "," + y), format_error("folder"));
    EXPECT_THAT(opening("idx:" + y + "," + folder.file("missing")), format_error("No such file"));
}

TEST(IdxData, LabelsMustBeWholeAndNotNegative) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", idx_file(0x08, {3, 1}, "abc"));
    const std::vector<std::pair<std::string, std::string>> cases{
        {idx_file(0x09, {3}, "\1\2\xff"), "label of sample 2 is -1"},
        {idx_file(0x0D, {3}, packed<float>({0, 1.5F, 2}, true)), "label of sample 1 is 1.5"},
        {idx_file(0x0D, {3}, packed<float>({NAN, 1, 2}, true)), "label of sample 0 is nan"},
        {idx_file(0x0E, {3}, packed<double>({0, 1, 3e9}, true)), "label of sample 2 is 3000000000"},
        {idx_file(0x08, {3, 1}, "abc"), "2 axes"},
    };
    for (const auto& [labels, problem] : cases) {
        EXPECT_THAT(opening("idx:" + x + "," + folder.write("y", labels)), format_error(problem));
    }
}

// ------------------------------------------------------------------------------------------ cifar10

std::string cifar_record(int label) {
    std::string record(1, char(label));
    for (int i = 0; i < 3072; ++i) record += char((i * 7 + label) % 256);
    return record;
}

TEST(Cifar10Data, ReadsAcrossFiles) {
    const TemporaryFolder folder;
    const std::string a = folder.write("a.bin", cifar_record(3) + cifar_record(9));
    const std::string b = folder.write("b.bin.xz", xz(cifar_record(0)));
    const std::string c = folder.write("c.bin.gz", gzip(cifar_record(5) + cifar_record(1)));
    const auto data = open_dataset("cifar10:" + a + "," + b + "," + c);
    EXPECT_EQ(data->shape(), (Shape{3, 32, 32}));
    EXPECT_THAT(data->labels(), ElementsAre(3, 9, 0, 5, 1));
    for (int64_t first = 0; first < 5; ++first) {
        for (int64_t count = 0; first + count <= 5; ++count) {
            std::vector<float> x(size_t(count * 3072));
            data->read(first, count, x.data());
            for (int64_t i = 0; i < count * 3072; ++i) {
                const int label = data->labels()[size_t(first + i / 3072)];
                ASSERT_EQ(x[size_t(i)], float((i % 3072 * 7 + label) % 256)) << first << " " << count << " " << i;
            }
        }
    }
    EXPECT_THAT(data->files(), ElementsAre(a, b, c));
}

TEST(Cifar10Data, DamageIsNamed) {
    const TemporaryFolder folder;
    const std::string good = cifar_record(3);
    EXPECT_THAT(opening("cifar10:" + folder.write("a", good.substr(1))), format_error("found 3072"));
    EXPECT_THAT(opening("cifar10:" + folder.write("a", xz(good + "x"))), format_error("found 3074"));
    EXPECT_THAT(opening("cifar10:" + folder.write("a", gzip(""))), format_error("found 0"));
    EXPECT_THAT(opening("cifar10:" + folder.write("a", good + cifar_record(10))),
                format_error("label of record 1 is 10"));
    EXPECT_THAT(opening("cifar10:" + folder.write("a.xz", good)), format_error("xz stream is corrupted"));
}

// ------------------------------------------------------------------------------------------ npz

std::string write_npz(const TemporaryFolder& folder, const std::string& x, const std::string& y,
                      bool deflated = false) {
    write_zip(folder.file("d.npz"), {{"x.npy", x}, {"y.npy", y}}, deflated);
    return "npz:" + folder.file("d.npz");
}

template <class T>
void expect_npy_type(const std::string& type, const std::vector<T>& values, const std::vector<float>& expected) {
    const TemporaryFolder folder;
    const std::string shape = "(2, " + std::to_string(values.size() / 2) + ")";
    const std::string y = npy(npy_header("<i8", "(2,)"), packed<int64_t>({4, 0}));
    for (const bool big_endian : {false, true}) {
        const std::string order = sizeof(T) == 1 ? "|" : big_endian ? ">" : "<";
        const std::string x = npy(npy_header(order + type, shape), packed(values, big_endian && sizeof(T) > 1));
        const auto data = open_dataset(write_npz(folder, x, y, big_endian));
        EXPECT_EQ(read_all(*data), expected) << order << type;
        EXPECT_THAT(data->labels(), ElementsAre(4, 0));
    }
}

TEST(NpzData, EveryNumericTypeIsRead) {
    expect_npy_type<uint8_t>("b1", {0, 1}, {0, 1});
    expect_npy_type<uint8_t>("u1", {0, 255}, {0, 255});
    expect_npy_type<int8_t>("i1", {-128, 127}, {-128, 127});
    expect_npy_type<uint16_t>("u2", {1, 65535}, {1, 65535});
    expect_npy_type<int16_t>("i2", {-2, 32767}, {-2, 32767});
    expect_npy_type<uint32_t>("u4", {1, 1U << 31}, {1, 0x1p31F});
    expect_npy_type<int32_t>("i4", {-2, 1 << 24}, {-2, 0x1p24F});
    expect_npy_type<uint64_t>("u8", {1, uint64_t(1) << 63}, {1, 0x1p63F});
    expect_npy_type<int64_t>("i8", {-2, int64_t(1) << 40}, {-2, 0x1p40F});
    expect_npy_type<float>("f4", {0.1F, -1e-40F}, {0.1F, -1e-40F});
    expect_npy_type<double>("f8", {0.1, 3.4028235e38}, {0.1F, std::numeric_limits<float>::max()});
    // IEEE 754-2008 binary16: 1, -2, 65504 (largest), 2^-24 (smallest subnormal), 2^-14 (smallest normal), -0.
    expect_npy_type<uint16_t>("f2", {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400, 0x8000},
                              {1, -2, 65504, 0x1p-24F, 0x1p-14F, -0.0F});
}

TEST(NpzData, EveryHeaderVersionAndLayoutIsRead) {
    const TemporaryFolder folder;
    const std::string numbers = packed(counting<float>(12)), y = npy(npy_header("|u1", "(3, 1)"), "\1\2\3");
    for (const int version : {1, 2, 3}) {
        const auto data = open_dataset(write_npz(folder, npy(npy_header("<f4", "(3, 2, 2)"), numbers, version), y));
        EXPECT_EQ(data->shape(), (Shape{2, 2}));
        EXPECT_EQ(read_all(*data), counting<float>(12));
        EXPECT_THAT(data->labels(), ElementsAre(1, 2, 3));
    }
    const std::string other = "{\"shape\":(3,4,),\"descr\":\"<f4\",\"fortran_order\":False}";
    EXPECT_EQ(open_dataset(write_npz(folder, npy(other, numbers), y))->shape(), Shape{4});
    write_zip(folder.file("d.npz"), {{"x.npy", npy(other, numbers)}}, true);
    EXPECT_THAT(open_dataset("npz:" + folder.file("d.npz"))->labels(), IsEmpty());
}

TEST(NpzData, BadHeadersAreNamed) {
    const TemporaryFolder folder;
    const std::string y = npy(npy_header("|u1", "(3,)"), "\1\2\3"), numbers = packed(counting<float>(12));
    const std::vector<std::pair<std::string, std::string>> headers{
        {npy_header("<f4", "(3, 4)", true), "Fortran order; save numpy.ascontiguousarray"},
        {npy_header("<c8", "(3, 4)"), "not numeric"},
        {npy_header("<U4", "(3, 4)"), "not numeric"},
        {npy_header("|O", "(3, 4)"), "not numeric"},
        {npy_header("<f3", "(3, 4)"), "not numeric"},
        {npy_header("|f1", "(3, 4)"), "not numeric"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 4)}", "records are not read"},
        {npy_header("<f4", "(12,)"), "needs at least 2"},
        {npy_header("<f4", "()"), "expected 4 bytes"},
        {npy_header("<f4", "(3, 5)"), "expected 60 bytes"},
        {npy_header("<f4", "(3, 3)"), "expected 36 bytes"},
        {npy_header("<f4", "(0, 3)"), "no samples"},
        {npy_header("<f4", "(4, 3)"), "4 samples"},
        {npy_header("<f4", "(3, -4)"), "shape is invalid"},
        {npy_header("<f4", "(9223372036854775807, 9223372036854775807)"), "absurdly large"},
        {npy_header("<f4", "(99999999999999999999, 1)"), "shape is invalid"},
        {npy_header("<f4", "(3 4)"), "shape is invalid"},
        {npy_header("<f4", "(3, 4"), "shape is invalid"},
        {npy_header("<f4", "(3, 4)") + "x", "follows"},
        {"{'descr': '<f4', 'shape': (3, 4)}", "is missing"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (3, 4)}", "'descr' is unexpected"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 4)}", "True or False"},
        {"{'descr", "not closed"},
        {"", "'{' is missing"},
    };
    for (const auto& [header, problem] : headers) {
        EXPECT_THAT(opening(write_npz(folder, npy(header, numbers), y)), format_error(problem)) << header;
    }
    EXPECT_THAT(opening(write_npz(folder, npy(npy_header("<f4", "(3, 4)"), numbers, 4), y)),
                format_error("version 4.0"));
    EXPECT_THAT(opening(write_npz(folder, "\x93NUMP", y)), format_error("header is truncated"));
    EXPECT_THAT(opening(write_npz(folder, "somethingelse", y)), format_error("magic number"));
}

TEST(NpzData, BadArchivesAreNamed) {
    const TemporaryFolder folder;
    EXPECT_THAT(opening("npz:" + folder.write("a", "")), format_error("0 bytes"));
    EXPECT_THAT(opening("npz:" + folder.write("a", "no archive")), format_error("no npz archive"));
    EXPECT_THAT(opening("npz:" + folder.path().string()), format_error("folder"));
    write_zip(folder.file("d.npz"), {{"images.npy", "x"}, {"labels.npy", "y"}}, false);
    EXPECT_THAT(opening("npz:" + folder.file("d.npz")), format_error("images.npy, labels.npy"));
    const std::string x = npy(npy_header("<f4", "(3, 4)"), packed(counting<float>(12)));
    for (const bool deflated : {false, true}) {
        const std::string spec =
            write_npz(folder, x, npy(npy_header("<f4", "(3,)"), packed<float>({0, 1, 0.5F})), deflated);
        EXPECT_THAT(opening(spec), format_error("label of sample 2 is 0.5"));
        std::string bytes = bytes_of(folder.file("d.npz"));
        bytes[deflated ? 60 : 200] = char(bytes[deflated ? 60 : 200] ^ 4);
        folder.write("d.npz", bytes);
        EXPECT_THAT(opening(spec), format_error("corrupted"));
    }
    EXPECT_THAT(opening(write_npz(folder, x, npy(npy_header("|u1", "(3, 2)"), "abcdef"))),
                format_error("one class number"));
}

// ------------------------------------------------------------------------------------------ raw

template <class T>
void expect_raw_type(const std::string& type, const std::vector<T>& values) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", packed(values)), y = folder.write("y", std::string("\7\0", 2));
    const auto data = open_dataset("raw:" + x + "," + y + "," + type + ",1x2x1");
    EXPECT_EQ(read_all(*data), std::vector<float>(values.begin(), values.end())) << type;
    EXPECT_EQ(data->shape(), (Shape{1, 2, 1}));
    EXPECT_THAT(data->labels(), ElementsAre(7, 0));
}

TEST(RawData, EveryTypeIsRead) {
    expect_raw_type<uint8_t>("uint8", {0x1f, 0x8b, 255, 0});  // begins like gzip, and is not
    expect_raw_type<int8_t>("int8", {-128, 127, -1, 0});
    expect_raw_type<int16_t>("int16", {-32768, 32767, 258, -2});
    expect_raw_type<int32_t>("int32", {-16777216, 16777216, 66051, -2});
    expect_raw_type<float>("float32", {0.1F, -3e38F, 1e-40F, 2});
    expect_raw_type<double>("float64", {0.5, -3e38F, 1e-40F, 2});
}

TEST(RawData, MistakesAreNamed) {
    const TemporaryFolder folder;
    const std::string files = "raw:" + folder.write("x", "abcd") + "," + folder.write("y", "ab") + ",";
    EXPECT_THAT(opening(files + "uint8,3"),
                AllOf(format_error("expected 6 bytes, found 4"), format_error("2 labels"), format_error("3 uint8")));
    EXPECT_THAT(opening(files + "float16,2"), config_error("did you mean 'float"));
    for (const std::string shape :
         {"0x2", "-1", "2x", "x2", "2xx2", "2 x2", "a", "99999999999999999999", "3000000000", "65536x65536"}) {
        EXPECT_THAT(opening(files + "uint8," + shape), config_error("AxBxC")) << shape;
    }
}

// ------------------------------------------------------------------------------------------ h5

TEST(H5Data, ReadsOursAndOthers) {
    const TemporaryFolder folder;
    const std::string ours = folder.file("ours.h5"), foreign = folder.file("foreign.hdf5");
    {
        Hdf5Writer file(ours);
        file.write("x", counting<float>(24), {4, 1, 3, 2});
        file.write("y", std::vector<int64_t>{0, 1, 2, 3}, {4});
        file.close();
        const ForeignHdf5 other(foreign);
        other.write("x", H5T_STD_U8BE, {4, 1, 3, 2}, {3, 1, 2, 2});
        other.write("y", H5T_IEEE_F64LE, {4, 1}, {});
    }
    for (const std::string& spec : {ours, foreign, "h5:" + ours, "h5:" + foreign}) {
        const auto data = open_dataset(spec);
        EXPECT_EQ(data->shape(), (Shape{1, 3, 2}));
        EXPECT_EQ(read_all(*data), counting<float>(24)) << spec;
        EXPECT_THAT(data->labels(), ElementsAre(0, 1, 2, 3));
        EXPECT_EQ(data->spec(), spec);
    }
    EXPECT_THAT(open_dataset(ours)->files(), ElementsAre(ours));
}

TEST(H5Data, MistakesAreNamed) {
    const TemporaryFolder folder;
    const auto with = [&](const std::vector<hsize_t>& x, const std::vector<hsize_t>& y) {
        const ForeignHdf5 file(folder.file("f.h5"));
        if (!x.empty()) file.write("x", H5T_STD_U8LE, x, {});
        if (!y.empty()) file.write("y", H5T_STD_I8LE, y, {});
        file.write("images", H5T_STD_U8LE, {1}, {});
        return folder.file("f.h5");
    };
    EXPECT_THAT(open_dataset(with({4, 2}, {}))->labels(), IsEmpty());
    EXPECT_THAT(opening(with({}, {3})), format_error("the file holds: images, y"));
    EXPECT_THAT(opening(with({4, 2}, {3})), format_error("4 samples"));
    EXPECT_THAT(opening(with({4}, {4})), format_error("at least 2"));
    EXPECT_THAT(opening(with({4, 2}, {4, 2})), format_error("one class number"));
    EXPECT_THAT(opening(with({0, 2}, {})), format_error("no samples"));
    {
        const ForeignHdf5 file(folder.file("f.h5"));
        const float labels[] = {0, -1, 2};
        file.write("x", H5T_STD_U8LE, {3, 2}, {});
        file.write_values("y", H5T_STD_I8LE, {3}, {}, labels);
    }
    EXPECT_THAT(opening(folder.file("f.h5")), format_error("label of sample 1 is -1"));
}

// ------------------------------------------------------------------------------------------ all formats

TEST(Data, LimitUsesTheFirstSamplesAndNoMoreThanThereAre) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", packed(counting<uint8_t>(8))),
                      y = folder.write("y", std::string("\0\1\2\3", 4));
    const std::string spec = "raw:" + x + "," + y + ",uint8,2";
    const auto data = open_dataset(spec, 3);
    EXPECT_EQ(data->size(), 3);
    EXPECT_THAT(data->labels(), ElementsAre(0, 1, 2));
    EXPECT_EQ(read_all(*data), counting<float>(6));
    EXPECT_EQ(open_dataset(spec, 4)->size(), 4);
    EXPECT_THAT([&] { open_dataset(spec, 5); }, config_error("exceeds the 4 samples"));
    EXPECT_THAT([&] { open_dataset(spec, 0); }, config_error("violates 1 <= limit"));
    EXPECT_THAT([&] { open_dataset(spec, -1); }, config_error("violates 1 <= limit"));
}

TEST(Data, NumbersThatAreNotFiniteNameTheirSample) {
    const TemporaryFolder folder;
    const std::string y = folder.write("y", "abc");
    for (const double bad : {double(NAN), double(INFINITY), -double(INFINITY), 1e39}) {
        const std::string x = folder.write("x", packed<double>({0, 1, 2, 3, 4, bad}));
        const auto data = open_dataset("raw:" + x + "," + y + ",float64,2");
        float row[4];
        EXPECT_NO_THROW(data->read(0, 2, row));
        EXPECT_THAT([&] { data->read(1, 2, row); }, AllOf(format_error("sample 2"), format_error("element 1")));
    }
}

TEST(Data, ShrinkingFilesAreNoticed) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", "abcd"), y = folder.write("y", "ab");
    const auto data = open_dataset("raw:" + x + "," + y + ",uint8,2");
    std::filesystem::resize_file(x, 3);
    float rows[4];
    EXPECT_NO_THROW(data->read(0, 1, rows));
    EXPECT_THAT([&] { data->read(0, 2, rows); }, format_error("shorter"));
}

TEST(Data, ThreadsReadTheSame) {
    const TemporaryFolder folder;
    const std::string images = idx_file(0x08, {200, 30, 40}, packed(counting<uint8_t>(240000)));
    const std::string y = folder.write("y", idx_file(0x08, {200}, packed(counting<uint8_t>(200))));
    const auto data = open_dataset("idx:" + folder.write("x.gz", gzip(images)) + "," + y);
    const std::vector<float> expected = read_all(*data);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            std::vector<float> row(1200);
            for (int64_t i = int64_t(t); i < 200; i += 3) {
                data->read(i, 1, row.data());
                wrong[t] += !std::equal(row.begin(), row.end(), expected.begin() + i * 1200);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST(Data, UnknownSpecsListTheForms) {
    const TemporaryFolder folder;
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "not given"},
        {"digits", "name no format"},
        {"digits.npz", "write npz:digits.npz"},
        {"t10k-images-idx3-ubyte.gz", "write idx:t10k-images-idx3-ubyte.gz,LABELS"},
        {"test_batch.bin.xz", "write cifar10:test_batch.bin.xz"},
        {"cifar:a", "did you mean 'cifar10'"},
        {"IDX:a,b", "unknown format 'IDX'"},
        {"idx:a", "idx:IMAGES,LABELS"},
        {"idx:a,b,c", "idx:IMAGES,LABELS"},
        {"idx:a,", "idx:IMAGES,LABELS"},
        {"h5:", "h5:FILE"},
        {"h5:a,b", "h5:FILE"},
        {"npz:", "npz:FILE"},
        {"cifar10:", "cifar10:FILE[,FILE...]"},
        {"cifar10:a,,b", "cifar10:FILE[,FILE...]"},
        {"raw:a,b,uint8", "raw:FILE,LABELS,DTYPE,AxBxC"},
        {"weird:f.h5", "unknown format 'weird'"},
    };
    for (const auto& [spec, problem] : cases) EXPECT_THAT(opening(spec), config_error(problem)) << spec;
    EXPECT_THAT(opening("missing.h5"), format_error("missing.h5"));
}

// ------------------------------------------------------------------------------------------ fit

/// A network that only reshapes {input} to {outputs}.
Network network_of(const Shape& input, int64_t outputs) {
    Network network;
    network.values = {{"in", input, std::nullopt}, {"out", {outputs}, std::nullopt}};
    network.input = 0;
    network.output = 1;
    return network;
}

TEST(Data, FitComparesShapesAndLabels) {
    const TemporaryFolder folder;
    const std::string x = folder.write("x", std::string(24, 'x')), y = folder.write("y", std::string("\0\3", 2));
    const auto data = [&](const std::string& shape) { return open_dataset("raw:" + x + "," + y + ",uint8," + shape); };
    EXPECT_NO_THROW(require_fit(*data("2x3x2"), network_of({2, 3, 2}, 4)));
    EXPECT_NO_THROW(require_fit(*data("12"), network_of({2, 3, 2}, 4)));
    EXPECT_NO_THROW(require_fit(*data("2x3x2"), network_of({12}, 4)));
    EXPECT_NO_THROW(require_fit(*data("3x4"), network_of({1, 3, 4}, 4)));
    const auto fit = [&](const std::string& shape, const Network& network) {
        return [&data, shape, network] { require_fit(*data(shape), network); };
    };
    EXPECT_THAT(fit("2x3x2", network_of({2, 3, 3}, 4)), AllOf(config_error("2x3x2"), config_error("2x3x3")));
    EXPECT_THAT(fit("12", network_of({11}, 4)), config_error("11"));
    EXPECT_THAT(fit("2x3x2", network_of({3, 2, 2}, 4)), config_error("transpose"));
    EXPECT_THAT(fit("2x3x2", network_of({3, 4, 1}, 4)), config_error("3x4x1"));
    EXPECT_THAT(fit("12", network_of({12}, 3)), config_error("label 3 of sample 1 violates 0 <= label < 3"));
}

}  // namespace
}  // namespace bitline
