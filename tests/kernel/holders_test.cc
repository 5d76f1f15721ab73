// SPDX-License-Identifier: Apache-2.0
// Who holds what, in random trees of processes: against a slow count of our own, which follows every descriptor of
// every thread below /proc. Descriptors are duplicated, inherited, on their way in messages; threads have tables of
// their own; main threads end before the others.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::holders_test {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937;
constexpr unsigned kTrees = 200, kTreesOfGuest = 30;  // emulated processors take their time
constexpr int kDeepest = 2;

/// A process of a tree. It says on `ready` that it has made what it makes, and then waits to be killed. Only what it
/// shares with others need be exact, so nothing is ever closed on purpose.
class Node {
 public:
  Node(unsigned seed, int ready) : random_(seed), ready_(ready) {}

  [[noreturn]] void live(int depth) {
    alarm(60);  // whatever becomes of the test
    listener_ = traffic::listen_on_loopback(8);
    for (int i = one_to(3); i > 0; --i) pairs_.push_back(traffic::make_pair(listener_));
    if (chance(3)) pairs_.front().client.reset();  // CLOSE_WAIT
    for (int i = one_to(3); i > 1; --i) extra_.push_back(dup(pairs_.back().server.get()));
    if (chance(3)) send_away();
    for (int i = depth < kDeepest ? one_to(3) : 1; i > 1; --i) {
      unsigned seed = static_cast<unsigned>(random_());
      if (fork() == 0) Node(seed, ready_).live_on(*this, depth + 1);
    }
    if (chance(2)) in_thread(false);
    if (chance(3)) in_thread(true);
    say_ready();
    if (chance(4)) {  // the main thread ends, another one goes on
      in_thread(false);
      syscall(SYS_exit, 0);  // pthread_exit() would unwind through the test
    }
    while (true) pause();
  }

 private:
  [[noreturn]] void live_on(Node& parent, int depth) {
    inherited_ = &parent;  // its descriptors are open here, too
    if (chance(2)) inherited_->pairs_.front().server.reset();
    live(depth);
  }

  int one_to(int most) { return std::uniform_int_distribution<int>(1, most)(random_); }
  bool chance(int in) { return one_to(in) == 1; }
  void say_ready() const {
    char byte = 1;
    if (write(ready_, &byte, 1) != 1) _exit(1);
  }

  /// A connection whose only descriptor is in a message that nobody has received.
  void send_away() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) _exit(1);
    auto pair = traffic::make_pair(listener_);
    extra_.push_back(pair.client.release());
    int fd = pair.server.get();
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof fd);
    std::copy_n(reinterpret_cast<const char*>(&fd), sizeof fd, reinterpret_cast<char*>(CMSG_DATA(header)));
    if (sendmsg(ends[0], &message, 0) != 1) _exit(1);
  }

  void in_thread(bool own_table) {
    int done[2];
    if (pipe(done) != 0) _exit(1);
    std::thread([own_table, port = listener_.port, end = done[1]] {
      os::UniqueFd own;
      if (own_table && unshare(CLONE_FILES) == 0) own = traffic::connect_to(port);
      char byte = 1;
      if (write(end, &byte, 1) != 1) _exit(1);
      while (true) pause();
    }).detach();
    char byte = 0;
    if (read(done[0], &byte, 1) != 1) _exit(1);
  }

  Random random_;
  int ready_;
  Node* inherited_ = nullptr;
  traffic::Listener listener_;
  std::vector<traffic::Pair> pairs_;
  std::vector<int> extra_;
};

/// A tree of processes; all of them end with it.
class Tree {
 public:
  explicit Tree(unsigned seed) {
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    root_ = fork();
    if (root_ == 0) {
      setpgid(0, 0);
      close(ready[0]);
      Node(seed, ready[1]).live(0);
    }
    setpgid(root_, root_);
    close(ready[1]);
    ready_ = os::UniqueFd(ready[0]);
  }
  ~Tree() {
    kill(-root_, SIGKILL);
    waitpid(root_, nullptr, 0);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  /// Its processes, once each of them has said that it is ready and no more come.
  std::set<Pid> processes() {
    std::size_t ready = 0;
    for (int i = 0; i < 400; ++i) {
      std::set<Pid> all = members();
      char bytes[64];
      traffic::set_nonblocking(ready_.get());
      for (ssize_t got = 0; (got = read(ready_.get(), bytes, sizeof bytes)) > 0;)
        ready += static_cast<std::size_t>(got);
      if (ready == all.size() && !all.empty()) return all;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "the tree is not ready";
    return {};
  }

 private:
  std::set<Pid> members() const {
    std::set<Pid> all;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      Pid pid = static_cast<Pid>(std::strtoul(entry.path().filename().c_str(), nullptr, 10));
      if (pid != 0 && getpgid(static_cast<pid_t>(pid)) == root_) all.insert(pid);
    }
    return all;
  }
  pid_t root_ = -1;
  os::UniqueFd ready_;
};

/// inode -> state of the TCP sockets of this namespace.
std::map<std::uint64_t, TcpState> states_by_inode() {
  std::map<std::uint64_t, TcpState> out;
  std::ifstream file("/proc/thread-self/net/tcp");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    std::vector<std::string> fields;
    while (words >> word) fields.push_back(word);
    if (fields.size() < 10 || fields[9] == "0") continue;
    if (auto state = tcp_state_from(static_cast<std::uint8_t>(std::stoul(fields[3], nullptr, 16))))
      out[std::stoull(fields[9])] = *state;
  }
  return out;
}

/// Every socket that any thread of the process has a descriptor for.
std::set<std::uint64_t> inodes_of(Pid pid) {
  std::set<std::uint64_t> out;
  std::error_code gone;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    for (const auto& fd : fs::directory_iterator(thread.path() / "fd", gone)) {
      std::string target = fs::read_symlink(fd.path(), gone).string();
      if (target.starts_with("socket:[")) out.insert(std::stoull(target.substr(8)));
    }
  }
  return out;
}

TEST_F(KernelTest, HoldersAreThoseOfASlowCount) {
  std::error_code hidden;
  const unsigned trees = fs::read_symlink("/proc/1/exe", hidden).filename() == "busybox" ? kTreesOfGuest : kTrees;
  for (unsigned seed = 1; seed <= trees; ++seed) {
    SCOPED_TRACE("tree " + std::to_string(seed));
    Tree tree(seed);
    std::set<Pid> processes = tree.processes();
    auto states = states_by_inode();
    OwnerWalk walked = owners();
    auto rows = walk().rows;

    std::map<std::uint64_t, std::set<Pid>> holders;  // by inode
    for (Pid pid : processes) {
      std::array<std::uint32_t, kStateCount> expected{};
      for (std::uint64_t inode : inodes_of(pid)) {
        auto state = states.find(inode);
        if (state == states.end()) continue;
        ++expected[index_of(state->second)];
        holders[inode].insert(pid);
      }
      auto totals = std::ranges::find(walked.owners, pid, &OwnerTotals::pid);
      ASSERT_NE(totals, walked.owners.end()) << pid;
      EXPECT_EQ(totals->sockets, expected) << "process " << pid;
    }
    for (const SocketRow& row : rows) {
      if (row.inode == 0) continue;
      std::set<Pid> found;
      for (const os::Descriptor& one : os::descriptors_of(walked.by_cookie, row.cookie)) found.insert(one.pid);
      std::erase_if(found, [&](Pid pid) { return !processes.contains(pid); });  // the test has its own
      EXPECT_EQ(found, holders[row.inode]) << "socket " << row.inode;
    }
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace tcpadvisor::kernel::holders_test
