// SPDX-License-Identifier: Apache-2.0
// The part of a run that plays the peers, and time.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/port/script/line.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {
namespace {

using std::chrono::milliseconds;

constexpr Time kDrainTick = milliseconds(10);
constexpr Time kFastDrainTick = milliseconds(2);

}  // namespace

Status Run::take_from_peer(Line& on, const std::string& bytes) {
  // The driver may throw a queue away and go on, after a FIN: then the stream has a gap.
  if (on.has_gap()) on.to_peer.stop_checking();
  Status status = on.to_peer.check(bytes);
  if (!status) status.error().message = fmt::format("peer {}: {}", on.name(), status.error().message);
  return status;
}

Status Run::peer_reads(const std::string& name, const std::optional<Number>& bytes) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  Line& on = *lines_.at(name);
  auto wanted = bytes ? count(*bytes, "a read") : Result<std::uint64_t>(kMaxQueued);
  if (!wanted) return std::unexpected(wanted.error());
  std::uint64_t left = *wanted;
  while (left > 0 && !broken_ && !(settings_.stop && settings_.stop())) {
    std::string got = (*far)->read(std::min(left, kMostAtOnce));
    if (got.empty()) {
      auto more = [&] { return !(got = (*far)->read(std::min(left, kMostAtOnce))).empty(); };
      if (Status status = world_.patience(or_stop(more)); !status) return status;
      if (got.empty() && !more()) break;
    }
    left -= got.size();
    if (Status status = take_from_peer(on, got); !status) return status;
  }
  return {};
}

Status Run::peer_drains(const std::string& name, const std::optional<Number>& bytes_per_second) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  Line& on = *lines_.at(name);
  auto rate = bytes_per_second ? count(*bytes_per_second, "a rate") : Result<std::uint64_t>(kMaxQueued);
  if (!rate) return std::unexpected(rate.error());
  on.drain_rate = *rate;
  on.drain_all = !bytes_per_second;
  on.drain_owed = 0;
  if (!std::exchange(on.draining, true)) drain(on);
  return {};
}

/// The drain's own clock: every 10 ms a hundredth of the rate, or everything every 2 ms.
void Run::drain(Line& on) {
  on.drain_timer = world_.timers().after(on.drain_all ? kFastDrainTick : kDrainTick, [this, &on] {
    on.drain_owed += on.drain_rate;
    std::uint64_t due = on.drain_owed / 100;
    on.drain_owed %= 100;
    while (due > 0) {
      std::string got = !on.peer ? "" : on.peer->read(std::min(due, kMostAtOnce));
      if (got.empty()) break;
      due -= got.size();
      if (Status status = take_from_peer(on, got); !status && !broken_) broken_ = status.error();
    }
    drain(on);
  });
}

Status Run::peer_stalls(const std::string& name) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  Line& on = *lines_.at(name);
  on.draining = false;
  world_.timers().cancel(std::exchange(on.drain_timer, 0));
  return {};
}

Status Run::peer_sends(const std::string& name, const Number& bytes) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  Line& on = *lines_.at(name);
  auto size = count(bytes, "a send");
  if (!size) return std::unexpected(size.error());
  if (*size > kMostAtOnce) return script_error("one send has at most 16 MiB");
  on.peer_sends(*size);
  return {};
}

Status Run::peer_ends(const std::string& name, PeerEnds how) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  Line& on = *lines_.at(name);
  switch (how) {
    case PeerEnds::shuts:
      (*far)->shut();
      break;
    case PeerEnds::closes:
      (*far)->close();
      break;
    case PeerEnds::resets:
      (*far)->reset();
      on.was_reset = true;
      break;
  }
  return {};
}

Status Run::kernel_takes(const std::string& name, const Number& bytes) {
  auto far = peer(name);
  if (!far) return std::unexpected(far.error());
  auto room = count(bytes, "room");
  if (!room) return std::unexpected(room.error());
  (*far)->take(*room);
  return {};
}

Status Run::wait(Time span) {
  return world_.advance(span, or_stop([] { return false; }));
}

Status Run::wait_until(const Expectation& wanted, Time within) {
  std::optional<Result<std::string>> found;
  auto done = [&] {
    found = judge(wanted);
    return !*found || (*found)->empty();
  };
  if (Status status = settle(); !status) return status;
  if (Status status = world_.advance(within, or_stop(done)); !status) return status;
  done();
  if (!*found) return std::unexpected(found->error());
  if ((*found)->empty()) return {};
  return fail(ErrorCode::failed, **found);
}

Status Run::let(const std::string& name, const Number& number) {
  auto value = number.evaluate(values_);
  if (!value) return std::unexpected(value.error());
  values_[name] = *value;
  given_ = fmt::to_string(*value);
  return {};
}

Status Run::probe(const ProbeNames& wish) {
  auto bytes = count(wish.bytes, "a send");
  auto sndbuf = buffer(wish.sndbuf), recbuf = buffer(wish.peer_recbuf);
  if (!bytes) return std::unexpected(bytes.error());
  if (!sndbuf) return std::unexpected(sndbuf.error());
  if (!recbuf) return std::unexpected(recbuf.error());
  if (*bytes == 0 || *bytes > kMostAtOnce) return script_error("a probe sends 1 byte to 16 MiB at a time");
  ProbeWish probe{.bytes = *bytes, .connection = {.kernel = kernel_, .near = {}, .far = {}}};
  probe.connection.near.sndbuf = *sndbuf;
  probe.connection.near.nodelay = wish.nodelay;
  probe.connection.far.recbuf = *recbuf;
  auto room = world_.probe(probe);
  if (!room) return std::unexpected(room.error());
  values_[wish.sends] = static_cast<std::int64_t>(room->sends);
  if (!wish.reads.empty()) values_[wish.reads] = static_cast<std::int64_t>(room->reads);
  given_ = wish.reads.empty() ? fmt::format("{}={}", wish.sends, room->sends)
                              : fmt::format("{}={} {}={}", wish.sends, room->sends, wish.reads, room->reads);
  return {};
}

}  // namespace tcpadvisor::port::script
