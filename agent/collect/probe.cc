// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/probe.h"

#include <cerrno>
#include <optional>

#include "agent/os/netns.h"
#include "agent/os/own_thread.h"
#include "agent/sources/sock_diag.h"

namespace tcpadvisor::collect {

std::vector<Attempt> probe_snapshot(const os::ProcRoot& root) {
  std::vector<Attempt> tried;
  // Only the listeners: a full dump costs a quarter of a second on a host with 200,000 sockets.
  auto dump = sources::dump_sockets([](SocketRow&&) {}, 1u << index_of(TcpState::listen));
  tried.push_back(
      dump ? works(SourceKind::sock_diag)
           : works_not(SourceKind::sock_diag, dump.error(), "allow AF_NETLINK (seccomp, RestrictAddressFamilies=)"));
  auto inode = root.inode("/proc/thread-self/net/tcp");
  tried.push_back(inode ? works(SourceKind::proc_net_tcp)
                        : works_not(SourceKind::proc_net_tcp, inode.error(), "mount /proc"));
  return tried;
}

std::vector<Attempt> probe_owners(const os::ProcRoot& root) {
  auto pids = root.pids();
  return {pids && !pids->empty()
              ? works(SourceKind::proc_fd)
              : works_not(SourceKind::proc_fd, pids ? "no process is visible below /proc" : pids.error().message,
                          "mount /proc without hidepid")};
}

std::vector<Attempt> probe_namespaces() {
  std::optional<Error> refused;
  // In a thread of its own: setns() to the own namespace needs what any other would need, and changes nothing.
  Status ran = os::in_own_thread([&refused] {
    static constexpr const char* kOwn = "/proc/thread-self/ns/net";
    auto id = os::ProcRoot().inode(kOwn);
    auto visit = id ? os::NetnsVisit::enter({*id, "own", kOwn, false, false})
                    : Result<os::NetnsVisit>(std::unexpected(id.error()));
    if (!visit) refused = visit.error();
  });
  if (!ran) refused = ran.error();
  Attempt setns = refused ? works_not("setns", *refused, "CAP_SYS_ADMIN, and CAP_SYS_PTRACE to find all namespaces")
                          : works("setns");
  setns.why_not_names_cure = refused && refused->sys_errno == EPERM;  // what setns() itself says
  return {setns, works("own namespace")};
}

}  // namespace tcpadvisor::collect
