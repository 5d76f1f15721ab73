// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/base/columns.h"
#include "advisor/base/text.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

using std::chrono::milliseconds;

/// Shown as the last cell of the states: all of them together.
constexpr std::array kStates = {TcpState::established, TcpState::syn_sent,  TcpState::syn_recv,   TcpState::fin_wait_1,
                                TcpState::fin_wait_2,  TcpState::time_wait, TcpState::close_wait, TcpState::last_ack,
                                TcpState::closing,     TcpState::listen,    TcpState::close};

std::string source_of(const Sample& sample, FactId fact) {
  const FactCoverage* found = sample.fact(fact);
  return found != nullptr && !found->in_use.empty() ? found->in_use : "none";
}

Line host_line(const Picture& picture, const View& view) {
  const Sample& now = picture.now();
  Line line("tcpadvisor ", Attr::title);
  line.add(fmt::format(" {}  Linux {}  up {}", now.host.name, now.host.kernel,
                       human_duration(milliseconds(now.host.uptime_s * 1000))));
  line.add(fmt::format("  snapshot by {}", source_of(now, FactId::snapshot)), Attr::dim);
  if (view.paused) line.add("  PAUSED", Attr::warning);
  return line;
}

/// What was lost, by kind; "nothing" is worth saying.
Span lost_text(const SelfCost& self) {
  std::string kinds;
  for (const auto& [kind, count] : self.lost) {
    if (count > 0) kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", with_commas(count), kind);
  }
  return kinds.empty() ? Span{"lost 0"} : Span{"lost " + kinds, Attr::warning};
}

Line self_line(const Picture& picture, const View& view) {
  const SelfCost& self = picture.now().self;
  const Glyphs& g = glyphs(view.utf8);
  Line line(fmt::format("{:.0f} ms old {} {} sockets in {:.1f} ms {} cpu {:.1f}% {} {} {} ", self.snapshot_age_ms,
                        g.dot, with_commas(self.sockets_walked), self.snapshot_ms, g.dot, self.cpu_percent, g.dot,
                        human_bytes(self.rss_bytes), g.dot));
  Span lost = lost_text(self);
  line.add(lost.text, lost.attr);
  if (self.hook_ns_per_s > 0) line.add(fmt::format(" {} hooks {:.2f}%", g.dot, self.hook_ns_per_s / 1e7));
  if (!self.hooks_not_measured.empty()) {
    line.add(fmt::format(" {} cost of hooks not measured: {}", g.dot, self.hooks_not_measured), Attr::warning);
  }
  return line;
}

/// What this screen cannot show, and why; no line when there is nothing to say.
std::optional<Line> caveat_line(const Sample& now) {
  std::string text;
  auto also = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  for (FactId fact : {FactId::snapshot, FactId::owners}) {
    const FactCoverage* coverage = now.fact(fact);
    if (!now.knows(fact)) {
      also(fmt::format("{} not known", name_of(fact)));
    } else if (!coverage->exact) {
      also(fmt::format("{} incomplete: {}", name_of(fact),
                       coverage->remark.empty() ? coverage->in_use : coverage->remark));
    }
  }
  if (now.self.partial)
    also("partial: " + (now.self.partial_why.empty() ? "not everything was read" : now.self.partial_why));
  if (now.rows_suppressed > 0)
    also(fmt::format("{} more sockets only in the totals", with_commas(now.rows_suppressed)));
  auto failed = std::ranges::count_if(now.netns, [](const NetnsSample& netns) { return !netns.error.empty(); });
  if (failed > 0) also(fmt::format("{} namespace{} not read", failed, failed == 1 ? "" : "s"));
  if (text.empty()) return std::nullopt;
  return Line("! " + text, Attr::warning);
}

std::string pages_text(std::uint64_t pages, const TcpMemory& memory) {
  return human_bytes(pages * memory.page_size);
}

/// "memory ███░░░░░┃░░┃░░░░ 4.8 MiB  min 734 MiB  pressure 979 MiB  max 1.4 GiB"
Line memory_line(const Sample& now, const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  const TcpMemory& memory = now.memory;
  Line line("memory ", Attr::label);
  if (!memory.pages || !memory.limits_pages) {
    return line.add(memory.pages ? pages_text(*memory.pages, memory) + " (tcp_mem cannot be read)" : "not known",
                    Attr::dim);
  }
  const auto& [low, pressure, high] = *memory.limits_pages;
  bool squeezed = memory.under_pressure.value_or(false);
  std::string text = " " + pages_text(*memory.pages, memory);
  if (squeezed) text += "  UNDER PRESSURE";
  if (squeezed && memory.pressure_ms.value_or(0) > 0) text += " " + age_text(*memory.pressure_ms);
  std::string lowest = pages_text(low, memory), mark = pages_text(pressure, memory), highest = pages_text(high, memory);
  bool narrow = squeezed && view.width < 100;
  text += narrow ? fmt::format("  ({}, {}, {})", lowest, mark, highest)
                 : fmt::format("  min {}  pressure {}  max {}", lowest, mark, highest);

  std::size_t taken = line.width() + columns_of(text);
  std::size_t bar = view.width > taken + 12 ? view.width - taken : 12;
  const auto most = static_cast<double>(high);
  auto position = [&](std::uint64_t pages) {
    double share = most > 0 ? static_cast<double>(pages) / most : 0;
    return static_cast<std::size_t>(std::min(share, 1.0) * static_cast<double>(bar));
  };
  std::size_t used = position(*memory.pages);
  Attr attr = squeezed || *memory.pages >= pressure ? Attr::critical
              : *memory.pages >= low                ? Attr::warning
                                                    : Attr::good;
  for (std::size_t i = 0; i < bar; ++i) {
    bool limit = i == position(low) || i == position(pressure) || i + 1 == bar;
    if (limit) {
      line.add(std::string(g.mark), Attr::title);
    } else {
      line.add(std::string(i < used ? g.full : g.empty), i < used ? attr : Attr::dim);
    }
  }
  return line.add(std::move(text), squeezed ? Attr::critical : Attr::normal);
}

Line state_cell(std::string_view name, std::uint64_t count, std::optional<double> change, std::size_t width,
                const Glyphs& g) {
  constexpr std::size_t kName = 12, kChange = 7;
  Line cell(left(name, std::min(kName, width), g), count > 0 ? Attr::label : Attr::dim);
  if (width <= kName + kChange) return cell;
  std::size_t number_width = width - kName - kChange;
  std::string number = with_commas(count);
  if (number.size() > number_width) number = std::to_string(count);
  cell.add(right(number, number_width, g), count > 0 ? Attr::title : Attr::dim);
  return cell.add(right(change ? change_text(*change) : "", kChange, g));
}

std::vector<Line> state_lines(const Picture& picture, const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  const PastTick& now = picture.window.last();
  std::size_t per_line = view.width >= 110 ? 4 : 3;
  std::size_t cell_width = (std::max(view.width, per_line) - (per_line - 1)) / per_line;
  auto counts = observe::state_counts(now);
  auto old_counts = picture.before() != nullptr ? observe::state_counts(*picture.before()) : counts;
  auto change = [&](std::uint64_t old_value, std::uint64_t new_value) -> std::optional<double> {
    return picture.before() != nullptr ? per_second(*picture.before(), now, old_value, new_value) : std::nullopt;
  };

  std::vector<Line> cells;
  std::uint64_t all = 0, old_all = 0;
  for (TcpState state : kStates) {
    std::size_t at = index_of(state);
    all += counts[at];
    old_all += old_counts[at];
    cells.push_back(state_cell(name_of(state), counts[at], change(old_counts[at], counts[at]), cell_width, g));
  }
  cells.push_back(state_cell("all", all, change(old_all, all), cell_width, g));

  std::vector<Line> lines;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i % per_line == 0) {
      lines.emplace_back();
    } else {
      lines.back().add(" ");
    }
    for (Span& span : cells[i].spans) lines.back().add(std::move(span.text), span.attr);
  }
  return lines;
}

}  // namespace

std::optional<double> per_second(const PastTick& before, const PastTick& now, std::uint64_t old_value,
                                 std::uint64_t new_value) {
  if (now.mono_ms <= before.mono_ms) return std::nullopt;
  double seconds = static_cast<double>(now.mono_ms - before.mono_ms) / 1000;
  return (static_cast<double>(new_value) - static_cast<double>(old_value)) / seconds;
}

std::vector<Line> header_lines(const Picture& picture, const View& view) {
  const Glyphs& g = glyphs(view.utf8);
  std::vector<Line> lines = {host_line(picture, view), self_line(picture, view)};
  if (auto caveat = caveat_line(picture.now())) lines.push_back(std::move(*caveat));
  lines.push_back(memory_line(picture.now(), view));
  for (Line& line : state_lines(picture, view)) lines.push_back(std::move(line));
  for (Line& line : lines) line = fit(std::move(line), view.width, g);
  return lines;
}

}  // namespace tcpadvisor::watch
