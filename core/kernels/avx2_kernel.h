#pragma once

#include "core/kernels/kernels.h"

namespace bitline::kernels {

extern const Kernel kAvx2;

}  // namespace bitline::kernels
