// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/looker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/os/privileges.h"
#include "agent/os/proc_root.h"
#include "agent/os/sandbox.h"

namespace tcpadvisor::collect {
namespace {

Result<std::string> held_by_this_thread() {
  auto status = os::ProcRoot().read("/proc/thread-self/status");
  if (!status) return std::unexpected(status.error());
  std::vector<std::string> held = os::parse_thread_status(*status).capabilities;
  return held.empty() ? "none" : fmt::format("{}", fmt::join(held, ", "));
}

}  // namespace

Result<std::unique_ptr<Looker>> Looker::start(const LookerOptions& options) {
  if (Status status = os::gain_nothing_more(); !status) return std::unexpected(status.error());
  auto looker = std::unique_ptr<Looker>(new Looker());
  Status filtered;
  auto held = looker->thread_
                  .run([&]() -> Result<std::string> {
                    if (Status kept = os::keep_only(options.capabilities); !kept) return std::unexpected(kept.error());
                    if (!options.may_write) filtered = os::forbid_changes();
                    return held_by_this_thread();
                  })
                  .get();
  if (!held) return std::unexpected(held.error());
  looker->kept_ = std::move(*held);

  if (Status dropped = os::keep_only({}); !dropped) return std::unexpected(dropped.error());
  Status confined = os::allow_writes_only_below(options.writable);
  if (!confined && confined.error().code != ErrorCode::unsupported) return std::unexpected(confined.error());
  looker->writes_ = confined ? fmt::format("only below {}", fmt::join(options.writable, ", "))
                             : "wherever our user may: " + confined.error().message;
  if (options.writable.empty() && confined) looker->writes_ = "nowhere";
  looker->writes_ += options.may_write ? "; the looker where root may, for this output"
                     : filtered        ? "; the looker nowhere"
                                       : "; the looker wherever our user may: " + filtered.error().message;
  return looker;
}

}  // namespace tcpadvisor::collect
