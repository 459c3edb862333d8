#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "core/error.h"
#include "core/hdf5_block.h"
#include "core/hdf5_file.h"
#include "core/model_io.h"
#include "support/random_network.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;

std::string temporary_path(const std::string& name) {
    return (std::filesystem::path(::testing::TempDir()) / ("bitline_network_hdf5_" + name)).string();
}

Quantizer quantizer(int bits, bool is_signed, float scale, int32_t zero_point) {
    Quantizer q;
    q.bits = bits;
    q.is_signed = is_signed;
    q.scale = {scale};
    q.zero_point = {zero_point};
    return q;
}

/// Adds nodes one behind the other.
struct Chain {
    Network network;
    int last = 0;

    explicit Chain(const Shape& input) {
        network.values.push_back({"input", input, std::nullopt});
        network.input = 0;
    }
    void add(const Operator& op, const Shape& shape, const std::optional<Quantizer>& q, std::vector<int> inputs = {}) {
        if (inputs.empty()) inputs = {last};
        last = int(network.values.size());
        network.values.push_back({"value/" + std::to_string(last), shape, q});
        network.nodes.push_back({"node " + std::to_string(last), "Conv+Relu", inputs, last, op});
        network.output = last;
    }
};

MatVec fully_connected(int64_t in, int64_t out, const std::variant<ScaleOutput, RequantizeOutput, ThresholdOutput>& o) {
    MatVec op;
    op.in_channels = in;
    op.out_channels = out;
    op.weight = quantizer(3, true, 0.25F, 1);
    for (int64_t i = 0; i < in * out; ++i) op.codes.push_back(int32_t(i % 7) - 3);
    op.bias_codes = std::vector<int64_t>(size_t(out), -(int64_t(1) << 40));
    op.output = o;
    return op;
}

void add_convolution(Chain& chain) {
    MatVec op;
    op.is_convolution = true;
    op.in_channels = op.out_channels = 4;
    op.groups = 2;
    op.window.kernel_h = 3;
    op.window.pad_top = 2;
    op.weight = quantizer(8, true, 0.1F, 0);
    op.weight.narrow = true;
    op.weight.scale = {0.1F, 1e-42F, 0.3F, 0.7F};
    op.weight.zero_point = {0, -3, 2, 1};
    for (int i = 0; i < 4 * 2 * 3; ++i) op.codes.push_back(i * 5 - 60);
    op.output = ScaleOutput{{0.5F, -0.0F, 1e-42F, 3.4e38F}, {1.0F / 3, 0, -1, 2}};
    chain.add(op, {4, 6, 6}, std::nullopt);
}

/// Every operator, every kind of output, and every field off its default.
Network every_operator() {
    Chain chain({4, 6, 6});
    const Quantizer in = quantizer(4, false, 0.1F, 3);
    chain.add(Quantize{in, Rounding::away_from_zero, true}, {4, 6, 6}, in);
    add_convolution(chain);
    chain.add(BatchNorm{{1, 2, 3, 4}, {0.1F, 0.2F, 0.3F, 0.4F}, {5, 6, 7, 8}, {1, 1e-20F, 3, 4}, 1e-3F}, {4, 6, 6}, {});
    chain.add(Activation{Activation::Kind::clip, -0.5F, 6}, {4, 6, 6}, {});
    chain.add(Arithmetic{Arithmetic::Kind::divide_into, {1, 2, 3, 4}}, {4, 6, 6}, {});
    chain.add(AddValues{}, {4, 6, 6}, {}, {chain.last, 0});
    const Quantizer two = quantizer(2, true, 0.1F, -1);
    chain.add(Truncate{two, 0.3F, 7, 4, Rounding::ceil}, {4, 6, 6}, two);
    Pool pool;
    pool.window.kernel_h = pool.window.stride_h = 2;
    pool.count_padding = true;
    chain.add(pool, {4, 3, 6}, two);
    chain.add(Permute{{2, 0, 1}}, {6, 4, 3}, two);
    chain.add(Concat{1}, {6, 8, 3}, two, {chain.last, chain.last});
    chain.add(Reshape{}, {144}, two);
    const Quantizer bipolar{Quantizer::Kind::bipolar, {1.0F}, {0}, 0, 1, true, false};
    const Quantizer wide = quantizer(16, true, 1e-3F, -5);
    chain.add(fully_connected(144, 3, ThresholdOutput{{-5, int64_t(1) << 50, 7}, {0, 1, 0}, {-1, 1}}), {3}, bipolar);
    chain.add(fully_connected(3, 2, RequantizeOutput{{0.5F, 1.0F / 3}}), {2}, wide);
    MatVec real;
    real.in_channels = real.out_channels = 2;
    real.real_weights = {1.0F / 3, -0.0F, 1e-45F, 5};
    real.real_bias = {0.1F, 0.2F};
    chain.add(real, {2}, std::nullopt);
    chain.add(Softmax{0, true}, {2}, std::nullopt);
    const Quantizer four = quantizer(2, false, 0.5F, 0);
    chain.add(Bucketize{{-0.5F, 0.25F, 1e-3F + 1}, {3, 0, 1, 2}, four}, {2}, four);
    chain.network.name = "every operator / \xC3\xA9";
    chain.network.preprocess = Preprocess{1.0F / 255, {0.485F, 0.456F, 0.406F, 0}, {0.229F, 0.224F, 0.225F, 1}};
    chain.network.metadata = {{"a/b", ""}, {"", "empty key"}, {"long", std::string(100000, 'x')}};
    chain.network.metadata["zero"] = std::string("a\0b", 3);
    return chain.network;
}

void expect_round_trip(const Network& network, const std::string& path) {
    write_hdf5(network, path);
    const Network again = read_hdf5(path);
    EXPECT_TRUE(again == network) << network.name;
}

TEST(NetworkHdf5, KeepsEveryOperatorAndField) {
    const Network network = every_operator();
    validate(network);
    expect_round_trip(network, temporary_path("every.h5"));
}

TEST(NetworkHdf5, KeepsTheBitsOfFloats) {
    const Network network = every_operator();
    const std::string path = temporary_path("bits.h5");
    write_hdf5(network, path);
    const Network again = read_hdf5(path);
    const auto bits = [](const Network& n) {
        std::vector<uint32_t> all;
        for (const Node& node : n.nodes) {
            const auto* op = std::get_if<MatVec>(&node.op);
            if (!op) continue;
            for (const float x : op->real_weights) all.push_back(std::bit_cast<uint32_t>(x));
            if (const auto* output = std::get_if<ScaleOutput>(&op->output)) {
                for (const float x : output->scale) all.push_back(std::bit_cast<uint32_t>(x));
            }
        }
        return all;
    };
    EXPECT_EQ(bits(again), bits(network));
}

TEST(NetworkHdf5, KeepsRandomNetworks) {
    const std::string path = temporary_path("random.h5");
    for (uint64_t seed = 0; seed < 20; ++seed) expect_round_trip(testing::random_network(seed), path);
}

TEST(NetworkHdf5, LeavesNothingBehindWhereItCannotWrite) {
    EXPECT_THROW(write_hdf5(every_operator(), "/nowhere/at/all.h5"), ConfigError);
}

TEST(NetworkHdf5, RefusesOtherHdf5Files) {
    const std::string path = temporary_path("other.h5");
    Hdf5Writer writer(path);
    writer.write("/x", std::vector<float>{1, 2}, {2});
    writer.close();
    try {
        read_hdf5(path);
        FAIL() << "read a file without a network";
    } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(path));
        EXPECT_THAT(error.what(), HasSubstr("holds no network"));
    }
}

// ---------------------------------------------------------------------------------------------- damaged content

std::string read_bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Behind the block of Bitline's own files lies a plain HDF5 file, which HDF5's library can edit.
std::string without_block(const std::string& path) {
    const std::string copy = path + ".plain";
    std::ofstream(copy, std::ios::binary) << read_bytes(path).substr(kUserBlockSize);
    return copy;
}

/// Gives an edited file a checksum that holds, so that nothing but the reader stands between its content and us.
std::string with_block(const std::string& plain) {
    const std::string content = read_bytes(plain), copy = plain + ".sealed.h5";
    const UserBlock block = make_user_block(content.data(), content.size());
    std::ofstream out(copy, std::ios::binary);
    out.write(reinterpret_cast<const char*>(block.data()), std::streamsize(block.size()));
    out << content;
    return copy;
}

struct Place {
    std::string object, attribute;  // attribute empty: the object itself
};

herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* data) {
    auto& [places, object] = *static_cast<std::pair<std::vector<Place>*, std::string>*>(data);
    places->push_back({object, name});
    return 0;
}

herr_t collect_object(hid_t root, const char* name, const H5O_info_t*, void* data) {
    auto* places = static_cast<std::vector<Place>*>(data);
    const std::string object = name;
    if (object != ".") places->push_back({object, ""});
    std::pair<std::vector<Place>*, std::string> context{places, object};
    const hid_t id = H5Oopen(root, name, H5P_DEFAULT);
    H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_attribute, &context);
    H5Oclose(id);
    return 0;
}

/// One place of each name: "scale" of one quantizer stands for all.
std::vector<Place> places_of(const std::string& plain) {
    std::vector<Place> all;
    const hid_t file = H5Fopen(plain.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, collect_object, &all);
    H5Fclose(file);
    std::vector<Place> places;
    std::set<std::string> seen;
    for (const Place& place : all) {
        const std::string name = place.object.substr(place.object.rfind('/') + 1);
        if (seen.insert(place.attribute.empty() ? name : "@" + place.attribute).second) places.push_back(place);
    }
    return places;
}

/// Edits a copy; reading it must give FormatError, or else a network that passes every check.
void expect_survives(const std::string& plain, const Place& place, const std::function<void(hid_t)>& edit) {
    const std::string copy = plain + ".edited";
    std::filesystem::copy_file(plain, copy, std::filesystem::copy_options::overwrite_existing);
    const hid_t file = H5Fopen(copy.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    edit(file);
    H5Fclose(file);
    const std::string sealed = with_block(copy);
    try {
        validate(read_hdf5(sealed));
    } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(sealed)) << place.object << " " << place.attribute;
    }
}

void replace_attribute(hid_t file, const Place& place, hid_t type, const void* value) {
    const hid_t object = H5Oopen(file, place.object.c_str(), H5P_DEFAULT);
    H5Adelete(object, place.attribute.c_str());
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(object, place.attribute.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Oclose(object);
}

class DamagedNetwork : public ::testing::Test {
 protected:
    void SetUp() override {
        const std::string path = temporary_path("damaged.h5");
        write_hdf5(every_operator(), path);
        plain_ = without_block(path);
        ASSERT_TRUE(read_hdf5(with_block(plain_)) == every_operator());
        places_ = places_of(plain_);
        ASSERT_GT(places_.size(), 60U);
    }
    std::string plain_;
    std::vector<Place> places_;
};

TEST_F(DamagedNetwork, SurvivesAnythingMissing) {
    for (const Place& place : places_) {
        expect_survives(plain_, place, [&](hid_t file) {
            place.attribute.empty()
                ? H5Ldelete(file, place.object.c_str(), H5P_DEFAULT)
                : H5Adelete_by_name(file, place.object.c_str(), place.attribute.c_str(), H5P_DEFAULT);
        });
    }
}

TEST_F(DamagedNetwork, SurvivesAbsurdAttributes) {
    const int64_t huge = int64_t(1) << 62, negative = -7;
    const double not_a_number = std::nan("");
    for (const Place& place : places_) {
        if (place.attribute.empty() || place.attribute == "meaning") continue;
        expect_survives(plain_, place, [&](hid_t f) { replace_attribute(f, place, H5T_NATIVE_INT64, &huge); });
        expect_survives(plain_, place, [&](hid_t f) { replace_attribute(f, place, H5T_NATIVE_INT64, &negative); });
        expect_survives(plain_, place, [&](hid_t f) { replace_attribute(f, place, H5T_NATIVE_DOUBLE, &not_a_number); });
    }
}

TEST_F(DamagedNetwork, SurvivesAbsurdDataSets) {
    for (const Place& place : places_) {
        if (!place.attribute.empty()) continue;
        expect_survives(plain_, place, [&](hid_t file) {  // claims 2^60 elements, stores none
            H5Ldelete(file, place.object.c_str(), H5P_DEFAULT);
            const hsize_t sizes[2] = {hsize_t(1) << 30, hsize_t(1) << 30};
            const hid_t space = H5Screate_simple(2, sizes, nullptr);
            const hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
            const hsize_t chunk[2] = {1, 1024};
            H5Pset_chunk(chunked, 2, chunk);
            const hid_t data =
                H5Dcreate2(file, place.object.c_str(), H5T_STD_I32LE, space, H5P_DEFAULT, chunked, H5P_DEFAULT);
            H5Dclose(data);
            H5Pclose(chunked);
            H5Sclose(space);
        });
    }
}

TEST_F(DamagedNetwork, NamesWhatIsWrong) {
    const int64_t bits = 40;
    const hid_t file = H5Fopen(plain_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    replace_attribute(file, {"layers/0001_node_2/weight_quantizer", "bits"}, H5T_NATIVE_INT64, &bits);
    H5Fclose(file);
    const std::string sealed = with_block(plain_);
    try {
        read_hdf5(sealed);
        FAIL() << "accepted 40-bit weights";
    } catch (const FormatError& error) {
        EXPECT_THAT(error.what(), HasSubstr(sealed));
        EXPECT_THAT(error.what(), HasSubstr("bits = 40 violates 1 <= bits <= 16"));
    }
}

}  // namespace
}  // namespace bitline
