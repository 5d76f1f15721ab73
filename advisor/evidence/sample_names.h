// SPDX-License-Identifier: Apache-2.0
// The names of a Sample's enums, as recordings and JSON have them: a name stays when numbers move. Pure.
#pragma once

#include <array>
#include <concepts>
#include <span>
#include <string_view>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

inline constexpr std::array<std::string_view, 3> kKindNames = {"full", "timewait", "request"};
inline constexpr std::array<std::string_view, 7> kHolderNames = {"unknown", "process",       "unaccepted", "orphan",
                                                                 "kernel",  "no_descriptor", "outside"};
inline constexpr std::array<std::string_view, 6> kProcessStateNames = {"unknown", "running",   "stopped",
                                                                       "frozen",  "disk_wait", "ended"};
inline constexpr std::array<std::string_view, 6> kConnectEndNames = {"refused",  "timed_out", "unreachable",
                                                                     "given_up", "no_port",   "other"};
inline constexpr std::array<std::string_view, 5> kTimerNames = {"none", "retransmit", "keepalive", "timewait",
                                                                "persist"};

inline constexpr std::array<std::string_view, 4> kSettingWriterNames = {"command_line", "sysctl_conf", "sysctl_d",
                                                                        "tuned"};

template <typename T>
std::span<const std::string_view> names_of() {
  if constexpr (std::same_as<T, TcpState>) return kStateNames;
  if constexpr (std::same_as<T, SocketKind>) return kKindNames;
  if constexpr (std::same_as<T, Holder>) return kHolderNames;
  if constexpr (std::same_as<T, ProcessState>) return kProcessStateNames;
  if constexpr (std::same_as<T, ConnectEnd>) return kConnectEndNames;
  if constexpr (std::same_as<T, Timer>) return kTimerNames;
  if constexpr (std::same_as<T, FactId>) return kFactNames;
  if constexpr (std::same_as<T, SourceKind>) return kSourceKindNames;
  if constexpr (std::same_as<T, SettingWriter>) return kSettingWriterNames;
  if constexpr (std::same_as<T, AttemptOutcome>) return kAttemptOutcomeNames;
}

}  // namespace tcpadvisor
