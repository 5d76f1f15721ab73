// SPDX-License-Identifier: Apache-2.0
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/cli/commands.h"
#include "agent/cli/output.h"
#include "agent/cli/privileges.h"
#include "agent/export/doctor.h"

namespace tcpadvisor::cli {

int run_doctor(const Options& options) {
  std::string privileges = privileges_text();  // before the collector drops what it does not need
  auto collector = open_collector(options, {});
  if (!collector) return failed(collector.error());
  utsname name{};
  uname(&name);
  exported::Checkup checkup{name.nodename,
                            name.release,
                            privileges,
                            (*collector)->privileges_kept(),
                            os::threads_of(os::ProcRoot(), "self"),
                            (*collector)->writes(),
                            (*collector)->coverage()};
  Status status = write_stdout(options.doctor.json ? exported::doctor_json(checkup) + "\n"
                                                   : exported::doctor_text(checkup, text_width()));
  if (!status) print_error(status.error());
  return status ? 0 : exit_code_of(status.error());
}

}  // namespace tcpadvisor::cli
