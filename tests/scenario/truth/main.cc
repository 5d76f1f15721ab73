// SPDX-License-Identifier: Apache-2.0
// ground_truth: makes TCP faults whose cause is known, asks an advisor about each of them, and counts what it gets
// right.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/scenario/truth/run.h"

namespace tcpadvisor::truth {
namespace {

constexpr int kExitWrong = 1, kExitUsage = 2, kExitNoRight = 4;
constexpr int kTriesIfInvalid = 3;  // a busy machine is no fault of the advisor's; what it said is never asked again
constexpr int kCostMeasured = 3;    // of four places: one of them at a time, and one other

struct Group {
  std::string_view name, what;
  const std::vector<Row>& rows;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> all{{"faults", "one fault", fault_rows()},
                                      {"controls", "nothing wrong", control_rows()},
                                      {"doubles", "two faults at once", double_rows()},
                                      {"stories", "the questions that people come with", story_rows()}};
  return all;
}

struct Options {
  std::vector<std::string> only;
  int repeat = 1, jobs = 4;
  bool list = false, verbose = false;
  std::string advisor, keep;
};

bool is_chosen(const Row& row, const Group& group, const std::vector<std::string>& only) {
  return only.empty() || std::ranges::any_of(only, [&](const std::string& word) {
           return word == row.name || word == group.name || (word == "matrix" && row.limiter);
         });
}

/// Empty: there is such a row or group.
std::string unknown_word(const std::vector<std::string>& only) {
  for (const std::string& word : only) {
    const bool known = std::ranges::any_of(groups(), [&](const Group& group) {
      return std::ranges::any_of(group.rows, [&](const Row& row) { return is_chosen(row, group, {word}); });
    });
    if (!known) {
      return word;
    }
  }
  return "";
}

/// Lets rows begin while there is room on the machine. Rows in which rates are measured need more.
class Room {
 public:
  explicit Room(int places) : free_(places), places_(places) {}
  int take(int cost) {
    std::unique_lock lock(mutex_);
    cost = std::min(cost, places_);
    changed_.wait(lock, [&] { return free_ >= cost; });
    free_ -= cost;
    return cost;
  }
  void give(int cost) {
    {
      const std::lock_guard lock(mutex_);
      free_ += cost;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int free_, places_;
};

struct Task {
  const Row* row;
  Result result;
};

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    out += (out.empty() ? "" : ", ") + word;
  }
  return out;
}

std::string verdict_text(const Row& row, const Result& result) {
  switch (result.state) {
    case State::invalid:
      return "invalid   " + result.why;
    case State::not_here:
      return "not here  " + result.why;
    case State::judged:
      break;
  }
  std::string out;
  if (!result.judged.missed.empty()) {
    out += "missed    " + joined(result.judged.missed);
  }
  if (!result.judged.too_much.empty()) {
    out += (out.empty() ? "false     " : "; false ") + joined(result.judged.too_much);
  }
  if (row.limiter && blamed(result.said) != *row.limiter) {
    out += (out.empty() ? "ok        " : "; ") + std::string("blames ") +
           std::string(kClassNames[static_cast<std::size_t>(blamed(result.said))]);
  }
  return out.empty() ? "ok" : out;
}

class Exam {
 public:
  Exam(const Options& options, Tools tools) : options_(options), tools_(std::move(tools)), room_(options.jobs) {
    for (const Group& group : groups()) {
      for (const Row& row : group.rows) {
        for (int i = 0; i < options.repeat && is_chosen(row, group, options.only); ++i) {
          tasks_.push_back({&row, {}});
        }
      }
    }
  }

  void run() {
    std::vector<std::jthread> workers;
    workers.reserve(static_cast<std::size_t>(options_.jobs));
    for (int i = 0; i < options_.jobs; ++i) {
      workers.emplace_back([this] { work(); });
    }
  }

  /// Exit code.
  int conclude() const {
    Totals totals;
    Matrix matrix{};
    std::size_t invalid = 0, elsewhere = 0;
    for (const Task& task : tasks_) {
      invalid += task.result.state == State::invalid ? 1 : 0;
      elsewhere += task.result.state == State::not_here ? 1 : 0;
      if (task.result.state != State::judged) {
        continue;
      }
      totals.right += task.result.judged.right;
      totals.missed += task.result.judged.missed.size();
      totals.too_much += task.result.judged.too_much.size();
      if (task.row->limiter) {
        ++matrix[static_cast<std::size_t>(*task.row->limiter)][static_cast<std::size_t>(blamed(task.result.said))];
      }
    }
    fmt::print("\n{} runs: {} right findings, {} missed, {} false; {} invalid, {} not possible here\n", tasks_.size(),
               totals.right, totals.missed, totals.too_much, invalid, elsewhere);
    fmt::print("precision {:.3f}, recall {:.3f}\n", totals.precision(), totals.recall());
    if (std::ranges::none_of(tasks_, [](const Task& task) { return task.row->limiter.has_value(); })) {
      return totals.missed + totals.too_much + invalid == 0 ? 0 : kExitWrong;
    }
    fmt::print("\nwhat limits a bulk flow (lines: the truth, columns: what is blamed)\n{}", matrix_text(matrix));
    const bool full = options_.only.empty() || options_.only == std::vector<std::string>{"matrix"};
    return totals.missed + totals.too_much + invalid == 0 && is_diagonal(matrix, full) ? 0 : kExitWrong;
  }

 private:
  void work() {
    for (;;) {
      Task* task = nullptr;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == tasks_.size()) {
          return;
        }
        task = &tasks_[next_++];
      }
      const int cost = room_.take(task->row->measured ? kCostMeasured : 1);
      for (int i = 0; i < kTriesIfInvalid; ++i) {
        const double before = task->result.seconds;
        task->result = run_row(*task->row, tools_);
        task->result.seconds += before;
        if (task->result.state != State::invalid) {
          break;
        }
      }
      room_.give(cost);
      const std::lock_guard lock(mutex_);
      print(*task);
      if (!options_.keep.empty() && task->result.report.is_object()) {
        std::ofstream(fmt::format("{}/{}-{}.json", options_.keep, task->row->name, task - tasks_.data()))
            << task->result.report.dump(2) << '\n';
      }
      task->result.report = nullptr;
    }
  }

  void print(const Task& task) const {
    fmt::print("{:<22}{:>6.1f} s  {}\n", task.row->name, task.result.seconds, verdict_text(*task.row, task.result));
    if (options_.verbose || (task.result.state == State::judged && !task.result.is_right())) {
      for (const Said& said : task.result.said) {
        constexpr std::array<std::string_view, 3> kNames{"info", "warning", "critical"};
        fmt::print("    {:<9}{} {}\n", kNames[static_cast<std::size_t>(said.severity)], said.id, said.title);
      }
    }
    std::fflush(stdout);
  }

  const Options& options_;
  Tools tools_;
  Room room_;
  std::mutex mutex_;
  std::size_t next_ = 0;
  std::vector<Task> tasks_;
};

void list_rows() {
  for (const Group& group : groups()) {
    fmt::print("{} ({}):\n", group.name, group.what);
    for (const Row& row : group.rows) {
      std::vector<std::string> wanted;
      for (const Part& part : row.parts) {
        for (const Want& want : part.wanted) {
          wanted.push_back(std::string(want.id) + (want.least == Severity::info ? " (info)" : ""));
        }
      }
      fmt::print("  {:<22}{:<12}{:<17}{}\n", row.name, row.source,
                 row.limiter ? kClassNames[static_cast<std::size_t>(*row.limiter)] : "",
                 wanted.empty() ? "nothing" : joined(wanted));
    }
  }
}

std::string from_environment(const char* name, const std::filesystem::path& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise.string();
}

Tools tools_of(const Options& options) {
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const std::filesystem::path build = folder.parent_path().parent_path();
  Tools out{.fault = from_environment("TCPFAULT_BIN", folder / "tcpfault"),
            .port = from_environment("TCPADVISOR_BIN", build / "tcpadvisor"),
            .advisor = {}};
  if (options.advisor.empty()) {
    out.advisor = {out.port, "report", "--for", "8s", "--policy", "lab", "--format", "json", "--netns"};
  } else {
    out.advisor = {options.advisor};
  }
  return out;
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Makes TCP faults whose cause is known, in network namespaces of their own; proves with ss and /proc that each "
      "is "
      "there;\nasks tcpadvisor about it; prints what it said right, missed or wrongly blamed.\nExit codes: 0 all "
      "right, "
      "1 not, 2 wrong usage, 4 needs root.",
      "./dev scenarios");
  app.add_option("--only", options.only,
                 "a row, or faults, controls, doubles, stories, matrix; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--repeat", options.repeat, "runs of each row (1)")->check(CLI::Range(1, 1'000));
  app.add_option("--jobs", options.jobs, "rows at the same time (4)")->check(CLI::Range(1, 6));
  app.add_option("--advisor", options.advisor,
                 "another program to examine: it is started with pid:N and prints what docs/ground-truth.md says");
  app.add_option("--keep", options.keep, "write each report to this folder, as ROW-N.json")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--list", options.list, "show the rows and what has to be said about them");
  app.add_flag("--verbose", options.verbose, "print all that was said");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);
    }
    fmt::print(stderr, "scenarios: {}\n", error.what());
    return kExitUsage;
  }
  if (const std::string word = unknown_word(options.only); !word.empty()) {
    fmt::print(stderr, "scenarios: --only {}: no such row or group; --list shows them\n", word);
    return kExitUsage;
  }
  if (options.list) {
    list_rows();
    return 0;
  }
  if (geteuid() != 0) {
    fmt::print(stderr, "scenarios: needs root to make network namespaces\n");
    return kExitNoRight;
  }
  Exam exam(options, tools_of(options));
  exam.run();
  return exam.conclude();
}

}  // namespace
}  // namespace tcpadvisor::truth

int main(int argc, char** argv) {
  return tcpadvisor::truth::run(argc, argv);
}
