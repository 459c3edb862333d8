#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <set>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/hdf5_objects.h"

namespace bitline {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // sanitizers reserve terabytes of address space
#else
constexpr bool kSanitized = false;
#endif

/// Reads what a Hdf5Reader could be asked for.
class Visitor {
 public:
    explicit Visitor(const hdf5::File& file) : file_(file) {}

    void visit(const std::string& object, int depth) {
        constexpr int kDeepest = 32;
        constexpr size_t kMostObjects = 100000;
        if (depth > kDeepest) hdf5::fail(file_, object, fmt::format("more than {} groups inside each other", kDeepest));
        H5O_info_t info;
        if (H5Oget_info_by_name2(file_.id.get(), object.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
            hdf5::fail(file_, object, "cannot be read");
        }
        if (!seen_.insert(info.addr).second) return;  // groups may contain each other
        if (seen_.size() > kMostObjects) hdf5::fail(file_, object, fmt::format("more than {} objects", kMostObjects));
        for (const std::string& name : hdf5::attributes(file_, object)) read_attribute(object, name);
        if (info.type == H5O_TYPE_DATASET && hdf5::is_numeric(file_, object)) read_dataset(object);
        if (info.type == H5O_TYPE_GROUP) visit_children(object, depth);
    }

 private:
    void visit_children(const std::string& group, int depth) {
        for (const std::string& name : hdf5::children(file_, group)) {
            const std::string child = group == "/" ? group + name : group + "/" + name;
            if (hdf5::exists(file_, child)) visit(child, depth + 1);
        }
    }

    void read_attribute(const std::string& object, const std::string& name) {
        try {
            switch (hdf5::attribute_kind(file_, object, name)) {
                case hdf5::AttributeKind::integer:
                    hdf5::read_int(file_, object, name);
                    break;
                case hdf5::AttributeKind::real:
                    hdf5::read_double(file_, object, name);
                    break;
                case hdf5::AttributeKind::text:
                    hdf5::read_string(file_, object, name);
                    break;
                case hdf5::AttributeKind::other:
                    break;
            }
        } catch (const FormatError&) {
            // Lists and other kinds of attributes are of no use to us, and no reason to refuse the file.
        }
    }

    void read_dataset(const std::string& name) {
        const hdf5::Dataset dataset = hdf5::open_dataset(file_, name);
        if (dataset.shape.empty()) {
            double value = 0;
            return hdf5::read_all(file_, dataset, H5T_NATIVE_DOUBLE, &value);
        }
        constexpr int64_t kBlock = int64_t(1) << 22;  // elements
        const int64_t row = hdf5::row_elements(dataset);
        const int64_t rows = std::clamp<int64_t>(kBlock / std::max<int64_t>(row, 1), 1, dataset.shape[0] + 1);
        std::vector<float> block(size_t(rows * row));
        for (int64_t first = 0; first < dataset.shape[0]; first += rows) {
            const int64_t count = std::min(rows, dataset.shape[0] - first);
            hdf5::read_rows(file_, dataset, first, count, H5T_NATIVE_FLOAT, block.data());
        }
    }

    const hdf5::File& file_;
    std::set<haddr_t> seen_;
};

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

enum ChildExit : int { kChildDone = 0, kChildRefused = 3 };

[[noreturn]] void run_child(const std::string& path, const std::string& what, double seconds, int pipe) {
    confine_child(seconds);
    int code = kChildRefused;
    try {
        const hdf5::File file = hdf5::open_file(path, what);
        Visitor(file).visit("/", 0);
        code = kChildDone;
    } catch (const FormatError& error) {
        const std::string message = error.what();
        if (::write(pipe, message.data(), message.size()) < 0) ::_exit(kChildRefused);
    } catch (...) {  // out of memory: no message, the parent has one
    }
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

}  // namespace

void try_in_child(const std::string& path, const std::string& what, double seconds) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw RunError(fmt::format("{}: cannot read: {}", path, reason(errno)));
    const Descriptor from(ends[0]);
    Descriptor to(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) throw RunError(fmt::format("{}: cannot read: {}", path, reason(errno)));
    if (pid == 0) run_child(path, what, seconds, to.get());
    Child child(pid);
    to = Descriptor();  // the pipe ends when the child does
    std::string message;
    if (!collect(from, seconds, message)) {
        throw FormatError(
            fmt::format("{}: reading took longer than {:.0f} s: the file is corrupted, or packed too "
                        "tightly; unpack it",
                        path, seconds));
    }
    const int code = child.wait();
    if (code == kChildDone) return;
    if (code == kChildRefused && !message.empty()) throw FormatError(message);
    throw FormatError(fmt::format("{}: the {} is a corrupted HDF5 file: the HDF5 library fails on it", path, what));
}

}  // namespace bitline
