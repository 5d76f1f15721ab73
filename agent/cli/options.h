// SPDX-License-Identifier: Apache-2.0
// The command line and the configuration file as data.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/address.h"
#include "advisor/report/formats.h"
#include "advisor/rules/policy.h"
#include "advisor/whatif/question.h"
#include "agent/cli/change_options.h"
#include "agent/cli/log.h"
#include "agent/cli/moment.h"
#include "agent/cli/port_options.h"
#include "agent/collect/collector.h"

namespace tcpadvisor::cli {

inline constexpr std::string_view kVersion = TCPADVISOR_VERSION;

enum class Command { watch, report, record, doctor, explain, whatif, knobs, serve, metrics, change, port };
enum class ExplainForm { text, markdown, json };
enum class Color { automatic, always, never };

/// Of `record`, and of `snapshot`, which is one tick of it.
struct RecordOptions {
  std::string output;
  std::optional<std::chrono::milliseconds> length;  ///< nothing: until a signal
  std::uint64_t max_bytes = std::uint64_t{1} << 30;
  bool anonymize = false;
  bool one_tick = false;
};

/// Of `whatif`.
struct WhatifOptions {
  std::vector<std::string> words;  ///< as typed
  whatif::Question question;
  std::optional<std::chrono::milliseconds> length;  ///< nothing: 10 s; of a recording all of it, or 30 s before `at`
  std::string from;                                 ///< a recording; empty: this host, now
  std::optional<MomentOf> at;
  bool json = false;
};

struct Options {
  Command command = Command::watch;
  collect::CollectorOptions collector;
  std::optional<std::chrono::milliseconds> interval;  ///< nothing: interval_for() decides
  Policy policy;
  LogLevel log_level = LogLevel::warning;
  Color color = Color::automatic;

  struct {
    bool once = false, json = false;
    std::optional<std::chrono::milliseconds> length;
    std::string from;  ///< a recording; empty: this host, now
    std::optional<MomentOf> at;
  } watch;
  struct {
    std::chrono::milliseconds length{10'000};
    bool length_given = false;
    std::string from;  ///< a recording; empty: this host, now
    std::optional<MomentOf> at;
    const ReportFormat* format = nullptr;  ///< null: format_for() decides
    std::string output;                    ///< empty: stdout
    std::vector<std::string> only, skip;
    std::string compare;  ///< an earlier report as JSON; empty: none
    bool exit_code = false;
  } report;
  RecordOptions record;
  struct {
    bool json = false;
  } doctor;
  struct {
    std::string name;  ///< empty: the list
    std::string from;  ///< a recording, for what is there now; empty: this host
    std::optional<MomentOf> at;
    bool all = false;
    ExplainForm form = ExplainForm::text;
  } explain;
  WhatifOptions whatif;
  struct {
    bool json = false;
  } knobs;
  struct {
    Endpoint listen = Endpoint::v4(127, 0, 0, 1, 9477);
    std::chrono::milliseconds rest{5'000};  ///< longest time between two looks at a quiet host; 0: no look is spared
    std::string web_config;                 ///< a file; empty: plain HTTP, no password
  } serve;
  struct {
    bool describe = false;
    ExplainForm form = ExplainForm::text;
  } metrics;
  ChangeOptions change;
  PortOptions port;

  std::vector<std::string> arguments;         ///< as given, the program's name first: to be read again
  std::map<std::string, std::string> chosen;  ///< by the key of a configuration file: what arguments and file say
};

/// The options, or a text to print (help, version) and end with success. An error is bad_input and one line.
struct Parsed {
  std::optional<Options> options;
  std::string text;
};
Result<Parsed> parse_options(int argc, const char* const* argv);

/// What the user chose; else 1 s, or less if a window of the policy would hold fewer than two ticks.
std::chrono::milliseconds interval_for(const Options& options);
/// What the user chose; else what the name of the report's file ends with, else text.
const ReportFormat& format_for(const Options& options);

}  // namespace tcpadvisor::cli
