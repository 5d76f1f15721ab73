// SPDX-License-Identifier: Apache-2.0
// Network namespaces: find the reachable ones, look into one from a thread, come back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/proc_root.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {

/// A way to one namespace. Only the path is kept: an open descriptor would keep a dead namespace alive.
struct NetnsRef {
  std::uint64_t id = 0;  ///< inode number
  std::string name;      ///< "host", a name below /run/netns, or "pid:N"
  std::string path;      ///< "/run/netns/blue", "/proc/123/ns/net"
  bool is_host = false;
  bool is_own = false;  ///< needs no entering
  bool operator==(const NetnsRef&) const = default;
};

struct NetnsList {
  std::vector<NetnsRef> found;          ///< the host's first, then by name
  std::uint64_t unreadable = 0;         ///< processes whose namespace could not be read
  std::uint64_t over_limit = 0;         ///< namespaces left out because of `max_found`
  std::optional<Error> why_unreadable;  ///< the first refusal
};

/// Own namespace, that of pid 1 (= the host), /run/netns/*, and those of all processes, each once with one way to it.
/// Cost: one readlink per process.
NetnsList find_netns(const ProcRoot& root, std::size_t max_found = 512);

/// "net:[4026531840]" -> 4026531840
Result<std::uint64_t> parse_netns_link(std::string_view text);

/// The calling thread is in another namespace while this lives, and back in its own afterwards. Other threads are not
/// touched.
class NetnsVisit {
 public:
  /// Fails with not_found when the path now leads to another namespace or nowhere (it has vanished), with denied
  /// without CAP_SYS_ADMIN. Does nothing for `ref.is_own`.
  static Result<NetnsVisit> enter(const NetnsRef& ref);
  NetnsVisit(NetnsVisit&&) = default;
  NetnsVisit& operator=(NetnsVisit&&) = delete;
  ~NetnsVisit();

 private:
  explicit NetnsVisit(UniqueFd home) : home_(std::move(home)) {}
  UniqueFd home_;  ///< not set: nothing to return to
};

}  // namespace tcpadvisor::os
