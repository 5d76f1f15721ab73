// SPDX-License-Identifier: Apache-2.0
// The driver against a model of its rules that watches every write and every reply: which bytes are queued, who waits,
// who is told what. The model knows nothing of how the driver does it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <optional>

#include "agent/port/driver.h"
#include "agent/port/fake.h"
#include "tests/unit/port/story.h"

namespace tcpadvisor::port::driver_property_test {
namespace {

constexpr int kStepsOfASeed = 3'000;
constexpr int kStepsAfterTheEnd = 30;

class Model {
 public:
  Model(Story& story, Profile profile, const VirtualTime& time)
      : classic(profile == Profile::classic), story_(story), time_(time) {}

  // ---- what the test does ----
  void command(CallerId caller, std::string bytes) {
    if (!connected) return reply(caller, std::exchange(closed_for_send, std::nullopt).value_or(Outcome::enotconn));
    if (pending >= 0) return send_error(caller, Outcome::closed);
    if (classic && bytes.empty()) return reply(caller, Outcome::ok);
    ++count;
    sent += bytes.size();
    if (!queue.empty()) {
      queue += bytes;
      if (queue.size() < mark(options->high)) return reply(caller, Outcome::ok);
      if (!classic && options->send_timeout && options->send_timeout->count() == 0)
        return reply(caller, Outcome::timeout);
      busy = true;
      busy_caller = caller;
      due_ = options->send_timeout ? std::optional<Time>(time_.now() + *options->send_timeout) : std::nullopt;
    } else if (bytes.empty()) {
      reply(caller, Outcome::ok);
    } else if (options->delay_send) {
      queue += bytes;
      reply(caller, Outcome::ok);
    } else {
      direct_ = {caller, std::move(bytes)};
    }
  }
  void subscribe(CallerId caller) {
    if (!queue.empty()) subscribers_.push_back(caller);
  }
  void stop(bool flushes) {
    subscribers_.clear();
    if (receiving != kNobody) answers_.push_back({std::exchange(receiving, kNobody), Outcome::closed});
    busy = false;
    busy_caller = kNobody;
    due_.reset();
    limbo = flushes;
    if (!flushes) disconnect();
  }
  void receive(CallerId caller) {
    if (receiving != kNobody) return answer(caller, Outcome::ealready);
    if (!connected) {
      if (classic) return answer(caller, Outcome::closed);
      if (closed_for_receive) closed_for_send.reset();
      return answer(caller, std::exchange(closed_for_receive, std::nullopt).value_or(Outcome::enotconn));
    }
    receiving = caller;
    if (fin_read) peer_closed(Outcome::closed);
  }

  // ---- what the driver does with the kernel ----
  void on_write(const std::string& offered, Moved moved) {
    story_.check(connected, "a write after the end");
    if (direct_) {
      auto [caller, bytes] = *std::exchange(direct_, std::nullopt);
      story_.check(offered == bytes, "the first write does not offer what was sent");
      if (moved.sys_errno != 0 && moved.sys_errno != EAGAIN) return send_error(caller, error_word(moved.sys_errno));
      written += moved.bytes;
      queue = bytes.substr(moved.bytes);
      return reply(caller, Outcome::ok);
    }
    story_.check(!queue.empty(), "a write without a queue");
    story_.check(queue.starts_with(std::string_view(offered).substr(0, moved.bytes)), "other bytes than were queued");
    if (moved.sys_errno == EAGAIN) return;
    if (moved.sys_errno != 0) return send_error(kNobody, error_word(moved.sys_errno));
    written += moved.bytes;
    queue.erase(0, moved.bytes);
    if (busy && queue.size() <= mark(options->low)) {
      busy = false;
      due_.reset();
      reply(std::exchange(busy_caller, kNobody), Outcome::ok);
    }
    if (!queue.empty()) return;
    tell_subscribers();
    if (!limbo) return;
    asked_shutdown = pending;  // still done, just before the end
    disconnect();
  }
  void on_read(Moved moved) {
    if (moved.sys_errno == ECONNRESET) peer_closed(error_word(ECONNRESET));
    if (moved.sys_errno == 0 && moved.bytes == 0) peer_closed(Outcome::closed);
  }
  void on_shutdown(int how) {
    if (asked_shutdown >= 0) {
      story_.check(how == std::exchange(asked_shutdown, -1), "another shutdown than was asked for");
    } else {
      story_.check(queue.empty() && how == std::exchange(pending, -1), "a shutdown before its time");
    }
  }

  // ---- what the driver says ----
  void on_reply(CallerId caller, Outcome outcome) {
    if (caller == kNobody) return;
    if (!replies_.empty()) {
      story_.check(replies_.front() == std::pair(caller, outcome), "another reply than the rules say");
      replies_.pop_front();
      return;
    }
    story_.check(outcome == Outcome::timeout && busy && caller == busy_caller && due_ == time_.now(),
                 "a reply that nobody expects");
    busy = false;
    busy_caller = kNobody;
    due_.reset();
    if (!options->send_timeout_close) return;
    if (classic) subscribers_.clear();
    disconnect();
  }
  void on_event(const Event& event) {
    if (event.kind == EventKind::empty_out_q) {
      story_.check(!notices_.empty() && notices_.front() == event.caller, "an empty_out_q that nobody expects");
      if (!notices_.empty()) notices_.pop_front();
    } else if (!answers_.empty()) {
      story_.check(answers_.front() == std::pair(event.caller, event.outcome), "another answer than the rules say");
      answers_.pop_front();
    } else {
      bool data_or_timeout = event.outcome == Outcome::ok || event.outcome == Outcome::timeout;
      story_.check(event.caller == receiving && data_or_timeout, "an answer that nobody expects");
      receiving = kNobody;
    }
  }
  void compare(const Driver& driver) {
    story_.check(!direct_, "a send that was neither written nor queued");
    story_.check(replies_.empty() && notices_.empty() && answers_.empty(), "something was not said");
    story_.check(driver.queued() == queue.size(), "q differs");
    story_.check(driver.busy() == busy && driver.busy_caller() == busy_caller, "busy differs");
    story_.check(driver.connected() == connected, "the connection's state differs");
    story_.check(driver.pending_shutdown() == (pending >= 0), "the pending shutdown differs");
    story_.check(driver.written() == written && driver.dropped() == dropped, "what was written or dropped differs");
    story_.check(driver.statistics().count == count && driver.statistics().bytes == sent, "the statistics differ");
    story_.check(!connected || sent == written + dropped + queue.size(), "bytes are missing");
    story_.check(driver.bypassed() <= sent, "more bypassed than sent");
    story_.check(!due_ || *due_ >= time_.now(), "a send time-out was forgotten");
  }

  const Options* options = nullptr;
  bool classic;
  bool connected = true, busy = false, limbo = false, fin_read = false;
  std::optional<Outcome> closed_for_send, closed_for_receive;
  CallerId busy_caller = kNobody, receiving = kNobody;
  int pending = -1, asked_shutdown = -1;
  std::string queue;
  std::uint64_t count = 0, sent = 0, written = 0, dropped = 0;

 private:
  static std::uint64_t mark(std::int32_t value) { return static_cast<std::uint64_t>(value); }
  Outcome error_word(int sys_errno) const {
    bool reset = sys_errno == ECONNRESET || sys_errno == EPIPE;
    return reset && options->show_econnreset ? Outcome::econnreset : Outcome::closed;
  }
  void reply(CallerId caller, Outcome outcome) {
    if (caller != kNobody) replies_.push_back({caller, outcome});
  }
  void answer(CallerId caller, Outcome outcome) { answers_.push_back({caller, outcome}); }
  void drop() {
    dropped += queue.size();
    queue.clear();
  }
  void tell_subscribers() {
    for (std::size_t i = 0; i < subscribers_.size(); ++i)
      notices_.push_back(subscribers_[(subscribers_.size() - i) % subscribers_.size()]);
    subscribers_.clear();
  }
  void disconnect() {
    drop();
    connected = limbo = false;
    pending = -1;
    tell_subscribers();
  }
  void send_error(CallerId caller, Outcome told) {
    if (limbo) return disconnect();
    if (busy) caller = busy_caller;
    busy = false;
    busy_caller = kNobody;
    due_.reset();
    if (caller == kNobody) closed_for_send = told;
    reply(caller, told);
    if (receiving != kNobody) answer(std::exchange(receiving, kNobody), told);
    closed_for_receive = told;
    disconnect();
  }
  void peer_closed(Outcome told) {
    fin_read = true;
    if (busy) {
      drop();
      tell_subscribers();
      reply(std::exchange(busy_caller, kNobody), Outcome::closed);
      busy = false;
      due_.reset();
    } else if (told == Outcome::closed) {
      closed_for_send = told;
    }
    if (receiving != kNobody) answer(std::exchange(receiving, kNobody), told);
    if (options->exit_on_close) disconnect();
  }

  Story& story_;
  const VirtualTime& time_;
  std::optional<Time> due_;
  std::optional<std::pair<CallerId, std::string>> direct_;  ///< a send that must be written at once
  std::vector<CallerId> subscribers_;
  std::deque<std::pair<CallerId, Outcome>> replies_, answers_;  ///< that the rules demand and that have not come yet
  std::deque<CallerId> notices_;
};

/// Lets the model see what goes to the kernel.
class Watched final : public Transport {
 public:
  Watched(std::unique_ptr<Transport> below, Model& model) : below_(std::move(below)), model_(model) {}
  void listen_to(TransportEvents* events) override { below_->listen_to(events); }
  Moved write(std::span<const iovec> parts) override {
    std::string offered;
    for (const iovec& part : parts) offered.append(static_cast<const char*>(part.iov_base), part.iov_len);
    Moved moved = below_->write(parts);
    model_.on_write(offered, moved);
    return moved;
  }
  Moved read(std::span<char> into) override {
    Moved moved = below_->read(into);
    model_.on_read(moved);
    return moved;
  }
  void want_writable(bool on) override { below_->want_writable(writable_wanted = on); }
  void want_readable(bool on) override { below_->want_readable(on); }
  int shutdown(int how) override {
    model_.on_shutdown(how);
    return below_->shutdown(how);
  }
  void close(bool reset) override { below_->close(reset); }

  bool writable_wanted = false;

 private:
  std::unique_ptr<Transport> below_;
  Model& model_;
};

class Trial final : DriverEvents {
 public:
  Trial(Story& story, Profile profile)
      : story_(story),
        model_(story, profile, time_),
        wire_(time_, {story.size(5'000), 1}),
        transport_(wire_.take_near(), model_),
        driver_(profile, start(story), transport_, time_, *this) {
    transport_.listen_to(&driver_);
    model_.options = &driver_.options();
  }

  void run() {
    int after_the_end = 0;
    for (int i = 0; i < kStepsOfASeed && after_the_end < kStepsAfterTheEnd && !story_.failed(); ++i) {
      step();
      model_.compare(driver_);
      if (!model_.connected) ++after_the_end;
    }
    story_.step("stop");
    stop(story_.one_in(3));
    wire_.set_kernel({1 << 30, 1});
    settle();
    model_.compare(driver_);
    story_.check(!driver_.connected() && driver_.queued() == 0, "the end does not end");
    story_.check(exits_ <= 1, "it ended more than once");
  }
  std::size_t crossings() const { return crossings_; }

 private:
  void port_busy(bool on) override {
    story_.check(on != busy_told_, "BUSY_PORT is told twice");
    busy_told_ = on;
    if (on) ++crossings_;
  }
  void driver_reply(CallerId caller, Outcome outcome) override { model_.on_reply(caller, outcome); }
  void driver_event(Event event) override { model_.on_event(event); }
  void driver_exit() override { ++exits_; }

  static Options start(Story& story) {
    Options options;
    options.packet = story.one_of<int>({0, 0, 1, 2, 4});
    options.exit_on_close = story.one_in(2);
    return options;
  }
  void settle() { story_.check(time_.settle(100'000), "time stands still"); }

  void stop(bool kill) {
    bool linger_zero = driver_.options().linger == Linger{true, 0} && !model_.classic;
    bool flushes = model_.connected && !kill && transport_.writable_wanted && !model_.queue.empty() && !linger_zero;
    model_.stop(flushes);
    story_.check(driver_.stop(kill) == !flushes, "limbo differs");
  }

  void command() {
    auto caller = static_cast<CallerId>(1 + story_.below(9));
    std::string data(story_.size(200'000), '\0');
    for (char& byte : data) byte = static_cast<char>(next_byte_ = next_byte_ * 1'103'515'245 + 12'345);
    story_.step("caller {} sends {}", caller, data.size());
    model_.command(caller, packet_header(driver_.options().packet, data.size()) + data);
    driver_.command(caller, data);
  }

  void set_option() {
    OptionSetting setting = story_.one_of<OptionSetting>({{"high", std::to_string(story_.size(10'000))},
                                                          {"low", std::to_string(story_.size(5'000))},
                                                          {"delay_send", "true"},
                                                          {"delay_send", "false"},
                                                          {"send_timeout", "infinity"},
                                                          {"send_timeout", std::to_string(story_.below(3) * 100)},
                                                          {"send_timeout_close", story_.one_in(20) ? "true" : "false"},
                                                          {"exit_on_close", story_.one_in(2) ? "true" : "false"},
                                                          {"show_econnreset", story_.one_in(2) ? "true" : "false"},
                                                          {"linger", story_.one_in(2) ? "true/0" : "false/0"}});
    story_.step("set {} {}", setting.name, setting.value);
    driver_.set_options({&setting, 1});
  }

  void shutdown() {
    int how = story_.one_of<int>({SHUT_WR, SHUT_WR, SHUT_RDWR, SHUT_RD});
    story_.step("shutdown {}", how);
    if (!model_.connected) {
      story_.check(driver_.shutdown_deferred(how) == Outcome::enotconn, "shutdown of a closed socket");
    } else if (how == SHUT_RD || model_.queue.empty() || model_.classic) {
      model_.asked_shutdown = how;
      story_.check((model_.classic ? driver_.shutdown_now(how) : driver_.shutdown_deferred(how)) == Outcome::ok,
                   "shutdown");
    } else {
      model_.pending = how;
      story_.check(driver_.shutdown_deferred(how) == Outcome::ok, "shutdown");
    }
  }

  void step() {
    std::uint64_t what = story_.below(1'000);
    // A busy port gets forced sends only, and most runs should not end early.
    if (what < 350) {
      if (!model_.busy || story_.one_in(10)) command();
    } else if (what < 550) {
      std::uint64_t bytes = story_.size(300'000);
      story_.step("the peer reads {}", bytes);
      wire_.peer_read(bytes);
      settle();
    } else if (what < 700) {
      FakeKernel kernel{story_.size(200'000), 1 + story_.size(100)};
      story_.step("kernel {} writable at {}", kernel.capacity, kernel.writable_at);
      wire_.set_kernel(kernel);
    } else if (what < 800) {
      auto span = std::chrono::milliseconds(story_.below(150));
      story_.step("{} ms", span.count());
      story_.check(time_.advance(span, 100'000), "time stands still");
    } else if (what < 930) {
      set_option();
    } else if (what < 960) {
      auto caller = static_cast<CallerId>(1 + story_.below(9));
      story_.step("caller {} subscribes", caller);
      model_.subscribe(caller);
      driver_.subscribe(caller);
    } else if (what < 980) {
      story_.step("the peer writes");
      wire_.peer_write(std::string(story_.size(3'000), 'r'));
      settle();
    } else if (what < 996) {
      auto caller = static_cast<CallerId>(1 + story_.below(9));
      std::optional<std::chrono::milliseconds> timeout;
      if (story_.one_in(2)) timeout = std::chrono::milliseconds(0);
      story_.step("caller {} receives", caller);
      model_.receive(caller);
      driver_.receive(caller, 0, timeout);
    } else if (!story_.one_in(8)) {
      story_.step("settle");
      settle();
    } else if (story_.one_in(3)) {
      shutdown();
    } else if (story_.one_in(2)) {
      story_.step("FIN");
      wire_.peer_shutdown();
      settle();
    } else {
      story_.step("RST");
      wire_.peer_reset();
      settle();
    }
  }

  Story& story_;
  VirtualTime time_;
  Model model_;
  FakeWire wire_;
  Watched transport_;
  std::uint32_t next_byte_ = 1;
  bool busy_told_ = false;
  int exits_ = 0;
  std::size_t crossings_ = 0;
  Driver driver_;
};

TEST(DriverProperty, KeepsItsRules) {
  std::size_t steps = 0, crossings = 0;
  for (unsigned seed = 1; steps < kPropertySteps; ++seed) {
    Story story(seed);
    Trial trial(story, seed % 2 == 0 ? Profile::otp25 : Profile::classic);
    trial.run();
    ASSERT_FALSE(story.failed()) << story.tell();
    steps += story.steps();
    crossings += trial.crossings();
  }
  EXPECT_GT(crossings, kPropertySteps / 100);  // a test that never gets there would prove little
}

}  // namespace
}  // namespace tcpadvisor::port::driver_property_test
