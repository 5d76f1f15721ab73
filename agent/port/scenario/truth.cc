// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/truth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "advisor/base/text.h"

namespace tcpadvisor::port::scenario {
namespace {

constexpr std::size_t kShownOneByOne = 4;

/// As ss shows it.
std::string_view state_text(const std::optional<SocketRow>& row) {
  if (!row) return "no socket";
  return row->state == TcpState::established ? "ESTAB" : name_of(row->state);
}

std::string queue_notes(const ConnectionTruth& c) {
  std::string notes;
  auto note = [&](bool holds, const std::string& text) {
    if (holds) notes += (notes.empty() ? "" : ", ") + text;
  };
  note(c.busy, "busy");
  note(c.message_busy, "message queue busy");
  note(c.waiting > 0, fmt::format("{} waiting", c.waiting));
  note(c.suspended > 0, fmt::format("{} suspended", with_commas(c.suspended)));
  note(c.pending_shutdown, "shutdown pending");
  note(c.limbo, "limbo");
  note(c.refused > 0, with_commas(c.refused) + " refused");
  note(!c.open, "port closed");
  return notes.empty() ? "" : " (" + notes + ")";
}

std::string send_q_text(const ConnectionTruth& c) {
  std::string not_sent;
  if (c.near && c.near->not_sent.value_or(0) > 0) not_sent = ", not sent " + with_commas(*c.near->not_sent);
  return fmt::format("Send-Q {} ({}{})", with_commas(c.send_q()), state_text(c.near), not_sent);
}

std::string elsewhere_text(const ConnectionTruth& c) {
  std::int64_t bytes = c.elsewhere();
  if (bytes == 0) return "";
  std::string number = with_commas(static_cast<std::uint64_t>(std::abs(bytes)));
  if (bytes < 0) return fmt::format(" ({} have arrived and await their ACK: in both queues)", number);
  if (c.local.empty()) return fmt::format(", {} in the kernel", number);
  return fmt::format(", {} {}", number, c.near ? "on the way" : "gone with the connection");
}

/// What the peer has sent to us, if it has.
std::string backwards_text(const ConnectionTruth& c) {
  if (c.peer.written == 0) return "";
  return fmt::format("; from the peer {}: its Send-Q {}, our Recv-Q {}", with_commas(c.peer.written),
                     with_commas(c.far ? c.far->send_q : 0), with_commas(c.near ? c.near->recv_q : 0));
}

std::string line_for(const ConnectionTruth& c) {
  std::string channel, messages;
  if (c.channel_queue > 0) channel = fmt::format("channel queue {} + ", with_commas(c.channel_queue));
  if (c.message_queue > 0) messages = fmt::format("message queue {} + ", with_commas(c.message_queue));
  std::string text =
      fmt::format("{}: {}{}driver queue {}{}", c.name, channel, messages, with_commas(c.driver_queue), queue_notes(c));
  if (!c.local.empty()) {
    text += fmt::format(" + {} + Recv-Q {} ({})", send_q_text(c), with_commas(c.recv_q()), state_text(c.far));
  }
  if (c.peer.read > 0) text += " + read " + with_commas(c.peer.read);
  if (c.dropped > 0) text += " + dropped " + with_commas(c.dropped);
  return fmt::format("{} = {} of {}{}{}", text, with_commas(c.placed()), with_commas(c.taken), elsewhere_text(c),
                     backwards_text(c));
}

void add_socket(std::optional<SocketRow>& sum, const std::optional<SocketRow>& more) {
  if (!more) return;
  if (!sum) {
    sum = more;
    return;
  }
  sum->send_q += more->send_q;
  sum->recv_q += more->recv_q;
  if (sum->not_sent && more->not_sent) *sum->not_sent += *more->not_sent;
}

ConnectionTruth sum_of(const std::vector<ConnectionTruth>& all) {
  ConnectionTruth sum = all.front();
  sum.name = fmt::format("{} connections", all.size());
  for (const ConnectionTruth& c : std::span(all).subspan(1)) {
    sum.message_queue += c.message_queue;
    sum.channel_queue += c.channel_queue;
    sum.driver_queue += c.driver_queue;
    sum.dropped += c.dropped;
    sum.taken += c.taken;
    sum.waiting += c.waiting;
    sum.suspended += c.suspended;
    sum.refused += c.refused;
    sum.peer.read += c.peer.read;
    sum.peer.written += c.peer.written;
    add_socket(sum.near, c.near);
    add_socket(sum.far, c.far);
  }
  return sum;
}

nlohmann::json socket_json(const std::optional<SocketRow>& row) {
  if (!row) return nullptr;
  nlohmann::json socket{{"state", name_of(row->state)}, {"send_q", row->send_q}, {"recv_q", row->recv_q}};
  if (row->not_sent) socket["not_sent"] = *row->not_sent;
  return socket;
}

nlohmann::json connection_json(const ConnectionTruth& c) {
  nlohmann::json peer{{"read", c.peer.read}, {"written", c.peer.written}, {"fin", c.peer.fin}, {"open", c.peer.open}};
  if (c.peer.sys_errno != 0) peer["error"] = std::strerror(c.peer.sys_errno);
  return {{"name", c.name},
          {"local", c.local},
          {"remote", c.remote},
          {"taken_bytes", c.taken},
          {"message_queue", c.message_queue},
          {"channel_queue", c.channel_queue},
          {"driver_queue", c.driver_queue},
          {"dropped", c.dropped},
          {"elsewhere", c.elsewhere()},
          {"high", c.high},
          {"low", c.low},
          {"message_high", c.message_high},
          {"message_low", c.message_low},
          {"busy", c.busy},
          {"message_busy", c.message_busy},
          {"waiting", c.waiting},
          {"suspended", c.suspended},
          {"scheduled", c.scheduled},
          {"waited_ms", c.waited_ms},
          {"refused", c.refused},
          {"bypassed", c.bypassed},
          {"write_calls", c.write_calls},
          {"pending_shutdown", c.pending_shutdown},
          {"limbo", c.limbo},
          {"open", c.open},
          {"near", socket_json(c.near)},
          {"far", socket_json(c.far)},
          {"peer", peer}};
}

}  // namespace

std::vector<std::string> truth_lines(const Truth& truth) {
  std::vector<std::string> lines;
  if (truth.connections.size() > kShownOneByOne) {
    lines.push_back(line_for(sum_of(truth.connections)));
  } else {
    for (const ConnectionTruth& connection : truth.connections) lines.push_back(line_for(connection));
  }
  return lines;
}

nlohmann::json truth_json(const Truth& truth) {
  nlohmann::json connections = nlohmann::json::array();
  for (const ConnectionTruth& connection : truth.connections) connections.push_back(connection_json(connection));
  return {{"kind", "truth"}, {"seconds", truth.seconds}, {"connections", connections}};
}

}  // namespace tcpadvisor::port::scenario
