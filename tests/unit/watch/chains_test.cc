// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/chains.h"

#include <gmock/gmock.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::watch {
namespace {

using build::a_sample;
using build::a_socket;
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

TEST(Chains, ListenersAreNoConnections) {
  EXPECT_THAT(links_of(*SamplePtr(a_sample().add(a_socket().listen(80, 1, 128)))), IsEmpty());
}

}  // namespace
}  // namespace tcpadvisor::watch
