// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/sock_diag.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "agent/os/proc_root.h"
#include "agent/sources/inet_diag.h"

namespace tcpadvisor::sources {
namespace {

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

constexpr std::size_t kBufferBytes = 256 * 1024;  // the kernel fills at most 32 KiB a time unless offered more

/// A request in `buffer`; the caller fills in which sockets it is about.
inet_diag_req_v2* put_request(std::vector<char>& buffer, std::uint16_t flags, std::uint8_t family) {
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header->nlmsg_flags = flags;
  auto* request = static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family;
  request->sdiag_protocol = IPPROTO_TCP;
  // The cgroup's id is always sent by kernels that have it (5.9); it has no bit to ask for.
  request->idiag_ext = (1 << (INET_DIAG_INFO - 1)) | (1 << (INET_DIAG_SKMEMINFO - 1)) | (1 << (INET_DIAG_CONG - 1));
  return request;
}

Status send_request(mnl_socket* socket, const std::vector<char>& buffer) {
  auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
    return os::fail_errno("sock_diag: cannot ask for sockets", errno);
  return {};
}

Status ask(mnl_socket* socket, std::uint8_t family, std::uint32_t states) {
  std::vector<char> buffer(MNL_SOCKET_BUFFER_SIZE);
  put_request(buffer, NLM_F_REQUEST | NLM_F_DUMP, family)->idiag_states = states;
  return send_request(socket, buffer);
}

Status ask_for_one(mnl_socket* socket, const Endpoint& local, const Endpoint& remote) {
  std::vector<char> buffer(MNL_SOCKET_BUFFER_SIZE);
  // With NLM_F_ACK there is an end to read to, whether the kernel finds the socket or not.
  inet_diag_req_v2* request = put_request(buffer, NLM_F_REQUEST | NLM_F_ACK, local.v6 ? AF_INET6 : AF_INET);
  request->idiag_states = kAllStates;
  request->id.idiag_sport = htons(local.port);
  request->id.idiag_dport = htons(remote.port);
  std::memcpy(request->id.idiag_src, local.ip.data(), local.ip.size());
  std::memcpy(request->id.idiag_dst, remote.ip.data(), remote.ip.size());
  request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return send_request(socket, buffer);
}

Status refused_by_kernel(int error) {
  if (error == ENOENT) return fail(ErrorCode::unsupported, "sock_diag: this kernel lacks CONFIG_INET_TCP_DIAG", error);
  return os::fail_errno("sock_diag: the kernel refuses", error);
}

/// Reads one answer to the end.
Status receive(mnl_socket* socket, DiagDump& dump, const std::function<void(SocketRow&&)>& each) {
  std::vector<char> buffer(kBufferBytes);
  while (true) {
    ssize_t got = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os::fail_errno("sock_diag: cannot read the answer", errno);
    if (got == 0) return fail(ErrorCode::failed, "sock_diag: the answer ended early");
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(header, left);
         header = mnl_nlmsg_next(header, &left)) {
      if (header->nlmsg_flags & NLM_F_DUMP_INTR) dump.interrupted = true;
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        if (mnl_nlmsg_get_payload_len(header) < sizeof(nlmsgerr))
          return fail(ErrorCode::failed, "sock_diag: a short error");
        int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(header))->error;
        if (error == 0) return {};
        return refused_by_kernel(error);
      }
      if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
      auto* payload = static_cast<const std::byte*>(mnl_nlmsg_get_payload(header));
      auto found = decode_inet_diag(std::span(payload, mnl_nlmsg_get_payload_len(header)));
      if (found) {
        ++dump.sockets;
        each(std::move(*found));
      } else {
        ++dump.undecodable;
      }
    }
  }
}

Result<Socket> open_socket() {
  Socket socket(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
  if (!socket) return os::fail_errno("sock_diag: cannot open a netlink socket", errno);
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return os::fail_errno("sock_diag: cannot bind", errno);
  return socket;
}

}  // namespace

Result<DiagDump> dump_sockets(const std::function<void(SocketRow&&)>& each, std::uint32_t states) {
  auto socket = open_socket();
  if (!socket) return std::unexpected(socket.error());
  DiagDump dump;
  for (std::uint8_t family : {AF_INET, AF_INET6}) {
    if (auto status = ask(socket->get(), family, states); !status) return std::unexpected(status.error());
    if (auto status = receive(socket->get(), dump, each); !status) return std::unexpected(status.error());
  }
  return dump;
}

Result<SocketRow> find_socket(const Endpoint& local, const Endpoint& remote) {
  auto nothing = [&] {
    return fail(ErrorCode::not_found, fmt::format("there is no connection {} > {}", local.text(), remote.text()),
                ENOENT);
  };
  auto socket = open_socket();
  if (!socket) return std::unexpected(socket.error());
  if (auto status = ask_for_one(socket->get(), local, remote); !status) return std::unexpected(status.error());
  std::optional<SocketRow> found;
  DiagDump dump;
  auto status = receive(socket->get(), dump, [&](SocketRow&& row) {
    // Without such a connection the kernel answers with the listener at the local address.
    if (row.local == local && row.remote == remote) found = std::move(row);
  });
  if (!status && status.error().sys_errno == ENOENT) return nothing();
  if (!status) return std::unexpected(status.error());
  if (!found) return nothing();
  return *std::move(found);
}

}  // namespace tcpadvisor::sources
