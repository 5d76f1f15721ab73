// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/user_queue_streams.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "agent/os/proc_root.h"
#include "agent/sources/user_queue_wire.h"

namespace tcpadvisor::sources {
namespace {

constexpr int kAcceptedAtOnce = 16;

/// Who called connect(); 0 if it is not visible here.
Pid opener_of(int fd) {
  ucred opener{};
  socklen_t size = sizeof opener;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &opener, &size) != 0) return 0;
  return static_cast<Pid>(opener.pid);
}

}  // namespace

Result<UserQueueStreams> UserQueueStreams::open(std::string path, StreamLimits limits) {
  auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  // Before listen: what is accepted inherits it, so the kernel says of each message who wrote it.
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
    return os::fail_errno("cannot make a unix socket", errno);
  if (bind(fd.get(), generic(*address), sizeof *address) != 0) return os::fail_errno("cannot bind " + path, errno);
  UserQueueStreams streams(std::move(fd), std::move(path), limits);  // from here on its destructor removes the file
  if (chmod(streams.path_.c_str(), 0666) != 0) return os::fail_errno("cannot open " + streams.path_ + " to all", errno);
  if (listen(streams.fd_.get(), kAcceptedAtOnce) != 0)
    return os::fail_errno("cannot listen on " + streams.path_, errno);
  return streams;
}

UserQueueStreams::~UserQueueStreams() {
  if (fd_) unlink(path_.c_str());
}

int UserQueueStreams::poll_for(std::vector<pollfd>& all, std::uint64_t now_ms) const {
  for (const Stream& stream : streams_) all.push_back({stream.fd.get(), POLLIN, 0});
  if (now_ms < accept_from_ms_) return static_cast<int>(accept_from_ms_ - now_ms);
  all.push_back({fd_.get(), POLLIN, 0});
  return -1;
}

bool UserQueueStreams::make_room(Pid opener, std::uint64_t now_ms) {
  auto its_own = [&](const Stream& stream) { return stream.opener == opener; };
  if (std::cmp_greater_equal(std::ranges::count_if(streams_, its_own), limits_.per_process)) return false;
  if (streams_.size() < limits_.in_all) return true;
  auto silent = std::ranges::min_element(streams_, {}, &Stream::heard_ms);
  if (silent == streams_.end() || now_ms < silent->heard_ms + limits_.idle_ms) return false;
  streams_.erase(silent);
  return true;
}

void UserQueueStreams::accept_some(UserQueueInbox& inbox, std::uint64_t now_ms) {
  if (now_ms < accept_from_ms_) return;
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    os::UniqueFd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        accept_from_ms_ = now_ms + limits_.pause_ms;  // it would stay readable, and we busy
      return;
    }
    Pid opener = opener_of(fd.get());
    if (make_room(opener, now_ms)) {
      streams_.push_back({std::move(fd), opener, 0, {}, now_ms});
    } else {
      inbox.no_stream(opener, now_ms);
    }
  }
}

/// Whether the stream stays open.
bool UserQueueStreams::read(Stream& stream, UserQueueInbox& inbox, std::uint64_t now_ms,
                            const std::function<void(Pid, std::string)>& keep) {
  std::array<char, kMaxQueueDatagram> text;
  SenderRoom control;
  iovec part = {text.data(), text.size() - stream.begun.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = recvmsg(stream.fd.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  stream.heard_ms = now_ms;
  Pid speaker = sender_of(header);
  if (speaker != stream.speaker) stream.begun.clear();  // nobody ends another's line
  stream.speaker = speaker;
  stream.begun.append(text.data(), static_cast<std::size_t>(got));
  std::size_t end = stream.begun.rfind('\n');
  bool endless = end == std::string::npos && stream.begun.size() >= kMaxQueueDatagram;
  if (end == std::string::npos && !endless) return true;
  if (!inbox.admit(speaker, endless, now_ms)) return false;
  keep(speaker, stream.begun.substr(0, end + 1));
  stream.begun.erase(0, end + 1);
  return true;
}

void UserQueueStreams::receive(UserQueueInbox& inbox, std::uint64_t now_ms,
                               const std::function<void(Pid, std::string)>& keep) {
  accept_some(inbox, now_ms);
  std::erase_if(streams_, [&](Stream& stream) { return !read(stream, inbox, now_ms, keep); });
}

}  // namespace tcpadvisor::sources
