// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/promise.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/report/report_words.h"

namespace tcpadvisor {
namespace {

bool is_of_queue(std::string_view knob) {
  return knob == "net.core.somaxconn" || knob == "net.ipv4.tcp_max_syn_backlog";
}

/// The same finding in the later report: by instance, or, where the process began again, by rule, namespace and name.
const KeptFinding* find_in(const KeptReport& later, const Promise& promise) {
  auto same = std::ranges::find(later.findings, promise.instance, &KeptFinding::instance);
  if (same == later.findings.end()) {
    same = std::ranges::find_if(later.findings, [&](const KeptFinding& one) {
      return one.id == promise.id && one.scope_kind == promise.scope_kind && one.netns == promise.netns &&
             one.comm == promise.comm;
    });
  }
  return same == later.findings.end() ? nullptr : &*same;
}

/// "drops was 331, promised 0, is 12"
std::string numbers_text(const Promise& promise, std::optional<double> now) {
  if (promise.metric.empty()) return "";
  std::string is = now ? fmt::format(", is {}", value_text(*now, "")) : "";
  return fmt::format("{} was {}, promised {}{}", metric_text(promise.metric), value_text(promise.from, ""),
                     value_text(promise.to, ""), is);
}

bool reached(const Promise& promise, double now) {
  return promise.to < promise.from ? now <= promise.to : now >= promise.to;
}

/// Why what is still found may be from before the change; empty if it cannot.
std::string may_be_old(const Promise& promise, const KeptFinding& now) {
  const bool same_process = promise.pid != 0 && promise.pid == now.pid;
  if (promise.takes_effect == "re-listen") {
    if (promise.pid != 0 && now.pid != 0 && !same_process) return "";
    return "it acts when the program listens again: restart it";
  }
  const bool grows = promise.knob == "net.ipv4.tcp_rmem" || promise.takes_effect == "new-connections";
  const bool same_sockets = promise.local == now.local && promise.remote == now.remote;
  if (grows && same_process && same_sockets) return "connections that stand may have to connect again";
  return "";
}

}  // namespace

Promise Promise::of(const KeptFinding& finding) {
  Promise out{.id = finding.id,
              .instance = finding.instance,
              .title = finding.title,
              .scope_kind = finding.scope_kind,
              .netns = finding.netns,
              .comm = finding.comm,
              .local = finding.local,
              .remote = finding.remote,
              .pid = finding.pid,
              .knob = finding.change ? finding.change->knob : "",
              .takes_effect = finding.change ? finding.change->takes_effect : "",
              .metric = {}};
  if (finding.effect) {
    out.metric = finding.effect->metric;
    out.from = finding.effect->from;
    out.to = finding.effect->to;
  }
  return out;
}

std::string_view name_of(Kept kept) {
  switch (kept) {
    case Kept::kept:
      return "kept";
    case Kept::not_kept:
      return "not kept";
    case Kept::not_yet:
      break;
  }
  return "not yet";
}

std::string_view traffic_counter(std::string_view knob) {
  return is_of_queue(knob) ? "Tcp.PassiveOpens" : "Tcp.OutSegs";
}

Judgement judge_promise(const Promise& promise, const KeptReport& later, std::optional<double> traffic) {
  auto say = [](Kept kept, std::string why, const std::string& numbers) {
    if (!numbers.empty()) why += (why.empty() ? "" : "; ") + numbers;
    return Judgement{kept, std::move(why)};
  };
  if (const KeptFinding* now = find_in(later, promise)) {
    const bool comparable = now->effect && now->effect->metric == promise.metric && !promise.metric.empty();
    const auto number = comparable ? std::optional(now->effect->from) : std::nullopt;
    const std::string numbers = numbers_text(promise, number);
    if (number && reached(promise, *number)) return say(Kept::kept, "", numbers);
    if (std::string old = may_be_old(promise, *now); !old.empty()) return say(Kept::not_yet, old, numbers);
    return say(Kept::not_kept, "still found: " + now->title, numbers);
  }
  const std::string numbers = numbers_text(promise, std::nullopt);
  if (auto unknown = later.not_assessed.find(promise.id); unknown != later.not_assessed.end())
    return say(Kept::not_yet, "it cannot be judged now: " + unknown->second, numbers);
  if (!traffic) return say(Kept::not_yet, "no longer found, but whether anything came meanwhile is not known", numbers);
  if (*traffic <= 0) {
    return say(Kept::not_yet, is_of_queue(promise.knob) ? "no connection came meanwhile" : "nothing was sent meanwhile",
               numbers);
  }
  const std::string seen = fmt::format(" ({} {} meanwhile)", value_text(*traffic, ""),
                                       is_of_queue(promise.knob) ? "connections came" : "segments were sent");
  auto fine = later.fine.find(promise.id);
  if (fine == later.fine.end()) return say(Kept::kept, "no longer found here" + seen, numbers);
  return say(Kept::kept, fmt::format("{}{}", fine->second, seen), numbers);
}

}  // namespace tcpadvisor
