#include "bindings/python/html.h"

namespace bitline::python {

namespace {

std::string row_of(const std::vector<std::string>& cells, const std::string& tag) {
    std::string row = "<tr>";
    for (size_t i = 0; i < cells.size(); ++i) {
        const std::string side = i == 0 ? "left" : "right";
        row += "<" + tag + " style=\"text-align:" + side + "\">" + escape_html(cells[i]) + "</" + tag + ">";
    }
    return row + "</tr>";
}

}  // namespace

std::string escape_html(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '&')
            escaped += "&amp;";
        else if (c == '<')
            escaped += "&lt;";
        else if (c == '>')
            escaped += "&gt;";
        else if (c == '"')
            escaped += "&quot;";
        else
            escaped += c;
    }
    return escaped;
}

std::string html_table(const std::string& title, const std::vector<std::string>& columns,
                       const std::vector<std::vector<std::string>>& rows) {
    std::string html =
        "<p><b>" + escape_html(title) + "</b></p><table><thead>" + row_of(columns, "th") + "</thead><tbody>";
    for (const std::vector<std::string>& row : rows) html += row_of(row, "td");
    return html + "</tbody></table>";
}

}  // namespace bitline::python
