// SPDX-License-Identifier: Apache-2.0
// Readers of /api/v1/events. One thread, that of the loop.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/export/agent_numbers.h"
#include "agent/serve/answers.h"

struct evhttp_connection;
struct evhttp_request;

namespace tcpadvisor::serve {

class Streams {
 public:
  Streams(std::size_t most, exported::AgentNumbers& numbers);
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  ~Streams() { end(); }

  bool has_room() const { return all_.size() < most_; }
  bool empty() const { return all_.empty(); }
  /// Its headers are set. The reader gets `first` at once.
  void add(evhttp_request* request, const Body& first);
  /// To all readers; who has not taken much of what came before is cut off, and counted.
  void send(const Body& event);
  void end();

 private:
  struct Stream {
    evhttp_request* request;
    evhttp_connection* connection;  ///< evhttp takes it from the request before it tells that it is closed
    bool cut = false;
  };
  void remove(const evhttp_connection* connection);
  static void closed(evhttp_connection* connection, void* self);
  void send(const Stream& stream, const Body& event);

  const std::size_t most_;
  exported::AgentNumbers& numbers_;
  std::vector<Stream> all_;
};

}  // namespace tcpadvisor::serve
