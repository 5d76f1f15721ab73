// SPDX-License-Identifier: Apache-2.0
// Incidents that were told in public, with their figures and the cause that was found in the end: those about memory.
// Each names where it was told; what a host showed is made up again from that, and the verdict has to lead to the same
// cause.
#include "tests/unit/verdict/incident.h"

namespace tcpadvisor::incidents_memory_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t kMiB = 1u << 20;

// pytorch/ci-infra#1024: a pod's limit of 640 MiB, 492 to 502 of it sockets, 130 to 143 of the program, 290
// connections. It was cured with tcp_rmem[2] = 512 KiB in the pod's own namespace.
TEST(Incident, a_pod_killed_for_its_sockets_gets_a_higher_limit_or_buffers_of_512_kib) {
  const Verdict verdict =
      judge(a_window(8,
                     [](SampleBuilder& sample, std::size_t i) {
                       sample.counter("TcpExt.TCPRcvQDrop", 6 * i);
                       sample.set([&](Sample& all) {
                         CgroupTotals pod;
                         pod.id = 9;
                         pod.path = "/kubepods/rclone";
                         pod.sockets = 290;
                         pod.sock_bytes = (492 + i) * kMiB;
                         pod.memory_current = 640 * kMiB;
                         pod.memory_max = 640 * kMiB;
                         pod.events_max = 4 * i;
                         all.cgroups.push_back(pod);
                         all.refusals = BufferRefusals{.cgroup_recv = 40 * i};
                         all.owners.push_back(a_process(77, "rclone").cgroup(pod.path).memory(500 * kMiB, kMiB));
                       });
                     }),
            Policy{});
  const Finding finding = finding_of(verdict, "memcg-socket-pressure");
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(finding.scope.cgroup, "/kubepods/rclone");
  EXPECT_THAT(finding.recommendation.text, HasSubstr("Raise the limit of /kubepods/rclone from 640 MiB"));
  EXPECT_THAT(steps_of(finding),
              AllOf(HasSubstr("512 KiB as tcp_rmem[2] (6 MiB now)"), HasSubstr("290 sockets x 512 KiB = 145 MiB")));
  EXPECT_THAT(alarms(verdict), ElementsAre("memcg-socket-pressure"));
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

// geekgao/articles#7: mem 22,016 of tcp_mem 21180 28243 42360, and orphans at 65,738 of 65,536.
TEST(Incident, out_of_memory_that_is_about_orphans_leaves_tcp_mem_alone) {
  const Verdict verdict = judge(a_window(8,
                                         [](SampleBuilder& sample, std::size_t i) {
                                           sample.counter("TcpExt.TCPAbortOnMemory", 120 * i);
                                           sample.sysctl("net.ipv4.tcp_max_orphans", {65'536});
                                           sample.sysctl("net.ipv4.tcp_max_tw_buckets", {180'000});
                                           sample.sysctl("net.ipv4.tcp_mem", {21'180, 28'243, 42'360});
                                           sample.count(TcpState::time_wait, 103'758);
                                           sample.set([](Sample& all) {
                                             all.host.mem_bytes = 1'800 * kMiB;
                                             all.memory.pages = 22'016;
                                             all.memory.limits_pages = {{21'180, 28'243, 42'360}};
                                             all.host_sockstat.emplace().orphan = 65'738;
                                             all.host_sockstat->tw = 103'758;
                                           });
                                         }),
                                Policy{});
  EXPECT_EQ(finding_of(verdict, "orphan-buildup").severity, Severity::warning);
  EXPECT_THAT(alarms(verdict), ElementsAre("orphan-buildup"));
  EXPECT_THAT(changed_knobs(verdict), Not(Contains("net.ipv4.tcp_mem")));
}

// imageproxy#153: "TCP: out of memory" with most of the RAM free; answers that were never closed. One line cured it.
TEST(Incident, out_of_memory_by_answers_left_open_names_the_program_and_raises_nothing) {
  const Verdict verdict = judge(
      a_window(30,
               [](SampleBuilder& sample, std::size_t i) {
                 sample.counter("TcpExt.TCPMemoryPressures", i > 2 ? 1 : 0);
                 sample.set([](Sample& all) {
                   all.memory.pages = 391'000;
                   all.memory.under_pressure = true;
                 });
                 sample.count(TcpState::close_wait, 900);
                 SocketRow left = a_socket()
                                      .close_wait()
                                      .remote(Endpoint::v4(93, 184, 216, 34, 443))
                                      .pid(40, "imageproxy")
                                      .age(std::chrono::minutes(20) + std::chrono::seconds(i))
                                      .recv_q(1'400'000)
                                      .rcvbuf(6'291'456, 1'700'000);
                 sample.add(900, left);
                 sample.add(a_process(40, "imageproxy").close_wait(900, 900).memory(1'530 * kMiB, 0, 1'200 * kMiB));
               }),
      Policy{});
  const std::vector<Finding> leaks = findings_of(verdict, "close-wait-leak");
  ASSERT_FALSE(leaks.empty());
  EXPECT_EQ(leaks.front().scope.pid, 40u);
  const Finding memory = finding_of(verdict, "tcp-mem-pressure-global");
  EXPECT_THAT(memory.recommendation.text, HasSubstr("imageproxy[40]"));
  EXPECT_FALSE(memory.cause.empty());
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

// seastar#2348: is tcp_mem 765579 1020775 1531158 "9 % of the RAM" of 65,599,452 KiB? In pages, it is.
TEST(Incident, a_limit_in_pages_is_told_in_bytes_and_as_a_share_of_the_memory) {
  const Verdict verdict = judge(a_window(8,
                                         [](SampleBuilder& sample, std::size_t) {
                                           sample.sysctl("net.ipv4.tcp_mem", {765'579, 1'020'775, 1'531'158});
                                           sample.set([](Sample& all) {
                                             all.host.mem_bytes = 65'599'452ull << 10;
                                             all.host.mem_available_bytes = 40'000'000ull << 10;
                                             all.memory.limits_pages = {{765'579, 1'020'775, 1'531'158}};
                                             all.memory.pages = 1'100'000;
                                             all.memory.under_pressure = true;
                                           });
                                         }),
                                Policy{});
  const Finding finding = finding_of(verdict, "tcp-mem-pressure-global");
  const std::string said = testing::PrintToString(finding.not_useful.back().why);
  EXPECT_THAT(said, HasSubstr("1,531,158 pages x 4,096 B = 5.8 GiB, 9.3 % of 62.6 GiB"));
}

// pg_doorman#260: 65 idle sessions whose buffers had grown to 6 MiB; about 180 MiB that no process and no cgroup
// showed.
struct Sessions {
  std::uint32_t count = 65;
  std::uint64_t kept = 2'900'000;
  std::uint32_t rest_ms = 600'000;
};

Verdict resting(const Sessions& story) {
  return judge(a_window(8,
                        [=](SampleBuilder& sample, std::size_t) {
                          SocketRow row = a_socket().pid(50, "pg_doorman").rcvbuf(6'291'456, 0);
                          row.fwd_alloc = story.kept;
                          row.wmem_queued = 0;
                          row.last_data_recv_ms = row.last_data_sent_ms = story.rest_ms;
                          sample.count(TcpState::established, story.count).add(story.count, row);
                        }),
               Policy{});
}

TEST(Incident, idle_sessions_that_keep_buffers_are_told_with_what_each_costs) {
  const Verdict verdict = resting({});
  const Finding finding = finding_of(verdict, "high-connection-memory-budget");
  expect_complete(finding);
  EXPECT_EQ(finding.severity, Severity::info);
  EXPECT_THAT(finding.title, HasSubstr("65 idle connections of pg_doorman[50] keep 180 MiB of buffers, 2.8 MiB each"));
  EXPECT_THAT(finding.recommendation.formula,
              AllOf(HasSubstr("1,000 more: 2.7 GiB"), HasSubstr("as they have grown: 390 MiB")));
  EXPECT_THAT(steps_of(finding), AllOf(HasSubstr("SO_RCVBUF before listen()"), HasSubstr("a lower tcp_rmem[2]")));
  EXPECT_THAT(alarms(verdict), IsEmpty());
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

TEST(Incident, a_large_buffer_of_an_idle_session_is_a_limit_and_takes_nothing) {
  EXPECT_THAT(findings_of(resting({.kept = 0}), "high-connection-memory-budget"), IsEmpty());
  EXPECT_THAT(findings_of(resting({.count = 20}), "high-connection-memory-budget"), IsEmpty());
  EXPECT_THAT(findings_of(resting({.rest_ms = 59'000}), "high-connection-memory-budget"), IsEmpty());
}

// emqx#17893: alloc 664,959; 443,029 of IPv4 and 221,863 of IPv6 in use, tw 62: 67 sockets on their way, and no leak.
TEST(Incident, sockets_of_ipv4_and_ipv6_together_are_no_leak_and_no_want_of_ports) {
  const Verdict verdict = judge(a_window(8,
                                         [](SampleBuilder& sample, std::size_t) {
                                           sample.count(TcpState::established, 664'890).count(TcpState::time_wait, 62);
                                           sample.set([](Sample& all) {
                                             all.host.mem_bytes = 128ull << 30;
                                             all.host.mem_available_bytes = 90ull << 30;
                                             all.memory.pages = 4'145;
                                             all.memory.limits_pages = {{1'500'000, 2'000'000, 3'000'000}};
                                             Sockstat host;
                                             host.alloc = 664'959;
                                             host.tcp_inuse = 443'029 + 221'863;
                                             host.tw = 62;
                                             host.mem_pages = 4'145;
                                             all.host_sockstat = all.netns.front().sockstat = host;
                                           });
                                           OwnerTotals broker = a_process(12, "beam.smp").fds(664'950, 1'048'576);
                                           broker.sockets[index_of(TcpState::established)] = 664'890;
                                           sample.add(broker);
                                         }),
                                Policy{});
  EXPECT_THAT(alarms(verdict), IsEmpty());
  EXPECT_THAT(findings_of(verdict, "closed-socket-fd-leak"), IsEmpty());
  EXPECT_THAT(findings_of(verdict, "port-exhaustion"), IsEmpty());
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

}  // namespace
}  // namespace tcpadvisor::incidents_memory_test
