#include "bindings/cli/svg.h"

#include <fmt/format.h>

#include <cmath>

#include "bindings/cli/terminal.h"

namespace bitline::cli {

namespace {

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : clean_line(text)) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

}  // namespace

std::string svg_page(double width, double height, const std::string& body) {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
        "{1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{2}</svg>\n",
        width, height, body);
}

std::string svg_text(double x, double y, const char* anchor, const std::string& text, const char* colour) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{}</text>\n", x, y, anchor,
                       colour, escaped(text));
}

std::string svg_upward_text(double x, double y, const std::string& text) {
    return fmt::format(
        "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n", x, y,
        kInk, escaped(text));
}

std::string svg_line(double x1, double y1, double x2, double y2, const char* colour, const char* more) {
    return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}{}/>\n", x1, y1,
                       x2, y2, colour, *more == '\0' ? "" : " ", more);
}

std::string svg_frame(double x, double y, double width, double height) {
    return fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"{}\"/>\n", x, y,
        width, height, kMuted);
}

double tick_distance(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 4)));
    for (const double factor : {5.0, 2.0})
        if (range / (factor * power) >= 4) return factor * power;
    return power;
}

std::string tick_text(double value, double distance) {
    return fmt::format("{:.6g}", std::abs(value) < distance / 2 ? 0.0 : value);
}

}  // namespace bitline::cli
