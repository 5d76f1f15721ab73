// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/help.h"

#include <array>
#include <string>
#include <utility>

namespace tcpadvisor::watch {
namespace {

using Entry = std::pair<const char*, const char*>;

constexpr std::array<Entry, 11> kKeys = {{
    {"1 2 3 4 5", "connections, processes, listeners, build-up of states, findings;"},
    {"", "4 again: local ports in use towards each destination, and back"},
    {"arrows", "select; PgUp, PgDn, Home, End move further"},
    {"Enter", "all that is known of it; equal rows: shows them all, or as one again"},
    {"/", "show only what fits; Esc clears it. All of these must fit:"},
    {"", "word  proc:nginx  proc:812  port:443  state:close-wait  peer:10.0"},
    {"", "group:web  netns:blue  q>64K  age>60s  /regular expression/"},
    {"s p", "next order of this list; pause, while the agent goes on"},
    {"g", "processes one by one, or summed by unit, container, pod, user"},
    {"r ? q", "the report on what was seen so far; this page; quit"},
    {"p . , n N", "in a recording: play or stand; a tick on, back; next, last change"},
}};

constexpr std::array<Entry, 9> kWords = {{
    {"driver", "bytes that a program holds back in a queue of its own, as it says"},
    {"Send-Q", "bytes the peer has not acknowledged; 'not sent' of them never left"},
    {"wnd", "room that the receiver offers; 0 means that it does not read"},
    {"Recv-Q", "bytes that arrived and wait for the application to read them"},
    {"AGE", "time in this state, > at least; of several the oldest"},
    {"CLOSE_WAIT", "the peer has closed, ours has not; FIN_WAIT_2 the reverse"},
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
