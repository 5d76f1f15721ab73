// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"tcpadvisor: watches how TCP behaves from inside the kernel and says what to change, with proof"};
  app.set_version_flag("--version", "tcpadvisor 0.1.0");
  app.require_subcommand(0, 1);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
