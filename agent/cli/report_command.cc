// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "advisor/base/text.h"
#include "advisor/report/report.h"
#include "advisor/verdict/verdict.h"
#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// "observing: 3 s of 10 s" on stderr while it is a terminal, and nothing left of it afterwards.
class Progress {
 public:
  explicit Progress(milliseconds length) : shown_(is_terminal(STDERR_FILENO)), length_(length) {}
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(milliseconds elapsed) const {
    auto whole_seconds = std::chrono::floor<std::chrono::seconds>(std::min(elapsed, length_));
    if (shown_)
      fmt::print(stderr, "\r\033[Kobserving: {} of {}", human_duration(whole_seconds), human_duration(length_));
  }

 private:
  bool shown_;
  milliseconds length_;
};

/// Ticks for as long as the report wants, the last one at the very end. Stops early on a signal.
Result<Window> observe(collect::Collector& collector, const Options& options, os::StopSignals& signals) {
  milliseconds interval = interval_for(options), length = options.report.length;
  Progress progress(length);
  Window window;
  auto start = Clock::now(), due = start;
  while (true) {
    progress.show(std::chrono::duration_cast<milliseconds>(Clock::now() - start));
    Result<SamplePtr> sample = collector.tick();
    if (sample) {
      window.push(std::move(*sample));
    } else if (window.empty()) {
      return std::unexpected(sample.error());
    } else {
      log(LogLevel::warning, "a tick failed: " + sample.error().message);
    }
    auto now = Clock::now();
    if (now >= start + length || signals.received() != 0) return window;
    due = std::max(due + interval, now);
    if (due + interval / 2 > start + length)
      due = std::max(start + length, now);  // no sliver of an interval at the end
    signals.wait(std::chrono::ceil<milliseconds>(due - now));
  }
}

std::string text_of(const Report& report, const Options& options) {
  bool to_stdout = options.report.output.empty();
  Color color = to_stdout || options.color != Color::automatic ? options.color : Color::never;
  return options.report.format->render(report, {.color = wants_color(color, STDOUT_FILENO)});
}

int failed(const Error& error) {
  print_error(error);
  return exit_code_of(error);
}

}  // namespace

int run_report(const Options& options, os::StopSignals& signals) {
  Verdict none;  // a mistyped id should not cost ten seconds
  if (Status status = select(none, options.report.only, options.report.skip); !status) return failed(status.error());

  const std::string& path = options.report.output;
  // root without its capabilities may not write into other users' directories
  auto collector = open_collector(options, {.keep_privileges = !path.empty() && !owns_directory_of(path)});
  if (!collector) return failed(collector.error());
  Result<Window> window = observe(**collector, options, signals);
  if (int code = exit_code_after(signals); code != 0) return code;
  if (!window) return failed(window.error());

  Verdict verdict = judge(*window, options.policy);
  if (Status status = select(verdict, options.report.only, options.report.skip); !status) return failed(status.error());
  int advice = exit_code(verdict);
  std::string text = text_of(make_report(*window, options.policy, std::move(verdict), std::string(kVersion)), options);
  if (Status status = path.empty() ? write_stdout(text) : write_file(path, text); !status)
    return failed(status.error());
  return options.report.exit_code ? advice : 0;
}

}  // namespace tcpadvisor::cli
