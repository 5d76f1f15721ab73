// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "agent/os/proc_root.h"
#include "agent/os/sandbox.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {
namespace {

// Newer than Debian 12's linux/landlock.h (uapi, Linux 6.2).
constexpr std::uint64_t kTruncate = 1ull << 14;

constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr std::uint64_t kWrites = kOfFiles | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                  LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                  LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                  LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

/// What this version of Landlock can deny; it refuses bits that it does not know.
std::uint64_t writes_known_to(long version) {
  std::uint64_t known = kWrites;
  if (version < 2) known &= ~static_cast<std::uint64_t>(LANDLOCK_ACCESS_FS_REFER);
  if (version < 3) known &= ~kTruncate;
  return known;
}

Status allow(int rules, const std::string& path, std::uint64_t writes) {
  UniqueFd there(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info{};
  if (!there || fstat(there.get(), &info) != 0) return {};  // whoever wants to write there will say what is wrong
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(info.st_mode) ? writes : writes & kOfFiles;
  rule.parent_fd = there.get();
  long added = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
  // EBADFD: a pipe or socket behind /dev/stdout, which Landlock never restricts.
  if (added != 0 && errno != EBADFD) return fail_errno("cannot allow writing to " + path, errno);
  return {};
}

}  // namespace

Status allow_writes_only_below(std::span<const std::string> writable) {
  long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return fail(ErrorCode::unsupported, "this kernel has no Landlock", errno);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = writes_known_to(version);
  UniqueFd rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0)));
  if (!rules) return fail_errno("cannot make a Landlock ruleset", errno);
  for (const std::string& path : writable) {
    if (Status allowed = allow(rules.get(), path, attributes.handled_access_fs); !allowed) return allowed;
  }
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return fail_errno("cannot enter Landlock", errno);
  return {};
}

}  // namespace tcpadvisor::os
