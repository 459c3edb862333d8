#include "mapping/fitted_architecture.h"

#include <fmt/format.h>

#include "mapping/architecture_keys.h"

namespace bitline {

std::string fitted_architecture(const PulseFit& fit, const std::string& source) {
    Architecture a;
    a.cell.g_min = fit.g_min;
    a.cell.g_max = fit.g_max;
    a.cell.switching = fit.switching;
    a.cell.write_verify.method = WriteVerifyOptions::Method::pulses;
    a.cell.programming_error.model = ProgrammingErrorOptions::Model::none;
    OptionFields<Architecture> fields;
    for (const OptionField<Architecture>& field : architecture_keys()) {
        const bool written = field.path == "cell.g_min" || field.path == "cell.g_max" ||
                             field.path == "cell.programming_error.model" || field.path == "cell.write_verify.method" ||
                             field.path.rfind("cell.switching.", 0) == 0;
        if (written) fields.push_back(field);
    }
    std::string text = fmt::format(
        "# Law {} fitted by `bitline fit` to {} readings of {} device{} in {}:\n"
        "# residual {:.3g} S per reading, {:.3g} S of the mean curve, R^2 {:.5f}.\n",
        to_string(fit.switching.law), fit.readings, fit.devices, fit.devices == 1 ? "" : "s", source, fit.pulse_rms,
        fit.curve_rms, fit.r_squared);
    if (fit.mirrored_up) text += "# No pulses up were measured: potentiation mirrors depression.\n";
    if (fit.mirrored_down) text += "# No pulses down were measured: depression mirrors potentiation.\n";
    return text + "base: default\n" + write_options(fields, a);
}

}  // namespace bitline
