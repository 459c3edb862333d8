#include "devices/row_loops.h"

#include "core/kernels/kernels.h"
#include "devices/row_loops_vector.h"

namespace bitline {

const RowLoops kPlainRowLoops = kLoops;

const RowLoops& row_loops() {
#if defined(__x86_64__)
    // Every other kernel of these processors needs AVX2.
    static const RowLoops& loops = &kernels::active() == kernels::all().back() ? kPlainRowLoops : kAvx2RowLoops;
    return loops;
#else
    return kPlainRowLoops;
#endif
}

}  // namespace bitline
