#pragma once

#include "core/kernels/kernels.h"

namespace bitline::kernels {

#if defined(__x86_64__)
extern const Kernel kAmx, kAvx512, kAvx2;
#endif

}  // namespace bitline::kernels
