// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/proc_net_tcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::uint64_t kMaxQueue = 0xFFFF'FFFF;  // the kernel prints 32 bits

std::unexpected<Error> bad(std::string_view what, std::string_view word) {
  return fail(ErrorCode::failed, fmt::format("'{}' is not {}", printable(word), what));
}

/// "0100007F:1F90": each 32-bit word of the address is printed in the host's byte order.
std::optional<Endpoint> parse_endpoint(std::string_view word) {
  std::size_t colon = word.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  std::array<std::uint8_t, 16> ip{};
  for (std::size_t at = 0; at < colon; at += 8) {
    auto group = number<std::uint32_t>(word.substr(at, 8), 16);
    if (!group) return std::nullopt;
    std::memcpy(ip.data() + at / 2, &*group, 4);
  }
  auto port = number<std::uint16_t>(word.substr(colon + 1), 16);
  if (!port) return std::nullopt;
  return Endpoint::from_bytes(std::span(ip).first(colon / 2), *port);
}

struct HexPair {
  std::uint64_t first, second;
};
std::optional<HexPair> parse_hex_pair(std::string_view word) {
  std::size_t colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto first = number<std::uint64_t>(word.substr(0, colon), 16);
  auto second = number<std::uint64_t>(word.substr(colon + 1), 16);
  if (!first || !second) return std::nullopt;
  return HexPair{*first, *second};
}

std::uint64_t made_cookie(const SocketRow& row) {
  std::uint64_t hash =
      stable_hash(row.inode != 0 ? fmt::format("i{}", row.inode) : row.local.text() + row.remote.text());
  return hash == 0 ? 1 : hash;
}

}  // namespace

Result<SocketRow> parse_proc_net_tcp(std::string_view line) {
  SocketRow row;
  std::string_view slot = next_word(line);
  if (!slot.ends_with(':')) return bad("a slot number with a colon", slot);

  std::string_view word = next_word(line);
  auto local = parse_endpoint(word);
  if (!local) return bad("a local address", word);
  word = next_word(line);
  auto remote = parse_endpoint(word);
  if (!remote) return bad("a remote address", word);
  word = next_word(line);
  auto state_number = number<unsigned>(word, 16);
  auto state = state_number ? tcp_state_from(*state_number) : std::nullopt;
  if (!state) return bad("a TCP state", word);
  word = next_word(line);
  auto queues = parse_hex_pair(word);
  if (!queues || queues->first > kMaxQueue || queues->second > kMaxQueue) return bad("tx_queue:rx_queue", word);
  word = next_word(line);
  auto timer = parse_hex_pair(word);
  if (!timer) return bad("a timer", word);
  word = next_word(line);
  if (!number<std::uint64_t>(word, 16)) return bad("a number of retransmits", word);
  word = next_word(line);
  auto uid = number<std::uint32_t>(word);
  if (!uid) return bad("a user id", word);
  word = next_word(line);
  auto probes = number<std::uint32_t>(word);
  if (!probes) return bad("a number of probes", word);
  word = next_word(line);
  auto inode = number<std::uint64_t>(word);
  if (!inode) return bad("an inode", word);

  row.local = *local;
  row.remote = *remote;
  row.state = *state;
  row.timer = timer_from(static_cast<unsigned>(timer->first));
  row.uid = *uid;
  row.inode = *inode;
  if (row.timer == Timer::timewait) row.kind = SocketKind::timewait;
  if (row.state == TcpState::syn_recv && row.inode == 0) {
    row.kind = SocketKind::request;
    row.state = TcpState::new_syn_recv;
  }
  if (row.state == TcpState::listen) {
    row.accept_queue = static_cast<std::uint32_t>(queues->second);
  } else {
    row.send_q = queues->first;
    row.recv_q = queues->second;
    row.probes_out = static_cast<std::uint8_t>(std::min(*probes, 255u));
    count_payload_only(row);
  }
  row.cookie = made_cookie(row);
  settle_holder(row);
  return row;
}

Status read_proc_net_tcp(const os::ProcRoot& root, const std::function<void(SocketRow&&)>& each,
                         std::string_view net_dir) {
  for (std::string_view name : {"tcp", "tcp6"}) {
    std::string path = fmt::format("{}/{}", net_dir, name);
    auto status = root.for_each_line(path, [&](std::string_view line, std::size_t line_number) -> Status {
      if (line_number == 1) return {};  // the heading
      auto found = parse_proc_net_tcp(line);
      if (!found) return fail(ErrorCode::failed, fmt::format("{}:{}: {}", path, line_number, found.error().message));
      each(std::move(*found));
      return {};
    });
    bool without_ipv6 = !status && name == "tcp6" && status.error().code == ErrorCode::not_found;
    if (!status && !without_ipv6) return status;
  }
  return {};
}

}  // namespace tcpadvisor::sources
