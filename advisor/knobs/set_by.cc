// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/set_by.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/knobs/keeping.h"
#include "advisor/knobs/kernel_default.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {
namespace {

constexpr auto kNames =
    std::to_array<std::string_view>({"kernel-command-line", "sysctl.conf", "sysctl.d", "tuned", "kernel-default",
                                     "host", "namespace", "changed-while-watched", "unknown"});

constexpr std::string_view kSysctlConf = "/etc/sysctl.conf", kLinked = "/etc/sysctl.d/99-sysctl.conf";

/// procfs takes decimal, octal and hexadecimal numbers (proc_get_long() in kernel/sysctl.c).
std::optional<std::int64_t> kernel_number(std::string_view word) {
  bool minus = word.starts_with('-');
  if (minus) word.remove_prefix(1);
  int base = 10;
  if (word.starts_with("0x") || word.starts_with("0X")) {
    base = 16;
    word.remove_prefix(2);
  } else if (word.size() > 1 && word[0] == '0') {
    base = 8;
  }
  auto value = number<std::int64_t>(word, base);
  return value && minus ? -*value : value;
}

std::string present_text(const Sysctl& setting) {
  return setting.values.empty() ? printable(setting.text) : fmt::format("{}", fmt::join(setting.values, " "));
}

std::string place_text(const SettingLine& line) {
  return line.line == 0 ? line.file : fmt::format("{}:{}", line.file, line.line);
}

SetBySource source_of(SettingWriter writer) {
  switch (writer) {
    case SettingWriter::command_line:
      return SetBySource::command_line;
    case SettingWriter::sysctl_conf:
      return SetBySource::sysctl_conf;
    case SettingWriter::sysctl_d:
      return SetBySource::sysctl_d;
    case SettingWriter::tuned:
      return SetBySource::tuned;
  }
  return SetBySource::unknown;
}

/// One setting in one place.
struct Question {
  const Window& window;
  const Sample& now;
  const Knob& knob;
  const NetnsSample& netns;  ///< where it is read: the host's if it has one value for the host
  const Sysctl& setting;
  bool by_files;  ///< the files of the host are meant for it
};

std::vector<const SettingLine*> lines_about(const Sample& now, std::string_view knob) {
  std::vector<const SettingLine*> out;
  if (!now.setting_files) return out;
  for (const SettingLine& line : now.setting_files->lines) {
    if (line.knob == knob) out.push_back(&line);
  }
  return out;
}

std::string tuners_text(const Sample& now) {
  if (!now.setting_files || now.setting_files->tuners.empty()) return "";
  const auto& tuners = now.setting_files->tuners;
  return fmt::format("; {} {} here and changes settings", fmt::join(tuners, " and "),
                     tuners.size() > 1 ? "run" : "runs");
}

void take(const SettingLine& line, const Sample& now, SetBy& out) {
  out.source = line.file == kSysctlConf ? SetBySource::sysctl_conf : source_of(line.writer);
  out.file = line.file;
  out.line = line.line;
  out.value = line.value;
  out.text = place_text(line);
  if (line.writer == SettingWriter::tuned)
    out.text += fmt::format(" (tuned's profile {})", now.setting_files->tuned_profile);
}

/// A file that somebody edits is named rather than the link to it in sysctl.d.
const SettingLine* edited(const SettingLine* line, const std::vector<const SettingLine*>& lines) {
  for (const SettingLine* other : lines) {
    bool same = other->line == line->line && other->value == line->value;
    if (line->file == kLinked && other->writer == SettingWriter::sysctl_conf && same) return other;
  }
  return line;
}

const SettingChange* change_of(const Question& asked) {
  const auto& changes = asked.window.setting_changes();
  auto found = std::ranges::find_if(changes, [&](const SettingChange& change) {
    return change.netns == asked.netns.id && change.knob == asked.knob.name;
  });
  return found == changes.end() ? nullptr : &*found;
}

void say_changed(const Question& asked, const SettingChange& change, SetBy& out) {
  out.source = SetBySource::changed_now;
  std::uint64_t ago_ms = asked.now.mono_ms - std::min(asked.now.mono_ms, change.at_ms);
  std::string often = change.times > 1 ? fmt::format("{} times, last ", change.times) : "";
  std::string said = out.file.empty() ? "" : fmt::format("; {} says the same", out.text);
  out.text = fmt::format("changed while we watched, {}{} ago: it was {}{}{}", often,
                         human_duration(std::chrono::milliseconds(ago_ms)), printable(change.from), said,
                         tuners_text(asked.now));
}

/// No line of a file says what the kernel has.
void say_without_file(const Question& asked, bool any_line, SetBy& out) {
  ByKernel kernel = by_kernel(asked.knob, asked.setting, asked.netns.sysctls, asked.now);
  if (kernel == ByKernel::yes) {
    out.source = SetBySource::kernel_default;
    out.text = any_line ? "the kernel's default" : "the kernel's default, nothing on disk sets it";
    return;
  }
  out.source = SetBySource::unknown;
  out.text = any_line ? "no file has this value" : "nothing on disk sets it";
  out.text += kernel == ByKernel::no ? ": written at run time" : ": the kernel's own, or written at run time";
  out.text += tuners_text(asked.now);
}

/// A namespace of its own starts with the kernel's default, or the host's value; no file of the host reaches it.
void say_of_namespace(const Question& asked, SetBy& out) {
  const NetnsSample* host = asked.now.host_netns();
  auto there = host == nullptr ? Sysctls::const_iterator() : host->sysctls.find(std::string(asked.knob.name));
  bool known = host != nullptr && host != &asked.netns && there != host->sysctls.end();
  const SettingLine* file = known && asked.now.setting_files && !asked.now.setting_files->of_container
                                ? line_at_boot(*asked.now.setting_files, asked.knob.name)
                                : nullptr;
  if (known && copied_from_host(asked.knob) && there->second.values == asked.setting.values &&
      there->second.text == asked.setting.text) {
    out.source = SetBySource::host;
    out.text = "copied from the host's when the namespace was made";
    if (auto on_host = who_set(asked.window, host->id, asked.knob.name)) out.text += "; there: " + on_host->text;
    return;
  }
  if (by_kernel(asked.knob, asked.setting, asked.netns.sysctls, asked.now) == ByKernel::yes) {
    out.source = SetBySource::kernel_default;
    out.text = "the kernel's default, which a new namespace starts with";
    if (file != nullptr) out.text += fmt::format("; {} is for the host", place_text(*file));
    return;
  }
  out.source = SetBySource::namespace_maker;
  Keeping keeping = Keeping::of(asked.now, asked.netns.id, asked.knob.name);
  bool contained = keeping.where == Keeping::Where::pod || keeping.where == Keeping::Where::container;
  out.text = keeping.where == Keeping::Where::pod ? "the pod's securityContext.sysctls, or a program in it"
             : contained                          ? "what started the container, or a program in it"
                                                  : "what made the namespace, or a program in it";
}

void say_at_boot(const Question& asked, const std::vector<const SettingLine*>& lines, SetBy& out) {
  if (lines.empty()) return;
  const SettingLine* stands = line_at_boot(*asked.now.setting_files, asked.knob.name);
  if (stands == nullptr) {
    if (out.file.empty()) out.text += fmt::format("; {} says {}", place_text(*lines.back()), lines.back()->value);
    return;
  }
  if (says(stands->value, asked.setting)) return;
  out.at_boot = *edited(stands, lines);
  out.text += fmt::format("; after a boot {} makes it {}", place_text(*out.at_boot), stands->value);
}

}  // namespace

std::string_view name_of(SetBySource source) {
  return kNames[static_cast<std::size_t>(source)];
}

bool says(std::string_view value, const Sysctl& setting) {
  value = value.substr(0, std::min(value.find(" #"), value.size()));
  if (value.starts_with('>') || value.starts_with('<')) value.remove_prefix(1);
  if (setting.values.empty()) {
    std::string_view have = setting.text;
    while (true) {
      std::string_view one = next_word(value), other = next_word(have);
      if (one != other) return false;
      if (one.empty()) return true;
    }
  }
  std::size_t said = 0;
  for (std::string_view word = next_word(value); !word.empty(); word = next_word(value), ++said) {
    if (said == setting.values.size() || kernel_number(word) != setting.values[said]) return false;
  }
  return said > 0;
}

std::optional<SetBy> who_set(const Window& window, NetnsId netns, std::string_view name) {
  const Knob* knob = find_knob(name);
  if (knob == nullptr || window.empty()) return std::nullopt;
  const Sample& now = window.latest();
  const bool host_wide = knob->scope == KnobScope::host;
  const NetnsSample* place = host_wide || netns == 0 ? now.host_netns() : now.find_netns(netns);
  if (place == nullptr && host_wide) place = now.find_netns(netns);  // the host's own was not chosen
  if (place == nullptr) return std::nullopt;
  auto setting = place->sysctls.find(std::string(name));
  if (setting == place->sysctls.end()) return std::nullopt;
  const bool elsewhere = now.setting_files && now.setting_files->of_container;
  const Question asked{window, now, *knob, *place, setting->second, (host_wide || place->is_host) && !elsewhere};
  const SettingChange* change = change_of(asked);
  if (!now.setting_files && change == nullptr) return std::nullopt;

  SetBy out;
  out.knob = name;
  out.value = present_text(setting->second);
  std::vector<const SettingLine*> lines = asked.by_files ? lines_about(now, name) : std::vector<const SettingLine*>();
  auto said = std::ranges::find_if(lines.rbegin(), lines.rend(),
                                   [&](const SettingLine* line) { return says(line->value, setting->second); });
  if (said != lines.rend()) take(*edited(*said, lines), now, out);
  if (change != nullptr) {
    say_changed(asked, *change, out);
  } else if (out.file.empty()) {
    if (elsewhere && knob->scope == KnobScope::host) {
      out.text = "set on the host, whose files cannot be seen from in here";
    } else if (asked.by_files) {
      say_without_file(asked, !lines.empty(), out);
    } else {
      say_of_namespace(asked, out);
    }
  }
  say_at_boot(asked, lines, out);
  return out;
}

}  // namespace tcpadvisor
