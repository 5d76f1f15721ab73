// SPDX-License-Identifier: Apache-2.0
// What a script's ports live in: the fake kernel with virtual time, or real sockets on a reactor. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/port/fake.h"
#include "agent/port/socket_transport.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port::script {

enum class TransportKind : std::uint8_t { fake, unix, tcp };
inline constexpr TransportKind kTransportKinds[] = {TransportKind::fake, TransportKind::unix, TransportKind::tcp};
std::string_view to_text(TransportKind kind);

/// How the peer's reading ended, as far as it has come.
enum class PeerEnd : std::uint8_t { none, fin, reset };

/// The other end of a port's connection.
class OtherEnd {
 public:
  virtual ~OtherEnd() = default;
  virtual std::string read(std::uint64_t bytes) = 0;  ///< what is there now, at most so much
  virtual void write(std::string_view bytes) = 0;
  virtual void shut() = 0;   ///< FIN
  virtual void close() = 0;  ///< FIN, or RST if bytes are unread
  virtual void reset() = 0;
  virtual PeerEnd end() = 0;
  virtual void take(std::uint64_t /*bytes*/) {}  ///< fake: its kernel has room for so many more bytes
  /// Bytes that the port wrote and the peer has not read; nothing where that cannot be told exactly.
  virtual std::optional<std::uint64_t> unread() const { return std::nullopt; }
};

struct ConnectionWish {
  FakeKernel kernel;       ///< fake only
  SocketWishes near, far;  ///< of the port, of its peer
  bool accepted = false;   ///< the peer connects to the port
};

struct Connection {
  std::unique_ptr<Transport> port_end;
  std::unique_ptr<OtherEnd> peer;
};

struct ProbeWish {
  std::uint64_t bytes = 1;  ///< of one send
  ConnectionWish connection;
};

/// What a bare socket takes.
struct Room {
  std::uint64_t sends = 0;  ///< whole ones until the kernel is full
  std::uint64_t reads = 0;  ///< of as many bytes until it says writable again
};

class World {
 public:
  virtual ~World() = default;
  virtual TransportKind kind() const = 0;
  virtual Timers& timers() = 0;
  virtual Result<Connection> connect(const ConnectionWish& wish) = 0;

  /// Everything that can happen at this instant. `progress` changes its value while something happens; `stop`: no
  /// longer than that.
  virtual Status settle(const std::function<std::uint64_t()>& progress, const std::function<bool()>& stop) = 0;
  /// Gives a call the time to return: until `done`, or what counts as "it does not return".
  virtual Status patience(const std::function<bool()>& done) = 0;
  /// Time goes on by `span`, or until `done`.
  virtual Status advance(Time span, const std::function<bool()>& done) = 0;
  virtual Result<Room> probe(const ProbeWish& wish) = 0;
  /// How far two times may be apart and still be the same.
  virtual Time tolerance() const = 0;
};

std::unique_ptr<World> fake_world();
/// `kind` unix or tcp.
Result<std::unique_ptr<World>> socket_world(TransportKind kind);

}  // namespace tcpadvisor::port::script
