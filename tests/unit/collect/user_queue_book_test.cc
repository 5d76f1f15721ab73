// SPDX-License-Identifier: Apache-2.0
// Who is believed: over a /proc made by hand, with sockets that the test invents.
#include "agent/collect/user_queue_book.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::collect::user_queue_book_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr NetnsId kNetns = 4026531840, kOther = 4026532777;
const Endpoint kA = Endpoint::v4(127, 0, 0, 1, 40'000), kB = Endpoint::v4(127, 0, 0, 1, 5'000);

std::string word(const std::string& more = "queued=778763") {
  return "tcpadvisor-queue 1 local=127.0.0.1:40000 remote=127.0.0.1:5000 " + more;
}

/// Processes with descriptors, sockets that the kernel knows, and what was asked.
class Scene {
 public:
  Scene() : book_(inbox_, tree_.root(), [this](const auto& netns, auto names) { return find(netns, names); }) {
    tree_.link("/proc/thread-self/ns/net", fmt::format("net:[{}]", kNetns));
  }

  Scene& process(Pid pid, const std::string& comm, NetnsId netns = kNetns) {
    tree_.file(fmt::format("/proc/{}/comm", pid), comm + "\n");
    tree_.file(fmt::format("/proc/{}/fd/0", pid), "");
    tree_.link(fmt::format("/proc/{}/ns/net", pid), fmt::format("net:[{}]", netns));
    return *this;
  }
  Scene& holds(Pid pid, int fd, std::uint64_t inode) {
    tree_.link(fmt::format("/proc/{}/fd/{}", pid, fd), fmt::format("socket:[{}]", inode));
    return *this;
  }
  Scene& closes(Pid pid, int fd) {
    tree_.remove(fmt::format("/proc/{}/fd/{}", pid, fd));
    return *this;
  }
  Scene& exits(Pid pid) {
    tree_.remove(fmt::format("/proc/{}", pid));
    return *this;
  }
  Scene& socket(NetnsId netns, Endpoint local, Endpoint remote, std::uint64_t inode, std::uint64_t cookie) {
    SocketRow row;
    row.netns = netns;
    row.local = local;
    row.remote = remote;
    row.inode = inode;
    row.cookie = cookie;
    sockets.push_back(row);
    return *this;
  }
  Scene& say(Pid pid, const std::string& text) {
    EXPECT_TRUE(inbox_.admit(pid, false, now_ms));
    inbox_.take(pid, text, now_ms);
    return *this;
  }
  /// The pid and the queued bytes of what is believed.
  std::vector<std::pair<Pid, std::uint64_t>> check(std::uint64_t later_ms = 1'000) {
    now_ms += later_ms;
    book_.check({.rows = rows, .netns = chosen, .now_ms = now_ms});
    std::vector<std::pair<Pid, std::uint64_t>> believed;
    for (const UserQueue& queue : book_.queues()) believed.emplace_back(queue.pid, queue.queued);
    return believed;
  }
  std::string last_refusal(std::string_view kind) {
    auto refusals = inbox_.refusals();
    auto at = refusals.find(kind);
    return at == refusals.end() ? "" : at->second.last;
  }

  UserQueueBook& book() { return book_; }
  sources::UserQueueInbox& inbox() { return inbox_; }

  std::vector<SocketRow> sockets, rows;
  std::set<NetnsId> chosen;
  std::optional<Error> lookups_fail;
  int lookups = 0;
  std::size_t names_asked = 0;
  std::uint64_t now_ms = 10'000;

 private:
  Result<FoundSockets> find(const os::NetnsRef& netns, std::span<const ConnectionName> names) {
    ++lookups;
    names_asked += names.size();
    if (lookups_fail) return std::unexpected(*lookups_fail);
    FoundSockets found(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (const SocketRow& row : sockets) {
        bool same = names[i].has_addresses() ? row.local == names[i].local && row.remote == names[i].remote
                                             : row.cookie == names[i].cookie;
        if (row.netns == netns.id && same) found[i] = row;
      }
    }
    return found;
  }

  os::TempTree tree_;
  sources::UserQueueInbox inbox_;
  UserQueueBook book_;
};

TEST(UserQueueBook, AProcessThatHoldsTheSocketIsBelieved) {
  Scene scene;
  scene.process(700, "beam.smp")
      .holds(700, 9, 55)
      .socket(kNetns, kA, kB, 55, 17)
      .say(700, word("queued=5 busy=1 name=P"));
  EXPECT_THAT(scene.check(300), ElementsAre(std::pair(700u, 5u)));
  const UserQueue& queue = scene.book().queues()[0];
  EXPECT_EQ(queue.netns, kNetns);
  EXPECT_EQ(queue.local, kA);
  EXPECT_EQ(queue.remote, kB);
  EXPECT_EQ(queue.cookie, 17u);
  EXPECT_EQ(queue.comm, "beam.smp");
  EXPECT_EQ(queue.name, "P");
  EXPECT_EQ(queue.busy, true);
  EXPECT_EQ(queue.age_ms, 300u);
  EXPECT_EQ(scene.book().refused(), 0u);
  EXPECT_EQ(scene.book().remark(), "1 program speaks for 1 connection");
}

TEST(UserQueueBook, AProcessThatDoesNotHoldItIsALiar) {
  Scene scene;
  scene.process(700, "beam.smp").holds(700, 9, 55).process(666, "liar").holds(666, 3, 56);
  scene.socket(kNetns, kA, kB, 55, 17).say(700, word()).say(666, word("queued=1"));
  EXPECT_THAT(scene.check(), ElementsAre(std::pair(700u, 778'763u)));
  EXPECT_EQ(scene.book().refused(), 1u);
  EXPECT_EQ(scene.last_refusal("not held by its speaker"),
            "pid 666 (liar) does not hold 127.0.0.1:40000 > 127.0.0.1:5000");
  EXPECT_THAT(scene.book().remark(), HasSubstr("refused 1, last: pid 666 (liar)"));
}

TEST(UserQueueBook, AConnectionThatDoesNotExistIsRefused) {
  Scene scene;
  scene.process(700, "a").say(700, word());
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_THAT(scene.last_refusal("no such connection"), HasSubstr("127.0.0.1:40000 > 127.0.0.1:5000"));
}

TEST(UserQueueBook, AddressesMeanTheSpeakersOwnNamespace) {
  Scene scene;
  scene.process(700, "a", kOther).holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), IsEmpty()) << "the same addresses in another namespace are another connection";
  scene.socket(kOther, kA, kB, 77, 18).holds(700, 10, 77).say(700, word());
  EXPECT_THAT(scene.check(), SizeIs(1));
  EXPECT_EQ(scene.book().queues()[0].netns, kOther);
}

TEST(UserQueueBook, NamespacesThatNobodyAskedForAreNotShownAndNoLie) {
  Scene scene;
  scene.chosen = {kOther};
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 0u);
}

TEST(UserQueueBook, ACookieIsFoundAndMustFitTheAddresses) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17);
  scene.say(700, "tcpadvisor-queue 1 cookie=17 queued=3");
  EXPECT_THAT(scene.check(), ElementsAre(std::pair(700u, 3u)));
  EXPECT_EQ(scene.book().queues()[0].remote, kB);
  scene.say(700, "tcpadvisor-queue 1 cookie=18 queued=3").say(700, word("cookie=19 queued=3"));
  EXPECT_THAT(scene.check(), SizeIs(1));
  EXPECT_EQ(scene.book().refused(), 2u);
}

TEST(UserQueueBook, ASocketThatNobodyHoldsHasNoSpeaker) {
  Scene scene;
  scene.process(700, "a").socket(kNetns, kA, kB, 0, 17).say(700, word());
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 1u);
}

TEST(UserQueueBook, TheKernelsWordOnOwnersNeedsNoLookup) {
  Scene scene;
  SocketRow row;
  row.netns = kOther;
  row.local = kA;
  row.remote = kB;
  row.cookie = 17;
  row.owner = Owner{700, "beam.smp", 9, 1};
  scene.rows = {row};
  scene.process(666, "liar").socket(kNetns, kA, kB, 55, 17).say(700, word()).say(666, word("queued=1"));
  EXPECT_THAT(scene.check(), ElementsAre(std::pair(700u, 778'763u)));
  EXPECT_EQ(scene.lookups, 1) << "only for the liar";
  EXPECT_EQ(scene.book().queues()[0].netns, kOther);
  EXPECT_EQ(scene.book().refused(), 1u);
}

TEST(UserQueueBook, EachTickLooksAtTheDescriptorAndNowAndThenAtTheConnection) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17);
  for (int i = 0; i < 5; ++i) {
    scene.say(700, word());
    EXPECT_THAT(scene.check(), SizeIs(1));
  }
  EXPECT_EQ(scene.lookups, 1);
  scene.say(700, word()).check();
  EXPECT_EQ(scene.lookups, 2) << "5 s later";
}

TEST(UserQueueBook, ADescriptorThatLeadsElsewhereProvesNothing) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), SizeIs(1));
  scene.closes(700, 9).holds(700, 9, 56);  // the number is used again
  for (int i = 0; i < 4; ++i) EXPECT_THAT(scene.say(700, word()).check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 1u) << "a close is no lie at first, but to go on is";
  scene.closes(700, 9).holds(700, 12, 55);
  EXPECT_THAT(scene.say(700, word()).check(), SizeIs(1)) << "another descriptor of the same socket will do";
}

TEST(UserQueueBook, ALastWordIsBelievedAfterTheCloseIfTheWordBeforeWas) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), SizeIs(1));
  scene.sockets.clear();
  scene.exits(700).say(700, word("queued=0 dropped=778763 ended=1"));
  ASSERT_THAT(scene.check(), SizeIs(1));
  EXPECT_TRUE(scene.book().queues()[0].ended);
  EXPECT_EQ(scene.book().queues()[0].dropped, 778'763u);
  EXPECT_THAT(scene.check(58'000), SizeIs(1));
  EXPECT_THAT(scene.check(2'000), IsEmpty()) << "a minute is over";
  EXPECT_EQ(scene.book().refused(), 0u);
}

TEST(UserQueueBook, ALastWordMayComeATickAfterTheClose) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), SizeIs(1));
  scene.sockets.clear();
  scene.closes(700, 9);
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_THAT(scene.say(700, word("queued=0 dropped=5 ended=1")).check(), SizeIs(1));
  EXPECT_EQ(scene.book().refused(), 0u);
}

TEST(UserQueueBook, ALastWordOfAStrangerIsNotBelieved) {
  Scene scene;
  scene.process(666, "liar").say(666, word("queued=0 dropped=5 ended=1"));
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 0u) << "it may have held that connection for a moment";
  EXPECT_THAT(scene.last_refusal("cannot be checked"), HasSubstr("it is closed"));
  scene.socket(kNetns, kA, kB, 55, 17).say(666, word("queued=0 dropped=5 ended=1"));
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 1u) << "but this one is somebody else's";
}

TEST(UserQueueBook, WhatCannotBeCheckedIsNeitherBelievedNorALie) {
  Scene scene;
  scene.lookups_fail = Error{ErrorCode::denied, "cannot enter network namespace pid:700 (needs CAP_SYS_ADMIN)", EPERM};
  scene.process(700, "a").holds(700, 9, 55).socket(kNetns, kA, kB, 55, 17).say(700, word());
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 0u);
  EXPECT_EQ(scene.last_refusal("cannot be checked"),
            "cannot check that pid 700 holds 127.0.0.1:40000 > 127.0.0.1:5000: cannot enter network namespace pid:700 "
            "(needs CAP_SYS_ADMIN)");
}

TEST(UserQueueBook, AProcessThatHasEndedBeforeItWasCheckedIsNotCalledALiar) {
  Scene scene;
  scene.socket(kNetns, kA, kB, 55, 17).say(700, word("queued=0 ended=1"));
  EXPECT_THAT(scene.check(), IsEmpty());
  EXPECT_EQ(scene.book().refused(), 0u);
  EXPECT_THAT(scene.last_refusal("cannot be checked"),
              HasSubstr("pid 700 holds 127.0.0.1:40000 > 127.0.0.1:5000: it has ended"));
}

TEST(UserQueueBook, TwoProcessesMayHoldOneSocketTheLatestWordCounts) {
  Scene scene;
  scene.process(700, "a").holds(700, 9, 55).process(701, "b").holds(701, 9, 55).socket(kNetns, kA, kB, 55, 17);
  scene.say(700, word("queued=1"));
  scene.now_ms += 10;
  scene.say(701, word("queued=2"));
  EXPECT_THAT(scene.check(), ElementsAre(std::pair(701u, 2u)));
  EXPECT_EQ(scene.book().refused(), 0u);
}

TEST(UserQueueBook, QueuesAreSortedByConnection) {
  Scene scene;
  scene.process(700, "a");
  for (std::uint16_t i = 0; i < 5; ++i) {
    Endpoint local = Endpoint::v4(127, 0, 0, 1, static_cast<std::uint16_t>(40'004 - i));
    scene.holds(700, 10 + i, 100 + i).socket(kNetns, local, kB, 100 + i, 200 + i);
    scene.say(700, fmt::format("tcpadvisor-queue 1 cookie={} queued={}", 200 + i, i));
  }
  EXPECT_THAT(scene.check(), SizeIs(5));
  EXPECT_TRUE(std::ranges::is_sorted(scene.book().queues(), {}, &UserQueue::local));
}

TEST(UserQueueBook, LiesInMassesCostABoundedNumberOfLookupsAndTheHonestAreHeard) {
  Scene scene;
  scene.process(900, "honest").holds(900, 4, 17).socket(kNetns, kA, kB, 17, 170);
  std::string lies;
  for (int port = 1; port <= 1'000; ++port) {
    lies += fmt::format("tcpadvisor-queue 1 local=127.0.0.2:{} remote=127.0.0.2:9 queued=1\n", port);
  }
  for (Pid pid = 1'001; pid <= 1'003; ++pid) scene.process(pid, "liar");
  int heard = 0;
  for (int tick = 0; tick < 8; ++tick) {
    for (Pid pid = 1'001; pid <= 1'003; ++pid) scene.say(pid, lies);
    scene.say(900, word());
    scene.names_asked = 0;
    bool shown = !scene.check().empty();
    EXPECT_LE(scene.names_asked, UserQueueBook::kLookUpsPerCheck);
    EXPECT_TRUE(shown || heard == 0) << "once believed, always shown; tick " << tick;
    heard += shown;
  }
  EXPECT_GE(heard, 5);
}

TEST(UserQueueBook, ComplaintsComeOnceAMinuteForEachKind) {
  Scene scene;
  scene.process(666, "liar").say(666, word()).say(666, "nonsense\nnonsense");
  scene.check();
  auto lines = scene.book().complaints(scene.now_ms);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr("no such connection: pid 666 (liar)"));
  EXPECT_THAT(lines[1], HasSubstr("not a message: pid 666: 'nonsense'"));
  EXPECT_THAT(lines[1], HasSubstr("(and 1 more)"));
  scene.say(666, word()).check();
  EXPECT_THAT(scene.book().complaints(scene.now_ms), IsEmpty());
  EXPECT_THAT(scene.book().complaints(scene.now_ms + 60'000), SizeIs(1)) << "only the one that grew";
}

TEST(UserQueueBook, WhatGoesWrongInOtherNamespacesIsNoComplaintWhereOneIsChosen) {
  Scene scene;
  scene.chosen = {kNetns};
  scene.inbox().wait_for_settling();
  scene.process(7, "ours").process(8, "other", kOther);
  scene.say(7, "nonsense").say(8, "nonsense").say(8, word());
  scene.check();
  EXPECT_EQ(scene.book().refused(), 1u);
  auto lines = scene.book().complaints(scene.now_ms);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("pid 7"));
}

TEST(UserQueueBook, WhoSpeaksForASocketOfTheChosenNamespaceIsHeardFromAnywhere) {
  Scene scene;
  scene.chosen = {kNetns};
  scene.inbox().wait_for_settling();
  scene.process(8, "other", kOther).socket(kNetns, kA, kB, 42, 1).holds(8, 5, 42);
  SocketRow row = scene.sockets.front();
  row.owner = Owner{.pid = 8, .comm = "other", .fd = 5};
  scene.rows = {row};
  scene.say(8, word());
  EXPECT_THAT(scene.check(), SizeIs(1));
  scene.say(8, "nonsense");
  scene.check();
  EXPECT_EQ(scene.book().refused(), 1u);
}

}  // namespace
}  // namespace tcpadvisor::collect::user_queue_book_test
