// SPDX-License-Identifier: Apache-2.0
// Hosts that all forms of a report are written for: each has golden files tests/golden/report-NAME.*
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "advisor/report/formats.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::situation {

struct Situation {
  const char* name;
  Window (*window)();
};
std::span<const Situation> situations();

Window quiet_window();
/// A leak, a slow reader, a capped backlog and harmless TIME_WAIT on one host; a namespace that could not be entered.
Window mixed_window();
/// Who set the backlog, the buffers and the switch: a file, somebody just now, the namespace of a pod.
Window settings_window();
/// A host where everybody has chosen a name that is markup, a command, or moves the reader's terminal.
Window hostile_window();
/// Two findings that take the most words: a small machine under pressure, orphans of many peers.
Window pressed_window(const std::string& comm);

Policy lab();
Report report_of(const Window& window);
std::string rendered(std::string_view format, const Window& window, const ReportStyle& style = {});

}  // namespace tcpadvisor::situation
