// `cell.device`: how a device's file becomes the cell of an architecture.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "mapping/architecture.h"
#include "tests/support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::HasSubstr;

template <class Action>
std::string message_of(Action action) {
    try {
        action();
    } catch (const InputError& error) {
        return error.what();
    }
    return "nothing thrown";
}

class DeviceFiles : public ::testing::Test {
 protected:
    std::string write(const std::string& name, const std::string& text) {
        const std::string path = folder_.file(name);
        std::ofstream(path) << text;
        return path;
    }
    testing::TemporaryFolder folder_;
};

TEST_F(DeviceFiles, ReplaceTheWholeCellButItsBits) {
    const Architecture plain = read_architecture("default");
    const Architecture pcm = read_architecture("default", {{"cell.device", "pcm-nandakumar2019"}});
    EXPECT_GT(plain.cell.read_noise.sigma, 0);
    EXPECT_EQ(pcm.cell.read_noise.sigma, 0);
    EXPECT_EQ(pcm.cell.bits, plain.cell.bits);
    EXPECT_EQ(pcm.cell.g_max, 25e-6);
    EXPECT_EQ(pcm.array.rows, plain.array.rows);
    EXPECT_EQ(pcm.name, "default");
    EXPECT_EQ(read_architecture("default", {{"cell.device", "mram-roy2024"}}).cell.bits, 1);
    EXPECT_NE(pcm.hash, plain.hash);
}

TEST_F(DeviceFiles, StandBeforeTheKeysOfTheirFileAndTheSettings) {
    const std::string text = "{base: default, cell: {g_max: 20 uS, device: pcm-nandakumar2019, bits: 3}}";
    const Architecture chip = parse_architecture(text, "chip.yaml");
    EXPECT_EQ(chip.cell.g_max, 20e-6);
    EXPECT_EQ(chip.cell.bits, 3);
    EXPECT_EQ(chip.cell.name, "pcm-nandakumar2019");
    const Architecture other = parse_architecture(
        text, "chip.yaml", {{"cell.g_max", "5 uS"}, {"cell.device", "rram-milo2021"}, {"cell.g_min", "1 uS"}});
    EXPECT_EQ(other.cell.g_max, 5e-6);
    EXPECT_EQ(other.cell.g_min, 1e-6);
    EXPECT_EQ(other.cell.name, "rram-milo2021");
}

TEST_F(DeviceFiles, LieBesideTheFileThatNamesThemAndMayStartFromAnother) {
    write("mine.yaml", "{device: pcm-hermes-one, name: mine, g_max: 10 uS}");
    const std::string chip = write("chip.yaml", "{base: default, cell: {device: mine.yaml}}");
    const Architecture architecture = read_architecture(chip);
    EXPECT_EQ(architecture.cell.name, "mine");
    EXPECT_EQ(architecture.cell.g_max, 1e-5);
    EXPECT_EQ(architecture.cell.drift.t0, 200);
}

TEST_F(DeviceFiles, TellWhatIsWrongWithFileAndLine) {
    write("typo.yaml", "name: x\ng_maxx: 1\n");
    write("self.yaml", "device: self.yaml\n");
    write("range.yaml", "valid:\n  time: [5, 1]\n");
    write("twice.yaml", "programming_error: {sigma: 1 %}\nrelaxation:\n  times: [1]\n  includes_programming: true\n");
    write("negative.yaml", "relaxation:\n  times: [2, 1]\n");
    write("log.yaml", "levels: {placement: logarithmic}\n");
    const auto with = [&](const std::string& file) {
        return message_of([&] { read_architecture("default", {{"cell.device", folder_.file(file)}}); });
    };
    EXPECT_THAT(with("typo.yaml"), HasSubstr("typo.yaml:2: cell.g_maxx: no such key; nearest is cell.g_max"));
    EXPECT_THAT(with("self.yaml"), HasSubstr("self.yaml:1: cell.device = self.yaml leads back to itself"));
    EXPECT_THAT(with("range.yaml"), HasSubstr("range.yaml:2: cell.valid.time = [5, 1]: expected [first, last]"));
    EXPECT_THAT(with("twice.yaml"), HasSubstr("includes_programming = true leaves no room"));
    EXPECT_THAT(message_of([] {
                    read_architecture("default",
                                      {{"cell.device", "rram-wan2022"}, {"cell.write_verify.method", "statistical"}});
                }),
                HasSubstr("includes_programming = true leaves no room for a closed loop"));
    EXPECT_THAT(with("negative.yaml"), HasSubstr("negative.yaml:2: cell.relaxation.times = [2, 1] do not rise"));
    EXPECT_THAT(with("log.yaml"), HasSubstr("needs cell.g_min > 0"));
    EXPECT_THAT(with("none.yaml"), HasSubstr("is no preset"));
    EXPECT_THAT(message_of([] {
                    read_architecture("default", {{"cell.device", "pcm-hermes"}});
                }),
                HasSubstr("nearest preset is pcm-hermes-one"));
}

TEST_F(DeviceFiles, OpenKeysMustBeSet) {
    const std::string file = write("open.yaml", "g_max: required\nbits: 1\n");
    EXPECT_THAT(message_of([&] {
                    read_architecture("default", {{"cell.device", file}});
                }),
                HasSubstr("open.yaml:1: no source gives this device's cell.g_max"));
    EXPECT_EQ(read_architecture("default", {{"cell.device", file}, {"cell.g_max", "30 uS"}}).cell.g_max, 30e-6);
}

TEST_F(DeviceFiles, CanonicalTextStandsForTheDevice) {
    for (const DeviceSummary& device : list_devices()) {
        if (!device.required.empty()) continue;
        const Architecture architecture = read_architecture("default", {{"cell.device", device.name}});
        EXPECT_EQ(parse_architecture(to_yaml(architecture), "again").hash, architecture.hash) << device.name;
    }
}

}  // namespace
}  // namespace bitline
