// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/streams.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "agent/serve/buffer.h"

namespace tcpadvisor::serve {
namespace {

constexpr std::size_t kMostUnread = 1 << 20;  // and never less than a few events
constexpr std::size_t kMostEvents = 4;

bufferevent* pipe_of(evhttp_request* request) {
  return evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
}

}  // namespace

Streams::Streams(std::size_t most, exported::AgentNumbers& numbers) : most_(most), numbers_(numbers) {
  numbers_.http.streams_limit = most;
}

void Streams::add(evhttp_request* request, const Body& first) {
  all_.push_back(request);
  numbers_.http.streams = all_.size();
  evhttp_connection_set_closecb(evhttp_request_get_connection(request), closed, this);
  evhttp_send_reply_start(request, HTTP_OK, "OK");
  bufferevent_set_timeouts(pipe_of(request), nullptr, nullptr);  // the reader has nothing more to say
  send(request, first);
}

void Streams::send(const Body& event) {
  const std::size_t most = std::max(kMostUnread, kMostEvents * event->size());
  for (evhttp_request* request : std::vector(all_)) {
    if (evbuffer_get_length(bufferevent_get_output(pipe_of(request))) <= most) {
      send(request, event);
      continue;
    }
    ++numbers_.http.slow_streams_dropped;
    shutdown(bufferevent_getfd(pipe_of(request)), SHUT_RDWR);  // closed() follows
    std::erase(all_, request);
  }
  numbers_.http.streams = all_.size();
}

void Streams::send(evhttp_request* request, const Body& event) {
  BufferPtr buffer = buffer_of(event);
  if (!buffer) return;
  numbers_.http.bytes += event->size();
  evhttp_send_reply_chunk(request, buffer.get());
}

void Streams::end() {
  for (evhttp_request* request : std::exchange(all_, {})) {
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), nullptr, nullptr);
    evhttp_send_reply_end(request);
  }
  numbers_.http.streams = 0;
}

void Streams::closed(evhttp_connection* connection, void* self) {
  static_cast<Streams*>(self)->remove(connection);
}

void Streams::remove(const evhttp_connection* connection) {
  std::erase_if(all_, [&](evhttp_request* request) { return evhttp_request_get_connection(request) == connection; });
  numbers_.http.streams = all_.size();
}

}  // namespace tcpadvisor::serve
