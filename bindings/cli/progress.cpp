#include "bindings/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "bindings/cli/terminal.h"

namespace bitline::cli {

ProgressLine::ProgressLine(bool quiet) : visible_(!quiet && isatty(STDERR_FILENO)) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::show(const Progress& progress) {
    if (!visible_) return;
    std::fputs(fmt::format("\r{}\x1b[K", progress_text(progress)).c_str(), stderr);
    drawn_ = true;
}

void ProgressLine::clear() {
    if (!drawn_) return;
    std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

void ProgressLine::keep(const std::string& text) {
    if (!visible_) return;
    clear();
    std::fputs((clean_line(text) + "\n").c_str(), stderr);
}

std::string progress_text(const Progress& progress) {
    constexpr int kBar = 24;
    const double share =
        progress.total > 0 ? std::clamp(double(progress.done) / double(progress.total), 0.0, 1.0) : 0.0;
    const int filled = static_cast<int>(share * kBar);
    const std::string bar = std::string(size_t(filled), '#') + std::string(size_t(kBar - filled), '.');
    // The passes cost about the same per sample; before a hundredth is done a guess would only mislead.
    const std::string left = share < 0.01 ? "" : "  " + duration_text(progress.seconds * (1 - share) / share) + " left";
    return fmt::format("{:<14}  [{}]  {:3.0f} %{}", shorten(clean_text(progress.stage), 40), bar, 100 * share, left);
}

}  // namespace bitline::cli
