#pragma once

#include <cstdint>
#include <functional>

namespace bitline {

/// Number of worker threads used by parallel_for; 1 at least. 0 asks for every processor. Threads do not survive
/// fork(): where a loop has run before it, the child has one thread, and asking for more throws ConfigError.
void set_threads(int threads);
int threads();

/// Calls body(i) for every 0 <= i < count on the worker threads. The order is free, so bodies write only what belongs
/// to their own i. The first exception is rethrown; an interrupt request stops the loop with Interrupted.
void parallel_for(int64_t count, const std::function<void(int64_t)>& body);

}  // namespace bitline
