// Shows other programs what an array with resistive wires does, so that they can serve as its oracle.
//
//   probe_wires GIVEN.json OUT.json
//
// GIVEN.json: {"rows": R, "cols": C, "conductance": [S, row by row], "row_ohm", "col_ohm", "driver_ohm", "sense_ohm",
// "drive": "left", "right" or "both", "sense": "bottom" or "top", "volts": [V, (rows)]}, and for gated rows "topology":
// "gated" or "ladder" and "active": [0 or 1, (rows)]; ladders are driven by the first of "volts". OUT.json: {"current":
// [A, of crossbars from the effective conductances], "word": [V, (rows, cols), of ladders the source lines], "bit":
// likewise, "bound": of gated rows, A}.

#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "peripherals/wires/gated.h"
#include "peripherals/wires/ladder.h"
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

nlohmann::json gated_answer(const nlohmann::json& given) {
    const std::vector<double> conductance = given.at("conductance"), volts = given.at("volts");
    const std::vector<uint8_t> active = given.at("active");
    const bitline::CellGrid cells{given.at("rows"), given.at("cols"), conductance};
    if (given.at("topology") == "ladder") {
        const bitline::LadderArray ladders = bitline::prepare_ladders(cells, options_of(given));
        bitline::LadderBuffers buffers;
        std::vector<double> current(size_t(cells.cols));
        bitline::solve_ladders(ladders, volts.at(0), active, buffers, current);
        const bitline::ArrayVoltages inside = bitline::ladder_voltages(ladders, volts.at(0), active);
        return {{"current", current}, {"word", inside.word}, {"bit", inside.bit}};
    }
    const bitline::GatedArray array = bitline::prepare_gated(cells, options_of(given));
    bitline::GatedBuffers buffers;
    bitline::WireSolution solution;
    bitline::SolveLimits limits;
    limits.tolerance = 1e-15;  // down to the floor
    bitline::solve_gated(array, volts, active, limits, buffers, solution);
    const bitline::ArrayVoltages inside = bitline::voltages_of(array, volts, buffers, solution);
    return {{"current", solution.current}, {"word", inside.word}, {"bit", inside.bit}, {"bound", solution.bound}};
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
        const nlohmann::json given = nlohmann::json::parse(in);
        out << (given.contains("topology") ? gated_answer(given) : answer(given)).dump();
        return out.flush() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "probe_wires: " << error.what() << '\n';
        return 2;
    }
}
