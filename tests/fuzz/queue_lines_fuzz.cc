// SPDX-License-Identifier: Apache-2.0
// What any local user may send to the agent's datagram socket.
#include "advisor/evidence/queue_line.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  std::string_view datagram = fuzz::text(bytes);
  std::vector<QueueLine> lines = parse_user_queues(datagram);
  fuzz::require(lines.size() <= datagram.size());
  for (const QueueLine& line : lines) {
    if (line) {
      fuzz::require(line->queue.queued <= kMaxQueueNumber);
      fuzz::require(line->queue.name.size() <= 4 * kMaxQueueName);
      fuzz::require(line->connection.cookie != 0 || line->connection.has_addresses());
    } else {
      fuzz::require(!line.error().kind.empty() && !line.error().text.empty());
      fuzz::require(line.error().text.find('\n') == std::string::npos);
    }
  }
}
