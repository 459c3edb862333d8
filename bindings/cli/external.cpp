// `bitline NAME` runs `bitline-NAME` from the PATH, as git does.

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "bindings/cli/command.h"

namespace bitline::cli {

namespace {

/// Full path of an executable on the PATH, or empty.
std::string find_on_path(const std::string& program) {
    const char* variable = std::getenv("PATH");
    const std::string path = variable ? variable : "";
    for (size_t at = 0; at < path.size();) {
        const size_t end = std::min(path.find(':', at), path.size());
        const std::string candidate = path.substr(at, end - at) + "/" + program;
        if (end > at && access(candidate.c_str(), X_OK) == 0) return candidate;
        at = end + 1;
    }
    return {};
}

}  // namespace

void run_external(const std::string& name, const std::vector<std::string>& arguments) {
    if (name.empty() || name.find('/') != std::string::npos) return;
    const std::string program = find_on_path("bitline-" + name);
    if (program.empty()) return;
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    std::signal(SIGPIPE, SIG_DFL);  // ignored signals stay ignored in the program that follows
    std::signal(SIGXFSZ, SIG_DFL);
    execv(program.c_str(), argv.data());
}

}  // namespace bitline::cli
