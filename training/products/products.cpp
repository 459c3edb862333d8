#include "training/products/products.h"

#include "training/products/correlate.h"
#include "training/products/tiles.h"

namespace bitline::training {

void convolve(const ConvolutionShape& shape, int64_t samples, const float* x, const float* weights, float* y) {
    products::correlate(products::forward(shape), products::active_tiles(), samples, x, weights, false, y);
}

void convolve_input_gradient(const ConvolutionShape& shape, int64_t samples, const float* gy, const float* weights,
                             float* gx) {
    products::correlate(products::input_gradient(shape), products::active_tiles(), samples, gy, weights, true, gx);
}

void convolve_weight_gradient(const ConvolutionShape& shape, int64_t samples, const float* x, const float* gy,
                              float* gw) {
    products::weight_gradient(shape, products::active_tiles(), samples, x, gy, gw);
}

}  // namespace bitline::training
