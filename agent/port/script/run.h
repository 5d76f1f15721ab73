// SPDX-License-Identifier: Apache-2.0
// Plays a script: the callers, the ports with their peers, and what each step did. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/port/channel.h"
#include "agent/port/port.h"
#include "agent/port/script/expectation.h"
#include "agent/port/script/payload.h"
#include "agent/port/script/script.h"
#include "agent/port/script/transcript.h"
#include "agent/port/script/world.h"

namespace tcpadvisor::port::script {

inline constexpr std::uint64_t kMaxCalls = 1'000'000;
inline constexpr std::uint64_t kMaxQueued = 64 << 20;  ///< bytes in one queue

struct RunSettings {
  bool keep_going = false;                     ///< past an expectation that does not hold
  bool explain = false;                        ///< why ports and channels did what they did, with each step
  std::function<std::optional<Error>()> stop;  ///< why the run has to end now; nothing while it may go on
};

struct RunResult {
  std::size_t steps = 0;             ///< that were run
  std::vector<StepRecord> failures;  ///< expectations that did not hold, with what was found
  std::optional<Error> error;        ///< what ended the run early, other than a failed expectation
};

/// `world` has to be of a transport that the script holds on.
RunResult run_script(const Script& script, World& world, const RunSettings& settings, Transcript& transcript);

using OptionWishes = std::vector<Cursor::OptionWish>;

struct PortWish {
  std::string name, owner = "owner";
  OptionWishes options{};
  std::optional<Number> peer_sndbuf{}, peer_recbuf{};
};

struct HowToSend {
  SendOptions options{};            ///< to a port; a channel knows nosuspend and noconnect
  Signal signal = Signal::message;  ///< to a channel
};

struct ChannelWish {
  std::string name;
  std::optional<Number> busy_limit{}, high{}, low{}, peer_recbuf{};
  bool connected = true;
};

struct SendWish {
  Number bytes;
  std::vector<std::string> callers{};
  std::string to{};
  HowToSend how{};
  std::optional<Number> repeat{};
  bool until_waits = false;
  std::optional<Comparison> until{};
};

struct ProbeNames {
  std::string sends{}, reads{};
  Number bytes{};
  std::optional<Number> sndbuf{}, peer_recbuf{};
  bool nodelay = false;
};

class Run {
 public:
  Run(const Script& script, World& world, const RunSettings& settings, Transcript& transcript);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  RunResult play();

  // ---- what steps do; errors of bad_input are the script's, of `failed` an expectation's or the run's ----
  Status set_kernel(const std::optional<Number>& capacity, const std::optional<Number>& writable_at);
  Status set_profile(Profile profile);
  Status make_port(const PortWish& wish);
  Status make_listener(const std::string& name, const OptionWishes& options);
  Status accept(const std::string& name, const std::string& listener, const std::string& owner);
  Status make_channel(const ChannelWish& wish);
  Status connect_channel(const std::string& name);
  Status disconnect_channel(const std::string& name);
  Status send(const SendWish& wish);
  Status receive(const std::optional<Number>& bytes, const std::string& port, const std::string& caller,
                 std::optional<Time> timeout);
  Status set_options(const std::string& port_or_listener, const OptionWishes& options);
  Status get(const std::string& port_or_listener, const std::vector<std::string>& keys);
  Status subscribe(const std::string& caller, const std::string& port);
  Status shutdown(const std::string& port, int how, const std::string& caller);
  Status close(const std::string& port, const std::string& caller);
  Status port_close(const std::string& port);
  Status kill(const std::string& port);
  Status exit(const std::string& caller);
  Status hold(const std::string& port, bool on);
  Status peer_reads(const std::string& port, const std::optional<Number>& bytes);
  Status peer_drains(const std::string& port, const std::optional<Number>& bytes_per_second);
  Status peer_stalls(const std::string& port);
  Status peer_sends(const std::string& port, const Number& bytes);
  enum class PeerEnds : std::uint8_t { shuts, closes, resets };
  Status peer_ends(const std::string& port, PeerEnds how);
  Status kernel_takes(const std::string& port, const Number& bytes);
  Status wait(Time span);
  Status wait_until(const Expectation& wanted, Time within);
  Status let(const std::string& name, const Number& number);
  Status let(const std::string& name, const std::string& key, const std::string& port_or_listener);
  Status probe(const ProbeNames& wish);
  Status expect(const Expectation& wanted);

 private:
  class Line;  ///< a port or a channel, its peer, and the bytes between them
  class PortLine;
  class ChannelLine;

  /// An Erlang process.
  struct Caller {
    std::string name;
    CallerId id = kNobody;
    bool gone = false, called = false, pending = false;
    Line* on = nullptr;  ///< of the last call
    Outcome outcome = Outcome::ok;
    Time called_at{}, answered_at{};
    bool waited = false;
    std::uint64_t calls = 0;
    std::map<Outcome, std::uint64_t> returned;
    std::uint64_t answer_number = 0;  ///< of all answers of the run: the order
    std::uint64_t bytes = 0;
    std::map<EventKind, std::uint64_t> messages;
    Outcome reply = Outcome::pending;
    struct Sends {
      std::uint64_t left = 0;
      std::size_t bytes = 0;
      HowToSend how;
    } sends;
  };

  struct Listener {
    Options options;
  };

  // ---- calls ----
  Caller& caller(const std::string& name);
  Caller* caller_of(CallerId id);
  Result<Caller*> free_caller(const std::string& name);
  Result<Line*> line(const std::string& name);
  Result<PortLine*> port(const std::string& name);
  Result<ChannelLine*> channel(const std::string& name);
  Result<OtherEnd*> peer(const std::string& name);
  void begin_call(Caller& caller, Line& on);
  void answered(Caller& caller, Outcome outcome);
  void one_send(Caller& caller);
  void sends_on(Caller& caller);
  Status send_until(Caller& caller, const SendWish& wish);
  Status call(const std::string& port, const std::string& caller, const std::function<Outcome(Port&, CallerId)>& what);
  Status finish_call(Caller& caller, Outcome outcome);
  void on_event(Line& from, const Event& event);

  // ---- facts, as text ----
  std::string state_of(const Caller& caller) const;
  std::string fact_of(const Caller& caller, const std::string& key, const std::optional<std::string>& result) const;
  Result<std::string> fact(const std::string& port_or_listener, const std::string& key);
  /// Empty: it holds. Else what was found instead.
  Result<std::string> judge(const Expectation& wanted);
  Result<bool> compare(const Comparison& wanted, const std::string& found);
  Status check_wanted(const Step& step);

  // ---- the rest ----
  Result<std::uint64_t> count(const Number& number, std::string_view what) const;
  Result<std::vector<OptionSetting>> settings_of(const OptionWishes& wishes) const;
  Result<std::optional<std::int32_t>> buffer(const std::optional<Number>& number) const;
  Status connect(const std::string& name, const std::string& owner, const Options& options, ConnectionWish wish);
  Status take_from_peer(Line& on, const std::string& bytes);
  Status settle();
  std::function<bool()> or_stop(std::function<bool()> done);
  std::uint64_t progress() const;
  void drain(Line& on);
  Status last_check();
  void note(std::string text) { record_.events.push_back(std::move(text)); }
  void show_states();

  const Script& script_;
  World& world_;
  RunSettings settings_;
  Transcript& transcript_;

  Values values_;
  FakeKernel kernel_;
  Profile profile_ = Profile::otp25;
  std::map<std::string, std::unique_ptr<Line>, std::less<>> lines_;
  std::map<std::string, ConnectionWish, std::less<>> channel_wishes_;  ///< for when they are connected again
  std::map<std::string, Listener, std::less<>> listeners_;
  std::map<std::string, Caller, std::less<>> callers_;
  std::vector<Caller*> by_id_;
  std::uint64_t calls_ = 0, answers_ = 0, events_ = 0;
  StepRecord record_;
  std::optional<std::string> given_;  ///< the result of the step, for "->"
  std::vector<Caller*> called_;       ///< by this step
  std::optional<Error> broken_;       ///< found in an event, where nothing can be returned: it ends the step
};

}  // namespace tcpadvisor::port::script
