#include "devices/fault_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/hdf5_file.h"
#include "support/temporary_folder.h"

namespace bitline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::string refusal(const std::string& path) {
    try {
        read_fault_map(path);
    } catch (const InputError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(FaultMap, ReadsCellsAndLinesInAnyOrder) {
    const TemporaryFolder folder;
    const FaultMap map =
        read_fault_map(folder.write("faults.csv",
                                    "# of chip 7\nstate,array,row, col\n\nhigh,2,0,9\r\n12.5uS,0,17,4\nlow,0,17,3\n"
                                    "open,0,*,8\nopen,0,40,*\n0.00001,2,0,8\n"));
    ASSERT_EQ(map.faults.size(), 6U);
    const auto [first, last] = map.of_array(0);
    EXPECT_EQ(first, 0U);
    EXPECT_EQ(last, 4U);
    EXPECT_EQ(map.of_array(1), (std::pair<size_t, size_t>{4, 4}));
    EXPECT_EQ(map.of_array(2), (std::pair<size_t, size_t>{4, 6}));
    const Fault &bit_line = map.faults[0], &low = map.faults[1], &value = map.faults[2], &word_line = map.faults[3];
    EXPECT_EQ(bit_line.row, Fault::kWholeLine);
    EXPECT_EQ(bit_line.col, 8);
    EXPECT_EQ(bit_line.state, CellState::open);
    EXPECT_EQ(low.state, CellState::low);
    EXPECT_EQ(low.col, 3);
    EXPECT_EQ(value.state, CellState::conductance);
    EXPECT_DOUBLE_EQ(value.siemens, 12.5e-6);
    EXPECT_EQ(word_line.row, 40);
    EXPECT_EQ(word_line.col, Fault::kWholeLine);
    EXPECT_EQ(map.faults[4].siemens, 1e-5);
    EXPECT_EQ(map.faults[5].state, CellState::high);
    EXPECT_EQ(map.where(value), folder.file("faults.csv") + ":5");
}

TEST(FaultMap, TellsTheRowAndWhy) {
    const TemporaryFolder folder;
    const auto says = [&](const std::string& rows) {
        return refusal(folder.write("f.csv", "array,row,col,state\n0,0,0,low\n" + rows));
    };
    EXPECT_THAT(says("0,-1,3,low\n"), HasSubstr("f.csv:3: row = -1 violates 0 <= row"));
    EXPECT_THAT(says("0,1,1e9,low\n"), HasSubstr("f.csv:3: col = 1e9 is not a whole number"));
    EXPECT_THAT(says("0,1,99999999999999999999,low\n"), HasSubstr("f.csv:3: col"));
    EXPECT_THAT(says("*,1,1,low\n"), HasSubstr("f.csv:3: array = *"));
    EXPECT_THAT(says("0,*,*,open\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("no line")));
    EXPECT_THAT(says("0,*,1,low\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("only be open")));
    EXPECT_THAT(says("0,1,1,stuck\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("low, high, open")));
    EXPECT_THAT(says("0,1,1,\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("state has no value")));
    EXPECT_THAT(says("0,1,1,nan\n"), HasSubstr("f.csv:3"));
    EXPECT_THAT(says("0,1,1,-1e-6\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("violates state >= 0")));
    EXPECT_THAT(says("0,1,1,3 ohm\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("uS")));
    EXPECT_THAT(says("0,1,1\n"), AllOf(HasSubstr("f.csv:3"), HasSubstr("3 values"), HasSubstr("4 columns")));
    EXPECT_THAT(says("0,1,1,low\n\n0,0,0,high\n"), AllOf(HasSubstr("f.csv:5"), HasSubstr("line 2 already")));
    EXPECT_THAT(refusal(folder.write("f.csv", "array,row,column,state\n0,0,0,low\n")),
                AllOf(HasSubstr("f.csv:1"), HasSubstr("array,row,col,state")));
    EXPECT_THAT(refusal(folder.write("f.csv", "array,row,col,state\n")), HasSubstr("no rows"));
    EXPECT_THAT(refusal(folder.write("f.txt", "array,row,col,state\n")), HasSubstr(".csv, .h5 or .hdf5"));
    EXPECT_THAT(refusal(folder.file("nowhere.csv")), HasSubstr("nowhere.csv"));
}

std::string write_h5(const TemporaryFolder& folder, const std::string& name, const std::vector<double>& values,
                     const Shape& shape) {
    const std::string path = folder.file("faults.h5");
    Hdf5Writer file(path);
    file.write("/" + name, values, shape);
    file.close();
    return path;
}

TEST(FaultMap, ReadsStatesOrConductancesFromHdf5) {
    const TemporaryFolder folder;
    std::vector<double> states(24, 0), conductances(24, std::nan(""));
    states[13] = 1;  // (1, 0, 1)
    states[23] = 3;  // (1, 2, 3)
    const FaultMap a = read_fault_map(write_h5(folder, "states", states, {2, 3, 4}));
    ASSERT_EQ(a.faults.size(), 2U);
    EXPECT_EQ(std::tuple(a.faults[0].array, a.faults[0].row, a.faults[0].col), std::tuple(1, 0, 1));
    EXPECT_EQ(a.faults[0].state, CellState::low);
    EXPECT_EQ(std::tuple(a.faults[1].array, a.faults[1].row, a.faults[1].col), std::tuple(1, 2, 3));
    EXPECT_EQ(a.faults[1].state, CellState::open);
    conductances[4] = 3e-5;  // (0, 1, 0)
    const FaultMap b = read_fault_map(write_h5(folder, "conductances", conductances, {2, 3, 4}));
    ASSERT_EQ(b.faults.size(), 1U);
    EXPECT_EQ(b.faults[0].row, 1);
    EXPECT_EQ(b.faults[0].siemens, 3e-5);

    states[5] = 7;
    EXPECT_THAT(refusal(write_h5(folder, "states", states, {2, 3, 4})), HasSubstr("[0, 1, 1]: states is 7"));
    EXPECT_THAT(refusal(write_h5(folder, "states", states, {6, 4})), HasSubstr("(6x4)"));
    EXPECT_THAT(refusal(write_h5(folder, "state", states, {2, 3, 4})), HasSubstr("is neither"));
    conductances[0] = -1e-9;
    EXPECT_THAT(refusal(write_h5(folder, "conductances", conductances, {2, 3, 4})), HasSubstr("[0, 0, 0]"));
}

}  // namespace
}  // namespace bitline
