#pragma once

#include <stdexcept>
#include <string>

namespace bitline {

/// The user's input was wrong. The command line prints the message and exits with code 2.
/// A message says what is wrong, where (file, path, node, row) and what to do about it.
struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// An option, an architecture key or a command-line value violates its stated relation.
struct ConfigError : InputError {
    using InputError::InputError;
};

/// A file is missing, truncated, corrupted, or holds something that Bitline cannot read.
struct FormatError : InputError {
    using InputError::InputError;
};

/// The run itself failed after its input was accepted (exit code 1).
struct RunError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The user asked to stop (Ctrl-C); thrown by `check_interrupt`.
struct Interrupted : std::runtime_error {
    Interrupted() : std::runtime_error("interrupted") {}
};

/// Asks every running stage to stop at its next check; safe to call from a signal handler.
void request_interrupt() noexcept;

/// Throws Interrupted once `request_interrupt` was called.
void check_interrupt();

}  // namespace bitline
