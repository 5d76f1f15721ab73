// SPDX-License-Identifier: Apache-2.0
// Two faults at once in one namespace, and each of them has to be found. They are made of the rows with one fault.
#include <algorithm>
#include <stdexcept>

#include "tests/scenario/truth/proofs.h"

namespace tcpadvisor::truth {
namespace {

const Row& row_called(std::string_view name) {
  for (const std::vector<Row>* rows : {&fault_rows(), &control_rows()}) {
    if (const auto it = std::ranges::find(*rows, name, &Row::name); it != rows->end()) {
      return *it;
    }
  }
  throw std::invalid_argument("no row " + std::string(name));
}

/// What the one forbids, the other may ask for.
Row both(std::string_view name, std::string_view first, std::string_view second) {
  const Row &one = row_called(first), &other = row_called(second);
  Row out{.name = name,
          .source = "two at once",
          .parts = {one.parts.front(), other.parts.front()},
          .measured = one.measured || other.measured};
  for (const Row* row : {&one, &other}) {
    const Row* beside = row == &one ? &other : &one;
    for (const std::string_view id : row->never) {
      const std::vector<Want>& wanted = beside->parts.front().wanted;
      if (std::ranges::find(wanted, id, &Want::id) == wanted.end()) {
        out.never.push_back(id);
      }
    }
  }
  return out;
}

}  // namespace

const std::vector<Row>& double_rows() {
  static const std::vector<Row> all{
      both("leak+slow-accept", "close-wait", "accept-slow"),
      both("leak+reader", "close-wait", "slow-reader"),
      both("fd-leak+hang", "closed-fd-leak", "never-accepts"),
      both("reader+bursts", "slow-reader", "backlog-small"),
      both("rcvbuf+leak", "rcvbuf-locked", "close-wait"),
      both("loss+descriptors", "lossy-path", "fd-limit"),
      both("wmem+unaccepted", "wmem-capped", "close-wait-unaccepted"),
      both("stuck+slow-accept", "peer-not-reading", "accept-slow"),
      both("refused+time-wait", "connect-refused", "time-wait-overflow"),
      both("nagle+held", "nagle-stall", "fin-wait2-held"),
      both("rmem+stopped", "rmem-capped", "process-stopped"),
      both("blackhole+no-route", "mtu-blackhole", "connect-no-route"),
      both("leak+busy", "close-wait", "busy-server"),
  };
  return all;
}

}  // namespace tcpadvisor::truth
