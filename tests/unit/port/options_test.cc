// SPDX-License-Identifier: Apache-2.0
#include "agent/port/options.h"

#include <gmock/gmock.h>

#include <map>

namespace tcpadvisor::port::options_test {
namespace {

using Settings = std::vector<OptionSetting>;

std::string shown(const Options& options, std::string_view name) {
  return option_text(options, name).value();
}
std::string marks(const Options& options) {
  return shown(options, "high") + "/" + shown(options, "low");
}
std::string mq_marks(const Options& options) {
  return shown(options, "mq_high") + "/" + shown(options, "mq_low");
}

TEST(Options, Defaults) {
  Options options;
  EXPECT_EQ(marks(options), "8192/4096");
  EXPECT_EQ(mq_marks(options), "8192/4096");
  for (const auto& [name, value] : std::map<std::string, std::string>{{"delay_send", "false"},
                                                                      {"send_timeout", "infinity"},
                                                                      {"send_timeout_close", "false"},
                                                                      {"exit_on_close", "true"},
                                                                      {"linger", "false/0"},
                                                                      {"buffer", "1460"},
                                                                      {"sndbuf", "kernel"},
                                                                      {"recbuf", "kernel"},
                                                                      {"packet", "0"},
                                                                      {"active", "false"},
                                                                      {"parallelism", "false"}}) {
    EXPECT_EQ(shown(options, name), value) << name;
  }
}

TEST(Options, MarksClampEachOtherAndWrapAsSigned32) {
  struct {
    Settings settings;
    std::string expected;
  } cases[] = {
      {{{"high", "10"}}, "10/10"},
      {{{"low", "10000"}}, "10000/10000"},
      {{{"high", "0"}}, "0/0"},
      {{{"high", "-1"}}, "0/0"},
      {{{"low", "-1"}}, "8192/0"},
      {{{"high", "2147483647"}}, "2147483647/4096"},
      {{{"high", "2147483648"}}, "0/0"},
      {{{"high", "4294967297"}}, "1/1"},
      {{{"high_watermark", "4096"}}, "4096/4096"},
      {{{"low_watermark", "8192"}}, "8192/8192"},
  };
  for (const auto& c : cases) {
    Options options;
    EXPECT_EQ(port::apply(options, c.settings), Outcome::ok);
    EXPECT_EQ(marks(options), c.expected) << c.settings[0].name << "=" << c.settings[0].value;
    EXPECT_EQ(mq_marks(options), "8192/4096");
  }
}

TEST(Options, MessageQueueMarksAreAtLeastOne) {
  struct {
    OptionSetting setting;
    Outcome outcome;
    std::string expected;
  } cases[] = {
      {{"mq_high", "0"}, Outcome::einval, "8192/4096"},
      {{"mq_high", "-1"}, Outcome::einval, "8192/4096"},
      {{"mq_high", "-2"}, Outcome::einval, "8192/4096"},  // deliberately: OTP takes it for a huge number
      {{"mq_low", "0"}, Outcome::einval, "8192/4096"},
      {{"mq_high", "1"}, Outcome::ok, "1/1"},
      {{"mq_high", "10"}, Outcome::ok, "10/10"},
      {{"mq_low", "10000"}, Outcome::ok, "10000/10000"},
      {{"high_msgq_watermark", "1073741824"}, Outcome::ok, "1073741824/4096"},
      {{"low_msgq_watermark", "1"}, Outcome::ok, "8192/1"},
  };
  for (const auto& c : cases) {
    Options options;
    EXPECT_EQ(port::apply(options, {&c.setting, 1}), c.outcome) << c.setting.name << "=" << c.setting.value;
    EXPECT_EQ(mq_marks(options), c.expected) << c.setting.name << "=" << c.setting.value;
    EXPECT_EQ(marks(options), "8192/4096");
  }
}

TEST(Options, TheLastOneOfAListIsAppliedFirst) {
  Options options;
  EXPECT_EQ(port::apply(options, Settings{{"low", "9000"}, {"high", "5"}}), Outcome::ok);
  EXPECT_EQ(marks(options), "9000/9000");
  EXPECT_EQ(port::apply(options, Settings{{"high", "5"}, {"low", "9000"}}), Outcome::ok);
  EXPECT_EQ(marks(options), "5/5");
}

TEST(Options, ARangeErrorStopsButUndoesNothing) {
  Options options;
  EXPECT_EQ(port::apply(options, Settings{{"high", "77"}, {"mq_high", "0"}, {"low", "66"}}), Outcome::einval);
  EXPECT_EQ(marks(options), "8192/66");
}

TEST(Options, TypesAreCheckedBeforeAnythingIsApplied) {
  for (const OptionSetting& wrong : Settings{{"high", "1.5"},
                                             {"high", "infinity"},
                                             {"high", ""},
                                             {"high", "9223372036854775808"},
                                             {"mq_low", "x"},
                                             {"delay_send", "1"},
                                             {"send_timeout", "-1"},
                                             {"send_timeout", "soon"},
                                             {"linger", "true/-1"},
                                             {"linger", "2/true"},
                                             {"packet", "3"},
                                             {"active", "maybe"},
                                             {"no_such_option", "1"}}) {
    Options options;
    // The wrong one comes first in the list, so it would be applied last.
    EXPECT_EQ(port::apply(options, Settings{wrong, {"low", "66"}}), Outcome::einval)
        << wrong.name << "=" << wrong.value;
    EXPECT_EQ(options, Options{}) << wrong.name << "=" << wrong.value;
  }
}

TEST(Options, SendTimeout) {
  for (const auto& [text, expected] : std::map<std::string, std::string>{{"0", "0"},
                                                                         {"300", "300"},
                                                                         {"4294967294", "4294967294"},
                                                                         {"4294967295", "infinity"},
                                                                         {"infinity", "infinity"}}) {
    Options options;
    options.send_timeout = std::chrono::milliseconds(5);
    EXPECT_EQ(port::apply(options, Settings{{"send_timeout", text}}), Outcome::ok);
    EXPECT_EQ(shown(options, "send_timeout"), expected);
  }
}

TEST(Options, ActiveCountsAddUp) {
  struct {
    Settings each;  ///< applied one after the other
    Outcome last;
    std::string expected;
  } cases[] = {
      {{{"active", "once"}}, Outcome::ok, "once"},
      {{{"active", "3"}, {"active", "4"}}, Outcome::ok, "7"},
      {{{"active", "3"}, {"active", "-3"}}, Outcome::ok, "false"},
      {{{"active", "3"}, {"active", "-30"}}, Outcome::ok, "false"},
      {{{"active", "-5"}}, Outcome::ok, "false"},
      {{{"active", "true"}, {"active", "2"}}, Outcome::ok, "2"},
      {{{"active", "32767"}}, Outcome::ok, "32767"},
      {{{"active", "32767"}, {"active", "1"}}, Outcome::einval, "32767"},
      {{{"active", "32768"}}, Outcome::einval, "false"},
      {{{"active", "-32769"}}, Outcome::einval, "false"},
      {{{"active", "1"}, {"active", "9223372036854775807"}}, Outcome::einval, "1"},
  };
  for (const auto& c : cases) {
    Options options;
    Outcome outcome = Outcome::ok;
    for (const OptionSetting& setting : c.each) outcome = port::apply(options, {&setting, 1});
    EXPECT_EQ(outcome, c.last) << c.each.back().value;
    EXPECT_EQ(shown(options, "active"), c.expected) << c.each.back().value;
  }
}

TEST(Options, RecbufRaisesTheBufferUntilItIsSet) {
  Options options;
  port::apply(options, Settings{{"recbuf", "1000"}});
  EXPECT_EQ(shown(options, "buffer"), "1460");
  port::apply(options, Settings{{"recbuf", "5000"}});
  EXPECT_EQ(shown(options, "buffer"), "5000");
  port::apply(options, Settings{{"buffer", "0"}});
  EXPECT_EQ(shown(options, "buffer"), "1");
  port::apply(options, Settings{{"recbuf", "9000"}, {"sndbuf", "100000"}});
  EXPECT_EQ(shown(options, "buffer"), "1");
  EXPECT_EQ(shown(options, "recbuf"), "9000");
}

TEST(Options, NamesAndTexts) {
  EXPECT_EQ(option_name("high"), "high_watermark");
  EXPECT_EQ(option_name("low_msgq_watermark"), "low_msgq_watermark");
  auto wrong = option_name("hihg");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, testing::HasSubstr("no option 'hihg'; the options are high, low"));
  EXPECT_FALSE(option_text({}, "hihg"));
  // What is shown can be set again.
  for (std::string_view name : option_names()) {
    if (name == "sndbuf" || name == "recbuf") continue;
    Options options;
    EXPECT_EQ(port::apply(options, Settings{{std::string(name), shown({}, name)}}), Outcome::ok) << name;
    EXPECT_EQ(shown(options, name), shown({}, name));
  }
}

TEST(Options, WhatAnAcceptedPortInherits) {
  Options listener;
  Settings settings{{"high", "100"},         {"low", "50"},
                    {"mq_high", "200"},      {"mq_low", "150"},
                    {"send_timeout", "300"}, {"send_timeout_close", "true"},
                    {"delay_send", "true"},  {"exit_on_close", "false"},
                    {"packet", "2"},         {"buffer", "77"},
                    {"active", "once"},      {"show_econnreset", "true"},
                    {"nodelay", "true"},     {"linger", "true/0"}};
  ASSERT_EQ(port::apply(listener, settings), Outcome::ok);
  Options accepted = inherited(listener);
  for (const OptionSetting& setting : settings) EXPECT_EQ(shown(accepted, setting.name), setting.value) << setting.name;
  port::apply(listener, Settings{{"high", "999"}, {"parallelism", "true"}, {"sndbuf", "5000"}});
  EXPECT_EQ(marks(accepted), "100/50");
  EXPECT_EQ(marks(inherited(listener)), "999/50");
  EXPECT_EQ(shown(inherited(listener), "parallelism"), "false");
  EXPECT_EQ(shown(inherited(listener), "sndbuf"), "kernel");
}

}  // namespace
}  // namespace tcpadvisor::port::options_test
