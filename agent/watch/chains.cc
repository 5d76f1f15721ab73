// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/chains.h"

#include <fmt/format.h>

#include "advisor/base/columns.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "agent/watch/units.h"

namespace tcpadvisor::watch {
namespace {

using observe::bytes_of;
using observe::End;

/// What holds senders back and what becomes of the bytes: "1 waiting, 2 suspended, shutdown pending".
std::string notes_on(const UserQueue& driver) {
  std::string notes;
  auto add = [&](const std::string& note) { notes += (notes.empty() ? "" : ", ") + note; };
  if (driver.waiting.value_or(0) > 0) add(fmt::format("{} waiting", *driver.waiting));
  if (driver.suspended.value_or(0) > 0) add(fmt::format("{} suspended", *driver.suspended));
  if (notes.empty() && driver.busy.value_or(false)) add("busy");
  if (driver.message_busy.value_or(false)) {
    add(driver.message_queue ? fmt::format("message queue {} busy", queue_text(*driver.message_queue))
                             : "message queue busy");
  }
  if (driver.pending_shutdown.value_or(false)) add("shutdown pending");
  if (driver.dropped.value_or(0) > 0) add(fmt::format("dropped {}", queue_text(*driver.dropped)));
  return notes;
}

/// With what only ever grows: it alone is no reason to show a driver.
std::string all_notes_on(const UserQueue& driver) {
  std::string notes = notes_on(driver);
  if (driver.refused.value_or(0) == 0) return notes;
  return notes + fmt::format("{}{} sends refused", notes.empty() ? "" : ", ", with_commas(*driver.refused));
}

std::string driver_name(const UserQueue& driver) {
  return driver.name.empty() ? "driver" : "driver " + driver.name;
}

bool is_alive(const UserQueue* driver) {
  return driver != nullptr && !driver->ended;
}

/// How much of a chain is shown; the last level is the shortest.
enum class Detail { all, notes_below, no_parts, owner_below };

void add_wire(Line& line, const End& from, const End& to, const Glyphs& g) {
  std::optional<std::uint32_t> window;
  if (from.row != nullptr) window = from.row->snd_wnd;
  if (from.row == nullptr && to.row != nullptr) window = to.row->rcv_wnd;
  line.add(fmt::format(" {} wire", g.arrow), Attr::dim);
  if (window) {
    bool closed = *window == 0 && from.row != nullptr && from.row->send_q > 0;
    line.add(fmt::format(" (wnd {})", queue_text(*window)), closed ? Attr::critical : Attr::dim);
  }
  line.add(fmt::format(" {} ", g.arrow), Attr::dim);
}

Line& add_queue(Line& line, std::string_view name, std::uint64_t bytes) {
  return line.add(fmt::format("{} {}", name, queue_text(bytes)), bytes > 0 ? Attr::title : Attr::normal);
}

Line chain(const End& from, const End& to, const Glyphs& g, Detail detail, std::string_view of_all) {
  Line line(fmt::format("  {}", of_all));
  if (is_alive(from.driver)) {
    add_queue(line, detail < Detail::no_parts ? driver_name(*from.driver) : "driver", from.driver->queued);
    std::string notes = all_notes_on(*from.driver);
    if (detail == Detail::all && !notes.empty()) line.add(fmt::format(" ({})", notes), Attr::warning);
    line.add(fmt::format(" {} ", g.arrow), Attr::dim);
  }
  if (!from.row_is_real) return line.add("Send-Q ? (the socket has no line of its own)", Attr::dim);
  if (from.row != nullptr) {
    add_queue(line, "Send-Q", from.row->send_q);
    bool unsent = detail < Detail::no_parts && from.row->not_sent.value_or(0) > 0;
    if (unsent) line.add(fmt::format(" (not sent {})", queue_text(*from.row->not_sent)));
  } else {
    line.add("peer", Attr::dim);
  }
  add_wire(line, from, to, g);
  if (to.row != nullptr) {
    add_queue(line, "Recv-Q", to.row->recv_q);
  } else {
    line.add("peer", Attr::dim);
  }
  return line;
}

/// What does not fit beside the chain, below it: what the driver says, and who reads. Its pid stays.
void add_below(std::vector<Line>& lines, const std::string& notes, const std::string& owner, const std::string& state,
               const Glyphs& g, std::size_t width) {
  constexpr std::string_view kIndent = "    ", kReader = "Recv-Q of ";
  auto reader = [&](std::size_t room) {
    std::size_t taken = kReader.size() + columns_of(state);
    return fmt::format("{}{}{}", kReader, cut_owner(owner, room > taken ? room - taken : 1, g), state);
  };
  std::string whole = owner.empty() ? "" : reader(SIZE_MAX);
  std::string both = notes + (notes.empty() || whole.empty() ? "" : "; ") + whole;
  bool in_one_line = kIndent.size() + columns_of(both) <= width;
  Line line{std::string(kIndent)};
  if (!notes.empty()) line.add(notes, Attr::warning);
  if (in_one_line && !whole.empty()) line.add(both.substr(notes.size()), Attr::dim);
  if (line.spans.size() > 1) lines.push_back(std::move(line));
  if (!in_one_line && !whole.empty()) {
    std::size_t room = width > kIndent.size() ? width - kIndent.size() : 1;
    lines.push_back(std::move(Line(std::string(kIndent)).add(reader(room), Attr::dim)));
  }
}

/// The chain from one end to the other with all that fits, and below it what does not.
void add_direction(std::vector<Line>& lines, const End& from, const End& to, const Glyphs& g, std::size_t width,
                   std::string_view of_all, bool name_far_end) {
  std::string owner, state;
  if (name_far_end && to.row != nullptr) {
    owner = owner_text(*to.row);
    if (to.row->state != from.row->state) state = fmt::format(" {}", state_text(to.row->state));
  }
  std::string notes = is_alive(from.driver) ? all_notes_on(*from.driver) : "";
  Line line;
  Detail detail = Detail::all;
  for (Detail level : {Detail::all, Detail::notes_below, Detail::no_parts, Detail::owner_below}) {
    line = chain(from, to, g, detail = level, of_all);
    if (!owner.empty() && level != Detail::owner_below) line.add(fmt::format(" {}{}", owner, state), Attr::dim);
    if (line.width() <= width) break;
  }
  lines.push_back(std::move(line));
  if (detail == Detail::all) return;
  if (!notes.empty()) notes = (detail < Detail::no_parts ? "driver" : driver_name(*from.driver)) + ": " + notes;
  bool owner_below = detail == Detail::owner_below;
  add_below(lines, notes, owner_below ? owner : "", owner_below ? state : "", g, width);
}

void add_last_word(std::vector<Line>& lines, const UserQueue* driver) {
  if (driver == nullptr || !driver->ended || bytes_of(driver) == 0) return;
  std::string text;
  if (driver->dropped.value_or(0) > 0) text = fmt::format(" dropped {}", with_commas(*driver->dropped));
  if (driver->queued > 0)
    text += fmt::format("{} left {} behind", text.empty() ? "" : ",", with_commas(driver->queued));
  Line line("  " + driver_name(*driver) + text, Attr::critical);
  if (driver->accepted) line.add(fmt::format(" of {} accepted", with_commas(*driver->accepted)));
  line.add(fmt::format(" (ended {} ago)", age_text(driver->age_ms)), Attr::dim);
  lines.push_back(std::move(line));
}

}  // namespace

std::vector<Line> chain_lines(const Link& link, const Glyphs& g, std::size_t width, std::string_view of_all) {
  End near{link.near, link.near_driver, link.stand_in == nullptr}, far{link.far, link.far_driver};
  bool far_tells = far.row != nullptr && (far.row->state != near.row->state || far.row->holder != near.row->holder);
  auto waits = [](const End& from, const End& to) {
    bool in_driver = is_alive(from.driver) && (from.driver->queued > 0 || !notes_on(*from.driver).empty());
    return in_driver || (from.row != nullptr && from.row->send_q > 0) || (to.row != nullptr && to.row->recv_q > 0);
  };
  std::vector<Line> lines;
  if (waits(near, far) || far_tells) add_direction(lines, near, far, g, width, of_all, true);
  if (waits(far, near)) add_direction(lines, far, near, g, width, of_all, false);
  add_last_word(lines, near.driver);
  add_last_word(lines, far.driver);
  return lines;
}

}  // namespace tcpadvisor::watch
