#include "bindings/cli/fit_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bindings/cli/svg.h"
#include "bindings/cli/terminal.h"

namespace bitline::cli {

namespace {

constexpr double kWidth = 720, kHead = 22, kPanel = 300, kLeft = 76, kRight = 16, kTop = 34, kBottom = 44;  // pixels
constexpr size_t kMostPanels = 6;
constexpr const char* kUp = kVermilion;
constexpr const char* kDown = kBlue;

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

std::string frame(const Axes& axes) {
    const double bottom = axes.top + kPanel - kBottom;
    std::string svg;
    const double dx = tick_distance(axes.x1 - axes.x0), dy = tick_distance(axes.y1 - axes.y0);
    for (double value = std::ceil(axes.x0 / dx) * dx; value <= axes.x1; value += dx) {
        svg += svg_line(axes.x(value), bottom, axes.x(value), bottom + 4, kMuted);
        svg += svg_text(axes.x(value), bottom + 17, "middle", tick_text(value, dx));
    }
    for (double value = std::ceil(axes.y0 / dy) * dy; value <= axes.y1; value += dy) {
        svg += svg_text(kLeft - 6, axes.y(value) + 4, "end", tick_text(value, dy));
        svg += svg_line(kLeft, axes.y(value), kWidth - kRight, axes.y(value), kFaint);
    }
    return svg + svg_frame(kLeft, axes.top + kTop, kWidth - kLeft - kRight, kPanel - kTop - kBottom) +
           svg_text((kLeft + kWidth - kRight) / 2, bottom + 34, "middle", "pulses") +
           svg_upward_text(18, axes.top + (kPanel + kTop - kBottom) / 2, "conductance, \u00b5S");
}

std::string panel(const PulseTrace& trace, const std::vector<double>& curve, double top) {
    const Axes axes = make_axes(trace, curve, top);
    std::string svg = frame(axes);
    if (!trace.device.empty()) svg += svg_text(kLeft, top + kTop - 8, "start", "device " + shorten(trace.device, 60));
    std::string line;
    for (size_t i = 0; i < trace.g.size(); ++i) {
        const double x = axes.x(static_cast<double>(trace.pulse[i]));
        // The first reading belongs to the pulses that follow it.
        const bool up = trace.sign[i == 0 && trace.sign.size() > 1 ? 1 : i] > 0;
        svg += fmt::format("<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"1.6\" fill=\"{}\"/>\n", x, axes.y(1e6 * trace.g[i]),
                           up ? kUp : kDown);
        line += fmt::format("{:.2f},{:.2f} ", x, axes.y(1e6 * curve[i]));
    }
    return svg + "<polyline fill=\"none\" stroke=\"" + kInk + "\" stroke-width=\"1.2\" points=\"" + line + "\"/>\n";
}

std::string legend() {
    constexpr double kY = 16;
    const auto dot = [&](double x, const char* colour) {
        return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, kY, colour);
    };
    const double right = kWidth - kRight;
    return dot(right - 172, kUp) + svg_text(right - 166, kY + 4, "start", "up") + dot(right - 138, kDown) +
           svg_text(right - 132, kY + 4, "start", "down") +
           svg_line(right - 88, kY, right - 66, kY, kInk, "stroke-width=\"1.2\"") +
           svg_text(right - 60, kY + 4, "start", "fitted law");
}

}  // namespace

std::string fit_svg(const PulseData& data, const PulseFit& fit, const std::string& title) {
    const size_t panels = std::min(kMostPanels, data.traces.size());
    std::string svg = svg_text(kLeft, 20, "start", shorten(title, 64)) + legend();
    for (size_t d = 0; d < panels; ++d)
        svg += panel(data.traces[d], fit.curves[d], kHead + kPanel * static_cast<double>(d));
    return svg_page(kWidth, kHead + kPanel * static_cast<double>(panels), svg);
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
