#pragma once

// What notebooks show.

#include <string>
#include <vector>

namespace bitline::python {

std::string escape_html(const std::string& text);

/// A table below a title. Cells are text, escaped here; all columns but the first stand to the right.
std::string html_table(const std::string& title, const std::vector<std::string>& columns,
                       const std::vector<std::vector<std::string>>& rows);

}  // namespace bitline::python
