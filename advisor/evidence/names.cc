// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/names.h"

#include <fmt/format.h>

namespace tcpadvisor {

std::string owner_text(const SocketRow& row) {
  switch (row.holder) {
    case Holder::process:
      if (!row.owner) return "?";
      return row.owner->holders > 1 ? fmt::format("{}[{}]+{}", row.owner->comm, row.owner->pid, row.owner->holders - 1)
                                    : fmt::format("{}[{}]", row.owner->comm, row.owner->pid);
    case Holder::unaccepted:
      return "(not accepted)";
    case Holder::orphan:
      return "(orphan)";
    case Holder::kernel:
      return "(kernel)";
    case Holder::no_descriptor:
      return "(no descriptor)";
    case Holder::outside:
      return "outside this container";
    case Holder::unknown:
      break;
  }
  return row.kind == SocketKind::full ? "?" : "-";
}

std::string last_user_text(const LastUser& user) {
  return user.pid != 0 ? fmt::format("{}[{}]", user.comm, user.pid) : user.comm;
}

std::string_view state_text(TcpState state) {
  return name_of(state == TcpState::new_syn_recv ? TcpState::syn_recv : state);
}

std::string_view name_of(ConnectEnd end) {
  switch (end) {
    case ConnectEnd::refused:
      return "refused";
    case ConnectEnd::timed_out:
      return "timed-out";
    case ConnectEnd::unreachable:
      return "unreachable";
    case ConnectEnd::given_up:
      return "given-up";
    case ConnectEnd::no_port:
      return "no-port";
    case ConnectEnd::other:
      break;
  }
  return "other";
}

std::string key_of(const SocketRow& row) {
  if (row.cookie != 0) return fmt::format("c{}", row.cookie);
  return fmt::format("{}/{}/{}", row.netns, row.local.text(), row.remote.text());
}

std::string network_text(const NetworkTotals& network) {
  if (network.elsewhere) return "other networks";
  return fmt::format("{}/{}", network.network.ip_text(), network.network.v6 ? 64 : 24);
}

std::string place_text(const NetworkTotals& network) {
  return network.accepted ? fmt::format("port {} from {}", network.port, network_text(network))
                          : fmt::format("{} port {}", network_text(network), network.port);
}

std::string netns_text(const Sample& sample, NetnsId id) {
  const NetnsSample* found = sample.find_netns(id);
  return found != nullptr && !found->name.empty() ? found->name : fmt::format("netns {}", id);
}

}  // namespace tcpadvisor
