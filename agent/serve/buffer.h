// SPDX-License-Identifier: Apache-2.0
// A body that many answers share, without a copy for each.
#pragma once

#include <event2/buffer.h>

#include <memory>

#include "agent/serve/answers.h"

namespace tcpadvisor::serve {

struct FreeBuffer {
  void operator()(evbuffer* buffer) const { evbuffer_free(buffer); }
};
using BufferPtr = std::unique_ptr<evbuffer, FreeBuffer>;

/// Null where there is no memory.
inline BufferPtr buffer_of(const Body& body) {
  BufferPtr buffer(evbuffer_new());
  if (!buffer || body->empty()) return buffer;
  auto held = std::make_unique<Body>(body);
  const auto let_go = [](const void*, std::size_t, void* held_body) { delete static_cast<Body*>(held_body); };
  if (evbuffer_add_reference(buffer.get(), body->data(), body->size(), let_go, held.get()) != 0) return nullptr;
  (void)held.release();  // NOLINT(bugprone-unused-return-value): the buffer's now
  return buffer;
}

}  // namespace tcpadvisor::serve
