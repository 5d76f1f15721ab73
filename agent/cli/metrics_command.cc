// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/commands.h"
#include "agent/cli/output.h"
#include "agent/export/metrics.h"

namespace tcpadvisor::cli {
namespace {

std::string text_of(const Options& options) {
  switch (options.metrics.form) {
    case ExplainForm::markdown:
      return exported::metrics_as_markdown();
    case ExplainForm::json:
      return exported::metrics_as_json();
    case ExplainForm::text:
      break;
  }
  return exported::metrics_as_text(options.metrics.describe);
}

}  // namespace

int run_metrics(const Options& options) {
  Status status = write_stdout(text_of(options));
  return status ? 0 : failed(status.error());
}

}  // namespace tcpadvisor::cli
