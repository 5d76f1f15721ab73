// SPDX-License-Identifier: Apache-2.0
#include "agent/port/driver.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>
#include <utility>

namespace tcpadvisor::port {
namespace {

constexpr std::size_t kJoinBelow = 16 << 10;
constexpr std::size_t kIovMax = 1'024;      ///< IOV_MAX of Linux
constexpr std::size_t kClassicIovMax = 16;  ///< entries of one writev in R14 and R16

iovec piece(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // writev does not write to it
}

}  // namespace

Driver::Driver(Profile profile, const Options& options, Transport& transport, Timers& timers, DriverEvents& above)
    : profile_(profile),
      options_(options),
      transport_(transport),
      timers_(timers),
      above_(above),
      queue_(profile == Profile::classic ? 0 : kJoinBelow) {
  watch_input();
}

Driver::~Driver() {
  timers_.cancel(send_timer_);
  timers_.cancel(flush_timer_);
  if (receiver_.waiting) timers_.cancel(receiver_.waiting->timer);
  close_transport(false);
}

// ---- sending ----

void Driver::command(CallerId caller, std::string_view data) {
  if (!connected_) {
    above_.driver_reply(caller, std::exchange(closed_for_send_, std::nullopt).value_or(Outcome::enotconn));
    return;
  }
  if (pending_shutdown()) {
    send_error(caller, ESHUTDOWN);
    return;
  }
  std::string header = packet_header(options_.packet, data.size());
  std::size_t bytes = header.size() + data.size();
  if (bytes == 0 && profile_ == Profile::classic) {
    above_.driver_reply(caller, Outcome::ok);
    return;
  }
  statistics_.add(bytes);
  if (queue_.empty()) {
    write_first(caller, header, data);
  } else {
    append(caller, header, data);
  }
}

void Driver::append(CallerId caller, std::string_view header, std::string_view data) {
  std::uint64_t bytes = header.size() + data.size();
  queue_.append(header);
  queue_.append(data);
  bool while_busy = busy_;
  if (while_busy) bypassed_ += bytes;
  if (queue_.size() < high()) {
    above_.driver_reply(caller, Outcome::ok);
    return;
  }
  if (profile_ == Profile::otp25 && options_.send_timeout && options_.send_timeout->count() == 0) {
    if (!while_busy) bypassed_ += bytes;
    above_.driver_reply(caller, Outcome::timeout);
    return;
  }
  set_busy(caller, while_busy ? 0 : bytes);
}

void Driver::write_first(CallerId caller, std::string_view header, std::string_view data) {
  std::size_t bytes = header.size() + data.size();
  if (bytes == 0) {
    above_.driver_reply(caller, Outcome::ok);
    return;
  }
  std::size_t taken = 0;
  if (!options_.delay_send) {
    std::array<iovec, 2> parts{piece(header), piece(data)};
    Moved moved = count(transport_.write(std::span(parts).subspan(header.empty() ? 1 : 0)));
    if (moved.sys_errno != 0 && !moved.try_later()) {
      send_error(caller, moved.sys_errno);
      return;
    }
    taken = moved.bytes;
  }
  if (taken < bytes) {
    if (taken < header.size()) queue_.append(header.substr(taken));
    queue_.append(data.substr(taken > header.size() ? taken - header.size() : 0));
    // No check of `high` here: the first bytes that are queued never make anybody wait, however many they are.
    if (options_.delay_send && profile_ == Profile::otp25) {
      // One may still be running for a queue that a FIN has emptied.
      timers_.cancel(flush_timer_);
      flush_timer_ = timers_.after(Time::zero(), [this] {
        flush_timer_ = 0;
        flush();
      });
    } else {
      want_writable(true);
    }
  }
  above_.driver_reply(caller, Outcome::ok);
}

void Driver::writable() {
  flush();
}

void Driver::flush() {
  while (connected_) {
    if (queue_.empty()) {
      want_writable(false);
      tell_subscribers();
      if (pending_shutdown()) transport_.shutdown(std::exchange(pending_shutdown_, -1));
      if (limbo_) finish_limbo();
      return;
    }
    Moved moved = count(transport_.write(queue_.front(profile_ == Profile::classic ? kClassicIovMax : kIovMax)));
    if (moved.sys_errno != 0) {
      if (moved.try_later()) {
        want_writable(true);
      } else {
        send_error(kNobody, moved.sys_errno);
      }
      return;
    }
    queue_.consume(moved.bytes);
    if (busy_ && queue_.size() <= low()) {
      CallerId caller = busy_caller_;
      clear_busy();
      above_.driver_reply(caller, Outcome::ok);
    }
  }
}

Moved Driver::count(Moved moved) {
  ++write_calls_;
  written_ += moved.bytes;
  return moved;
}

void Driver::want_writable(bool on) {
  if (want_writable_ == on) return;
  want_writable_ = on;
  transport_.want_writable(on);
}

// ---- busy ----

void Driver::set_busy(CallerId caller, std::uint64_t bytes) {
  busy_caller_ = caller;
  busy_bytes_ = bytes;
  if (!busy_) {
    busy_ = true;
    above_.port_busy(true);
  }
  timers_.cancel(std::exchange(send_timer_, 0));
  if (options_.send_timeout) {
    send_timer_ = timers_.after(*options_.send_timeout, [this] {
      send_timer_ = 0;
      send_timed_out();
    });
  }
}

void Driver::clear_busy() {
  timers_.cancel(std::exchange(send_timer_, 0));
  busy_caller_ = kNobody;
  if (!std::exchange(busy_, false)) return;
  above_.port_busy(false);
}

void Driver::send_timed_out() {
  CallerId caller = busy_caller_;
  bypassed_ += busy_bytes_;  // the data stays, so every time-out adds to the queue
  clear_busy();
  above_.driver_reply(caller, Outcome::timeout);
  if (!options_.send_timeout_close) return;
  if (profile_ == Profile::classic) subscribers_.clear();
  disconnect();
}

// ---- the ends of the connection ----

Outcome Driver::shutdown_now(int how) {
  if (!connected_) return Outcome::enotconn;
  return transport_.shutdown(how) == 0 ? Outcome::ok : Outcome::enotconn;
}

Outcome Driver::shutdown_deferred(int how) {
  if (!connected_) return Outcome::enotconn;
  if (how == SHUT_RD || queue_.empty()) return shutdown_now(how);
  pending_shutdown_ = how;
  return Outcome::ok;
}

std::uint64_t Driver::subscribe(CallerId caller) {
  if (!queue_.empty()) subscribers_.push_back(caller);
  return queue_.size();
}

void Driver::tell_subscribers() {
  if (subscribers_.empty()) return;
  // The first one heads the list in inet_drv and every later one is put right behind it.
  std::vector<CallerId> told = std::exchange(subscribers_, {});
  std::reverse(told.begin() + 1, told.end());
  for (CallerId subscriber : told) above_.driver_event({EventKind::empty_out_q, subscriber});
}

void Driver::send_error(CallerId caller, int sys_errno) {
  if (limbo_) {
    finish_limbo();
    return;
  }
  if (busy_) caller = busy_caller_;  // also instead of a forced one, who is told nothing
  clear_busy();
  // After a reset the first write may fail with EPIPE, as one after shutdown(write) does: Erlang makes no difference.
  bool reset = sys_errno == ECONNRESET || sys_errno == EPIPE;
  Outcome told = options_.show_econnreset && reset ? Outcome::econnreset : Outcome::closed;
  if (options_.active.mode != Active::Mode::off) {
    tell_tcp_closed(told);
    above_.driver_reply(caller, told);
    if (options_.exit_on_close) {
      drop_queue();
      above_.driver_exit();
    } else {
      disconnect();
    }
    return;
  }
  if (caller == kNobody) closed_for_send_ = told;
  above_.driver_reply(caller, told);
  answer_receiver(told);
  closed_for_receive_ = told;
  disconnect();
}

/// A read has found the peer's FIN or RST.
void Driver::peer_closed(Outcome told) {
  if (busy_) {
    CallerId caller = busy_caller_;
    drop_queue();
    clear_busy();
    tell_subscribers();
    above_.driver_reply(caller, Outcome::closed);
  } else if (told == Outcome::closed) {
    closed_for_send_ = told;
  }
  receiver_.clear();
  read_shut_ = true;
  watch_input();
  if (options_.active.mode != Active::Mode::off) {
    tell_tcp_closed(told);
    if (options_.exit_on_close) above_.driver_exit();
    return;
  }
  answer_receiver(told);
  if (options_.exit_on_close) disconnect();
}

void Driver::tell_tcp_closed(Outcome told) {
  if (told == Outcome::econnreset) above_.driver_event({EventKind::tcp_error, kNobody, told});
  above_.driver_event({EventKind::tcp_closed});
}

bool Driver::stop(bool kill) {
  bool flushes =
      connected_ && !kill && want_writable_ && !queue_.empty() && !(linger_zero() && profile_ != Profile::classic);
  subscribers_.clear();  // the port is detached: nobody is told, not even when it drains later
  timers_.cancel(std::exchange(send_timer_, 0));
  timers_.cancel(std::exchange(flush_timer_, 0));
  busy_ = false;  // without a word: the port is gone for everybody above
  busy_caller_ = kNobody;
  if (receiver_.waiting) answer_receiver(Outcome::closed);
  if (flushes) {
    limbo_ = true;
    read_shut_ = true;
    watch_input();
    return false;
  }
  disconnect();
  return true;
}

void Driver::finish_limbo() {
  disconnect();
  above_.driver_exit();
}

void Driver::disconnect() {
  drop_queue();
  close_transport(linger_zero() && profile_ != Profile::classic);
  limbo_ = false;
  receiver_.clear();
  pending_shutdown_ = -1;
  tell_subscribers();
}

void Driver::drop_queue() {
  dropped_ += queue_.size();
  queue_.clear();
}

void Driver::close_transport(bool reset) {
  if (!std::exchange(connected_, false)) return;
  timers_.cancel(std::exchange(flush_timer_, 0));
  transport_.close(reset);
}

// ---- options ----

Outcome Driver::set_options(std::span<const OptionSetting> settings) {
  Options before = options_;
  // Changed watermarks wait for the next append or write: nothing is looked at again here.
  Outcome outcome = apply(options_, settings);
  if (!connected_) return outcome;
  if (options_.sndbuf != before.sndbuf || options_.recbuf != before.recbuf) {
    transport_.set_buffers(options_.sndbuf.value_or(-1), options_.recbuf.value_or(-1));
  }
  if (options_.nodelay != before.nodelay) transport_.set_nodelay(options_.nodelay);
  if (outcome == Outcome::ok) tell_passive(before, settings);
  bool active = options_.active.mode != Active::Mode::off;
  if (active && before.active.mode == Active::Mode::off && read_shut_ && !limbo_) peer_closed(Outcome::closed);
  deliver();
  watch_input();
  return outcome;
}

/// Each {active,N} of a list that uses up the budget is told, even if another setting follows it.
void Driver::tell_passive(const Options& before, std::span<const OptionSetting> settings) {
  Options replayed = before;
  for (const OptionSetting& setting : settings | std::views::reverse) {
    apply(replayed, {&setting, 1});
    bool count = setting.name == "active" && setting.value.find_first_of("0123456789") != std::string::npos;
    if (count && replayed.active.mode == Active::Mode::off) above_.driver_event({EventKind::tcp_passive});
  }
}

std::uint64_t Driver::high() const {
  return static_cast<std::uint64_t>(options_.high);
}
std::uint64_t Driver::low() const {
  return static_cast<std::uint64_t>(options_.low);
}
bool Driver::linger_zero() const {
  return options_.linger.on && options_.linger.seconds == 0;
}

void SendStatistics::add(std::uint64_t size) {
  ++count;
  bytes += size;
  max = std::max(max, size);
  mean += (static_cast<double>(size) - mean) / static_cast<double>(count);
}

}  // namespace tcpadvisor::port
