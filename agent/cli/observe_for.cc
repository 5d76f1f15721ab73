// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/observe_for.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/observe/observer.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// "observing: 3 s of 10 s" on stderr while it is a terminal, and nothing left of it afterwards.
class Progress {
 public:
  explicit Progress(milliseconds length) : shown_(is_terminal(STDERR_FILENO)), length_(length) {}
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(milliseconds elapsed) const {
    auto whole_seconds = std::chrono::floor<std::chrono::seconds>(std::min(elapsed, length_));
    if (shown_)
      fmt::print(stderr, "\r\033[Kobserving: {} of {}", human_duration(whole_seconds), human_duration(length_));
  }

 private:
  bool shown_;
  milliseconds length_;
};

}  // namespace

Result<observe::ObservationPtr> observe_for(collect::Collector& collector, const Options& options, milliseconds length,
                                            os::StopSignals& signals) {
  observe::ObserverOptions wanted;
  wanted.schedule = {.interval = interval_for(options), .length = length, .ends_with_tick = true};
  wanted.policy = options.policy;
  wanted.older_ticks = kOlderTicks;
  os::RealSleepClock clock;
  observe::Observer observer(std::move(wanted), collector, clock);
  auto subscription = observer.subscribe();
  if (!subscription) return std::unexpected(subscription.error());
  Progress progress(length);
  auto start = Clock::now();
  observer.start();
  while (signals.received() == 0 && !(*subscription)->ended()) {
    progress.show(std::chrono::duration_cast<milliseconds>(Clock::now() - start));
    std::array<pollfd, 2> waiting = {{{signals.fd(), POLLIN, 0}, {(*subscription)->fd(), POLLIN, 0}}};
    poll(waiting.data(), waiting.size(), -1);
    auto observation = (*subscription)->take();
    if (observation && !*observation) log(LogLevel::warning, "a tick failed: " + observation->error().message);
  }
  if (auto failure = (*subscription)->failure()) return std::unexpected(*failure);
  return observer.latest();
}

}  // namespace tcpadvisor::cli
