#include "core/temporary_name.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/files.h"

namespace bitline {

// Fixed memory and atomics only, since a signal handler reads it.
struct TemporaryName::Slot {
    enum State : int { kFree, kFilling, kArmed };
    std::atomic<int> state{kFree};
    std::array<char, PATH_MAX> name{};
};

/// Names of the temporary files that exist now.
struct TemporaryNames {
    using Slot = TemporaryName::Slot;
    static inline std::array<Slot, 64> slots;

    static Slot& take() {
        for (Slot& slot : slots) {
            int expected = Slot::kFree;
            if (slot.state.compare_exchange_strong(expected, Slot::kFilling)) return slot;
        }
        throw RunError(fmt::format("more than {} temporary files are in use at once", slots.size()));
    }

    static void remove_all() noexcept {
        for (Slot& slot : slots) {
            if (slot.state.load() == Slot::kArmed) ::unlink(slot.name.data());
        }
    }
};

TemporaryName::TemporaryName(const std::string& name) : name_(name), slot_(TemporaryNames::take()) {
    if (name.size() >= slot_.name.size()) {
        slot_.state = Slot::kFree;
        throw ConfigError(fmt::format("{}: {}", name, reason(ENAMETOOLONG)));
    }
    std::memcpy(slot_.name.data(), name.c_str(), name.size() + 1);
    slot_.state = Slot::kArmed;
}

TemporaryName::~TemporaryName() {
    ::unlink(name_.c_str());  // fails, and should, once the file was renamed
    slot_.state = Slot::kFree;
}

std::string unused_name(const std::string& folder, const std::string& stem) {
    static std::atomic<uint64_t> counter{0};
    constexpr size_t kLongestStem = 180;  // with the rest below NAME_MAX (255)
    return fmt::format("{}/.{}.tmp-{}-{}", folder, stem.substr(0, kLongestStem), ::getpid(), counter++);
}

void remove_temporary_files() noexcept { TemporaryNames::remove_all(); }

}  // namespace bitline
