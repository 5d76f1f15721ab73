// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/answer.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "advisor/base/text.h"
#include "advisor/explain/words.h"
#include "advisor/knobs/kernel_version.h"
#include "advisor/whatif/folk.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

using Function = Answer (*)(const World&, const Asked&);
struct Row {
  std::string_view knob;
  Function answer;
};
constexpr Row kRows[] = {
    {"net.ipv4.tcp_rmem", on_tcp_rmem},
    {"net.ipv4.tcp_wmem", on_tcp_wmem},
    {"net.core.rmem_max", on_buffer_maximum},
    {"net.core.wmem_max", on_buffer_maximum},
    {"net.core.somaxconn", on_somaxconn},
    {"net.ipv4.tcp_max_syn_backlog", on_max_syn_backlog},
    {"net.ipv4.tcp_abort_on_overflow", on_abort_on_overflow},
    {"net.ipv4.ip_local_port_range", on_port_range},
    {"net.ipv4.tcp_tw_reuse", on_tw_reuse},
    {"net.ipv4.tcp_tw_reuse_delay", on_tw_reuse},
    {"net.ipv4.tcp_fin_timeout", on_fin_timeout},
    {"net.ipv4.tcp_max_tw_buckets", on_tw_buckets},
    {"net.ipv4.tcp_max_orphans", on_max_orphans},
    {"net.ipv4.tcp_retries2", on_retries},
    {"net.ipv4.tcp_syn_retries", on_retries},
    {"net.ipv4.tcp_synack_retries", on_retries},
    {"net.ipv4.tcp_keepalive_time", on_keepalive},
    {"net.ipv4.tcp_keepalive_intvl", on_keepalive},
    {"net.ipv4.tcp_keepalive_probes", on_keepalive},
    {"net.ipv4.tcp_notsent_lowat", on_notsent_lowat},
    {"net.ipv4.tcp_slow_start_after_idle", on_slow_start},
    {"net.ipv4.tcp_congestion_control", on_congestion_control},
    {"net.ipv4.tcp_mem", on_tcp_mem},
    {"net.core.netdev_max_backlog", on_packet_queue},
    {"net.core.netdev_budget", on_packet_queue},
    {"net.core.netdev_budget_usecs", on_packet_queue},
    {"net.netfilter.nf_conntrack_max", on_table},
    {"fs.file-max", on_table},
    {"fs.nr_open", on_table},
};

/// Why this kernel would not look at it, whatever it is; empty if it would.
std::string why_unused(const World& world, const Asked& asked) {
  const Knob& knob = *asked.knob;
  if (std::string_view dead = why_dead(knob.name); !dead.empty()) return std::string(dead);
  const Sample& sample = world.sample();
  const auto release = kernel_version(sample.host.kernel);
  if (knob.name == "net.ipv4.tcp_adv_win_scale" && release && *release >= KernelVersion{6, 6}) {
    return fmt::format("Linux {} measures for each socket which part of a buffer is payload, and does not read it",
                       printable(sample.host.kernel));
  }
  if (world.places(knob).empty()) return "this kernel does not have it, or it could not be read";
  return "";
}

/// For settings whose effect no observation can tell in numbers.
Answer by_words(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const explain::KnobWords* words = explain::words_of_knob(asked.knob->name);
  bool same = true;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    if (places_of(*asked.knob) == 0) {
      same = same && setting_in(*netns, out.knob)->text == asked.words;
      continue;
    }
    same = same && world.now(netns->id, asked.knob->name) == asked.values[0];
  }
  out.summary = same ? "no effect here, because it is that already"
                     : "what it changes cannot be told in numbers from what was seen: try it, and compare two reports";
  if (words != nullptr) {
    out.notes.emplace_back(words->what);
    if (!words->leave.empty()) out.notes.emplace_back(words->leave);
  }
  return out;
}

Answer answer_to(const World& world, const Asked& asked) {
  if (asked.knob == nullptr) {
    Answer out = begin(world, asked);
    out.summary = fmt::format("no effect here, because it {}", asked.why_none);
    if (asked.why_none.starts_with("there ")) out.summary = fmt::format("no effect here, because {}", asked.why_none);
    return out;
  }
  if (std::string why = why_unused(world, asked); !why.empty()) {
    Answer out = begin(world, asked);
    conclude(out, why);
    return out;
  }
  for (const Row& row : kRows) {
    if (row.knob == asked.knob->name) return row.answer(world, asked);
  }
  return by_words(world, asked);
}

}  // namespace

std::vector<Answer> answers(const Evidence& in, const Question& question) {
  const World world{in, question};
  std::vector<Answer> out;
  out.reserve(question.knobs.size());
  for (const Asked& asked : question.knobs) out.push_back(answer_to(world, asked));
  for (Answer& one : on_load(world)) out.push_back(std::move(one));
  return out;
}

}  // namespace tcpadvisor::whatif
