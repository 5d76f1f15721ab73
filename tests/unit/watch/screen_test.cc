// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/screen.h"

#include <gmock/gmock.h>

#include "tests/unit/watch/golden.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::watch::screen_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += (line.selected ? ">" : " ") + line.text() + "\n";
  return text;
}

/// As if the user had asked for this list.
View on(List list, View view = {}) {
  view.list = list;
  view.list_chosen = true;
  return view;
}

std::string draw(const Picture& picture, View& view, const std::string& report = "") {
  std::vector<Line> lines = screen_lines(picture, view, report);
  EXPECT_EQ(lines.size(), view.height);
  for (const Line& line : lines) EXPECT_LE(line.width(), view.width) << line.text();
  return text_of(lines);
}

struct Size {
  std::size_t width, height;
};

void type(View& view, const Picture& picture, std::string_view text) {
  for (char c : text) press({Key::character, c}, view, picture);
}

class GoldenScreen : public ::testing::TestWithParam<Size> {
 protected:
  View view() const {
    View view;
    view.width = GetParam().width;
    view.height = GetParam().height;
    return view;
  }
  std::string name(const std::string& what) const {
    return "watch/" + what + "-" + std::to_string(GetParam().width) + "x" + std::to_string(GetParam().height) + ".txt";
  }
};

INSTANTIATE_TEST_SUITE_P(Sizes, GoldenScreen, ::testing::Values(Size{80, 24}, Size{120, 40}),
                         [](const auto& size) { return std::to_string(size.param.width); });

TEST_P(GoldenScreen, QuietHost) {
  View one = view();
  test::expect_golden(name("quiet"), draw(test::quiet_host(), one));
}

TEST_P(GoldenScreen, Unprivileged) {
  View one = view();
  test::expect_golden(name("unprivileged"), draw(test::unprivileged(), one));
}

TEST_P(GoldenScreen, EachListOfABusyHost) {
  Picture picture = test::busy_host();
  for (std::size_t i = 0; i < kListCount; ++i) {
    View one = on(static_cast<List>(i), view());
    test::expect_golden(name("busy-" + std::string(kListNames[i])), draw(picture, one));
  }
}

TEST_P(GoldenScreen, DetailsOfEachList) {
  Picture picture = test::busy_host();
  for (std::size_t i = 0; i < kListCount; ++i) {
    View one = on(static_cast<List>(i), view());
    press({Key::enter, 0}, one, picture);
    test::expect_golden(name("details-" + std::string(kListNames[i])), draw(picture, one));
  }
}

TEST_P(GoldenScreen, PortsAreTheOtherSideOfBuildUp) {
  Picture picture = test::busy_host();
  View one = view();
  type(one, picture, "44");
  test::expect_golden(name("busy-ports"), draw(picture, one));
  press({Key::enter, 0}, one, picture);
  test::expect_golden(name("details-ports"), draw(picture, one));
}

TEST_P(GoldenScreen, UserQueues) {
  Picture picture = test::host_with_user_queues();
  View one = view();
  test::expect_golden(name("drivers"), draw(picture, one));
  for (const char* what : {"python3", "9001", "nginx"}) {  // both ends with a row, ended, never had a row
    View details = view();
    details.filter = what;
    press({Key::enter, 0}, details, picture);
    test::expect_golden(name("drivers-details-" + std::string(what)), draw(picture, details));
  }
}

/// Thousands of sockets, and a screen that still tells what is what.
TEST_P(GoldenScreen, AFloodedHost) {
  Picture picture = test::flooded_host();
  View connections = on(List::connections, view());
  test::expect_golden(name("flooded-connections"), draw(picture, connections));
  press({Key::enter, 0}, connections, picture);
  test::expect_golden(name("flooded-unfolded"), draw(picture, connections));
  View filtered = on(List::connections, view());
  filtered.filter = "group:shop q>1K port:x";
  test::expect_golden(name("flooded-filtered"), draw(picture, filtered));
  View listeners = on(List::listeners, view());
  test::expect_golden(name("flooded-listeners"), draw(picture, listeners));
  View groups = on(List::processes, view());
  groups.by_group = true;
  test::expect_golden(name("flooded-groups"), draw(picture, groups));
  press({Key::enter, 0}, groups, picture);
  test::expect_golden(name("flooded-group-details"), draw(picture, groups));
}

TEST_P(GoldenScreen, Help) {
  View one = view();
  one.page = Page::help;
  test::expect_golden(name("help"), draw(test::quiet_host(), one));
}

TEST_P(GoldenScreen, WithoutUtf8) {
  View one = on(List::connections, view());
  one.utf8 = false;
  std::string screen = draw(test::busy_host(), one);
  for (char c : screen) ASSERT_LT(static_cast<unsigned char>(c), 0x80u);
  test::expect_golden(name("ascii"), screen);
}

TEST_P(GoldenScreen, PlainLines) {
  std::vector<Line> lines = plain_lines(test::busy_host(), view(), 20);
  for (const Line& line : lines) EXPECT_LE(line.width(), GetParam().width) << line.text();
  test::expect_golden(name("once"), text_of(lines));
}

TEST(Screen, FitsIntoAnySize) {
  Picture picture = test::busy_host();
  for (std::size_t width = 1; width <= 200; width += 7) {
    for (std::size_t height = 1; height <= 60; height += 11) {
      for (std::size_t list = 0; list < kListCount; ++list) {
        View view = on(static_cast<List>(list));
        view.width = width;
        view.height = height;
        draw(picture, view);
      }
    }
  }
}

TEST(Keys, FilterKeepsWhatMatchesAndEscapeClearsIt) {
  Picture picture = test::busy_host();
  View view = on(List::connections);
  type(view, picture, "/PYTHON3");
  EXPECT_TRUE(view.typing_filter);
  press({Key::enter, 0}, view, picture);
  std::string screen = draw(picture, view);
  EXPECT_THAT(screen, HasSubstr("beam.smp[2001]"));  // the other end of its connection
  EXPECT_THAT(screen, Not(HasSubstr("postgres")));
  press({Key::escape, 0}, view, picture);
  EXPECT_THAT(draw(picture, view), HasSubstr("postgres"));
}

TEST(Keys, FilterTakesDigitsAndQAsText) {
  Picture picture = test::busy_host();
  View view = on(List::connections);
  type(view, picture, "/q2");
  EXPECT_EQ(view.filter, "q2");
  EXPECT_EQ(view.list, List::connections);
  press({Key::backspace, 0}, view, picture);
  EXPECT_EQ(view.filter, "q");
  EXPECT_THAT(draw(picture, view), HasSubstr("filter: q_"));
}

TEST(Keys, NumbersChooseTheListAndSTheOrder) {
  Picture picture = test::busy_host();
  View view;
  type(view, picture, "3");
  EXPECT_EQ(view.list, List::listeners);
  EXPECT_THAT(draw(picture, view), HasSubstr("by queue"));
  type(view, picture, "s");
  EXPECT_THAT(draw(picture, view), HasSubstr("by port"));
  type(view, picture, "sss");
  EXPECT_THAT(draw(picture, view), HasSubstr("by queue"));
}

TEST(Keys, FourAgainTurnsTheListOver) {
  Picture picture = test::busy_host();
  View view;
  type(view, picture, "4");
  EXPECT_THAT(draw(picture, view), HasSubstr("4 [build-up]"));
  type(view, picture, "4");
  EXPECT_THAT(draw(picture, view), HasSubstr("4 [ports]"));
  EXPECT_THAT(draw(picture, view), HasSubstr("10.0.0.5:5432"));
  type(view, picture, "14");
  EXPECT_THAT(draw(picture, view), HasSubstr("4 [ports]")) << "it stays as it was left";
  type(view, picture, "4");
  EXPECT_THAT(draw(picture, view), HasSubstr("4 [build-up]"));
}

TEST(Keys, SelectionStaysOnTheItemWhenTheOrderChanges) {
  Picture picture = test::busy_host();
  View view = on(List::processes);
  press({Key::down, 0}, view, picture);
  std::string selected = view.selected;
  EXPECT_EQ(selected, "p4711");
  type(view, picture, "ss");  // by closing: it is the first now
  draw(picture, view);
  EXPECT_EQ(view.selected, selected);
  EXPECT_EQ(view.position, 0u);
}

TEST(Keys, TheEndOfALongListIsVisible) {
  Picture picture;
  picture.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    for (Pid pid = 1; pid <= 200; ++pid) sample.add(build::a_socket().cookie(pid).pid(pid, "worker"));
  });
  View view;
  press({Key::end, 0}, view, picture);
  std::string screen = draw(picture, view);
  EXPECT_EQ(view.position, 199u);
  EXPECT_THAT(screen, HasSubstr(">ESTAB"));
  press({Key::home, 0}, view, picture);
  draw(picture, view);
  EXPECT_EQ(view.top, 0u);
  press({Key::up, 0}, view, picture);
  EXPECT_EQ(view.position, 0u);
}

TEST(Screen, IdleConnectionsWithoutRowsAreNotNone) {
  Picture picture;
  picture.window = build::a_window(
      2, [](build::SampleBuilder& sample, std::size_t) { sample.count(TcpState::established, 24'000); });
  View view = on(List::connections);
  EXPECT_THAT(draw(picture, view), HasSubstr("24,000 connections, none of them in use or waiting"));

  picture.window = build::a_window(2, [](build::SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, 24'000);
    sample.set([](Sample& s) {
      s.networks = {test::clients_of_nginx()};
      for (std::uint8_t i = 0; i < 100; ++i) {
        NetworkTotals one = test::clients_of_nginx();
        one.accepted = false, one.port = 5'432, one.network = Endpoint::v4(10, 1, i, 0, 0);
        one.sockets = {};
        one.sockets[index_of(TcpState::established)] = 100u - i;
        s.networks.push_back(one);
      }
    });
  });
  const std::string screen = draw(picture, view);
  EXPECT_THAT(screen, AllOf(HasSubstr("24,000 connections, none of them in use or waiting"),
                            HasSubstr("  196,000 nginx[812], port 443 from 10.0.9.0/24"),
                            HasSubstr("      100 nginx[812], 10.1.0.0/24 port 5432"), Not(HasSubstr("10.1.90.0"))));
}

TEST(Keys, EnterUnfoldsEqualRowsAndFoldsThemAgain) {
  Picture picture = test::flooded_host();
  View view = on(List::connections);
  type(view, picture, "/state:close-wait");
  press({Key::enter, 0}, view, picture);
  EXPECT_THAT(draw(picture, view), HasSubstr("▸ 900 ×"));
  press({Key::enter, 0}, view, picture);
  EXPECT_EQ(view.page, Page::list) << "no details of many";
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("▾ 900 ×"), HasSubstr("· 10.0.0.1:8443 → 10.0.0.2:40000")));
  press({Key::down, 0}, view, picture);
  press({Key::enter, 0}, view, picture);
  EXPECT_EQ(view.page, Page::details);
  EXPECT_THAT(draw(picture, view), HasSubstr("CLOSE_WAIT for"));
  press({Key::escape, 0}, view, picture);
  press({Key::up, 0}, view, picture);
  press({Key::enter, 0}, view, picture);
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("▸ 900 ×"), Not(HasSubstr("· 10.0.0.1"))));
}

TEST(Keys, GSumsProcessesByGroupAndBack) {
  Picture picture = test::flooded_host();
  View view = on(List::connections);
  type(view, picture, "g");
  EXPECT_EQ(view.list, List::processes);
  EXPECT_THAT(draw(picture, view),
              AllOf(HasSubstr("2 [groups]"), HasSubstr("nginx.service"), HasSubstr("g processes")));
  type(view, picture, "g");
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("2 [processes]"), HasSubstr("g groups")));
}

TEST(Keys, FindingsComeFirstUntilTheUserChooses) {
  Picture quiet = test::quiet_host(), busy = test::busy_host();
  View view;
  EXPECT_THAT(draw(quiet, view), HasSubstr("1 [connections]"));
  EXPECT_THAT(draw(busy, view), HasSubstr("[findings]"));
  press({Key::down, 0}, view, busy);
  EXPECT_THAT(draw(quiet, view), HasSubstr("[findings]")) << "the user moves in it";
  View chosen;
  type(chosen, quiet, "1");
  EXPECT_THAT(draw(busy, chosen), HasSubstr("1 [connections]"));
}

TEST(Keys, AFilterThatIsWrongSaysSoInItsLine) {
  Picture picture = test::busy_host();
  View view = on(List::connections);
  type(view, picture, "/port:http");
  EXPECT_THAT(draw(picture, view), HasSubstr("! 'port:http': a port is a number"));
  press({Key::enter, 0}, view, picture);
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("! 'port:http': a port is a number"), HasSubstr("q quit")));
}

TEST(Screen, NoPidIsLostAt80Columns) {
  Picture picture;
  picture.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    Endpoint here = Endpoint::v4(192, 168, 100, 101, 48'222), there = Endpoint::v4(192, 168, 100, 102, 36'423);
    auto row = [](std::uint64_t cookie, const std::string& name) {
      return build::a_socket().cookie(cookie).pid(4'194'301, name).age(std::chrono::seconds(95));
    };
    SocketRow sender = row(1, "averylongsender").local(here).remote(there).send_q(4'194'304).set([](SocketRow& r) {
      r.not_sent = 4'194'304;
      r.snd_wnd = 0;
      r.owner->holders = 17;
    });
    sample.add(sender);
    sample.add(row(2, "averylongreader").local(there).remote(here).close_wait().recv_q(4'718'592).set([](SocketRow& r) {
      r.owner->pid = 4'194'302;
      r.owner->holders = 17;
    }));
    sample.add(build::a_user_queue().of(sender).queued(1u << 30, 1u << 30).busy(12, 345).pending_shutdown());
    sample.add(row(3, "averylonglisten").listen(8443, 3, 4096).set([](SocketRow& r) { r.owner->holders = 17; }));
  });
  View connections = on(List::connections);
  EXPECT_THAT(draw(picture, connections), AllOf(HasSubstr("[4194301]+16"), HasSubstr("[4194302]+16")));
  View listeners = on(List::listeners);
  EXPECT_THAT(draw(picture, listeners), HasSubstr("[4194301]+16"));
}

TEST(Keys, QuitReportPauseHelp) {
  Picture picture = test::quiet_host();
  View view;
  EXPECT_EQ(press({Key::character, 'q'}, view, picture), Action::quit);
  EXPECT_EQ(press({Key::character, 'r'}, view, picture), Action::make_report);
  EXPECT_THAT(draw(picture, view, "first line\nsecond line"), HasSubstr("second line"));
  press({Key::escape, 0}, view, picture);
  EXPECT_EQ(view.page, Page::list);
  press({Key::character, 'p'}, view, picture);
  EXPECT_THAT(draw(picture, view), HasSubstr("PAUSED"));
}

TEST(Keys, LongPagesScrollToTheirEndAndNotFurther) {
  Picture picture = test::quiet_host();
  View view;
  press({Key::character, 'r'}, view, picture);
  std::string report;
  for (int i = 1; i <= 100; ++i) report += "line " + std::to_string(i) + "\n";
  press({Key::end, 0}, view, picture);
  EXPECT_THAT(draw(picture, view, report), HasSubstr("line 100"));
  press({Key::up, 0}, view, picture);
  press({Key::up, 0}, view, picture);
  EXPECT_THAT(draw(picture, view, report), Not(HasSubstr("line 100\n")));
}

TEST(Keys, NothingToSelectIsNoTrouble) {
  Picture picture;
  picture.window = build::a_window(1, [](build::SampleBuilder&, std::size_t) {});
  for (std::size_t list = 0; list < kListCount; ++list) {
    View view = on(static_cast<List>(list));
    for (Key key : {Key::enter, Key::down, Key::end, Key::page_up, Key::escape}) press({key, 0}, view, picture);
    EXPECT_EQ(view.page, Page::list);
    draw(picture, view);
  }
}

TEST(Screen, IncompleteOwnersAreNotPassedOffAsNone) {
  Picture picture;
  picture.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& s) {
      s.coverage[1].exact = false;
      s.coverage[1].remark = "only our own processes";
    });
  });
  View view = on(List::processes);
  std::string screen = draw(picture, view);
  EXPECT_THAT(screen, HasSubstr("! owners incomplete: only our own processes"));
  EXPECT_THAT(screen, HasSubstr("no process that we may look into"));
}

TEST(Screen, HooksThatCannotBeMeasuredAreTold) {
  Picture picture;
  picture.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& s) { s.self.hooks_not_measured = "needs CAP_SYS_ADMIN"; });
  });
  View view;
  view.width = 200;
  EXPECT_THAT(draw(picture, view), HasSubstr("cost of hooks not measured: needs CAP_SYS_ADMIN"));
}

TEST(Screen, AVanishedItemLeavesTheSelectionInItsPlace) {
  Picture before = test::busy_host(), after = test::quiet_host();
  View view = on(List::connections);
  press({Key::end, 0}, view, before);
  press({Key::enter, 0}, view, before);
  EXPECT_THAT(draw(after, view), HasSubstr("sshd"));
  EXPECT_EQ(view.position, 0u);
}

/// A leak of a process in a container, and sockets of one that is outside ours.
Picture pid_namespaces() {
  Picture picture;
  picture.window = build::a_window(3, [](build::SampleBuilder& sample, std::size_t) {
    OwnerTotals leaky = build::a_process(4'242, "leaky").close_wait(1, 1);
    leaky.pid_inside = 7;
    sample.add(leaky).add(build::a_socket().close_wait().pid(4'242, "leaky").cookie(1).recv_q(5'000));
    SocketRow outside = build::a_socket().fin_wait_2().cookie(2).recv_q(4'000).holder(Holder::outside);
    outside.last_user = LastUser{.pid = 0, .comm = "nginx"};
    sample.add(outside).count(TcpState::close_wait, 1).count(TcpState::fin_wait_2, 1);
  });
  return picture;
}

TEST(Screen, AProcessInAContainerHasBothNumbers) {
  Picture picture = pid_namespaces();
  for (List list : {List::processes, List::connections}) {
    View view = on(list);
    press({Key::enter, 0}, view, picture);
    EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("leaky[4242]"), HasSubstr("7, in its pid namespace")));
  }
}

TEST(Screen, WhoIsOutsideHasNoNumber) {
  Picture picture = pid_namespaces();
  View view = on(List::connections);
  view.width = 120;
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("outside this"), Not(HasSubstr("[0]"))));
  press({Key::end, 0}, view, picture);
  press({Key::enter, 0}, view, picture);
  EXPECT_THAT(draw(picture, view), AllOf(HasSubstr("outside this container"), HasSubstr("last used by"),
                                         HasSubstr("nginx"), Not(HasSubstr("nginx["))));
  View states = on(List::build_up);
  EXPECT_THAT(draw(picture, states), HasSubstr("outside this"));
}

}  // namespace
}  // namespace tcpadvisor::watch::screen_test
