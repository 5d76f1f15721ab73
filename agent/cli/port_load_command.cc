// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "advisor/base/text.h"
#include "advisor/evidence/queue_line.h"
#include "agent/cli/commands.h"
#include "agent/cli/output.h"
#include "agent/port/load/drive.h"
#include "agent/port/load/listener.h"
#include "agent/port/load/server.h"
#include "agent/sources/sock_diag.h"

namespace tcpadvisor::cli {
namespace {

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

nlohmann::json latency_json(const Latencies& of) {
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

/// The far ends' Recv-Q, by the kernel's word.
std::optional<std::uint64_t> unread_by(const std::string& local, const std::string& remote) {
  auto own = parse_endpoint(local), other = parse_endpoint(remote);
  if (!own || !other) return std::nullopt;
  auto row = sources::find_socket(*own, *other);
  return row ? std::optional(row->recv_q) : std::nullopt;
}

std::string balance_line(const port::load::Balance& of) {
  std::string places = "driver queue " + with_commas(of.driver_queue);
  auto also = [&](std::string_view name, std::uint64_t bytes) {
    if (bytes > 0) places += fmt::format(" + {} {}", name, with_commas(bytes));
  };
  also("message queue", of.message_queue);
  also("dropped", of.dropped);
  places += fmt::format(" + Send-Q {} + Recv-Q {} + delivered {}", with_commas(of.send_q), with_commas(of.recv_q),
                        with_commas(of.delivered));
  also("in the peer's kernel or read", of.unknown);
  std::uint64_t placed = of.placed();
  if (placed > of.accepted) {
    places += fmt::format(" ({} have arrived and await their ACK: in two of them)", with_commas(placed - of.accepted));
  } else if (placed < of.accepted) {
    places += fmt::format(" + on the way {}", with_commas(of.accepted - placed));
  }
  return fmt::format("balance     {} bytes taken = {}", with_commas(of.accepted), places);
}

nlohmann::json balance_json(const port::load::Balance& of) {
  return {{"accepted", of.accepted},
          {"message_queue", of.message_queue},
          {"driver_queue", of.driver_queue},
          {"dropped", of.dropped},
          {"send_q", of.send_q},
          {"recv_q", of.recv_q},
          {"delivered", of.delivered},
          {"in_peer_kernel_or_read", of.unknown}};
}

/// "the peer closed 3 of 4 connections, the first 2.0 s after the start": why drive fails although it ran.
std::string ended_text(const port::load::EndedPorts& ended, std::uint64_t ports) {
  auto when = [&] {
    double first = std::chrono::duration<double>(ended.first).count();
    double last = std::chrono::duration<double>(ended.last).count();
    if (ended.count() == 1) return fmt::format("{:.1f} s after the start", first);
    return fmt::format("the first {:.1f} s after the start, the last {:.1f} s", first, last);
  };
  if (ended.by_peer == 0) {
    return fmt::format("send_timeout_close closed {} of {} connections, {}", with_commas(ended.by_timeout),
                       with_commas(ports), when());
  }
  std::string others;
  if (ended.by_timeout > 0) others = fmt::format(" and send_timeout_close {}", with_commas(ended.by_timeout));
  return fmt::format("the peer closed {}{} of {} connection{}, {}", with_commas(ended.by_peer), others,
                     with_commas(ports), ports == 1 ? "" : "s", when());
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
  lines.push_back(balance_line(result.balance));
  if (result.memory_per_port > 0) {
    lines.push_back(fmt::format("memory      {} of this process for each port", human_bytes(result.memory_per_port)));
  }
  return lines;
}

nlohmann::json drive_json(const port::load::LoadResult& result, std::uint64_t size) {
  double per_s = result.seconds > 0 ? static_cast<double>(result.sent) / result.seconds : 0;
  nlohmann::json out{{"kind", "result"},
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
                     {"memory_per_port_bytes", result.memory_per_port},
                     {"closed_by_peer", result.ended.by_peer},
                     {"closed_by_timeout", result.ended.by_timeout},
                     {"balance", balance_json(result.balance)}};
  if (result.ended.count() > 0) {
    out["first_closed_s"] = std::chrono::duration<double>(result.ended.first).count();
    out["last_closed_s"] = std::chrono::duration<double>(result.ended.last).count();
  }
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
  auto result = port::load::drive(
      load, signals,
      [](double span_s, std::uint64_t sent) {
        show_progress(fmt::format("{:.0f} s, {} messages", span_s, with_commas(sent)));
      },
      unread_by);
  show_progress("");
  if (!result) {
    int code = exit_code_after(signals);
    return code != 0 ? code : failed(result.error());
  }
  if (options.port.json) {
    (void)write_stdout(drive_json(*result, load.size).dump() + "\n");
  } else {
    for (const std::string& line : drive_lines(*result, load.size)) (void)write_stdout(line + "\n");
  }
  if (int code = exit_code_after(signals); code != 0) return code;
  if (result->ended.count() == 0) return EXIT_SUCCESS;
  return failed({ErrorCode::failed, ended_text(result->ended, load.ports)});
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
  (void)write_stdout(options.port.json ? nlohmann::json{{"kind", "listening"}, {"port", listener->port}}.dump() + "\n"
                                       : fmt::format("listening on 127.0.0.1:{}\n", listener->port));
  port::load::Listener accepts(**reactor, server, std::move(listener->socket));

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
    nlohmann::json out{{"kind", "result"},
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
