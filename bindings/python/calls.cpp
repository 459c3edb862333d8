#include "bindings/python/calls.h"

#include <chrono>
#include <future>
#include <thread>

#include "bindings/python/binding.h"
#include "core/error.h"
#include "core/interrupt.h"

namespace bitline::python {

namespace {

constexpr std::chrono::milliseconds kBetween{50};

void serve(const std::function<void()>& tell) {
    if (tell) tell();
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

void run_interruptibly(const std::function<void()>& work, const std::function<void()>& tell) {
    std::packaged_task<void()> task(work);
    std::future<void> done = task.get_future();
    std::thread worker(std::move(task));
    std::exception_ptr stop;
    const auto wait = [&] {
        const py::gil_scoped_release unlocked;
        return stop ? (done.wait(), std::future_status::ready) : done.wait_for(kBetween);
    };
    while (wait() != std::future_status::ready) {
        try {
            serve(tell);
        } catch (...) {
            stop = std::current_exception();
            request_interrupt();
        }
    }
    {
        const py::gil_scoped_release unlocked;
        worker.join();
    }
    if (stop) {
        withdraw_interrupt();
        std::rethrow_exception(stop);
    }
    done.get();
}

}  // namespace bitline::python
