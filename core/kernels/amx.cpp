// Compiled with the flags of AVX-512: intrinsics and raw pointers only (see README.md).

#if defined(__AVX512F__)

#include "core/kernels/amx.h"
#include "core/kernels/amx_instructions.h"
#include "core/kernels/amx_vector.h"

namespace bitline::kernels::amx {

extern const Vector kTiles;
const Vector kTiles = {sums, convert};

}  // namespace bitline::kernels::amx

#endif
