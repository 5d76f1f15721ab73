// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/waits_for.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

using enum WaitsFor;

std::string bytes_text(std::uint64_t bytes) {
  return bytes == 1 ? "1 byte" : with_commas(bytes) + " bytes";
}

/// The part of the last busy time that the kernel put down to one limit; 0 if that is not known.
double share_of_busy(const std::optional<std::uint64_t>& now_us, const Maybe<std::uint64_t>& then_us,
                     const SocketRow& row, const PastRow& before) {
  if (!now_us || !then_us || !row.busy_us || !before.busy_us) return 0;
  if (*row.busy_us <= *before.busy_us || *now_us <= *then_us) return 0;
  return static_cast<double>(*now_us - *then_us) / static_cast<double>(*row.busy_us - *before.busy_us);
}

std::uint64_t segment_of(const SocketRow& row) {
  return std::max<std::uint64_t>(row.mss.value_or(0), 1);
}

std::optional<Waiting> closed_or_full_window(const SocketRow& row, std::uint64_t not_sent, std::uint64_t in_flight) {
  if (!row.snd_wnd) return std::nullopt;
  if (*row.snd_wnd == 0)
    return Waiting{peer_window, fmt::format("the peer's window: it is closed, {} are not sent", bytes_text(not_sent))};
  const std::uint64_t room = *row.snd_wnd - std::min<std::uint64_t>(*row.snd_wnd, in_flight);
  if (not_sent <= room || room >= segment_of(row)) return std::nullopt;
  if (in_flight == 0)
    return Waiting{peer_window, fmt::format("the peer's window: it offers only {}", bytes_text(*row.snd_wnd))};
  return Waiting{peer_window, fmt::format("the peer's window: {} are on their way, of the {} that it offers",
                                          bytes_text(in_flight), bytes_text(*row.snd_wnd))};
}

std::optional<Waiting> sending_again(const SocketRow& row) {
  if (row.backoff.value_or(0) == 0 || row.timer != Timer::retransmit) return std::nullopt;
  return Waiting{acknowledgement,
                 fmt::format("the peer's acknowledgement: nothing comes back, and the timer has sent it again {} times",
                             *row.backoff)};
}

std::optional<Waiting> full_congestion_window(const SocketRow& row) {
  if (!row.snd_cwnd || !row.unacked_segs || *row.snd_cwnd == 0) return std::nullopt;
  const std::uint32_t out = *row.unacked_segs - std::min(*row.unacked_segs, row.lost_segs.value_or(0));
  if (out < *row.snd_cwnd) return std::nullopt;
  return Waiting{congestion_window, fmt::format("the congestion window: {} of {} segments are on their way",
                                                with_commas(out), with_commas(*row.snd_cwnd))};
}

/// Less than a segment, which is held back on purpose.
std::optional<Waiting> small_segment(const SocketRow& row, std::uint64_t not_sent) {
  if (!row.mss || not_sent >= *row.mss) return std::nullopt;
  if (row.cork == true) {
    return Waiting{cork,
                   fmt::format("TCP_CORK: {} are no full segment; they go after 200 ms, or when the cork is taken "
                               "out",
                               bytes_text(not_sent))};
  }
  if (row.nodelay == false && row.unacked_segs.value_or(0) > 0) {
    return Waiting{nagle,
                   fmt::format("Nagle's algorithm: {} are no full segment, and the one before is not acknowledged",
                               bytes_text(not_sent))};
  }
  return std::nullopt;
}

Waiting with_something_to_send(const SocketRow& row, const PastRow* before, std::uint64_t not_sent) {
  const std::uint64_t in_flight = row.send_q - std::min(row.send_q, not_sent);
  if (auto waiting = closed_or_full_window(row, not_sent, in_flight)) return *waiting;
  if (auto waiting = sending_again(row)) return *waiting;
  if (auto waiting = full_congestion_window(row)) return *waiting;
  if (auto waiting = small_segment(row, not_sent)) return *waiting;
  if (before != nullptr && share_of_busy(row.rwnd_limited_us, before->rwnd_limited_us, row, *before) > 0.5)
    return {peer_window, "the peer's window, most of the time since the last look"};
  const bool much_below = row.wmem_alloc.value_or(0) > 2 * segment_of(row);
  if (row.paced == true && row.pacing_rate && !(row.cwnd_limited == true)) {
    return {pacing, fmt::format("pacing: it sends {} a second, and no faster", bytes_text(*row.pacing_rate))};
  }
  if (much_below) {
    return {device, fmt::format("this host's own device: {} of memory wait below TCP, in its queue",
                                bytes_text(*row.wmem_alloc))};
  }
  if (row.cwnd_limited == true) return {congestion_window, "the congestion window, when it sent last"};
  if (!row.snd_wnd || !row.snd_cwnd || !row.unacked_segs)
    return {not_known, "windows and what is on its way are not visible here"};
  return {not_known,
          fmt::format("{} are not sent, and neither window, Nagle, cork nor pacing holds them", bytes_text(not_sent))};
}

/// A sender that waits, or would: the buffer is full, and all that is in it has been sent.
std::optional<Waiting> full_buffer(const SocketRow& row, const PastRow* before) {
  const bool full = row.sndbuf && row.wmem_queued && *row.sndbuf > 0 && *row.wmem_queued >= *row.sndbuf;
  const bool often =
      before != nullptr && share_of_busy(row.sndbuf_limited_us, before->sndbuf_limited_us, row, *before) > 0.5;
  if (row.nospace != true && !full && !often) return std::nullopt;
  if (!row.sndbuf || !row.wmem_queued) return Waiting{own_buffer, "room in its own send buffer"};
  return Waiting{own_buffer,
                 fmt::format("room in its own send buffer: {} of {} are in use{}", with_commas(*row.wmem_queued),
                             bytes_text(*row.sndbuf), row.locks && row.locks->sndbuf ? ", fixed by SO_SNDBUF" : "")};
}

Waiting with_all_sent(const SocketRow& row, const PastRow* before) {
  if (row.snd_wnd == 0u && row.timer == Timer::persist) return {peer_window, "the peer's window: it is closed"};
  if (auto waiting = sending_again(row)) return *waiting;
  if (auto waiting = full_buffer(row, before)) return *waiting;
  return {acknowledgement, fmt::format("the peer's acknowledgement of {}", bytes_text(row.send_q))};
}

Waiting with_nothing_to_send(const SocketRow& row) {
  const bool ended = row.state == TcpState::close_wait;
  if (row.recv_q > 0) {
    if (row.rcvlowat && row.recv_q < *row.rcvlowat && !ended) {
      return {more_bytes, fmt::format("more from the peer: {} have come, SO_RCVLOWAT asks for {}",
                                      bytes_text(row.recv_q), with_commas(*row.rcvlowat))};
    }
    return {reader,
            fmt::format("the program to read: {} {} unread", bytes_text(row.recv_q), row.recv_q == 1 ? "is" : "are")};
  }
  switch (row.state) {
    case TcpState::close_wait:
      return {program, "the program to close: the peer has, and nothing waits"};
    case TcpState::fin_wait_2:
      return {peer_end, "the peer to close: this end has"};
    case TcpState::fin_wait_1:
    case TcpState::last_ack:
    case TcpState::closing:
      return {acknowledgement, "the peer's acknowledgement of our end of the connection"};
    default:
      return {program, "the program: nothing to send, nothing to read"};
  }
}

}  // namespace

std::optional<Waiting> waits_for(const SocketRow& row, const PastRow* before) {
  if (row.kind != SocketKind::full) return std::nullopt;
  switch (row.state) {
    case TcpState::listen:
    case TcpState::time_wait:
    case TcpState::close:
    case TcpState::new_syn_recv:
      return std::nullopt;
    case TcpState::syn_sent:
      return Waiting{acknowledgement, "the peer's answer to our SYN"};
    case TcpState::syn_recv:
      return Waiting{acknowledgement, "the peer's answer to our SYN-ACK"};
    default:
      break;
  }
  if (row.send_q == 0) return with_nothing_to_send(row);
  if (!row.not_sent) {
    if (row.snd_wnd == 0u) return Waiting{peer_window, "the peer's window: it is closed"};
    return Waiting{not_known, fmt::format("{} are not acknowledged, and how much of it is not sent is not visible here",
                                          bytes_text(row.send_q))};
  }
  Waiting waiting = *row.not_sent > 0 ? with_something_to_send(row, before, *row.not_sent) : with_all_sent(row, before);
  if (row.recv_q > 0 && row.recv_q >= row.rcvlowat.value_or(0))
    waiting.text += fmt::format("; and for the program to read {}", bytes_text(row.recv_q));
  return waiting;
}

}  // namespace tcpadvisor
