#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/hdf5_objects.h"
#include "core/temporary_name.h"

namespace bitline::hdf5 {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // sanitizers reserve terabytes of address space
#else
constexpr bool kSanitized = false;
#endif

rlim_t address_space_in_use() {
    uint64_t pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
        if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    return rlim_t(pages) * rlim_t(::sysconf(_SC_PAGESIZE));
}

/// Limits what a crash or a hang of the child can do: no output, no core file, bounded memory and time.
void confine_child(double seconds) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGINT, SIG_IGN);  // the parent answers to Ctrl-C and ends the child
    std::signal(SIGTERM, SIG_DFL);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const rlimit time{rlim_t(seconds) + 1, rlim_t(seconds) + 2};
    ::setrlimit(RLIMIT_CPU, &time);
    const rlim_t bytes = address_space_in_use() + (rlim_t(4) << 30);
    const rlimit memory{bytes, bytes};
    if (!kSanitized) ::setrlimit(RLIMIT_AS, &memory);
}

enum ChildExit : int { kChildDone = 0, kChildRefused = 3, kChildFailed = 4 };

void create_empty(const TemporaryName& name) {
    const Descriptor file(::open(name.get().c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (file.get() >= 0) return;
    throw RunError(fmt::format("{}: cannot create a temporary file: {}; set TMPDIR to a folder with free space",
                               temporary_folder(), reason(errno)));
}

[[noreturn]] void run_child(const std::string& path, const std::string& what, const std::string& copy, double seconds,
                            const Descriptor& pipe) {
    confine_child(seconds);
    int code = kChildRefused;
    std::string message;
    try {
        copy_content(open_file(path, what), copy);
        code = kChildDone;
    } catch (const FormatError& error) {
        message = error.what();
    } catch (const RunError& error) {
        message = error.what();
        code = kChildFailed;
    } catch (...) {  // out of memory: no message, the parent has one
    }
    if (::write(pipe.get(), message.data(), message.size()) < 0) ::_exit(kChildRefused);
    ::_exit(code);  // neither exit handlers nor HDF5's own closing, which belong to the parent
}

/// Ends and reaps the child, however this function is left.
class Child {
 public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            wait();
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// Exit code, or -1 where a signal ended it.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

 private:
    pid_t pid_;
};

/// What the child wrote until it closed the pipe; false where that took longer than `seconds`.
bool collect(const Descriptor& pipe, double seconds, std::string& message) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + std::chrono::milliseconds(int64_t(seconds * 1000));
    constexpr int kInterruptPeriod = 100;  // ms
    while (Clock::now() < end) {
        check_interrupt();
        pollfd request{pipe.get(), POLLIN, 0};
        if (::poll(&request, 1, kInterruptPeriod) <= 0) continue;
        char buffer[1024];
        const ssize_t count = ::read(pipe.get(), buffer, sizeof buffer);
        if (count == 0) return true;
        if (count > 0) message.append(buffer, size_t(count));
    }
    return false;
}

/// Throws what the child would have thrown.
void finish(Child& child, const std::string& message, const std::string& path, const std::string& what) {
    const int code = child.wait();
    if (code == kChildDone) return;
    if (code == kChildFailed) throw RunError(message);
    if (code == kChildRefused && !message.empty()) throw FormatError(message);
    throw FormatError(fmt::format("{}: the {} is a corrupted HDF5 file: the HDF5 library fails on it", path, what));
}

}  // namespace

File open_foreign_file(const std::string& path, const std::string& what, double seconds) {
    // HDF5 opens files by their names only; this one goes as soon as it is open.
    const TemporaryName copy(unused_name(temporary_folder(), "bitline-hdf5"));
    create_empty(copy);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw RunError(fmt::format("{}: cannot read: {}", path, reason(errno)));
    const Descriptor from(ends[0]);
    Descriptor to(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) throw RunError(fmt::format("{}: cannot read: {}", path, reason(errno)));
    if (pid == 0) run_child(path, what, copy.get(), seconds, to);
    Child child(pid);
    to = Descriptor();  // the pipe ends when the child does
    std::string message;
    if (!collect(from, seconds, message)) {
        throw FormatError(
            fmt::format("{}: reading took longer than {:.0f} s: the file is corrupted, or packed too "
                        "tightly; unpack it",
                        path, seconds));
    }
    finish(child, message, path, what);
    File file = open_file(copy.get(), what);
    file.path = path;
    return file;
}

}  // namespace bitline::hdf5
