#include "client/commands/pareto_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands/gnuplot.h"

namespace trimtab {
namespace {

// The picture and, inside it, the axes' box; in pixels from the lower left.
constexpr double kWidth = 960, kHeight = 640;
constexpr double kLeft = 90, kRight = 930, kBottom = 75, kTop = 555;
constexpr double kLetterWidth = 6.6, kLineHeight = 15;  // Of a label, a little more than it needs.
constexpr double kDot = 6;                              // Half the width of a point.

struct Axis {
  double low = 0.0, high = 1.0;
  double pixels_from = 0.0, pixels_to = 1.0;
  double Pixel(double value) const { return pixels_from + (value - low) / (high - low) * (pixels_to - pixels_from); }
};

Axis AxisOf(const std::vector<PlotPoint>& points, double PlotPoint::*value, double from, double to) {
  Axis axis{points.front().*value, points.front().*value, from, to};
  for (const PlotPoint& point : points) {
    axis.low = std::min(axis.low, point.*value);
    axis.high = std::max(axis.high, point.*value);
  }
  const double margin = axis.high > axis.low ? 0.09 * (axis.high - axis.low) : 1.0;
  axis.low -= margin;
  axis.high += margin;
  return axis;
}

struct Box {
  double left, right, bottom, top;
  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && bottom < other.top && other.bottom < top;
  }
};

constexpr Box kKey = {800, kRight, 510, kTop};

// A text and where it begins, ends or has its middle.
struct Label {
  std::string text;
  double x, y;
  const char* align;
  Box box;
};

// The points at one place.
struct Place {
  double x, y;  // In pixels.
  std::string text;
  bool on_front = false;
};

std::vector<Place> PlacesOf(const std::vector<PlotPoint>& points, const Axis& x, const Axis& y) {
  std::map<std::pair<double, double>, std::vector<const PlotPoint*>> by_place;
  for (const PlotPoint& point : points) by_place[{point.x, point.y}].push_back(&point);
  std::vector<Place> places;
  for (const auto& [place, here] : by_place) {
    std::string text = here.front()->label;
    if (here.size() > 1) absl::StrAppend(&text, " +", here.size() - 1);
    places.push_back({x.Pixel(place.first), y.Pixel(place.second), std::move(text), here.front()->on_front});
  }
  std::stable_partition(places.begin(), places.end(), [](const Place& place) { return place.on_front; });
  return places;
}

std::array<Label, 6> WaysToLabel(const Place& place) {
  const double width = kLetterWidth * static_cast<double>(place.text.size());
  const auto way = [&](double dx, double dy, const char* align) {
    const double x = place.x + dx, y = place.y + dy;
    const double left = align[0] == 'l' ? x : align[0] == 'r' ? x - width : x - width / 2;
    return Label{place.text, x, y, align, {left, left + width, y - kLineHeight / 2, y + kLineHeight / 2}};
  };
  return {way(10, 9, "left"),   way(-10, -9, "right"), way(10, -9, "left"),
          way(-10, 9, "right"), way(0, 17, "center"),  way(0, -17, "center")};
}

// Each place gets the first way that covers no point, no other label and no edge; or no label.
std::vector<Label> PlaceLabels(const std::vector<Place>& places) {
  std::vector<Box> taken = {kKey};
  for (const Place& place : places) taken.push_back({place.x - kDot, place.x + kDot, place.y - kDot, place.y + kDot});
  std::vector<Label> labels;
  for (const Place& place : places) {
    for (Label& label : WaysToLabel(place)) {
      const Box& box = label.box;
      if (box.left < kLeft || box.right > kRight || box.bottom < kBottom || box.top > kTop) continue;
      if (std::any_of(taken.begin(), taken.end(), [&](const Box& other) { return other.Meets(box); })) continue;
      taken.push_back(box);
      labels.push_back(std::move(label));
      break;
    }
  }
  return labels;
}

std::string DataBlock(absl::string_view name, std::vector<PlotPoint> points) {
  std::sort(points.begin(), points.end(),
            [](const PlotPoint& a, const PlotPoint& b) { return std::pair(a.x, -a.y) < std::pair(b.x, -b.y); });
  std::string block = absl::StrCat("$", name, " << END\n");
  for (const PlotPoint& point : points) absl::StrAppendFormat(&block, "%.9g %.9g\n", point.x, point.y);
  return block + "END\n";
}

std::string Terminal(absl::string_view path) {
  const bool svg = absl::EndsWith(path, ".svg");
  // A path that begins with | would be a command.
  const std::string file = absl::StartsWith(path, "/") ? std::string(path) : absl::StrCat("./", path);
  return absl::StrFormat(
      "set terminal %s size %d,%d noenhanced font 'DejaVu Sans,11' background '#ffffff'\nset output %s\n",
      svg ? "svg" : "pngcairo", static_cast<int>(kWidth), static_cast<int>(kHeight), GnuplotString(file));
}

std::string Frame(const ParetoPlot& plot, const Axis& x, const Axis& y) {
  std::string out = "set encoding utf8\n";
  absl::StrAppendFormat(&out, "set lmargin at screen %g\nset rmargin at screen %g\n", kLeft / kWidth, kRight / kWidth);
  absl::StrAppendFormat(&out, "set bmargin at screen %g\nset tmargin at screen %g\n", kBottom / kHeight,
                        kTop / kHeight);
  absl::StrAppendFormat(&out, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", x.low, x.high, y.low, y.high);
  absl::StrAppend(&out, "set label 1 ", GnuplotString(plot.title),
                  " at screen 0.5,0.955 center font 'DejaVu Sans,15' tc rgb '#222222'\n", "set label 2 ",
                  GnuplotString(plot.note), " at screen 0.5,0.905 center font 'DejaVu Sans,10' tc rgb '#666666'\n",
                  "set xlabel ", GnuplotString(plot.x_name), " tc rgb '#222222'\nset ylabel ",
                  GnuplotString(plot.y_name), " tc rgb '#222222'\n");
  absl::StrAppend(&out,
                  "set border 3 lc rgb '#888888'\nset tics nomirror textcolor rgb '#555555'\n"
                  "set grid lc rgb '#e6e6e6' lt 1\n"
                  "set key at screen 0.97,0.855 right samplen 2 textcolor rgb '#444444'\n");
  return out;
}

}  // namespace

absl::Status CheckPlotPath(absl::string_view path) {
  if (absl::EndsWith(path, ".svg") || absl::EndsWith(path, ".png")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--plot ", path, " names no kind of picture; expected *.svg or *.png"));
}

std::string GnuplotScript(const ParetoPlot& plot, absl::string_view path) {
  std::vector<PlotPoint> front, others;
  for (const PlotPoint& point : plot.points) {
    if (std::isfinite(point.x) && std::isfinite(point.y)) (point.on_front ? front : others).push_back(point);
  }
  std::vector<PlotPoint> shown = front;
  shown.insert(shown.end(), others.begin(), others.end());
  if (shown.empty()) shown.emplace_back();
  const Axis x = AxisOf(shown, &PlotPoint::x, kLeft, kRight), y = AxisOf(shown, &PlotPoint::y, kBottom, kTop);
  std::string script =
      absl::StrCat(Terminal(path), Frame(plot, x, y), DataBlock("front", front), DataBlock("others", others));
  int number = 2;
  for (const Label& label : PlaceLabels(PlacesOf(shown, x, y))) {
    absl::StrAppendFormat(&script,
                          "set label %d %s at screen %.5f,%.5f %s font 'DejaVu Sans,9' tc rgb '#333333' front\n",
                          ++number, GnuplotString(label.text), label.x / kWidth, label.y / kHeight, label.align);
  }
  absl::StrAppend(&script, "plot ");
  if (!others.empty()) absl::StrAppend(&script, "$others with points pt 7 ps 0.9 lc rgb '#a9b4bf' title 'dominated', ");
  absl::StrAppend(&script, "$front with linespoints lw 2 pt 7 ps 1.2 lc rgb '#0072b2' title 'front'\n");
  return script;
}

absl::Status WritePlot(const ParetoPlot& plot, const std::string& path) {
  return RunGnuplot(GnuplotScript(plot, path));
}

}  // namespace trimtab
