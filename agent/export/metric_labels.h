// SPDX-License-Identifier: Apache-2.0
// The values of labels. For state, direction, error and kind of retransmit they are those of OpenTelemetry's semantic
// conventions where these have one (network.connection.state, network.io.direction, error.type,
// network.tcp.retransmit.type), so that a Collector renames without a table. Pure.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/export/families.h"

namespace tcpadvisor::exported {

inline constexpr std::string_view kOther = "other";  ///< what was folded
inline constexpr std::string_view kReceive = "receive", kTransmit = "transmit";

/// By TcpState; the last one, a request socket, is counted as syn_received.
inline constexpr std::array<std::string_view, kStateCount> kStateLabels = {
    "",       "established", "syn_sent", "syn_received", "fin_wait_1", "fin_wait_2",  "time_wait",
    "closed", "close_wait",  "last_ack", "listen",       "closing",    "syn_received"};
/// In the order of kRetransmitKinds.
inline constexpr std::array<std::string_view, 7> kRetransmitLabels = {
    "fast", "tail_loss_probe", "timeout", "after_timeout", "syn", "syn_ack", "_OTHER"};
/// By ConnectEnd.
inline constexpr std::array<std::string_view, 6> kConnectErrorLabels = {"refused",  "timed_out", "host_unreachable",
                                                                        "given_up", "no_port",   "_OTHER"};

/// "loopback", "10.0.0.0/24", "2001:db8:1::/48": whoever has thousands of peers has few networks.
std::string network_label(const Endpoint& peer);
/// "host", its name, or "unnamed": a pid is no name that lasts.
std::string netns_label(const Sample& sample, NetnsId netns);
/// The port of a listener; "ephemeral" of one that connect() could have been given, which is another one each time.
std::string port_label(const Sample& sample, NetnsId netns, std::uint16_t port);
/// {netns, address, port}
Labels listener_labels(const Sample& sample, const SocketRow& row);
/// {group_kind, group}
Labels group_labels(const std::optional<OwnerGroup>& group);

/// The `most` of `all` with the largest weights, by `name`; those that were among them before count double, so that
/// two that are about as large do not take turns. What is not among them is "other".
struct Weighed {
  Labels name;
  std::uint64_t weight = 0;
};
std::vector<Labels> largest(std::vector<Weighed> all, std::size_t most, const std::vector<Labels>& before = {});

}  // namespace tcpadvisor::exported
