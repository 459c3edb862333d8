#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>

#include "core/files.h"

namespace bench {

/// Writes the figures to the file that --json names (empty: none). What main returns: 1 where it cannot be written.
inline int write_json(const std::string& program, const std::string& path, const nlohmann::ordered_json& result) {
    try {
        if (!path.empty()) bitline::write_text_atomically(path, result.dump(2) + "\n");
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", program, error.what());
        return 1;
    }
}

}  // namespace bench
