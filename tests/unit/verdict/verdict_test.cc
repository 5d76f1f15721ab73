// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/verdict.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "advisor/rules/registry.h"
#include "advisor/verdict/relations.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::verdict_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::AnyOf;
using testing::HasSubstr;

Policy lab() {
  return *Policy::named("lab");
}

std::vector<const Finding*> serious(const Verdict& verdict) {
  std::vector<const Finding*> out;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity != Severity::info) out.push_back(&finding);
  }
  return out;
}

const Finding* with_id(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.findings, id, &Finding::id);
  return found == verdict.findings.end() ? nullptr : &*found;
}

std::string not_assessed(const Verdict& verdict, std::string_view id) {
  auto found = std::ranges::find(verdict.not_assessed, id, &NotAssessed::id);
  return found == verdict.not_assessed.end() ? "" : found->reason;
}

/// `count` connections between two processes of this host, each end in its own state.
void connections(SampleBuilder& sample, std::uint32_t count, const SocketRow& server, const SocketRow& client) {
  for (std::uint32_t i = 0; i < count; ++i) {
    Endpoint service = Endpoint::v4(127, 0, 0, 1, 8443),
             port = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'000 + i));
    SocketRow a = server, b = client;
    a.cookie = 1000 + i;
    a.local = b.remote = service;
    a.remote = b.local = port;
    b.cookie = b.kind == SocketKind::timewait ? 0 : 5000 + i;
    sample.add(a).add(b);
  }
}

void listener(SampleBuilder& sample) {
  sample.add(a_socket().listen(8443, 0, 128).pid(1, "server").drops(0));
}

TEST(Verdict, a_finding_names_the_group_of_its_process) {
  const std::string pod = "3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4";
  auto leak = [&](const std::string& cgroup) {
    return judge(a_window(9,
                          [&](SampleBuilder& sample, std::size_t i) {
                            sample.add(50, a_socket().close_wait().age(49s + 1s * i).pid(42, "api"), 100);
                            sample.add(a_process(42, "api").close_wait(50, 50).cgroup(cgroup));
                            sample.set([&](Sample& s) { s.group_names = {{pod, "shop/web"}}; });
                          }),
                 lab());
  };
  auto group = [&](const std::string& cgroup) {
    Verdict verdict = leak(cgroup);
    return verdict.findings.empty() ? std::nullopt : verdict.findings.front().scope.group;
  };
  EXPECT_EQ(group("/system.slice/api.service"), (OwnerGroup{GroupKind::unit, "api.service", "api.service", ""}));
  EXPECT_EQ(group("/kubepods/burstable/pod" + pod), (OwnerGroup{GroupKind::pod, "shop/web", pod, ""}));
  EXPECT_EQ(group(""), std::nullopt);
}

TEST(Verdict, a_quiet_host_has_no_finding_and_a_list_of_what_is_fine) {
  auto quiet = [](SampleBuilder& sample, std::size_t) {
    listener(sample);
    sample.add(build::a_user_queue()).set([](Sample& s) { s.setting_files.emplace(); });
  };
  Verdict verdict = judge(a_window(8, quiet), lab());
  EXPECT_TRUE(verdict.findings.empty());
  EXPECT_TRUE(verdict.not_assessed.empty());
  EXPECT_EQ(verdict.checked_and_fine.size(), all_rules().size() - 1)
      << "all but do-nothing, which has no number of its own";
  EXPECT_EQ(exit_code(verdict), 0);
}

TEST(Verdict, peers_that_closed_leave_one_finding) {
  Verdict verdict =
      judge(a_window(8,
                     [](SampleBuilder& sample, std::size_t i) {
                       listener(sample);
                       SocketRow orphan = a_socket().fin_wait_2().holder(Holder::orphan).age(10s + 1s * i);
                       orphan.kind = SocketKind::timewait;
                       connections(sample, 50, a_socket().close_wait().pid(1, "server").age(10s + 1s * i), orphan);
                       sample.add(a_process(1, "server").close_wait(50, 50)).count(TcpState::fin_wait_2, 50);
                     }),
            lab());
  ASSERT_EQ(serious(verdict).size(), 1u);
  EXPECT_EQ(serious(verdict)[0]->id, "close-wait-leak");
  EXPECT_FALSE(serious(verdict)[0]->recommendation.change);
  EXPECT_EQ(verdict.findings.size(), 1u);
  EXPECT_EQ(exit_code(verdict), 10);
}

/// E07: the client has shut down its sending half and keeps the descriptor, the server has not closed.
Verdict half_closed(Pid client) {
  return judge(
      a_window(
          8,
          [=](SampleBuilder& sample, std::size_t i) {
            listener(sample);
            auto age = 10s + 1s * i;
            std::string comm = client == 1 ? "server" : "client";
            connections(sample, 50, a_socket().close_wait().pid(1, "server").age(age),
                        a_socket().fin_wait_2().pid(client, comm).age(age));
            if (client == 1) {
              sample.add(a_process(1, "server").close_wait(50, 50).fin_wait_2(50, 50));
            } else {
              sample.add(a_process(1, "server").close_wait(50, 50)).add(a_process(client, comm).fin_wait_2(50, 50));
            }
          }),
      lab());
}

TEST(Verdict, a_half_closed_connection_is_the_fault_of_the_end_that_holds_it) {
  for (Pid client : {2u, 1u}) {
    Verdict verdict = half_closed(client);
    ASSERT_EQ(serious(verdict).size(), 1u) << "client " << client;
    EXPECT_EQ(serious(verdict)[0]->id, "fin-wait2-app-held");
    const Finding* leak = with_id(verdict, "close-wait-leak");
    ASSERT_NE(leak, nullptr);
    EXPECT_EQ(leak->severity, Severity::info);
    EXPECT_EQ(leak->cause, serious(verdict)[0]->instance);
    EXPECT_FALSE(leak->cause.empty());
  }
}

TEST(Verdict, a_leak_of_other_connections_stays_a_leak) {
  Verdict verdict = judge(
      a_window(8,
               [](SampleBuilder& sample, std::size_t) {
                 connections(sample, 12, a_socket().close_wait().pid(1, "server").age(30s),
                             a_socket().fin_wait_2().pid(2, "client").age(30s));
                 sample.add(50, a_socket().close_wait().pid(1, "server").age(30s), 20'000);
                 sample.add(a_process(1, "server").close_wait(62, 62)).add(a_process(2, "client").fin_wait_2(12, 12));
               }),
      lab());
  EXPECT_EQ(serious(verdict).size(), 2u);
  EXPECT_EQ(with_id(verdict, "close-wait-leak")->cause, "");
}

TEST(Verdict, loopback_addresses_of_two_namespaces_are_not_one_connection) {
  Verdict verdict = judge(
      a_window(8,
               [](SampleBuilder& sample, std::size_t) {
                 connections(sample, 50, a_socket().close_wait().pid(1, "server").age(30s),
                             a_socket().netns(7).fin_wait_2().pid(2, "client").age(30s));
                 sample.add(a_process(1, "server").close_wait(50, 50)).add(a_process(2, "client").fin_wait_2(50, 50));
               }),
      lab());
  EXPECT_EQ(serious(verdict).size(), 2u);
}

TEST(Verdict, orphans_of_a_local_leak_need_no_shorter_timer) {
  Verdict verdict = judge(
      a_window(8,
               [](SampleBuilder& sample, std::size_t) {
                 connections(sample, 50, a_socket().close_wait().pid(1, "server").age(30s),
                             a_socket().fin_wait_2().holder(Holder::orphan));
                 sample.add(a_process(1, "server").close_wait(50, 50)).sysctl("net.ipv4.tcp_max_tw_buckets", {100});
               }),
      lab());
  const Finding* buildup = with_id(verdict, "fin-wait2-orphan-buildup");
  ASSERT_NE(buildup, nullptr);
  EXPECT_EQ(buildup->cause, with_id(verdict, "close-wait-leak")->instance);
  EXPECT_FALSE(buildup->recommendation.change);
  EXPECT_EQ(buildup->finding_class, FindingClass::peer);
}

TEST(Verdict, a_full_queue_explains_unaccepted_connections) {
  Verdict verdict = judge(
      a_window(
          8,
          [](SampleBuilder& sample, std::size_t i) {
            sample.add(a_socket().listen(8443, 65, 64).pid(1, "server").drops(50 * i));
            sample.add(
                40,
                a_socket().close_wait().holder(Holder::unaccepted).age(20s).local(Endpoint::v4(127, 0, 0, 1, 8443)));
          }),
      lab());
  ASSERT_EQ(serious(verdict).size(), 1u);
  EXPECT_EQ(serious(verdict)[0]->id, "accept-queue-app-slow");
  EXPECT_EQ(with_id(verdict, "close-wait-unaccepted")->cause, serious(verdict)[0]->instance);
  EXPECT_EQ(exit_code(verdict), 11);
}

TEST(Verdict, a_leaking_process_is_repaired_before_a_limit_is_raised) {
  Verdict verdict =
      judge(a_window(8,
                     [](SampleBuilder& sample, std::size_t) {
                       sample.set([](Sample& s) { s.memory.pages = 400'000; });
                       sample.add(50, a_socket().close_wait().pid(1, "server").age(30s).recv_q(30'000'000));
                       sample.add(a_process(1, "server").close_wait(50, 50).memory(1'500'000'000, 0))
                           .add(a_process(2, "web").memory(1000, 1000));
                     }),
            lab());
  const Finding* memory = with_id(verdict, "tcp-mem-pressure-global");
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(memory->cause, with_id(verdict, "close-wait-leak")->instance);
  EXPECT_EQ(memory->recommendation.kind, RecommendationKind::application);
  EXPECT_FALSE(memory->recommendation.change);
}

TEST(Verdict, one_recommendation_per_knob) {
  Verdict verdict =
      judge(a_window(10,
                     [](SampleBuilder& sample, std::size_t i) {
                       sample.sysctl("net.core.somaxconn", {8});
                       sample.add(a_socket().cookie(1).listen(80, 0, 8).pid(1, "a").drops(i < 5 ? 0 : 347));
                       sample.add(a_socket().cookie(2).listen(81, 0, 8).pid(2, "b").drops(i < 5 ? 0 : 3000));
                       sample.counter("TcpExt.ListenOverflows", i < 5 ? 0 : 3347);
                     }),
            lab());
  ASSERT_EQ(verdict.findings.size(), 2u);
  std::vector<std::string> targets;
  for (const Finding& finding : verdict.findings) {
    if (finding.recommendation.kind == RecommendationKind::sysctl) {
      ASSERT_TRUE(finding.recommendation.change);
      targets.push_back(values_text(finding.recommendation.change->target));
    } else {
      EXPECT_THAT(finding.recommendation.text, HasSubstr("Covered by net.core.somaxconn = 8192"));
    }
  }
  EXPECT_EQ(targets, std::vector<std::string>{"8192"}) << "the larger one";
}

Verdict two_leaks(Pid first, Pid second) {
  return judge(
      a_window(
          5,
          [=](SampleBuilder& sample, std::size_t) {
            listener(sample);
            Endpoint service = Endpoint::v4(127, 0, 0, 1, 8443);
            sample.add(20, a_socket().close_wait().age(30s).pid(first, "api").local(service), 100);
            sample.add(30, a_socket().close_wait().age(30s).pid(second, "api").local(service), 200);
            sample.add(a_process(first, "api").close_wait(20, 20)).add(a_process(second, "api").close_wait(30, 30));
          }),
      lab());
}

TEST(Verdict, instances_survive_a_restart_and_tell_twins_apart) {
  auto instances = [](const Verdict& verdict) {
    std::set<std::string> out;
    for (const Finding& finding : verdict.findings) out.insert(finding.instance);
    return out;
  };
  std::set<std::string> before = instances(two_leaks(10, 11)), after = instances(two_leaks(900, 901));
  EXPECT_EQ(before.size(), 2u);
  EXPECT_EQ(before, after);
  for (const std::string& instance : before) EXPECT_EQ(instance.size(), 16u);
}

TEST(Verdict, is_sorted_by_severity_then_size) {
  Verdict verdict = two_leaks(10, 11);
  ASSERT_EQ(verdict.findings.size(), 2u);
  EXPECT_EQ(verdict.findings[0].scope.count, 30u);
}

TEST(Verdict, an_unread_namespace_is_not_assessed) {
  Verdict verdict = judge(a_window(3,
                                   [](SampleBuilder& sample, std::size_t) {
                                     sample.set([](Sample& s) {
                                       NetnsSample other;
                                       other.id = 9;
                                       other.name = "blue";
                                       other.error = "cannot enter: Operation not permitted";
                                       s.netns.push_back(other);
                                     });
                                   }),
                          lab());
  EXPECT_NE(not_assessed(verdict, "netns:blue"), "");
}

TEST(Verdict, namespaces_that_cannot_be_entered_are_not_assessed) {
  Verdict verdict = judge(a_window(3,
                                   [](SampleBuilder& sample, std::size_t) {
                                     sample.cover("namespaces", "own namespace").set([](Sample& s) {
                                       Attempt all{.source = "setns",
                                                   .outcome = AttemptOutcome::failed,
                                                   .why_not = "Operation not permitted",
                                                   .cure = "CAP_SYS_ADMIN",
                                                   .sys_errno = 1};
                                       s.coverage.back().attempts = {all};
                                     });
                                   }),
                          lab());
  EXPECT_EQ(not_assessed(verdict, "netns:others"),
            "only own namespace could be read: Operation not permitted; needs CAP_SYS_ADMIN");
}

/// A window over the namespaces of which the last sample could not read `unread` of `all`.
Window partly_read(std::size_t all, std::size_t unread) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    sample.set([=](Sample& s) {
      for (std::size_t i = s.netns.size(); i < all; ++i) {
        NetnsSample& more = s.netns.emplace_back();
        more.id = 100 + i;
        more.name = fmt::format("blue{}", i);
        more.sysctls = s.netns.front().sysctls;
        more.counters = s.netns.front().counters;
      }
      for (std::size_t i = 0; i < unread; ++i) s.netns[all - 1 - i].error = "it has vanished";
    });
  });
}

TEST(Verdict, nothing_is_fine_where_nothing_could_be_read) {
  Verdict verdict = judge(partly_read(2, 2), lab());
  EXPECT_FALSE(verdict.could_see);
  EXPECT_EQ(exit_code(verdict), 12);
  for (const CheckedAndFine& fine : verdict.checked_and_fine) {
    EXPECT_THAT(fine.id, AnyOf("tcp-mem-pressure-global", "softnet-drop", "memcg-socket-pressure"))
        << "the host's memory and its processors are seen from anywhere";
  }
  EXPECT_THAT(not_assessed(verdict, "close-wait-leak"), HasSubstr("it has vanished"));
}

TEST(Verdict, what_is_fine_says_where_it_was_seen) {
  Verdict verdict = judge(partly_read(3, 1), lab());
  EXPECT_TRUE(verdict.could_see);
  EXPECT_EQ(exit_code(verdict), 0);
  auto leak = std::ranges::find(verdict.checked_and_fine, "close-wait-leak", &CheckedAndFine::id);
  ASSERT_NE(leak, verdict.checked_and_fine.end());
  EXPECT_THAT(leak->metric, HasSubstr("(in 2 of 3 namespaces)"));
  EXPECT_EQ(unseen(verdict), 1u) << "the namespace";
}

TEST(Verdict, programs_that_publish_nothing_are_no_gap_in_the_view) {
  Verdict verdict = judge(a_window(8, [](SampleBuilder&, std::size_t) {}), lab());
  EXPECT_NE(not_assessed(verdict, "user-queue-watermark"), "");
  EXPECT_EQ(unseen(verdict), 0u);
  Verdict deaf =
      judge(a_window(8, [](SampleBuilder& sample,
                           std::size_t) { sample.set([](Sample& s) { s.self.lost["user_queues_refused"] = 3; }); }),
            lab());
  EXPECT_GE(unseen(deaf), 1u) << "somebody spoke and was not believed";
}

TEST(Verdict, one_sample_is_not_enough) {
  Verdict one = judge(a_window(1, [](SampleBuilder&, std::size_t) {}), lab());
  EXPECT_FALSE(one.enough_data);
  EXPECT_EQ(exit_code(one), 12);
  EXPECT_EQ(judge(Window(), lab()).not_assessed.size(), all_rules().size());
}

TEST(Verdict, selects_rules) {
  Verdict all = judge(a_window(8, [](SampleBuilder&, std::size_t) {}), lab());
  Verdict only = all, skip = all, wrong = all;
  ASSERT_TRUE(select(only, {"close-wait-leak"}, {}));
  ASSERT_EQ(only.checked_and_fine.size(), 1u);
  EXPECT_EQ(only.checked_and_fine[0].id, "close-wait-leak");
  ASSERT_TRUE(select(skip, {}, {"close-wait-leak"}));
  EXPECT_EQ(skip.checked_and_fine.size(), all.checked_and_fine.size() - 1);
  Status status = select(wrong, {"close-wait"}, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::bad_input);
  EXPECT_THAT(status.error().message, HasSubstr("--only: there is no rule 'close-wait'"));
}

TEST(Verdict, folk_advice_is_answered_with_this_hosts_numbers) {
  Verdict verdict = judge(a_window(3,
                                   [](SampleBuilder& sample, std::size_t) {
                                     listener(sample);
                                     sample.count(TcpState::time_wait, 3000);
                                   }),
                          lab());
  std::map<std::string, std::string> said;
  for (const NotRecommended& advice : verdict.not_recommended) said[advice.advice] = advice.why;
  EXPECT_THAT(said["net.ipv4.tcp_tw_recycle=1"], HasSubstr("6.12.30"));
  EXPECT_THAT(said["lower net.ipv4.tcp_max_tw_buckets"], HasSubstr("131,072"));
  EXPECT_THAT(said["net.ipv4.tcp_mem by hand"], HasSubstr("211 of 380,000 pages"));
  EXPECT_THAT(said["raise net.ipv4.tcp_max_syn_backlog"], HasSubstr("tcp_syncookies is 1"));
}

/// Anything that a source may say, sensible or not.
Window random_window(std::mt19937& random) {
  auto below = [&](std::uint64_t limit) { return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random); };
  auto maybe = [&](auto value) { return below(4) == 0 ? std::optional<decltype(value)>() : std::optional(value); };
  std::size_t samples = 1 + below(12);
  return a_window(samples, [&](SampleBuilder& sample, std::size_t i) {
    if (below(8) == 0) sample.cover(below(2) ? "owners" : "snapshot", "");
    for (std::size_t k = 0; k < 60; ++k) {
      SocketRow row = a_socket().cookie(below(5) == 0 ? 0 : k + 1).state(static_cast<TcpState>(1 + below(12)));
      row.holder = static_cast<Holder>(below(5));
      if (row.holder == Holder::process) row.owner = Owner{.pid = static_cast<Pid>(1 + below(3)), .comm = "x", .fd = 3};
      row.inode = below(2) * (k + 1);
      row.local.port = static_cast<std::uint16_t>(below(4));
      row.state_age_ms = maybe(below(200'000));
      row.state_age_is_lower_bound = below(2);
      row.recv_q = below(1'000'000);
      row.rcvbuf = maybe(below(500'000));
      row.sndbuf = maybe(below(500'000));
      row.rmem_alloc = maybe(below(600'000));
      row.accept_queue = maybe(static_cast<std::uint32_t>(below(10)));
      row.accept_limit = maybe(static_cast<std::uint32_t>(below(10)));
      row.drops = maybe(below(3) * i * 50);
      row.locks = maybe(BufferLocks{.sndbuf = below(2) == 0, .rcvbuf = below(2) == 0});
      row.bytes_received = maybe(i * below(20'000'000));
      row.rcv_rtt_us = maybe(static_cast<std::uint32_t>(below(50'000)));
      row.rcv_wnd = maybe(static_cast<std::uint32_t>(below(100'000)));
      row.busy_us = maybe(i * below(2'000'000));
      row.sndbuf_limited_us = maybe(i * below(1'000'000));
      sample.add(row);
    }
    for (std::uint16_t k = 0; k < 6; ++k) {
      SocketRow row = a_socket().cookie(500 + k).local(Endpoint::v4(10, 0, 0, 1, k)).send_q(below(2) * below(200'000));
      row.snd_wnd = maybe(static_cast<std::uint32_t>(below(2) * 60'000));
      row.bytes_acked = maybe(below(2) * i * 1'000);
      row.not_sent = maybe(below(300'000));
      row.sndbuf = maybe(below(2) == 0 ? 4'608 : below(500'000));
      row.snd_cwnd = row.mss = row.srtt_us = static_cast<std::uint32_t>(below(2'000));
      row.app_limited = maybe(below(2) == 0);
      row.rwnd_limited_us = maybe(i);
      UserQueue queue;
      queue.netns = row.netns;
      queue.local = row.local;
      queue.remote = row.remote;
      queue.pid = static_cast<Pid>(1 + k % 3);
      queue.comm = "x";
      // Steady ones and growing ones beside noise, so that the rules have something to find.
      queue.queued = k < 2 ? 20'000 + i * k * 1'000 : below(3) * below(100'000);
      queue.high = maybe(below(8) == 0 ? below(4) : 8'192);
      queue.low = maybe(below(8'192));
      queue.busy = maybe(k < 2 || below(2) == 0);
      queue.waiting = maybe(static_cast<std::uint32_t>(below(3)));
      queue.suspended = maybe(static_cast<std::uint32_t>(k == 3 ? 40 * i : below(20)));
      queue.message_queue = queue.message_high = queue.message_low = maybe(below(9'000));
      queue.message_busy = maybe(k == 4 || below(3) == 0);
      queue.pending_shutdown = maybe(k == 1 || below(4) == 0);
      queue.accepted = maybe(below(3) * i * 50'000);
      queue.bypassed = maybe(i * 1'000);
      queue.dropped = maybe(below(40) == 0 ? below(1'000'000) : 0);
      queue.refused = maybe(below(100));
      queue.ended = below(40) == 0;
      if (below(10) > 0) sample.add(row);
      if (below(20) > 0) sample.add(queue);
    }
    for (Pid pid = 1; pid < 4; ++pid) {
      auto count = static_cast<std::uint32_t>(below(60));
      sample.add(a_process(pid, "x")
                     .close_wait(count, static_cast<std::uint32_t>(below(count + 1)))
                     .fin_wait_2(count, count / 2)
                     .sockets(TcpState::close, static_cast<std::uint32_t>(below(40)))
                     .fds(static_cast<std::uint32_t>(below(2000)), below(2000))
                     .memory(below(1u << 30), below(1u << 30), below(1u << 20)));
    }
    sample.set([&](Sample& s) {
      s.memory.pages = maybe(below(600'000));
      s.memory.under_pressure = maybe(below(4) == 0);
      s.host.mem_bytes = below(1ull << 36);
      s.rows_suppressed = below(3) == 0 ? below(1000) : 0;
    });
    sample.sysctl("net.core.somaxconn", {static_cast<std::int64_t>(below(16))});
    for (auto& [name, value] : sample.host_ns().counters) value = below(5) == 0 ? below(10'000) : i * 100;
    sample.count(TcpState::fin_wait_2, below(40'000))
        .count(TcpState::time_wait, below(20'000))
        .count(TcpState::established, below(50));
  });
}

TEST(Verdict, random_samples_never_break_the_promises) {
  std::mt19937 random(20'261'122);
  std::set<std::string> fired;
  for (int round = 0; round < 400; ++round) {
    Window window = random_window(random);
    Verdict verdict = judge(window, round % 2 ? lab() : Policy{});
    std::set<std::pair<std::string, std::string>> knobs;
    std::set<std::string> instances;
    for (const Finding& finding : verdict.findings) instances.insert(finding.instance);
    EXPECT_EQ(instances.size(), verdict.findings.size()) << "an instance is one finding";
    for (const Finding& finding : verdict.findings) {
      fired.insert(finding.id);
      for (const Measurement& part : finding.evidence) EXPECT_TRUE(std::isfinite(part.value)) << part.metric;
      EXPECT_FALSE(finding.evidence.empty()) << finding.id;
      EXPECT_FALSE(finding.recommendation.text.empty()) << finding.id;
      EXPECT_TRUE(finding.cause.empty() || (instances.contains(finding.cause) && finding.cause != finding.instance))
          << finding.id;
      const Recommendation& cure = finding.recommendation;
      EXPECT_EQ(cure.kind == RecommendationKind::sysctl, cure.change.has_value()) << finding.id;
      if (!cure.change) continue;
      std::string knob(cure.change->knob);
      EXPECT_TRUE(knobs.insert({knob, text_of(*cure.change).scope}).second) << knob;
    }
    for (const CheckedAndFine& fine : verdict.checked_and_fine) {
      EXPECT_EQ(with_id(verdict, fine.id), nullptr) << "fine and not fine at once";
      EXPECT_TRUE(std::ranges::none_of(verdict.not_assessed, [&](const NotAssessed& part) {
        return part.id == fine.id;
      })) << fine.id;
    }
  }
  EXPECT_GE(fired.size(), 12u) << "the random samples must exercise the rules";
}

}  // namespace
}  // namespace tcpadvisor::verdict_test
