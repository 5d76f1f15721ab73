// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include <utility>

#include "advisor/base/saturate.h"

namespace tcpadvisor::serve {

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
  return state.streams || evbuffer_get_length(bufferevent_get_output(connection)) > 0;
}

/// evhttp sees the end of the connection and frees it.
void Connections::cut_off(bufferevent* connection, State& state) {
  state.cut = true;
  shutdown(bufferevent_getfd(connection), SHUT_RDWR);
}

bufferevent* Connections::admit(event_base* base, std::uint64_t now_ms) {
  sweep(now_ms);
  if (numbers_.http.open >= most_) make_room();
  bufferevent* connection = bufferevent_socket_new(base, -1, 0);
  if (connection == nullptr) return nullptr;
  bufferevent_incref(connection);
  all_[connection] = {.since_ms = now_ms, .number = numbers_.http.accepted};
  ++numbers_.http.accepted;
  ++numbers_.http.open;
  return connection;
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
      if (state.requests == 0 && !state.cut) ++(was_slow ? numbers_.http.timed_out : numbers_.http.without_request);
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
