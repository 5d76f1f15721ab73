// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/reader.h"

#include <chrono>
#include <exception>
#include <utility>

#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {
namespace {

constexpr Time kTurn = std::chrono::milliseconds(50);
constexpr int kBacklog = 4'096;

}  // namespace

Result<std::unique_ptr<Reader>> Reader::start(const ServerOptions& options, std::vector<os::UniqueFd> sockets,
                                              bool listens) {
  auto reactor = Reactor::create();
  if (!reactor) return std::unexpected(reactor.error());
  std::unique_ptr<Reader> reader(new Reader(std::move(*reactor), options));
  if (listens) {
    auto listener = TcpListener::open({}, kBacklog);
    if (!listener) return std::unexpected(listener.error());
    reader->port_ = listener->port;
    reader->listener_.emplace(*reader->reactor_, reader->server_, std::move(listener->socket));
  }
  for (os::UniqueFd& socket : sockets) {
    reader->server_.add(std::make_unique<SocketTransport>(*reader->reactor_, std::move(socket)));
  }
  reader->thread_ = std::thread([self = reader.get()] { self->serve(); });
  return reader;
}

Reader::~Reader() {
  stop();
}

void Reader::serve() {
  try {
    while (!stop_.load(std::memory_order_relaxed)) reactor_->turn(kTurn);
  } catch (const std::exception& error) {  // out of a thread it would end the process
    failure_ = error.what();
  }
}

const ServerTotals& Reader::stop() {
  stop_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
  return server_.totals();
}

}  // namespace tcpadvisor::port::load
