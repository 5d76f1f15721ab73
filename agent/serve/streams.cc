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

}  // namespace

Streams::Streams(std::size_t most, exported::AgentNumbers& numbers) : most_(most), numbers_(numbers) {
  numbers_.http.streams_limit = most;
}

void Streams::add(evhttp_request* request, const Body& first) {
  const Stream stream{request, evhttp_request_get_connection(request)};
  all_.push_back(stream);
  numbers_.http.streams = all_.size();
  evhttp_connection_set_closecb(stream.connection, closed, this);
  evhttp_send_reply_start(request, HTTP_OK, "OK");
  // The reader has nothing more to say.
  bufferevent_set_timeouts(evhttp_connection_get_bufferevent(stream.connection), nullptr, nullptr);
  send(stream, first);
}

void Streams::send(const Body& event) {
  const std::size_t most = std::max(kMostUnread, kMostEvents * event->size());
  for (Stream& stream : all_) {
    if (stream.cut) continue;
    bufferevent* pipe = evhttp_connection_get_bufferevent(stream.connection);
    if (evbuffer_get_length(bufferevent_get_output(pipe)) <= most) {
      send(stream, event);
      continue;
    }
    ++numbers_.http.slow_streams_dropped;
    stream.cut = true;
    shutdown(bufferevent_getfd(pipe), SHUT_RDWR);  // closed() follows
  }
}

void Streams::send(const Stream& stream, const Body& event) {
  BufferPtr buffer = buffer_of(event);
  if (!buffer) return;
  numbers_.http.bytes += event->size();
  evhttp_send_reply_chunk(stream.request, buffer.get());
}

void Streams::end() {
  for (const Stream& stream : std::exchange(all_, {})) {
    evhttp_connection_set_closecb(stream.connection, nullptr, nullptr);
    evhttp_send_reply_end(stream.request);
  }
  numbers_.http.streams = 0;
}

void Streams::closed(evhttp_connection* connection, void* self) {
  static_cast<Streams*>(self)->remove(connection);
}

void Streams::remove(const evhttp_connection* connection) {
  const auto found = std::ranges::find(all_, connection, &Stream::connection);
  if (found == all_.end()) return;
  evhttp_request* request = found->request;
  all_.erase(found);
  numbers_.http.streams = all_.size();
  // A request that evhttp has taken from its connection is ours, and this frees it.
  if (evhttp_request_get_connection(request) == nullptr) evhttp_send_reply_end(request);
}

}  // namespace tcpadvisor::serve
