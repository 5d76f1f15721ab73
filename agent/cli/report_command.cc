// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/report/compare.h"
#include "advisor/report/report.h"
#include "advisor/verdict/verdict.h"
#include "agent/cli/commands.h"
#include "agent/cli/input_file.h"
#include "agent/cli/observe_for.h"
#include "agent/cli/output.h"
#include "agent/cli/past.h"
#include "agent/observe/travel.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBeforeMoment{30'000};  // what --at judges

/// All of a recording, or the part of it that was asked for.
Result<Report> past_report(const Options& options) {
  const auto& wanted = options.report;
  auto recording = open_past(wanted.from, wanted.output);
  if (!recording) return std::unexpected(recording.error());
  Result<std::size_t> last = tick_of(**recording, wanted.at);
  if (!last) return std::unexpected(last.error());
  std::size_t first = 0;
  if (wanted.length_given || wanted.at)
    first = observe::tick_before(**recording, *last, wanted.length_given ? wanted.length : kBeforeMoment);
  auto seen = observe::observe_past(**recording, options.policy, first, *last, kOlderTicks);
  if (!seen) return std::unexpected(nothing_left(**recording, wanted.from, seen.error()));
  Report report = make_report((*seen)->window, (*seen)->policy, (*seen)->verdict, std::string(kVersion));
  report.recorded = origin_text(**recording, wanted.from);
  return report;
}

/// What --compare names. Nothing without it.
Result<std::optional<Baseline>> baseline_for(const Options& options) {
  constexpr std::size_t kMostReport = 64 << 20;  // thousands of findings
  const std::string& path = options.report.compare;
  if (path.empty()) return std::nullopt;
  Result<std::string> text = read_input_file(path, kMostReport);
  if (!text) return std::unexpected(text.error());
  Result<Baseline> baseline = baseline_from_json(*text);
  if (!baseline) {
    return fail(ErrorCode::bad_input, fmt::format("--compare {}: {}; it takes what report --format json has written",
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
  Result<Report> report = past_report(options);
  if (!report) return failed(report.error());
  const auto& wanted = options.report;
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
  auto seen = observe_for(**collector, options, options.report.length, signals);
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
