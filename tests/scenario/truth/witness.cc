// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/truth/witness.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "tests/scenario/child.h"

namespace tcpadvisor::truth {
namespace {

constexpr scenario::Millis kPatience{10'000};

double number_at(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string folder_of(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

std::uint16_t port_of(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  return colon == std::string_view::npos ? std::uint16_t{0}
                                         : static_cast<std::uint16_t>(number_at(address.substr(colon + 1)));
}

/// "r0,rb131072,t0": a name of letters and a number.
void take_skmem(std::string_view inside, SocketSeen& out) {
  while (!inside.empty()) {
    const std::size_t comma = std::min(inside.find(','), inside.size());
    const std::string_view part = inside.substr(0, comma);
    const std::size_t digit = part.find_first_of("0123456789");
    if (digit != std::string_view::npos) {
      out.numbers["skmem." + std::string(part.substr(0, digit))] = number_at(part.substr(digit));
    }
    inside.remove_prefix(std::min(inside.size(), comma + 1));
  }
}

void take_word(const std::string& word, SocketSeen& out) {
  const std::size_t colon = word.find(':');
  if (colon == std::string::npos) {
    return;
  }
  const std::string key = word.substr(0, colon);
  std::string_view value = std::string_view(word).substr(colon + 1);
  if (key == "ino") {
    out.inode = static_cast<std::uint64_t>(number_at(value));
  } else if (key == "timer" && value.starts_with('(')) {
    out.timer = value.substr(1, value.find(',') - 1);
  } else if (key == "skmem" && value.starts_with('(')) {
    take_skmem(value.substr(1, value.find(')') - 1), out);
  } else if (key == "retrans") {  // now/all
    out.numbers[key] = number_at(value.substr(value.find('/') + 1));
  } else {
    out.numbers[key] = number_at(value);
  }
}

ProcessSeen process_of(pid_t pid) {
  ProcessSeen out;
  const std::string stat = file_text(folder_of(pid) + "/stat");
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) {
    return out;
  }
  out.state = stat[name_end + 2];
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder_of(pid) + "/fd", error), end; it != end; it.increment(error)) {
    ++out.descriptors;
    const std::string target = std::filesystem::read_symlink(it->path(), error).string();
    if (target.starts_with("socket:[")) {
      out.sockets.insert(static_cast<std::uint64_t>(number_at(std::string_view(target).substr(8))));
    }
  }
  const std::string limits = file_text(folder_of(pid) + "/limits");
  if (const std::size_t line = limits.find("Max open files"); line != std::string::npos) {
    std::istringstream(limits.substr(line + 14)) >> out.descriptor_limit;
  }
  const std::string status = file_text(folder_of(pid) + "/status");
  if (const std::size_t line = status.find("VmRSS:"); line != std::string::npos) {
    std::istringstream(status.substr(line + 6)) >> out.rss_kib;
  }
  return out;
}

std::map<std::string, Device, std::less<>> parse_devices(const std::string& text) {
  std::map<std::string, Device, std::less<>> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) {
      continue;
    }
    std::istringstream numbers(line.substr(colon + 1));
    constexpr std::size_t kReceived = 0, kSent = 8;
    std::vector<double> all{std::istream_iterator<double>(numbers), {}};
    if (all.size() > kSent) {
      out[line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' '))] = {all[kReceived], all[kSent]};
    }
  }
  return out;
}

}  // namespace

double SocketSeen::number(std::string_view name) const {
  const auto it = numbers.find(name);
  return it == numbers.end() ? 0 : it->second;
}

SocketSeen parse_ss_line(std::string_view line) {
  SocketSeen out;
  std::istringstream words{std::string(line)};
  words >> out.state >> out.recv_q >> out.send_q >> out.local >> out.remote;
  out.local_port = port_of(out.local);
  out.remote_port = port_of(out.remote);
  for (std::string word; words >> word;) {
    take_word(word, out);
  }
  return out;
}

std::map<std::string, double, std::less<>> parse_counters(std::string_view text) {
  std::map<std::string, double, std::less<>> out;
  std::istringstream lines{std::string(text)};
  for (std::string names, values; std::getline(lines, names) && std::getline(lines, values);) {
    std::istringstream name(names), value(values);
    std::string section, again;
    name >> section;
    value >> again;
    if (section != again || section.empty()) {
      continue;
    }
    section.back() = '.';
    std::string word;
    for (double number = 0; name >> word && value >> number;) {
      out[section + word] = number;
    }
  }
  return out;
}

Witness::Witness(pid_t pid, std::vector<pid_t> processes)
    : pid_(pid),
      processes_(std::move(processes)),
      netns_(open((folder_of(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)) {}

void Witness::look() {
  Look look;
  look.at = std::chrono::steady_clock::now();
  const std::string net = folder_of(pid_) + "/net/";
  look.counters = parse_counters(file_text(net + "netstat"));
  look.counters.merge(parse_counters(file_text(net + "snmp")));
  look.devices = parse_devices(file_text(net + "dev"));
  for (const pid_t pid : processes_) {
    look.processes[pid] = process_of(pid);
  }
  if (netns_) {
    const scenario::Ended ss =
        scenario::run({"ss", "-tainmeHO"}, kPatience, {.env = {}, .uid = {}, .netns_fd = netns_.get()});
    std::istringstream lines(ss.out);
    for (std::string line; std::getline(lines, line);) {
      look.sockets.push_back(parse_ss_line(line));
    }
  }
  looks_.push_back(std::move(look));
}

std::string Witness::setting(const std::string& path) const {
  if (!netns_) {
    return "";
  }
  std::string text =
      scenario::run({"cat", "/proc/sys/" + path}, kPatience, {.env = {}, .uid = {}, .netns_fd = netns_.get()}).out;
  std::ranges::replace(text, '\t', ' ');
  while (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

}  // namespace tcpadvisor::truth
