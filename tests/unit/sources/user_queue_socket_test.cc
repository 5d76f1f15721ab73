// SPDX-License-Identifier: Apache-2.0
// Real unix sockets in a directory of the test's own.
#include "agent/sources/user_queue_socket.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::sources::user_queue_socket_test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

/// 0 or errno.
int send_to(const std::string& path, const std::string& text, int flags = 0) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(path);
  ssize_t sent =
      sendto(fd.get(), text.data(), text.size(), flags, reinterpret_cast<sockaddr*>(&address), sizeof address);
  return sent == static_cast<ssize_t>(text.size()) ? 0 : errno;
}

/// What a killed agent leaves behind.
void leave_dead_socket(const std::string& path) {
  os::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = address_of(path);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
}

bool soon(const std::function<bool()>& holds) {
  for (auto end = std::chrono::steady_clock::now() + 5s; std::chrono::steady_clock::now() < end; usleep(2'000)) {
    if (holds()) return true;
  }
  return holds();
}

std::unique_ptr<UserQueueReceiver> open_in(const std::string& directory) {
  auto receiver = UserQueueReceiver::open(directory);
  EXPECT_TRUE(receiver) << receiver.error().message;
  return std::move(*receiver);
}

std::vector<UserQueueInbox::Claim> claims(UserQueueReceiver& receiver) {
  return receiver.inbox().claims(os::RealClock().mono_ms());
}

TEST(UserQueueSocket, HearsWhoSpeaksAndWhatWasSaidBeforeItStarted) {
  os::TempTree tree;
  auto receiver = open_in(tree.path() + "/run/queues");
  EXPECT_EQ(receiver->path(), tree.path() + "/run/queues/" + std::to_string(getpid()) + ".sock");
  ASSERT_EQ(send_to(receiver->path(), "tcpadvisor-queue 1 cookie=5 queued=6"), 0);
  EXPECT_TRUE(claims(*receiver).empty()) << "nobody has read it yet";
  receiver->start();
  ASSERT_TRUE(soon([&] { return claims(*receiver).size() == 1; }));
  EXPECT_EQ(claims(*receiver)[0].pid, static_cast<Pid>(getpid()));
  EXPECT_EQ(claims(*receiver)[0].queue.queued, 6u);
}

TEST(UserQueueSocket, EveryUserMaySpeakAndLookButOnlyOursMayRemove) {
  os::TempTree tree;
  auto receiver = open_in(tree.path() + "/a/b");
  struct stat info{};
  ASSERT_EQ(stat(receiver->path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0666u);
  ASSERT_EQ(stat((tree.path() + "/a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
}

TEST(UserQueueSocket, IsGoneAfterwards) {
  os::TempTree tree;
  std::string path;
  {
    auto receiver = open_in(tree.path());
    receiver->start();
    path = receiver->path();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(UserQueueSocket, SocketsOfDeadAgentsAreRemovedAndNothingElse) {
  os::TempTree tree;
  auto living = open_in(tree.path());
  leave_dead_socket(tree.path() + "/4194304.sock");
  leave_dead_socket(tree.path() + "/" + std::to_string(getpid()) + "-1.sock");  // a name that we would take ourselves
  leave_dead_socket(tree.path() + "/other.socket");
  tree.file("/notes.sock", "a file, not a socket").link("/loop.sock", "loop.sock");
  auto receiver = open_in(tree.path());
  EXPECT_FALSE(std::filesystem::exists(tree.path() + "/4194304.sock"));
  EXPECT_TRUE(std::filesystem::exists(tree.path() + "/other.socket"));
  EXPECT_TRUE(std::filesystem::exists(tree.path() + "/notes.sock"));
  EXPECT_TRUE(std::filesystem::exists(living->path())) << "somebody listens there";
  EXPECT_EQ(receiver->path(), tree.path() + "/" + std::to_string(getpid()) + "-1.sock");
}

TEST(UserQueueSocket, SeveralAgentsHearTheSame) {
  os::TempTree tree;
  auto one = open_in(tree.path()), two = open_in(tree.path());
  one->start();
  two->start();
  for (const auto& entry : std::filesystem::directory_iterator(tree.path())) {
    if (entry.path().extension() != ".sock") continue;
    EXPECT_EQ(send_to(entry.path(), "tcpadvisor-queue 1 cookie=5 queued=6\n"), 0);
  }
  EXPECT_TRUE(soon([&] { return claims(*one).size() == 1 && claims(*two).size() == 1; }));
}

TEST(UserQueueSocket, AFullDatagramIsReadAndALongerOneIsCounted) {
  os::TempTree tree;
  auto receiver = open_in(tree.path());
  receiver->start();
  std::string text;
  for (int cookie = 1; text.size() < kMaxQueueDatagram - 100; ++cookie) {
    text += "tcpadvisor-queue 1 cookie=" + std::to_string(cookie) + " queued=1\n";
  }
  std::string last = "tcpadvisor-queue 1 cookie=99999 queued=1 name=last";
  text += std::string(kMaxQueueDatagram - text.size() - last.size(), ' ') + last;
  ASSERT_EQ(text.size(), kMaxQueueDatagram);
  ASSERT_EQ(send_to(receiver->path(), text), 0);
  ASSERT_TRUE(soon([&] {
    auto all = claims(*receiver);
    return !all.empty() && all.back().connection.cookie == 99'999;
  })) << "read to its last byte";
  EXPECT_TRUE(receiver->inbox().refusals().empty());
  ASSERT_EQ(send_to(receiver->path(), text + " "), 0);
  EXPECT_TRUE(soon([&] { return receiver->inbox().over_limit().contains("datagram too long"); }));
}

TEST(UserQueueSocket, EmptyDatagramsAndDescriptorsSentAlongDoNoHarm) {
  os::TempTree tree;
  auto receiver = open_in(tree.path());
  receiver->start();
  ASSERT_EQ(send_to(receiver->path(), ""), 0);
  auto count_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  auto before = count_descriptors();
  for (int i = 0; i < 50; ++i) {
    os::UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = address_of(receiver->path());
    std::string text = "tcpadvisor-queue 1 cookie=7 queued=" + std::to_string(i);
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int sent_along = fd.get();
    std::memcpy(CMSG_DATA(header), &sent_along, sizeof sent_along);
    ASSERT_EQ(sendmsg(fd.get(), &message, 0), static_cast<ssize_t>(text.size())) << std::strerror(errno);
  }
  ASSERT_TRUE(soon([&] {
    auto all = claims(*receiver);
    return all.size() == 1 && all[0].queue.queued == 49;
  }));
  EXPECT_EQ(count_descriptors(), before) << "nobody can fill our table of descriptors";
}

TEST(UserQueueSocket, AFloodIsCountedAndAnotherSpeakerIsStillHeard) {
  os::TempTree tree;
  auto receiver = open_in(tree.path());
  receiver->start();
  pid_t flooder = fork();
  if (flooder == 0) {
    for (int i = 0; i < 20'000; ++i) send_to(receiver->path(), "tcpadvisor-queue 1 cookie=1 queued=1");
    _exit(0);
  }
  ASSERT_EQ(send_to(receiver->path(), "tcpadvisor-queue 1 cookie=2 queued=2"), 0);
  ASSERT_TRUE(soon([&] {
    for (const auto& claim : claims(*receiver)) {
      if (claim.pid == static_cast<Pid>(getpid())) return true;
    }
    return false;
  }));
  ASSERT_EQ(waitpid(flooder, nullptr, 0), flooder);
  EXPECT_TRUE(soon([&] { return receiver->inbox().over_limit().contains("too many datagrams from one process"); }));
}

TEST(UserQueueSocket, AProcessSpeaksForItselfAndCannotNameAnother) {
  os::TempTree tree;
  auto receiver = open_in(tree.path());
  receiver->start();
  pid_t child = fork();
  if (child == 0) _exit(send_to(receiver->path(), "tcpadvisor-queue 1 cookie=3 queued=3"));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(soon([&] { return claims(*receiver).size() == 1; }));
  EXPECT_EQ(claims(*receiver)[0].pid, static_cast<Pid>(child)) << "even when it is dead by now";
}

TEST(UserQueueSocket, SaysWhyItCannotListen) {
  os::TempTree tree;
  tree.file("/plain", "a file");
  auto refused = UserQueueReceiver::open(tree.path() + "/plain/queues");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("plain/queues"));
  auto too_long = UserQueueReceiver::open(tree.path() + "/" + std::string(100, 'x'));
  ASSERT_FALSE(too_long);
  EXPECT_THAT(too_long.error().message, HasSubstr("at most 107 bytes"));
}

TEST(UserQueueSocket, APathThatCannotBeLookedIntoIsAReasonAndNoException) {
  os::TempTree tree;
  tree.link("/loop", "loop");
  auto endless = UserQueueReceiver::open(tree.path() + "/loop/queues");
  ASSERT_FALSE(endless);
  EXPECT_THAT(endless.error().message, HasSubstr("cannot make the directory " + tree.path() + "/loop"));

  tree.file("/locked/inner", "");
  ASSERT_EQ(chmod((tree.path() + "/locked").c_str(), 0), 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // root may look into everything
    if (geteuid() == 0 && setresuid(65'534, 65'534, 65'534) != 0) _exit(2);
    auto refused = UserQueueReceiver::open(tree.path() + "/locked/tcpadvisor/queues");
    _exit(!refused && refused.error().code == ErrorCode::denied ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  chmod((tree.path() + "/locked").c_str(), 0700);
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value != nullptr ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Environment() { old_ ? setenv(name_, old_->c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(UserQueueSocket, TheDirectoryIsThatOfTheUser) {
  Environment chosen("TCPADVISOR_QUEUES", "/some/where");
  EXPECT_EQ(user_queue_directory(), "/some/where");
  Environment not_chosen("TCPADVISOR_QUEUES", "");
  Environment runtime("XDG_RUNTIME_DIR", "/run/user/5");
  EXPECT_EQ(user_queue_directory(), geteuid() == 0 ? "/run/tcpadvisor/queues" : "/run/user/5/tcpadvisor/queues");
  for (const char* name : {"TCPADVISOR_QUEUES", "XDG_RUNTIME_DIR"}) {
    Environment relative(name, "some/where");
    if (geteuid() == 0 && name == std::string_view("XDG_RUNTIME_DIR")) continue;
    auto directory = user_queue_directory();
    ASSERT_FALSE(directory) << name;
    EXPECT_THAT(directory.error().message, HasSubstr("some/where is not an absolute path"));
  }
  Environment no_runtime("XDG_RUNTIME_DIR", nullptr);
  if (geteuid() == 0) return;
  ASSERT_FALSE(user_queue_directory());
  EXPECT_EQ(user_queue_directory().error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace tcpadvisor::sources::user_queue_socket_test
