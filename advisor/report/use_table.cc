// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/use_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kUtilisation = 0, kSaturation = 1, kErrors = 2;

struct Place {
  std::string_view resource;
  std::size_t column;
  std::string_view rule;  ///< of several in one cell the first gives its number where all is fine
};

constexpr std::string_view kAccept = "Accept queues", kSyn = "SYN queue", kMemory = "TCP memory", kSend = "Send side",
                           kReceive = "Receive side", kPorts = "Ports", kDescriptors = "Descriptors and tables",
                           kPath = "Path", kSettings = "Settings";

constexpr std::array kPlaces = {
    Place{kAccept, kUtilisation, "accept-queue-app-slow"},
    Place{kAccept, kSaturation, "listener-never-accepts"},
    Place{kAccept, kSaturation, "close-wait-unaccepted"},
    Place{kAccept, kSaturation, "reuseport-unbalanced"},
    Place{kAccept, kErrors, "backlog-too-small"},
    Place{kAccept, kErrors, "syn-drops-not-overflow"},
    Place{kAccept, kErrors, "abort-on-overflow-set"},
    Place{kSyn, kSaturation, "syn-flood-vs-overflow"},
    Place{kSyn, kErrors, "defer-fastopen-lint"},
    Place{kMemory, kUtilisation, "tcp-mem-pressure-global"},
    Place{kMemory, kUtilisation, "high-connection-memory-budget"},
    Place{kMemory, kSaturation, "page-alloc-pressure"},
    Place{kMemory, kSaturation, "rcv-collapse-prune"},
    Place{kMemory, kErrors, "memcg-socket-pressure"},
    Place{kSend, kUtilisation, "send-queue-bufferbloat"},
    Place{kSend, kUtilisation, "user-queue-watermark"},
    Place{kSend, kUtilisation, "user-queue-unbounded"},
    Place{kSend, kSaturation, "peer-not-reading"},
    Place{kSend, kSaturation, "peer-window-limited"},
    Place{kSend, kSaturation, "sndbuf-bdp-autotune-cap"},
    Place{kSend, kSaturation, "sndbuf-locked-by-app"},
    Place{kSend, kSaturation, "nagle-delack-stall"},
    Place{kSend, kSaturation, "hidden-user-queue"},
    Place{kSend, kSaturation, "message-queue-holds-senders"},
    Place{kSend, kErrors, "send-queue-dead-peers"},
    Place{kSend, kErrors, "pending-shutdown-data"},
    Place{kSend, kErrors, "orphan-buildup"},
    Place{kReceive, kUtilisation, "reader-too-slow"},
    Place{kReceive, kSaturation, "unread-forgotten"},
    Place{kReceive, kSaturation, "process-stopped"},
    Place{kReceive, kSaturation, "rcvbuf-bdp-autotune-cap"},
    Place{kReceive, kSaturation, "rcvbuf-locked-by-app"},
    Place{kReceive, kErrors, "tcp-backlog-drop"},
    Place{kReceive, kErrors, "softnet-drop"},
    Place{kReceive, kErrors, "rst-on-close-unread"},
    Place{kPorts, kUtilisation, "port-exhaustion"},
    Place{kPorts, kSaturation, "connection-per-request"},
    Place{kPorts, kSaturation, "do-nothing"},
    Place{kPorts, kErrors, "connects-fail"},
    Place{kDescriptors, kUtilisation, "fd-limit-reached"},
    Place{kDescriptors, kUtilisation, "conntrack-full"},
    Place{kDescriptors, kSaturation, "close-wait-leak"},
    Place{kDescriptors, kSaturation, "established-growth"},
    Place{kDescriptors, kSaturation, "established-dead-peer-leak"},
    Place{kDescriptors, kSaturation, "closed-socket-fd-leak"},
    Place{kDescriptors, kSaturation, "fin-wait2-app-held"},
    Place{kDescriptors, kSaturation, "fin-wait2-orphan-buildup"},
    Place{kDescriptors, kSaturation, "closes-in-bursts"},
    Place{kDescriptors, kSaturation, "no-timeouts"},
    Place{kDescriptors, kErrors, "tw-bucket-overflow"},
    Place{kPath, kSaturation, "ooo-queue-pressure"},
    Place{kPath, kSaturation, "slow-start-after-idle"},
    Place{kPath, kErrors, "retrans-cc-qdisc"},
    Place{kPath, kErrors, "mtu-blackhole"},
    Place{kPath, kErrors, "reset-attribution"},
    Place{kPath, kErrors, "so-linger-misuse"},
    Place{kSettings, kErrors, "mem-max-relation"},
    Place{kSettings, kErrors, "recovery-settings"},
    Place{kSettings, kErrors, "stale-settings"},
};

UseStatus status_of(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return UseStatus::critical;
    case Severity::warning:
      return UseStatus::warning;
    case Severity::info:
      break;
  }
  return UseStatus::fine;
}

/// Findings come most severe first, so the first one of a cell is its worst.
UseCell cell_of(const Verdict& verdict, std::span<const std::string_view> rules) {
  auto is_of_cell = [rules](const auto& one) { return std::ranges::find(rules, one.id) != rules.end(); };
  UseCell cell;
  std::uint64_t others = 0;
  for (const Finding& finding : verdict.findings) {
    if (!is_of_cell(finding)) continue;
    if (cell.instances.empty()) {
      cell.status = status_of(finding.severity);
      cell.text = finding.title;
    } else {
      ++others;
    }
    cell.instances.push_back(finding.instance);
  }
  for (const NotListed& more : verdict.not_listed) others += is_of_cell(more) ? more.findings : 0;
  if (!cell.instances.empty()) {
    if (others > 0) cell.text += fmt::format("; and {} more", others);
    return cell;
  }
  for (std::string_view rule : rules) {
    auto fine = std::ranges::find(verdict.checked_and_fine, rule, &CheckedAndFine::id);
    if (fine != verdict.checked_and_fine.end())
      return {.status = UseStatus::fine, .text = fmt::format("{}: {}", fine->metric, fine->value), .instances = {}};
  }
  for (bool relevant : {true, false}) {
    for (const NotAssessed& part : verdict.not_assessed) {
      if (part.relevant == relevant && is_of_cell(part))
        return {.status = relevant ? UseStatus::not_seen : UseStatus::absent, .text = part.reason, .instances = {}};
    }
  }
  return cell;
}

}  // namespace

std::vector<UseRow> use_table(const Verdict& verdict) {
  std::vector<UseRow> rows;
  for (const Place& place : kPlaces) {
    if (rows.empty() || rows.back().resource != place.resource)
      rows.push_back({.resource = place.resource, .cells = {}});
  }
  for (UseRow& row : rows) {
    for (std::size_t column = 0; column < row.cells.size(); ++column) {
      std::vector<std::string_view> rules;
      for (const Place& place : kPlaces) {
        if (place.resource == row.resource && place.column == column) rules.push_back(place.rule);
      }
      row.cells[column] = cell_of(verdict, rules);
    }
  }
  return rows;
}

std::string_view name_of(UseStatus status) {
  switch (status) {
    case UseStatus::fine:
      return "fine";
    case UseStatus::warning:
      return "warning";
    case UseStatus::critical:
      return "critical";
    case UseStatus::not_seen:
      return "not seen";
    case UseStatus::absent:
      return "none here";
    case UseStatus::no_rule:
      break;
  }
  return "";
}

std::string_view use_resource_of(std::string_view rule) {
  auto place = std::ranges::find(kPlaces, rule, &Place::rule);
  return place == kPlaces.end() ? std::string_view() : place->resource;
}

}  // namespace tcpadvisor
