// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/truth/score.h"

#include <algorithm>
#include <cstdio>

namespace tcpadvisor::truth {
namespace {

using nlohmann::json;

Severity severity_of(const std::string& text) {
  return text == "critical" ? Severity::critical : text == "warning" ? Severity::warning : Severity::info;
}

std::string text_of(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

bool is(const Awaited& wanted, const Said& said) {
  return wanted.id == said.id && said.severity >= wanted.least && (wanted.pid == 0 || wanted.pid == said.pid);
}

bool contains(const std::vector<std::string_view>& ids, const std::string& id) {
  return std::ranges::find(ids, id) != ids.end();
}

std::string short_text(const Said& said) {
  return said.id + (said.pid != 0 ? "[" + std::to_string(said.pid) + "]" : "");
}

/// Rules, and words of a title where one rule knows several classes.
struct Blame {
  std::string_view id, words;
  Class cause;
};
constexpr std::array kBlames = {
    Blame{"reader-too-slow", "", Class::application},
    Blame{"process-stopped", "", Class::application},
    Blame{"nagle-delack-stall", "", Class::application},
    Blame{"sndbuf-locked-by-app", "", Class::sender_buffer},
    Blame{"sndbuf-bdp-autotune-cap", "", Class::sender_buffer},
    Blame{"rcvbuf-locked-by-app", "", Class::receiver_window},
    Blame{"rcvbuf-bdp-autotune-cap", "", Class::receiver_window},
    Blame{"mem-max-relation", "does not size receive buffers", Class::receiver_window},
    Blame{"retrans-cc-qdisc", "on a full path", Class::congestion},
    Blame{"retrans-cc-qdisc", "without a queue", Class::path},
    Blame{"mtu-blackhole", "", Class::path},
    Blame{"peer-not-reading", "", Class::peer},
    Blame{"send-queue-dead-peers", "", Class::peer},
    Blame{"peer-window-limited", "", Class::peer},
};

}  // namespace

std::vector<Said> findings_in(const json& report) {
  std::vector<Said> out;
  if (!report.is_object() || !report.contains("findings") || !report["findings"].is_array()) {
    return out;
  }
  for (const json& finding : report["findings"]) {
    if (!finding.is_object()) {
      continue;
    }
    Said said{.id = text_of(finding, "id"),
              .title = text_of(finding, "title"),
              .severity = severity_of(text_of(finding, "severity"))};
    const json scope = finding.contains("scope") ? finding["scope"] : json();
    if (scope.is_object() && scope.contains("pid") && scope["pid"].is_number_integer()) {
      said.pid = scope["pid"].get<pid_t>();
    }
    out.push_back(std::move(said));
  }
  return out;
}

Judged judge(const Expectation& expected, const std::vector<Said>& said) {
  Judged out;
  std::vector<bool> used(said.size());
  for (const Awaited& wanted : expected.wanted) {
    std::size_t i = 0;
    while (i < said.size() && (used[i] || !is(wanted, said[i]))) {
      ++i;
    }
    if (i == said.size()) {
      out.missed.emplace_back(wanted.id);
    } else {
      used[i] = true;
      ++out.right;
    }
  }
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (!used[i] && !contains(expected.beside, said[i].id) &&
        (said[i].severity >= Severity::warning || contains(expected.never, said[i].id))) {
      out.too_much.push_back(short_text(said[i]));
    }
  }
  return out;
}

Class blamed(const std::vector<Said>& said) {
  Class out = Class::none;
  Severity loudest = Severity::info;
  for (const Said& one : said) {
    const auto blame = std::ranges::find_if(kBlames, [&](const Blame& known) {
      return known.id == one.id && one.title.find(known.words) != std::string::npos;
    });
    if (blame != kBlames.end() && (out == Class::none || one.severity > loudest)) {
      out = blame->cause;
      loudest = one.severity;
    }
  }
  return out;
}

bool is_diagonal(const Matrix& matrix, bool full) {
  for (std::size_t truth = 0; truth < matrix.size(); ++truth) {
    for (std::size_t said = 0; said < matrix.size(); ++said) {
      const bool empty = matrix[truth][said] == 0;
      if (truth == said ? full && empty : !empty) {
        return false;
      }
    }
  }
  return true;
}

std::string matrix_text(const Matrix& matrix) {
  constexpr int kName = 16;
  std::string out = std::string(kName, ' ');
  const auto put = [&](std::string text, std::size_t width) {
    text.insert(0, width > text.size() ? width - text.size() : 0, ' ');
    out += text;
  };
  for (const std::string_view name : kClassNames) {
    put(std::string(name), name.size() + 2);
  }
  for (std::size_t truth = 0; truth < matrix.size(); ++truth) {
    out += '\n' + std::string(kClassNames[truth]) + std::string(kName - kClassNames[truth].size(), ' ');
    for (std::size_t said = 0; said < matrix.size(); ++said) {
      put(matrix[truth][said] == 0 ? "." : std::to_string(matrix[truth][said]), kClassNames[said].size() + 2);
    }
  }
  return out + '\n';
}

}  // namespace tcpadvisor::truth
