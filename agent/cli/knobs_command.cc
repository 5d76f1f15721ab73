// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "advisor/explain/setting_list.h"
#include "agent/cli/commands.h"
#include "agent/cli/observe_for.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {

int run_knobs(const Options& options) {
  Result<Window> window = look_once(options);
  if (!window) return failed(window.error());
  const std::vector<explain::SettingHere> settings = explain::settings_here(*window);
  Status status = write_stdout(options.knobs.json ? explain::settings_as_json(settings)
                                                  : explain::settings_as_text(settings, text_width()));
  return status ? 0 : failed(status.error());
}

}  // namespace tcpadvisor::cli
