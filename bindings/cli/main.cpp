// The one place where errors become messages and exit codes:
// 0 done, 1 the run failed or was interrupted, 2 the user's input was wrong.

#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "bindings/cli/command.h"
#include "bindings/cli/terminal.h"
#include "core/error.h"
#include "core/files.h"

namespace {

constexpr int kDone = 0, kRunFailed = 1, kWrongInput = 2;

volatile std::sig_atomic_t interrupts = 0;

/// The first Ctrl-C asks the run to stop at its next check; the second one does not wait for it.
extern "C" void on_interrupt(int) {
    interrupts = interrupts + 1;
    bitline::request_interrupt();
    if (interrupts > 1) {
        bitline::remove_temporary_files();
        _exit(kRunFailed);
    }
}

/// Where a signal is ignored already (nohup), it stays so.
void handle(int signal, void (*handler)(int)) {
    struct sigaction old {};
    sigaction(signal, nullptr, &old);
    if (old.sa_handler == SIG_IGN) return;
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
}

void install_signals() {
    handle(SIGINT, on_interrupt);
    handle(SIGTERM, on_interrupt);
    handle(SIGHUP, on_interrupt);
    // Writing to a closed pipe or beyond the file size limit is an error of that write, with a message and clean-up.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

int run(const std::vector<std::string>& arguments) {
    using namespace bitline;
    try {
        cli::run_program(arguments);
        cli::flush_output();
        return kDone;
    } catch (const Interrupted&) {
        cli::report_error("interrupted");
        return kRunFailed;
    } catch (const cli::OutputClosed&) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
        return kRunFailed;
    } catch (const InputError& error) {
        cli::report_error(error.what());
        return kWrongInput;
    } catch (const std::bad_alloc&) {
        cli::report_error(
            "not enough memory for this run; a smaller network, fewer --threads or smaller arrays need less");
        return kRunFailed;
    } catch (const std::exception& error) {
        cli::report_error(error.what());
        return kRunFailed;
    }
}

}  // namespace

int main(int argc, char** argv) {
    install_signals();
    return run(std::vector<std::string>(argv + (argc > 0), argv + argc));
}
