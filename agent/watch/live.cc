// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/live.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>

#include "advisor/report/formats.h"
#include "advisor/verdict/verdict.h"
#include "agent/watch/ansi.h"
#include "agent/watch/screen.h"
#include "agent/watch/terminal.h"
#include "agent/watch/tick_json.h"

namespace tcpadvisor::watch {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// Lines of one list in plain text; what is cut is counted below it.
constexpr std::size_t kPlainListLines = 20;

/// What the agent remembers, and what the rules say about it.
class Memory {
 public:
  explicit Memory(const LiveOptions& options)
      : options_(options), keep_(samples_to_keep(options.policy, options.interval)) {
    picture_.old_age = options.policy.age;
  }

  void add(SamplePtr sample) {
    picture_.window.push(std::move(sample), keep_);
    verdict_ = judge(picture_.window, options_.policy);
    picture_.findings = verdict_.findings;
  }
  const Picture& picture() const { return picture_; }
  bool empty() const { return picture_.window.empty(); }
  std::string report() const {
    return find_report_format("text")->render(
        make_report(picture_.window, options_.policy, verdict_, options_.tool_version), {});
  }

 private:
  const LiveOptions& options_;
  std::size_t keep_;
  Picture picture_;
  Verdict verdict_;
};

View first_view(const LiveOptions& options) {
  View view;
  view.width = options.width;
  view.utf8 = options.utf8;
  return view;
}

void print(const Picture& picture, const LiveOptions& options) {
  if (options.output == Output::json) {
    fmt::print("{}\n", one_line(tick_json(picture)));
  } else {
    for (const Line& line : plain_lines(picture, first_view(options), kPlainListLines)) {
      fmt::print("{}\n", ansi_text(line, options.colour));
    }
    if (!options.once) fmt::print("\n");
  }
  std::fflush(stdout);
}

Status run_lines(const Tick& tick, const LiveOptions& options, os::StopSignals& signals,
                 const std::function<void(const std::string&)>& complain) {
  Memory memory(options);
  auto start = Clock::now(), due = start;
  while (true) {
    Result<SamplePtr> sample = tick();
    if (sample) {
      memory.add(std::move(*sample));
      if (!options.once) print(memory.picture(), options);
    } else if (memory.empty()) {
      return std::unexpected(sample.error());
    } else {
      complain(sample.error().message);
    }
    if (options.once && memory.picture().window.samples() == 2) {
      print(memory.picture(), options);
      return {};
    }
    due = next_due(due, options.interval, Clock::now());
    if (options.length && due > start + *options.length) {
      signals.wait(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(start + *options.length - Clock::now())));
      return {};
    }
    if (signals.wait(std::max(milliseconds(0), std::chrono::ceil<milliseconds>(due - Clock::now()))) != 0) return {};
  }
}

/// The interactive screen: one thread draws and reads keys, the ticker's makes samples.
class Screen {
 public:
  Screen(Terminal& terminal, Ticker& ticker, const LiveOptions& options)
      : terminal_(terminal), ticker_(ticker), options_(options), memory_(options), view_(first_view(options)) {}

  Status run(os::StopSignals& signals) {
    auto end = options_.length ? std::optional(Clock::now() + *options_.length) : std::nullopt;
    draw();
    while (!quit_ && signals.received() == 0 && !(end && Clock::now() >= *end)) {
      wait(signals, end);
      if (Status status = take_samples(); !status) return status;
      while (auto input = terminal_.read_key()) {
        if (!input->resized) press_key(input->press);
      }
      draw();
    }
    return {};
  }

 private:
  /// A resize interrupts poll() only if its signal comes to this thread; the time-out finds the others.
  void wait(os::StopSignals& signals, std::optional<Clock::time_point> end) {
    milliseconds time_out(250);
    if (end) time_out = std::clamp(std::chrono::ceil<milliseconds>(*end - Clock::now()), milliseconds(0), time_out);
    pollfd waiting[] = {{0, POLLIN, 0}, {signals.fd(), POLLIN, 0}, {ticker_.fd(), POLLIN, 0}};
    poll(waiting, std::size(waiting), static_cast<int>(time_out.count()));
    if ((waiting[0].revents & (POLLHUP | POLLERR)) != 0) quit_ = true;  // the terminal has gone
  }

  Status take_samples() {
    for (Result<SamplePtr>& sample : ticker_.take()) {
      if (sample) {
        memory_.add(std::move(*sample));
        trouble_.clear();
      } else if (memory_.empty()) {
        return std::unexpected(sample.error());
      } else {
        trouble_ = sample.error().message;
      }
      stale_ = true;
    }
    if (stale_ && !view_.paused && !memory_.empty()) shown_ = memory_.picture();
    return {};
  }

  void press_key(KeyPress key) {
    stale_ = true;
    if (memory_.empty()) {
      quit_ = key.key == Key::character && key.character == 'q';
      return;
    }
    Action action = press(key, view_, shown_);
    if (action == Action::quit) quit_ = true;
    if (action == Action::make_report) report_ = memory_.report();
    if (!view_.paused) shown_ = memory_.picture();
  }

  void draw() {
    Terminal::Size size = terminal_.size();
    if (!stale_ && size.width == view_.width && size.height == view_.height) return;
    view_.width = size.width;
    view_.height = size.height;
    stale_ = false;
    if (memory_.empty()) {
      terminal_.draw({Line("tcpadvisor: making the first snapshot ...")});
      return;
    }
    std::vector<Line> lines = screen_lines(shown_, view_, report_);
    if (!trouble_.empty() && !lines.empty()) {
      lines.back() = fit(Line("! last tick failed: " + trouble_, Attr::critical), view_.width, glyphs(view_.utf8));
    }
    terminal_.draw(lines);
  }

  Terminal& terminal_;
  Ticker& ticker_;
  const LiveOptions& options_;
  Memory memory_;
  Picture shown_;  ///< stands still while paused
  View view_;
  std::string report_, trouble_;
  bool stale_ = true, quit_ = false;
};

}  // namespace

std::size_t samples_to_keep(const Policy& policy, milliseconds interval) {
  auto observed = policy.window * policy.windows;
  return static_cast<std::size_t>(observed / std::max(interval, milliseconds(1))) + 2;
}

Status run(Tick tick, const LiveOptions& options, os::StopSignals& signals,
           const std::function<void(const std::string&)>& complain) {
  if (options.output != Output::screen) return run_lines(tick, options, signals, complain);
  Result<std::unique_ptr<Ticker>> ticker = Ticker::start(std::move(tick), options.interval);
  if (!ticker) return std::unexpected(ticker.error());
  Result<std::unique_ptr<Terminal>> terminal = Terminal::open(options.colour);
  if (!terminal) return std::unexpected(terminal.error());
  return Screen(**terminal, **ticker, options).run(signals);
}

}  // namespace tcpadvisor::watch
