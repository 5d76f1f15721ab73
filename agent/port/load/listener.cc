// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {
namespace {

constexpr int kAtOnce = 256;  ///< then those that are connected get a turn
constexpr Time kPause = std::chrono::milliseconds(100);

}  // namespace

Listener::Listener(Reactor& reactor, Server& server, os::UniqueFd socket)
    : reactor_(reactor),
      server_(server),
      socket_(std::move(socket)),
      watch_(reactor, socket_.get(), Reactor::Wants::read, [this] { accept_some(); }) {
  watch_.set(true);
}

Listener::~Listener() {
  reactor_.cancel(pause_);
}

void Listener::accept_some() {
  for (int i = 0; i < kAtOnce; ++i) {
    os::UniqueFd socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      server_.add(std::make_unique<SocketTransport>(reactor_, std::move(socket)));
      continue;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;
    // Nothing is left to accept with, and the listener stays readable: looking again at once would be a busy loop.
    watch_.set(false);
    pause_ = reactor_.after(kPause, [this] { watch_.set(true); });
    return;
  }
}

}  // namespace tcpadvisor::port::load
