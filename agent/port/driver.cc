// SPDX-License-Identifier: Apache-2.0
#include "agent/port/driver.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <utility>

namespace tcpadvisor::port {
namespace {

constexpr std::size_t kJoinBelow = 16 << 10;
constexpr std::size_t kIovMax = 1'024;      ///< IOV_MAX of Linux
constexpr std::size_t kClassicIovMax = 16;  ///< entries of one writev in R14 and R16

std::string bytes_text(std::uint64_t bytes) {
  return fmt::format("{} byte{}", bytes, bytes == 1 ? "" : "s");
}

const char* are(std::uint64_t bytes) {
  return bytes == 1 ? "is" : "are";
}

/// "EPIPE"
std::string errno_text(int sys_errno) {
  const char* name = strerrorname_np(sys_errno);
  return name != nullptr ? name : fmt::format("error {}", sys_errno);
}

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
    because(caller, [&] {
      return std::string(closed_for_send_ ? "the connection has ended, and the first send after that is told so"
                                          : "the connection has ended, and that was told already");
    });
    above_.driver_reply(caller, std::exchange(closed_for_send_, std::nullopt).value_or(Outcome::enotconn));
    return;
  }
  if (pending_shutdown()) {
    because(caller, [&] {
      return fmt::format("was shut down for writing, which waits for {} in the queue: a send now ends the connection",
                         bytes_text(queue_.size()));
    });
    send_error(caller, ESHUTDOWN);
    return;
  }
  std::string header = packet_header(options_.packet, data.size());
  std::size_t bytes = header.size() + data.size();
  if (bytes == 0 && profile_ == Profile::classic) {
    because(caller, [] { return std::string("0 bytes: nothing to do, whatever is queued"); });
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
    because(caller, [&] {
      return fmt::format("{}: its {} {} queued behind others, and q {} < high {}",
                         while_busy ? "is forced in" : "does not wait", bytes_text(bytes), are(bytes), queue_.size(),
                         high());
    });
    above_.driver_reply(caller, Outcome::ok);
    return;
  }
  if (profile_ == Profile::otp25 && options_.send_timeout && options_.send_timeout->count() == 0) {
    because(caller, [&] {
      return fmt::format("q {} ≥ high {} after its {}, and send_timeout is 0: told so at once, the bytes stay queued",
                         queue_.size(), high(), bytes_text(bytes));
    });
    if (!while_busy) bypassed_ += bytes;
    above_.driver_reply(caller, Outcome::timeout);
    return;
  }
  because(caller, [&] {
    return fmt::format("waits for its reply: q {} ≥ high {} after its {}, which {} queued{}", queue_.size(), high(),
                       bytes_text(bytes), are(bytes), while_busy ? " (forced in: the port was busy)" : "");
  });
  if (while_busy && busy_caller_ != kNobody && busy_caller_ != caller) {
    because(busy_caller_, [&] { return std::string("is not answered any more: only who crossed high last is"); });
  }
  set_busy(caller, while_busy ? 0 : bytes);
}

void Driver::write_first(CallerId caller, std::string_view header, std::string_view data) {
  std::size_t bytes = header.size() + data.size();
  if (bytes == 0) {
    because(caller, [] { return std::string("0 bytes, and the queue is empty: nothing to do"); });
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
  because(caller, [&] {
    if (options_.delay_send) {
      return fmt::format("delay_send: its {} {} queued, and written by a task that comes after this call",
                         bytes_text(bytes), are(bytes));
    }
    if (taken == bytes) return fmt::format("the queue is empty, and the kernel takes all of its {}", bytes_text(bytes));
    return fmt::format("the kernel takes {} of its {}, q {}: what goes into an empty queue makes nobody wait{}", taken,
                       bytes_text(bytes), bytes - taken,
                       bytes - taken >= high() ? fmt::format(", though high is {}", high()) : "");
  });
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
      if (pending_shutdown()) {
        because(kNobody, [] { return std::string("the queue is empty: the shutdown that waited for it is done now"); });
      }
      if (limbo_) because(kNobody, [] { return std::string("the queue is empty: now the descriptor is closed"); });
      if (pending_shutdown()) transport_.shutdown(std::exchange(pending_shutdown_, -1));
      if (limbo_) finish_limbo();
      return;
    }
    Moved moved = count(transport_.write(queue_.front(profile_ == Profile::classic ? kClassicIovMax : kIovMax)));
    if (moved.sys_errno != 0) {
      if (moved.try_later()) {
        because(kNobody, [&] {
          return fmt::format("the kernel takes none of {} now and will say when it can", bytes_text(queue_.size()));
        });
        want_writable(true);
      } else {
        send_error(kNobody, moved.sys_errno);
      }
      return;
    }
    because(kNobody, [&] {
      const std::uint64_t left = queue_.size() - moved.bytes;
      std::string stays = busy_ && left > low() ? fmt::format(" > low {}: stays busy", low()) : "";
      return fmt::format("the kernel takes {} of {} in the queue: q {}{}", moved.bytes, queue_.size(), left, stays);
    });
    queue_.consume(moved.bytes);
    if (busy_ && queue_.size() <= low()) {
      CallerId caller = busy_caller_;
      because(caller, [&] { return fmt::format("gets its reply: q {} ≤ low {}", queue_.size(), low()); });
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
  because(caller, [&] {
    return fmt::format("has waited for send_timeout, {} ms, since it crossed high: {}",
                       options_.send_timeout ? options_.send_timeout->count() : 0,
                       options_.send_timeout_close ? std::string("send_timeout_close ends the connection")
                                                   : fmt::format("its bytes stay queued (q {})", queue_.size()));
  });
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
  because(kNobody,
          [&] { return fmt::format("the shutdown waits until {} in the queue are sent", bytes_text(queue_.size())); });
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
  because(kNobody, [&] {
    return fmt::format("q 0: empty_out_q to {} of it",
                       told.size() == 1 ? "the one subscriber" : fmt::format("{} subscribers", told.size()));
  });
  for (CallerId subscriber : told) above_.driver_event({EventKind::empty_out_q, subscriber});
}

void Driver::send_error(CallerId caller, int sys_errno) {
  because(kNobody, [&] {
    return fmt::format("{} {}: the connection is over",
                       pending_shutdown() ? "a send after shutdown is" : "the kernel says", errno_text(sys_errno));
  });
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
  because(kNobody, [&] {
    return fmt::format("a read finds that the peer has {}", told == Outcome::closed ? "ended its side" : "reset it");
  });
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
  because(kNobody, [&] {
    if (queue_.empty()) return std::string("is closed with an empty queue");
    if (flushes) return fmt::format("is closed, and {} go out before the descriptor is", bytes_text(queue_.size()));
    return std::string(kill            ? "is killed"
                       : linger_zero() ? "is closed at once, as linger {true,0} wants it"
                                       : "is closed");
  });
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
  if (!queue_.empty())
    because(kNobody, [&] {
      return fmt::format("{} in the queue {} thrown away", bytes_text(queue_.size()),
                         queue_.size() == 1 ? "is" : "are");
    });
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
  if (outcome != Outcome::ok) {
    because(kNobody, [&] {
      return std::string(options_ == before
                             ? "a value has the wrong type or is out of range: nothing is changed"
                             : "a value is out of range: what stands behind it was applied already, the last first");
    });
  }
  if (!connected_) return outcome;
  if (busy_ && (options_.high != before.high || options_.low != before.low)) {
    because(kNobody, [&] {
      return fmt::format("stays busy: q {} is compared with the new marks after the next write to the kernel",
                         queue_.size());
    });
  }
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
