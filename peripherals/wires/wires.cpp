#include "peripherals/wires/wires.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace bitline {

namespace {

void check_resistance(const char* name, double ohm) {
    if (std::isfinite(ohm) && ohm >= 0) return;
    throw ConfigError(fmt::format("wires: {} is {} ohm: must be finite and at least 0", name, ohm));
}

}  // namespace

void check(const WireOptions& options) {
    check_resistance("row_ohm", options.row_ohm);
    check_resistance("col_ohm", options.col_ohm);
    check_resistance("driver_ohm", options.driver_ohm);
    check_resistance("sense_ohm", options.sense_ohm);
}

bool has_resistance(const WireOptions& options) {
    return options.row_ohm > 0 || options.col_ohm > 0 || options.driver_ohm > 0 || options.sense_ohm > 0;
}

}  // namespace bitline
