// SPDX-License-Identifier: Apache-2.0
// `record` and `snapshot`: ticks into a file. One thread: a tick, its row, and sleep until the next is due.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/observe/schedule.h"
#include "agent/os/clock.h"
#include "agent/os/privileges.h"
#include "agent/store/anonymize.h"
#include "agent/store/recorder.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;

/// "recording: 3 s of 10m, 4 ticks, 120 KiB" while stderr is a terminal.
void show_progress(const store::Recorder& recorder, std::uint64_t elapsed_ns, std::optional<milliseconds> length) {
  if (!is_terminal(STDERR_FILENO)) return;
  const milliseconds elapsed(elapsed_ns / 1'000'000);
  fmt::print(stderr, "\r\033[Krecording: {}{}, {} ticks, {}",
             human_duration(std::chrono::floor<std::chrono::seconds>(elapsed)),
             length ? " of " + human_duration(*length) : "", with_commas(recorder.ticks()),
             human_bytes(recorder.bytes()));
}

void tell_end(const store::Recorder& recorder, const std::string& path) {
  if (is_terminal(STDERR_FILENO)) fmt::print(stderr, "\r\033[K");
  std::string text =
      fmt::format("recorded {} to {}: {}", recorder.ticks() == 1 ? "1 tick" : with_commas(recorder.ticks()) + " ticks",
                  printable(path), human_bytes(recorder.bytes()));
  if (recorder.thinned() > 0)
    text += fmt::format("; {} older ones had to make room (--max-size)", with_commas(recorder.thinned()));
  fmt::print(stderr, "{}\n", text);
}

class Recording {
 public:
  Recording(const Options& options, os::StopSignals& signals)
      : options_(options), wanted_(options.record), signals_(signals) {}

  int run() {
    if (Status status = open(); !status) return failed(status.error());
    const std::uint64_t start = clock_.mono_ns();
    const observe::Schedule schedule{
        .interval = interval_for(options_), .length = wanted_.length, .ends_with_tick = true};
    std::uint64_t due = start;
    while (signals_.received() == 0) {
      if (Status status = one_tick(); !status) return failed(status.error());
      show_progress(*recorder_, clock_.mono_ns() - start, wanted_.length);
      auto next = schedule.next_due_ns(start, due, clock_.mono_ns());
      if (wanted_.one_tick || !next) break;
      due = *next;
      wait_until(due);
    }
    tell_end(*recorder_, wanted_.output);
    in_writer([&] { recorder_.reset(); });
    return exit_code_after(signals_);
  }

 private:
  Status open() {
    // Said before ten seconds of preparation: the recorder would refuse it later.
    if (access(wanted_.output.c_str(), F_OK) == 0) {
      return fail(ErrorCode::bad_input,
                  fmt::format("{} is there already: remove it, or give another name", printable(wanted_.output)));
    }
    writes_as_looker_ = needs_privileges_to_write(wanted_.output);
    auto collector = open_collector(options_, {.show_all = true, .output = wanted_.output});
    if (!collector) return std::unexpected(collector.error());
    collector_ = std::move(*collector);
    if (wanted_.anonymize) {
      auto made = store::Anonymizer::create();
      if (!made) return std::unexpected(made.error());
      anonymizer_.emplace(std::move(*made));
    }
    Result<std::unique_ptr<store::Recorder>> recorder;
    in_writer([&] {
      recorder = store::Recorder::create(wanted_.output,
                                         {.max_bytes = wanted_.max_bytes,
                                          .tool_version = std::string(kVersion),
                                          .interval_ms = static_cast<std::uint64_t>(interval_for(options_).count()),
                                          .anonymized = wanted_.anonymize});
    });
    if (!recorder) return std::unexpected(recorder.error());
    recorder_ = std::move(*recorder);
    return {};
  }

  Status one_tick() {
    Result<SamplePtr> sample = collector_->tick();
    if (!sample) {
      if (recorder_->ticks() == 0) return std::unexpected(sample.error());
      log(LogLevel::warning, "a tick failed: " + sample.error().message);
      return {};
    }
    Status added;
    in_writer([&] { added = anonymizer_ ? recorder_->add((*anonymizer_)(**sample)) : recorder_->add(**sample); });
    return added;
  }

  /// In the thread that may write there.
  template <typename Work>
  void in_writer(Work work) {
    if (writes_as_looker_ && collector_) {
      collector_->as_looker(work);
    } else {
      work();
    }
  }

  void wait_until(std::uint64_t due) {
    for (std::uint64_t now = clock_.mono_ns(); now < due; now = clock_.mono_ns()) {
      const std::uint64_t left_ms = (due - now + 999'999) / 1'000'000;
      if (signals_.wait(milliseconds(std::min<std::uint64_t>(left_ms, 1'000))) != 0) return;
    }
  }

  const Options& options_;
  const RecordOptions& wanted_;
  os::StopSignals& signals_;
  os::RealClock clock_;
  bool writes_as_looker_ = false;
  std::unique_ptr<collect::Collector> collector_;
  std::optional<store::Anonymizer> anonymizer_;
  std::unique_ptr<store::Recorder> recorder_;
};

}  // namespace

int run_record(const Options& options, os::StopSignals& signals) {
  return Recording(options, signals).run();
}

}  // namespace tcpadvisor::cli
