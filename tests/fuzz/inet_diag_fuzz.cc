// SPDX-License-Identifier: Apache-2.0
// Answers of inet_diag: any bytes may follow a netlink header.
#include "agent/sources/inet_diag.h"
#include "tests/fuzz/fuzz.h"

TCPADVISOR_FUZZ(bytes) {
  auto row = tcpadvisor::sources::decode_inet_diag(std::as_bytes(bytes));
  if (!row) return tcpadvisor::fuzz::require(!row.error().message.empty());
  tcpadvisor::fuzz::require(tcpadvisor::index_of(row->state) < tcpadvisor::kStateCount);
  tcpadvisor::fuzz::require(!row->not_sent || *row->not_sent <= row->send_q || row->send_q == 0);
}
