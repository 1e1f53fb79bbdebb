#include "client/commands/pareto_plot.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/gnuplot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

ParetoPlot Curve(int points) {
  ParetoPlot plot{.title = "a title", .note = "a note", .x_name = "precision", .y_name = "recall", .points = {}};
  for (int i = 0; i < points; ++i) {
    plot.points.push_back({1.0 * i, std::sqrt(points - i), absl::StrCat("point ", i), i % 2 == 0});
  }
  return plot;
}

// All text of a picture, by a parser that takes well-formed XML only.
std::string TextOf(const std::string& svg) {
  const ProcessResult result = RunProcess(
      {"/usr/bin/env", "python3", "-c",
       "import sys, xml.etree.ElementTree as e; print(''.join(e.parse(sys.argv[1]).getroot().itertext()))", svg});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.out;
}

TEST(GnuplotStringTest, LeavesNothingToSubstituteAndStaysOnItsLine) {
  EXPECT_EQ(GnuplotString("a"), "'a'");
  EXPECT_EQ(GnuplotString("it's `id` \\ \"x\" $y @z"), "'it''s `id` \\ \"x\" $y @z'");
  EXPECT_EQ(GnuplotString("two\nlines\r\t\x01"), "'two lines   '");
}

TEST(ParetoPlotTest, WritesAnSvgWithAllThatItShows) {
  const TempDir folder;
  const std::string path = folder.File("a'b c.svg");
  ASSERT_OK(WritePlot(Curve(6), path));
  const std::string text = TextOf(path);
  for (const char* shown : {"a title", "a note", "precision", "recall", "point 0", "point 3", "front", "dominated"}) {
    EXPECT_THAT(text, HasSubstr(shown));
  }
}

TEST(ParetoPlotTest, WritesAPng) {
  const TempDir folder;
  ASSERT_OK(WritePlot(Curve(6), folder.File("plot.png")));
  EXPECT_THAT(Contents(folder.File("plot.png")), testing::StartsWith("\x89PNG"));
}

TEST(ParetoPlotTest, ShowsHostileTextAsText) {
  const TempDir folder;
  const std::string bait = folder.File("bait"), path = folder.File("plot.svg");
  const std::string hostile =
      absl::StrCat("<b>'; system 'touch ", bait, "'; `touch ", bait, "` & \"$HOME\" \\ {/Bold x} _1^2");
  ParetoPlot plot = Curve(3);
  plot.title = plot.note = plot.x_name = plot.y_name = hostile;
  plot.points[0].label = "END\n!touch " + bait;
  ASSERT_OK(WritePlot(plot, path));
  EXPECT_FALSE(std::filesystem::exists(bait));
  const std::string text = TextOf(path);
  EXPECT_THAT(text, HasSubstr(hostile));
  EXPECT_THAT(text, HasSubstr("END !touch"));
}

TEST(ParetoPlotTest, APathIsAFileWhateverItBeginsWith) {
  EXPECT_THAT(GnuplotScript(Curve(2), "|cat.svg"), HasSubstr("set output './|cat.svg'\n"));
  EXPECT_THAT(GnuplotScript(Curve(2), "/tmp/x.svg"), HasSubstr("set output '/tmp/x.svg'\n"));
}

TEST(ParetoPlotTest, PointsAtOnePlaceShareALabelAndTheFrontIsLabelledFirst) {
  ParetoPlot plot = Curve(0);
  for (int i = 0; i < 5; ++i) plot.points.push_back({2.0, 3.0, absl::StrCat("same ", i), true});
  EXPECT_THAT(GnuplotScript(plot, "x.svg"), HasSubstr("'same 0 +4'"));
  plot = Curve(0);
  for (int i = 0; i < 200; ++i) plot.points.push_back({1.0 + 1e-4 * i, 1.0, absl::StrCat("near ", i), i == 150});
  const std::string crowded = GnuplotScript(plot, "x.svg");
  EXPECT_THAT(crowded, HasSubstr("'near 150'"));
  EXPECT_THAT(crowded, Not(HasSubstr("'near 151'"))) << "would cover its neighbour's";
}

TEST(ParetoPlotTest, DrawsOnePointAndLeavesOutWhatIsNoNumber) {
  const TempDir folder;
  ParetoPlot plot = Curve(1);
  plot.points.push_back({std::numeric_limits<double>::quiet_NaN(), 1.0, "nowhere", false});
  plot.points.push_back({1.0, std::numeric_limits<double>::infinity(), "nowhere", false});
  ASSERT_OK(WritePlot(plot, folder.File("plot.svg")));
  EXPECT_THAT(TextOf(folder.File("plot.svg")), Not(HasSubstr("nowhere")));
}

TEST(ParetoPlotTest, TellsWhatIsWrong) {
  EXPECT_OK(CheckPlotPath("a.svg"));
  EXPECT_OK(CheckPlotPath("a.png"));
  EXPECT_THAT(CheckPlotPath("a.pdf"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("*.svg or *.png")));
  const TempDir folder;
  EXPECT_THAT(WritePlot(Curve(2), folder.File("missing/plot.svg")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("gnuplot failed")));
}

}  // namespace
}  // namespace trimtab
