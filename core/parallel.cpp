#include "core/parallel.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "core/error.h"

namespace bitline {

namespace {

/// One arena for all loops, so that a loop within a loop does not start more threads.
struct Pool {
    explicit Pool(int count)
        : size(count),
          limit(tbb::global_control::max_allowed_parallelism, std::max(size_t(count), size_t(default_size()))),
          arena(count) {}
    static int default_size() { return std::max(1, tbb::info::default_concurrency()); }

    int size;
    tbb::global_control limit;  // without it oneTBB starts no more threads than there are processors
    tbb::task_arena arena;
};

std::mutex pool_mutex;
std::shared_ptr<Pool> current_pool;
std::atomic<bool> orphaned{false};  // a child of fork(), where oneTBB waits for threads that are not there

/// Nobody holds the mutex while the process is copied, so the child finds it free.
void watch_forks() {
    static const int registered = pthread_atfork([] { pool_mutex.lock(); }, [] { pool_mutex.unlock(); },
                                                 [] {
                                                     orphaned = true;
                                                     pool_mutex.unlock();
                                                 });
    if (registered != 0) throw RunError("no memory to prepare for fork()");
}

std::shared_ptr<Pool> make_pool(int count) {
    watch_forks();
    return std::make_shared<Pool>(count);
}

std::shared_ptr<Pool> pool() {
    const std::lock_guard lock(pool_mutex);
    if (!current_pool) current_pool = make_pool(Pool::default_size());
    return current_pool;
}

}  // namespace

void set_threads(int count) {
    if (count < 0) throw ConfigError("threads = " + std::to_string(count) + " violates threads >= 0 (0: all)");
    if (orphaned) {
        if (count <= 1) return;
        throw ConfigError("threads = " + std::to_string(count) +
                          " violates threads = 1 in a process forked after work had begun; start it anew (spawn)");
    }
    auto fresh = make_pool(count == 0 ? Pool::default_size() : count);
    const std::lock_guard lock(pool_mutex);
    current_pool.swap(fresh);
}

int threads() { return orphaned ? 1 : pool()->size; }

void parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
    const auto checked = [&body](int64_t i) {
        check_interrupt();
        body(i);
    };
    if (count <= 1 || threads() == 1) {
        for (int64_t i = 0; i < count; ++i) checked(i);
        return;
    }
    const auto workers = pool();
    // Isolated: a thread that waits for an inner loop must not start a body of the outer one, which would find the
    // thread's scratch memory in use.
    workers->arena.execute(
        [&] { tbb::this_task_arena::isolate([&] { tbb::parallel_for(int64_t(0), count, checked); }); });
}

}  // namespace bitline
