// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "advisor/base/columns.h"
#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/output.h"
#include "agent/port/scenario/play.h"

namespace tcpadvisor::cli {
namespace {

using port::scenario::Scenario;
using port::scenario::Told;

/// What is told as lines; on a terminal the truth stays in place and is drawn again.
class ScenarioPrinter {
 public:
  ScenarioPrinter(bool json, bool terminal) : json_(json), terminal_(terminal) {}

  void operator()(const Told& told) {
    if (json_) {
      print(told.json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
      return;
    }
    // The last truth stays above the result.
    if (told.kind == Told::Kind::result) shown_ = 0;
    wipe();
    bool stays_in_place = told.kind == Told::Kind::truth && terminal_;
    std::size_t width = text_width();
    for (const std::string& text : told.lines) {
      std::string line =
          told.kind == Told::Kind::truth ? fmt::format("{:7.3f} s  {}", told.json.value("seconds", 0.0), text) : text;
      print(line + "\n");
      // A line that the terminal breaks takes several of its lines.
      if (stays_in_place) shown_ += std::max<std::size_t>(1, (columns_of(line) + width - 1) / width);
    }
  }

 private:
  /// The truth that is shown last makes room for something else.
  void wipe() {
    if (shown_ > 0) print(fmt::format("\033[{}A\033[J", std::exchange(shown_, 0)));
  }
  void print(const std::string& text) { (void)write_stdout(text); }

  bool json_, terminal_;
  std::size_t shown_ = 0;
};

void print_scenarios(std::string_view heading, std::span<const Scenario> scenarios, bool json) {
  if (!json) (void)write_stdout(fmt::format("{}\n", heading));
  for (const Scenario& scenario : scenarios) {
    std::string line =
        json ? nlohmann::json{{"name", scenario.name}, {"title", scenario.title}, {"finding", scenario.finding}}.dump()
             : fmt::format("  {:<26}{}", scenario.name, scenario.title);
    (void)write_stdout(line + "\n");
  }
}

}  // namespace

int run_port_list(const Options& options) {
  print_scenarios("stories", port::scenario::stories(), options.port.json);
  print_scenarios("symptoms", port::scenario::symptoms(), options.port.json);
  return EXIT_SUCCESS;
}

int run_port_scenario(const Options& options, os::StopSignals& signals) {
  const auto& wanted = options.port.scenario;
  const Scenario* scenario = port::scenario::find_scenario(wanted.name);
  if (scenario == nullptr) {
    print_error(
        {ErrorCode::bad_input, fmt::format("unknown scenario '{}'{}; tcpadvisor port list has the names",
                                           printable(wanted.name), port::scenario::similar_scenario(wanted.name))});
    return 2;
  }
  ScenarioPrinter print(options.port.json, is_terminal(STDOUT_FILENO));
  Status status = port::scenario::play(*scenario, wanted.play, signals, [&](const Told& told) { print(told); });
  if (int code = exit_code_after(signals); code != 0) return code;
  if (!status) return failed(status.error());
  return EXIT_SUCCESS;
}

}  // namespace tcpadvisor::cli
