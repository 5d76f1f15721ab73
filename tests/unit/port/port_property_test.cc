// SPDX-License-Identifier: Apache-2.0
// Random lives of a port with many callers. What must hold whatever happens: the peer gets the bytes that were
// accepted, each caller's in its order; every call is answered at most once; nobody is held back without a reason, and
// in the end nobody hangs but whom Erlang leaves hanging, too.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "agent/port/fake.h"
#include "agent/port/port.h"
#include "tests/unit/port/story.h"

namespace tcpadvisor::port::port_property_test {
namespace {

using std::chrono::milliseconds;

constexpr int kStepsOfASeed = 1'500;
constexpr int kStepsAfterTheEnd = 40;
constexpr CallerId kCallers = 60, kOwner = 60, kImmortal = 20;  ///< 1..60; up to 20 none dies but by the end

struct Message {
  std::size_t bytes = 0;
  std::uint32_t seed = 0;
  /// The first byte names the caller.
  char at(CallerId caller, std::size_t i) const {
    return i == 0 ? static_cast<char>(caller) : static_cast<char>((seed + i) * 2'654'435'761U >> 24);
  }
};

/// The peer: cuts the stream into messages again. Each must be the oldest one of its caller that has not come yet.
class Peer {
 public:
  Peer(Story& story, int packet) : story_(story), packet_(static_cast<std::size_t>(packet)) {}

  void sent(CallerId caller, const Message& message) {
    if (message.bytes > 0) on_the_way_[caller].push_back(message);
  }
  /// The last message of `caller` was not taken.
  void refused(CallerId caller, std::size_t bytes) {
    if (bytes == 0) return;
    auto& messages = on_the_way_[caller];
    bool untouched = messages.size() > (current_ == caller && at_ > 0 ? 1u : 0u);
    story_.check(untouched, "a refused send has reached the peer");
    if (untouched) messages.pop_back();
  }
  /// What follows these bytes of the stream is not known any more: a half-open port has dropped its queue and goes on.
  void lost_track_after(std::uint64_t bytes) { known_ = std::min(known_, bytes); }
  void got(std::string_view bytes) {
    for (char byte : bytes) {
      if (received++ >= known_ || story_.failed()) continue;
      if (at_ == 0 && header_.size() < packet_) {
        header_.push_back(byte);
        if (header_.size() == packet_ && length_in_header() == 0) header_.clear();
        continue;
      }
      if (at_ == 0) current_ = static_cast<unsigned char>(byte);
      auto& messages = on_the_way_[current_];
      if (messages.empty()) {
        story_.check(false, fmt::format("at byte {} the peer got a message that {} has not sent", received, current_));
        continue;
      }
      const Message& message = messages.front();
      if (at_ == 0 && packet_ > 0) {
        std::uint64_t mask = (1ULL << (8 * packet_)) - 1;
        story_.check((message.bytes & mask) == length_in_header(), "the header of another message");
      }
      story_.check(message.at(current_, at_) == byte, "the peer got other bytes than were sent");
      if (++at_ < message.bytes) continue;
      at_ = 0;
      header_.clear();
      messages.pop_front();
    }
  }
  bool nothing_on_the_way() const {
    return std::ranges::all_of(on_the_way_, [](const auto& one) { return one.second.empty(); });
  }

  std::uint64_t received = 0;

 private:
  std::uint64_t length_in_header() const {
    std::uint64_t length = 0;
    for (char byte : header_) length = length << 8 | static_cast<unsigned char>(byte);
    return length;
  }
  Story& story_;
  std::size_t packet_;
  std::uint64_t known_ = ~0ULL;
  std::map<CallerId, std::deque<Message>> on_the_way_;
  std::string header_;
  CallerId current_ = kNobody;
  std::size_t at_ = 0;  ///< byte of the current message
};

class Trial final : public EventSink {
 public:
  Trial(Story& story, Profile profile)
      : story_(story),
        profile_(profile),
        wire_(time_, {story.size(5'000), 1}),
        setup_(start(story, profile)),
        peer_(story, setup_.options.packet),
        port_(setup_, wire_.take_near(), time_, *this) {}

  void run() {
    int after_the_end = 0;
    for (int i = 0; i < kStepsOfASeed && after_the_end < kStepsAfterTheEnd && !story_.failed(); ++i) {
      before_ = port_.state();
      resumed_ = timed_out_ = settled_ = false;
      step();
      look();
      if (!port_.state().open) ++after_the_end;
    }
    if (!story_.failed()) finish();
  }
  std::uint64_t suspensions() const { return suspensions_; }

 private:
  struct Caller {
    bool in_call = false, dead = false, suspended = false;
    bool sends = false;         ///< the call is a send
    bool is_message = false;    ///< `!`: ok even if the port is gone
    std::size_t bytes = 0;      ///< of it
    bool may_hang = false;      ///< somebody may have taken its reply, or the classic port is gone
    std::uint64_t answers = 0;  ///< so far
  };

  static PortSetup start(Story& story, Profile profile) {
    PortSetup setup{.profile = profile, .owner = kOwner};
    setup.options.packet = story.one_of<int>({0, 0, 1, 2, 4});
    setup.options.exit_on_close = !story.one_in(3);
    setup.options.parallelism = story.one_in(3);
    return setup;
  }

  void on_event(const Event& event) override {
    story_.note("{} {} {}", event.caller, to_text(event.kind), to_text(event.outcome));
    Caller& caller = callers_[event.caller];
    switch (event.kind) {
      case EventKind::answer:
        story_.check(caller.in_call, "an answer to nobody's call");
        story_.check(!caller.dead, "an answer to a dead caller");
        ++caller.answers;
        caller.in_call = caller.suspended = false;
        if (event.outcome == Outcome::timeout) timed_out_ = true;
        if (caller.sends && (not_taken(event.outcome) || (caller.is_message && port_.state().gone))) {
          peer_.refused(event.caller, caller.bytes);
        }
        break;
      case EventKind::reply:
        if (event.outcome == Outcome::timeout) timed_out_ = true;
        break;
      case EventKind::suspended:
        story_.check(caller.in_call && !caller.suspended, "suspended without a call, or twice");
        caller.suspended = true;
        ++suspensions_;
        break;
      case EventKind::busy_port:
        ++busy_port_events_;
        break;
      case EventKind::resumed:
        story_.check(caller.suspended, "resumed without having been suspended");
        caller.suspended = false;
        resumed_ = true;
        break;
      case EventKind::port_gone:
        ++gone_told_;
        break;
      default:
        break;
    }
  }

  static bool not_taken(Outcome outcome) {
    return outcome == Outcome::badarg || outcome == Outcome::no || outcome == Outcome::busy ||
           outcome == Outcome::einval || outcome == Outcome::nosuspend || outcome == Outcome::enotconn;
  }

  // ---- what must hold after every step ----
  void look() {
    PortState now = port_.state();
    if (now.open && now.dropped > before_.dropped) peer_.lost_track_after(before_.written);
    wire_reset_ |= wire_.reset_sent();
    story_.check(wire_reset_ || now.written == peer_.received + wire_.in_kernel(),
                 "the kernel got other bytes than the port gave");
    std::uint64_t sent = 0, commands = before_commands_;
    (void)port_.statistic("send_cnt", commands);
    if (now.open && port_.statistic("send_oct", sent) == Outcome::ok) {
      story_.check(sent == now.written + now.queued + now.dropped, "bytes are missing in the queue");
    }
    story_.check(now.open || now.queued == 0, "a closed port has a queue");
    std::uint32_t suspended = 0;
    for (const auto& [id, caller] : callers_) suspended += caller.suspended ? 1 : 0;
    story_.check(now.suspended == suspended, "the count of the suspended differs");
    story_.check(suspensions_ == busy_port_events_, "not one busy_port event for each suspension");
    bool busy = now.busy || now.message_busy;
    story_.check(now.suspended == 0 || (busy && !now.gone), "somebody is held back without a reason");
    story_.check(!now.message_busy || now.message_queue > 0, "the empty message queue is busy");
    story_.check(
        now.gone || now.message_busy || now.message_queue <= static_cast<std::uint64_t>(port_.options().mq_high),
        "the full message queue is not busy");
    bool something_left = !now.open || now.written != before_.written || now.dropped != before_.dropped || now.gone ||
                          commands != before_commands_ || now.message_queue != before_.message_queue || timed_out_ ||
                          options_changed_;
    story_.check(!resumed_ || something_left || !(before_.busy || before_.message_busy), "resumed while busy");
    story_.check(now.bypassed <= now.accepted, "more bypassed than accepted");
    story_.check(gone_told_ <= 1, "port_gone was told twice");
    story_.check(gone_told_ == (now.gone && !now.open ? 1 : 0), "port_gone was told too early or not at all");
    if (now.gone && !before_.gone && profile_ == Profile::classic) {
      for (auto& [id, caller] : callers_) caller.may_hang |= caller.in_call && caller.sends;
    }
    if (!held_ && !now.busy && settled_) overtaking_ = false;
    before_commands_ = commands;
    if (!held_ && settled_) options_changed_ = false;
    lossless_ &= !wire_reset_ && now.dropped == 0 && (!now.gone || before_.gone || before_.message_queue == 0);
  }

  void finish() {
    story_.step("finish");
    before_ = port_.state();
    port_.release();
    wire_.set_kernel({1 << 30, 1});
    pass(milliseconds(400'000));
    look();
    std::uint64_t sent = 0;
    bool open = port_.statistic("send_oct", sent) == Outcome::ok && port_.state().open;
    if (lossless_ && open) {
      story_.check(peer_.received == sent, "bytes did not arrive");
      story_.check(peer_.nothing_on_the_way(), "messages did not arrive");
    }
    for (const auto& [id, caller] : callers_) {
      bool hangs = caller.in_call && caller.sends && !caller.may_hang && !caller.dead;
      story_.check(!hangs, fmt::format("sender {} hangs", id));
    }
    story_.step("port_close");
    before_ = port_.state();
    port_.port_close();
    look();
    pass(milliseconds(400'000));
    for (const auto& [id, caller] : callers_) {
      bool hangs = caller.in_call && !caller.dead;
      story_.check(!hangs || (profile_ == Profile::classic && caller.may_hang),
                   fmt::format("caller {} hangs after the end", id));
    }
    story_.check(gone_told_ == 1, "the port does not end");
    story_.check(time_.idle(), "a timer is left");
  }
  void pass(milliseconds span) {
    story_.check(time_.advance(span, 1'000'000), "time stands still");
    peer_reads(~0ULL);
    settle();
  }
  void peer_reads(std::uint64_t bytes) {
    if (port_.state().open && port_.state().dropped > before_.dropped) peer_.lost_track_after(before_.written);
    peer_.got(wire_.peer_read(bytes));
  }
  void settle() {
    story_.check(time_.settle(1'000'000), "time stands still");
    settled_ = true;
  }

  // ---- the steps ----
  CallerId somebody() { return static_cast<CallerId>(1 + story_.below(kCallers - 1)); }

  void send() {
    CallerId id = somebody();
    Caller& caller = callers_[id];
    if (caller.dead) return;
    SendOptions options{.kind = story_.one_of<SendKind>({SendKind::send, SendKind::send, SendKind::command,
                                                         SendKind::bang, SendKind::bang, SendKind::send_nosuspend}),
                        .nosuspend = story_.one_in(8),
                        .force = story_.one_in(40),
                        .bad_option = story_.one_in(200)};
    Message message{story_.size(200'000), static_cast<std::uint32_t>(story_.below(1 << 30))};
    // A length that the header cannot show would look like an empty message.
    if (setup_.options.packet != 0 && message.bytes % 256 == 0 && message.bytes > 0) --message.bytes;
    std::string data(message.bytes, '\0');
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = message.at(id, i);
    story_.step("{} {} {} bytes{}{}", id, to_text(options.kind), data.size(), options.nosuspend ? " nosuspend" : "",
                options.force ? " force" : "");
    if (caller.in_call) {
      story_.check(port_.send(id, options, data) == Outcome::badarg, "two calls at the same time");
      return;
    }
    bool forced = options.force && options.kind == SendKind::command;
    bool bang_nosuspend =
        options.kind == SendKind::send_nosuspend || (options.kind == SendKind::bang && options.nosuspend);
    overtaking_ |= forced || bang_nosuspend;
    if (overtaking_) {
      for (auto& [other, each] : callers_) each.may_hang |= each.in_call && each.sends;
    }
    bool gone = before_.gone;
    peer_.sent(id, message);
    caller.in_call = caller.sends = true;
    caller.is_message = options.kind == SendKind::bang;
    caller.may_hang = overtaking_;
    caller.bytes = message.bytes;
    std::uint64_t answers = caller.answers;
    Outcome outcome = port_.send(id, options, data);
    story_.note("{}", to_text(outcome));
    if (outcome == Outcome::pending) return;
    story_.check(caller.in_call && caller.answers == answers, "a call that returned was answered, too");
    caller.in_call = false;
    // What is told {error,closed} or sent into nothing is not there, unless the write itself was half done.
    if (not_taken(outcome) || gone || (outcome == Outcome::closed && port_.state().written == before_.written)) {
      peer_.refused(id, message.bytes);
    }
  }

  void set_option() {
    OptionSetting setting = story_.one_of<OptionSetting>(
        {{"high", std::to_string(story_.size(10'000))},
         {"low", std::to_string(story_.size(5'000))},
         {"mq_high", std::to_string(story_.size(10'000))},
         {"mq_low", std::to_string(story_.size(5'000))},
         {"delay_send", story_.one_in(2) ? "true" : "false"},
         {"send_timeout", story_.one_of<std::string>({"infinity", "infinity", "0", "100", "3000"})},
         {"send_timeout_close", story_.one_in(30) ? "true" : "false"},
         {"linger", story_.one_of<std::string>({"true/0", "false/0", "true/2", "false/0"})},
         {"show_econnreset", story_.one_in(2) ? "true" : "false"},
         {"parallelism", story_.one_in(2) ? "true" : "false"},
         {"active", story_.one_of<std::string>({"false", "false", "once", "true", "3", "-1"})}});
    story_.step("set {} {}", setting.name, setting.value);
    options_changed_ = true;
    port_.set_options({&setting, 1});
  }

  void control() {
    auto id = static_cast<CallerId>(1 + story_.below(kImmortal));
    Caller& caller = callers_[id];
    if (caller.in_call) return;
    std::uint64_t what = story_.below(10);
    if (what < 6) {
      story_.step("{} subscribes", id);
      port_.subscribe(id);
      return;
    }
    caller.in_call = true;
    caller.sends = false;
    Outcome outcome = Outcome::pending;
    if (what < 9) {
      story_.step("{} receives", id);
      std::optional<milliseconds> timeout;
      if (!story_.one_in(10)) timeout = milliseconds(story_.below(300));
      port_.receive(id, story_.size(3), timeout);
    } else if (story_.one_in(2)) {
      int how = story_.one_of<int>({SHUT_WR, SHUT_RDWR, SHUT_RD});
      story_.step("{} shuts down {}", id, how);
      outcome = port_.shutdown(id, how);
    } else {
      story_.step("{} closes", id);
      outcome = port_.close(id);
    }
    if (outcome == Outcome::pending) return;
    story_.check(caller.in_call, "a call that returned was answered, too");
    caller.in_call = false;
  }

  void death() {
    auto id = static_cast<CallerId>(kImmortal + 1 + story_.below(kCallers - kImmortal - 1));
    Caller& caller = callers_[id];
    if (caller.dead) return;
    story_.step("{} dies{}", id, std::string_view(caller.suspended ? " suspended" : ""));
    if (caller.suspended) peer_.refused(id, caller.bytes);
    if (caller.in_call) lossless_ = false;  // nobody is told whether its command was taken back
    caller.suspended = caller.in_call = false;
    caller.dead = true;
    port_.caller_dies(id);
  }

  void end() {
    switch (story_.below(6)) {
      case 0:
        story_.step("kill");
        port_.kill();
        break;
      case 1:
        story_.step("port_close");
        port_.port_close();
        break;
      case 2:
        story_.step("the owner dies");
        port_.caller_dies(kOwner);
        break;
      case 3:
        story_.step("RST");
        wire_reset_ = true;
        wire_.peer_reset();
        break;
      default:
        story_.step("FIN");
        wire_.peer_shutdown();
    }
  }

  void step() {
    std::uint64_t what = story_.below(1'000);
    if (what < 500) {
      send();
    } else if (what < 660) {
      std::uint64_t bytes = story_.size(300'000);
      story_.step("the peer reads {}", bytes);
      peer_reads(bytes);
      if (!story_.one_in(4)) settle();
    } else if (what < 720) {
      FakeKernel kernel{story_.size(200'000), 1 + story_.size(100)};
      story_.step("kernel {} writable at {}", kernel.capacity, kernel.writable_at);
      wire_.set_kernel(kernel);
    } else if (what < 800) {
      milliseconds span(story_.one_in(200) ? 200'000 : story_.one_in(20) ? 5'000 : story_.below(200));
      story_.step("{} ms", span.count());
      story_.check(time_.advance(span, 1'000'000), "time stands still");
      settled_ = true;
    } else if (what < 860) {
      set_option();
    } else if (what < 900) {
      story_.step("{}", held_ ? "release" : "hold");
      held_ ? port_.release() : port_.hold();
      held_ = !held_;
    } else if (what < 930) {
      story_.step("one timer");
      time_.settle(1);
    } else if (what < 945) {
      story_.step("the peer writes");
      wire_.peer_write(std::string(story_.size(3'000), 'r'));
    } else if (what < 990) {
      control();
    } else if (what < 997) {
      if (story_.one_in(3)) death();
    } else if (story_.one_in(4)) {
      end();
    }
  }

  Story& story_;
  Profile profile_;
  VirtualTime time_;
  FakeWire wire_;
  PortSetup setup_;
  Peer peer_;
  std::map<CallerId, Caller> callers_;
  PortState before_;
  bool resumed_ = false, timed_out_ = false, options_changed_ = false, held_ = false;
  bool wire_reset_ = false, lossless_ = true;
  bool settled_ = false;     ///< in this step: nothing is left that could run
  bool overtaking_ = false;  ///< a command that does not wait for a busy port may be scheduled, and take a reply
  std::uint64_t suspensions_ = 0, busy_port_events_ = 0;
  std::uint64_t before_commands_ = 0;
  int gone_told_ = 0;
  Port port_;
};

TEST(PortProperty, NothingIsLostAndNobodyHangs) {
  std::size_t steps = 0, suspensions = 0;
  for (unsigned seed = 1; steps < kPropertySteps; ++seed) {
    Story story(seed);
    Trial trial(story, seed % 3 == 0 ? Profile::classic : Profile::otp25);
    trial.run();
    ASSERT_FALSE(story.failed()) << (seed % 3 == 0 ? "classic, " : "otp25, ") << story.tell();
    steps += story.steps();
    suspensions += trial.suspensions();
  }
  EXPECT_GT(suspensions, kPropertySteps / 20);  // a test that never gets there would prove little
}

}  // namespace
}  // namespace tcpadvisor::port::port_property_test
