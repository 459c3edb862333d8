#include "bindings/cli/age_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "bindings/cli/simulate_report.h"
#include "bindings/cli/svg.h"
#include "bindings/cli/terminal.h"
#include "core/ages.h"
#include "core/error.h"

namespace bitline::cli {

namespace {

constexpr double kWidth = 720, kLeft = 70, kRight = 20, kTop = 86, kPlot = 290, kBelow = 46;  // pixels
constexpr double kFreshWidth = 64, kGap = 12;  // what stands for t = 0, and the break behind it
constexpr double kLineHeight = 16, kCharacter = 6.6;
constexpr int kNoteColumns = 104;

double percent(double share) { return 100 * share; }

struct Axes {
    bool fresh = false;          // a place for t = 0
    double first = 0, last = 1;  // log10 of seconds
    double low = 0, high = 100;  // percent
    double left = kLeft;         // of the logarithmic part

    double x(double age) const {
        if (age == 0) return kLeft + kFreshWidth / 2;
        return left + (std::log10(age) - first) / (last - first) * (kWidth - kRight - left);
    }
    double y(double accuracy) const { return kTop + kPlot - (accuracy - low) / (high - low) * kPlot; }
};

/// Everything drawn lies inside, with some air; at least two points of accuracy.
void span_accuracies(const SimulationResult& result, Axes& axes) {
    double low = percent(result.software_accuracy), high = low;
    for (const AgeResult& age : result.ages) {
        if (!age.chip) continue;
        const double mean = percent(age.chip->accuracy_mean);
        const double reach = percent(std::max(age.chip->accuracy_std.value_or(0), age.chip->accuracy_ci95.value_or(0)));
        low = std::min(low, mean - reach);
        high = std::max(high, mean + reach);
    }
    const double margin = std::max(1.0, 0.08 * (high - low));
    axes.low = low - margin;
    axes.high = high + margin;
}

/// Whole decades around the ages.
void span_ages(const SimulationResult& result, Axes& axes) {
    double first = 0, last = 0;
    bool any = false;
    for (const AgeResult& age : result.ages) {
        if (age.age == 0) {
            axes.fresh = true;
            continue;
        }
        last = std::log10(age.age);
        if (!any) first = last;
        any = true;
    }
    constexpr double kAir = 0.15;
    axes.first = std::floor(first) - kAir;
    axes.last = std::max(std::ceil(last), std::floor(first) + 1) + kAir;
    if (axes.fresh) axes.left = kLeft + kFreshWidth + kGap;
}

std::string power_of_ten(int exponent) {
    static const std::array<const char*, 10> kRaised{"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                                     "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    std::string text = exponent < 0 ? "10\u207b" : "10";
    for (const char digit : std::to_string(std::abs(exponent))) text += kRaised[static_cast<size_t>(digit - '0')];
    return text;
}

std::string time_axis(const Axes& axes) {
    const double bottom = kTop + kPlot;
    const int first = static_cast<int>(std::ceil(axes.first)), last = static_cast<int>(std::floor(axes.last));
    const int stride = (last - first + 12) / 13;
    std::string svg;
    for (int e = first; e <= last; ++e) {
        const double x = axes.x(std::pow(10, e));
        svg += svg_line(x, bottom, x, bottom + 5, kMuted);
        if ((e - first) % stride == 0) svg += svg_text(x, bottom + 20, "middle", power_of_ten(e));
    }
    if (axes.fresh) svg += svg_text(axes.x(0), bottom + 20, "middle", "0");
    return svg + svg_text((kLeft + kWidth - kRight) / 2, bottom + 40, "middle", "time since programming, s");
}

std::string accuracy_axis(const Axes& axes) {
    std::string svg;
    const double distance = tick_distance(axes.high - axes.low), top = std::min(100.0, axes.high);
    for (double value = std::ceil(std::max(0.0, axes.low) / distance) * distance; value <= top; value += distance) {
        svg += svg_line(kLeft, axes.y(value), kWidth - kRight, axes.y(value), kFaint);
        svg += svg_text(kLeft - 8, axes.y(value) + 4, "end", tick_text(value, distance));
    }
    return svg + svg_upward_text(20, kTop + kPlot / 2, "accuracy, %");
}

/// The plot's borders, with a break between t = 0 and the logarithmic axis.
std::string borders(const Axes& axes) {
    if (!axes.fresh) return svg_frame(kLeft, kTop, kWidth - kLeft - kRight, kPlot);
    std::string gap =
        fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"white\"/>\n",
                    kLeft + kFreshWidth, kTop - 1, kGap, kPlot + 2);
    return gap + svg_frame(kLeft, kTop, kFreshWidth, kPlot) +
           svg_frame(axes.left, kTop, kWidth - kRight - axes.left, kPlot);
}

/// Runs of ages on one side of the break, without n/a between them: what a line may join.
std::vector<std::vector<const AgeResult*>> runs_of(const SimulationResult& result) {
    std::vector<std::vector<const AgeResult*>> runs(1);
    for (const AgeResult& age : result.ages) {
        if (age.chip) runs.back().push_back(&age);
        if (!runs.back().empty() && (!age.chip || age.age == 0)) runs.emplace_back();
    }
    return runs;
}

std::string band(const Axes& axes, const std::vector<const AgeResult*>& run) {
    std::string upper, lower;
    const auto corner = [&](double x, double mean, double deviation, bool above) {
        const double y = std::clamp(percent(mean + (above ? deviation : -deviation)), 0.0, 100.0);
        return fmt::format("{:.1f},{:.1f} ", x, axes.y(y));
    };
    for (const AgeResult* age : run) {
        const ChipResult& chip = *age->chip;
        if (!chip.accuracy_std) return {};
        const double half = run.size() == 1 ? 9 : 0, x = axes.x(age->age);  // a lone age gets a band of some width
        upper += corner(x - half, chip.accuracy_mean, *chip.accuracy_std, true);
        lower = corner(x - half, chip.accuracy_mean, *chip.accuracy_std, false) + lower;
        if (half == 0) continue;
        upper += corner(x + half, chip.accuracy_mean, *chip.accuracy_std, true);
        lower = corner(x + half, chip.accuracy_mean, *chip.accuracy_std, false) + lower;
    }
    if (run.empty()) return {};
    return fmt::format("<polygon fill=\"{}\" fill-opacity=\"0.18\" points=\"{}{}\"/>\n", kBlue, upper, lower);
}

std::string mean_line(const Axes& axes, const std::vector<const AgeResult*>& run) {
    if (run.size() < 2) return {};
    std::string points;
    for (const AgeResult* age : run)
        points += fmt::format("{:.1f},{:.1f} ", axes.x(age->age), axes.y(percent(age->chip->accuracy_mean)));
    return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" points=\"{}\"/>\n", kBlue, points);
}

std::string mark(const Axes& axes, const AgeResult& age) {
    const ChipResult& chip = *age.chip;
    const double x = axes.x(age.age), mean = percent(chip.accuracy_mean);
    std::string svg;
    if (chip.accuracy_ci95) {
        const double top = axes.y(std::min(100.0, mean + percent(*chip.accuracy_ci95)));
        const double bottom = axes.y(std::max(0.0, mean - percent(*chip.accuracy_ci95)));
        svg += svg_line(x, top, x, bottom, kBlue, "stroke-width=\"1.4\"");
        for (const double y : {top, bottom}) svg += svg_line(x - 4, y, x + 4, y, kBlue, "stroke-width=\"1.4\"");
    }
    return svg + fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.4\" fill=\"{}\"/>\n", x, axes.y(mean), kBlue);
}

/// Names of the ages above the plot, as many as fit, and n/a where there is nothing to draw.
std::string age_marks(const SimulationResult& result, const Axes& axes) {
    std::string svg;
    double end = 0;
    for (const AgeResult& age : result.ages) {
        const double x = axes.x(age.age);
        svg += svg_line(x, kTop, x, kTop + 5, kMuted);
        const std::string name = age_text(age.age);
        const double half = kCharacter * static_cast<double>(std::max<size_t>(name.size(), 3)) / 2;
        if (x - half < end) continue;
        end = x + half + kCharacter;
        svg += svg_text(x, kTop - 6, "middle", name, age.chip ? kInk : kMuted);
        if (!age.chip) svg += svg_text(x, kTop + 20, "middle", "n/a", kVermilion);
    }
    return svg;
}

std::string legend(const SimulationResult& result) {
    const size_t trials = result.trials.size();
    std::string text = trials == 1 ? "one chip"
                                   : fmt::format(
                                         "mean of {} chips, band: standard deviation, bars: 95 % "
                                         "interval of the mean",
                                         count_text(static_cast<int64_t>(trials)));
    const double y = 46;
    std::string svg =
        svg_line(kLeft, y - 4, kLeft + 24, y - 4, kBlue, "stroke-width=\"1.8\"") +
        fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.4\" fill=\"{}\"/>\n", kLeft + 12, y - 4, kBlue) +
        svg_text(kLeft + 30, y, "start", text);
    const double above = 24;
    svg += svg_line(kWidth - kRight - 160, above - 4, kWidth - kRight - 136, above - 4, kVermilion,
                    "stroke-width=\"1.4\" stroke-dasharray=\"6 4\"");
    return svg + svg_text(kWidth - kRight - 130, above, "start",
                          fmt::format("software, {}", percent_text(result.software_accuracy)));
}

/// Why ages have no figures, in lines.
std::vector<std::string> reasons(const SimulationResult& result) {
    std::vector<std::string> lines;
    std::istringstream text(outside_text(result, kNoteColumns));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
}

}  // namespace

void require_ages_to_plot(const std::vector<double>& ages) {
    if (ages.size() >= 2) return;
    throw ConfigError("--plot draws accuracy over time and needs two ages or more, such as --age 0,1s,1h,1d,30d,1y");
}

std::string age_svg(const SimulationResult& result, const std::string& title) {
    Axes axes;
    span_ages(result, axes);
    span_accuracies(result, axes);
    const double software = axes.y(percent(result.software_accuracy));
    std::string svg = svg_text(kLeft, 24, "start", shorten(title, 70)) + legend(result) + accuracy_axis(axes);
    svg += svg_line(kLeft, software, kWidth - kRight, software, kVermilion,
                    "stroke-width=\"1.4\" stroke-dasharray=\"6 4\"");
    const auto runs = runs_of(result);
    for (const auto& run : runs) svg += band(axes, run) + mean_line(axes, run);
    svg += borders(axes) + time_axis(axes) + age_marks(result, axes);
    for (const auto& run : runs)
        for (const AgeResult* age : run) svg += mark(axes, *age);
    double y = kTop + kPlot + kBelow;
    for (const std::string& line : reasons(result)) svg += svg_text(kLeft, y += kLineHeight, "start", line, kMuted);
    return svg_page(kWidth, y + 14, svg);
}

}  // namespace bitline::cli
