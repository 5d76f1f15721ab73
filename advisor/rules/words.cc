// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor {

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(count), noun, count == 1 ? "" : "s");
}

std::string seconds_text(double seconds) {
  return human_duration(std::chrono::milliseconds(to_i64(seconds * 1000)));
}

std::string source_of(const Sample& sample, FactId fact) {
  const FactCoverage* known = sample.fact(fact);
  return known == nullptr || known->in_use.empty() ? std::string(name_of(fact)) : known->in_use;
}

Measurement measured(const Window& window, std::string metric, std::string source, double value, std::string unit,
                     std::optional<double> threshold) {
  return {.metric = std::move(metric),
          .source = std::move(source),
          .value = value,
          .unit = std::move(unit),
          .threshold = threshold,
          .window_s = window.span_s(),
          .samples = window.samples()};
}

std::string snapshot_problem(const Sample& sample) {
  if (sample.knows(FactId::snapshot)) return "";
  const FactCoverage* snapshot = sample.fact(FactId::snapshot);
  std::string why = snapshot == nullptr || snapshot->attempts.empty() ? "" : ": " + snapshot->attempts.back().why_not;
  return "no source lists the sockets of this host" + why;
}

StateTotals unlisted_connections(const Sample& sample) {
  StateTotals all, listed;
  for (const NetnsSample& netns : sample.netns) {
    const StateTotals& here = netns.states[index_of(TcpState::established)];
    all.count = add_sat(all.count, here.count);
    all.send_q = add_sat(all.send_q, here.send_q);
  }
  for (const SocketRow& row : sample.sockets) {
    if (row.state != TcpState::established) continue;
    ++listed.count;
    listed.send_q = add_sat(listed.send_q, row.send_q);
  }
  all.count -= std::min(all.count, listed.count);
  all.send_q -= std::min(all.send_q, listed.send_q);
  return all;
}

std::string too_few_samples(const Window& window, std::size_t needed) {
  return fmt::format("not enough data: {} taken, {} needed; observe for longer", counted(window.samples(), "sample"),
                     needed);
}

void keep_one(std::string& kept, std::string reason) {
  if (kept.empty() || reason < kept) kept = std::move(reason);
}

bool owners_known(const Sample& sample) {
  return sample.knows(FactId::owners) || !sample.owners.empty();
}

bool held_by_process(const SocketRow& row) {
  return group_of(row).has_value();
}

PolicyWindows policy_windows(const Window& window, const Policy& policy) {
  PolicyWindows out{.parts = window.split(policy.windows, policy.window), .shortened = false, .why = {}};
  double wanted_s = static_cast<double>(policy.window.count()) * policy.windows / 1000;
  if (out.parts.empty()) {
    out.why = too_few_samples(window, policy.windows + std::size_t{1});
  } else if (!window.covers(policy.windows, policy.window)) {
    out.shortened = true;
    out.why =
        fmt::format("observed for {}, the policy asks for {}", seconds_text(window.span_s()), seconds_text(wanted_s));
  }
  return out;
}

Keep keep_for(const Policy& policy, std::size_t older_ticks) {
  // Enough in each window for a share of the ticks to mean something.
  constexpr std::size_t kInOneWindow = 32, kAtLeast = 64, kAtMost = 4096;
  std::size_t in_all = std::clamp(policy.windows * kInOneWindow, kAtLeast, kAtMost);
  // A window is cut at ticks, so there must be one for each.
  auto longest = std::chrono::milliseconds::max() / std::max(policy.windows, 1u);
  return {.recent = std::min(policy.window, longest) * policy.windows,
          .recent_ticks = std::max<std::size_t>(in_all, policy.windows + std::size_t{2}),
          .older_ticks = older_ticks};
}

std::optional<std::int64_t> sysctl_value(const Sample& sample, NetnsId id, const std::string& name, std::size_t at) {
  // A host-global setting may be listed under the host's namespace only.
  for (const NetnsSample* netns : {sample.find_netns(id), sample.host_netns()}) {
    if (netns == nullptr) continue;
    auto found = netns->sysctls.find(name);
    if (found == netns->sysctls.end() || at >= found->second.values.size()) continue;
    if (netns->id == id || found->second.host_global) return found->second.values[at];
  }
  return std::nullopt;
}

std::string most_frequent(const std::vector<std::string>& texts, std::size_t most) {
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& text : texts) ++counts[text];
  std::vector<std::pair<std::string, std::uint64_t>> ranked(counts.begin(), counts.end());
  std::ranges::stable_sort(ranked, std::greater(), &std::pair<std::string, std::uint64_t>::second);
  std::string out;
  for (std::size_t i = 0; i < std::min(most, ranked.size()); ++i) {
    out += fmt::format("{}{} ({})", i == 0 ? "" : ", ", ranked[i].first, with_commas(ranked[i].second));
  }
  if (ranked.size() > most) out += fmt::format(", {} more", with_commas(ranked.size() - most));
  return out;
}

}  // namespace tcpadvisor
