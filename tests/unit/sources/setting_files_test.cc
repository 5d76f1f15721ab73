// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/setting_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::sources::setting_files_test {
namespace {

using os::TempTree;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> about(std::string_view knob, const SettingFiles& files) {
  std::vector<std::string> out;
  for (const SettingLine& line : files.lines) {
    if (line.knob == knob) out.push_back(line.file + ":" + std::to_string(line.line) + "=" + line.value);
  }
  return out;
}

class SettingFilesTest : public testing::Test {
 protected:
  SettingFilesTest() { tree_.file("/run/systemd/system/x", ""); }
  SettingFiles read(bool first = true) const { return read_setting_files(tree_.root(), first); }
  std::vector<std::string> backlog() const { return about("net.core.somaxconn", read()); }
  TempTree tree_;
};

TEST_F(SettingFilesTest, in_the_order_of_systemd) {
  tree_.file("/usr/lib/sysctl.d/99-vendor.conf", "net.core.somaxconn = 1")
      .file("/usr/local/lib/sysctl.d/20-local.conf", "net.core.somaxconn = 2")
      .file("/run/sysctl.d/30-run.conf", "net.core.somaxconn = 3")
      .file("/etc/sysctl.d/10-etc.conf", "net.core.somaxconn = 4")
      .file("/etc/sysctl.d/not-one", "net.core.somaxconn = 5")
      .file("/proc/cmdline", "ro sysctl.net.core.somaxconn=6\n");
  EXPECT_THAT(backlog(), ElementsAre("/proc/cmdline:0=6", "/etc/sysctl.d/10-etc.conf:1=4",
                                     "/usr/local/lib/sysctl.d/20-local.conf:1=2", "/run/sysctl.d/30-run.conf:1=3",
                                     "/usr/lib/sysctl.d/99-vendor.conf:1=1"));
}

TEST_F(SettingFilesTest, masks) {
  tree_.file("/usr/lib/sysctl.d/50-a.conf", "net.core.somaxconn = 1")
      .file("/usr/lib/sysctl.d/60-b.conf", "net.core.somaxconn = 2")
      .file("/usr/lib/sysctl.d/70-c.conf", "net.core.somaxconn = 3")
      .file("/run/sysctl.d/60-b.conf", "net.core.somaxconn = 4")
      .link("/etc/sysctl.d/50-a.conf", "/dev/null")
      .link("/etc/sysctl.d/70-c.conf", "nowhere");
  EXPECT_THAT(backlog(), ElementsAre("/run/sysctl.d/60-b.conf:1=4"));
  EXPECT_EQ(read().unreadable, 0u);
}

TEST_F(SettingFilesTest, sysctl_conf_with_and_without_its_link) {
  tree_.file("/etc/sysctl.conf", "\nnet.core.somaxconn = 1\n");
  SettingFiles alone = read();
  ASSERT_EQ(alone.lines.size(), 1u);
  EXPECT_EQ(alone.lines[0].writer, SettingWriter::sysctl_conf) << "nobody applies it at boot";
  tree_.link("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf");
  EXPECT_THAT(backlog(), ElementsAre("/etc/sysctl.conf:2=1", "/etc/sysctl.d/99-sysctl.conf:2=1"));
}

TEST_F(SettingFilesTest, without_systemd_sysctl_conf_is_the_last) {
  tree_.remove("/run/systemd")
      .file("/etc/sysctl.conf", "net.core.somaxconn = 1")
      .file("/etc/sysctl.d/zz.conf", "net.core.somaxconn = 2");
  EXPECT_THAT(backlog(), ElementsAre("/etc/sysctl.d/zz.conf:1=2", "/etc/sysctl.conf:1=1"));
  EXPECT_EQ(read().lines.back().writer, SettingWriter::sysctl_d);
  EXPECT_FALSE(read().of_container);
  EXPECT_TRUE(read(false).of_container) << "no init, and not the first pid namespace";
}

TEST_F(SettingFilesTest, tuned_with_what_it_includes) {
  tree_.file("/etc/tuned/active_profile", "mine\n")
      .file("/etc/tuned/mine/tuned.conf", "[main]\ninclude=fast\n[sysctl]\nnet.core.somaxconn=3\n")
      .file("/usr/lib/tuned/fast/tuned.conf", "[sysctl]\nnet.core.somaxconn=2\nnet.ipv4.tcp_sack=1\n")
      .file("/etc/sysctl.d/10-a.conf", "net.core.somaxconn=4\nnet.*.tcp_sack = 0")
      .file("/usr/lib/sysctl.d/20-b.conf", "net.core.somaxconn=5");
  EXPECT_EQ(read().tuned_profile, "mine");
  EXPECT_THAT(backlog(), ElementsAre("/etc/sysctl.d/10-a.conf:1=4", "/usr/lib/sysctl.d/20-b.conf:1=5",
                                     "/usr/lib/tuned/fast/tuned.conf:2=2", "/etc/tuned/mine/tuned.conf:4=3",
                                     "/etc/sysctl.d/10-a.conf:1=4"));
  tree_.file("/etc/tuned/tuned-main.conf", "reapply_sysctl = 0\n");
  EXPECT_TRUE(read().tuned_is_last);
  EXPECT_EQ(backlog().back(), "/etc/tuned/mine/tuned.conf:4=3");
  tree_.file("/etc/tuned/mine/tuned.conf", "[main]\ninclude=fast\n[sysctl]\nreplace=1\nnet.core.rmem_max=3\n");
  EXPECT_EQ(backlog().back(), "/usr/lib/sysctl.d/20-b.conf:1=5");
}

TEST_F(SettingFilesTest, tuned_that_does_not_run_sets_nothing) {
  tree_.file("/etc/tuned/active_profile", "fast")
      .file("/usr/lib/tuned/fast/tuned.conf", "[sysctl]\nnet.core.somaxconn=2\n");
  tree_.file("/sys/fs/cgroup/system.slice/ssh.service/x", "");
  EXPECT_THAT(backlog(), IsEmpty());
  EXPECT_EQ(read().tuned_profile, "");
  tree_.file("/sys/fs/cgroup/system.slice/tuned.service/x", "")
      .file("/sys/fs/cgroup/system.slice/bpftune.service/x", "");
  EXPECT_THAT(backlog(), ElementsAre("/usr/lib/tuned/fast/tuned.conf:2=2"));
  EXPECT_THAT(read().tuners, ElementsAre("bpftune", "tuned"));
}

TEST_F(SettingFilesTest, includes_in_a_circle_end) {
  tree_.file("/etc/tuned/active_profile", "a b a\n")
      .file("/etc/tuned/a/tuned.conf", "[main]\ninclude=b,a,missing\n[sysctl]\nnet.core.somaxconn=1\n")
      .file("/etc/tuned/b/tuned.conf", "[main]\ninclude=a\n[sysctl]\nnet.core.somaxconn=2\n")
      .file("/usr/lib/tuned/a/tuned.conf", "[sysctl]\nnet.core.somaxconn=3\n");
  EXPECT_THAT(backlog(), ElementsAre("/usr/lib/tuned/a/tuned.conf:2=3", "/etc/tuned/b/tuned.conf:4=2",
                                     "/etc/tuned/a/tuned.conf:4=1"))
      << "a profile of /etc may include the one that it stands before";
  for (int i = 0; i < 100; ++i) {
    tree_.file("/etc/tuned/p" + std::to_string(i) + "/tuned.conf",
               "[main]\ninclude=p" + std::to_string(i + 1) + "\n[sysctl]\nnet.core.somaxconn=1\n");
  }
  tree_.file("/etc/tuned/active_profile", "p0");
  EXPECT_EQ(backlog().size(), 32u);
}

TEST_F(SettingFilesTest, what_is_no_file_is_not_opened) {
  tree_.file("/etc/sysctl.d/10-a.conf", "net.core.somaxconn = 1").file("/etc/sysctl.d/30-dir.conf/x", "");
  ASSERT_EQ(mkfifo((tree_.path() + "/etc/sysctl.d/20-pipe.conf").c_str(), 0600), 0);
  tree_.file("/etc/sysctl.d/40-large.conf", std::string((1 << 20) + 1, '\n') + "net.core.somaxconn = 2");
  EXPECT_THAT(backlog(), ElementsAre("/etc/sysctl.d/10-a.conf:1=1"));
  EXPECT_EQ(read().unreadable, 1u);
}

TEST(SettingFiles, of_a_host_without_any) {
  TempTree tree;
  SettingFiles files = read_setting_files(tree.root(), true);
  EXPECT_THAT(files.lines, IsEmpty());
  EXPECT_EQ(files, SettingFiles());
}

}  // namespace
}  // namespace tcpadvisor::sources::setting_files_test
