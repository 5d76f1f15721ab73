// SPDX-License-Identifier: Apache-2.0
// The driver's other direction: what arrives, who waits for it, and when to read at all.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "agent/port/driver.h"

namespace tcpadvisor::port {
namespace {

constexpr std::size_t kReadAtMost = 64 << 10;

}  // namespace

void Driver::receive(CallerId caller, std::size_t bytes, std::optional<std::chrono::milliseconds> timeout) {
  auto answer = [&](Outcome outcome) { above_.driver_event({EventKind::answer, caller, outcome}); };
  if (receiver_.waiting) return answer(Outcome::ealready);
  if (!connected_) {
    if (profile_ == Profile::classic) return answer(Outcome::closed);
    if (closed_for_receive_) closed_for_send_.reset();  // once is enough, whichever way it is told
    return answer(std::exchange(closed_for_receive_, std::nullopt).value_or(Outcome::enotconn));
  }
  if (options_.active.mode != Active::Mode::off) return answer(Outcome::einval);
  if (options_.packet != 0 && bytes != 0) return answer(Outcome::einval);
  receiver_.waiting = Receiver::Waiting{caller, bytes, 0};
  if (read_shut_) return peer_closed(Outcome::closed);  // the FIN is read again, with all that follows from it
  deliver();
  // What the kernel has is taken at once, so a timeout of 0 asks for it.
  while (receiver_.waiting && read_some() > 0) continue;
  if (!receiver_.waiting) return;
  because(caller, [&] {
    if (bytes == 0) return std::string("waits until something arrives");
    return fmt::format("waits for {} bytes in one piece, fewer have arrived", bytes);
  });
  if (timeout && timeout->count() == 0) {
    answer_receiver(Outcome::timeout);
    return;
  }
  if (timeout) {
    receiver_.waiting->timer = timers_.after(*timeout, [this] {
      receiver_.waiting->timer = 0;
      answer_receiver(Outcome::timeout);  // what has arrived is kept for the next call
      watch_input();
    });
  }
  watch_input();
}

void Driver::readable() {
  read_some();
  watch_input();
}

/// One read. The number of bytes that arrived.
std::size_t Driver::read_some() {
  if (!connected_ || read_shut_) return 0;
  std::array<char, kReadAtMost> space;  // not initialised: it is large
  std::size_t room = receiver_.room(options_.packet, static_cast<std::size_t>(options_.buffer));
  Moved moved = transport_.read(std::span(space).first(std::min(room, space.size())));
  if (moved.sys_errno == ECONNRESET) {
    peer_closed(options_.show_econnreset ? Outcome::econnreset : Outcome::closed);
  } else if (moved.sys_errno != 0) {
    if (!moved.try_later()) send_error(kNobody, moved.sys_errno);
  } else if (moved.bytes == 0) {
    peer_closed(Outcome::closed);
  } else {
    receiver_.add(std::string_view(space.data(), moved.bytes));
    deliver();
  }
  return moved.bytes;
}

void Driver::deliver() {
  while (connected_) {
    bool active = options_.active.mode != Active::Mode::off;
    if (!active && !receiver_.waiting) return;
    auto message = receiver_.take(options_.packet, active ? 0 : receiver_.waiting->bytes);
    if (!message) return;
    if (receiver_.waiting) {
      answer_receiver(Outcome::ok, std::move(*message));
      return;
    }
    above_.driver_event({EventKind::data, kNobody, Outcome::ok, std::move(*message)});
    Active& left = options_.active;
    if (left.mode == Active::Mode::once) left.mode = Active::Mode::off;
    if (left.mode == Active::Mode::count && --left.count == 0) {
      left.mode = Active::Mode::off;
      above_.driver_event({EventKind::tcp_passive});
    }
  }
}

bool Driver::answer_receiver(Outcome outcome, std::string data) {
  if (!receiver_.waiting) return false;
  Receiver::Waiting was = *std::exchange(receiver_.waiting, std::nullopt);
  timers_.cancel(was.timer);
  above_.driver_event({EventKind::answer, was.caller, outcome, std::move(data)});
  return true;
}

void Driver::watch_input() {
  bool on = connected_ && !read_shut_ && (receiver_.waiting || options_.active.mode != Active::Mode::off);
  if (on == want_readable_ || !connected_) return;
  want_readable_ = on;
  transport_.want_readable(on);
}

}  // namespace tcpadvisor::port
