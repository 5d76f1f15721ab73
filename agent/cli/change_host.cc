// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/change_host.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "agent/cli/output.h"
#include "agent/os/clock.h"
#include "agent/os/pid_namespace.h"
#include "agent/os/privileges.h"
#include "agent/os/sandbox.h"
#include "agent/sources/host_facts.h"
#include "agent/sources/setting_files.h"

namespace tcpadvisor::cli {
namespace {

constexpr const char* kSysctlDirectory = "/etc/sysctl.d";

/// To enter a namespace, and to write its settings. Files of root are root's own.
constexpr std::array kToChangeSettings = {CAP_SYS_ADMIN, CAP_NET_ADMIN};

Status confine(std::span<const int> capabilities, const std::vector<std::string>& writable) {
  if (Status status = os::gain_nothing_more(); !status) return status;
  if (Status status = os::keep_only(capabilities); !status) return status;
  Status confined = os::allow_writes_only_below(writable);
  if (!confined && confined.error().code != ErrorCode::unsupported) return confined;
  return {};
}

std::string who_asks() {
  const char* by = std::getenv("SUDO_USER");
  const uid_t uid = geteuid();
  std::string name = uid == 0 ? "root" : fmt::format("uid {}", uid);
  return by == nullptr || *by == '\0' ? name : fmt::format("{} ({} by sudo)", name, printable(by));
}

}  // namespace

Result<ChangeHost> ChangeHost::open(const std::string& state, Touch touch) {
  if (touch == Touch::settings && geteuid() != 0)
    return fail(ErrorCode::denied, "changing settings needs root: sudo tcpadvisor …");
  const os::ProcRoot root;
  ChangeHost host;
  host.settings_ = apply::real_settings();
  host.files_ = apply::real_files();
  host.setting_files_ = sources::read_setting_files(root, os::in_first_pid_namespace(root));
  std::vector<Error> errors;
  const HostFacts facts = sources::read_host_facts(root, errors);
  const os::RealClock clock;
  host.here_ = {.host = printable(facts.name),
                .now_ms = clock.wall_ms(),
                .boot_ms = clock.wall_ms() - static_cast<std::int64_t>(facts.uptime_s) * 1000};
  host.journal_ = state + "/journal";
  host.who_ = who_asks();
  host.boot_id_ = trimmed(root.read("/proc/sys/kernel/random/boot_id").value_or(""));
  if (touch == Touch::nothing) return host;
  auto alone = apply::OneAtATime::take(state);
  if (!alone) return std::unexpected(alone.error());
  host.alone_.emplace(std::move(*alone));
  // A small system has none, and only what is there can be opened to us.
  if (mkdir(kSysctlDirectory, 0755) != 0 && errno != EEXIST)
    return os::fail_errno(fmt::format("cannot make the directory {}", kSysctlDirectory), errno);
  if (Status status = confine(kToChangeSettings, {"/proc/sys", kSysctlDirectory, state}); !status)
    return std::unexpected(status.error());
  return host;
}

apply::Doors ChangeHost::doors() {
  return {.settings = *settings_,
          .files = *files_,
          .journal = journal_,
          .now_ms = here_.now_ms,
          .who = who_,
          .boot_id = boot_id_};
}

Status read_only_from_here() {
  constexpr std::array kToEnter = {CAP_SYS_ADMIN};
  return confine(kToEnter, {});
}

Result<bool> ask(const std::string& question, os::StopSignals& signals) {
  if (!is_terminal(STDIN_FILENO))
    return fail(ErrorCode::bad_input,
                "nothing was written: there is no terminal to ask on; --yes writes without asking");
  fmt::print(stderr, "{} [y/N] ", question);
  std::array<pollfd, 2> waiting = {{{signals.fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
  while (signals.received() == 0 && waiting[1].revents == 0) poll(waiting.data(), waiting.size(), -1);
  if (signals.received() != 0) return false;
  std::array<char, 64> line{};
  const ssize_t got = read(STDIN_FILENO, line.data(), line.size());
  const std::string_view answer = trimmed(std::string_view(line.data(), got > 0 ? static_cast<std::size_t>(got) : 0));
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace tcpadvisor::cli
