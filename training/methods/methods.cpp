// The table of methods, in the order of their papers.

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/options.h"
#include "training/methods/parts.h"

namespace bitline::training {

const std::vector<MethodEntry>& methods() {
    static const std::vector<MethodEntry> table{
        {"binaryconnect", "weights -1 and +1, inputs of n bits", "Courbariaux, Bengio, David: BinaryConnect, NIPS 2015",
         1, 1, 1, 2, 16, 4, false, false, make_binaryconnect},
        {"bnn", "weights and inputs -1 and +1",
         "Hubara, Courbariaux, Soudry, El-Yaniv, Bengio: Binarized neural networks, NIPS 2016", 1, 1, 1, 1, 1, 1, false,
         false, make_bnn},
        {"xnor", "weights and inputs -1 and +1, a scale for each output channel",
         "Rastegari, Ordonez, Redmon, Farhadi: XNOR-Net, ECCV 2016", 1, 1, 1, 1, 1, 1, false, false, make_xnor},
        {"ternary", "weights -1, 0 and +1 times a scale, inputs of n bits",
         "Li, Zhang, Liu: Ternary weight networks, NIPS workshop 2016", 2, 2, 2, 2, 16, 4, false, true, make_ternary},
        {"dorefa", "weights through tanh, inputs in [0, 1], gradients of n bits",
         "Zhou, Wu, Ni, Zhou, Wen, Zou: DoReFa-Net, arXiv:1606.06160, 2016", 1, 8, 1, 1, 8, 2, true, false,
         make_dorefa},
        {"power-of-two", "weights 0 and +- powers of two times a scale, inputs of n bits",
         "Zhou, Yao, Guo, Xu, Chen: Incremental network quantization, ICLR 2017", 2, 5, 4, 2, 16, 4, false, true,
         make_power_of_two},
        {"ste", "uniform codes, gradient straight through",
         "Hubara, Courbariaux, Soudry, El-Yaniv, Bengio: Quantized neural networks, JMLR 18, 2018", 2, 16, 4, 2, 16, 4,
         false, true, make_ste},
        {"pact", "clipping level of the inputs learned, weights as dorefa",
         "Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan: PACT, arXiv:1805.06085, 2018", 1, 8, 4, 2, 8,
         4, false, false, make_pact},
        {"lq-net", "weights and inputs on a learned basis of binary planes", "Zhang, Yang, Ye, Hua: LQ-Nets, ECCV 2018",
         1, 4, 2, 1, 4, 2, false, true, make_lq_net},
        {"lsq", "steps of weights and inputs learned",
         "Esser, McKinstry, Bablani, Appuswamy, Modha: Learned step size quantization, ICLR 2020", 2, 8, 2, 2, 8, 2,
         false, true, make_lsq},
    };
    return table;
}

const MethodEntry& find_method(const std::string& name) {
    const auto& table = methods();
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.name == name; });
    if (found != table.end()) return *found;
    std::vector<std::string> names;
    std::string all;
    for (const MethodEntry& entry : table) {
        names.push_back(entry.name);
        all += (all.empty() ? "" : ", ") + entry.name;
    }
    throw ConfigError(fmt::format("unknown method '{}', did you mean '{}'? There are: {}", printable(name),
                                  nearest_name(name, names), all));
}

}  // namespace bitline::training
