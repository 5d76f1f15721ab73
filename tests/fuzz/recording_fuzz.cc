// SPDX-License-Identifier: Apache-2.0
// Ticks of a recording from anywhere: the bytes are those of a chain, each after its length, already inflated.
#include "agent/store/bytes.h"
#include "agent/store/pack.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  store::Unpacker unpacker;
  store::ByteReader in(fuzz::text(bytes));
  while (in.ok() && in.left() > 0) {
    std::string_view tick = in.text();
    if (!in.ok()) break;
    auto sample = unpacker.unpack_plain(tick);
    if (!sample) {
      fuzz::require(!sample.error().message.empty());
      fuzz::require(sample.error().message.find('\n') == std::string::npos);
      continue;
    }
    // Whatever could be read can be written and read again.
    store::Packer packer;
    store::Unpacker again;
    auto back = again.unpack(packer.pack(*sample));
    fuzz::require(back.has_value());
  }
  // And as a file would have them: through zlib.
  store::Unpacker packed;
  (void)packed.unpack(fuzz::text(bytes));
}
