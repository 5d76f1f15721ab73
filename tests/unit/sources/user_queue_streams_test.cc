// SPDX-License-Identifier: Apache-2.0
// Streams of real unix sockets, in a directory of the test's own; time is a number.
#include "agent/sources/user_queue_streams.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "agent/sources/user_queue_wire.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::sources::user_queue_streams_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Listening {
  explicit Listening(StreamLimits limits = {})
      : streams(UserQueueStreams::open(tree.path() + "/7.stream", limits).value()) {}

  os::UniqueFd speaker() const {
    os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address = unix_address(tree.path() + "/7.stream").value();
    EXPECT_EQ(connect(fd.get(), generic(address), sizeof address), 0) << strerror(errno);
    return fd;
  }
  /// The texts that come at this moment.
  std::vector<std::string> receive(std::uint64_t now_ms = 1'000) {
    std::vector<std::string> texts;
    streams.receive(inbox, now_ms, [&](Pid pid, std::string text) {
      EXPECT_EQ(pid, static_cast<Pid>(getpid()));
      texts.push_back(std::move(text));
    });
    return texts;
  }

  os::TempTree tree;
  UserQueueInbox inbox;
  UserQueueStreams streams;
};

void say(const os::UniqueFd& fd, const std::string& text) {
  ASSERT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

bool is_closed(const os::UniqueFd& fd) {
  char byte = 0;
  ssize_t got = recv(fd.get(), &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno == ECONNRESET);  // what it said last may lie unread
}

TEST(UserQueueStreams, WholeLinesAreKeptHoweverTheyAreCut) {
  Listening here;
  os::UniqueFd one = here.speaker(), other = here.speaker();
  EXPECT_THAT(here.receive(), IsEmpty());
  say(one, "a b\nc");
  say(other, "x\n");
  EXPECT_THAT(here.receive(), ElementsAre("a b\n", "x\n"));
  say(one, " d");
  EXPECT_THAT(here.receive(), IsEmpty());
  say(one, "\ne\n\nf");
  EXPECT_THAT(here.receive(), ElementsAre("c d\ne\n\n"));
  EXPECT_EQ(here.streams.size(), 2u);
  one.reset();
  EXPECT_THAT(here.receive(), IsEmpty()) << "what has no end is not said";
  EXPECT_EQ(here.streams.size(), 1u);
}

TEST(UserQueueStreams, NobodyEndsALineThatAnotherBegan) {
  Listening here;
  os::UniqueFd fd = here.speaker();
  pid_t child = fork();
  if (child == 0) {
    send(fd.get(), "tcpadvisor-queue 1 ", 19, MSG_NOSIGNAL);
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  say(fd, "cookie=1 queued=1\n");
  here.receive();
  EXPECT_THAT(here.receive(), ElementsAre("cookie=1 queued=1\n"));
}

TEST(UserQueueStreams, ALineWithoutAnEndIsCountedAndItsStreamClosed) {
  Listening here;
  os::UniqueFd endless = here.speaker(), honest = here.speaker();
  say(endless, std::string(kMaxQueueDatagram - 1, 'x'));
  EXPECT_THAT(here.receive(), IsEmpty());
  EXPECT_FALSE(is_closed(endless));
  say(endless, std::string(10, 'x'));
  say(honest, std::string(kMaxQueueDatagram - 1, 'y') + "\n");
  EXPECT_THAT(here.receive(), ElementsAre(std::string(kMaxQueueDatagram - 1, 'y') + "\n"));
  EXPECT_TRUE(is_closed(endless));
  EXPECT_TRUE(here.inbox.over_limit().contains("datagram too long"));
}

TEST(UserQueueStreams, WhoSaysTooMuchIsClosed) {
  Listening here;
  os::UniqueFd fd = here.speaker();
  std::size_t heard = 0;
  for (int i = 0; i < 1'500 && !is_closed(fd); ++i) {
    say(fd, "x\n");
    heard += here.receive().size();
  }
  EXPECT_EQ(heard, InboxLimits{}.per_process_s);
  EXPECT_TRUE(is_closed(fd));
  EXPECT_TRUE(here.inbox.over_limit().contains("too many datagrams from one process"));
}

TEST(UserQueueStreams, AProcessHasFourAndTheFifthIsCounted) {
  Listening here;
  std::vector<os::UniqueFd> fds;
  for (int i = 0; i < 5; ++i) fds.push_back(here.speaker());
  here.receive();
  EXPECT_EQ(here.streams.size(), 4u);
  EXPECT_TRUE(is_closed(fds[4]));
  EXPECT_EQ(here.inbox.over_limit().at("too many streams").count, 1u);
  fds[0].reset();
  here.receive();
  fds[4] = here.speaker();
  here.receive();
  EXPECT_FALSE(is_closed(fds[4]));
}

TEST(UserQueueStreams, WhenAllAreTakenTheOneThatIsSilentMakesRoom) {
  Listening here({.in_all = 2, .per_process = 9});
  os::UniqueFd talks = here.speaker(), silent = here.speaker();
  here.receive(1'000);
  say(talks, "x\n");
  here.receive(4'000);
  os::UniqueFd early = here.speaker();
  here.receive(5'999);
  EXPECT_TRUE(is_closed(early));
  os::UniqueFd late = here.speaker();
  here.receive(6'000);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_FALSE(is_closed(late));
  EXPECT_FALSE(is_closed(talks));
}

TEST(UserQueueStreams, ItsFileIsOpenToAllAndGoneAfterwards) {
  os::TempTree tree;
  std::string path = tree.path() + "/7.stream";
  {
    auto streams = UserQueueStreams::open(path);
    ASSERT_TRUE(streams);
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0666u);
    EXPECT_FALSE(UserQueueStreams::open(path)) << "somebody listens there";
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tcpadvisor::sources::user_queue_streams_test
