// SPDX-License-Identifier: Apache-2.0
// judge: what one verdict costs, by the number of processes, sockets and published queues, on made-up windows.
// Prints Markdown. With --check it fails when 8,000 processes cost more than 20 times what 500 do.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/verdict/verdict.h"
#include "agent/observe/build_up.h"
#include "tests/steps/worlds.h"

namespace {

using namespace tcpadvisor;
using namespace tcpadvisor::worlds;

constexpr double kMostTimes = 20;

/// Processor time, so that other work on this machine counts little.
template <typename Work>
double ms_of(Work work) {
  std::clock_t start = std::clock();
  work();
  return 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// The best of a few; one run when it takes long.
double judge_ms(const Window& window, std::size_t& findings) {
  double best = 1e12;
  for (int run = 0; run < 3; ++run) {
    best = std::min(best, ms_of([&] {
                      const Verdict verdict = judge(window, Policy{});
                      findings = verdict.findings.size();
                      for (const NotListed& more : verdict.not_listed) findings += more.findings;
                    }));
    if (best > 10'000) break;
  }
  return best;
}

template <typename Make>
double line(std::string_view what, Make make, std::uint32_t size) {
  Window window = window_of(make, size);
  std::size_t findings = 0, items = 0;
  double judged_ms = judge_ms(window, findings);
  observe::Observation seen{.window = window, .verdict = {}, .policy = {}};
  double list_ms = ms_of([&] { items = observe::build_ups_of(seen).size(); });
  fmt::print("| {} {} | {} | {} | {:.1f} | {:.1f} ({}) |\n", size, what, window.latest().sockets.size(), findings,
             judged_ms, list_ms, items);
  std::fflush(stdout);
  return judged_ms;
}

}  // namespace

int main(int argc, char** argv) {
  bool check = argc == 2 && std::string_view(argv[1]) == "--check";
  if (argc > 1 && !check) {
    fmt::print(stderr, "judge: unknown option '{}'; usage: judge [--check]\n", argv[1]);
    return 2;
  }
  fmt::print("| window of {} ticks | rows | findings | judge, ms of CPU | list of build-ups, ms of CPU (lines) |\n",
             kTicks);
  fmt::print("|---|---:|---:|---:|---:|\n");
  double few = line("processes that leak, on each side", leaks, 500);
  line("processes that leak, on each side", leaks, 2'000);
  double many = line("processes that leak, on each side", leaks, 8'000);
  line("rows of 100 processes", rows_of_few, 10'000);
  line("rows of 100 processes", rows_of_few, 50'000);
  line("published queues", queues, 4'096);
  fmt::print("\n8,000 processes cost {:.1f} times what 500 do (at most {:.0f}).\n", many / few, kMostTimes);
  return check && many > kMostTimes * few ? 1 : 0;
}
