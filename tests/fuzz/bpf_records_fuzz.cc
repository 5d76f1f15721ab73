// SPDX-License-Identifier: Apache-2.0
// Records of the BPF walks. The kernel writes them, but a torn read or a newer program must not hurt.
#include "agent/kernel/decode.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  using namespace tcpadvisor;
  if (bytes.empty()) return;
  bool files = bytes.front() % 2 != 0;
  auto records = std::as_bytes(bytes.subspan(1));
  if (files) {
    auto decoded = kernel::decode_files(records);
    if (decoded) fuzz::require(decoded->owners.size() <= records.size() / sizeof(abi::ta_held));
    return;
  }
  for (unsigned hz : {100u, 1000u}) {
    std::size_t rows = 0;
    Status decoded = kernel::decode_rows(records, hz, [&](SocketRow&& row, std::optional<kernel::Spot>) {
      ++rows;
      fuzz::require(index_of(row.state) < kStateCount);
    });
    fuzz::require(rows == (decoded ? records.size() / sizeof(abi::ta_row) : 0));
  }
}
