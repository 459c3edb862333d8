#pragma once

// Work that a request to stop (core/error.h) must not leave halfway: a training step, whose state goes into a file when
// it is done.

namespace bitline {

bool interrupt_requested() noexcept;

/// Work may start again: for a process that outlives a request to stop.
void withdraw_interrupt() noexcept;

/// While one lives, in any thread, check_interrupt throws nothing; whoever holds it asks interrupt_requested between
/// its steps.
class InterruptHold {
 public:
    InterruptHold() noexcept;
    ~InterruptHold();
    InterruptHold(const InterruptHold&) = delete;
    InterruptHold& operator=(const InterruptHold&) = delete;
};

}  // namespace bitline
