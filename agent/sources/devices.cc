// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/devices.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "agent/os/proc_root.h"
#include "agent/sources/netlink_bytes.h"

namespace tcpadvisor::sources {
namespace {

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

constexpr std::size_t kBufferBytes = 64 * 1024;

/// Calls each(type, bytes) for every attribute; stops at one that does not fit.
template <typename Each>
void each_attribute(Bytes bytes, Each each) {
  while (auto head = value_at<nlattr>(bytes)) {
    if (head->nla_len < sizeof(nlattr) || head->nla_len > bytes.size()) return;
    each(head->nla_type & NLA_TYPE_MASK, bytes.subspan(sizeof(nlattr), head->nla_len - sizeof(nlattr)));
    bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(head->nla_len), bytes.size()));
  }
}

Status ask(mnl_socket* socket, std::uint16_t type, std::size_t family_bytes) {
  std::vector<char> buffer(MNL_SOCKET_BUFFER_SIZE);
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  mnl_nlmsg_put_extra_header(header, family_bytes);
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
    return os::fail_errno("route netlink: cannot ask for devices", errno);
  return {};
}

template <typename Add>
Status receive(mnl_socket* socket, std::uint16_t wanted, Add add) {
  std::vector<char> buffer(kBufferBytes);
  while (true) {
    ssize_t got = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os::fail_errno("route netlink: cannot read the answer", errno);
    if (got == 0) return fail(ErrorCode::failed, "route netlink: the answer ended early");
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(header, left);
         header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) return fail(ErrorCode::failed, "route netlink: the kernel refuses");
      if (header->nlmsg_type != wanted) continue;
      add(Bytes(static_cast<const std::byte*>(mnl_nlmsg_get_payload(header)), mnl_nlmsg_get_payload_len(header)));
    }
  }
}

std::uint64_t dropped(const Device& device) {
  return add_sat(device.qdisc_drops.value_or(0), device.tx_dropped.value_or(0));
}

}  // namespace

void add_link(Bytes payload, DevicesByIndex& devices) {
  auto head = value_at<ifinfomsg>(payload);
  if (!head) return;
  Device device;
  each_attribute(payload.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof(ifinfomsg)), payload.size())),
                 [&](int type, Bytes bytes) {
                   if (type == IFLA_IFNAME) device.name = text_of(bytes);
                   if (type == IFLA_MTU) device.mtu = value_at<std::uint32_t>(bytes).value_or(0);
                   if (type == IFLA_QDISC) device.qdisc = text_of(bytes);
                   if (type != IFLA_STATS64) return;
                   auto number = [&](std::size_t at) {
                     return at < bytes.size() ? value_at<std::uint64_t>(bytes.subspan(at)) : std::nullopt;
                   };
                   device.tx_packets = number(offsetof(rtnl_link_stats64, tx_packets));
                   device.tx_dropped = number(offsetof(rtnl_link_stats64, tx_dropped));
                   device.rx_dropped = number(offsetof(rtnl_link_stats64, rx_dropped));
                 });
  if (!device.name.empty()) devices[head->ifi_index] = std::move(device);
}

void add_qdisc(Bytes payload, DevicesByIndex& devices) {
  auto head = value_at<tcmsg>(payload);
  if (!head || head->tcm_parent != TC_H_ROOT) return;
  auto device = devices.find(head->tcm_ifindex);
  if (device == devices.end()) return;
  auto queue = [&](int type, Bytes bytes) {
    if (type != TCA_STATS_QUEUE) return;
    auto counts = value_at<gnet_stats_queue>(bytes);
    if (!counts) return;
    device->second.qdisc_drops = counts->drops;
    device->second.qdisc_overlimits = counts->overlimits;
    device->second.qdisc_backlog = counts->backlog;
  };
  each_attribute(payload.subspan(std::min<std::size_t>(NLMSG_ALIGN(sizeof(tcmsg)), payload.size())),
                 [&](int type, Bytes bytes) {
                   if (type == TCA_KIND) device->second.qdisc = text_of(bytes);
                   if (type == TCA_STATS2) each_attribute(bytes, queue);
                 });
}

Result<std::vector<Device>> read_devices() {
  Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (!socket) return os::fail_errno("route netlink: cannot open a socket", errno);
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return os::fail_errno("route netlink: cannot bind", errno);
  DevicesByIndex found;
  if (auto status = ask(socket.get(), RTM_GETLINK, sizeof(ifinfomsg)); !status) return std::unexpected(status.error());
  auto links = receive(socket.get(), RTM_NEWLINK, [&](Bytes payload) { add_link(payload, found); });
  if (!links) return std::unexpected(links.error());
  if (auto status = ask(socket.get(), RTM_GETQDISC, sizeof(tcmsg)); !status) return std::unexpected(status.error());
  auto queues = receive(socket.get(), RTM_NEWQDISC, [&](Bytes payload) { add_qdisc(payload, found); });
  if (!queues) return std::unexpected(queues.error());
  std::vector<Device> out;
  for (auto& [index, device] : found) out.push_back(std::move(device));
  std::ranges::stable_sort(out, std::greater(), dropped);
  if (out.size() > kMaxDevices) out.resize(kMaxDevices);
  return out;
}

void count_drops(const std::vector<Device>& devices, Counters& counters) {
  for (const Device& device : devices) {
    if (dropped(device) > 0) counters[fmt::format("Device.{}.dropped", device.name)] = dropped(device);
  }
}

}  // namespace tcpadvisor::sources
