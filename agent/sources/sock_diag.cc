// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/sock_diag.h"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cerrno>
#include <memory>
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

Status ask(mnl_socket* socket, std::uint8_t family, std::uint32_t states) {
  std::vector<char> buffer(MNL_SOCKET_BUFFER_SIZE);
  nlmsghdr* header = mnl_nlmsg_put_header(buffer.data());
  header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  auto* request = static_cast<inet_diag_req_v2*>(mnl_nlmsg_put_extra_header(header, sizeof(inet_diag_req_v2)));
  request->sdiag_family = family;
  request->sdiag_protocol = IPPROTO_TCP;
  request->idiag_states = states;
  // The cgroup's id is always sent by kernels that have it (5.9); it has no bit to ask for.
  request->idiag_ext = (1 << (INET_DIAG_INFO - 1)) | (1 << (INET_DIAG_SKMEMINFO - 1)) | (1 << (INET_DIAG_CONG - 1));
  if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
    return os::fail_errno("sock_diag: cannot ask for sockets", errno);
  return {};
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
        if (error == ENOENT)
          return fail(ErrorCode::unsupported, "sock_diag: this kernel lacks CONFIG_INET_TCP_DIAG", error);
        return os::fail_errno("sock_diag: the kernel refuses", error);
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

}  // namespace

Result<DiagDump> dump_sockets(const std::function<void(SocketRow&&)>& each, std::uint32_t states) {
  Socket socket(mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC));
  if (!socket) return os::fail_errno("sock_diag: cannot open a netlink socket", errno);
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return os::fail_errno("sock_diag: cannot bind", errno);
  DiagDump dump;
  for (std::uint8_t family : {AF_INET, AF_INET6}) {
    if (auto status = ask(socket.get(), family, states); !status) return std::unexpected(status.error());
    if (auto status = receive(socket.get(), dump, each); !status) return std::unexpected(status.error());
  }
  return dump;
}

}  // namespace tcpadvisor::sources
