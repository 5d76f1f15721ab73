// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/print.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "agent/export/tick_json.h"
#include "agent/os/write.h"
#include "agent/watch/ansi.h"
#include "agent/watch/screen.h"

namespace tcpadvisor::watch {
namespace {

/// Lines of one list in plain text; what is cut is counted below it.
constexpr std::size_t kPlainListLines = 20;

std::string text_of(const Picture& picture, const LiveOptions& options) {
  if (options.output == Output::json) return exported::tick_json(picture) + "\n";
  std::string text;
  for (const Line& line : plain_lines(picture, first_view(options), kPlainListLines)) {
    text += ansi_text(line, options.colour) + "\n";
  }
  return options.once ? text : text + "\n";
}

}  // namespace

View first_view(const LiveOptions& options) {
  View view;
  view.width = options.width;
  view.utf8 = options.utf8;
  return view;
}

Status print(const Picture& picture, const LiveOptions& options, os::StopSignals& signals) {
  int error = os::write_all(STDOUT_FILENO, text_of(picture, options), &signals);
  if (error != 0) return fail(ErrorCode::failed, fmt::format("cannot write stdout: {}", std::strerror(error)), error);
  return {};
}

}  // namespace tcpadvisor::watch
