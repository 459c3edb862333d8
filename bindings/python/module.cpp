#include "bindings/python/binding.h"
#include "core/named_options.h"

PYBIND11_MODULE(_bitline, module) {
    using namespace bitline::python;
    module.doc() = "Bitline's C++ library. Import `bitline`, which has these names and more.";
    bitline::set_option_style(bitline::OptionStyle::keywords);
    bind_errors(module);
    bind_machine(module);
    bind_architecture(module);
    bind_device(module);
    bind_dataset(module);
    bind_network(module);
    bind_quantize(module);
    bind_mapping(module);
    bind_chip(module);
    bind_simulate(module);
    bind_layer(module);
    bind_train(module);
    bind_fit(module);
    bind_method(module);
}
