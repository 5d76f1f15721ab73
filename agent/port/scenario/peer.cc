// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/peer.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "agent/os/proc_root.h"

namespace tcpadvisor::port::scenario {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxSockets = 64;
constexpr std::size_t kChunk = 64 << 10;
constexpr int kGraceMs = 500;

/// The child's whole life: one thread, one poll().
class PeerProcess {
 public:
  PeerProcess(int control, const std::vector<int>& sockets) : control_(control) {
    for (int fd : sockets) sockets_.push_back({fd, {}});
  }

  void run() {
    while (turn()) {
    }
  }

 private:
  struct Socket {
    int fd;
    PeerSocket known;
    std::uint64_t may_read = 0, may_write = 0;
  };

  bool turn() {
    std::vector<pollfd> waiting{{control_, POLLIN, 0}};
    for (const Socket& socket : sockets_) {
      bool reads = socket.known.open && !socket.known.fin && socket.known.sys_errno == 0 && socket.may_read > 0;
      bool writes = socket.known.open && socket.known.sys_errno == 0 && socket.may_write > 0;
      auto events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
      waiting.push_back({events != 0 ? socket.fd : -1, events, 0});
    }
    if (poll(waiting.data(), waiting.size(), wait_ms()) < 0 && errno != EINTR) return false;
    if (waiting[0].revents != 0 && !obey()) return false;
    if (pace_ms_ > 0 && steady_clock::now() >= next_) {
      next_ += milliseconds(pace_ms_);
      for (Socket& socket : sockets_) socket.may_read = pace_bytes_;
    }
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if ((waiting[i + 1].revents & (POLLIN | POLLERR | POLLHUP)) != 0) read_some(sockets_[i]);
      if ((waiting[i + 1].revents & POLLOUT) != 0) write_some(sockets_[i]);
    }
    return true;
  }

  int wait_ms() const {
    if (pace_ms_ == 0) return -1;
    auto left = std::chrono::ceil<milliseconds>(next_ - steady_clock::now()).count();
    return static_cast<int>(std::max<long long>(left, 0));
  }

  static void read_some(Socket& socket) {
    if (socket.may_read == 0) return;
    std::array<char, kChunk> buffer;
    ssize_t got = recv(socket.fd, buffer.data(), std::min<std::uint64_t>(buffer.size(), socket.may_read), MSG_DONTWAIT);
    if (got > 0) {
      socket.known.read += static_cast<std::uint64_t>(got);
      if (socket.may_read != kAll) socket.may_read -= static_cast<std::uint64_t>(got);
    } else if (got == 0) {
      socket.known.fin = true;
    } else if (errno != EAGAIN && errno != EINTR) {
      socket.known.sys_errno = errno;
    }
  }

  bool obey() {
    PeerOrder order;
    if (recv(control_, &order, sizeof order, 0) != sizeof order) return false;  // our parent is gone
    using What = PeerOrder::What;
    if (order.what == What::look) return answer();
    if (order.what != What::write && order.what != What::shut) pace_ms_ = 0;
    if (order.what == What::pace) {
      pace_ms_ = order.every_ms;
      pace_bytes_ = order.bytes;
      next_ = steady_clock::now();
    }
    for (Socket& socket : sockets_) {
      if (socket.known.open) apply(order, socket);
    }
    return true;
  }

  void apply(const PeerOrder& order, Socket& socket) {
    switch (order.what) {
      case PeerOrder::What::read:
        socket.may_read = order.bytes;
        break;
      case PeerOrder::What::drain:
        socket.may_read = kAll;
        break;
      case PeerOrder::What::pace:
      case PeerOrder::What::stall:
        socket.may_read = 0;
        break;
      case PeerOrder::What::write:
        socket.may_write = order.bytes;
        break;
      case PeerOrder::What::shut:
        shutdown(socket.fd, SHUT_WR);
        break;
      case PeerOrder::What::reset: {
        linger now{1, 0};
        (void)setsockopt(socket.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        [[fallthrough]];
      }
      case PeerOrder::What::close:
        close(socket.fd);
        socket.known.open = false;
        break;
      case PeerOrder::What::look:
        break;
    }
  }

  static void write_some(Socket& socket) {
    const std::array<char, kChunk> chunk{};
    ssize_t put = send(socket.fd, chunk.data(), std::min<std::uint64_t>(chunk.size(), socket.may_write),
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0) {
      socket.known.written += static_cast<std::uint64_t>(put);
      socket.may_write -= static_cast<std::uint64_t>(put);
    } else if (errno != EAGAIN && errno != EINTR) {
      socket.known.sys_errno = errno;
    }
  }

  bool answer() {
    std::vector<PeerSocket> known;
    for (const Socket& socket : sockets_) known.push_back(socket.known);
    return send(control_, known.data(), known.size() * sizeof(PeerSocket), MSG_NOSIGNAL) > 0;
  }

  static constexpr std::uint64_t kAll = ~std::uint64_t{0};

  int control_;
  std::vector<Socket> sockets_;
  std::uint32_t pace_ms_ = 0;
  std::uint64_t pace_bytes_ = 0;
  steady_clock::time_point next_;
};

/// Above stderr only these stay open.
void close_all_but(std::vector<int> keep) {
  std::ranges::sort(keep);
  unsigned next = 3;
  for (int fd : keep) {
    auto kept = static_cast<unsigned>(fd);
    if (kept > next) close_range(next, kept - 1, 0);
    next = std::max(next, kept + 1);
  }
  close_range(next, ~0U, 0);
}

[[noreturn]] void be_the_peer(pid_t parent, int control, const std::vector<int>& sockets) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it ended before the line above
  std::vector<int> keep = sockets;
  keep.push_back(control);
  close_all_but(std::move(keep));
  PeerProcess(control, sockets).run();
  _exit(0);
}

}  // namespace

Result<std::unique_ptr<Peer>> Peer::start(std::vector<os::UniqueFd> sockets) {
  if (sockets.size() > kMaxSockets) return fail(ErrorCode::bad_input, "a peer holds at most 64 sockets");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return os::fail_errno("cannot make a pair of Unix sockets", errno);
  }
  os::UniqueFd ours(ends[0]), theirs(ends[1]);
  std::vector<int> held;
  for (const os::UniqueFd& socket : sockets) held.push_back(socket.get());
  pid_t parent = getpid();
  // The child inherits the name, so that nobody ever sees it under ours.
  std::array<char, 16> own_name{};
  prctl(PR_GET_NAME, own_name.data());
  prctl(PR_SET_NAME, kComm.data());
  pid_t pid = fork();
  int fork_errno = errno;
  if (pid == 0) be_the_peer(parent, theirs.get(), held);
  prctl(PR_SET_NAME, own_name.data());
  if (pid < 0) return os::fail_errno("cannot start the peer's process", fork_errno);
  return std::unique_ptr<Peer>(new Peer(pid, std::move(ours), sockets.size()));
}

Peer::~Peer() {
  watch_.reset();
  control_.reset();  // it ends when it sees this
  for (int waited = 0; waited < kGraceMs && !reaped_; ++waited) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) return;
    usleep(1'000);
  }
  if (reaped_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Peer::tell(const PeerOrder& order) {
  // A peer that is gone or stopped misses it; its sockets then tell the story.
  (void)send(control_.get(), &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Peer::listen(Reactor& reactor) {
  if (watch_) return;
  watch_ = std::make_unique<Reactor::Watch>(reactor, control_.get(), Reactor::Wants::read, [this] { hear(); });
  watch_->set(true);
}

void Peer::on_end(Reactor& reactor, std::function<void(const std::string& how)> hear) {
  hear_end_ = std::move(hear);
  listen(reactor);
}

void Peer::ask(Reactor& reactor, std::function<void(const std::vector<PeerSocket>&)> answer) {
  listen(reactor);
  answers_.push_back(std::move(answer));
  tell({});
}

void Peer::hear_the_end() {
  watch_->set(false);
  int status = 0;
  std::string how = "for a reason that is not known";
  // Its descriptor closes a little before the process can be waited for.
  for (int waited = 0; waited < kGraceMs / 10 && !reaped_; ++waited) {
    reaped_ = waitpid(pid_, &status, WNOHANG) == pid_;
    if (!reaped_) usleep(1'000);
  }
  if (reaped_ && WIFSIGNALED(status)) how = "killed by signal " + std::to_string(WTERMSIG(status));
  if (reaped_ && WIFEXITED(status)) how = "with exit code " + std::to_string(WEXITSTATUS(status));
  if (hear_end_) hear_end_(how);
}

void Peer::hear() {
  std::vector<PeerSocket> sockets(sockets_);
  ssize_t got = recv(control_.get(), sockets.data(), sockets.size() * sizeof(PeerSocket), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return hear_the_end();
  if (got != static_cast<ssize_t>(sockets.size() * sizeof(PeerSocket)) || answers_.empty()) return;
  auto answer = std::move(answers_.front());
  answers_.pop_front();
  answer(sockets);
}

}  // namespace tcpadvisor::port::scenario
