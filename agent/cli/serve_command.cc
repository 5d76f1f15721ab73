// SPDX-License-Identifier: Apache-2.0
// `serve`: the observer's thread ticks, the server's thread answers, and this one waits for signals, reads files again
// and tells the service manager that all of it goes on.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>

#include "advisor/base/text.h"
#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/cli/reload.h"
#include "agent/cli/web_access.h"
#include "agent/observe/observer.h"
#include "agent/os/privileges.h"
#include "agent/os/service_manager.h"
#include "agent/os/thread.h"
#include "agent/serve/listen.h"
#include "agent/serve/server.h"

namespace tcpadvisor::cli {
namespace {

using std::chrono::milliseconds;

/// What people should see whatever the log level: it is what they have asked for.
void tell(std::string_view text) {
  fmt::print(stderr, "tcpadvisor: {}\n", text);
}

class Serving {
 public:
  Serving(const Options& options, os::StopSignals& signals)
      : options_(options), signals_(signals), manager_(os::ServiceManager::from_environment()) {}

  int run() {
    signals_.let_hangup_reload();
    if (Status status = open(); !status) return failed(status.error());
    observer_->start();
    os::Thread http("http", [this] {
      [[maybe_unused]] const Status kept =
          os::keep_only({});  // it has none; should a guard be missing, it has none all the same
      server_->run();
    });
    Status ended = work(http);
    manager_.say("STOPPING=1");
    server_->drain();
    http.join();
    if (!ended) return failed(ended.error());
    if (auto failure = http.failure()) return failed(*failure);
    const int number = signals_.received();
    return number == SIGTERM ? 0 : exit_code_after(signals_);
  }

 private:
  Status open() {
    // Both before privileges go: a low port needs one, and so may the key.
    auto access = read_access(options_.serve.web_config, real_clock_.wall_ms() / 1000);
    if (!access) return std::unexpected(access.error());
    if (Status allowed = serve::check_access(options_.serve.listen, **access); !allowed) return allowed;
    auto listening = serve::listen_on(options_.serve.listen);
    if (!listening) return std::unexpected(listening.error());
    place_ = serve::place_of(*listening);
    auto collector = open_collector(options_, {.show_all = true});
    if (!collector) return std::unexpected(collector.error());
    collector_ = std::move(*collector);
    observe::ObserverOptions wanted;
    wanted.schedule = {.interval = interval_for(options_)};
    wanted.rest = rest();
    wanted.policy = options_.policy;
    wanted.findings_stand = true;
    observer_.emplace(std::move(wanted), *collector_, clock_);
    auto of_server = observer_->subscribe(kBacklog), own = observer_->subscribe();
    if (!of_server) return std::unexpected(of_server.error());
    if (!own) return std::unexpected(own.error());
    ticks_ = std::move(*own);
    serve::ServerOptions options;
    options.listening = std::move(*listening);
    options.version = kVersion;
    options.interval = interval_for(options_);
    options.stale_after = std::max({milliseconds(10'000), 10 * interval_for(options_), 3 * rest()});
    options.access = *access;
    auto server = serve::Server::open(std::move(options), std::move(*of_server), real_clock_);
    if (!server) return std::unexpected(server.error());
    server_ = std::move(*server);
    tell(fmt::format("serving on http{}://{}/{}", (*access)->tls ? "s" : "", place_.text(),
                     (*access)->passwords ? " for users of " + printable(options_.serve.web_config) : ""));
    return {};
  }

  /// Until a signal. An error: there is nothing left that works.
  Status work(const os::Thread& http) {
    while (signals_.received() == 0) {
      if (signals_.take_reload()) reload();
      std::array<pollfd, 2> waiting = {{{signals_.fd(), POLLIN, 0}, {ticks_->fd(), POLLIN, 0}}};
      poll(waiting.data(), waiting.size(), static_cast<int>(longest_wait().count()));
      while (auto tick = ticks_->take()) take(*tick);
      if (auto failure = http.failure()) return std::unexpected(*failure);
      if (!ticks_->ended()) continue;
      auto failure = ticks_->failure();
      return std::unexpected(failure.value_or(Error{ErrorCode::failed, "the observation has ended", 0}));
    }
    return {};
  }

  void take(const Result<observe::ObservationPtr>& tick) {
    if (!tick) return log(LogLevel::warning, "a tick failed: " + tick.error().message);
    if (!std::exchange(ready_, true)) manager_.say("READY=1");
    // Alive is who ticks and answers.
    const std::uint64_t beats = server_->beats();
    if (manager_.watchdog() && beats != beats_) manager_.say("WATCHDOG=1");
    beats_ = beats;
  }

  /// A service manager that waits for a word of ours gets it with each tick.
  milliseconds rest() const {
    const milliseconds wanted = options_.serve.rest;
    const auto watchdog = manager_.watchdog();
    return watchdog ? std::min(wanted, std::chrono::duration_cast<milliseconds>(*watchdog) / 3) : wanted;
  }

  milliseconds longest_wait() const { return milliseconds(1'000); }

  void reload() {
    manager_.say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", clock_.mono_ns() / 1000));
    Result<Options> again = read_again(options_);
    auto access = read_access(web_config_, real_clock_.wall_ms() / 1000);
    if (access) {
      if (Status allowed = serve::check_access(place_, **access); !allowed) access = std::unexpected(allowed.error());
    }
    server_->tell_reload(again && access);
    if (!again || !access) {
      tell((again ? access.error() : again.error()).message + "; the old configuration stays");
    } else {
      server_->admit_by(std::move(*access));
      const Changes changes = changes_between(options_, *again);
      if (changes.now.empty() && changes.later.empty()) tell("reloaded: nothing has changed");
      if (!changes.now.empty()) tell(fmt::format("reloaded: {}", fmt::join(changes.now, "; ")));
      if (!changes.later.empty()) tell(fmt::format("after a new start: {}", fmt::join(changes.later, "; ")));
      observer_->judge_by(again->policy);
      set_log_level(again->log_level);
      options_ = std::move(*again);
    }
    manager_.say("READY=1");
  }

  static constexpr std::size_t kBacklog = 4;

  Options options_;
  os::StopSignals& signals_;
  os::ServiceManager manager_;
  os::RealSleepClock clock_;
  os::RealClock real_clock_;
  std::unique_ptr<collect::Collector> collector_;
  std::optional<observe::Observer> observer_;
  std::shared_ptr<observe::Subscription> ticks_;
  std::unique_ptr<serve::Server> server_;
  Endpoint place_;
  std::string web_config_ = options_.serve.web_config;  ///< another name of the file needs a new start
  bool ready_ = false;
  std::uint64_t beats_ = 0;
};

}  // namespace

int run_serve(const Options& options, os::StopSignals& signals) {
  return Serving(options, signals).run();
}

}  // namespace tcpadvisor::cli
