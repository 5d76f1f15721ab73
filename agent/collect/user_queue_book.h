// SPDX-License-Identifier: Apache-2.0
// Which claims about user-space queues are true: a process may speak only for sockets that it holds.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/os/netns.h"
#include "agent/os/proc_root.h"
#include "agent/sources/user_queue_inbox.h"

namespace tcpadvisor::collect {

/// What the kernel says about some connections of one namespace: as long as the question, nothing where there is none.
using FoundSockets = std::vector<std::optional<SocketRow>>;
/// Fails when the namespace cannot be entered or no source answers.
using FindSockets =
    std::function<Result<FoundSockets>(const os::NetnsRef& netns, std::span<const ConnectionName> names)>;
/// Asks sock_diag: one by one where the addresses are known, by one dump for those that have only a cookie. Enters the
/// namespace with the calling thread.
FindSockets find_by_sock_diag();

class UserQueueBook {
 public:
  static constexpr std::uint64_t kLookUpAgainMs = 5'000;  ///< a socket that its process still holds
  static constexpr std::uint64_t kDumpPause =
      20;  ///< a dump, for names that are only a cookie, waits so many times its cost
  static constexpr std::uint64_t kClosingMs = 2'000;      ///< closed without a last word: no lie for so long
  static constexpr std::size_t kFilesPerCheck = 65'536;   ///< descriptors looked at; a larger debt is paid later
  static constexpr std::size_t kFilesOfOne = 262'144;     ///< of a process with more it cannot be checked what it holds
  static constexpr std::size_t kLookUpsPerCheck = 1'024;  ///< connections asked for; the others wait for their turn

  UserQueueBook(sources::UserQueueInbox& inbox, os::ProcRoot root, FindSockets find);

  struct Scene {
    std::span<const SocketRow> rows;  ///< with owners by the kernel's word, not older than this tick; may be empty
    std::set<NetnsId> netns;          ///< only queues in these are wanted; empty: all
    std::uint64_t now_ms = 0;
  };
  /// Checks every claim. May enter namespaces with the calling thread.
  void check(const Scene& scene);

  /// The claims that are true, by connection; one for each.
  const std::vector<UserQueue>& queues() const { return queues_; }
  /// "2 programs speak for 5 connections; refused: 3 …", for doctor.
  std::string remark() const;

  /// One line for each kind of refusal that grew, at most once a minute for each; for the log.
  std::vector<std::string> complaints(std::uint64_t now_ms);
  /// Lies and messages that make no sense; what could not be checked is neither.
  std::uint64_t refused() const;
  std::uint64_t over_limit() const;

 private:
  using Claim = sources::UserQueueInbox::Claim;
  using Key = std::pair<Pid, ConnectionName>;
  /// How we know that a claim is true.
  struct Proof {
    NetnsId netns = 0;
    Endpoint local, remote;
    std::uint64_t cookie = 0, inode = 0;
    int fd = -1;  ///< of the process, to the socket
    std::string comm;
    std::uint64_t looked_up_ms = 0;  ///< the connection in the kernel's tables
    std::uint64_t held_ms = 0;       ///< the descriptor, seen last
  };
  struct Round;
  struct Wanted {
    const Claim* claim;
    Proof proof;  ///< all but the descriptor
  };

  void check_claims(const Scene& scene);
  bool concerns(const Scene& scene, Pid pid) const;
  void check_process(Round& round, std::span<const Claim> claims);
  bool last_word(const Claim& claim, std::uint64_t now_ms);
  bool prove_by_rows(const Round& round, const Claim& claim);
  bool still_held(const Claim& claim, std::uint64_t now_ms);
  void look_up(Round& round, const std::vector<const Claim*>& claims, const os::NetnsRef& netns);
  void find_descriptors(Round& round, std::vector<Wanted> wanted);
  bool descriptor_leads_to(Pid pid, int fd, std::uint64_t inode) const;
  void accept(const Claim& claim, Proof proof, std::uint64_t now_ms);
  void reject(const Claim& claim, std::string_view kind, const std::string& why, std::uint64_t now_ms);
  void cannot_check(const Claim& claim, const std::string& why, std::uint64_t now_ms);
  void show(const Claim& claim, const Proof& proof, std::uint64_t now_ms);
  void one_for_each_connection();
  std::string process_text(Pid pid) const;

  sources::UserQueueInbox& inbox_;
  os::ProcRoot root_;
  FindSockets find_;
  std::map<Key, Proof> proofs_;
  double next_dump_ms_ = 0;
  std::size_t files_debt_ = 0;
  Pid begin_at_ = 0;  ///< the first process for which the last check had no allowance left
  std::vector<UserQueue> queues_;
  struct Told {
    std::uint64_t count = 0, at_ms = 0;
  };
  std::map<std::string, Told, std::less<>> told_;
};

}  // namespace tcpadvisor::collect
