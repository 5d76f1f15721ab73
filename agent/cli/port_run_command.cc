// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>

#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/input_file.h"
#include "agent/cli/output.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::cli {
namespace {

using namespace port::script;

Result<std::unique_ptr<World>> open_world(TransportKind kind) {
  if (kind == TransportKind::fake) return fake_world();
  return socket_world(kind);
}

Result<Script> chosen_script(const std::string& file, std::optional<TransportKind> transport, const StopAsked& stop) {
  Result<std::string> text = read_input_until(file, stop);
  if (!text) return std::unexpected(text.error());
  Result<Script> script = parse_script(file == "-" ? "stdin" : file, *text);
  if (!script || !transport) return script;
  if (!script->transports.contains(*transport)) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: this script is written for {}; 'also {}' in it would say that it holds there, too",
                            printable(script->name), to_text(script->transport), to_text(*transport)));
  }
  script->transport = *transport;
  return script;
}

/// Why the run has to end: a signal, or --limit.
class Limits {
 public:
  Limits(os::StopSignals& signals, std::chrono::milliseconds limit)
      : signals_(signals), limit_(limit), end_(Clock::now() + limit) {}

  std::optional<Error> operator()() const {
    if (signals_.received() != 0) return Error{ErrorCode::failed, "interrupted", 0};
    if (Clock::now() < end_) return std::nullopt;
    return Error{ErrorCode::failed,
                 fmt::format("the script takes more than {}: --limit allows more", human_duration(limit_)), 0};
  }

 private:
  using Clock = std::chrono::steady_clock;
  os::StopSignals& signals_;
  std::chrono::milliseconds limit_;
  Clock::time_point end_;
};

void print_failure(const Script& script, const StepRecord& failure, const std::string& before) {
  fmt::print(stderr, "{}tcpadvisor: {}:{}: does not hold: {}: {}\n", before, printable(script.name), failure.line,
             failure.step, failure.failure);
}

}  // namespace

int run_port_script(const Options& options, os::StopSignals& signals) {
  const auto& wanted = options.port.run;
  Limits limits(signals, wanted.limit);
  Result<Script> script = chosen_script(wanted.file, wanted.transport, limits);
  if (!script) {
    if (int code = exit_code_after(signals); code != 0) return code;
    print_error(script.error());
    return exit_code_of(script.error());
  }
  Result<std::unique_ptr<World>> world = open_world(script->transport);
  if (!world) return failed(world.error());
  Status written;
  auto write = [&](std::string_view text) {
    if (written) written = write_stdout(text);
  };
  TextTranscript text(wanted.quiet || options.port.json ? Write() : write);
  JsonTranscript json(write);
  /// The text is always kept: its last lines explain a failure that is not shown right above it.
  class Both final : public Transcript {
   public:
    Both(Transcript& first, Transcript* second) : first_(first), second_(second) {}
    void add(const StepRecord& record) override {
      first_.add(record);
      if (second_ != nullptr) second_->add(record);
    }

   private:
    Transcript& first_;
    Transcript* second_;
  } transcript(text, options.port.json && !wanted.quiet ? &json : nullptr);

  RunSettings settings{.keep_going = wanted.keep_going, .explain = wanted.explain, .stop = limits};
  RunResult result = run_script(*script, **world, settings, transcript);
  bool shown_above = !wanted.quiet && !options.port.json;
  for (const StepRecord& failure : result.failures) {
    bool last = &failure == &result.failures.back() && !wanted.keep_going;
    print_failure(*script, failure, last && !shown_above ? text.last_steps() : "");
  }
  if (int code = exit_code_after(signals); code != 0) return code;
  if (result.error) return failed(*result.error);
  if (!written) return failed(written.error());
  return result.failures.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace tcpadvisor::cli
