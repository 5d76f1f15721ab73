// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/live.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>

#include "advisor/report/formats.h"
#include "agent/watch/print.h"
#include "agent/watch/screen.h"
#include "agent/watch/terminal.h"

namespace tcpadvisor::watch {
namespace {

using observe::ObservationPtr;
using observe::Subscription;

/// Ticks that may wait for a reader of stdout who is busy for a moment.
constexpr std::size_t kLinesBacklog = 4;

/// What one screen needs: two samples, for rates, and the time in which every program that speaks for its queue has
/// spoken.
bool is_whole(const Window& window) {
  constexpr double kRenewalS = 1;  // docs/user-queues.md
  return window.samples() >= 2 && window.span_s() > 0.95 * kRenewalS;
}

Status run_lines(Subscription& subscription, const LiveOptions& options, os::StopSignals& signals,
                 const std::function<void(const std::string&)>& complain) {
  std::uint64_t missed = 0;
  std::shared_ptr<const Picture> kept;  // with --once: what to print if the time is over before the screen is whole
  while (signals.received() == 0 && !subscription.ended()) {
    std::array<pollfd, 2> waiting = {{{signals.fd(), POLLIN, 0}, {subscription.fd(), POLLIN, 0}}};
    poll(waiting.data(), waiting.size(), -1);
    auto observation = subscription.take();
    if (!observation) continue;
    if (!*observation) {
      complain("a tick failed: " + observation->error().message);
      continue;
    }
    const Picture& picture = ***observation;
    bool last = options.once && is_whole(picture.window);
    if (!options.once || last) {
      if (Status status = print(picture, options, signals); !status) return status;
    }
    if (last) return {};
    if (options.once && picture.window.samples() >= 2) kept = **observation;
    if (std::uint64_t now = subscription.missed(); !options.once && now > missed) {
      complain(fmt::format("{} ticks were not printed: stdout was not read in time", now - missed));
      missed = now;
    }
  }
  if (auto failure = subscription.failure()) return std::unexpected(*failure);
  if (kept && signals.received() == 0) return print(*kept, options, signals);
  return {};
}

/// The interactive screen: this thread draws and reads keys, the observer's makes what is shown.
class Screen {
 public:
  Screen(Terminal& terminal, Subscription& subscription, const LiveOptions& options)
      : terminal_(terminal), subscription_(subscription), options_(options), view_(first_view(options)) {}

  Status run(os::StopSignals& signals) {
    draw();
    while (!quit_ && signals.received() == 0 && !subscription_.ended()) {
      wait(signals);
      take();
      while (auto input = terminal_.read_key()) {
        if (!input->resized) press_key(input->press);
      }
      draw();
    }
    if (auto failure = subscription_.failure()) return std::unexpected(*failure);
    return {};
  }

 private:
  /// A resize interrupts poll() only if its signal comes to this thread; the time-out finds the others.
  void wait(os::StopSignals& signals) {
    std::array<pollfd, 3> waiting = {
        {{STDIN_FILENO, POLLIN, 0}, {signals.fd(), POLLIN, 0}, {subscription_.fd(), POLLIN, 0}}};
    poll(waiting.data(), waiting.size(), 250);
    if ((waiting[0].revents & (POLLHUP | POLLERR)) != 0) quit_ = true;  // the terminal has gone
  }

  void take() {
    while (auto observation = subscription_.take()) {
      if (*observation) latest_ = **observation;
      trouble_ = *observation ? "" : observation->error().message;
      stale_ = true;
    }
    if (!view_.paused) shown_ = latest_;
  }

  void press_key(KeyPress key) {
    stale_ = true;
    if (!shown_) {
      quit_ = key.key == Key::character && key.character == 'q';
      return;
    }
    Action action = press(key, view_, *shown_);
    if (action == Action::quit) quit_ = true;
    if (action == Action::make_report) {
      report_ = find_report_format("text")->render(
          make_report(latest_->window, latest_->policy, latest_->verdict, options_.tool_version), {});
    }
    if (!view_.paused) shown_ = latest_;
  }

  void draw() {
    Terminal::Size size = terminal_.size();
    if (!stale_ && size.width == view_.width && size.height == view_.height) return;
    view_.width = size.width;
    view_.height = size.height;
    stale_ = false;
    if (!shown_) {
      terminal_.draw({Line("tcpadvisor: making the first snapshot ...")});
      return;
    }
    std::vector<Line> lines = screen_lines(*shown_, view_, report_);
    if (!trouble_.empty() && !lines.empty()) {
      lines.back() = fit(Line("! last tick failed: " + trouble_, Attr::critical), view_.width, glyphs(view_.utf8));
    }
    terminal_.draw(lines);
  }

  Terminal& terminal_;
  Subscription& subscription_;
  const LiveOptions& options_;
  ObservationPtr latest_, shown_;  ///< what is shown stands still while paused
  View view_;
  std::string report_, trouble_;
  bool stale_ = true, quit_ = false;
};

}  // namespace

Status run(observe::Observer& observer, const LiveOptions& options, os::StopSignals& signals,
           const std::function<void(const std::string&)>& complain) {
  bool screen = options.output == Output::screen;
  auto subscription = observer.subscribe(screen ? 1 : kLinesBacklog);
  if (!subscription) return std::unexpected(subscription.error());
  if (!screen) {
    observer.start();
    return run_lines(**subscription, options, signals, complain);
  }
  Result<std::unique_ptr<Terminal>> terminal = Terminal::open(options.colour);
  if (!terminal) return std::unexpected(terminal.error());
  observer.start();
  return Screen(**terminal, **subscription, options).run(signals);
}

}  // namespace tcpadvisor::watch
