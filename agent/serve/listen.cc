// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "advisor/base/text.h"

namespace tcpadvisor::serve {
namespace {

constexpr int kBacklog = 1024;

std::unexpected<Error> no_address(std::string_view text) {
  return fail(
      ErrorCode::bad_input,
      fmt::format("'{}' is no address with a port: write for example 127.0.0.1:9477 or [::1]:9477", printable(text)));
}

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

Address address_of(const Endpoint& at) {
  Address address;
  if (at.v6) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(at.port);
    std::memcpy(&v6.sin6_addr, at.ip.data(), sizeof v6.sin6_addr);
    std::memcpy(&address.bytes, &v6, sizeof v6);
    address.size = sizeof v6;
  } else {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(at.port);
    std::memcpy(&v4.sin_addr, at.ip.data(), sizeof v4.sin_addr);
    std::memcpy(&address.bytes, &v4, sizeof v4);
    address.size = sizeof v4;
  }
  return address;
}

}  // namespace

Result<Endpoint> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return no_address(text);
  auto port = parse_u64(text.substr(colon + 1));
  std::string host(text.substr(0, colon));
  const bool v6 = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  if (v6) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  Endpoint at;
  at.v6 = v6;
  if (!port || *port > 65'535 || inet_pton(v6 ? AF_INET6 : AF_INET, host.c_str(), at.ip.data()) != 1)
    return no_address(text);
  at.port = static_cast<std::uint16_t>(*port);
  return at;
}

Result<os::UniqueFd> listen_on(const Endpoint& at) {
  os::UniqueFd fd(socket(at.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Address address = address_of(at);
  const int on = 1;
  // Accepted sockets inherit it. libevent writes a long page in pieces: without it the last one waits for the client's
  // delayed acknowledgement, 40 ms for every scrape but the first of a connection.
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    const char* cure = error == EADDRINUSE ? ": something else listens there; --listen takes another port" : "";
    const ErrorCode code = error == EACCES ? ErrorCode::denied : ErrorCode::failed;
    return fail(code, fmt::format("cannot listen on {}: {}{}", at.text(), std::strerror(error), cure), error);
  }
  return fd;
}

Endpoint place_of(const os::UniqueFd& listening) {
  sockaddr_storage bytes{};
  socklen_t size = sizeof bytes;
  if (getsockname(listening.get(), reinterpret_cast<sockaddr*>(&bytes), &size) != 0) return {};
  if (bytes.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &bytes, sizeof v6);
    return Endpoint::from_bytes(std::span(v6.sin6_addr.s6_addr), ntohs(v6.sin6_port));
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &bytes, sizeof v4);
  return Endpoint::from_bytes(std::span(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr), 4), ntohs(v4.sin_port));
}

}  // namespace tcpadvisor::serve
