#pragma once

// Long work, called from Python.

#include <functional>
#include <optional>
#include <utility>

namespace bitline::python {

/// Runs `work` on a thread of its own, without the interpreter's lock, while the calling thread serves Python: a few
/// times a second it calls `tell` and lets signal handlers run. Where one raises (Ctrl-C) the work is asked to stop,
/// and the exception goes on when it has. Exceptions of `work` are passed on.
void run_interruptibly(const std::function<void()>& work, const std::function<void()>& tell = {});

template <class Work>
auto interruptibly(Work&& work) {
    std::optional<decltype(work())> result;
    run_interruptibly([&] { result.emplace(work()); });
    return std::move(*result);
}

}  // namespace bitline::python
