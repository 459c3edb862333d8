// As lookup_avx2.cpp, for processors whose AES unit takes whole vectors (Zen 3, Alder Lake): intrinsics and raw
// pointers only (see README.md).

#if defined(__VAES__)

#include "core/kernels/avx2_vector.h"
#include "core/kernels/lookup_vector.h"

namespace bitline::kernels::lookup {

extern const Vector kAvx2Vaes;
const Vector kAvx2Vaes = {
    {kLanes, kGroupRows, kTableBytes, kGroupsPerStep}, write_table, index_pass, column_sums, convert};

}  // namespace bitline::kernels::lookup

#endif
