// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/user_queue_socket.h"

#include <dirent.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <utility>

#include "advisor/base/text.h"
#include "agent/os/proc_root.h"
#include "agent/sources/user_queue_wire.h"

namespace tcpadvisor::sources {
namespace {

constexpr std::size_t kMaxBacklog = 2'048;  // datagrams, 16 MiB at the worst
constexpr std::size_t kPiece = 512;         // bytes read before the socket is emptied again
constexpr std::size_t kBatch = 16;          // datagrams a system call
constexpr int kSameNames = 8;               // agents whose pids are equal: in several pid namespaces, or in one process
constexpr std::string_view kSuffix = ".sock", kStreamSuffix = ".stream";

bool is_directory(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// Each missing part of the path, open to all for reading: programs of every user look in there.
Status make_directory(const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string whole = path.substr(0, end);
    if (mkdir(whole.c_str(), 0755) == 0) {
      if (chmod(whole.c_str(), 0755) != 0) return os::fail_errno("cannot open " + whole + " to all", errno);
    } else if (int error = errno; error != EEXIST && !is_directory(whole)) {
      return os::fail_errno("cannot make the directory " + whole, error);
    }
  }
  return {};
}

/// A socket file that nobody listens on any more: its agent was killed.
bool is_dead_socket(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  auto address = unix_address(path);
  os::UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return address && probe && connect(probe.get(), generic(*address), sizeof *address) != 0 && errno == ECONNREFUSED;
}

void remove_dead_sockets(const std::string& directory) {
  auto names = os::ProcRoot().list(directory);
  if (!names) return;  // then binding says why
  for (const std::string& name : *names) {
    std::string path = directory;
    path.append("/").append(name);
    if ((name.ends_with(kSuffix) || name.ends_with(kStreamSuffix)) && is_dead_socket(path)) unlink(path.c_str());
  }
}

/// Binds the first free name and returns it.
Result<std::string> bind_in(int fd, const std::string& directory) {
  for (int i = 0; i < kSameNames; ++i) {
    std::string path = fmt::format("{}/{}{}{}", directory, getpid(), i == 0 ? "" : fmt::format("-{}", i), kSuffix);
    auto address = unix_address(path);
    if (!address) return std::unexpected(address.error());
    if (bind(fd, generic(*address), sizeof *address) == 0) {
      if (chmod(path.c_str(), 0666) == 0) return path;
      auto failed = os::fail_errno("cannot open " + path + " to all", errno);
      unlink(path.c_str());
      return failed;
    }
    if (errno != EADDRINUSE) return os::fail_errno("cannot bind " + path, errno);
  }
  return fail(ErrorCode::failed, fmt::format("{}: {} agents with this pid listen already", directory, kSameNames));
}

/// Room for a batch of datagrams and for who sent them.
class Batch {
 public:
  Batch() {
    for (std::size_t i = 0; i < kBatch; ++i) parts_[i] = {texts_[i].data(), texts_[i].size()};
  }
  /// How many came; 0 when none waits.
  std::size_t receive(int fd) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      headers_[i] = {};
      headers_[i].msg_hdr.msg_iov = &parts_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
      headers_[i].msg_hdr.msg_control = controls_[i].data();
      headers_[i].msg_hdr.msg_controllen = controls_[i].size();
    }
    int got = recvmmsg(fd, headers_.data(), kBatch, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, nullptr);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  Pid sender(std::size_t i) { return sender_of(headers_[i].msg_hdr); }
  std::string_view text(std::size_t i) const { return {texts_[i].data(), headers_[i].msg_len}; }
  bool truncated(std::size_t i) const { return (headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }

 private:
  std::array<std::array<char, kMaxQueueDatagram>, kBatch> texts_;
  std::array<SenderRoom, kBatch> controls_;
  std::array<iovec, kBatch> parts_;
  std::array<mmsghdr, kBatch> headers_;
};

}  // namespace

Result<std::string> user_queue_directory() {
  auto set = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  // Each program would look for a relative path below a directory of its own.
  auto relative = [](std::string_view name, std::string_view path) {
    return fail(ErrorCode::unsupported, fmt::format("{}={} is not an absolute path", name, printable(path)));
  };
  if (std::string chosen = set("TCPADVISOR_QUEUES"); !chosen.empty()) {
    if (!chosen.starts_with('/')) return relative("TCPADVISOR_QUEUES", chosen);
    return chosen;
  }
  if (geteuid() == 0) return "/run/tcpadvisor/queues";
  std::string runtime = set("XDG_RUNTIME_DIR");
  if (runtime.empty()) {
    return fail(ErrorCode::unsupported, "XDG_RUNTIME_DIR is not set, so there is no place for the socket");
  }
  if (!runtime.starts_with('/')) return relative("XDG_RUNTIME_DIR", runtime);
  return runtime + "/tcpadvisor/queues";
}

Result<std::unique_ptr<UserQueueReceiver>> UserQueueReceiver::open(const std::string& directory, InboxLimits limits) {
  if (auto made = make_directory(directory); !made) return std::unexpected(made.error());
  remove_dead_sockets(directory);
  os::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  os::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int on = 1;
  // Before bind: from the first datagram on the kernel says who sent it.
  if (!fd || !wake || setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    return os::fail_errno("cannot make a unix socket", errno);
  }
  auto path = bind_in(fd.get(), directory);
  if (!path) return std::unexpected(path.error());
  auto streams = UserQueueStreams::open(path->substr(0, path->size() - kSuffix.size()).append(kStreamSuffix));
  if (!streams) {
    unlink(path->c_str());
    return std::unexpected(streams.error());
  }
  return std::unique_ptr<UserQueueReceiver>(
      new UserQueueReceiver(std::move(fd), std::move(wake), std::move(*streams), std::move(*path), limits));
}

UserQueueReceiver::~UserQueueReceiver() {
  stop_ = true;
  eventfd_write(wake_.get(), 1);
  thread_.reset();
  unlink(path_.c_str());
}

void UserQueueReceiver::start() {
  if (!thread_) thread_.emplace("queues", [this] { loop(); });
}

/// What was received and not yet read. The kernel holds as few as ten datagrams for all speakers together, and a full
/// socket turns the honest away: so it is emptied before each little piece of reading.
struct UserQueueReceiver::Backlog {
  struct Datagram {
    Pid pid = 0;
    std::string text;
    std::size_t read = 0;  ///< bytes
  };
  Batch batch;
  std::deque<Datagram> waiting;

  /// The next line or two of the oldest datagram.
  std::pair<Pid, std::string_view> next_piece() {
    Datagram& first = waiting.front();
    std::size_t end = first.text.find('\n', std::min(first.read + kPiece, first.text.size()));
    end = end == std::string::npos ? first.text.size() : end + 1;
    std::string_view piece = std::string_view(first.text).substr(first.read, end - first.read);
    first.read = end;
    return {first.pid, piece};
  }
  void drop_if_read() {
    if (waiting.front().read == waiting.front().text.size()) waiting.pop_front();
  }
};

void UserQueueReceiver::drain(Backlog& backlog) {
  std::uint64_t now_ms = clock_.mono_ms();
  auto keep = [&](Pid pid, std::string text) {
    if (backlog.waiting.size() < kMaxBacklog) {
      backlog.waiting.push_back({pid, std::move(text)});
    } else {
      inbox_.no_room(pid, now_ms);
    }
  };
  for (std::size_t round = 0; round < kMaxBacklog / kBatch; ++round) {
    std::size_t got = backlog.batch.receive(fd_.get());
    for (std::size_t i = 0; i < got; ++i) {
      Pid pid = backlog.batch.sender(i);
      if (inbox_.admit(pid, backlog.batch.truncated(i), now_ms)) keep(pid, std::string(backlog.batch.text(i)));
    }
    if (got < kBatch) break;
  }
  // A full stream lets its writer wait, so it is read only when there is little else to do.
  if (backlog.waiting.empty()) streams_.receive(inbox_, now_ms, keep);
}

void UserQueueReceiver::loop() {
  auto backlog = std::make_unique<Backlog>();
  std::vector<pollfd> any;
  while (!stop_) {
    if (backlog->waiting.empty()) {
      any = {{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
      int most_ms = streams_.poll_for(any, clock_.mono_ms());
      poll(any.data(), any.size(), most_ms);
    }
    drain(*backlog);
    if (backlog->waiting.empty()) continue;
    auto [pid, lines] = backlog->next_piece();
    inbox_.take(pid, lines, clock_.mono_ms());
    backlog->drop_if_read();
  }
}

}  // namespace tcpadvisor::sources
