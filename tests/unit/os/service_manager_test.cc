// SPDX-License-Identifier: Apache-2.0
#include "agent/os/service_manager.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "agent/os/signals.h"

namespace tcpadvisor::os::service_manager_test {
namespace {

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(ServiceManager, hears_what_is_said_at_an_abstract_socket) {
  const std::string name = "tcpadvisor-test-" + std::to_string(getpid());
  UniqueFd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  ASSERT_EQ(bind(manager.get(), reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  const Environment where("NOTIFY_SOCKET", "@" + name), usec("WATCHDOG_USEC", "3000000");
  ServiceManager ours = ServiceManager::from_environment();
  EXPECT_EQ(ours.watchdog(), std::chrono::seconds(3));
  ours.say("READY=1");
  std::array<char, 64> words{};
  ASSERT_EQ(recv(manager.get(), words.data(), words.size(), 0), 7);
  EXPECT_STREQ(words.data(), "READY=1");
  const Environment pid("WATCHDOG_PID", "1");  // of another process
  EXPECT_FALSE(ServiceManager::from_environment().watchdog());
}

TEST(ServiceManager, without_one_nothing_happens) {
  for (const char* path : {"", "relative", "/nonexistent/notify"}) {
    const Environment where("NOTIFY_SOCKET", path), usec("WATCHDOG_USEC", "3000000");
    ServiceManager none = ServiceManager::from_environment();
    EXPECT_FALSE(none.watchdog()) << path;
    none.say("READY=1");
  }
}

TEST(StopSignals, a_hangup_can_be_a_wish_to_read_files_again) {
  auto signals = StopSignals::open().value();
  signals->let_hangup_reload();
  raise(SIGHUP);
  EXPECT_EQ(signals->received(), 0);
  EXPECT_TRUE(signals->take_reload());
  EXPECT_FALSE(signals->take_reload());
  raise(SIGTERM);
  raise(SIGHUP);
  EXPECT_EQ(signals->received(), SIGTERM);
}

}  // namespace
}  // namespace tcpadvisor::os::service_manager_test
