#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/error.h"

namespace bitline {
namespace {

/// Puts the number of threads back, whatever a test did.
struct Parallel : testing::Test {
    int before = threads();
    ~Parallel() override { set_threads(before); }
};

TEST_F(Parallel, VisitsEveryIndexOnce) {
    for (const int count : {1, 2, 5}) {
        set_threads(count);
        EXPECT_EQ(threads(), count);
        for (const int64_t n : {0, 1, 2, 1000}) {
            std::vector<int> visits(size_t(n), 0);
            parallel_for(n, [&](int64_t i) { ++visits[size_t(i)]; });
            EXPECT_EQ(visits, std::vector<int>(size_t(n), 1));
        }
    }
}

TEST_F(Parallel, ZeroAsksForEveryProcessorAndNegativeIsRefused) {
    set_threads(0);
    EXPECT_GE(threads(), 1);
    EXPECT_THROW(set_threads(-1), ConfigError);
}

TEST_F(Parallel, RunsInlineWithOneThreadOrOneBody) {
    const auto caller = std::this_thread::get_id();
    set_threads(1);
    std::vector<int64_t> order;
    parallel_for(5, [&](int64_t i) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        order.push_back(i);
    });
    EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4}));
    set_threads(3);
    parallel_for(1, [&](int64_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
}

TEST_F(Parallel, TwoThreadsReallyRunAtTheSameTime) {
    set_threads(2);
    std::atomic<int> arrived{0};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    parallel_for(2, [&](int64_t) {
        ++arrived;
        while (arrived < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    });
    EXPECT_LT(std::chrono::steady_clock::now(), deadline) << "one body waited in vain for the other";
}

TEST_F(Parallel, NestedLoopsUseNoMoreThreadsAndDoNotMixBodies) {
    set_threads(3);
    std::atomic<int> running{0}, most{0}, sum{0};
    thread_local bool busy = false;
    std::atomic<bool> mixed{false};
    parallel_for(20, [&](int64_t) {
        if (busy) mixed = true;
        busy = true;
        parallel_for(20, [&](int64_t) {
            const int now = ++running;
            for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
            }
            ++sum;
            --running;
        });
        busy = false;
    });
    EXPECT_EQ(sum, 400);
    EXPECT_LE(most, 3);
    EXPECT_FALSE(mixed) << "a thread began an outer body while it was inside another one";
}

TEST_F(Parallel, RethrowsWhatABodyThrows) {
    for (const int count : {1, 2}) {
        set_threads(count);
        try {
            parallel_for(100, [](int64_t i) {
                if (i == 13) throw FormatError("body 13");
            });
            ADD_FAILURE() << "nothing was thrown";
        } catch (const FormatError& error) {
            EXPECT_STREQ(error.what(), "body 13");
        }
        int64_t after = 0;
        parallel_for(1, [&](int64_t) { ++after; });
        EXPECT_EQ(after, 1);  // the pool survives
    }
}

/// Interrupts itself in body 3; exits with 7 where the loop stops early with Interrupted.
void interrupt_a_loop(int count) {
    set_threads(count);
    std::atomic<int64_t> bodies{0};
    try {
        parallel_for(100000, [&](int64_t) {
            if (++bodies == 3) request_interrupt();
        });
    } catch (const Interrupted&) {
        std::_Exit(bodies < 100000 ? 7 : 8);
    }
    std::_Exit(9);
}

TEST_F(Parallel, AnInterruptStopsTheLoop) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // in a child: a request stays
    EXPECT_EXIT(interrupt_a_loop(1), testing::ExitedWithCode(7), "");
    EXPECT_EXIT(interrupt_a_loop(2), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace bitline
