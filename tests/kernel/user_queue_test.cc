// SPDX-License-Identifier: Apache-2.0
// Programs that speak for their connections, on the running kernel: honest ones, liars, floods and the killed. Needs
// root; runs in a network namespace and with a directory of its own.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "agent/collect/collector.h"
#include "tests/kernel/traffic.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::collect::user_queue_test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

Endpoint end_of(int fd, bool ours) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if ((ours ? getsockname(fd, generic, &size) : getpeername(fd, generic, &size)) != 0) std::abort();
  return Endpoint::v4(127, 0, 0, 1, ntohs(address.sin_port));
}

std::string line_for(const Endpoint& local, const Endpoint& remote, const std::string& more) {
  return fmt::format("tcpadvisor-queue 1 local={} remote={} {}\n", local.text(), remote.text(), more);
}

/// To every agent that listens, as a speaker does it: what is full or gone is skipped.
void say(const std::string& directory, const std::string& text) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  std::error_code ignored;  // nobody listens yet
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, entry.path().c_str(), sizeof address.sun_path - 1);
    (void)sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
}

/// A process of the test's own, killed at the end.
class Process {
 public:
  explicit Process(const std::function<void()>& work) : pid_(fork()) {
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives its parent, however that ends
      work();
      _exit(0);
    }
  }
  ~Process() { kill_now(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  void kill_now() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  Pid pid() const { return static_cast<Pid>(pid_); }

 private:
  pid_t pid_;
};

/// A process with a real connection, for which it speaks four times a second.
class Speaker {
 public:
  Speaker(const std::string& directory, const std::string& words)
      : listener_(traffic::listen_on_loopback(5)),
        pair_(traffic::make_pair(listener_)),
        local(end_of(pair_.client.get(), true)),
        remote(end_of(pair_.client.get(), false)),
        process_([&] {
          while (true) {
            say(directory, line_for(local, remote, words));
            std::this_thread::sleep_for(250ms);
          }
        }) {
    pair_.client.reset();  // only the process holds that end
  }
  Process& process() { return process_; }
  const UserQueue* heard_in(const Sample& sample) const {
    for (const UserQueue& queue : sample.user_queues) {
      if (queue.local == local && queue.remote == remote) return &queue;
    }
    return nullptr;
  }

 private:
  traffic::Listener listener_;
  traffic::Pair pair_;

 public:
  const Endpoint local, remote;

 private:
  Process process_;
};

class UserQueues : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static bool entered = traffic::enter_own_namespace(why_not_);
    entered_ = entered;
  }
  void SetUp() override {
    if (!entered_) GTEST_SKIP() << why_not_;
    setenv("TCPADVISOR_QUEUES", directory().c_str(), 1);
  }
  void TearDown() override { unsetenv("TCPADVISOR_QUEUES"); }

  std::string directory() const { return tree_.path() + "/queues"; }

  static std::unique_ptr<Collector> open(Sources sources = Sources::any, bool guard = false) {
    CollectorOptions options;
    options.sources = sources;
    options.interval = 200ms;
    options.show_all = true;
    options.netns.kind = NetnsChoice::Kind::all;
    options.guard = guard;
    auto collector = Collector::open(options);
    EXPECT_TRUE(collector) << collector.error().message;
    return std::move(*collector);
  }

  /// Ticks until `holds`, at most ten seconds; the last sample.
  static SamplePtr tick_until(Collector& collector, const std::function<bool(const Sample&)>& holds) {
    SamplePtr sample;
    for (auto end = Clock::now() + 10s; Clock::now() < end; std::this_thread::sleep_for(200ms)) {
      sample = collector.tick().value();
      if (holds(*sample)) return sample;
    }
    ADD_FAILURE() << "did not happen within ten seconds; user-queues: " << sample->fact(FactId::user_queues)->remark;
    return sample;
  }
  static SamplePtr tick_until_heard(Collector& collector, const Speaker& speaker) {
    return tick_until(collector, [&](const Sample& sample) { return speaker.heard_in(sample) != nullptr; });
  }

  os::TempTree tree_;
  static inline std::string why_not_;
  static inline bool entered_ = false;
};

TEST_F(UserQueues, WhoHoldsAConnectionIsBelievedByEverySource) {
  for (Sources sources : {Sources::any, Sources::netlink, Sources::procfs}) {
    auto collector = open(sources);
    Speaker speaker(directory(), "queued=778763 high=8192 low=4096 suspended=2 name=P");
    SamplePtr sample = tick_until_heard(*collector, speaker);
    const UserQueue* queue = speaker.heard_in(*sample);
    ASSERT_NE(queue, nullptr);
    EXPECT_EQ(queue->pid, speaker.process().pid());
    EXPECT_EQ(queue->queued, 778'763u);
    EXPECT_EQ(queue->suspended, 2u);
    EXPECT_NE(queue->cookie, 0u);
    EXPECT_FALSE(queue->comm.empty());
    const SocketRow* row = sample->row_of(*queue);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(sample->user_queue_of(*row), queue);
    EXPECT_EQ(sample->self.lost.at("user_queues_refused"), 0u);
  }
}

TEST_F(UserQueues, AfterPrivilegesAreDroppedItIsStillChecked) {
  // In a process of its own: what this thread gives up is gone for good.
  Process agent([this] {
    auto collector = open(Sources::any, true);
    Speaker speaker(directory(), "queued=7");
    Process liar([&] {
      while (true) {
        say(directory(), line_for(speaker.local, speaker.remote, "queued=1"));
        std::this_thread::sleep_for(100ms);
      }
    });
    SamplePtr sample = tick_until(*collector, [&](const Sample& now) {
      return speaker.heard_in(now) != nullptr && now.self.lost.at("user_queues_refused") > 0;
    });
    const UserQueue* queue = speaker.heard_in(*sample);
    bool right = queue != nullptr && queue->queued == 7 && sample->self.lost.at("user_queues_refused") > 0;
    _exit(right && !collector->privileges_kept().empty() ? 42 : 1);
  });
  int status = 0;
  ASSERT_EQ(waitpid(static_cast<pid_t>(agent.pid()), &status, 0), static_cast<pid_t>(agent.pid()));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(UserQueues, WhoLiesAboutAConnectionIsRefusedAndTheOwnerIsStillHeard) {
  auto collector = open();
  Speaker honest(directory(), "queued=778763");
  Speaker other(directory(), "queued=5");  // a process with a connection of its own is no better
  Process liar([&] {
    while (true) {
      say(directory(), line_for(honest.local, honest.remote, "queued=1"));
      std::this_thread::sleep_for(50ms);
    }
  });
  tick_until_heard(*collector, honest);
  tick_until_heard(*collector, other);
  SamplePtr sample =
      tick_until(*collector, [](const Sample& now) { return now.self.lost.at("user_queues_refused") >= 3; });
  ASSERT_NE(honest.heard_in(*sample), nullptr);
  EXPECT_EQ(honest.heard_in(*sample)->queued, 778'763u);
  EXPECT_EQ(honest.heard_in(*sample)->pid, honest.process().pid());
  EXPECT_THAT(sample->fact(FactId::user_queues)->remark, HasSubstr(fmt::format("pid {}", liar.pid())));
  EXPECT_THAT(sample->fact(FactId::user_queues)->remark, HasSubstr("does not hold"));
}

TEST_F(UserQueues, AFloodIsCountedAndTheHonestStayHeard) {
  auto collector = open();
  Speaker honest(directory(), "queued=778763");
  tick_until_heard(*collector, honest);
  Process flood([&] {
    std::uint64_t cookie = 0;
    while (true) {  // many lines each, so that it is a flood on a slow processor, too
      std::string datagram;
      for (int line = 0; line < 150; ++line) {
        datagram += fmt::format("tcpadvisor-queue 1 cookie={} queued=1\n", ++cookie);
      }
      say(directory(), datagram);
    }
  });
  std::size_t missing = 0, ticks = 0;
  SamplePtr sample;
  for (auto end = Clock::now() + 7s; Clock::now() < end;
       std::this_thread::sleep_for(200ms)) {  // longer than the expiry
    sample = collector->tick().value();
    ++ticks;
    if (honest.heard_in(*sample) == nullptr) ++missing;
  }
  EXPECT_EQ(missing, 0u) << "of " << ticks << " ticks";
  EXPECT_GT(sample->self.lost.at("user_queues_over_limit"), 1'000u);
  EXPECT_LT(sample->self.snapshot_ms, 1'000);
}

TEST_F(UserQueues, ASpeakerThatIsKilledInMidMessageChangesNothing) {
  auto collector = open();
  Speaker honest(directory(), "queued=5"), victim(directory(), "queued=6");
  tick_until_heard(*collector, victim);
  victim.process().kill_now();
  Process half([&] {
    say(directory(), line_for(victim.local, victim.remote, "queued=1").substr(0, 60));
    kill(getpid(), SIGKILL);
  });
  SamplePtr sample = tick_until(*collector, [&](const Sample& now) {
    return now.self.lost.at("user_queues_refused") > 0 && victim.heard_in(now) == nullptr;
  });
  EXPECT_NE(honest.heard_in(*sample), nullptr);
}

TEST_F(UserQueues, SeveralAgentsHearTheSameAndAKilledOneLeavesNothing) {
  auto one = open(), two = open();
  Process killed([&] {
    auto third = open();
    kill(getpid(), SIGKILL);
  });
  int status = 0;
  waitpid(static_cast<pid_t>(killed.pid()), &status, 0);
  Speaker speaker(directory(), "queued=5");
  tick_until_heard(*one, speaker);
  tick_until_heard(*two, speaker);
  auto sockets = [this] {  // each agent has one for datagrams and one for streams
    return std::distance(std::filesystem::directory_iterator(directory()), std::filesystem::directory_iterator()) / 2;
  };
  EXPECT_EQ(sockets(), 3) << "two that listen, and the file of the killed one";
  auto fourth = open();
  EXPECT_EQ(sockets(), 3) << "which the next one removes";
  one.reset();
  two.reset();
  fourth.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory()));
}

}  // namespace
}  // namespace tcpadvisor::collect::user_queue_test
