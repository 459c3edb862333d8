#include "core/error.h"

#include <atomic>

namespace bitline {

namespace {
std::atomic<bool> interrupt_requested{false};
}

void request_interrupt() noexcept { interrupt_requested.store(true, std::memory_order_relaxed); }

void check_interrupt() {
    if (interrupt_requested.load(std::memory_order_relaxed)) throw Interrupted();
}

}  // namespace bitline
