// Compiled for AVX-512: intrinsics and raw pointers only (see README.md).

#if defined(__AVX512VBMI__)

#include "core/kernels/avx512_vector.h"
#include "core/kernels/lookup_vector.h"

namespace bitline::kernels::lookup {

extern const Vector kAvx512;
const Vector kAvx512 = {
    {kLanes, kGroupRows, kTableBytes, kGroupsPerStep}, write_table, index_pass, column_sums, convert};

}  // namespace bitline::kernels::lookup

#endif
