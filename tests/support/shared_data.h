#pragma once

// Real models and data made by others: the folder BITLINE_SHARED_DATA, by default ../shared/data beside the repository.

#include <cstdlib>
#include <filesystem>

namespace bitline::testing {

inline std::filesystem::path shared_data() {
    const char* given = std::getenv("BITLINE_SHARED_DATA");
    if (given && *given) return given;
    return (std::filesystem::path(__FILE__).parent_path() / "../../../shared/data").lexically_normal();
}

}  // namespace bitline::testing
