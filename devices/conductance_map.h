#pragma once

// Conductances of the cells of a chip, read after programming: what was measured stands for what a model would draw.
//
// HDF5, either one data set `conductances` (arrays x rows x cols) in S, or for each array a group `arrays/NNNNN`, its
// number in decimal digits, with a data set `conductances` (rows x cols): the form in which `bitline map --targets`
// gives the targets. Coordinates are physical (fault_map.h); an array covers at least its cells in use. NaN: not
// measured, the cell follows its model, and so do arrays that are not there.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bitline {

struct ConductanceMap {
    struct Array {
        int64_t rows = 0, cols = 0;
        std::vector<double> siemens;  // (rows x cols)
        double at(int64_t row, int64_t col) const { return siemens[static_cast<size_t>(row * cols + col)]; }
    };
    std::string path;
    std::map<int32_t, Array> arrays;  // by number
};

/// Throws FormatError: a missing or malformed file, another shape, a conductance that is negative or infinite.
ConductanceMap read_conductance_map(const std::string& path);

}  // namespace bitline
