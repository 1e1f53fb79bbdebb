#ifndef TRIMTAB_CLIENT_COMMANDS_PARETO_PLOT_H_
#define TRIMTAB_CLIENT_COMMANDS_PARETO_PLOT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trimtab {

struct PlotPoint {
  double x = 0.0;
  double y = 0.0;
  std::string label;
  bool on_front = false;
};

// Points over two objectives, and the front among them. Texts are shown as they are, whatever they contain.
struct ParetoPlot {
  std::string title;
  std::string note;  // Below the title, smaller.
  std::string x_name;
  std::string y_name;
  std::vector<PlotPoint> points;
};

// InvalidArgument unless `path` ends in .svg or .png.
absl::Status CheckPlotPath(absl::string_view path);

// What draws it in gnuplot. Points at one place share a label; a label is left out where it would cover another, the
// front's are placed first. REQUIRES: CheckPlotPath is OK.
std::string GnuplotScript(const ParetoPlot& plot, absl::string_view path);

// Writes the picture. Errors as RunGnuplot's; Internal when nothing was written.
absl::Status WritePlot(const ParetoPlot& plot, const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_PARETO_PLOT_H_
