// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/inet_diag.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "agent/sources/netlink_bytes.h"

namespace tcpadvisor::sources {
namespace {

template <typename T>
std::optional<T> unless_zero(std::optional<T> value) {
  return value && *value != 0 ? value : std::nullopt;
}

// struct tcp_info grew after the headers this is built with may end: offsets of the kernel's own ABI.
constexpr std::size_t kRcvWndOffset = offsetof(tcp_info, tcpi_snd_wnd) + 4;
constexpr std::uint32_t kNoThreshold = 0x7fffffff;  // TCP_INFINITE_SSTHRESH

/// struct tcp_info, as much of it as the kernel gave.
void decode_tcp_info(Bytes info, SocketRow& row) {
#define AT(field) value_at<decltype(tcp_info::field)>(info, offsetof(tcp_info, field))
  row.backoff = AT(tcpi_backoff);
  row.probes_out = AT(tcpi_probes);
  if (info.size() > 7) {  // two bit-fields without names to take an offset of: wscales at byte 6, app_limited in byte 7
    auto scales = std::to_integer<std::uint8_t>(info[6]);
    row.snd_wscale = static_cast<std::uint8_t>(scales & 0x0f);
    row.rcv_wscale = static_cast<std::uint8_t>(scales >> 4);
    row.app_limited = (std::to_integer<unsigned>(info[7]) & 1) != 0;
  }
  row.mss = AT(tcpi_snd_mss);
  row.last_data_sent_ms = AT(tcpi_last_data_sent);
  row.last_data_recv_ms = AT(tcpi_last_data_recv);
  row.last_ack_recv_ms = AT(tcpi_last_ack_recv);
  row.srtt_us = unless_zero(AT(tcpi_rtt));  // inet_diag gives microseconds, not the kernel's eighths
  row.snd_cwnd = AT(tcpi_snd_cwnd);
  row.rcv_rtt_us = unless_zero(AT(tcpi_rcv_rtt));
  row.total_retrans = AT(tcpi_total_retrans);
  row.unacked_segs = AT(tcpi_unacked);
  row.lost_segs = AT(tcpi_lost);
  row.data_segs_out = AT(tcpi_data_segs_out);
  row.data_segs_in = AT(tcpi_data_segs_in);
  row.delivered_segs = AT(tcpi_delivered);
  row.ssthresh = AT(tcpi_snd_ssthresh);
  if (row.ssthresh >= kNoThreshold) row.ssthresh.reset();
  row.rto_us = AT(tcpi_rto);
  row.dsack_dups = AT(tcpi_dsack_dups);
  row.reord_seen = AT(tcpi_reord_seen);
  row.ooo_segs = value_at<std::uint32_t>(info, offsetof(tcp_info, tcpi_rcv_ooopack));
  row.pmtu = AT(tcpi_pmtu);
  row.advmss = AT(tcpi_advmss);
  row.pacing_rate = AT(tcpi_pacing_rate);
  if (row.pacing_rate == ~std::uint64_t{0}) row.pacing_rate.reset();
  row.delivery_rate = unless_zero(AT(tcpi_delivery_rate));
  row.bytes_acked = AT(tcpi_bytes_acked);
  row.bytes_received = AT(tcpi_bytes_received);
  row.not_sent = AT(tcpi_notsent_bytes);
  row.min_rtt_us = unless_zero(AT(tcpi_min_rtt));
  if (row.min_rtt_us == ~0u) row.min_rtt_us.reset();  // no sample yet
  row.busy_us = AT(tcpi_busy_time);
  row.rwnd_limited_us = AT(tcpi_rwnd_limited);
  row.sndbuf_limited_us = AT(tcpi_sndbuf_limited);
  row.bytes_sent = AT(tcpi_bytes_sent);
  row.bytes_retrans = AT(tcpi_bytes_retrans);
  row.snd_wnd = AT(tcpi_snd_wnd);
  row.rcv_wnd = value_at<std::uint32_t>(info, kRcvWndOffset);
#undef AT
}

/// Byte counts of tcp_info are sequence numbers too: bytes_acked counts our SYN (if we connected) and FIN,
/// bytes_received counts the peer's FIN.
void correct_counts(SocketRow& row) {
  if (row.not_sent) row.not_sent = std::min<std::uint64_t>(*row.not_sent, row.send_q);
  bool fin_received =
      row.state == TcpState::close_wait || row.state == TcpState::last_ack || row.state == TcpState::closing;
  if (fin_received && row.bytes_received.value_or(0) > 0) --*row.bytes_received;
  // What was sent, less what was sent again and what still waits for its ACK, was acknowledged: no SYN or FIN in it.
  if (row.bytes_acked && row.bytes_sent && row.bytes_retrans && row.not_sent) {
    std::uint64_t in_flight = row.send_q - *row.not_sent;
    std::uint64_t payload = *row.bytes_sent - std::min(*row.bytes_sent, *row.bytes_retrans);
    std::uint64_t acked = payload - std::min(payload, in_flight);
    row.bytes_acked = std::min(*row.bytes_acked, acked);
  }
}

void decode_memory(Bytes bytes, SocketRow& row) {
  auto at = [&](std::size_t index) -> std::optional<std::uint64_t> {
    auto value = value_at<std::uint32_t>(bytes, index * sizeof(std::uint32_t));
    if (!value) return std::nullopt;
    return *value;
  };
  row.rmem_alloc = at(0);  // SK_MEMINFO_*, include/uapi/linux/sock_diag.h
  row.rcvbuf = at(1);
  row.sndbuf = at(3);
  row.fwd_alloc = at(4);
  row.wmem_queued = at(5);
  row.backlog_bytes = at(7);
  row.drops = at(8);
}

struct Attributes {
  Bytes info, memory, congestion, cgroup, ulp;
};

Result<Attributes> split_attributes(Bytes rest) {
  Attributes found;
  while (rest.size() >= NLA_HDRLEN) {
    auto header = *value_at<nlattr>(rest, 0);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > rest.size()) {
      return fail(ErrorCode::failed, fmt::format("inet_diag: an attribute of {} bytes in a message with {} left",
                                                 header.nla_len, rest.size()));
    }
    Bytes value = rest.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    switch (header.nla_type & NLA_TYPE_MASK) {
      case INET_DIAG_INFO:
        found.info = value;
        break;
      case INET_DIAG_SKMEMINFO:
        found.memory = value;
        break;
      case INET_DIAG_CONG:
        found.congestion = value;
        break;
      case INET_DIAG_CGROUP_ID:
        found.cgroup = value;
        break;
      case INET_DIAG_ULP_INFO:
        found.ulp = value;
        break;
      default:
        break;
    }
    rest = rest.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), rest.size()));
  }
  return found;
}

/// An MPTCP subflow has no file of its own: without this it would look unaccepted or orphaned.
bool is_mptcp_subflow(Bytes ulp) {
  auto header = value_at<nlattr>(ulp, 0);  // INET_ULP_INFO_NAME comes first
  if (!header || header->nla_len < NLA_HDRLEN || header->nla_len > ulp.size()) return false;
  return text_of(ulp.subspan(NLA_HDRLEN, header->nla_len - NLA_HDRLEN)) == "mptcp";
}

Endpoint endpoint_of(const __be32 (&ip_be)[4], __be16 port_be, unsigned family) {
  std::array<std::uint8_t, 16> ip;
  std::memcpy(ip.data(), ip_be, sizeof ip);
  return Endpoint::from_bytes(std::span(ip).first(family == AF_INET6 ? 16 : 4), ntohs(port_be));
}

}  // namespace

Result<SocketRow> decode_inet_diag(std::span<const std::byte> payload) {
  auto message = value_at<inet_diag_msg>(payload, 0);
  if (!message) {
    return fail(ErrorCode::failed, fmt::format("inet_diag: a message of {} bytes, at least {} expected", payload.size(),
                                               sizeof(inet_diag_msg)));
  }
  auto state = tcp_state_from(message->idiag_state);
  bool known_family = message->idiag_family == AF_INET || message->idiag_family == AF_INET6;
  if (!state || !known_family) {
    return fail(ErrorCode::failed, fmt::format("inet_diag: state {} of family {} is not known", message->idiag_state,
                                               message->idiag_family));
  }
  auto attributes =
      split_attributes(payload.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof(inet_diag_msg)), payload.size())));
  if (!attributes) return std::unexpected(attributes.error());

  SocketRow row;
  row.cookie = message->id.idiag_cookie[0] | static_cast<std::uint64_t>(message->id.idiag_cookie[1]) << 32;
  row.local = endpoint_of(message->id.idiag_src, message->id.idiag_sport, message->idiag_family);
  row.remote = endpoint_of(message->id.idiag_dst, message->id.idiag_dport, message->idiag_family);
  row.state = *state;
  row.timer = timer_from(message->idiag_timer);
  row.uid = message->idiag_uid;
  row.inode = message->idiag_inode;
  row.cgroup_id = value_at<std::uint64_t>(attributes->cgroup, 0).value_or(0);
  row.congestion_control = text_of(attributes->congestion);
  decode_memory(attributes->memory, row);

  if (row.timer == Timer::timewait) row.kind = SocketKind::timewait;
  if (row.state == TcpState::syn_recv && row.inode == 0 && attributes->info.empty()) {
    row.kind = SocketKind::request;  // shown as SYN_RECV; the kernel's own name is NEW_SYN_RECV
    row.state = TcpState::new_syn_recv;
  }
  if (row.state == TcpState::listen) {
    row.accept_queue = message->idiag_rqueue;
    row.accept_limit = message->idiag_wqueue;
  } else {
    row.recv_q = message->idiag_rqueue;
    row.send_q = message->idiag_wqueue;
    count_payload_only(row);
    decode_tcp_info(attributes->info, row);
    correct_counts(row);
  }
  settle_holder(row);
  row.mptcp = is_mptcp_subflow(attributes->ulp);
  if (row.inode == 0 && row.mptcp) row.holder = Holder::kernel;
  return row;
}

}  // namespace tcpadvisor::sources
