// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "advisor/base/text.h"
#include "agent/cli/config_file.h"
#include "agent/cli/parsed_option.h"
#include "agent/cli/policy_file.h"
#include "agent/serve/listen.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;

/// "1%", "0.5%" of one core.
Result<double> parse_percent(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || std::string_view(rest, static_cast<std::size_t>(end - rest)) != "%") {
    return fail(ErrorCode::bad_input,
                fmt::format("'{}' is not a share of one core: write for example 1% or 0.5%", printable(text)));
  }
  if (!(value > 0 && value <= 100))
    return fail(ErrorCode::bad_input, fmt::format("'{}' is out of range: more than 0%, at most 100%", text));
  return value;
}

Result<milliseconds> parse_interval(const std::string& text) {
  Result<milliseconds> value = parse_duration(text);
  if (value && *value < milliseconds(100)) {
    return fail(ErrorCode::bad_input,
                fmt::format("'{}' is too short: at least 100ms, or the agent would watch itself", printable(text)));
  }
  return value;
}

Result<milliseconds> parse_rest(const std::string& text) {
  if (text == "off") return milliseconds(0);
  Result<milliseconds> value = parse_duration(text);
  if (!value)
    return fail(ErrorCode::bad_input, fmt::format("'{}' is neither 'off' nor a time such as 5s", printable(text)));
  return *value;
}

Result<const ReportFormat*> parse_format(const std::string& text) {
  if (const ReportFormat* format = find_report_format(text); format != nullptr) return format;
  std::string known;
  for (const ReportFormat& format : report_formats()) known += (known.empty() ? "" : ", ") + std::string(format.name);
  return fail(ErrorCode::bad_input, fmt::format("'{}' is not known: write one of {}", printable(text), known));
}

/// "text, md or json (default: as the name of -o ends, else text)"
std::string format_help() {
  std::span<const ReportFormat> formats = report_formats();
  std::string names(formats.front().name), endings;
  for (std::size_t i = 1; i < formats.size(); ++i)
    names += fmt::format("{}{}", i + 1 < formats.size() ? ", " : " or ", formats[i].name);
  for (const ReportFormat& format : formats) endings += fmt::format("{}{}", endings.empty() ? "" : ", ", format.suffix);
  return fmt::format("{} (default: as the name of -o ends, {}; else {})", names, endings, formats.front().name);
}

/// All options of the program, bound to one Options.
class Definition {
 public:
  explicit Definition(Options& options) : options_(options) {
    app_.require_subcommand(0, 1);
    app_.set_version_flag("--version", "tcpadvisor " + std::string(kVersion), "print the version and end");
    app_.get_formatter()->column_width(32);
    add_globals();
    add_watch();
    add_report();
    add_record();
    add_doctor();
    add_explain();
    add_whatif();
    add_knobs();
    add_serve();
    add_metrics();
    add_change_commands(app_, options_.change, [this] { options_.command = Command::change; });
    add_port_commands(app_, options_.port)->callback([this] { options_.command = Command::port; });
    app_.footer("Exit codes: 0 it ran, 1 it failed, 2 wrong usage, 4 the host does not allow it, 130/143 interrupted.");
  }

  CLI::App& app() { return app_; }
  const std::string& config() const { return config_; }

 private:
  CLI::App* add_command(const std::string& name, const std::string& help, Command command) {
    CLI::App* added = app_.add_subcommand(name, help);
    added->fallthrough();  // global options may come after the command
    added->callback([this, command] { options_.command = command; });
    return added;
  }

  void add_globals() {
    auto& collector = options_.collector;
    add_parsed(
        app_, "--netns", collector.netns, [](const std::string& text) { return collect::NetnsChoice::parse(text); },
        "network namespaces to look at: host, all, pid:N or a name of 'ip netns' (default: all that can be entered)",
        "WHICH")
        ->multi_option_policy(CLI::MultiOptionPolicy::Throw);  // who names two wants both, not the last
    add_parsed(
        app_, "--sources", collector.sources,
        [](const std::string& text) {
          using collect::Sources;
          return one_of<Sources>(text, {{"auto", Sources::any},
                                        {"bpf", Sources::bpf},
                                        {"netlink", Sources::netlink},
                                        {"procfs", Sources::procfs}});
        },
        "where snapshots come from: auto, bpf, netlink or procfs (default: auto, the best that works)", "SOURCE");
    add_parsed(
        app_, "--hooks", collector.hooks,
        [](const std::string& text) {
          using kernel::Hooks;
          return one_of<Hooks>(text, {{"auto", Hooks::any},
                                      {"fentry", Hooks::fentry},
                                      {"kprobe", Hooks::kprobe},
                                      {"tp_btf", Hooks::tp_btf},
                                      {"none", Hooks::none}});
        },
        "kind of kernel hooks: auto, fentry, kprobe, tp_btf or none (default: auto)", "KIND");
    add_parsed(
        app_, "--calls", collector.calls,
        [](const std::string& text) {
          using kernel::Calls;
          return one_of<Calls>(text, {{"auto", Calls::any}, {"on", Calls::on}, {"off", Calls::off}});
        },
        "hooks on each send and receive call: auto (off above the budget), on or off (default: auto)", "WHEN");
    add_parsed(
        app_, "--drops", collector.drops,
        [](const std::string& text) {
          using kernel::Calls;
          return one_of<Calls>(text, {{"auto", Calls::any}, {"on", Calls::on}, {"off", Calls::off}});
        },
        "hook on each packet of TCP that is dropped: auto (off above the budget), on or off (default: auto)", "WHEN");
    add_parsed(app_, "--budget", collector.budget_percent, parse_percent,
               "what those hooks may cost, as a share of one core (default: 1%)", "PERCENT");
    add_parsed(app_, "--interval", options_.interval, parse_interval,
               "time between ticks, with a unit: ms, s, m or h (default: 1s, or half a window of a policy with shorter "
               "windows)",
               "DURATION");
    add_parsed(app_, "--policy", options_.policy, policy_from,
               "thresholds: default, lab (short and sensitive) or a TOML file with window, windows, age, min_count",
               "POLICY");
    app_.add_option("--config", config_,
                    "TOML file: every option has a key of the same name, the options of a command below [COMMAND]")
        ->type_name("FILE")
        ->configurable(false);
    add_parsed(
        app_, "--log-level", options_.log_level,
        [](const std::string& text) {
          return one_of<LogLevel>(text, {{"debug", LogLevel::debug},
                                         {"info", LogLevel::info},
                                         {"warn", LogLevel::warning},
                                         {"error", LogLevel::error},
                                         {"off", LogLevel::off}});
        },
        "messages on stderr: debug, info, warn, error or off (default: warn)", "LEVEL");
    add_parsed(
        app_, "--color", options_.color,
        [](const std::string& text) {
          return one_of<Color>(text, {{"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}});
        },
        "auto (a terminal, and NO_COLOR is not set), always or never", "WHEN");
  }

  void add_watch() {
    CLI::App& app =
        *add_command("watch", "live screen of queues, owners, listeners, build-ups and findings", Command::watch);
    app.add_flag("--once", options_.watch.once, "print one screen as text and end");
    app.add_flag("--json", options_.watch.json, "print one JSON object per tick");
    add_parsed(
        app, "--for", options_.watch.length, [](const std::string& text) { return parse_duration(text); },
        "end after this time, with a unit: ms, s, m or h", "DURATION");
    add_from(app, options_.watch.from, options_.watch.at,
             "travel through this recording instead of watching this host");
  }

  void add_report() {
    CLI::App& app = *add_command("report", "observe, judge, and say what to change", Command::report);
    auto& report = options_.report;
    add_parsed(
        app, "--for", report.length,
        [&report](const std::string& text) {
          report.length_given = true;
          return parse_duration(text);
        },
        "how long to observe, with a unit: ms, s, m or h (default: 10s; of a recording: all of it, or 30s before --at)",
        "DURATION");
    add_from(app, report.from, report.at, "judge this recording instead of this host");
    add_parsed(app, "--format", report.format, parse_format, format_help(), "FORMAT");
    app.add_option("-o,--output", report.output,
                   "write to this file instead of stdout; it appears only when it is complete")
        ->type_name("FILE");
    add_ids(app, "--only", report.only, "judge only these rules");
    add_ids(app, "--skip", report.skip, "leave these rules out");
    app.add_option("--compare", report.compare,
                   "an earlier report as JSON, or a recording: tell what is new, worse, better, resolved and the same")
        ->type_name("FILE");
    app.add_flag(
        "--exit-code", report.exit_code,
        "end with 10 for advice, 11 for critical findings, 12 for not enough data; with --compare only with 13 "
        "if something is new or worse, or 12");
  }

  void add_record() {
    RecordOptions& record = options_.record;
    CLI::App& app =
        *add_command("record", "write ticks to a file, which report and watch take with --from", Command::record);
    add_recorded(app);
    add_parsed(
        app, "--for", record.length, [](const std::string& text) { return parse_duration(text); },
        "end after this time, with a unit: ms, s, m or h (default: at a signal)", "DURATION");
    add_parsed(
        app, "--max-size", record.max_bytes, [](const std::string& text) { return parse_size(text); },
        "largest size of the file, K, M, G; older ticks make room, and are counted (default: 1G)", "SIZE");
    CLI::App& one = *add_command("snapshot", "write one tick to a file, to mail", Command::record);
    one.callback([this] {
      options_.command = Command::record;
      options_.record.one_tick = true;
    });
    add_recorded(one);
  }

  void add_recorded(CLI::App& app) {
    app.add_option("-o,--output", options_.record.output, "the file to write; it must not exist yet")
        ->type_name("FILE")
        ->required();
    app.add_flag("--anonymize", options_.record.anonymize,
                 "other names and addresses in place of the real ones, the same each time");
  }

  static void add_from(CLI::App& app, std::string& from, std::optional<MomentOf>& at, const std::string& help) {
    CLI::Option* file = app.add_option("--from", from, help)->type_name("FILE");
    add_parsed(app, "--at", at, parse_moment,
               "of a recording: this moment, as 14:03:20, 2026-11-30T14:03:20, +90s after its start or -30s before its "
               "end (default: the end)",
               "TIME")
        ->needs(file);
  }

  void add_doctor() {
    CLI::App& app =
        *add_command("doctor", "what this host lets us see, and what would let us see more", Command::doctor);
    app.add_flag("--json", options_.doctor.json, "print one JSON object");
  }

  void add_explain() {
    CLI::App& app = *add_command(
        "explain", "what a rule, setting, number, state, socket option or call means, and what of it is here now",
        Command::explain);
    auto& explain = options_.explain;
    app.add_option("name", explain.name,
                   "id of a rule, or name of a sysctl, a metric, a state as CLOSE_WAIT, a socket option as "
                   "TCP_NODELAY, a call as "
                   "close (none: list them all)")
        ->type_name("NAME")
        ->configurable(false);
    add_from(app, explain.from, explain.at, "take the numbers of this recording instead of this host's");
    app.add_flag("--all", explain.all, "say everything about all of them; with --format md: the catalogue");
    add_parsed(
        app, "--format", explain.form,
        [](const std::string& text) {
          return one_of<ExplainForm>(
              text, {{"text", ExplainForm::text}, {"md", ExplainForm::markdown}, {"json", ExplainForm::json}});
        },
        "text, md or json (default: text)", "FORMAT");
  }

  static void add_text_or_json(CLI::App& app, bool& json) {
    add_parsed(
        app, "--format", json,
        [](const std::string& text) { return one_of<bool>(text, {{"text", false}, {"json", true}}); },
        "text or json (default: text)", "FORMAT");
  }

  void add_whatif() {
    WhatifOptions& whatif = options_.whatif;
    CLI::App& app = *add_command(
        "whatif", "what would change if a setting had another value, or more load came; with formula and numbers",
        Command::whatif);
    app.add_option("what", whatif.words,
                   "settings: tcp_rmem[2]=8M, ip_local_port_range=15000-60999, somaxconn=1024 …; loads: "
                   "connections=750000 (at rest), busy=10000 (with full buffers), rate=2Gbit rtt=10ms (one flow), "
                   "backlog=1024 (of listen()), burst=2000 (that come while nothing is accepted)")
        ->type_name("KNOB=VALUE")
        ->configurable(false);
    add_parsed(
        app, "--for", whatif.length, [](const std::string& text) { return parse_duration(text); },
        "how long to observe, with a unit: ms, s, m or h (default: 10s; of a recording: all of it, or 30s before --at)",
        "DURATION");
    add_from(app, whatif.from, whatif.at, "answer for this recording instead of this host");
    add_text_or_json(app, whatif.json);
  }

  void add_knobs() {
    CLI::App& app =
        *add_command("knobs", "every setting: value, the kernel's default, who set it, how many sockets it binds now",
                     Command::knobs);
    add_text_or_json(app, options_.knobs.json);
  }

  void add_serve() {
    CLI::App& app =
        *add_command("serve", "watch for as long as it runs: metrics for Prometheus, JSON, a page; see docs/serve.md",
                     Command::serve);
    add_parsed(
        app, "--listen", options_.serve.listen, [](const std::string& text) { return serve::parse_listen(text); },
        "address and port (default: 127.0.0.1:9477); beyond loopback only with TLS and users in --web-config",
        "ADDRESS:PORT");
    add_parsed(
        app, "--rest", options_.serve.rest, parse_rest,
        "longest time between two looks while the host is quiet and well, at most half a window of the policy; off: "
        "a look at each tick (default: 5s)",
        "DURATION");
    app.add_option("--web-config", options_.serve.web_config,
                   "Prometheus' web-config file: tls_server_config, basic_auth_users")
        ->type_name("FILE");
  }

  void add_metrics() {
    CLI::App& app = *add_command("metrics", "the list of all metrics that serve offers", Command::metrics);
    auto& metrics = options_.metrics;
    app.add_flag("--describe", metrics.describe, "with labels, and what each is");
    add_parsed(
        app, "--format", metrics.form,
        [](const std::string& text) {
          return one_of<ExplainForm>(
              text, {{"text", ExplainForm::text}, {"md", ExplainForm::markdown}, {"json", ExplainForm::json}});
        },
        "text, md or json (default: text); the other two always describe", "FORMAT");
  }

  static void add_ids(CLI::App& app, const std::string& name, std::vector<std::string>& target,
                      const std::string& help) {
    app.add_option(name, target, help + " (comma between several)")
        ->type_name("ID")
        ->delimiter(',')
        ->allow_extra_args(false);
  }

  Options& options_;
  std::string config_;
  CLI::App app_{"tcpadvisor watches how TCP behaves from inside the kernel and says what to change, with proof",
                "tcpadvisor"};
};

/// The command that was chosen, and the one below it, outermost first.
std::vector<const CLI::App*> chosen(const CLI::App& app) {
  std::vector<const CLI::App*> commands;
  for (const CLI::App* at = &app; !at->get_subcommands().empty(); commands.push_back(at)) {
    at = at->get_subcommands().front();
  }
  return commands;
}

/// The command a usage error is about, for "tcpadvisor watch --help".
std::string help_hint(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : chosen(app)) words += command->get_name() + " ";
  return fmt::format("tcpadvisor {}--help", words);
}

/// Of the command that was chosen, and of all commands.
std::map<std::string, std::string> chosen_options(const CLI::App& app) {
  std::map<std::string, std::string> all;
  auto add = [&](const CLI::App& of, const std::string& prefix) {
    for (const CLI::Option* option : of.get_options()) {
      if (option->count() == 0 || option->get_lnames().empty()) continue;
      std::string& text = all[prefix + option->get_lnames().front()];
      for (const std::string& result : option->results()) text += (text.empty() ? "" : ", ") + result;
    }
  };
  add(app, "");
  std::string prefix;
  for (const CLI::App* command : chosen(app)) add(*command, prefix += command->get_name() + ".");
  return all;
}

/// "watch, report … or port", as --help lists them.
std::string commands_text(const CLI::App& app) {
  std::string out;
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (std::size_t i = 0; i < commands.size(); ++i)
    out += (i == 0 ? "" : i + 1 == commands.size() ? " or " : ", ") + commands[i]->get_name();
  return out;
}

std::string usage_text(CLI::App& app, const CLI::ParseError& error) {
  if (std::vector<std::string> extras = app.remaining(true); !extras.empty()) {
    std::string first = printable(extras.front());
    bool wants_command = app.get_subcommands().empty() && !first.starts_with("-");
    if (wants_command) return fmt::format("unknown command '{}': write {}", first, commands_text(app));
    return fmt::format("{} '{}'; {} lists what there is",
                       first.starts_with("-") ? "unknown option" : "unexpected argument", first, help_hint(app));
  }
  std::string text = printable(error.what());
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) text += "; see " + help_hint(app);
  return text;
}

/// What --from names; empty where it was not given, or there is none.
std::string recording_of(const Options& options) {
  switch (options.command) {
    case Command::watch:
      return options.watch.from;
    case Command::report:
      return options.report.from;
    case Command::whatif:
      return options.whatif.from;
    case Command::explain:
      return options.explain.from;
    default:
      return {};
  }
}

/// What would choose how to observe, given beside a recording. A configuration file may have such keys: they are for
/// hosts.
Status check_from(const CLI::App& app, const Options& options) {
  const std::string from = recording_of(options);
  if (from.empty()) return {};
  for (const char* name : {"--netns", "--sources", "--hooks", "--calls", "--drops", "--budget", "--interval"}) {
    if (app.get_option(name)->count() == 0) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("{} says how to observe a host; {} was recorded already: leave out one of the two", name,
                            printable(from)));
  }
  return {};
}

}  // namespace

Result<Parsed> parse_options(int argc, const char* const* argv) {
  Options options;
  Definition definition(options);
  CLI::App& app = definition.app();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    auto commands = chosen(app);
    return Parsed{std::nullopt, (commands.empty() ? app : *commands.back()).help()};
  } catch (const CLI::CallForVersion& version) {
    return Parsed{std::nullopt, std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::bad_input, usage_text(app, error));
  }
  if (Status status = check_from(app, options); !status) return std::unexpected(status.error());
  if (!definition.config().empty()) {
    if (Status status = apply_config(app, definition.config()); !status) return std::unexpected(status.error());
  }
  if (app.get_subcommands().empty()) return Parsed{std::nullopt, app.help()};
  if (options.command == Command::whatif) {
    Result<whatif::Question> question = whatif::parse_question(options.whatif.words);  // a slip should not cost 10 s
    if (!question) return std::unexpected(question.error());
    options.whatif.question = std::move(*question);
  }
  options.arguments.assign(argv, argv + argc);
  options.chosen = chosen_options(app);
  return Parsed{std::move(options), {}};
}

milliseconds interval_for(const Options& options) {
  return options.interval.value_or(std::clamp(options.policy.window / 2, milliseconds(100), milliseconds(1000)));
}

const ReportFormat& format_for(const Options& options) {
  if (options.report.format != nullptr) return *options.report.format;
  const ReportFormat* of_file = report_format_of_file(options.report.output);
  return of_file != nullptr ? *of_file : report_formats().front();
}

}  // namespace tcpadvisor::cli
