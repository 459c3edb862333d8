#include "core/error.h"

#include <atomic>

#include "core/interrupt.h"

namespace bitline {

namespace {
std::atomic<bool> requested{false};
std::atomic<int> holds{0};
}  // namespace

void request_interrupt() noexcept { requested.store(true, std::memory_order_relaxed); }

bool interrupt_requested() noexcept { return requested.load(std::memory_order_relaxed); }

void withdraw_interrupt() noexcept { requested.store(false, std::memory_order_relaxed); }

void check_interrupt() {
    if (interrupt_requested() && holds.load(std::memory_order_relaxed) == 0) throw Interrupted();
}

InterruptHold::InterruptHold() noexcept { holds.fetch_add(1, std::memory_order_relaxed); }
InterruptHold::~InterruptHold() { holds.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace bitline
