// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/netns_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/text.h"

namespace tcpadvisor::collect {
namespace {

/// The namespace at `path`; what the list already says about it (is it the host's? ours?) is kept.
os::NetnsRef describe(const os::NetnsList& list, std::uint64_t id, std::string name, std::string path) {
  auto known = std::ranges::find(list.found, id, &os::NetnsRef::id);
  os::NetnsRef ref{id, std::move(name), std::move(path), false, false};
  if (known != list.found.end()) {
    ref.is_host = known->is_host;
    ref.is_own = known->is_own;
  }
  return ref;
}

}  // namespace

Result<NetnsChoice> NetnsChoice::parse(std::string_view text) {
  NetnsChoice choice;
  if (text == "all") return choice;
  if (text == "host") {
    choice.kind = Kind::host;
    return choice;
  }
  if (text.starts_with("pid:")) {
    auto pid = parse_u64(text.substr(4));
    if (!pid || *pid == 0 || *pid > 4'194'304) {
      return fail(ErrorCode::bad_input,
                  fmt::format("'{}' is not a process: write pid:N with a process id", printable(text)));
    }
    choice.kind = Kind::pid;
    choice.pid = static_cast<std::uint32_t>(*pid);
    return choice;
  }
  if (text.empty() || text == "." || text == ".." || text.find('/') != std::string_view::npos) {
    return fail(ErrorCode::bad_input,
                fmt::format("'{}' is not a network namespace: write host, all, pid:N or a name below "
                            "/run/netns",
                            printable(text)));
  }
  choice.kind = Kind::named;
  choice.name = text;
  return choice;
}

Result<os::NetnsList> choose_netns(const os::ProcRoot& root, os::NetnsList list, const NetnsChoice& choice) {
  switch (choice.kind) {
    case NetnsChoice::Kind::all:
      return list;
    case NetnsChoice::Kind::host:
      std::erase_if(list.found, [](const os::NetnsRef& ref) { return !ref.is_host; });
      if (list.found.empty())
        return fail(ErrorCode::not_found, "cannot read /proc/thread-self/ns/net: no namespace to look at");
      break;
    case NetnsChoice::Kind::named: {
      std::string path = "/run/netns/" + choice.name;
      auto id = root.inode(path);
      if (!id) {
        return fail(ErrorCode::bad_input,
                    fmt::format("no network namespace '{}' below /run/netns", printable(choice.name)),
                    id.error().sys_errno);
      }
      list.found = {describe(list, *id, choice.name, path)};
      break;
    }
    case NetnsChoice::Kind::pid: {
      std::string path = fmt::format("/proc/{}/ns/net", choice.pid);
      auto link = root.read_link(path);
      if (!link && link.error().code == ErrorCode::denied) return std::unexpected(link.error());
      auto id = link ? os::parse_netns_link(*link) : Result<std::uint64_t>(std::unexpected(link.error()));
      if (!id) return fail(ErrorCode::bad_input, fmt::format("no process {}", choice.pid), id.error().sys_errno);
      list.found = {describe(list, *id, fmt::format("pid:{}", choice.pid), path)};
      break;
    }
  }
  list.over_limit = 0;
  return list;
}

}  // namespace tcpadvisor::collect
