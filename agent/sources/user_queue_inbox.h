// SPDX-License-Identifier: Apache-2.0
// The latest word of every program about each of its connections, within bounds, until it is too old. Time comes in as
// numbers. One thread offers, another takes: every call locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/queue_line.h"

namespace tcpadvisor::sources {

struct InboxLimits {
  std::size_t per_process = 1'024, in_all = 4'096;        ///< connections
  std::size_t processes = 4'096;                          ///< that are remembered at all
  std::uint32_t per_process_s = 1'000, in_all_s = 4'000;  ///< datagrams a second
  std::uint32_t replaced_s = 2'000;                       ///< searches a second for an entry that can make room
  std::uint64_t silent_ms = 5'000;                        ///< not renewed for so long: expired
  std::uint64_t ended_ms = 60'000;                        ///< a last word that was believed stays so long
};

/// So many a second, and at most one second's worth at once. Pure.
class Allowance {
 public:
  explicit Allowance(std::uint32_t per_second) : per_second_(per_second), left_(per_second) {}
  bool take(std::uint64_t now_ms);

 private:
  std::uint32_t per_second_;
  double left_;
  std::optional<std::uint64_t> last_ms_;
};

class UserQueueInbox {
 public:
  explicit UserQueueInbox(InboxLimits limits = {})
      : limits_(limits), allowance_(limits.in_all_s), searches_(limits.replaced_s) {}

  /// Whether a datagram of process `pid` (as the kernel says; 0 is a process that is not visible here) is within the
  /// rates. `truncated`: it was longer than kMaxQueueDatagram.
  bool admit(Pid pid, bool truncated, std::uint64_t now_ms);
  /// Lines of an admitted datagram.
  void take(Pid pid, std::string_view lines, std::uint64_t now_ms);
  void no_room(Pid pid, std::uint64_t now_ms);    ///< an admitted one that the receiver could not keep
  void no_stream(Pid pid, std::uint64_t now_ms);  ///< one stream too many

  struct Claim {
    Pid pid = 0;
    ConnectionName connection;
    UserQueue queue;
    std::uint64_t heard_ms = 0;
    bool believed = false;
  };
  /// Everything that has not expired, by process and connection.
  std::vector<Claim> claims(std::uint64_t now_ms);

  void believe(const Claim& claim);  ///< the process holds the socket; from now on its last word stays, too
  void refuse(const Claim& claim, std::string_view kind, const std::string& why, std::uint64_t now_ms);

  struct Count {
    std::uint64_t count = 0;
    std::string last;           ///< the last one, in a line
    std::uint64_t last_ms = 0;  ///< when
  };
  using Counts = std::map<std::string, Count, std::less<>>;
  Counts refusals() const;    ///< by kind: lies and messages that make no sense
  Counts over_limit() const;  ///< by kind: what did not fit

  /// Where only some network namespaces are of interest: from now on what goes wrong counts only once settle() has said
  /// whom it concerns.
  void wait_for_settling();
  /// Counts what the processes did for which `concerns` is true, and forgets what the others did.
  void settle(const std::function<bool(Pid)>& concerns);

 private:
  struct Entry {
    UserQueue queue;
    std::uint64_t heard_ms = 0;
    bool believed = false;
  };
  using Entries = std::map<ConnectionName, Entry>;
  struct Speaker {
    explicit Speaker(std::uint32_t per_second) : allowance(per_second) {}
    Entries entries;
    Allowance allowance;
    std::uint64_t heard_ms = 0;
    std::size_t unchecked() const;
  };

  void count_refusal(Pid pid, std::string_view kind, std::string text, std::uint64_t now_ms);
  void count_over_limit(Pid pid, std::string_view kind, std::string text, std::uint64_t now_ms);
  void keep(Pid pid, Speaker& speaker, UserQueueClaim claim, std::uint64_t now_ms);
  bool make_room(Pid pid, Speaker& speaker, std::uint64_t now_ms);
  bool drop_ended(Entries& entries, bool with_losses);
  bool drop_unchecked_of_another(const Speaker& newcomer);
  void expire(std::uint64_t now_ms);
  bool expired(const Entry& entry, std::uint64_t now_ms) const;

  InboxLimits limits_;
  mutable std::mutex mutex_;
  std::map<Pid, Speaker> speakers_;
  std::size_t entries_ = 0;
  Allowance allowance_, searches_;
  std::uint64_t expired_ms_ = 0;
  Counts refusals_, over_limit_;

  struct Unsettled {
    Counts refusals, over_limit;
  };
  bool settles_ = false;
  std::map<Pid, Unsettled> unsettled_;  ///< at most as many as `processes`
};

}  // namespace tcpadvisor::sources
