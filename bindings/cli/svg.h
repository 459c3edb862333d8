#pragma once

// Pieces of self-contained SVG pictures. Coordinates in pixels, y downwards.

#include <string>

namespace bitline::cli {

// Colours that differ for every kind of colour vision and in grey (M. Okabe, K. Ito, "Color Universal Design", 2008).
inline constexpr const char* kBlue = "#0072b2";
inline constexpr const char* kVermilion = "#d55e00";
inline constexpr const char* kInk = "#222222";
inline constexpr const char* kMuted = "#666666";  // frames and secondary text
inline constexpr const char* kFaint = "#dddddd";  // grid

/// A white page with `body` on it.
std::string svg_page(double width, double height, const std::string& body);

/// `anchor`: start, middle or end. `text` may come from a file.
std::string svg_text(double x, double y, const char* anchor, const std::string& text, const char* colour = kInk);

/// Read from below, centred at (x, y).
std::string svg_upward_text(double x, double y, const std::string& text);

std::string svg_line(double x1, double y1, double x2, double y2, const char* colour, const char* more = "");
std::string svg_frame(double x, double y, double width, double height);

/// 1, 2 or 5 times a power of ten that gives four to ten marks.
double tick_distance(double range);

/// A mark's number; what differs from 0 by rounding is 0.
std::string tick_text(double value, double distance);

}  // namespace bitline::cli
