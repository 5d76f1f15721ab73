// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/ansi.h"

namespace tcpadvisor::watch {
namespace {

const char* code_of(Attr attr) {
  switch (attr) {
    case Attr::normal:
      return "";
    case Attr::dim:
      return "\033[2m";
    case Attr::label:
      return "\033[36m";
    case Attr::title:
      return "\033[1m";
    case Attr::good:
      return "\033[32m";
    case Attr::warning:
      return "\033[1;33m";
    case Attr::critical:
      return "\033[1;31m";
    case Attr::key:
      return "\033[1;36m";
  }
  return "";
}

}  // namespace

std::string ansi_text(const Line& line, bool colour) {
  if (!colour) return line.text();
  std::string out;
  for (const Span& span : line.spans) {
    std::string code = code_of(span.attr);
    out += code + span.text + (code.empty() ? "" : "\033[0m");
  }
  return out;
}

}  // namespace tcpadvisor::watch
