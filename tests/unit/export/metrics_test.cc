// SPDX-License-Identifier: Apache-2.0
// The list of metrics follows the conventions of Prometheus, whatever host is behind it.
#include "agent/export/metrics.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "agent/export/exposition.h"
#include "agent/export/metric_labels.h"
#include "tests/unit/full_sample.h"
#include "tests/unit/watch/golden.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::exported::metrics_test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class Scrape {
 public:
  explicit Scrape(const observe::Observation& seen) {
    tally_.see(seen);
    const MetricSource source{seen, tally_, numbers_, groups_, listeners_};
    families_ = metric_families(&source);
  }
  const Families& families() const { return families_; }
  const Family& operator[](const std::string& name) const {
    auto found = std::ranges::find(families_.all(), "tcpadvisor_" + name, &Family::name);
    static const Family kNone;
    return found != families_.all().end() ? *found : kNone;
  }
  std::string text() const { return exposition_of(families_.all(), Exposition::prometheus); }

 private:
  AgentNumbers numbers_{.version = "1.2.3", .cpu_seconds = 1.5};
  Tally tally_;
  std::vector<Labels> groups_, listeners_;
  Families families_;
};

TEST(Metrics, names_follow_the_conventions) {
  static const std::set<std::string> kUnits{"", "bytes", "seconds", "ratio"};
  const Families families = metric_families(nullptr);
  EXPECT_GT(families.all().size(), 80U);
  for (const Family& family : families.all()) {
    EXPECT_THAT(family.name, MatchesRegex("tcpadvisor_[a-z][a-z0-9_]*"));
    EXPECT_EQ(family.name.ends_with("_total"), family.type == MetricType::counter) << family.name;
    EXPECT_TRUE(kUnits.contains(family.unit)) << family.name;
    std::string base = family.name;
    if (family.type == MetricType::counter) base.resize(base.size() - 6);
    for (const std::string& unit : kUnits) {
      if (unit.empty()) continue;
      EXPECT_EQ(base.ends_with("_" + unit), unit == family.unit) << family.name << " " << unit;
    }
    for (const char* ending : {"_count", "_sum", "_bucket", "_ms", "_percent", "_pages"})
      EXPECT_FALSE(base.ends_with(ending)) << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_EQ(family.edges.empty(), family.type != MetricType::histogram) << family.name;
    for (const std::string& label : family.labels) EXPECT_THAT(label, MatchesRegex("[a-z][a-z_]*")) << family.name;
  }
}

TEST(Metrics, no_label_names_a_process) {
  static const std::set<std::string> kForbidden{"pid", "comm", "peer", "cookie", "inode", "instance", "job", "le"};
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all()) {
    for (const std::string& label : family.labels) EXPECT_FALSE(kForbidden.contains(label)) << family.name;
  }
  EXPECT_THAT(Scrape(test::busy_host()).text(), testing::Not(HasSubstr("4711")));
}

TEST(Metrics, a_scrape_has_the_families_of_the_list_and_no_others) {
  std::vector<std::string> listed, scraped;
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all())
    listed.push_back(family.name + " " + std::to_string(family.labels.size()));
  const Scrape scrape(test::busy_host());
  for (const Family& family : scrape.families().all())
    scraped.push_back(family.name + " " + std::to_string(family.labels.size()));
  EXPECT_EQ(listed, scraped);
}

TEST(Metrics, every_family_has_points_on_some_host) {
  std::set<std::string> empty;
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all()) empty.insert(family.name);
  observe::Observation full, more;
  full.window = Window({std::make_shared<const Sample>(build::full_sample())});
  more.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    const std::string unit = "/system.slice/api.service";
    sample.add(build::a_process(7, "api").sockets(TcpState::established, 1).cgroup(unit));
    sample.add(build::a_socket().set([](SocketRow& r) { r.srtt_us = r.min_rtt_us = 100; }));
    for (const char* name : {"Tcp.ActiveOpens", "Tcp.InSegs"}) sample.counter(name, 3);
    sample.set([&](Sample& s) {
      s.cgroups.push_back({.id = 1,
                           .path = unit,
                           .sock_bytes = 1,
                           .memory_current = 2,
                           .memory_max = 3,
                           .memory_high = {},
                           .events_max = 4,
                           .events_high = {}});
    });
  });
  for (const observe::Observation& seen :
       {observe::Observation(test::busy_host()), observe::Observation(test::host_with_user_queues()), full, more}) {
    const Scrape scrape(seen);
    for (const Family& family : scrape.families().all()) {
      if (family.series() > 0) empty.erase(family.name);
    }
  }
  empty.erase("tcpadvisor_http_requests_total");  // of a server that was asked
  EXPECT_THAT(empty, testing::IsEmpty());
}

TEST(Metrics, states_and_findings_are_there_as_zeros) {
  const Scrape scrape(test::quiet_host());
  const Family& states = scrape["connections"];
  EXPECT_EQ(states.points().size(), 11U);
  EXPECT_EQ(states.points().at({"host", "close_wait"}), 0);
  EXPECT_EQ(states.points().at({"host", "established"}), 2);
  const Family& findings = scrape["finding"];
  EXPECT_EQ(findings.points().at({"close-wait-leak", "critical"}), 0);
  EXPECT_EQ(Scrape(test::busy_host())["finding"].points().at({"close-wait-leak", "critical"}), 1);
}

TEST(Metrics, base_units_come_from_the_rows_of_values) {
  const Scrape scrape(test::busy_host());
  EXPECT_EQ(scrape["tcp_memory_bytes"].points().at({}), 410'000.0 * 4096);
  EXPECT_DOUBLE_EQ(scrape["snapshot_duration_seconds"].points().at({}), 0.0974);
  EXPECT_DOUBLE_EQ(scrape["agent_cpu_ratio"].points().at({}), 0.003);
  EXPECT_EQ(scrape["listener_accept_queue"].points().at({"host", "0.0.0.0", "8443"}), 129);
  EXPECT_EQ(scrape["group_queue_bytes"].points().at({"user", "user-1000.slice", "receive"}), 2'201'600);
  EXPECT_EQ(scrape["failed_connects_total"].points().at({"host", "10.0.0.5:5432", "no_port"}), 18);
  EXPECT_EQ(scrape["retransmitted_segments_total"].points().at({"host", "10.0.0.0/24", "tail_loss_probe"}), 7);
  EXPECT_EQ(scrape["lost_total"].points().at({"events"}), 17);
  EXPECT_EQ(scrape["user_queue_bytes"].points().size(), 0U);
}

TEST(Metrics, thousands_of_groups_and_listeners_are_few_series) {
  observe::Observation seen;
  seen.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    for (std::uint32_t i = 0; i < 1'000; ++i) {
      sample.add(build::a_process(i + 10, "worker")
                     .sockets(TcpState::established, i + 1)
                     .cgroup("/system.slice/unit" + std::to_string(i) + ".service"));
      sample.add(build::a_socket()
                     .cookie(100'000 + i)
                     .listen(static_cast<std::uint16_t>(1'000 + i), i % 7, 128)
                     .pid(i + 10, "worker"));
    }
    sample.set([](Sample& s) {
      for (std::uint64_t i = 0; i < 300; ++i) {
        NetnsSample& netns = s.netns.emplace_back(s.netns.front());
        netns.id = i + 1;
        netns.is_host = false;
        netns.name = "ns" + std::to_string(i);
      }
    });
  });
  const Scrape scrape(seen);
  EXPECT_LT(scrape.families().series(), 2'000U);
  double all = 0;
  for (const auto& [labels, value] : scrape["group_connections"].points()) all += value;
  EXPECT_EQ(all, 1'000.0 * 1'001 / 2);  // what is folded is in "other"
  EXPECT_GT(scrape["group_connections"].points().at({"other", "other", "established"}), 0);
  EXPECT_EQ(scrape["series_dropped_total"].points().at({}), 0);
}

TEST(Metrics, the_document_is_the_list) {
  std::ifstream file(TCPADVISOR_SOURCE_DIR "/docs/metrics.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(document, HasSubstr("\n" + metrics_as_markdown()))
      << "write it anew: tcpadvisor metrics --format md, below the text of docs/metrics.md";
}

TEST(Metrics, the_text_of_a_busy_host) {
  test::expect_golden("export/metrics-busy.txt", Scrape(test::busy_host()).text());
}

TEST(Metrics, the_list_is_told_in_three_forms) {
  EXPECT_THAT(metrics_as_text(false), HasSubstr("tcpadvisor_connections "));
  EXPECT_THAT(metrics_as_text(true), HasSubstr("    labels: netns, state\n    TCP sockets by state\n"));
  const auto list = nlohmann::json::parse(metrics_as_json());
  EXPECT_EQ(list.size(), metric_families(nullptr).all().size());
  EXPECT_EQ(list[0]["name"], "tcpadvisor_finding");
}

}  // namespace
}  // namespace tcpadvisor::exported::metrics_test
