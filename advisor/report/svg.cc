// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "advisor/base/columns.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/report/escape.h"
#include "advisor/report/report_words.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

// As wide as a card on a small screen, so that letters keep their size there.
constexpr double kWidth = 340, kHeight = 140, kTop = 18, kBottom = 120, kLeft = 4, kRight = 336;

std::string head(double height, std::string_view id, std::string_view kind, const std::string& title,
                 const std::string& description) {
  return fmt::format(
      "<svg class=\"{}\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-labelledby=\"{}-t {}-d\">"
      "<title id=\"{}-t\">{}</title><desc id=\"{}-d\">{}</desc>",
      kind, kWidth, height, id, id, id, html_text(title), id, html_text(description));
}

std::string text_at(double x, double y, std::string_view kind, std::string_view anchor, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\" text-anchor=\"{}\">{}</text>", x, y, kind, anchor,
                     html_text(text));
}

/// A course fills its picture; a mark far above it would press it flat, and is only named then.
double top_of(const Course& course) {
  double top = course.series.max();
  for (const Course::Mark& mark : course.marks) {
    if (mark.value <= 4 * course.series.max()) top = std::max(top, mark.value);
  }
  return top > 0 && std::isfinite(top) ? top * 1.05 : 1;
}

std::string described(const Course& course) {
  const Series& series = course.series;
  std::string out = fmt::format("From {} to {} in {}, at most {}.", value_text(series.first(), course.unit),
                                value_text(series.last(), course.unit), seconds_text(series.span_s()),
                                value_text(series.max(), course.unit));
  for (const Course::Mark& mark : course.marks)
    out += fmt::format(" {}: {}.", mark.name, value_text(mark.value, course.unit));
  return out;
}

/// One place that bytes stand in.
struct Box {
  std::string_view name;
  std::optional<std::uint64_t> bytes, limit;
  std::string_view unknown;  ///< what is said where the number is not known
};

std::string box_at(double x, const Box& box) {
  constexpr double kWide = 70, kTall = 50, kY = 8;
  std::string out =
      fmt::format("<rect x=\"{:.1f}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"4\" class=\"box\"/>", x, kY,
                  kWide, kTall);
  if (box.bytes && box.limit && *box.limit > 0) {
    const double share = std::min(1.0, static_cast<double>(*box.bytes) / static_cast<double>(*box.limit));
    const double fill = share * (kTall - 2);
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.0f}\" height=\"{:.1f}\" class=\"{}\"/>", x + 1,
                       kY + kTall - 1 - fill, kWide - 2, fill, share >= 0.75 ? "fill full" : "fill");
  }
  out += text_at(x + kWide / 2, kY + 18, "name", "middle", std::string(box.name));
  out += text_at(x + kWide / 2, kY + 38, "value", "middle",
                 box.bytes ? human_bytes(*box.bytes) : std::string(box.unknown));
  return out;
}

/// Lines where they are, names above them and above each other; of those far above the picture the nearest is named.
template <typename YOf>
void add_marks(std::string& out, const Course& course, double top, YOf y_of) {
  constexpr double kLetters = 12;
  std::vector<const Course::Mark*> marks;
  for (const Course::Mark& mark : course.marks) {
    if (std::isfinite(mark.value)) marks.push_back(&mark);
  }
  std::ranges::sort(marks, {}, &Course::Mark::value);
  double last_y = kHeight;
  for (const Course::Mark* mark : marks) {
    const std::string text = fmt::format("{} {}", mark->name, value_text(mark->value, course.unit));
    if (mark->value > top) {
      out += text_at(kRight, kTop - 6, "mark", "end", text + " (far above)");
      return;
    }
    const double y = y_of(mark->value);
    out += fmt::format("<line x1=\"{:.0f}\" y1=\"{:.1f}\" x2=\"{:.0f}\" y2=\"{:.1f}\" class=\"mark\"/>", kLeft, y,
                       kRight, y);
    last_y = std::min(y - 4, last_y - kLetters);
    out += text_at(kRight, last_y, "mark", "end", text);
  }
}

}  // namespace

std::string svg_course(const Course& course, std::string_view id) {
  const Series& series = course.series;
  const double top = top_of(course), span = series.span_s() > 0 ? series.span_s() : 1;
  const double start = series.empty() ? 0 : series.points().front().t_s;
  auto x_of = [&](double t) { return kLeft + (t - start) / span * (kRight - kLeft); };
  auto y_of = [&](double value) {
    const double share = std::isfinite(value) ? std::clamp(value / top, 0.0, 1.0) : 0;
    return kBottom - share * (kBottom - kTop);
  };

  std::string out = head(kHeight, id, "course", course.name, described(course));
  out += fmt::format("<line x1=\"{:.0f}\" y1=\"{:.0f}\" x2=\"{:.0f}\" y2=\"{:.0f}\" class=\"axis\"/>", kLeft, kBottom,
                     kRight, kBottom);
  std::string line;
  for (const Series::Point& point : series.points())
    line += fmt::format("{}{:.1f},{:.1f}", line.empty() ? "" : " ", x_of(point.t_s), y_of(point.value));
  out += fmt::format("<polygon points=\"{:.1f},{:.1f} {} {:.1f},{:.1f}\" class=\"area\"/>", kLeft, kBottom, line,
                     x_of(start + span), kBottom);
  add_marks(out, course, top, y_of);
  out += fmt::format("<polyline points=\"{}\" class=\"line\"/>", line);
  out += text_at(kLeft, kTop - 6, "value", "start", "at most " + value_text(series.max(), course.unit));
  out += text_at(kLeft, kHeight - 4, "time", "start", "0 s");
  out += text_at(kRight, kHeight - 4, "time", "end", seconds_text(series.span_s()));
  return out + "</svg>";
}

std::string svg_chain(const Chain& chain, std::string_view id) {
  constexpr double kStep = 89.5, kFirst = 0.75, kChainHeight = 92;
  const std::array boxes = {Box{"program", chain.driver, std::nullopt, "not told"},
                            Box{"Send-Q", chain.send_q, chain.send_limit, "not here"},
                            Box{"wire", chain.in_flight, std::nullopt, "not known"},
                            Box{"Recv-Q", chain.recv_q, chain.recv_limit, "not here"}};
  std::string description = fmt::format("From {} to {}:", chain.writer, chain.reader);
  for (const Box& box : boxes)
    description +=
        fmt::format(" {} {};", box.name, box.bytes ? with_commas(*box.bytes) + " bytes" : std::string(box.unknown));
  if (chain.window) description += fmt::format(" the window is {} bytes.", with_commas(*chain.window));
  std::string out = head(kChainHeight, id, "chain", "Where the bytes stand", description);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const double x = kFirst + static_cast<double>(i) * kStep;
    out += box_at(x, boxes[i]);
    if (i + 1 < boxes.size()) out += fmt::format("<path d=\"M{:.0f} 33h14m-5 -4l5 4l-5 4\" class=\"arrow\"/>", x + 73);
  }
  constexpr std::size_t kNameColumns = 24;
  out += text_at(0, 86, "end", "start", cut_middle(printable(chain.writer), kNameColumns));
  out += text_at(kWidth, 86, "end", "end", cut_middle(printable(chain.reader), kNameColumns));
  if (chain.window) {
    const bool shut = *chain.window == 0;
    out += text_at(2 * kStep + 35, 72, shut ? "shut" : "time", "middle",
                   shut ? "window shut" : "window " + human_bytes(*chain.window));
  }
  return out + "</svg>";
}

}  // namespace tcpadvisor
