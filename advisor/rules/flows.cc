// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/flows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "advisor/rules/holding.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

std::optional<double> grown(const Series& series) {
  return series.size() < 2 ? std::nullopt : std::optional(series.increase());
}

}  // namespace

Past recent(const Evidence& in, double least_s) {
  const Window& window = in.window;
  double policy_s = static_cast<double>(in.policy.window.count()) * in.policy.windows / 1000;
  double from_s = window.span_s() - std::max(policy_s, least_s) - window.interval_s() / 2;
  std::size_t from = 0;
  while (from + 1 < window.samples() && window.seconds_at(from) < from_s) ++from;
  return {window, from, window.samples() - 1};
}

Progress progress_of(const Past& past, const SocketRow& row) {
  Series acked = numbers(past, row, &PastRow::bytes_acked);
  return {.span_s = acked.span_s(),
          .segs_out = grown(numbers(past, row, &PastRow::data_segs_out)),
          .segs_in = grown(numbers(past, row, &PastRow::data_segs_in)),
          .retransmits = grown(numbers(past, row, &PastRow::total_retrans)),
          .duplicates = grown(numbers(past, row, &PastRow::dsack_dups)),
          .acked = grown(acked),
          .received = grown(numbers(past, row, &PastRow::bytes_received)),
          .srtt_us = numbers(past, row, &PastRow::srtt_us).percentile(50)};
}

bool is_model_based(const std::string& congestion_control) {
  return congestion_control.starts_with("bbr");
}

bool stays_inside(const Window& window, const SocketRow& row) {
  if (row.remote.is_loopback()) return true;
  const SocketRow* far = window.connections().other_end(row);
  return far != nullptr && far->netns == row.netns;
}

FlowGroup& FlowGroups::add(const Sample& now, const SocketRow& row, const std::string& kind) {
  FlowGroup& group = groups_[{row.owner ? row.owner->pid : 0, row.netns, kind}];
  if (group.rows.empty()) {
    group.scope.netns = row.netns;
    group.scope.netns_name = netns_name(now, row.netns);
    group.scope.cgroup = row.cgroup;
  }
  group.rows.push_back(&row);
  return group;
}

std::vector<FlowGroup> FlowGroups::take() {
  std::vector<FlowGroup> out;
  for (auto& [key, group] : groups_) {
    name_sockets(group.scope, group.rows);
    out.push_back(std::move(group));
  }
  groups_.clear();
  return out;
}

std::string peers_text(const FlowGroup& group) {
  if (!group.scope.remote.empty()) return group.scope.remote;
  std::vector<std::string> peers;
  peers.reserve(group.rows.size());
  for (const SocketRow* row : group.rows) peers.push_back(row->remote.ip_text());
  return most_frequent(peers);
}

std::string progress_problem(const Evidence& in, std::size_t fewest_looks) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return problem;
  if (in.window.samples() < fewest_looks) return too_few_samples(in.window, fewest_looks);
  const FactCoverage* info = now.fact(FactId::tcp_info);
  if (info == nullptr || !info->in_use.empty() || now.sockets.empty()) return "";
  return fmt::format("{} does not show how connections get on", source_of(now, FactId::snapshot));
}

}  // namespace tcpadvisor
