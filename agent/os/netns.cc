// SPDX-License-Identifier: Apache-2.0
#include "agent/os/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <unordered_set>

#include "advisor/base/text.h"

namespace tcpadvisor::os {
namespace {

Result<std::uint64_t> id_behind_link(const ProcRoot& root, const std::string& path) {
  auto link = root.read_link(path);
  if (!link) return std::unexpected(link.error());
  return parse_netns_link(*link);
}

/// Collects namespaces, each once; the first way to a namespace wins.
class Finder {
 public:
  explicit Finder(std::size_t max_found) : max_found_(max_found) {}

  void add(NetnsRef ref) {
    if (!seen_.insert(ref.id).second) return;
    if (list_.found.size() >= max_found_) {
      ++list_.over_limit;
    } else {
      list_.found.push_back(std::move(ref));
    }
  }
  void refuse(const Error& error) {
    if (error.code != ErrorCode::denied) return;  // a process that has just ended is no loss
    ++list_.unreadable;
    if (!list_.why_unreadable) list_.why_unreadable = error;
  }
  NetnsList take() {
    std::ranges::stable_sort(list_.found, [](const NetnsRef& a, const NetnsRef& b) {
      return a.is_host != b.is_host ? a.is_host : a.is_own && !b.is_own;
    });
    return std::move(list_);
  }

 private:
  std::size_t max_found_;
  std::unordered_set<std::uint64_t> seen_;
  NetnsList list_;
};

}  // namespace

Result<std::uint64_t> parse_netns_link(std::string_view text) {
  std::uint64_t id = 0;
  bool framed = text.starts_with("net:[") && text.ends_with("]");
  if (framed) {
    const char* end = text.data() + text.size() - 1;
    auto [rest, error] = std::from_chars(text.data() + 5, end, id);
    framed = error == std::errc() && rest == end;
  }
  if (!framed)
    return fail(ErrorCode::failed, fmt::format("'{}' is not a link to a network namespace", printable(text)));
  return id;
}

NetnsList find_netns(const ProcRoot& root, std::size_t max_found) {
  static constexpr const char* kOwnPath = "/proc/thread-self/ns/net";
  Finder finder(max_found);
  auto own = id_behind_link(root, kOwnPath);
  auto host = id_behind_link(root, "/proc/1/ns/net");
  if (!host) finder.refuse(host.error());

  bool own_is_host = own && (!host || *host == *own);  // pid 1 is hidden from us: then ours is the best we know
  if (own_is_host) {
    finder.add({*own, "host", kOwnPath, true, true});
  } else if (host) {
    finder.add({*host, "host", "/proc/1/ns/net", true, false});
  }
  if (auto names = root.list("/run/netns")) {
    for (const std::string& name : *names) {
      std::string path = "/run/netns/" + name;
      if (auto id = root.inode(path)) finder.add({*id, name, path, false, own && *own == *id});
    }
  }
  if (own) finder.add({*own, "own", kOwnPath, false, true});
  if (auto pids = root.pids()) {
    for (std::uint32_t pid : *pids) {
      std::string path = fmt::format("/proc/{}/ns/net", pid);
      if (auto id = id_behind_link(root, path)) {
        finder.add({*id, fmt::format("pid:{}", pid), path, false, false});
      } else if (pid != 1) {
        finder.refuse(id.error());
      }
    }
  }
  return finder.take();
}

Result<NetnsVisit> NetnsVisit::enter(const NetnsRef& ref) {
  if (ref.is_own) return NetnsVisit(UniqueFd());
  UniqueFd there(open(ref.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!there) return fail_errno(fmt::format("cannot open network namespace {} ({})", ref.name, ref.path), errno);
  struct stat info{};
  if (fstat(there.get(), &info) != 0 || info.st_ino != ref.id) {
    return fail(ErrorCode::not_found, fmt::format("network namespace {} ({}) has vanished", ref.name, ref.path));
  }
  UniqueFd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) return fail_errno("cannot open our own network namespace", errno);
  if (setns(there.get(), CLONE_NEWNET) != 0) {
    return fail_errno(fmt::format("cannot enter network namespace {} (needs CAP_SYS_ADMIN)", ref.name), errno);
  }
  return NetnsVisit(std::move(home));
}

NetnsVisit::~NetnsVisit() {
  // What took us there takes us back; a thread left in a foreign namespace would report that one's facts as its own.
  if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace tcpadvisor::os
