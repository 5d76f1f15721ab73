// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "advisor/report/finding_json.h"
#include "advisor/report/report.h"
#include "advisor/report/report_words.h"

namespace tcpadvisor {
namespace {

using Item = Baseline::Item;

constexpr double kFurther = 1.25;  // noise of a short window is less than this

Item item_of(const Finding& finding) {
  Item out{.id = finding.id,
           .instance = finding.instance,
           .title = finding.title,
           .scope_kind = std::string(name_of(finding.scope.kind)),
           .comm = finding.scope.comm,
           .severity = finding.severity,
           .metric = {}};
  auto measured = std::ranges::find_if(finding.evidence, [](const Measurement& m) { return m.threshold.has_value(); });
  if (measured != finding.evidence.end()) {
    out.metric = measured->metric;
    out.value = measured->value;
    out.threshold = *measured->threshold;
  }
  return out;
}

/// How far the number has gone in the bad direction: 2 is twice as far, 0.5 half as far; 1 where that cannot be told.
double further(const Item& then, const Item& now) {
  if (then.metric.empty() || then.metric != now.metric || !std::isfinite(then.value) || !std::isfinite(now.value))
    return 1;
  const bool more_is_bad = now.value >= now.threshold || then.value >= then.threshold;
  const double before = std::abs(more_is_bad ? then.value : now.value),
               after = std::abs(more_is_bad ? now.value : then.value);
  if (before == after) return 1;
  return before == 0 ? kFurther : after / before;
}

Difference difference_of(const Item& then, const Item& now) {
  Difference out{.kind = ChangeKind::same,
                 .id = now.id,
                 .instance = now.instance,
                 .title = now.title,
                 .severity = now.severity,
                 .before = then.severity,
                 .why = {}};
  if (now.severity != then.severity) {
    out.kind = now.severity > then.severity ? ChangeKind::worse : ChangeKind::better;
    out.why = fmt::format("it was {}", name_of(then.severity));
    return out;
  }
  const double ratio = further(then, now);
  if (ratio >= kFurther) out.kind = ChangeKind::worse;
  if (ratio <= 1 / kFurther) out.kind = ChangeKind::better;
  if (out.kind != ChangeKind::same)
    out.why = fmt::format("{} was {:.6g}, is {:.6g}", metric_text(now.metric), then.value, now.value);
  return out;
}

/// For each finding of now the one of then that it goes on from, or none.
class Pairs {
 public:
  Pairs(const std::vector<Item>& then, const std::vector<Item>& now)
      : then_(then), now_(now), of_now_(now.size(), kNone), taken_(then.size(), false) {
    pair([](const Item& a, const Item& b) { return a.instance == b.instance && a.id == b.id; });
    pair([](const Item& a, const Item& b) { return a.id == b.id && a.scope_kind == b.scope_kind && a.comm == b.comm; });
    pair([](const Item& a, const Item& b) { return a.id == b.id && a.scope_kind == b.scope_kind; });
  }
  const Item* of_now(std::size_t i) const { return of_now_[i] == kNone ? nullptr : &then_[of_now_[i]]; }
  bool is_gone(std::size_t i) const { return !taken_[i]; }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  template <typename Same>
  void pair(Same same) {
    for (std::size_t i = 0; i < now_.size(); ++i) {
      if (of_now_[i] != kNone) continue;
      for (std::size_t k = 0; k < then_.size(); ++k) {
        if (taken_[k] || !same(then_[k], now_[i])) continue;
        of_now_[i] = k;
        taken_[k] = true;
        break;
      }
    }
  }

  const std::vector<Item>&then_, &now_;
  std::vector<std::size_t> of_now_;
  std::vector<bool> taken_;
};

}  // namespace

Baseline baseline_of(const Report& report) {
  Baseline out{.start = start_text(report), .host = report.host.name, .findings = {}, .judged = {}};
  for (const Finding& finding : report.verdict.findings) {
    out.findings.push_back(item_of(finding));
    out.judged.insert(finding.id);
  }
  for (const CheckedAndFine& fine : report.verdict.checked_and_fine) out.judged.insert(fine.id);
  return out;
}

Comparison compare(const Baseline& then, const Report& report) {
  const Baseline now = baseline_of(report);
  const Pairs pairs(then.findings, now.findings);
  Comparison out{.start = then.start, .host = then.host, .differences = {}};
  for (std::size_t i = 0; i < now.findings.size(); ++i) {
    const Item& item = now.findings[i];
    if (const Item* before = pairs.of_now(i); before != nullptr) {
      out.differences.push_back(difference_of(*before, item));
      continue;
    }
    out.differences.push_back({.kind = ChangeKind::added,
                               .id = item.id,
                               .instance = item.instance,
                               .title = item.title,
                               .severity = item.severity,
                               .why = then.judged.contains(item.id) ? "" : "it was not judged then"});
  }
  for (std::size_t i = 0; i < then.findings.size(); ++i) {
    if (!pairs.is_gone(i)) continue;
    const Item& item = then.findings[i];
    const bool judged = now.judged.contains(item.id);
    out.differences.push_back({.kind = judged ? ChangeKind::resolved : ChangeKind::not_seen,
                               .id = item.id,
                               .instance = item.instance,
                               .title = item.title,
                               .severity = item.severity,
                               .why = judged ? "" : "it is not judged now"});
  }
  std::ranges::stable_sort(out.differences, {}, &Difference::kind);
  return out;
}

std::size_t Comparison::count(ChangeKind kind) const {
  return static_cast<std::size_t>(std::ranges::count(differences, kind, &Difference::kind));
}

bool got_worse(const Comparison& comparison) {
  return std::ranges::any_of(comparison.differences, [](const Difference& one) {
    return one.severity != Severity::info && (one.kind == ChangeKind::added || one.kind == ChangeKind::worse);
  });
}

std::string_view name_of(ChangeKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"new", "worse", "better", "resolved", "not seen", "same"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace tcpadvisor
