// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/matters.h"

#include <algorithm>

#include "bpf/matters.h"

namespace tcpadvisor::kernel {

bool recently_used(const SocketRow& row) {
  auto used = [](const std::optional<std::uint32_t>& ms_ago) { return ms_ago && *ms_ago <= abi::TA_USED_MS; };
  return used(row.last_data_sent_ms) || used(row.last_data_recv_ms);
}

bool matters(const SocketRow& row, const RowFilter& filter) {
  if (row.kind != SocketKind::full) return false;
  abi::ta_question question = {};
  question.state = static_cast<abi::ta_u32>(index_of(row.state));
  question.locked = row.locks && (row.locks->rcvbuf || row.locks->sndbuf);
  question.recently_used = recently_used(row);
  question.rcv_wnd_known = row.rcv_wnd && row.rcvbuf;
  question.snd_wnd_known = row.snd_wnd.has_value();
  question.rcv_wnd = row.rcv_wnd.value_or(0);
  question.rcvbuf = static_cast<abi::ta_u32>(std::min<std::uint64_t>(row.rcvbuf.value_or(0), UINT32_MAX));
  question.snd_wnd = row.snd_wnd.value_or(0);
  question.recv_q = row.recv_q;
  question.send_q = row.send_q;
  question.min_recv_q = filter.min_recv_q;
  question.min_send_q = filter.min_send_q;
  return abi::ta_matters(&question) != 0;
}

}  // namespace tcpadvisor::kernel
