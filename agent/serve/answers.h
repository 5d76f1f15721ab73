// SPDX-License-Identifier: Apache-2.0
// What the pages of the server say: of the latest observation, made when it is first asked for, and kept until the next
// tick. So a scrape waits for nobody, and many at once cost no more than one. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/export/agent_numbers.h"
#include "agent/export/tally.h"
#include "agent/observe/observation.h"
#include "agent/serve/history.h"
#include "agent/serve/request.h"

namespace tcpadvisor::serve {

using Body = std::shared_ptr<const std::string>;

struct Answer {
  int status = 200;
  Body body;
  std::string_view media_type = {};  ///< empty: that of the page
};

class Answers {
 public:
  /// `stale_ms`: without a tick for so long the agent does not work.
  Answers(exported::AgentNumbers& numbers, std::uint64_t stale_ms);

  void see(observe::ObservationPtr seen, std::uint64_t now_ms);
  /// A tick that gave nothing. The last good one stays.
  void see_failure(const std::string& why);

  /// Page::events has the latest tick as one event. 503 with a line while there is nothing to say.
  /// `name`: of Page::explain and Page::asset, as Route has it.
  Answer answer(Page page, exported::Exposition form, std::uint64_t now_ms, std::string_view name = {});

 private:
  Answer health(bool ready, std::uint64_t now_ms) const;
  Answer file(std::string_view name);
  std::string text_of(Page page, exported::Exposition form);
  std::string metrics(exported::Exposition form);
  exported::Families families();

  exported::AgentNumbers& numbers_;
  const std::uint64_t stale_ms_;
  std::uint64_t tick_at_ms_ = 0;
  std::string failure_;  ///< of the latest tick; empty: it was good
  observe::ObservationPtr seen_;
  exported::Tally tally_;
  History history_;
  std::vector<exported::Labels> groups_, listeners_;
  std::optional<exported::Families> families_;
  std::map<std::pair<Page, exported::Exposition>, Body> made_;
  std::map<std::string_view, Body> files_;  ///< of the page, by name
};

}  // namespace tcpadvisor::serve
