// SPDX-License-Identifier: Apache-2.0
// A scenario while it runs: the connections, the driver's ports or channels on them, the peer's process, the loop, and
// whom all that is told to. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/signals.h"
#include "agent/port/channel.h"
#include "agent/port/port.h"
#include "agent/port/publish.h"
#include "agent/port/reactor.h"
#include "agent/port/scenario/peer.h"
#include "agent/port/scenario/scenario.h"
#include "agent/port/scenario/truth.h"

namespace tcpadvisor::port::scenario {

/// One thing to show: the same as text and as an object.
struct Told {
  enum class Kind : std::uint8_t { heading, event, truth, result } kind = Kind::event;
  std::vector<std::string> lines;
  nlohmann::json json;
};
using Tell = std::function<void(const Told&)>;

class Stage {
 public:
  /// Connects, and starts the peer. Must be called before any thread is started.
  static Result<std::unique_ptr<Stage>> build(const Setup& setup, std::chrono::milliseconds hold, Tell tell);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// Plays, shows the truth once a second, and ends after `hold` or with a signal. Fails if the peer's process ended
  /// before that: what was shown is then another story.
  Status run(const Scenario& scenario, os::StopSignals& signals);

  // ---- for the scenarios ----
  const Setup& setup() const { return setup_; }
  Time hold() const { return hold_; }  ///< from the start to the end
  /// A part of it: late enough for a watcher to have begun, early enough to see what follows.
  Time part(double share) const { return std::chrono::duration_cast<Time>(hold_ * share); }
  Time now() const { return reactor_->now() - began_; }
  int stop_fd() const { return stop_fd_; }  ///< readable when all of it shall end; for what waits outside the loop
  std::size_t connections() const { return connections_.size(); }
  Port& port(std::size_t connection = 0);
  Channel& channel(std::size_t connection = 0);

  /// Calls, and tells what came of it.
  Outcome send(CallerId caller, std::uint64_t bytes, const SendOptions& options = {}, std::size_t connection = 0);
  void shutdown(CallerId caller, std::size_t connection = 0);
  void close(CallerId caller, std::size_t connection = 0);
  void subscribe(CallerId caller, std::size_t connection = 0);
  void receive(CallerId caller, std::size_t connection = 0);
  /// Calls that are too many to tell of.
  Outcome send_quietly(CallerId caller, std::string_view data, const SendOptions& options = {},
                       std::size_t connection = 0);
  void peer(const PeerOrder& order);
  ConnectionTruth truth(std::size_t connection) const;
  void say(const std::string& text, nlohmann::json details = {{"what", "note"}});

  void at(Time since_start, std::function<void()> what);
  void after(Time delay, std::function<void()> what) { reactor_->after(delay, std::move(what)); }
  /// Again and again until the end, for the first time at once.
  void every(Time period, std::function<void()> what);
  /// Called for each event of a connection, after it was told.
  void on_event(std::function<void(std::size_t connection, const Event&)> hear) { hear_ = std::move(hear); }
  /// Single events are not told: there will be very many of them.
  void quiet() { quiet_ = true; }

 private:
  struct Connection;

  Stage(const Setup& setup, std::unique_ptr<Reactor> reactor, std::unique_ptr<Peer> peer,
        std::chrono::milliseconds hold, Tell tell);
  void add(std::size_t index, os::UniqueFd socket);
  /// Without its socket nobody would believe us; the last word says what became of the bytes.
  void say_the_last_word(Connection& connection);
  void heard(std::size_t connection, const Event& event);
  void called(CallerId caller, std::size_t connection, const std::string& what, Outcome outcome);
  void tell_event(const std::string& text, nlohmann::json details);
  void look();
  void show(const std::vector<PeerSocket>& peer);
  ConnectionTruth truth_of(const Connection& connection) const;
  double seconds_since_start() const;

  const Setup setup_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Peer> peer_;
  Time hold_;
  Tell tell_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<Publisher> publisher_;
  std::function<void(std::size_t, const Event&)> hear_;
  Time began_{}, shown_{};  ///< the truth, for the last time
  bool quiet_ = false, looked_ = true;
  int stop_fd_ = -1;
  std::uint64_t told_ = 0, untold_ = 0;
  std::optional<std::string> peer_end_;
};

}  // namespace tcpadvisor::port::scenario
