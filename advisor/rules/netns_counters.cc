// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/netns_counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "advisor/rules/words.h"

namespace tcpadvisor {

Finding finding_of_netns(const Sample& sample, const NetnsSample& netns, std::string_view id) {
  Finding finding;
  finding.id = id;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns.id;
  finding.scope.netns_name = netns_name(sample, netns.id);
  return finding;
}

std::size_t Counted::steps_with() const {
  return over_time.rises() + over_time.falls();  // one that falls has begun again
}

std::optional<Counted> counted_in(const Window& window, NetnsId netns, std::string_view counter) {
  Counted out{.counter = counter, .over_time = window.counter(netns, counter)};
  if (out.over_time.size() < 2) return std::nullopt;
  out.times = out.over_time.increase();
  out.per_s = out.over_time.increase_per_s();
  return out;
}

std::string not_read_twice(const Window& window, NetnsId netns, std::string_view counter) {
  if (window.samples() < 2) return too_few_samples(window, 2);
  return fmt::format("{} of namespace {} was not read twice", counter, netns_name(window.latest(), netns));
}

Outcome judge_counter(const Evidence& in, std::string_view counter, std::string metric,
                      const std::function<std::optional<Finding>(const NetnsSample&, const Counted&)>& judge) {
  std::vector<Finding> findings;
  std::string not_assessed;
  double most = 0;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty()) continue;
    auto here = counted_in(in.window, netns.id, counter);
    if (!here) {
      keep_one(not_assessed, not_read_twice(in.window, netns.id, counter));
      continue;
    }
    most = std::max(most, here->times);
    if (auto finding = judge(netns, *here)) findings.push_back(std::move(*finding));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), std::move(metric),
                     fmt::format("{:.0f} in {}", most, seconds_text(in.window.span_s())));
}

const SocketRow* only_server(const Evidence& in, NetnsId netns) {
  const SocketRow* found = nullptr;
  for (const SocketRow* row : in.window.connections().in_state(TcpState::listen)) {
    if (row->netns != netns) continue;
    if (!row->owner || (found != nullptr && found->owner->pid != row->owner->pid)) return nullptr;
    if (found == nullptr) found = row;
  }
  return found;
}

}  // namespace tcpadvisor
