// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/own_limit.h"

#include <algorithm>
#include <array>

namespace tcpadvisor {
namespace own_limit_table {
namespace {

struct Known {
  std::string_view comm, limit;
};
constexpr std::array kKnown = {
    Known{"redis-server",
          "client-output-buffer-limit (normal, replica, pubsub): CONFIG GET client-output-buffer-limit"},
    Known{"valkey-server",
          "client-output-buffer-limit (normal, replica, pubsub): CONFIG GET client-output-buffer-limit"},
    Known{"keydb-server", "client-output-buffer-limit (normal, replica, pubsub)"},
    Known{"beam.smp", "the port's high_watermark, and whoever sends with force or nosuspend"},
    Known{"node", "writableHighWaterMark: heed what write() returns, and wait for 'drain'"},
    Known{"java", "Netty's write buffer water mark and isWritable(), or the queue of the framework in use"},
    Known{"python", "asyncio: set_write_buffer_limits() and await drain()"},
    Known{"nginx", "the size of its buffers and send_timeout"},
    Known{"memcached", "the limits on connections and on what one may ask for at once"},
    Known{"mosquitto", "max_queued_messages and max_queued_bytes"},
    Known{"nats-server", "max_pending and write_deadline"},
};

}  // namespace
}  // namespace own_limit_table

std::optional<std::string_view> own_limit_of(std::string_view comm) {
  using namespace own_limit_table;
  auto known = std::ranges::find_if(kKnown, [&](const Known& one) { return comm.starts_with(one.comm); });
  return known == kKnown.end() ? std::nullopt : std::optional(known->limit);
}

}  // namespace tcpadvisor
