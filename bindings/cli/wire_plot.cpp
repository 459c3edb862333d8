#include "bindings/cli/wire_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>

#include "bindings/cli/svg.h"
#include "bindings/cli/terminal.h"

namespace bitline::cli {

namespace {

constexpr double kWidth = 900, kPanel = 440, kLeft = 62, kTop = 64, kMap = 280, kBelow = 64;  // pixels
constexpr double kBarGap = 14, kBarWidth = 16;
constexpr int kMostBlocks = 128, kShades = 48;

struct Colour {
    double r = 0, g = 0, b = 0;
};

/// Even in lightness for every kind of colour vision: six colours of cividis (J. Nunez, C. Anderton, R. Renslow, PLoS
/// ONE 13(7), 2018).
constexpr std::array<Colour, 6> kRising{
    {{0, 32, 77}, {49, 68, 107}, {102, 105, 112}, {149, 143, 120}, {203, 186, 105}, {255, 234, 70}}};
/// From blue over white to vermilion.
constexpr std::array<Colour, 3> kAroundZero{{{0, 114, 178}, {255, 255, 255}, {213, 94, 0}}};

std::string shade_text(std::span<const Colour> colours, int shade) {
    const double at = (shade + 0.5) / kShades * static_cast<double>(colours.size() - 1);
    const auto i = std::min(static_cast<size_t>(at), colours.size() - 2);
    const double share = at - static_cast<double>(i);
    const auto mix = [&](double a, double b) { return static_cast<int>(std::lround(a + share * (b - a))); };
    const Colour &a = colours[i], &b = colours[i + 1];
    return fmt::format("#{:02x}{:02x}{:02x}", mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b));
}

/// What one map shows.
struct Map {
    const WireStudy& study;
    std::function<double(size_t cell)> value;
    std::span<const Colour> colours;
    double low = 0, high = 1;
    std::string unit;

    int block() const { return (std::max(study.rows, study.cols) + kMostBlocks - 1) / kMostBlocks; }
    double mean(int row, int col) const {
        const int end_row = std::min(study.rows, row + block()), end_col = std::min(study.cols, col + block());
        double sum = 0;
        for (int r = row; r < end_row; ++r)
            for (int c = col; c < end_col; ++c)
                sum += value(static_cast<size_t>(r) * static_cast<size_t>(study.cols) + static_cast<size_t>(c));
        return sum / ((end_row - row) * (end_col - col));
    }
    int shade(double x) const {
        return std::clamp(static_cast<int>((x - low) / (high - low) * kShades), 0, kShades - 1);
    }
};

/// Ends that hold every block.
void span_values(Map& map, bool around_zero) {
    double low = map.mean(0, 0), high = low;
    for (int row = 0; row < map.study.rows; row += map.block()) {
        for (int col = 0; col < map.study.cols; col += map.block()) {
            low = std::min(low, map.mean(row, col));
            high = std::max(high, map.mean(row, col));
        }
    }
    if (around_zero) {
        high = std::max(std::abs(low), std::abs(high));
        low = -high;
    }
    if (!(high > low)) high = low + std::max(1e-3, std::abs(low) * 1e-3);
    map.low = low;
    map.high = high;
}

/// Blocks of one shade are one path, in cells.
std::string cells(const Map& map) {
    std::map<int, std::string> paths;
    const WireStudy& study = map.study;
    for (int row = 0; row < study.rows; row += map.block()) {
        for (int col = 0; col < study.cols;) {
            const int shade = map.shade(map.mean(row, col)), first = col;
            while (col < study.cols && map.shade(map.mean(row, col)) == shade) col += map.block();
            const int width = std::min(col, study.cols) - first, height = std::min(map.block(), study.rows - row);
            paths[shade] += fmt::format("M{} {}h{}v{}h-{}z", first, row, width, height, width);
        }
    }
    std::string svg;
    for (const auto& [shade, path] : paths)
        svg += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", shade_text(map.colours, shade), path);
    return svg;
}

std::string colour_bar(const Map& map, double x) {
    std::string svg;
    constexpr double kStep = kMap / kShades;
    for (int shade = 0; shade < kShades; ++shade)
        svg += fmt::format("<rect x=\"{:.1f}\" y=\"{:.2f}\" width=\"{:.0f}\" height=\"{:.2f}\" fill=\"{}\"/>\n", x,
                           kTop + kMap - (shade + 1) * kStep, kBarWidth, kStep + 0.3, shade_text(map.colours, shade));
    svg += svg_frame(x, kTop, kBarWidth, kMap);
    const double distance = tick_distance(map.high - map.low);
    for (double value = std::ceil(map.low / distance) * distance; value <= map.high; value += distance) {
        const double y = kTop + kMap - (value - map.low) / (map.high - map.low) * kMap;
        svg += svg_line(x + kBarWidth, y, x + kBarWidth + 4, y, kMuted);
        svg += svg_text(x + kBarWidth + 7, y + 4, "start", tick_text(value, distance));
    }
    return svg + svg_text(x + kBarWidth / 2, kTop - 8, "middle", map.unit);
}

/// Marks at whole lines.
std::string axes(const WireStudy& study, double left, double scale) {
    std::string svg;
    const double width = study.cols * scale, height = study.rows * scale, bottom = kTop + height;
    const auto marks = [](int lines) { return std::max(1.0, tick_distance(lines)); };
    for (double line = 0; line < study.cols; line += marks(study.cols)) {
        svg += svg_line(left + (line + 0.5) * scale, bottom, left + (line + 0.5) * scale, bottom + 4, kMuted);
        svg += svg_text(left + (line + 0.5) * scale, bottom + 17, "middle", tick_text(line, 1));
    }
    for (double line = 0; line < study.rows; line += marks(study.rows)) {
        svg += svg_line(left - 4, kTop + (line + 0.5) * scale, left, kTop + (line + 0.5) * scale, kMuted);
        svg += svg_text(left - 6, kTop + (line + 0.5) * scale + 4, "end", tick_text(line, 1));
    }
    return svg + svg_frame(left, kTop, width, height) + svg_text(left + width / 2, bottom + 34, "middle", "bit line") +
           svg_upward_text(left - 40, kTop + height / 2, "word line");
}

std::string panel(const Map& map, const std::string& title, double left) {
    const double scale = kMap / std::max(map.study.rows, map.study.cols);
    return svg_text(left, kTop - 26, "start", title) +
           fmt::format("<g transform=\"translate({:.1f} {:.1f}) scale({:.6f})\" shape-rendering=\"crispEdges\">\n",
                       left, kTop, scale) +
           cells(map) + "</g>\n" + axes(map.study, left, scale) + colour_bar(map, left + kMap + kBarGap);
}

std::string ends_text(const WireOptions& lines) {
    const char* drivers = lines.drive == WireOptions::Drive::left    ? "on the left"
                          : lines.drive == WireOptions::Drive::right ? "on the right"
                                                                     : "on both sides";
    return fmt::format("drivers {}, converters at the {}", drivers,
                       lines.sense == WireOptions::Sense::bottom ? "bottom" : "top");
}

}  // namespace

std::string wire_maps(const WireStudy& study, double voltage, const WireOptions& lines, const std::string& title) {
    Map volts{study, [&](size_t cell) { return 1e3 * study.voltage[cell]; }, kRising, 0, 1, "mV"};
    Map errors{study, [&](size_t cell) { return 100 * study.error(cell); }, kAroundZero, 0, 1, "%"};
    span_values(volts, false);
    span_values(errors, true);
    const double bottom = kTop + kMap + kBelow;
    std::string note = ends_text(lines);
    if (volts.block() > 1) note += fmt::format("; means of {0} x {0} cells", volts.block());
    const std::string svg =
        svg_text(kLeft, 18, "start", shorten(title, 110)) +
        panel(volts, fmt::format("voltage of the cells, all rows at {:.6g} mV", 1e3 * voltage), kLeft) +
        panel(errors, "error of the cells as converters see them, % of G_max", kLeft + kPanel) +
        svg_text(kLeft, bottom - 8, "start", note, kMuted);
    return svg_page(kWidth, bottom, svg);
}

}  // namespace bitline::cli
