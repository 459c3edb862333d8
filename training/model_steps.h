#pragma once

// Inside of a model: its layers in the order in which they run, and the slots that their numbers lie in.
// model_build.cpp lays them out, model.cpp runs them, export.cpp writes them as an integer network.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "training/layers/folded_norm.h"
#include "training/layers/input_codes.h"
#include "training/layers/product.h"
#include "training/model.h"

namespace bitline::training {

/// One layer with the slots that it reads and writes; a slot holds one tensor of a pass.
struct Step {
    std::unique_ptr<Layer> layer;
    std::vector<int> inputs;
    int output = -1;
    int node = -1;                     // of the float network; none for quantizers and dropout
    Product* product = nullptr;        // where the layer is one
    InputCodes* codes = nullptr;       // likewise
    size_t index = 0;                  // of the product
    int codes_step = -1;               // product: step that makes its inputs' codes; none: float
    std::unique_ptr<FoldedNorm> norm;  // product: batch norm folded into it
    int norm_node = -1;                // of the float network; the step then writes that node's output

    int last_node() const { return norm ? norm_node : node; }
};

struct Model::Impl {
    TrainingNetwork source;
    ModelOptions options;
    std::unique_ptr<Method> method, plain;  // of inner layers; of the first and the last
    std::vector<Step> steps;
    std::vector<Tensor> slots, gradients;
    std::vector<bool> wants_gradient;  // (slots)
    std::vector<int> slot_of_value;    // (values) where readers find it, behind dropout
    Hardware* hardware = nullptr;
    Exported exported;

    Impl(const TrainingNetwork& network, const ModelOptions& model_options) : source(network), options(model_options) {}

    // --- construction
    void build();
    void replace_activations();
    LayerBits bits_of(const std::string& name, bool outer) const;
    const Method* method_of(const std::string& name, bool outer) const;
    void add_product(int node, bool outer, const std::vector<bool>& negative, std::vector<int>& codes_of_slot);
    void add_input_codes(int node, const Method& chosen, LayerBits bits, bool negative,
                         std::vector<int>& codes_of_slot);
    int norm_behind(int node) const;
    void require_folding() const;
    void add_dropout(int value);
    int new_slot() {
        slots.emplace_back();
        return static_cast<int>(slots.size()) - 1;
    }
    void name_parameters();
    void find_wanted_gradients();

    // --- passes
    void run_step(const Pass& pass, Step& step);
    void forward_all(const Pass& pass, bool on_hardware);
    bool unseen() const;
    const Shape& output_shape(const Step& step) const;

    // --- export
    Exported export_network() const;
};

}  // namespace bitline::training
