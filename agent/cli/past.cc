// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/past.h"

#include <fmt/format.h>
#include <linux/capability.h>

#include <array>
#include <span>
#include <vector>

#include "advisor/base/text.h"
#include "agent/cli/output.h"
#include "agent/observe/travel.h"
#include "agent/os/privileges.h"
#include "agent/os/sandbox.h"

namespace tcpadvisor::cli {
namespace {

constexpr std::array kOpensAnyFile = {CAP_DAC_OVERRIDE, CAP_FOWNER};

Status allow_only(const std::vector<std::string>& writable) {
  Status confined = os::allow_writes_only_below(writable);
  if (!confined && confined.error().code != ErrorCode::unsupported) return confined;
  return {};
}

/// What a stranger may have written is read from here on: with the right to open files, and to finish beside this one
/// what a recorder that was killed could not.
Status confine(const std::string& path, const std::string& output) {
  std::vector<std::string> writable{place_of_writing(path)};
  if (!output.empty()) writable.push_back(place_of_writing(output));
  if (Status status = os::gain_nothing_more(); !status) return status;
  if (Status status = os::keep_only(kOpensAnyFile); !status) return status;
  return allow_only(writable);
}

/// It is open: now only the report is written.
Status confine_more(const std::string& output) {
  const bool privileged = !output.empty() && needs_privileges_to_write(output);
  if (Status status = os::keep_only(privileged ? std::span<const int>(kOpensAnyFile) : std::span<const int>()); !status)
    return status;
  return allow_only(output.empty() ? std::vector<std::string>() : std::vector{place_of_writing(output)});
}

}  // namespace

Result<std::unique_ptr<store::Recording>> open_past(const std::string& path, const std::string& output) {
  if (Status status = confine(path, output); !status) return std::unexpected(status.error());
  auto recording = store::Recording::open(path);
  if (!recording) return recording;
  if (Status status = confine_more(output); !status) return std::unexpected(status.error());
  return recording;
}

Result<std::size_t> tick_of(const store::Recording& recording, const std::optional<MomentOf>& moment) {
  const auto& moments = recording.moments();
  if (!moment) return moments.size() - 1;
  Result<std::int64_t> at = resolve(*moment, moments.front().wall_ms, moments.back().wall_ms);
  if (!at) return std::unexpected(at.error());
  return observe::tick_at(recording, *at);
}

Error nothing_left(const store::Recording& recording, const std::string& path, const Error& why) {
  const std::string& damage = recording.about().damage;
  return {ErrorCode::bad_input,
          fmt::format("{}: {}no tick of that time can be read ({})", printable(path),
                      damage.empty() ? "" : damage + "; ", printable(why.message)),
          0};
}

std::string origin_text(const store::Recording& recording, const std::string& path) {
  const store::About& about = recording.about();
  const auto& moments = recording.moments();
  std::string text =
      fmt::format("{}, of host {}, Linux {}, {} to {}, by tcpadvisor {}", printable(path), about.host, about.kernel,
                  clock_text(moments.front().wall_ms), clock_text(moments.back().wall_ms), about.tool_version);
  if (about.anonymized) text += "; names and addresses are not the real ones";
  if (about.thinned > 0) text += fmt::format("; {} older ticks had to make room", with_commas(about.thinned));
  if (!about.damage.empty()) text += "; " + about.damage;
  return text;
}

}  // namespace tcpadvisor::cli
