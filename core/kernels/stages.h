#pragma once

// Where the time of a product goes, for benchmarks: whoever wants to know points `stage_ticks` to counters of their
// own.

#include <cstdint>

#if !defined(__x86_64__)
#include <chrono>
#endif

namespace bitline {

/// Processor ticks of one thread.
struct StageTicks {
    uint64_t input = 0;    // gathering windows and cutting codes into bits
    uint64_t kernel = 0;   // products and conversions
    uint64_t product = 0;  // of these, products alone, where the kernel keeps them apart
};

inline thread_local StageTicks* stage_ticks = nullptr;  // of this thread; null: nobody asks

inline uint64_t ticks_now() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Counts the ticks from here to the end of the block.
class StageTimer {
 public:
    explicit StageTimer(uint64_t StageTicks::*stage) : stage_(stage), start_(stage_ticks ? ticks_now() : 0) {}
    ~StageTimer() {
        if (stage_ticks) stage_ticks->*stage_ += ticks_now() - start_;
    }
    StageTimer(const StageTimer&) = delete;
    StageTimer& operator=(const StageTimer&) = delete;

 private:
    uint64_t StageTicks::*stage_;
    uint64_t start_;
};

}  // namespace bitline
