// Compiled with -mavx2 -mfma -maes: intrinsics and raw pointers only (see README.md).

#if defined(__AVX2__)

#include "core/kernels/avx2_vector.h"
#include "core/kernels/lookup_vector.h"

namespace bitline::kernels::lookup {

extern const Vector kAvx2;
const Vector kAvx2 = {{kLanes, kGroupRows, kTableBytes, kGroupsPerStep}, write_table, index_pass, column_sums, convert};

}  // namespace bitline::kernels::lookup

#endif
