// Shows other programs what an array with resistive wires does, so that they can serve as its oracle.
//
//   probe_wires GIVEN.json OUT.json
//
// GIVEN.json: {"rows": R, "cols": C, "conductance": [S, row by row], "row_ohm", "col_ohm", "driver_ohm", "sense_ohm",
// "drive": "left", "right" or "both", "sense": "bottom" or "top", "volts": [V, (rows)]}. OUT.json: {"current": [A, from
// the effective conductances], "word": [V, (rows, cols)], "bit": likewise}.

#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "peripherals/wires/reduction.h"

namespace {

using bitline::WireOptions;

WireOptions options_of(const nlohmann::json& given) {
    WireOptions options;
    options.row_ohm = given.at("row_ohm");
    options.col_ohm = given.at("col_ohm");
    options.driver_ohm = given.at("driver_ohm");
    options.sense_ohm = given.at("sense_ohm");
    const std::string drive = given.at("drive");
    options.drive = drive == "left"    ? WireOptions::Drive::left
                    : drive == "right" ? WireOptions::Drive::right
                                       : WireOptions::Drive::both;
    options.sense = given.at("sense") == "bottom" ? WireOptions::Sense::bottom : WireOptions::Sense::top;
    return options;
}

nlohmann::json answer(const nlohmann::json& given) {
    const std::vector<double> conductance = given.at("conductance"), volts = given.at("volts");
    const bitline::CellGrid cells{given.at("rows"), given.at("cols"), conductance};
    const WireOptions options = options_of(given);
    const std::vector<double> effective = bitline::effective_conductances(cells, options);
    std::vector<double> current(size_t(cells.cols), 0.0);
    for (size_t k = 0; k < effective.size(); ++k)
        current[k % current.size()] += effective[k] * volts.at(k / current.size());
    const bitline::ArrayVoltages inside = bitline::solve_voltages(bitline::factor_array(cells, options), volts);
    return {{"current", current}, {"word", inside.word}, {"bit", inside.bit}};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "probe_wires GIVEN.json OUT.json\n";
        return 2;
    }
    try {
        std::ifstream in(argv[1]);
        std::ofstream out(argv[2]);
        out << answer(nlohmann::json::parse(in)).dump();
        return out.flush() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "probe_wires: " << error.what() << '\n';
        return 2;
    }
}
