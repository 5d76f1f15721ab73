// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/listing.h"

#include <map>
#include <utility>

#include "advisor/base/saturate.h"

namespace tcpadvisor {
namespace {

Finding without_words(Finding&& finding) {
  Finding out;
  out.id = std::move(finding.id);
  out.topic = std::move(finding.topic);
  out.severity = finding.severity;
  out.confidence = finding.confidence;
  out.finding_class = finding.finding_class;
  out.scope = std::move(finding.scope);
  out.brief = true;
  return out;
}

}  // namespace

void leave_brief(std::vector<Finding>& of_rule) {
  if (of_rule.size() <= kToldOneByOne) return;
  Telling telling;
  for (Finding& finding : of_rule) {
    if (finding.brief || finding.recommendation.change) continue;
    if (telling.too_many(finding)) finding = without_words(std::move(finding));
  }
}

std::vector<NotListed> take_out_brief(std::vector<Finding>& findings) {
  std::map<std::pair<int, std::string_view>, NotListed> sums;
  for (const Finding& finding : findings) {
    if (!finding.brief) continue;
    NotListed& sum = sums[{-static_cast<int>(finding.severity), finding.id}];
    if (sum.findings == 0) sum = {.id = finding.id, .severity = finding.severity};
    ++sum.findings;
    sum.sockets = add_sat(sum.sockets, finding.scope.count);
    if (!finding.cause.empty()) ++sum.explained;
  }
  std::vector<NotListed> out;
  for (auto& [key, sum] : sums) out.push_back(std::move(sum));
  sums.clear();  // its keys refer to what goes now
  std::erase_if(findings, [](const Finding& finding) { return finding.brief; });
  return out;
}

}  // namespace tcpadvisor
