// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tcpadvisor::cli::options_test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

Result<Parsed> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "tcpadvisor");
  return parse_options(static_cast<int>(words.size()), words.data());
}

Options options_of(std::vector<const char*> words) {
  Result<Parsed> parsed = parse(std::move(words));
  EXPECT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed && parsed->options);
  return parsed && parsed->options ? *parsed->options : Options{};
}

std::string error_of(std::vector<const char*> words) {
  Result<Parsed> parsed = parse(std::move(words));
  if (parsed) return "no error";
  EXPECT_EQ(parsed.error().code, ErrorCode::bad_input);
  EXPECT_THAT(parsed.error().message, Not(HasSubstr("\n"))) << "one line";
  return parsed.error().message;
}

/// A file with this text, gone at the end of the test.
class TextFile {
 public:
  explicit TextFile(const std::string& text) {
    static int number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("tcpadvisor-options-" + std::to_string(getpid()) + "-" + std::to_string(number++));
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Options, Defaults) {
  Options options = options_of({"watch"});
  EXPECT_EQ(options.command, Command::watch);
  EXPECT_EQ(options.collector.sources, collect::Sources::any);
  EXPECT_EQ(options.policy.name, "default");
  EXPECT_EQ(interval_for(options), 1s);
  EXPECT_FALSE(options.watch.length);
  EXPECT_EQ(options_of({"report"}).report.length, 10s);
  EXPECT_EQ(options_of({"doctor"}).command, Command::doctor);
}

TEST(Options, the_form_of_a_report_is_asked_for_or_is_that_of_its_file) {
  EXPECT_EQ(format_for(options_of({"report"})).name, "text");
  EXPECT_EQ(format_for(options_of({"report", "-o", "a.md"})).name, "md");
  EXPECT_EQ(format_for(options_of({"report", "-o", "a.json", "--format", "sysctl"})).name, "sysctl");
  EXPECT_EQ(format_for(options_of({"report", "-o", "/dev/null"})).name, "text");
}

TEST(Options, GlobalsMayStandBeforeAndAfterTheCommand) {
  for (const auto& words : {std::vector{"--hooks", "none", "--interval=250ms", "report"},
                            std::vector{"report", "--hooks", "none", "--interval=250ms"}}) {
    Options options = options_of(words);
    EXPECT_EQ(options.collector.hooks, kernel::Hooks::none);
    EXPECT_EQ(interval_for(options), 250ms);
  }
}

TEST(Options, EveryGlobal) {
  Options options = options_of({"watch", "--netns", "pid:7", "--sources", "netlink", "--calls", "off", "--budget",
                                "0.5%", "--color", "never", "--log-level", "debug"});
  EXPECT_EQ(options.collector.netns.kind, collect::NetnsChoice::Kind::pid);
  EXPECT_EQ(options.collector.netns.pid, 7u);
  EXPECT_EQ(options.collector.sources, collect::Sources::netlink);
  EXPECT_EQ(options.collector.calls, kernel::Calls::off);
  EXPECT_DOUBLE_EQ(options.collector.budget_percent, 0.5);
  EXPECT_EQ(options.color, Color::never);
  EXPECT_EQ(options.log_level, LogLevel::debug);
}

TEST(Options, ThePolicyDecidesTheInterval) {
  EXPECT_EQ(interval_for(options_of({"report", "--policy", "lab"})), 500ms);
  EXPECT_EQ(interval_for(options_of({"report", "--policy", "lab", "--interval", "2s"})), 2s);
}

TEST(Options, RuleIdsMayBeRepeatedOrListed) {
  EXPECT_THAT(options_of({"report", "--only", "a,b", "--only", "c"}).report.only, ElementsAre("a", "b", "c"));
}

TEST(Options, NoCommandGivesHelp) {
  Result<Parsed> parsed = parse({});
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed->text, HasSubstr("watch"));
  EXPECT_THAT(parse({"report", "--help"})->text, HasSubstr("--exit-code"));
  EXPECT_EQ(parse({"--version"})->text, "tcpadvisor " + std::string(kVersion) + "\n");
}

TEST(Usage, OneLineThatSaysWhatWouldBeRight) {
  EXPECT_EQ(error_of({"watch", "--nope"}), "unknown option '--nope'; tcpadvisor watch --help lists what there is");
  EXPECT_THAT(error_of({"report", "--netns", "host", "--netns", "all"}), testing::HasSubstr("--netns"));
  EXPECT_EQ(error_of({"--nope"}), "unknown option '--nope'; tcpadvisor --help lists what there is");
  EXPECT_EQ(error_of({"wacth"}),
            "unknown command 'wacth': write watch, report, record, snapshot, doctor, explain, whatif, knobs, serve, "
            "metrics, apply, verify, rollback or port");
  EXPECT_EQ(error_of({"watch", "now"}), "unexpected argument 'now'; tcpadvisor watch --help lists what there is");
  EXPECT_EQ(error_of({"watch", "--for", "5"}),
            "--for: '5' is not a duration: write a number and ms, s, m or h, for example 500ms or 8s");
  EXPECT_EQ(error_of({"watch", "--interval", "5ms"}),
            "--interval: '5ms' is too short: at least 100ms, or the agent would watch itself");
  EXPECT_EQ(error_of({"--hooks", "perf", "watch"}),
            "--hooks: 'perf' is not known: write one of auto, fentry, kprobe, tp_btf, none");
  EXPECT_EQ(error_of({"--budget", "3", "watch"}),
            "--budget: '3' is not a share of one core: write for example 1% or 0.5%");
  EXPECT_EQ(error_of({"--budget", "0%", "watch"}), "--budget: '0%' is out of range: more than 0%, at most 100%");
  EXPECT_THAT(error_of({"watch", "--for"}), HasSubstr("see tcpadvisor watch --help"));
  EXPECT_THAT(error_of({"--policy", "strict", "watch"}), HasSubstr("'strict' is not known"));
  EXPECT_EQ(error_of({"--policy", "./no-such-file", "watch"}),
            "--policy: cannot read ./no-such-file: No such file or directory");
  EXPECT_EQ(error_of({"report", "--from", "a.rec", "--netns", "host"}),
            "--netns says how to observe a host; a.rec was recorded already: leave out one of the two");
  EXPECT_THAT(error_of({"--interval", "2s", "watch", "--from", "a.rec"}), HasSubstr("--interval says how to observe"));
  EXPECT_THAT(error_of({"watch", "--nope\n\x1b[31m"}), HasSubstr("--nope??[31m")) << "nothing moves the terminal";
}

TEST(Config, SetsWhatTheCommandLineDoesNot) {
  TextFile file(
      "# comment\ninterval = \"2s\"\ncalls = \"off\"\n[watch]\nonce = true\n[report]\nfor = \"3s\"\nonly = [\"a\", "
      "\"b\"]\n");
  Options options = options_of({"--config", file.path().c_str(), "--calls", "on", "watch"});
  EXPECT_EQ(interval_for(options), 2s);
  EXPECT_EQ(options.collector.calls, kernel::Calls::on) << "the command line wins";
  EXPECT_TRUE(options.watch.once);
  EXPECT_EQ(options.report.length, 3s);
  EXPECT_THAT(options.report.only, ElementsAre("a", "b"));
}

TEST(Config, ErrorsNameFileLineAndKey) {
  auto error_with = [](const std::string& text) {
    TextFile file(text);
    std::string error = error_of({"--config", file.path().c_str(), "watch"});
    EXPECT_THAT(error, HasSubstr(file.path()));
    return error.substr(error.find(',') + 2);
  };
  EXPECT_EQ(error_with("\n\n intervall = \"2s\"\n"),
            "line 3, column 2: unknown key 'intervall'; did you mean 'interval'?");
  EXPECT_EQ(error_with("colourful = 1\n"),
            "line 1, column 1: unknown key 'colourful'; tcpadvisor --help lists the options that are keys");
  EXPECT_EQ(
      error_with("calls = \"off\"\ninterval = \"2\"\n"),
      "line 2, column 12: interval: '2' is not a duration: write a number and ms, s, m or h, for example 500ms or 8s");
  EXPECT_EQ(error_with("[watch]\nfor = \"x\"\n[report]\nfor = \"8s\"\n"),
            "line 2, column 7: for: 'x' is not a duration: write a number and ms, s, m or h, for example 500ms or 8s");
  EXPECT_EQ(error_with("[watch]\nonce = 3\n"), "line 2, column 8: once: write true or false");
  EXPECT_EQ(error_with("[fleet]\nlisten = \"x\"\n"),
            "line 1, column 2: unknown section [fleet]; there are [watch], [report], [record], [snapshot], [doctor], "
            "[explain], [whatif], [knobs], [serve], [metrics], [apply], [verify], [rollback], [port.list], "
            "[port.scenario], [port.run], [port.serve], [port.drive]");
  EXPECT_EQ(error_with("[reports]\n"), "line 1, column 2: unknown section [reports]; did you mean 'report'?");
  EXPECT_EQ(error_with("[report]\nformat = [\"text\"]\n"), "line 2, column 10: format: write one value, not a list");
  EXPECT_EQ(
      error_with("interval = 2s\n"),
      "line 1, column 13: parsing decimal integer: expected digit, saw 's'; durations, sizes and names are texts: "
      "write them in quotes");
  EXPECT_EQ(error_with("config = \"x\"\n"),
            "line 1, column 1: unknown key 'config'; tcpadvisor --help lists the options that are keys");
}

TEST(Config, UnreadableFiles) {
  EXPECT_EQ(error_of({"--config", "/nowhere/at-all", "watch"}),
            "cannot read /nowhere/at-all: No such file or directory");
  EXPECT_THAT(error_of({"--config", "/", "watch"}), MatchesRegex("cannot read /: .*"));
}

}  // namespace
}  // namespace tcpadvisor::cli::options_test
