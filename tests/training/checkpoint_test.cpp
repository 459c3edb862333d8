#include "training/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/hdf5_file.h"
#include "tests/support/temporary_folder.h"

namespace bitline::training {
namespace {

using ::testing::AllOf;
using testing::bytes_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using ::testing::ThrowsMessage;

Checkpoint example() {
    Checkpoint c;
    c.options = {{"rate", "0.001"}, {"method", "lsq"}};
    c.network = "abc";
    c.data = "def";
    c.test_data = "ghi";
    c.standing = {37, 2, {12.625, 100, 192, 1.5}, 0.9875, 1};
    c.parameters = {{"a/b: c.weight", {1.0F, -0.0F, std::numeric_limits<float>::denorm_min(), 0.1F}}, {"bias", {2.0F}}};
    c.states = {{"bn.mean", {0.3F, 0.7F}}, {"nothing", {}}};
    c.optimizer = {{"a/b: c.weight", {5, 6, 7, 8}}};
    return c;
}

TEST(Checkpoint, IsReadAsItWasWritten) {
    const TemporaryFolder folder;
    const Checkpoint c = example();
    write_checkpoint(c, folder.file("c.h5"));
    const Checkpoint d = read_checkpoint(folder.file("c.h5"));
    EXPECT_EQ(d.options, c.options);
    EXPECT_EQ(d.network, "abc");
    EXPECT_EQ(d.data, "def");
    EXPECT_EQ(d.test_data, "ghi");
    EXPECT_EQ(d.standing.step, 37);
    EXPECT_EQ(d.standing.epochs, 2);
    EXPECT_EQ(d.standing.epoch.loss, 12.625);
    EXPECT_EQ(d.standing.epoch.right, 100);
    EXPECT_EQ(d.standing.epoch.samples, 192);
    EXPECT_EQ(d.standing.epoch.seconds, 1.5);
    EXPECT_EQ(d.standing.best_accuracy, 0.9875);
    EXPECT_EQ(d.standing.best_epoch, 1);
    EXPECT_EQ(d.parameters, c.parameters);
    EXPECT_TRUE(std::signbit(d.parameters[0].value[1]));
    EXPECT_EQ(d.states, c.states);
    EXPECT_EQ(d.optimizer, c.optimizer);
    EXPECT_NO_THROW(require_same_run(d, "c.h5", c));
}

TEST(Checkpoint, ReplacesTheOldOneAsAWhole) {
    const TemporaryFolder folder;
    Checkpoint c = example();
    write_checkpoint(c, folder.file("c.h5"));
    c.standing.step = 38;
    write_checkpoint(c, folder.file("c.h5"));
    EXPECT_EQ(read_checkpoint(folder.file("c.h5")).standing.step, 38);
    EXPECT_EQ(folder.count(), 1);
}

TEST(Checkpoint, RefusesDamagedAndOtherFiles) {
    const TemporaryFolder folder;
    const auto reading = [](const std::string& path) { return [path] { read_checkpoint(path); }; };
    EXPECT_THAT(reading(folder.file("none.h5")), ThrowsMessage<FormatError>(HasSubstr("none.h5")));
    write_checkpoint(example(), folder.file("c.h5"));
    const std::string bytes = bytes_of(folder.file("c.h5"));
    for (const size_t size : {size_t(0), size_t(100), size_t(600), bytes.size() / 2, bytes.size() - 1}) {
        const std::string path = folder.write("cut.h5", bytes.substr(0, size));
        EXPECT_THAT(reading(path), ThrowsMessage<FormatError>(HasSubstr("cut.h5"))) << size;
    }
    std::string flipped = bytes;
    flipped[bytes.size() / 2] ^= 1;
    EXPECT_THAT(reading(folder.write("flip.h5", flipped)), ThrowsMessage<FormatError>(HasSubstr("flip.h5")));
    {
        Hdf5Writer file(folder.file("other.h5"));
        file.write_string("/", "format", "bitline network");
        file.close();
    }
    EXPECT_THAT(reading(folder.file("other.h5")), ThrowsMessage<FormatError>(HasSubstr("is no checkpoint")));
}

TEST(Checkpoint, SaysWhatDiffersFromTheRun) {
    const auto refused = [](const std::function<void(Checkpoint&)>& change, const std::string& text) {
        Checkpoint now = example();
        change(now);
        EXPECT_THAT([&] { require_same_run(example(), "c.h5", now); },
                    ThrowsMessage<ConfigError>(AllOf(HasSubstr("c.h5"), HasSubstr(text), HasSubstr("start anew"))));
    };
    refused([](auto& c) { c.options[0].second = "0.01"; }, "with rate '0.001', and here it is '0.01'");
    refused([](auto& c) { c.options.pop_back(); }, "with method 'lsq', and here it is not set");
    refused([](auto& c) { c.options.emplace_back("teacher", "t"); }, "with teacher not set, and here it is 't'");
    refused([](auto& c) { c.network = "x"; }, "shapes, edges or constants differ");
    refused([](auto& c) { c.data = "x"; }, "training data");
    refused([](auto& c) { c.test_data = "x"; }, "test data");
    refused([](auto& c) { c.parameters[1].value.push_back(0); }, "parameter bias has 1 numbers, here it has 2");
    refused([](auto& c) { c.parameters.push_back({"more", {1}}); }, "it lacks parameter more");
    refused([](auto& c) { c.parameters.pop_back(); }, "parameter bias is none here");
    refused([](auto& c) { c.states[0].name = "other"; }, "it lacks state other");
    refused([](auto& c) { c.optimizer[0].value.pop_back(); }, "optimizer state a/b: c.weight has 4");
    Checkpoint unset = example();
    unset.states[0].value.clear();  // a state that its owner sets later
    EXPECT_NO_THROW(require_same_run(example(), "c.h5", unset));
}

TEST(Checkpoint, CopiesAndRestoresValues) {
    Parameter p, q;
    p.name = "p";
    p.value = {1, 2};
    q.name = "q";
    q.value = {3};
    const auto copies = copy_values(std::vector<Parameter*>{&p, &q});
    p.value = {0, 0};
    q.value = {0};
    restore_values(copies, std::vector<Parameter*>{&p, &q});
    EXPECT_EQ(p.value, (std::vector<float>{1, 2}));
    EXPECT_EQ(q.value, (std::vector<float>{3}));
}

TEST(Checkpoint, GivesAnotherRunWhatBothKnow) {
    Parameter p, q;
    p.name = "p";
    p.value = {1, 2};
    q.name = "q";
    q.value = {3};
    restore_known({{"p", {5, 6}}}, std::vector<Parameter*>{&p, &q}, "c.h5");
    EXPECT_EQ(p.value, (std::vector<float>{5, 6}));
    EXPECT_EQ(q.value, (std::vector<float>{3}));
    const auto taking = [&](const NamedNumbers& n) {
        return [&p, n] { restore_known({n}, std::vector<Parameter*>{&p}, "c.h5"); };
    };
    EXPECT_THAT(taking({"r", {1}}), ThrowsMessage<ConfigError>(HasSubstr("its parameter r is none here")));
    EXPECT_THAT(taking({"p", {1}}), ThrowsMessage<ConfigError>(HasSubstr("p has 1 numbers, here it has 2")));
}

// ------------------------------------------------------------------------------------------ structure

Network one_layer() {
    Network network;
    network.values = {{"x", {4}, {}}, {"y", {2}, {}}, {"z", {2}, {}}};
    MatVec layer;
    layer.in_channels = 4;
    layer.out_channels = 2;
    layer.real_weights.assign(8, 0.5F);
    Activation clip;
    clip.kind = Activation::Kind::clip;
    clip.high = 6;
    network.nodes = {{"fc", "", {0}, 1, layer}, {"clip", "", {1}, 2, clip}};
    network.input = 0;
    network.output = 2;
    return network;
}

TEST(Fingerprint, OfANetworkKeepsItsStructureAndNotItsWeights) {
    const std::string plain = fingerprint(one_layer());
    Network same = one_layer();
    std::get<MatVec>(same.nodes[0].op).real_weights[3] = 7;
    EXPECT_EQ(fingerprint(same), plain);
    const auto differs = [&](const std::function<void(Network&)>& change) {
        Network other = one_layer();
        change(other);
        EXPECT_NE(fingerprint(other), plain);
    };
    differs([](Network& n) { std::get<MatVec>(n.nodes[0].op).real_bias = {1, 1}; });
    differs([](Network& n) { std::get<MatVec>(n.nodes[0].op).window.stride_h = 2; });
    differs([](Network& n) { std::get<Activation>(n.nodes[1].op).high = 1; });
    differs([](Network& n) { n.nodes[1].op = Arithmetic{}; });
    differs([](Network& n) { n.values[0].shape = {2, 2}; });
    differs([](Network& n) { n.output = 1; });
    differs([](Network& n) { n.nodes[0].name = "other"; });
}

}  // namespace
}  // namespace bitline::training
