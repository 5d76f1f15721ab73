// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/output.h"
#include "agent/port/load/drive.h"
#include "agent/port/load/server.h"

namespace tcpadvisor::cli {
namespace {

using nlohmann::json;
using port::Time;
using port::load::Latencies;
using std::chrono::milliseconds;
using std::chrono::seconds;

double microseconds(Time time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

std::string latency_text(const Latencies& of) {
  return fmt::format("p50 {:.1f} µs, p90 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, max {:.1f}",
                     microseconds(of.percentile(0.5)), microseconds(of.percentile(0.9)),
                     microseconds(of.percentile(0.99)), microseconds(of.percentile(0.999)), microseconds(of.max()));
}

json latency_json(const Latencies& of) {
  return {{"count", of.count()},
          {"p50_us", microseconds(of.percentile(0.5))},
          {"p90_us", microseconds(of.percentile(0.9))},
          {"p99_us", microseconds(of.percentile(0.99))},
          {"p999_us", microseconds(of.percentile(0.999))},
          {"max_us", microseconds(of.max())}};
}

/// One line on stderr that is written over, on a terminal only.
void show_progress(const std::string& text) {
  if (is_terminal(STDERR_FILENO)) fmt::print(stderr, "\r\033[K{}", text);
}

int failed(const Error& error) {
  print_error(error);
  return exit_code_of(error);
}

Result<port::Options> port_options(const std::vector<std::string>& settings) {
  std::vector<port::OptionSetting> wanted;
  for (const std::string& setting : settings) {
    auto equals = setting.find('=');
    auto name = port::option_name(std::string_view(setting).substr(0, equals));
    if (equals == std::string::npos) {
      return fail(ErrorCode::bad_input,
                  fmt::format("--set: '{}' is not NAME=VALUE, for example high=65536", printable(setting)));
    }
    if (!name) return fail(ErrorCode::bad_input, "--set: " + name.error().message);
    wanted.push_back({std::string(*name), setting.substr(equals + 1)});
  }
  port::Options options;
  for (const port::OptionSetting& one : wanted) {
    port::Options alone;
    if (port::apply(alone, std::span(&one, 1)) != port::Outcome::ok) {
      return fail(ErrorCode::bad_input,
                  fmt::format("--set: {} cannot be '{}': write {}", one.name, printable(one.value),
                              port::option_values(one.name).value_or("something else")));
    }
  }
  (void)port::apply(options, wanted);  // together, as Erlang does: the last one first
  return options;
}

std::vector<std::string> drive_lines(const port::load::LoadResult& result, std::uint64_t size) {
  double per_s = result.seconds > 0 ? static_cast<double>(result.sent) / result.seconds : 0;
  std::vector<std::string> lines{
      fmt::format("sent        {} messages in {:.1f} s: {}/s, {:.1f} MiB/s", with_commas(result.sent), result.seconds,
                  with_commas(static_cast<std::uint64_t>(per_s)), per_s * static_cast<double>(size) / (1 << 20)),
      fmt::format("send()      {}", latency_text(result.send)),
      fmt::format(
          "held        {} calls waited or were suspended, {} busy_port events, {} refused, {} timeouts, {} errors",
          with_commas(result.waits), with_commas(result.suspensions), with_commas(result.refused),
          with_commas(result.timeouts), with_commas(result.errors)),
      fmt::format("kernel      {} writes", with_commas(result.write_calls))};
  if (result.reader) {
    lines.push_back(fmt::format("delivery    {} messages: {}", with_commas(result.reader->messages),
                                latency_text(result.reader->delivery)));
  }
  if (result.memory_per_port > 0) {
    lines.push_back(fmt::format("memory      {} of this process for each port", human_bytes(result.memory_per_port)));
  }
  return lines;
}

json drive_json(const port::load::LoadResult& result, std::uint64_t size) {
  double per_s = result.seconds > 0 ? static_cast<double>(result.sent) / result.seconds : 0;
  json out{{"kind", "result"},
           {"seconds", result.seconds},
           {"messages", result.sent},
           {"messages_per_s", per_s},
           {"bytes_per_s", per_s * static_cast<double>(size)},
           {"send", latency_json(result.send)},
           {"waits", result.waits},
           {"busy_port", result.suspensions},
           {"refused", result.refused},
           {"timeouts", result.timeouts},
           {"errors", result.errors},
           {"write_calls", result.write_calls},
           {"cpu_seconds", result.cpu_seconds},
           {"memory_per_port_bytes", result.memory_per_port}};
  if (result.reader) {
    out["delivered"] = result.reader->messages;
    out["delivery"] = latency_json(result.reader->delivery);
  }
  return out;
}

}  // namespace

int run_port_drive(const Options& options, os::StopSignals& signals) {
  const auto& wanted = options.port.drive;
  port::load::LoadOptions load = wanted.load;
  auto ports = port_options(wanted.settings);
  if (!ports) return failed(ports.error());
  load.port = *ports;
  load.ports = static_cast<std::uint32_t>(wanted.ports);
  load.producers = static_cast<std::uint32_t>(wanted.producers);
  load.threads = static_cast<std::uint32_t>(wanted.threads);
  if (wanted.connect != 0) load.connect = static_cast<std::uint16_t>(wanted.connect);
  auto result = port::load::drive(load, signals, [](double span_s, std::uint64_t sent) {
    show_progress(fmt::format("{:.0f} s, {} messages", span_s, with_commas(sent)));
  });
  show_progress("");
  if (!result) return failed(result.error());
  if (options.port.json) {
    (void)write_stdout(drive_json(*result, load.size).dump() + "\n");
  } else {
    for (const std::string& line : drive_lines(*result, load.size)) (void)write_stdout(line + "\n");
  }
  return exit_code_after(signals);
}

int run_port_serve(const Options& options, os::StopSignals& signals) {
  const auto& wanted = options.port.serve;
  port::SocketWishes wishes;
  if (wanted.sndbuf != 0) wishes.sndbuf = static_cast<std::int32_t>(std::min<std::uint64_t>(wanted.sndbuf, 1U << 30));
  if (wanted.recbuf != 0) wishes.recbuf = static_cast<std::int32_t>(std::min<std::uint64_t>(wanted.recbuf, 1U << 30));
  auto listener = port::TcpListener::open(wishes, 4'096, static_cast<std::uint16_t>(wanted.port));
  if (!listener) return failed(listener.error());
  auto reactor = port::Reactor::create();
  if (!reactor) return failed(reactor.error());
  port::load::Server server(**reactor, wanted.server);
  (void)write_stdout(options.port.json ? json{{"kind", "listening"}, {"port", listener->port}}.dump() + "\n"
                                       : fmt::format("listening on 127.0.0.1:{}\n", listener->port));
  server.listen(std::move(listener->socket));

  port::Reactor::Watch stop(**reactor, signals.fd(), port::Reactor::Wants::read, [] {});
  stop.set(true);
  const auto& totals = server.totals();
  Time shown{};
  while (signals.received() == 0 && (!wanted.length || (*reactor)->now() < *wanted.length)) {
    Time left = wanted.length ? Time(*wanted.length) - (*reactor)->now() : Time(seconds(1));
    (*reactor)->turn(std::min<Time>(left, seconds(1)));
    if ((*reactor)->now() - shown < seconds(1)) continue;
    shown = (*reactor)->now();
    show_progress(fmt::format("{} connections, {} read", with_commas(totals.open), human_bytes(totals.bytes)));
  }
  show_progress("");
  double span_s = std::chrono::duration<double>((*reactor)->now()).count();
  if (options.port.json) {
    json out{{"kind", "result"},
             {"seconds", span_s},
             {"accepted", totals.accepted},
             {"open", totals.open},
             {"bytes", totals.bytes}};
    if (wanted.server.message > 0) out["delivery"] = latency_json(totals.delivery);
    (void)write_stdout(out.dump() + "\n");
  } else {
    (void)write_stdout(fmt::format("read        {} from {} connections in {:.1f} s\n", human_bytes(totals.bytes),
                                   with_commas(totals.accepted), span_s));
    if (wanted.server.message > 0) {
      (void)write_stdout(
          fmt::format("delivery    {} messages: {}\n", with_commas(totals.messages), latency_text(totals.delivery)));
    }
  }
  return exit_code_after(signals);
}

}  // namespace tcpadvisor::cli
