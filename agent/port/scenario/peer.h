// SPDX-License-Identifier: Apache-2.0
// The far end of a scenario's connections: a process of its own ("port-peer"), so that whoever watches can name it. It
// reads, stalls, writes and closes as it is told, and ends with its parent.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "agent/port/reactor.h"

namespace tcpadvisor::port::scenario {

/// What all its sockets do from now on; `bytes` are for each of them.
struct PeerOrder {
  enum class What : std::uint8_t {
    read,   ///< so many bytes now, as they come; then it stalls
    pace,   ///< `bytes` in every `every_ms`
    drain,  ///< all that comes
    stall,  ///< nothing more (how it begins)
    write,  ///< so many bytes, as the kernel takes them
    shut,   ///< FIN; it goes on reading as before
    close,  ///< close(2)
    reset,  ///< close(2) with linger 0
    look,   ///< only answer
  } what = What::look;
  std::uint64_t bytes = 0;
  std::uint32_t every_ms = 0;
};

/// One socket of the peer, as it knows it. Bytes.
struct PeerSocket {
  std::uint64_t read = 0, written = 0;
  bool fin = false;   ///< it has read the end of the stream
  bool open = true;   ///< it holds the socket
  int sys_errno = 0;  ///< what ended its reading or writing
};

class Peer {
 public:
  static constexpr std::string_view kComm = "port-peer";

  /// Forks; must be called before any thread is started. The child holds `sockets` (non-blocking) and nothing else.
  static Result<std::unique_ptr<Peer>> start(std::vector<os::UniqueFd> sockets);
  ~Peer();  ///< ends the process and waits for it
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  pid_t pid() const { return pid_; }
  void tell(const PeerOrder& order);
  /// Asks how its sockets are; `answer` is called from the loop, at most once for each question.
  void ask(Reactor& reactor, std::function<void(const std::vector<PeerSocket>&)> answer);
  /// `hear` is called from the loop if the process ends before it should: "killed by signal 9".
  void on_end(Reactor& reactor, std::function<void(const std::string& how)> hear);

 private:
  Peer(pid_t pid, os::UniqueFd control, std::size_t sockets)
      : pid_(pid), control_(std::move(control)), sockets_(sockets) {}
  void listen(Reactor& reactor);
  void hear();
  void hear_the_end();

  pid_t pid_;
  bool reaped_ = false;
  os::UniqueFd control_;
  std::size_t sockets_;
  std::unique_ptr<Reactor::Watch> watch_;
  std::function<void(const std::string&)> hear_end_;
  std::deque<std::function<void(const std::vector<PeerSocket>&)>> answers_;  ///< in the order of the questions
};

}  // namespace tcpadvisor::port::scenario
