// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/chains.h"

#include <gmock/gmock.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::watch::chains_test {
namespace {

using build::a_sample;
using build::a_socket;
using build::a_user_queue;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Endpoint kA = Endpoint::v4(10, 0, 0, 1, 40'000), kB = Endpoint::v4(10, 0, 0, 2, 9'000);
const Endpoint kLoopA = Endpoint::v4(127, 0, 0, 1, 40'000), kLoopB = Endpoint::v4(127, 0, 0, 1, 9'000);

std::vector<std::string> chains(const SamplePtr& sample, std::size_t width = 200) {
  std::vector<std::string> texts;
  for (const Link& link : links_of(*sample)) {
    for (const Line& line : chain_lines(link, glyphs(true), width)) texts.push_back(line.text());
  }
  return texts;
}

TEST(Chains, BothEndsInOneNamespaceAreOneConnection) {
  SamplePtr sample =
      a_sample()
          .add(a_socket().cookie(1).local(kLoopA).remote(kLoopB).pid(1, "writer").send_q(130'944).set([](SocketRow& r) {
            r.not_sent = 40'000;
            r.snd_wnd = 0;
          }))
          .add(a_socket().cookie(2).local(kLoopB).remote(kLoopA).pid(2, "reader").recv_q(2'201'600));
  EXPECT_THAT(chains(sample),
              ElementsAre("  Send-Q 130,944 (not sent 40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[2]"));
}

TEST(Chains, TheOrderOfTheRowsDoesNotMatter) {
  SamplePtr sample = a_sample()
                         .add(a_socket().cookie(2).local(kLoopB).remote(kLoopA).pid(2, "reader").recv_q(7))
                         .add(a_socket().cookie(1).local(kLoopA).remote(kLoopB).pid(1, "writer"));
  std::vector<Link> links = links_of(*sample);
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].near->cookie, 1u);
  EXPECT_EQ(links[0].far->cookie, 2u);
  EXPECT_EQ(links[0].queued(), 7u);
}

TEST(Chains, AnIdleConnectionIsSeenFromTheEndThatConnectedWhateverThePorts) {
  for (std::uint16_t service : {40'000, 50'000}) {
    Endpoint listens = Endpoint::v4(127, 0, 0, 1, service), connects = Endpoint::v4(127, 0, 0, 1, 45'000);
    SamplePtr sample = a_sample()
                           .add(a_socket().cookie(1).listen(service, 0, 128))
                           .add(a_socket().cookie(2).local(listens).remote(connects))
                           .add(a_socket().cookie(3).local(connects).remote(listens));
    std::vector<Link> links = links_of(*sample);
    ASSERT_EQ(links.size(), 1u);
    EXPECT_EQ(links[0].near->cookie, 3u) << service;
  }
}

TEST(Chains, WithoutAListenerTheEndThatManyShareIsTheService) {
  auto sample = a_sample();
  for (std::uint16_t port : {40'000, 40'002, 40'004}) {
    sample.add(
        a_socket().cookie(port).local(Endpoint::v4(10, 0, 0, 1, port)).remote(Endpoint::v4(10, 0, 0, 9, 50'051)));
  }
  sample.add(a_socket().cookie(1).local(Endpoint::v4(10, 0, 0, 1, 40'006)).remote(Endpoint::v4(10, 0, 0, 9, 443)));
  std::vector<Link> links = links_of(*SamplePtr(sample));
  ASSERT_EQ(links.size(), 4u);
  for (const Link& link : links) EXPECT_FALSE(link.serves) << link.near->local.port;
}

TEST(Chains, EndsInTwoNamespacesJoinWhenTheAddressesAreUnique) {
  SamplePtr sample = a_sample()
                         .add(a_socket().cookie(1).local(kA).remote(kB).send_q(5))
                         .add(a_socket().cookie(2).netns(77).local(kB).remote(kA).pid(2, "reader"));
  EXPECT_EQ(links_of(*sample).size(), 1u);
}

TEST(Chains, TwoNamespacesWithTheSameAddressesAreNotGuessed) {
  SamplePtr sample = a_sample()
                         .add(a_socket().cookie(1).local(kA).remote(kB).send_q(5))
                         .add(a_socket().cookie(2).netns(77).local(kB).remote(kA))
                         .add(a_socket().cookie(3).netns(78).local(kB).remote(kA));
  EXPECT_EQ(links_of(*sample).size(), 3u);
  SamplePtr twins = a_sample()
                        .add(a_socket().cookie(1).local(kA).remote(kB).send_q(5))
                        .add(a_socket().cookie(2).netns(77).local(kA).remote(kB))
                        .add(a_socket().cookie(3).netns(78).local(kB).remote(kA));
  EXPECT_EQ(links_of(*twins).size(), 3u);
}

TEST(Chains, LoopbackNeverCrossesNamespaces) {
  SamplePtr sample = a_sample()
                         .add(a_socket().cookie(1).local(kLoopA).remote(kLoopB).send_q(5))
                         .add(a_socket().cookie(2).netns(77).local(kLoopB).remote(kLoopA));
  EXPECT_EQ(links_of(*sample).size(), 2u);
}

TEST(Chains, APeerElsewhereIsCalledPeer) {
  SamplePtr sample =
      a_sample().add(a_socket().cookie(1).local(kA).remote(kB).send_q(500).recv_q(9).set([](SocketRow& r) {
        r.not_sent = 0;
        r.snd_wnd = 64'240;
        r.rcv_wnd = 65'536;
      }));
  EXPECT_THAT(chains(sample),
              ElementsAre("  Send-Q 500 → wire (wnd 64,240) → peer", "  peer → wire (wnd 65,536) → Recv-Q 9"));
}

TEST(Chains, EmptyQueuesNeedNoChain) {
  EXPECT_THAT(chains(a_sample().add(a_socket().local(kA).remote(kB))), IsEmpty());
}

TEST(Chains, AFarEndInAnotherStateIsShown) {
  SamplePtr sample = a_sample()
                         .add(a_socket().cookie(1).local(kLoopA).remote(kLoopB).fin_wait_2().holder(Holder::orphan))
                         .add(a_socket().cookie(2).local(kLoopB).remote(kLoopA).close_wait().pid(2, "api"));
  std::vector<Link> links = links_of(*sample);
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].near->cookie, 2u) << "the line is about the end that a process holds";
  EXPECT_THAT(chains(sample), ElementsAre("  Send-Q 0 → wire → Recv-Q 0 (orphan) FIN_WAIT_2"));
}

TEST(Chains, ASocketConnectedToItselfIsItsOwnConnection) {
  SamplePtr sample = a_sample().add(a_socket().cookie(1).local(kLoopA).remote(kLoopA).send_q(3));
  EXPECT_EQ(links_of(*sample).size(), 1u);
}

// ---- with a program's own queue in front ----

SocketRow a_sender() {
  return a_socket().cookie(1).local(kLoopA).remote(kLoopB).pid(1, "beam").send_q(130'944).set([](SocketRow& r) {
    r.not_sent = 40'000;
    r.snd_wnd = 0;
  });
}
SocketRow a_reader() {
  return a_socket().cookie(2).local(kLoopB).remote(kLoopA).pid(2, "reader").recv_q(2'201'600);
}

TEST(ChainsWithDriver, TheDriverComesFirstAndSaysWhatItHoldsBack) {
  SamplePtr sample = a_sample()
                         .add(a_sender())
                         .add(a_reader())
                         .add(a_user_queue().of(a_sender()).queued(778'763, 900'000).busy(1, 2).pending_shutdown());
  EXPECT_THAT(chains(sample),
              ElementsAre("  driver 778,763 (1 waiting, 2 suspended, shutdown pending) → Send-Q 130,944 (not sent "
                          "40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[2]"));
  std::vector<Link> links = links_of(*sample);
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].queued(), 778'763u + 130'944 + 2'201'600);
}

TEST(ChainsWithDriver, OnANarrowScreenEveryQueueIsStillThere) {
  SamplePtr sample =
      a_sample().add(a_sender()).add(a_reader()).add(a_user_queue().of(a_sender()).queued(778'763, 900'000).busy(1, 2));
  EXPECT_THAT(chains(sample, 80),
              ElementsAre("  driver 778,763 → Send-Q 130,944 → wire (wnd 0) → Recv-Q 2.1 MiB reader[2]",
                          "    driver: 1 waiting, 2 suspended"));
}

TEST(ChainsWithDriver, ADriverMayHaveANameAndTurnSendsAway) {
  SamplePtr sample = a_sample()
                         .add(a_sender())
                         .add(a_reader())
                         .add(a_user_queue().of(a_sender()).queued(778'763, 900'000).busy(1, 2).set([](UserQueue& q) {
                           q.name = "s1_server";
                           q.refused = 1'234;
                         }));
  EXPECT_THAT(chains(sample),
              ElementsAre("  driver s1_server 778,763 (1 waiting, 2 suspended, 1,234 sends refused) → Send-Q 130,944 "
                          "(not sent 40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[2]"));
  EXPECT_THAT(chains(sample, 80),
              ElementsAre("  driver 778,763 → Send-Q 130,944 → wire (wnd 0) → Recv-Q 2.1 MiB reader[2]",
                          "    driver s1_server: 1 waiting, 2 suspended, 1,234 sends refused"));
}

TEST(ChainsWithDriver, SendsRefusedLongAgoAreNoReasonToShowADriver) {
  SocketRow row = a_socket().local(kA).remote(kB);
  EXPECT_THAT(chains(a_sample().add(row).add(a_user_queue().of(row).set([](UserQueue& q) { q.refused = 5; }))),
              IsEmpty());
}

TEST(ChainsWithDriver, AReaderWithALongNameMovesToTheNextLine) {
  SocketRow reader = a_socket().cookie(2).local(kLoopB).remote(kLoopA).pid(1'234'567, "long-reader").recv_q(2'201'600);
  SamplePtr sample =
      a_sample().add(a_sender()).add(reader).add(a_user_queue().of(a_sender()).queued(778'763, 900'000).busy(1));
  EXPECT_THAT(chains(sample, 80), ElementsAre("  driver 778,763 → Send-Q 130,944 → wire (wnd 0) → Recv-Q 2.1 MiB",
                                              "    driver: 1 waiting; Recv-Q of long-reader[1234567]"));
}

TEST(ChainsWithDriver, BytesInTheDriverDecideWhichEndTheLineIsAbout) {
  SocketRow small = a_socket().cookie(1).local(kLoopA).remote(kLoopB).pid(1, "beam");
  SocketRow large = a_socket().cookie(2).local(kLoopB).remote(kLoopA).pid(2, "reader").send_q(5);
  SamplePtr sample = a_sample().add(small).add(large).add(a_user_queue().of(small).queued(6, 6));
  std::vector<Link> links = links_of(*sample);
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].near->cookie, 1u);
  EXPECT_THAT(chains(sample),
              ElementsAre("  driver 6 → Send-Q 0 → wire → Recv-Q 0 reader[2]", "  Send-Q 5 → wire → Recv-Q 0"));
}

TEST(ChainsWithDriver, EachEndMayHaveOne) {
  SamplePtr sample = a_sample()
                         .add(a_sender())
                         .add(a_reader())
                         .add(a_user_queue().of(a_sender()).queued(7, 7))
                         .add(a_user_queue().of(a_reader()).queued(3, 3));
  std::vector<std::string> lines = chains(sample);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("  driver 7 → Send-Q 130,944"));
  EXPECT_TRUE(lines[1].starts_with("  driver 3 → Send-Q 0"));
}

TEST(ChainsWithDriver, AnEmptyDriverIsShownWhenSomethingElseWaitsOrItHoldsSomebodyBack) {
  EXPECT_THAT(
      chains(a_sample().add(a_socket().local(kA).remote(kB)).add(a_user_queue().of(a_socket().local(kA).remote(kB)))),
      IsEmpty());
  SocketRow row = a_socket().local(kA).remote(kB);
  EXPECT_THAT(chains(a_sample().add(row).add(a_user_queue().of(row).message_queue(9'216, 3))),
              ElementsAre("  driver 0 (3 suspended, message queue 9,216 busy) → Send-Q 0 → wire → peer"));
}

TEST(ChainsWithDriver, ALastWordIsShownEvenWhenTheSocketIsGone) {
  UserQueue last = a_user_queue().of(a_sender()).queued(0, 1'047'552).dropped(778'763).ended();
  SamplePtr with_row = a_sample().add(a_sender()).add(last);
  EXPECT_THAT(chains(with_row), ElementsAre("  Send-Q 130,944 (not sent 40,000) → wire (wnd 0) → peer",
                                            "  driver dropped 778,763 of 1,047,552 accepted (ended 0 s ago)"));
  SamplePtr without = a_sample().add(last);
  EXPECT_THAT(chains(without), ElementsAre("  driver dropped 778,763 of 1,047,552 accepted (ended 0 s ago)"));
  std::vector<Link> links = links_of(*without);
  ASSERT_EQ(links.size(), 1u);
  EXPECT_NE(links[0].stand_in, nullptr);
  EXPECT_EQ(links[0].queued(), 778'763u) << "it is among the longest queues, so that somebody sees it";
}

TEST(ChainsWithDriver, AnEndWithoutLossNeedsNoLine) {
  EXPECT_THAT(links_of(*SamplePtr(a_sample().add(a_user_queue().ended()))), IsEmpty());
  EXPECT_THAT(chains(a_sample()
                         .add(a_socket().local(kA).remote(kB))
                         .add(a_user_queue().of(a_socket().local(kA).remote(kB)).ended())),
              IsEmpty());
}

TEST(ChainsWithDriver, ASocketWithoutARowStillHasItsDriver) {
  SamplePtr sample = a_sample().add(a_user_queue().queued(700, 700));
  EXPECT_THAT(chains(sample), ElementsAre("  driver 700 → Send-Q ? (the socket has no line of its own)"));
}

TEST(ChainsWithDriver, AnotherNamespaceIsAnotherConnection) {
  UserQueue elsewhere = a_user_queue().of(a_sender()).queued(5, 5).set([](UserQueue& q) { q.netns = 77; });
  SamplePtr sample = a_sample().add(a_sender()).add(elsewhere);
  EXPECT_EQ(links_of(*sample).size(), 2u);
}

TEST(Chains, ListenersAreNoConnections) {
  EXPECT_THAT(links_of(*SamplePtr(a_sample().add(a_socket().listen(80, 1, 128)))), IsEmpty());
}

}  // namespace
}  // namespace tcpadvisor::watch::chains_test
