// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/sent_again.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

/// Addresses that connections of a namespace have at this end.
std::set<std::pair<NetnsId, Endpoint>> own_addresses(const Sample& now) {
  std::set<std::pair<NetnsId, Endpoint>> out;
  for (const SocketRow& row : now.sockets) {
    Endpoint address = row.local;
    address.port = 0;
    if (!address.is_unspecified()) out.emplace(row.netns, address);
  }
  return out;
}

}  // namespace

std::vector<SentAgain> sent_again(const Evidence& in, const Past& past) {
  std::vector<SentAgain> out;
  if (in.now().retransmits.empty()) return out;
  const auto own = own_addresses(in.now());
  for (const Retransmits& one : in.now().retransmits) {
    if (one.destination.is_loopback() || own.contains({one.netns, one.destination})) continue;
    const NetnsSample* netns = in.now().find_netns(one.netns);
    if (netns == nullptr || !netns->error.empty()) continue;  // nothing else is known of its connections
    SentAgain again{.netns = one.netns, .destination = one.destination, .counts = past.increase(one)};
    if (again.counts.total() > 0) out.push_back(again);
  }
  return out;
}

std::optional<RetransmitCounts> sent_again_in(const Past& past, NetnsId netns) {
  auto fast = past.increase(netns, "TcpExt.TCPFastRetrans"), probes = past.increase(netns, "TcpExt.TCPLossProbes");
  auto timeouts = past.increase(netns, "TcpExt.TCPTimeouts");
  auto after = past.increase(netns, "TcpExt.TCPSlowStartRetrans");
  if (!fast || !probes || !timeouts || !after) return std::nullopt;
  RetransmitCounts out;
  out.fast = to_u64(*fast);
  out.tail_probe = to_u64(*probes);
  // The counter has the time-outs of handshakes, too.
  out.syn = to_u64(past.increase(netns, "TcpExt.TCPSynRetrans").value_or(0));
  out.timeout = sub_sat(to_u64(*timeouts), out.syn);
  out.after_timeout = to_u64(*after);
  return out;
}

double of_connections(const RetransmitCounts& counts) {
  return static_cast<double>(sub_sat(counts.total(), add_sat(counts.syn, counts.syn_ack)));
}

double tail_share(const RetransmitCounts& counts) {
  const double all = of_connections(counts);
  return all > 0 ? static_cast<double>(add_sat(counts.tail_probe, counts.timeout)) / all : 0;
}

void add_kinds(const Window& window, const Past& past, const RetransmitCounts& counts, const std::string& source,
               Finding& finding) {
  static constexpr std::array<const char*, kRetransmitKinds.size()> kNames = {
      "fast_retransmits", "tail_loss_probes",    "timeouts", "sent_after_timeouts",
      "syns_sent_again",  "syn_acks_sent_again", "others"};
  for (std::size_t kind = 0; kind < kNames.size(); ++kind) {
    const std::uint64_t count = counts.*kRetransmitKinds[kind];
    if (count == 0) continue;
    Measurement one = measured(window, kNames[kind], source, static_cast<double>(count), "segments");
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  }
}

std::optional<double> local_drops(const Past& past, const NetnsSample* netns) {
  if (netns == nullptr || netns->devices.empty()) return std::nullopt;
  double dropped = 0;
  for (const auto& [name, value] : netns->counters) {
    if (name.starts_with("Device.")) dropped += past.increase(netns->id, name).value_or(0);
  }
  return dropped;
}

std::string place_text(std::optional<double> dropped_here) {
  if (!dropped_here) return "Where they are lost is not visible from here, nor what this host's own devices drop.";
  return fmt::format(
      "This host's own devices dropped {} packets in that time: it is elsewhere. Nothing on this host can see further "
      "than its first link.",
      with_commas(to_u64(*dropped_here)));
}

}  // namespace tcpadvisor
