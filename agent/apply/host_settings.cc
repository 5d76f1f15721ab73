// SPDX-License-Identifier: Apache-2.0
#include "agent/apply/host_settings.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "advisor/base/fields.h"
#include "agent/os/netns.h"
#include "agent/os/proc_root.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::apply {
namespace {

class RealSettings final : public HostSettings {
 public:
  RealSettings() {
    for (os::NetnsRef& ref : os::find_netns(root_).found) {
      if (ref.name.starts_with("pid:")) continue;  // of a container or a program, which keeps its own settings
      Way way{std::move(ref), {}};
      if (!way.ref.is_own) {
        way.fd.reset(open(way.ref.path.c_str(), O_RDONLY | O_CLOEXEC));
        if (way.fd) way.ref.path = fmt::format("/proc/self/fd/{}", way.fd.get());
      }
      ways_.emplace(way.ref.id, std::move(way));
    }
  }

  Result<std::string> read(std::uint64_t netns_id, std::string_view knob) override {
    auto visit = enter(netns_id);
    if (!visit) return std::unexpected(visit.error());
    auto text = root_.read(path_of(knob));
    if (!text) return text;
    return one_blank_between(*text);
  }

  Status write(std::uint64_t netns_id, std::string_view knob, std::string_view value) override {
    auto visit = enter(netns_id);
    if (!visit) return std::unexpected(visit.error());
    const std::string path = path_of(knob);
    os::UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return os::fail_errno("cannot open " + path + " for writing", errno);
    // One call: each would be a value of its own.
    const ssize_t written = ::write(file.get(), value.data(), value.size());
    if (written < 0) return os::fail_errno(fmt::format("cannot write {} to {}", value, path), errno);
    auto now = root_.read(path);
    if (!now) return std::unexpected(now.error());
    if (one_blank_between(*now) == value) return {};
    return fail(ErrorCode::failed, fmt::format("{} was written to {}, and the kernel made {} of it", value, path,
                                               one_blank_between(*now)));
  }

 private:
  struct Way {
    os::NetnsRef ref;
    os::UniqueFd fd;
  };

  static std::string path_of(std::string_view knob) {
    std::string path = "/proc/sys/" + std::string(knob);
    std::ranges::replace(path.begin() + 10, path.end(), '.', '/');
    return path;
  }

  Result<os::NetnsVisit> enter(std::uint64_t netns_id) {
    auto way = ways_.find(netns_id);
    if (way == ways_.end()) {
      return fail(ErrorCode::not_found,
                  fmt::format("there is no network namespace net:[{}] here that can be entered", netns_id));
    }
    return os::NetnsVisit::enter(way->second.ref);
  }

  os::ProcRoot root_;
  std::map<std::uint64_t, Way> ways_;
};

}  // namespace

std::unique_ptr<HostSettings> real_settings() {
  return std::make_unique<RealSettings>();
}

std::string one_blank_between(std::string_view text) {
  std::string out;
  text = trimmed(text);
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text))
    out += (out.empty() ? "" : " ") + std::string(word);
  return out;
}

}  // namespace tcpadvisor::apply
