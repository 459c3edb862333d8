#pragma once

#include <string>

#include "mapping/simulate.h"

namespace bitline::cli {

/// One line on a terminal's standard error that shows stage, share and time left; nothing in a pipe.
class ProgressLine {
 public:
    explicit ProgressLine(bool quiet);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;

    void show(const Progress& progress);
    void clear();
    /// Replaces the line by one that stays.
    void keep(const std::string& text);

 private:
    bool visible_ = false;
    bool drawn_ = false;
};

/// "trial 3/10  [#########...........]  45 %  1 min 20 s left"
std::string progress_text(const Progress& progress);

}  // namespace bitline::cli
