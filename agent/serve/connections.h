// SPDX-License-Identifier: Apache-2.0
// The connections that evhttp has taken, which tells nobody when it drops one: how many there are, who is too slow, and
// who makes room when there are too many. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "agent/export/agent_numbers.h"

struct bufferevent;
struct evbuffer;
struct evbuffer_cb_info;
struct event_base;
struct ssl_st;
struct ssl_ctx_st;

namespace tcpadvisor::serve {

class Connections {
 public:
  /// Of at most `most`; who sends no whole request within `patience_ms` is cut off.
  Connections(std::size_t most, std::uint64_t patience_ms, exported::AgentNumbers& numbers);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// For a connection that was just accepted. Where there are too many, the one that has been silent for the longest
  /// makes room: otherwise half-sent requests could keep all others out. `tls` null: plain HTTP. Null: no memory.
  bufferevent* admit(event_base* base, std::uint64_t now_ms, ssl_ctx_st* tls);
  /// A whole request came.
  void asked(bufferevent* connection, std::uint64_t now_ms);
  /// We are the ones who take our time, until told otherwise: a password is being checked.
  void waits_for_us(bufferevent* connection, bool waits);
  /// It is answered for as long as it likes: an event stream.
  void stays(bufferevent* connection);
  /// Forgets those that are gone, cuts off those that are too slow.
  void sweep(std::uint64_t now_ms);
  /// Streams have ended. Cuts off all that wait for nothing of ours; true if nobody is left.
  bool drain(std::uint64_t now_ms);

 private:
  struct State {
    std::uint64_t since_ms = 0;  ///< when we began to wait for a request
    std::uint64_t number = 0;    ///< many come within a millisecond
    std::uint64_t requests = 0;
    exported::AgentNumbers* numbers = nullptr;
    bool streams = false, waits = false, cut = false, was_counted = false;
  };
  bufferevent* make(event_base* base, ssl_ctx_st* tls);
  static void first_bytes(evbuffer* input, const evbuffer_cb_info* info, void* self);
  static void handshake_step(const ssl_st* ssl, int where, int result);
  static bool is_gone(bufferevent* connection);
  static bool is_answered_now(bufferevent* connection, const State& state);
  static void cut_off(bufferevent* connection, State& state);
  void make_room();

  const std::size_t most_;
  const std::uint64_t patience_ms_;
  exported::AgentNumbers& numbers_;
  /// We hold a reference to each, so that a pointer stays one to the same connection until we let go.
  std::unordered_map<bufferevent*, State> all_;
};

}  // namespace tcpadvisor::serve
