// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/finding_json.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "advisor/evidence/names.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

std::string_view name_of(RecommendationKind kind) {
  switch (kind) {
    case RecommendationKind::none:
      return "none";
    case RecommendationKind::sysctl:
      return "sysctl";
    case RecommendationKind::application:
      return "application";
    case RecommendationKind::capacity:
      return "capacity";
    case RecommendationKind::peer:
      return "peer";
  }
  return "none";
}

std::string_view name_of(TakesEffect effect) {
  switch (effect) {
    case TakesEffect::now:
      return "now";
    case TakesEffect::new_connections:
      return "new-connections";
    case TakesEffect::re_listen:
      return "re-listen";
  }
  return "now";
}

std::string_view name_of(Applicability applicability) {
  switch (applicability) {
    case Applicability::automatic:
      return "automatic";
    case Applicability::needs_review:
      return "needs-review";
    case Applicability::manual:
      return "manual";
  }
  return "manual";
}

/// Six digits after the point are more than any source measures; counts come out as integers.
json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  double rounded = std::round(value * 1e6) / 1e6;
  if (rounded == std::trunc(rounded) && std::abs(rounded) < 1e15) return static_cast<std::int64_t>(rounded);
  return rounded;
}

void put(json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}

json process_json(Pid pid, const std::string& comm, Pid pid_inside) {
  json out = {{"pid", pid}, {"comm", comm}};
  if (pid_inside != 0) out["pid_inside"] = pid_inside;
  return out;
}

json scope_json(const Scope& scope) {
  json out = {{"kind", name_of(scope.kind)}, {"count", scope.count}};
  put(out, "netns", scope.netns_name);
  if (scope.pid) out["pid"] = *scope.pid;
  if (scope.pid && scope.pid_inside != 0) out["pid_inside"] = scope.pid_inside;
  put(out, "comm", scope.comm);
  if (!scope.pid && scope.holder != Holder::unknown) {
    SocketRow such;
    such.holder = scope.holder;
    out["holder"] = owner_text(such);
    put(out, "last_used_by", scope.last_users);
  }
  if (scope.pid && !scope.others.empty())
    out["holders"].push_back(process_json(*scope.pid, scope.comm, scope.pid_inside));
  for (const HoldingProcess& other : scope.others)
    out["holders"].push_back(process_json(other.pid, other.comm, other.pid_inside));
  put(out, "cgroup", scope.cgroup);
  if (scope.group) out["group"] = to_json(*scope.group);
  put(out, "local", scope.local);
  put(out, "remote", scope.remote);
  return out;
}

json evidence_json(const Measurement& evidence) {
  json out = {{"metric", evidence.metric},
              {"source", evidence.source},
              {"value", number(evidence.value)},
              {"unit", evidence.unit},
              {"window_s", number(evidence.window_s)},
              {"samples", evidence.samples}};
  if (evidence.threshold) out["threshold"] = number(*evidence.threshold);
  return out;
}

json set_by_json(const SetBy& by) {
  json out = {{"knob", by.knob}, {"source", name_of(by.source)}, {"value", by.value}, {"text", by.text}};
  put(out, "file", by.file);
  if (by.line != 0) out["line"] = by.line;
  if (by.at_boot) {
    out["at_boot"] = {{"file", by.at_boot->file}, {"value", by.at_boot->value}};
    if (by.at_boot->line != 0) out["at_boot"]["line"] = by.at_boot->line;
  }
  return out;
}

json recommendation_json(const Recommendation& cure) {
  json out = {{"kind", name_of(cure.kind)}, {"text", cure.text}, {"steps", cure.steps}};
  put(out, "formula", cure.formula);
  put(out, "verify", cure.verify);
  if (cure.expected_effect) {
    out["expected_effect"] = {{"metric", cure.expected_effect->metric},
                              {"from", number(cure.expected_effect->from)},
                              {"to", number(cure.expected_effect->to)}};
  }
  if (cure.worst_case_memory_bytes) out["worst_case_memory_bytes"] = *cure.worst_case_memory_bytes;
  if (cure.set_by) out["set_by"] = set_by_json(*cure.set_by);
  for (const SetBy& by : cure.set_by_also) out["set_by_also"].push_back(set_by_json(by));
  if (!cure.change) return out;
  const Change& change = *cure.change;
  ChangeText text = text_of(change);
  out["knob"] = change.knob;
  put(out, "scope", text.scope);
  put(out, "current", values_text(change.current));
  put(out, "lower", values_text(change.lower));
  put(out, "target", values_text(change.target));
  put(out, "upper", values_text(change.upper));
  if (const Knob* knob = find_knob(change.knob)) {
    put(out, "kernel_default", std::string(knob->kernel_default));
    out["unit"] = knob->unit;  // empty for a switch
    out["risk"] = knob->risk;
    out["takes_effect"] = name_of(knob->takes_effect);
  }
  out["applicability"] = name_of(cure.applicability);
  put(out, "applicability_why", cure.applicability_why);
  if (change.netns != 0) out["netns_id"] = change.netns;
  if (change.host_netns && change.keeping.where == Keeping::Where::file) put(out, "persist_file", change.keeping.file);
  put(out, "apply", text.apply);
  put(out, "persist", text.persist);
  put(out, "rollback", text.rollback);
  return out;
}

std::string last_used_text(const Scope& scope) {
  return scope.last_users.empty() ? "" : ", last used by " + scope.last_users;
}

/// Of a process in a container both numbers: as our /proc has it, and as its own has.
std::string holder_text(const Scope& scope) {
  if (scope.pid) {
    bool contained = scope.group && (scope.group->kind == GroupKind::container || scope.group->kind == GroupKind::pod);
    std::string inside = scope.pid_inside == 0 ? ""
                                               : fmt::format(" (pid {} inside its {})", scope.pid_inside,
                                                             contained ? "container" : "pid namespace");
    return fmt::format("{}[{}]{}", scope.comm, *scope.pid, inside);
  }
  if (scope.holder == Holder::outside) return "outside this container" + last_used_text(scope);
  return scope.holder == Holder::no_descriptor ? "no process has a descriptor" + last_used_text(scope) : "";
}

}  // namespace

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::info:
      return "info";
    case Severity::warning:
      return "warning";
    case Severity::critical:
      return "critical";
  }
  return "info";
}

std::string_view name_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::low:
      return "low";
    case Confidence::medium:
      return "medium";
    case Confidence::high:
      return "high";
  }
  return "low";
}

std::string_view name_of(FindingClass finding_class) {
  switch (finding_class) {
    case FindingClass::application:
      return "application";
    case FindingClass::kernel_config:
      return "kernel-config";
    case FindingClass::memory:
      return "memory";
    case FindingClass::capacity:
      return "capacity";
    case FindingClass::attack:
      return "attack";
    case FindingClass::network_path:
      return "network-path";
    case FindingClass::peer:
      return "peer";
  }
  return "application";
}

json to_json(const OwnerGroup& group) {
  json out = {{"kind", name_of(group.kind)}, {"name", group.name}, {"id", group.id}};
  put(out, "pod", group.pod);
  return out;
}

std::string scope_text(const Scope& scope) {
  std::string out;
  auto add = [&](const std::string& part) {
    if (!part.empty()) out += (out.empty() ? "" : ", ") + part;
  };
  bool has_name = scope.group && scope.group->kind != GroupKind::cgroup;
  add(holder_text(scope));
  if (has_name) out += (out.empty() ? "in " : " in ") + group_text(*scope.group);
  if (scope.kind == ScopeKind::listener) {
    add("listening on " + scope.local);
  } else if (!scope.local.empty()) {
    add("local " + scope.local);
  }
  if (!scope.remote.empty()) add("remote " + scope.remote);
  if (scope.kind == ScopeKind::host) {
    add("the whole host");
  } else if (!scope.netns_name.empty()) {
    add("netns " + scope.netns_name);
  }
  if (!has_name && !scope.cgroup.empty() && scope.cgroup != "/") add("cgroup " + scope.cgroup);
  return out;
}

json to_json(const Finding& finding) {
  json out = {{"id", finding.id},
              {"instance", finding.instance},
              {"title", finding.title},
              {"severity", name_of(finding.severity)},
              {"confidence", name_of(finding.confidence)},
              {"confidence_why", finding.confidence_why},
              {"class", name_of(finding.finding_class)},
              {"scope", scope_json(finding.scope)},
              {"meaning", finding.meaning},
              {"recommendation", recommendation_json(finding.recommendation)},
              {"evidence", json::array()},
              {"not_useful", json::array()},
              {"references", finding.references}};
  put(out, "cause", finding.cause);
  for (const Measurement& evidence : finding.evidence) out["evidence"].push_back(evidence_json(evidence));
  for (const NotUseful& useless : finding.not_useful)
    out["not_useful"].push_back({{"knob", useless.knob}, {"why", useless.why}});
  return out;
}

json to_json(const std::vector<NotListed>& not_listed) {
  json all = json::array();
  for (const NotListed& more : not_listed) {
    all.push_back({{"id", more.id},
                   {"severity", name_of(more.severity)},
                   {"findings", more.findings},
                   {"sockets", more.sockets},
                   {"explained", more.explained}});
  }
  return all;
}

}  // namespace tcpadvisor
