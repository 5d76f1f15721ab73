// SPDX-License-Identifier: Apache-2.0
// Evidence in the words of the field: a_socket().close_wait().age(70s).pid(42, "api")
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/evidence/window.h"

namespace tcpadvisor::build {

using std::chrono::milliseconds;
inline constexpr NetnsId kHostNetns = 4026531840;
inline constexpr std::uint64_t kStartMs = 1'000'000;

// What is made of many parts is made in builders.cc: each test file would need a second to compile it again.
class SocketBuilder {
 public:
  SocketBuilder();
  SocketBuilder(const SocketBuilder& other);
  SocketBuilder(SocketBuilder&& other) noexcept;
  SocketBuilder& operator=(const SocketBuilder& other);
  SocketBuilder& operator=(SocketBuilder&& other) noexcept;
  ~SocketBuilder();
  SocketBuilder& state(TcpState state) {
    return set([&](SocketRow& r) { r.state = state; });
  }
  SocketBuilder& established() { return state(TcpState::established); }
  SocketBuilder& close_wait() { return state(TcpState::close_wait); }
  SocketBuilder& fin_wait_2() { return state(TcpState::fin_wait_2); }
  SocketBuilder& netns(NetnsId id) {
    return set([&](SocketRow& r) { r.netns = id; });
  }
  SocketBuilder& cookie(std::uint64_t cookie) {
    return set([&](SocketRow& r) { r.cookie = cookie; });
  }
  SocketBuilder& local(Endpoint end) {
    return set([&](SocketRow& r) { r.local = end; });
  }
  SocketBuilder& remote(Endpoint end) {
    return set([&](SocketRow& r) { r.remote = end; });
  }
  SocketBuilder& age(milliseconds age, bool lower_bound = false) {
    return set([&](SocketRow& r) {
      r.state_age_ms = static_cast<std::uint64_t>(age.count());
      r.state_age_is_lower_bound = lower_bound;
    });
  }
  SocketBuilder& pid(Pid pid, std::string comm);
  SocketBuilder& holder(Holder holder);
  SocketBuilder& recv_q(std::uint64_t bytes) {
    return set([&](SocketRow& r) { r.recv_q = bytes; });
  }
  SocketBuilder& send_q(std::uint64_t bytes) {
    return set([&](SocketRow& r) { r.send_q = bytes; });
  }
  SocketBuilder& rcvbuf(std::uint64_t size, std::uint64_t used) {
    return set([&](SocketRow& r) {
      r.rcvbuf = size;
      r.rmem_alloc = used;
    });
  }
  SocketBuilder& sndbuf(std::uint64_t size, std::uint64_t used) {
    return set([&](SocketRow& r) {
      r.sndbuf = size;
      r.wmem_queued = used;
    });
  }
  SocketBuilder& locks(bool sndbuf, bool rcvbuf) {
    return set([&](SocketRow& r) { r.locks = BufferLocks{.sndbuf = sndbuf, .rcvbuf = rcvbuf}; });
  }
  SocketBuilder& listen(std::uint16_t port, std::uint32_t queue, std::uint32_t limit);
  SocketBuilder& drops(std::uint64_t drops) {
    return set([&](SocketRow& r) { r.drops = drops; });
  }
  /// Anything that has no word of its own.
  template <typename Change>
  SocketBuilder& set(Change change) {
    change(row_);
    return *this;
  }
  operator SocketRow() const;  // NOLINT: a builder is used as what it builds

 private:
  SocketRow row_;
};
inline SocketBuilder a_socket() {
  return {};
}

/// A program's queue that is empty and lets nobody wait.
class UserQueueBuilder {
 public:
  UserQueueBuilder();
  UserQueueBuilder(const UserQueueBuilder& other);
  UserQueueBuilder(UserQueueBuilder&& other) noexcept;
  UserQueueBuilder& operator=(const UserQueueBuilder& other);
  UserQueueBuilder& operator=(UserQueueBuilder&& other) noexcept;
  ~UserQueueBuilder();
  UserQueueBuilder& of(const SocketRow& row);
  UserQueueBuilder& queued(std::uint64_t bytes, std::uint64_t accepted) {
    return set([&](UserQueue& q) {
      q.queued = bytes;
      q.accepted = accepted;
    });
  }
  UserQueueBuilder& marks(std::uint64_t high, std::uint64_t low) {
    return set([&](UserQueue& q) {
      q.high = high;
      q.low = low;
    });
  }
  UserQueueBuilder& busy(std::uint32_t waiting, std::uint32_t suspended = 0) {
    return set([&](UserQueue& q) {
      q.busy = true;
      q.waiting = waiting;
      q.suspended = suspended;
    });
  }
  UserQueueBuilder& message_queue(std::uint64_t bytes, std::uint32_t suspended) {
    return set([&](UserQueue& q) {
      q.message_queue = bytes;
      q.message_busy = true;
      q.suspended = suspended;
    });
  }
  UserQueueBuilder& pending_shutdown() {
    return set([&](UserQueue& q) { q.pending_shutdown = true; });
  }
  UserQueueBuilder& dropped(std::uint64_t bytes) {
    return set([&](UserQueue& q) { q.dropped = bytes; });
  }
  UserQueueBuilder& bypassed(std::uint64_t bytes) {
    return set([&](UserQueue& q) { q.bypassed = bytes; });
  }
  UserQueueBuilder& refused(std::uint64_t sends) {
    return set([&](UserQueue& q) { q.refused = sends; });
  }
  UserQueueBuilder& ended() {
    return set([&](UserQueue& q) { q.ended = true; });
  }
  template <typename Change>
  UserQueueBuilder& set(Change change) {
    change(queue_);
    return *this;
  }
  operator UserQueue() const;  // NOLINT

 private:
  UserQueue queue_;
};
inline UserQueueBuilder a_user_queue() {
  return {};
}

class OwnerBuilder {
 public:
  OwnerBuilder(Pid pid, std::string comm);
  OwnerBuilder(const OwnerBuilder& other);
  OwnerBuilder(OwnerBuilder&& other) noexcept;
  OwnerBuilder& operator=(const OwnerBuilder& other);
  OwnerBuilder& operator=(OwnerBuilder&& other) noexcept;
  ~OwnerBuilder();
  OwnerBuilder& sockets(TcpState state, std::uint32_t count) {
    owner_.sockets[index_of(state)] = count;
    return *this;
  }
  OwnerBuilder& close_wait(std::uint32_t count, std::uint32_t old) {
    owner_.old_close_wait = old;
    return sockets(TcpState::close_wait, count);
  }
  OwnerBuilder& fin_wait_2(std::uint32_t count, std::uint32_t old) {
    owner_.old_fin_wait_2 = old;
    return sockets(TcpState::fin_wait_2, count);
  }
  OwnerBuilder& fds(std::uint32_t fds, std::uint64_t limit) {
    owner_.fds = fds;
    owner_.fd_limit = limit;
    return *this;
  }
  OwnerBuilder& cgroup(std::string path) {
    owner_.cgroup = std::move(path);
    return *this;
  }
  OwnerBuilder& state(ProcessState state) {
    owner_.process_state = state;
    return *this;
  }
  OwnerBuilder& rss(std::uint64_t bytes) {
    owner_.rss_bytes = bytes;
    return *this;
  }
  OwnerBuilder& memory(std::uint64_t rmem, std::uint64_t wmem, std::uint64_t recv_q = 0) {
    owner_.rmem = rmem;
    owner_.wmem = wmem;
    owner_.recv_q = recv_q;
    return *this;
  }
  operator OwnerTotals() const;  // NOLINT

 private:
  OwnerTotals owner_;
};
inline OwnerBuilder a_process(Pid pid, std::string comm) {
  return {pid, std::move(comm)};
}

/// A quiet host that can see everything: the rules' starting point.
class SampleBuilder {
 public:
  SampleBuilder();
  SampleBuilder(const SampleBuilder& other);
  SampleBuilder(SampleBuilder&& other) noexcept;
  SampleBuilder& operator=(const SampleBuilder& other);
  SampleBuilder& operator=(SampleBuilder&& other) noexcept;
  ~SampleBuilder();
  SampleBuilder& at(milliseconds since_start) {
    sample_.mono_ms = kStartMs + static_cast<std::uint64_t>(since_start.count());
    sample_.wall_ms += since_start.count();
    return *this;
  }
  SampleBuilder& add(SocketRow row);
  SampleBuilder& add(UserQueue queue);
  SampleBuilder& add(PortUse use);
  SampleBuilder& add(FailedConnects failed);
  SampleBuilder& add(Retransmits retransmits);
  SampleBuilder& add(Drops drops);
  SampleBuilder& add(OwnerTotals owner);
  /// `count` copies that differ in cookie, inode and remote port.
  SampleBuilder& add(std::uint32_t count, const SocketRow& like, std::uint64_t first_cookie = 100);
  SampleBuilder& counter(const std::string& name, std::uint64_t value);
  SampleBuilder& sysctl(const std::string& name, std::vector<std::int64_t> values);
  SampleBuilder& count(TcpState state, std::uint64_t count);
  SampleBuilder& cover(const std::string& fact, const std::string& source);
  template <typename Change>
  SampleBuilder& set(const Change& change) {
    change(sample_);
    return *this;
  }
  NetnsSample& host_ns() { return sample_.netns.front(); }
  operator SamplePtr() const;  // NOLINT

 private:
  Sample sample_;
};
inline SampleBuilder a_sample() {
  return {};
}

/// What happens to each sample before it becomes part of a window; for tests that spoil them.
inline std::function<void(Sample&)> on_each_sample;

/// `count` samples, one per `interval`; `fill(sample, i)` puts into the i-th what happened.
Window a_window(std::size_t count, const std::function<void(SampleBuilder&, std::size_t)>& fill,
                milliseconds interval = milliseconds(1000));

}  // namespace tcpadvisor::build
