#pragma once

// Where the inputs of a product become codes. Training sees the real numbers that the codes stand for.

#include <memory>

#include "training/layer.h"
#include "training/method.h"

namespace bitline::training {

class InputCodes : public Layer {
 public:
    InputCodes(const std::string& name, int number, std::unique_ptr<InputQuantizer> quantizer);

    /// Lets ranges follow x: the first batch ever sets them.
    void observe(const Tensor& x);
    bool has_seen() const { return seen_.value[0] != 0; }

    void forward(const Pass& pass, std::span<const Tensor* const> inputs, Tensor& output) override;
    void backward(const Pass& pass, std::span<const Tensor* const> inputs, const Tensor& output, const Tensor& gradient,
                  std::span<Tensor* const> input_gradients) override;
    std::vector<Parameter*> parameters() override { return quantizer_->parameters(); }
    std::vector<State*> states() override;
    Operator trained() const override { return planes().at(0); }

    std::vector<Operator> planes() const { return quantizer_->planes(); }

 private:
    std::unique_ptr<InputQuantizer> quantizer_;
    State seen_;
    Tensor scratch_;                 // gradient by x where several layers read it
    std::vector<double> part_sums_;  // (chunks x numbers of own parameters)
};

}  // namespace bitline::training
