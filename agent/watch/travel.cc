// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/travel.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <memory>

#include "advisor/report/formats.h"
#include "agent/watch/print.h"
#include "agent/watch/terminal.h"

namespace tcpadvisor::watch {
namespace {

using observe::differ;
using observe::ObservationPtr;
using observe::Travel;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSeekSlice{100};          // a search looks at the keys so often
constexpr std::uint64_t kLongestWaitMs = 2'000;  // thinned or missed ticks are not waited for

std::string clock_of(std::int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm time{};
  localtime_r(&seconds, &time);
  return fmt::format("{:02}:{:02}:{:02}", time.tm_hour, time.tm_min, time.tm_sec);
}

class Screen {
 public:
  Screen(Terminal& terminal, Travel& travel, const LiveOptions& options, const TravelOptions& wanted)
      : terminal_(terminal), travel_(travel), options_(options), view_(first_view(options)) {
    steering_.journey = wanted.playing ? Journey::play : Journey::stand;
  }

  Status run(std::size_t start, os::StopSignals& signals) {
    if (Status status = go_to(start); !status) return status;
    while (!quit_ && signals.received() == 0) {
      draw();
      wait(signals);
      while (auto input = terminal_.read_key()) {
        stale_ = true;
        if (!input->resized) press_key(input->press);
      }
      if (Status status = move(); !status) return status;
    }
    return {};
  }

 private:
  Status go_to(std::size_t at) {
    auto seen = travel_.go_to(at);
    if (!seen) return std::unexpected(seen.error());
    show(std::move(*seen));
    return {};
  }
  void show(ObservationPtr seen) {
    shown_ = std::move(seen);
    shown_at_ = Clock::now();
    stale_ = true;
  }

  /// False: there is no more.
  Result<bool> step() {
    auto seen = travel_.next();
    if (!seen) return std::unexpected(seen.error());
    if (!*seen) {
      steering_.journey = Journey::stand;
      stale_ = true;
      return false;
    }
    show(std::move(**seen));
    return true;
  }

  Status step_once() {
    Result<bool> more = step();
    if (!more) return std::unexpected(more.error());
    return {};
  }

  Status move() {
    if (std::ptrdiff_t steps = std::exchange(steering_.steps, 0); steps != 0) {
      const auto wanted = static_cast<std::ptrdiff_t>(travel_.place()) + steps;
      if (steps == 1) return step_once();
      return go_to(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, wanted)));
    }
    switch (steering_.journey) {
      case Journey::stand:
        return {};
      case Journey::play:
        return due_in_ms() == 0 ? step_once() : Status();
      case Journey::seek_next:
        return seek_next();
      case Journey::seek_back:
        break;
    }
    return seek_back();
  }

  Status seek_next() {
    const auto until = Clock::now() + kSeekSlice;
    do {
      const ObservationPtr before = shown_;
      Result<bool> more = step();
      if (!more) return std::unexpected(more.error());
      if (*more && differ(before->verdict, shown_->verdict)) steering_.journey = Journey::stand;
    } while (steering_.journey == Journey::seek_next && Clock::now() < until);
    return {};
  }

  /// Each step back is a look of its own, at what came before.
  Status seek_back() {
    const auto until = Clock::now() + kSeekSlice;
    do {
      if (travel_.place() == 0) {
        steering_.journey = Journey::stand;
        break;
      }
      const ObservationPtr before = shown_;
      if (Status status = go_to(travel_.place() - 1); !status) return status;
      if (differ(before->verdict, shown_->verdict)) steering_.journey = Journey::stand;
    } while (steering_.journey == Journey::seek_back && Clock::now() < until);
    return {};
  }

  /// Until the next tick is due at the pace at which they were taken.
  std::uint64_t due_in_ms() const {
    const auto elapsed =
        static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(Clock::now() - shown_at_).count());
    const std::uint64_t apart = std::min(travel_.ms_to_next(), kLongestWaitMs);
    return apart > elapsed ? apart - elapsed : 0;
  }

  void wait(os::StopSignals& signals) {
    std::uint64_t timeout = 250;
    if (steering_.steps != 0 || steering_.journey == Journey::seek_next || steering_.journey == Journey::seek_back)
      timeout = 0;
    if (steering_.journey == Journey::play) timeout = std::min(timeout, due_in_ms());
    std::array<pollfd, 2> waiting = {{{STDIN_FILENO, POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
    poll(waiting.data(), waiting.size(), static_cast<int>(timeout));
    if ((waiting[0].revents & (POLLHUP | POLLERR)) != 0) quit_ = true;
  }

  void press_key(KeyPress key) {
    if (!view_.typing_filter && steer(key, steering_)) return;
    Action action = press(key, view_, *shown_);
    if (action == Action::quit) quit_ = true;
    if (action == Action::make_report) {
      report_ = find_report_format("text")->render(
          make_report(shown_->window, shown_->policy, shown_->verdict, options_.tool_version), {});
    }
  }

  void draw() {
    Terminal::Size size = terminal_.size();
    const std::size_t height = size.height > 1 ? size.height - 1 : 1;
    if (!stale_ && size.width == view_.width && height == view_.height) return;
    view_.width = size.width;
    view_.height = height;
    stale_ = false;
    std::vector<Line> lines = screen_lines(*shown_, view_, report_);
    lines.resize(height);
    lines.push_back(travel_line(travel_, steering_, view_));
    terminal_.draw(lines);
  }

  Terminal& terminal_;
  Travel& travel_;
  const LiveOptions& options_;
  ObservationPtr shown_;
  Clock::time_point shown_at_;
  View view_;
  Steering steering_;
  std::string report_;
  bool stale_ = true, quit_ = false;
};

Status run_lines(Travel& travel, const LiveOptions& options, std::size_t start, os::StopSignals& signals) {
  auto seen = travel.go_to(start);
  if (!seen) return std::unexpected(seen.error());
  std::optional<ObservationPtr> shown = std::move(*seen);
  while (shown && signals.received() == 0) {
    if (Status status = print(**shown, options, signals); !status || options.once) return status;
    auto more = travel.next();
    if (!more) return std::unexpected(more.error());
    shown = std::move(*more);
  }
  return {};
}

}  // namespace

bool steer(KeyPress key, Steering& steering) {
  if (key.key != Key::character) return false;
  switch (key.character) {
    case ' ':
    case 'p':
      steering.journey = steering.journey == Journey::stand ? Journey::play : Journey::stand;
      return true;
    case 'n':
      steering.journey = Journey::seek_next;
      return true;
    case 'N':
      steering.journey = Journey::seek_back;
      return true;
    case '.':
    case ',':
    case '>':
    case '<': {
      const bool far = key.character == '>' || key.character == '<';
      const bool on = key.character == '.' || key.character == '>';
      steering = {Journey::stand, (on ? 1 : -1) * (far ? 60 : 1)};
      return true;
    }
    default:
      return false;
  }
}

Line travel_line(const Travel& travel, const Steering& steering, const View& view) {
  std::string_view doing = "stands";
  if (steering.journey == Journey::play) doing = "plays";
  if (steering.journey == Journey::seek_next || steering.journey == Journey::seek_back) doing = "seeks";
  std::string text = fmt::format("recording {}  {} of {}  {}  space play . , step > < 60 n N change",
                                 clock_of(travel.moment().wall_ms), travel.place() + 1, travel.count(), doing);
  return fit(Line(std::move(text), Attr::key), view.width, glyphs(view.utf8));
}

Status run_travel(Travel& travel, const LiveOptions& options, const TravelOptions& wanted, os::StopSignals& signals) {
  if (options.output != Output::screen) return run_lines(travel, options, wanted.start, signals);
  Result<std::unique_ptr<Terminal>> terminal = Terminal::open(options.colour);
  if (!terminal) return std::unexpected(terminal.error());
  return Screen(**terminal, travel, options, wanted).run(wanted.start, signals);
}

}  // namespace tcpadvisor::watch
