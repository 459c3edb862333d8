#pragma once

#include "core/kernels/kernels.h"

namespace bitline::kernels {

#if defined(__x86_64__)
extern const Kernel kAmx;
extern const Kernel kAvx2;
#endif

}  // namespace bitline::kernels
