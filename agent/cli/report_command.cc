// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/report/compare.h"
#include "advisor/report/report.h"
#include "advisor/verdict/verdict.h"
#include "agent/cli/commands.h"
#include "agent/cli/input_file.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/cli/past.h"
#include "agent/observe/observer.h"
#include "agent/observe/travel.h"
#include "agent/os/own_thread.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kBeforeMoment{30'000};  // what --at judges
constexpr std::size_t kOlderTicks = 64;        // of a report that is longer than the policy's windows

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

/// The last observation of as many ticks as the report wants. Null if a signal came before the first.
Result<observe::ObservationPtr> observe_for(collect::Collector& collector, const Options& options,
                                            os::StopSignals& signals) {
  observe::ObserverOptions wanted;
  wanted.schedule = {.interval = interval_for(options), .length = options.report.length, .ends_with_tick = true};
  wanted.policy = options.policy;
  wanted.older_ticks = kOlderTicks;
  os::RealSleepClock clock;
  observe::Observer observer(std::move(wanted), collector, clock);
  auto subscription = observer.subscribe();
  if (!subscription) return std::unexpected(subscription.error());
  Progress progress(options.report.length);
  auto start = Clock::now();
  observer.start();
  while (signals.received() == 0 && !(*subscription)->ended()) {
    progress.show(std::chrono::duration_cast<milliseconds>(Clock::now() - start));
    std::array<pollfd, 2> waiting = {{{signals.fd(), POLLIN, 0}, {(*subscription)->fd(), POLLIN, 0}}};
    poll(waiting.data(), waiting.size(), -1);
    auto observation = (*subscription)->take();
    if (observation && !*observation) log(LogLevel::warning, "a tick failed: " + observation->error().message);
  }
  if (auto failure = (*subscription)->failure()) return std::unexpected(*failure);
  return observer.latest();
}

/// All of a recording, or the part of it that was asked for, if any was.
struct Part {
  std::optional<MomentOf> at;
  std::optional<milliseconds> length;
};

Result<Report> past_report(const std::string& path, const std::string& output, const Part& part, const Policy& policy) {
  auto recording = open_past(path, output);
  if (!recording) return std::unexpected(recording.error());
  Result<std::size_t> last = tick_of(**recording, part.at);
  if (!last) return std::unexpected(last.error());
  std::size_t first = 0;
  if (part.length || part.at) first = observe::tick_before(**recording, *last, part.length.value_or(kBeforeMoment));
  auto seen = observe::observe_past(**recording, policy, first, *last, kOlderTicks);
  if (!seen) return std::unexpected(nothing_left(**recording, path, seen.error()));
  Report report = make_report((*seen)->window, (*seen)->policy, (*seen)->verdict, std::string(kVersion));
  report.recorded = origin_text(**recording, path);
  return report;
}

/// A recording is judged by today's rules, in a thread whose privileges are gone afterwards: ours may be needed yet.
Result<Baseline> baseline_from_recording(const std::string& path, const Policy& policy) {
  Result<Report> report = fail(ErrorCode::failed, "");
  Status ran = os::in_own_thread([&] { report = past_report(path, {}, {}, policy); });
  if (!ran) return std::unexpected(ran.error());
  if (!report) return std::unexpected(report.error());
  return baseline_of(*report);
}

/// What --compare names. Nothing without it.
Result<std::optional<Baseline>> baseline_for(const Options& options) {
  constexpr std::size_t kMostReport = 64 << 20;  // thousands of findings
  const std::string& path = options.report.compare;
  if (path.empty()) return std::nullopt;
  if (store::Recording::begins_like_one(path)) return baseline_from_recording(path, options.policy);
  Result<std::string> text = read_input_file(path, kMostReport);
  if (!text) return std::unexpected(text.error());
  Result<Baseline> baseline = baseline_from_json(*text);
  if (!baseline) {
    return fail(ErrorCode::bad_input,
                fmt::format("--compare {}: {}; it takes what report --format json has written, or "
                            "a recording",
                            printable(path), baseline.error().message));
  }
  return std::move(*baseline);
}

/// `--exit-code`: 13 for new or worse where there is something to compare with, else what there is to do.
int advice_code(const Report& report, int of_verdict) {
  constexpr int kNotEnough = 12, kGotWorse = 13;
  if (!report.comparison) return of_verdict;
  if (got_worse(*report.comparison)) return kGotWorse;
  return report.verdict.enough_data && report.verdict.could_see ? 0 : kNotEnough;
}

std::string text_of(const Report& report, const Options& options) {
  bool to_stdout = options.report.output.empty();
  Color color = to_stdout || options.color != Color::automatic ? options.color : Color::never;
  return format_for(options).render(
      report, {.color = wants_color(color, STDOUT_FILENO), .whole = !to_stdout || !is_terminal(STDOUT_FILENO)});
}

int run_past_report(const Options& options, const std::optional<Baseline>& baseline, os::StopSignals& signals) {
  const auto& wanted = options.report;
  Part part{.at = wanted.at, .length = {}};
  if (wanted.length_given) part.length = wanted.length;
  Result<Report> report = past_report(wanted.from, wanted.output, part, options.policy);
  if (!report) return failed(report.error());
  if (Status status = select(report->verdict, wanted.only, wanted.skip); !status) return failed(status.error());
  if (baseline) report->comparison = compare(*baseline, *report);
  const std::string text = text_of(*report, options);
  Status written = wanted.output.empty() ? write_stdout(text, &signals) : write_file(wanted.output, text, &signals);
  if (!written) return failed(written.error());
  if (int code = exit_code_after(signals); code != 0) return code;
  return wanted.exit_code ? advice_code(*report, exit_code(report->verdict)) : 0;
}

}  // namespace

int run_report(const Options& options, os::StopSignals& signals) {
  Verdict none;  // a mistyped id should not cost ten seconds
  if (Status status = select(none, options.report.only, options.report.skip); !status) return failed(status.error());

  auto baseline = baseline_for(options);
  if (!baseline) return failed(baseline.error());

  const std::string& path = options.report.output;
  if (!options.report.from.empty()) return run_past_report(options, *baseline, signals);
  bool write_as_looker = !path.empty() && needs_privileges_to_write(path);
  auto collector = open_collector(options, {.show_all = true, .output = path});
  if (!collector) return failed(collector.error());
  auto seen = observe_for(**collector, options, signals);
  if (int code = exit_code_after(signals); code != 0) return code;
  if (!seen) return failed(seen.error());

  Verdict verdict = (*seen)->verdict;
  if (Status status = select(verdict, options.report.only, options.report.skip); !status) return failed(status.error());
  int advice = exit_code(verdict);
  Report report = make_report((*seen)->window, (*seen)->policy, std::move(verdict), std::string(kVersion));
  if (*baseline) report.comparison = compare(**baseline, report);
  advice = advice_code(report, advice);
  const std::string text = text_of(report, options);
  Status written;
  auto write = [&] { written = path.empty() ? write_stdout(text, &signals) : write_file(path, text, &signals); };
  if (write_as_looker) {
    (*collector)->as_looker(write);
  } else {
    write();
  }
  if (!written) return failed(written.error());
  if (int code = exit_code_after(signals); code != 0) return code;  // nobody took all of it
  return options.report.exit_code ? advice : 0;
}

}  // namespace tcpadvisor::cli
