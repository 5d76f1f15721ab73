// SPDX-License-Identifier: Apache-2.0
// A table of tracked connections with many entries. They are put there over netlink, as tools that copy a table to
// another host do: no packet filter and no traffic are needed, and the limit of the host stays as it is.
#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"

namespace tcpfault {
namespace {

constexpr std::uint64_t kPartOfLimit = 80;  // the entries are one part in so many of the limit, and a few more
constexpr std::uint64_t kMostEntries = 20'000;
constexpr std::uint32_t kLifeS = 600;
constexpr std::size_t kInOneSend = 200;

/// Netlink messages, one after another.
class Messages {
 public:
  void begin(std::uint16_t type, std::uint16_t flags) {
    message_ = bytes_.size();
    nlmsghdr head{};
    head.nlmsg_type = type;
    head.nlmsg_flags = flags;
    add(&head, sizeof head);
  }
  void add(const void* data, std::size_t size) {
    const auto* first = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    nlattr head{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + size), .nla_type = type};
    add(&head, sizeof head);
    add(data, size);
  }
  template <typename Fill>
  void nest(std::uint16_t type, Fill fill) {
    const std::size_t at = bytes_.size();
    nlattr head{.nla_len = 0, .nla_type = static_cast<std::uint16_t>(type | NLA_F_NESTED)};
    add(&head, sizeof head);
    fill();
    head.nla_len = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at, &head, sizeof head);
  }
  void end() {
    const auto size = static_cast<std::uint32_t>(bytes_.size() - message_);
    std::memcpy(bytes_.data() + message_, &size, sizeof size);
  }
  void send(int socket) {
    if (!bytes_.empty()) check(static_cast<int>(::send(socket, bytes_.data(), bytes_.size(), 0)), "send to netlink");
    bytes_.clear();
  }

 private:
  std::vector<char> bytes_;
  std::size_t message_ = 0;
};

void put_tuple(Messages& out, std::uint16_t type, std::uint32_t from, std::uint32_t to, std::uint16_t from_port,
               std::uint16_t to_port) {
  out.nest(type, [&] {
    out.nest(CTA_TUPLE_IP, [&] {
      out.attribute(CTA_IP_V4_SRC, &from, sizeof from);
      out.attribute(CTA_IP_V4_DST, &to, sizeof to);
    });
    out.nest(CTA_TUPLE_PROTO, [&] {
      const std::uint8_t tcp = IPPROTO_TCP;
      out.attribute(CTA_PROTO_NUM, &tcp, sizeof tcp);
      out.attribute(CTA_PROTO_SRC_PORT, &from_port, sizeof from_port);
      out.attribute(CTA_PROTO_DST_PORT, &to_port, sizeof to_port);
    });
  });
}

/// An established connection of somebody else's to a port of this host.
void put_entry(Messages& out, std::uint64_t number) {
  constexpr std::uint64_t kPorts = 50'000, kFirstPort = 1'024;
  const std::uint32_t client = htonl(0x0a00'0001u + static_cast<std::uint32_t>(number / kPorts));
  const std::uint32_t server = htonl(0x0a09'0909u);
  const std::uint16_t from = htons(static_cast<std::uint16_t>(kFirstPort + number % kPorts)), to = htons(443);
  out.begin(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);
  const nfgenmsg family{.nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
  out.add(&family, sizeof family);
  put_tuple(out, CTA_TUPLE_ORIG, client, server, from, to);
  put_tuple(out, CTA_TUPLE_REPLY, server, client, to, from);
  const std::uint32_t life = htonl(kLifeS);
  out.attribute(CTA_TIMEOUT, &life, sizeof life);
  out.nest(CTA_PROTOINFO, [&] {
    out.nest(CTA_PROTOINFO_TCP, [&] {
      const std::uint8_t state = TCP_CONNTRACK_ESTABLISHED;
      out.attribute(CTA_PROTOINFO_TCP_STATE, &state, sizeof state);
    });
  });
  out.end();
}

std::uint64_t number_in(const std::string& path) {
  return std::stoull(get_sysctl(path));
}

}  // namespace

Scene make_conntrack_entries(Stage& stage, const Request& request) {
  if (!request.private_netns) throw Skip("fills a table: only in a namespace of its own");
  if (access("/proc/sys/net/netfilter/nf_conntrack_count", R_OK) != 0 ||
      access("/proc/sys/net/netfilter/nf_conntrack_max", R_OK) != 0)
    throw Skip("connections are not tracked by this kernel (nf_conntrack is not loaded)");
  const std::uint64_t limit = number_in("net/netfilter/nf_conntrack_max");
  const std::uint64_t wanted = limit / kPartOfLimit + static_cast<std::uint64_t>(request.count);
  if (limit == 0 || wanted > kMostEntries) throw Skip("the limit of entries of this host is too large to come near it");
  const Actor filler = stage.start("tcpfault-filler", [=](const Channel& channel) {
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (netlink < 0) throw Skip("this kernel has no netlink for the packet filter");
    Messages messages;
    for (std::uint64_t i = 0; i < wanted; ++i) {
      put_entry(messages, i);
      if (i % kInOneSend == kInOneSend - 1) messages.send(netlink);
    }
    messages.send(netlink);
    if (number_in("net/netfilter/nf_conntrack_count") < wanted) throw Skip("the kernel did not take the entries");
    channel.say(wanted);
  });
  const auto count = static_cast<int>(filler.channel.hear());
  return {{"conntrack-entries", filler.pid, 0, 0, count}};
}

}  // namespace tcpfault
