// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <string_view>
#include <utility>

#include "advisor/base/saturate.h"

namespace tcpadvisor::serve {

namespace {

/// To who speaks plain HTTP on a port of TLS. What is left of the request is read first: closing with something unread
/// would throw the answer away.
void say_https(int fd) {
  static constexpr std::string_view kAnswer =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 37\r\n"
      "Connection: close\r\n\r\nthis port speaks HTTPS: use https://\n";
  std::array<char, 8192> rest{};
  for (int i = 0; i < 4 && recv(fd, rest.data(), rest.size(), MSG_DONTWAIT) > 0; ++i) {
  }
  (void)send(fd, kAnswer.data(), kAnswer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

Connections::Connections(std::size_t most, std::uint64_t patience_ms, exported::AgentNumbers& numbers)
    : most_(most), patience_ms_(patience_ms), numbers_(numbers) {
  numbers_.http.limit = most;
}

Connections::~Connections() {
  for (const auto& [connection, state] : all_) bufferevent_decref(connection);
}

/// evhttp has callbacks on each of its connections from the first moment on; bufferevent_free() takes them off.
bool Connections::is_gone(bufferevent* connection) {
  bufferevent_data_cb read = nullptr, write = nullptr;
  bufferevent_event_cb event = nullptr;
  void* argument = nullptr;
  bufferevent_getcb(connection, &read, &write, &event, &argument);
  return event == nullptr;
}

bool Connections::is_answered_now(bufferevent* connection, const State& state) {
  return state.streams || state.waits || evbuffer_get_length(bufferevent_get_output(connection)) > 0;
}

/// evhttp sees the end of the connection and frees it.
void Connections::cut_off(bufferevent* connection, State& state) {
  state.cut = true;
  shutdown(bufferevent_getfd(connection), SHUT_RDWR);
}

bufferevent* Connections::admit(event_base* base, std::uint64_t now_ms, ssl_ctx_st* tls) {
  sweep(now_ms);
  if (numbers_.http.open >= most_) make_room();
  bufferevent* connection = make(base, tls);
  if (connection == nullptr) return nullptr;
  bufferevent_incref(connection);
  State& state = all_[connection] = {.since_ms = now_ms, .number = numbers_.http.accepted, .numbers = &numbers_};
  if (SSL* ssl = tls != nullptr ? bufferevent_openssl_get_ssl(connection) : nullptr; ssl != nullptr) {
    SSL_set_app_data(ssl, &state);  // it lives until we let the connection go
    SSL_set_info_callback(ssl, handshake_step);
  }
  ++numbers_.http.accepted;
  ++numbers_.http.open;
  return connection;
}

bufferevent* Connections::make(event_base* base, ssl_ctx_st* tls) {
  if (tls == nullptr) {
    bufferevent* connection = bufferevent_socket_new(base, -1, 0);
    if (connection != nullptr) evbuffer_add_cb(bufferevent_get_input(connection), first_bytes, this);
    return connection;
  }
  SSL* ssl = SSL_new(tls);
  if (ssl == nullptr) return nullptr;
  // It closes the descriptor itself, with the last reference: until then an event of it could be left.
  bufferevent* connection =
      bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  if (connection == nullptr) {
    SSL_free(ssl);
    return nullptr;
  }
  bufferevent_openssl_set_allow_dirty_shutdown(connection, 1);
  return connection;
}

/// Of a plain connection. Who begins to speak TLS would wait for us, and we for the end of a line.
void Connections::first_bytes(evbuffer* input, const evbuffer_cb_info* info, void* self) {
  constexpr char kHandshake = 22;  // RFC 8446, 5.1
  char first = 0;
  if (info->n_added == 0 || evbuffer_copyout(input, &first, 1) != 1) return;
  auto& connections = *static_cast<Connections*>(self);
  evbuffer_remove_cb(input, first_bytes, self);
  if (first != kHandshake) return;
  for (auto& [connection, state] : connections.all_) {
    if (bufferevent_get_input(connection) != input || state.cut) continue;
    ++connections.numbers_.http.wrong_protocol;
    cut_off(connection, state);
    return;
  }
}

/// OpenSSL calls it within the handshake; where that fails, the connection is closed right after.
void Connections::handshake_step(const SSL* ssl, int where, int result) {
  if (where != SSL_CB_ACCEPT_EXIT || result > 0) return;
  const unsigned long error = ERR_peek_error();
  if (error == 0) return;  // it waits for more, or the other end has left
  auto& state = *static_cast<State*>(SSL_get_app_data(ssl));
  if (state.cut || std::exchange(state.was_counted, true)) return;
  const bool is_http = ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;
  ++(is_http ? state.numbers->http.wrong_protocol : state.numbers->http.handshake_failed);
  if (is_http) say_https(SSL_get_fd(ssl));
}

void Connections::make_room() {
  auto oldest = all_.end();
  for (auto at = all_.begin(); at != all_.end(); ++at) {
    if (at->second.cut || is_answered_now(at->first, at->second)) continue;
    const auto age = [](const State& state) { return std::pair(state.since_ms, state.number); };
    if (oldest == all_.end() || age(at->second) < age(oldest->second)) oldest = at;
  }
  if (oldest == all_.end()) return;  // all are being answered: one more is no harm
  ++numbers_.http.displaced;
  cut_off(oldest->first, oldest->second);
}

void Connections::asked(bufferevent* connection, std::uint64_t now_ms) {
  auto at = all_.find(connection);
  if (at == all_.end()) return;
  ++at->second.requests;
  at->second.since_ms = now_ms;
}

void Connections::waits_for_us(bufferevent* connection, bool waits) {
  if (auto at = all_.find(connection); at != all_.end()) at->second.waits = waits;
}

void Connections::stays(bufferevent* connection) {
  if (auto at = all_.find(connection); at != all_.end()) at->second.streams = true;
}

void Connections::sweep(std::uint64_t now_ms) {
  std::uint64_t open = 0;
  for (auto at = all_.begin(); at != all_.end();) {
    auto& [connection, state] = *at;
    const std::uint64_t waited_ms = sub_sat(now_ms, state.since_ms);
    if (is_gone(connection)) {
      // evhttp's own clock may have been the quicker one.
      const bool was_slow = waited_ms + 100 >= patience_ms_;
      if (state.requests == 0 && !state.cut && !state.was_counted)
        ++(was_slow ? numbers_.http.timed_out : numbers_.http.without_request);
      bufferevent_decref(connection);
      at = all_.erase(at);
      continue;
    }
    if (!state.cut && is_answered_now(connection, state)) {
      state.since_ms = now_ms;
    } else if (!state.cut && waited_ms > patience_ms_) {
      if (state.requests == 0) ++numbers_.http.timed_out;
      cut_off(connection, state);
    }
    if (!state.cut) ++open;
    ++at;
  }
  numbers_.http.open = open;
}

bool Connections::drain(std::uint64_t now_ms) {
  sweep(now_ms);
  for (auto& [connection, state] : all_) {
    state.streams = false;
    if (!state.cut && !is_answered_now(connection, state)) cut_off(connection, state);
  }
  return all_.empty();
}

}  // namespace tcpadvisor::serve
