// Compiled for AVX2, see CMakeLists.txt.

#if defined(__x86_64__)

#include "devices/row_loops_vector.h"

namespace bitline {

const RowLoops kAvx2RowLoops = kLoops;

}  // namespace bitline

#endif
