// Keys of row drivers, I-V curves and column transfers: what is refused, and with which words.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "mapping/architecture.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::vector<Setting>& settings) {
    try {
        read_architecture("default", settings);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

const std::vector<Setting> kTable{{"cell.current_voltage.model", "table"},
                                  {"cell.current_voltage.read_voltage", "0.2"},
                                  {"cell.current_voltage.voltages", "[0.1, 0.2]"},
                                  {"cell.current_voltage.currents", "[1e-6, 3e-6, 4e-6, 8e-6]"}};

std::string refusal_of_table(const std::string& key, const std::string& value) {
    std::vector<Setting> settings = kTable;
    settings.emplace_back("cell.current_voltage." + key, value);
    return refusal(settings);
}

TEST(DriveKeys, NonlinearityOfOneBitDriversIsRefused) {
    EXPECT_THAT(refusal({{"input.dac.inl_sigma", "0.1"}}), AllOf(HasSubstr("input.dac.inl_sigma"), HasSubstr("ends")));
    EXPECT_THAT(refusal({{"input.dac.dnl_sigma", "0.1"}}), HasSubstr("input.bits_per_cycle = 1"));
    EXPECT_EQ(refusal({{"input.bits_per_cycle", "2"}, {"input.dac.dnl_sigma", "0.1"}}), "accepted");
    EXPECT_EQ(refusal({{"input.dac.gain_sigma", "1 %"}, {"input.dac.offset_sigma", "0.1"}}), "accepted");
}

TEST(DriveKeys, TableOfLevelsHasOneForEveryCode) {
    EXPECT_THAT(refusal({{"input.dac.levels", "[0, 1, 2]"}}),
                HasSubstr("has 3 values, and needs 2^bits_per_cycle = 2"));
    EXPECT_EQ(refusal({{"input.dac.levels", "[0, 0.99]"}}), "accepted");
    EXPECT_EQ(refusal({{"input.bits_per_cycle", "2"}, {"input.dac.levels", "[0, 1.1, 2, 3]"}}), "accepted");
    EXPECT_THAT(refusal({{"input.dac.levels", "[0, nan]"}}), HasSubstr("input.dac.levels"));
    EXPECT_THAT(refusal({{"input.dac.levels", "[0, 1e4]"}}), HasSubstr("-512"));
}

TEST(DriveKeys, KeysOfAnotherModelAreRefused) {
    EXPECT_THAT(refusal({{"cell.current_voltage.v0", "0.1"}}), HasSubstr("cell.current_voltage.model = sinh"));
    EXPECT_THAT(refusal({{"cell.current_voltage.read_voltage", "0.1"}}), HasSubstr("other than linear"));
    EXPECT_THAT(refusal({{"cell.selector.resistance", "1 kohm"}}), HasSubstr("cell.selector.model = threshold"));
    EXPECT_THAT(refusal({{"array.transfer.parasitic", "0.1"}}), HasSubstr("array.transfer.model = charge_sharing"));
    EXPECT_EQ(refusal({{"cell.current_voltage.model", "sinh"}, {"cell.current_voltage.v0", "100 mV"}}), "accepted");
}

TEST(DriveKeys, CurvesThatAreNoneAreRefused) {
    EXPECT_EQ(refusal(kTable), "accepted");
    EXPECT_THAT(refusal_of_table("voltages", "[]"), HasSubstr("do not rise from above 0"));
    EXPECT_THAT(refusal_of_table("voltages", "[0.2, 0.1]"), HasSubstr("do not rise"));
    EXPECT_THAT(refusal_of_table("voltages", "[0.1, 0.19]"), HasSubstr("read_voltage = 0.2 V or beyond"));
    EXPECT_THAT(refusal_of_table("currents", "[1e-6, 3e-6, 4e-6]"), HasSubstr("has 3 values"));
    EXPECT_THAT(refusal_of_table("currents", "[]"), HasSubstr("has 0 values"));
    EXPECT_THAT(refusal_of_table("currents", "[1e-6, 3e-6, 8e-6, 4e-6]"), HasSubstr("curve 2 of 2 does not rise"));
    EXPECT_THAT(refusal_of_table("currents", "[1e-6, 3e-6, 1e-6, 2e-6]"),
                AllOf(HasSubstr("curve 1 conducts 1.5e-05 S"), HasSubstr("rising conductance")));
    EXPECT_THAT(refusal_of_table("currents", "[-1e-6, 3e-6]"), HasSubstr("violates"));
    EXPECT_THAT(refusal({{"cell.current_voltage.model", "sinh"}, {"cell.current_voltage.v0", "1 mV"}}),
                HasSubstr("v0 >= read_voltage / 50"));
}

TEST(DriveKeys, SelectorsThatNeverConductAreRefused) {
    EXPECT_THAT(refusal({{"cell.selector.model", "threshold"}}), HasSubstr("above 0"));
    EXPECT_THAT(refusal({{"cell.selector.model", "threshold"}, {"cell.selector.threshold", "0.2"}}),
                HasSubstr("no cell would ever conduct"));
    EXPECT_EQ(refusal({{"cell.selector.model", "threshold"}, {"cell.selector.threshold", "0.1"}}), "accepted");
    EXPECT_EQ(refusal({{"cell.selector.model", "sinh"}, {"cell.selector.current", "1 uA"}}), "accepted");
}

TEST(DriveKeys, TransferTablesRiseFromNothing) {
    const auto table = [](const std::string& value) {
        return refusal({{"array.transfer.model", "table"}, {"array.transfer.table", value}});
    };
    EXPECT_EQ(table("[0, 0.4, 1]"), "accepted");
    for (const char* bad : {"[]", "[0]", "[0.1, 1]", "[0, 0.5, 0.5]", "[0, 0.6, 0.5]"})
        EXPECT_THAT(table(bad), HasSubstr("rise from 0")) << bad;
    EXPECT_THAT(refusal({{"array.transfer.model", "divider"}, {"array.transfer.strength_ratio", "0"}}),
                HasSubstr("strength_ratio"));
}

TEST(DriveKeys, AreWrittenAndReadAgain) {
    std::vector<Setting> settings = kTable;
    settings.insert(settings.end(), {{"input.bits_per_cycle", "2"},
                                     {"input.dac.levels", "[0, 1.1, 2, 3]"},
                                     {"input.dac.noise_sigma", "0.01"},
                                     {"cell.selector.model", "sinh"},
                                     {"cell.selector.v0", "50 mV"},
                                     {"array.transfer.model", "divider"},
                                     {"array.transfer.strength_ratio", "1.5"}});
    const Architecture a = read_architecture("default", settings);
    const Architecture again = parse_architecture(to_yaml(a), "again.yaml");
    EXPECT_EQ(again.hash, a.hash);
    EXPECT_EQ(again.input.dac.levels, (std::vector<double>{0, 1.1, 2, 3}));
    EXPECT_EQ(again.cell.current_voltage.currents, a.cell.current_voltage.currents);
    EXPECT_EQ(again.array.transfer.strength_ratio, 1.5);
}

}  // namespace
}  // namespace bitline
