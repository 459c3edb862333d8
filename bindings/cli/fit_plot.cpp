#include "bindings/cli/fit_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bindings/cli/terminal.h"
#include "core/options.h"

namespace bitline::cli {

namespace {

constexpr double kWidth = 720, kPanel = 300, kLeft = 76, kRight = 16, kTop = 34, kBottom = 44;  // pixels
constexpr size_t kMostPanels = 6;
constexpr const char* kUp = "#c0392b";
constexpr const char* kDown = "#2471a3";

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

/// 1, 2 or 5 times a power of ten that gives four to ten marks.
double tick_distance(double range) {
    const double power = std::pow(10, std::floor(std::log10(range / 4)));
    for (const double factor : {5.0, 2.0})
        if (range / (factor * power) >= 4) return factor * power;
    return power;
}

struct Axes {
    double x0 = 0, x1 = 1, y0 = 0, y1 = 1, top = 0;

    double x(double value) const { return kLeft + (value - x0) / (x1 - x0) * (kWidth - kLeft - kRight); }
    double y(double value) const {
        return top + kPanel - kBottom - (value - y0) / (y1 - y0) * (kPanel - kTop - kBottom);
    }
};

Axes make_axes(const PulseTrace& trace, const std::vector<double>& curve, double top) {
    Axes axes;
    const auto [least, most] = std::minmax_element(trace.g.begin(), trace.g.end());
    const auto [low, high] = std::minmax_element(curve.begin(), curve.end());
    axes.x0 = static_cast<double>(trace.pulse.front());
    axes.x1 = static_cast<double>(trace.pulse.back());
    axes.y0 = 1e6 * std::min(*least, *low);
    axes.y1 = 1e6 * std::max(*most, *high);
    const double margin = axes.y1 > axes.y0 ? 0.05 * (axes.y1 - axes.y0) : 1;
    axes.y0 -= margin;
    axes.y1 += margin;
    axes.top = top;
    return axes;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, escaped(text));
}

std::string frame(const Axes& axes) {
    const double bottom = axes.top + kPanel - kBottom;
    std::string svg =
        fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#666\"/>\n", kLeft,
                    axes.top + kTop, kWidth - kLeft - kRight, kPanel - kTop - kBottom);
    const double dx = tick_distance(axes.x1 - axes.x0), dy = tick_distance(axes.y1 - axes.y0);
    for (double value = std::ceil(axes.x0 / dx) * dx; value <= axes.x1; value += dx)
        svg += text_at(axes.x(value), bottom + 16, "middle", fmt::format("{:.6g}", value + 0.0));
    for (double value = std::ceil(axes.y0 / dy) * dy; value <= axes.y1; value += dy) {
        const double shown = std::abs(value) < dy / 2 ? 0 : value;
        svg += text_at(kLeft - 6, axes.y(value) + 4, "end", fmt::format("{:.6g}", shown));
        svg += fmt::format("<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft,
                           kWidth - kRight, axes.y(value), axes.y(value));
    }
    svg += text_at((kLeft + kWidth - kRight) / 2, bottom + 34, "middle", "pulses");
    svg += fmt::format(
        "<text transform=\"translate(16 {:.1f}) rotate(-90)\" text-anchor=\"middle\">conductance, uS</text>\n",
        axes.top + (kPanel + kTop - kBottom) / 2);
    return svg;
}

std::string panel(const PulseTrace& trace, const std::vector<double>& curve, double top) {
    const Axes axes = make_axes(trace, curve, top);
    std::string svg = frame(axes);
    if (!trace.device.empty()) svg += text_at(kLeft, top + kTop - 8, "start", "device " + shorten(trace.device, 60));
    std::string line;
    for (size_t i = 0; i < trace.g.size(); ++i) {
        const double x = axes.x(static_cast<double>(trace.pulse[i]));
        // The first reading belongs to the pulses that follow it.
        const bool up = trace.sign[i == 0 && trace.sign.size() > 1 ? 1 : i] > 0;
        svg += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"1.6\" fill=\"{}\"/>\n", x, axes.y(1e6 * trace.g[i]),
                           up ? kUp : kDown);
        line += fmt::format("{:.2f},{:.2f} ", x, axes.y(1e6 * curve[i]));
    }
    return svg + "<polyline fill=\"none\" stroke=\"#222\" stroke-width=\"1.2\" points=\"" + line + "\"/>\n";
}

}  // namespace

std::string fit_svg(const PulseData& data, const PulseFit& fit, const std::string& title) {
    const size_t panels = std::min(kMostPanels, data.traces.size());
    const double height = 26 + kPanel * static_cast<double>(panels);
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        kWidth, height);
    svg += text_at(kLeft, 20, "start", title);
    svg += fmt::format(
        "<text x=\"{}\" y=\"20\" text-anchor=\"end\"><tspan fill=\"{}\">up</tspan> "
        "<tspan fill=\"{}\">down</tspan> <tspan>line: law</tspan></text>\n",
        kWidth - kRight, kUp, kDown);
    for (size_t d = 0; d < panels; ++d)
        svg += panel(data.traces[d], fit.curves[d], 26 + kPanel * static_cast<double>(d) - kTop / 2);
    return svg + "</svg>\n";
}

std::string fit_csv(const PulseData& data, const PulseFit& fit) {
    std::string text = "device,pulse,direction,measured,fitted\n";
    for (size_t d = 0; d < data.traces.size(); ++d) {
        const PulseTrace& trace = data.traces[d];
        for (size_t i = 0; i < trace.g.size(); ++i) {
            const char* direction = trace.sign[i] > 0 ? "up" : trace.sign[i] < 0 ? "down" : "";
            text +=
                fmt::format("{},{},{},{},{}\n", trace.device, trace.pulse[i], direction, trace.g[i], fit.curves[d][i]);
        }
    }
    return text;
}

}  // namespace bitline::cli
