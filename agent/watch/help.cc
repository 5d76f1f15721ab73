// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/help.h"

#include <array>
#include <string>
#include <utility>

namespace tcpadvisor::watch {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 9> kKeys = {{
    {"1 2 3 4 5", "connections, processes, listeners, build-up of states, findings"},
    {"arrows", "select; PgUp, PgDn, Home, End move further"},
    {"Enter", "everything that is known of what is selected; Esc goes back"},
    {"/", "filter by a name, a port, a state ...; Esc clears it"},
    {"s", "next order of this list"},
    {"p", "pause: the screen stands still, the agent goes on"},
    {"r", "the report on what was seen so far"},
    {"?", "this page"},
    {"q", "quit"},
}};

constexpr std::array<std::pair<const char*, const char*>, 10> kWords = {{
    {"driver", "bytes that a program holds back in a queue of its own, as it says"},
    {"Send-Q", "bytes the peer has not acknowledged; 'not sent' of them never left"},
    {"wnd", "room that the receiver offers; 0 means that it does not read"},
    {"Recv-Q", "bytes that arrived and wait for the application to read them"},
    {"AGE", "time in this state; > means at least, we did not see it begin"},
    {"CLOSE_WAIT", "the peer has closed, our application has not"},
    {"FIN_WAIT_2", "our side has closed, the peer has not"},
    {"OLD", "older than the policy's age (60 s, or 5 s with --policy lab)"},
    {"memory", "TCP's memory on this host against the three values of tcp_mem"},
    {"QUEUE", "connections that wait for accept(); at LIMIT new ones are dropped"},
}};

}  // namespace

std::vector<Line> help_lines() {
  std::vector<Line> lines;
  auto add = [&](const auto& table) {
    for (const auto& [word, meaning] : table) {
      std::string padded(word);
      padded.resize(12, ' ');
      lines.push_back(std::move(Line(std::move(padded), Attr::key).add(meaning)));
    }
  };
  add(kKeys);
  lines.emplace_back();
  add(kWords);
  return lines;
}

}  // namespace tcpadvisor::watch
