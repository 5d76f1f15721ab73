// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/truth/proofs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <ranges>
#include <utility>

namespace tcpadvisor::truth {
namespace {

using Seen = std::vector<const SocketSeen*>;

bool holds(const Look& look, pid_t pid, std::uint64_t inode) {
  const auto process = look.processes.find(pid);
  return process != look.processes.end() && process->second.sockets.contains(inode);
}

bool matches(const Which& which, const Story& story, const Look& look, const SocketSeen& socket) {
  if (socket.state != which.state) {
    return false;
  }
  const bool local = socket.local_port == story.port, remote = socket.remote_port == story.port;
  if ((which.port == Port::local && !local) || (which.port == Port::remote && !remote) ||
      (which.port == Port::either && !local && !remote)) {
    return false;
  }
  switch (which.held) {
    case Held::by_culprit:
      return holds(look, story.pid, socket.inode);
    case Held::by_peer:
      return holds(look, story.peer_pid, socket.inode);
    case Held::by_nobody:
      return socket.inode == 0;
    case Held::by_anybody:
      return true;
  }
  return false;
}

Seen find(const Which& which, const Testimony& seen, const Look& look) {
  Seen out;
  for (const SocketSeen& socket : look.sockets) {
    if (matches(which, seen.story, look, socket)) {
      out.push_back(&socket);
    }
  }
  return out;
}

double value_of(const SocketSeen& socket, std::string_view name) {
  return name == "recv_q" ? socket.recv_q : name == "send_q" ? socket.send_q : socket.number(name);
}

double largest(const Seen& sockets, std::string_view name) {
  double out = 0;
  for (const SocketSeen* socket : sockets) {
    out = std::max(out, value_of(*socket, name));
  }
  return out;
}

std::string text_of(const Which& which) {
  constexpr std::array<std::string_view, 4> kPorts{"at its port", "towards its port", "at or towards its port", ""};
  return fmt::format("{} {}", which.state, kPorts[static_cast<std::size_t>(which.port)]);
}

/// True in at least this share of the looks; `value` is what is printed if not.
template <typename Value, typename Enough>
std::string in_looks(const Testimony& seen, double share, const std::string& what, Value value, Enough enough) {
  std::size_t good = 0;
  std::string others;
  const std::vector<Look>& looks = seen.here.looks();
  for (const Look& look : looks) {
    const double number = value(look);
    if (enough(number)) {
      ++good;
    } else if (others.size() < 60) {
      others += fmt::format(" {:g}", number);
    }
  }
  if (!looks.empty() && static_cast<double>(good) >= share * static_cast<double>(looks.size())) {
    return "";
  }
  return fmt::format("{} in {} of {} looks, else{}", what, good, looks.size(), others);
}

std::optional<double> increase(const Testimony& seen, std::string_view counter) {
  const std::vector<Look>& looks = seen.here.looks();
  if (looks.size() < 2) {
    return std::nullopt;
  }
  const auto first = looks.front().counters.find(counter), last = looks.back().counters.find(counter);
  if (first == looks.front().counters.end() || last == looks.back().counters.end()) {
    return std::nullopt;
  }
  return last->second - first->second;
}

/// By how much the number of each socket that stood at the first look and at the last one grew, all together.
double growth(const Which& which, const Testimony& seen, std::string_view name) {
  const std::vector<Look>& looks = seen.here.looks();
  if (looks.size() < 2) {
    return 0;
  }
  double out = 0;
  const Seen before = find(which, seen, looks.front());
  for (const SocketSeen* now : find(which, seen, looks.back())) {
    const auto then = std::ranges::find_if(
        before, [&](const SocketSeen* old) { return old->local == now->local && old->remote == now->remote; });
    out += value_of(*now, name) - (then == before.end() ? 0 : value_of(**then, name));
  }
  return out;
}

const ProcessSeen& culprit(const Testimony& seen, const Look& look) {
  static const ProcessSeen nobody;
  const auto it = look.processes.find(seen.story.pid);
  return it == look.processes.end() ? nobody : it->second;
}

const SocketSeen* listener(const Testimony& seen, const Look& look) {
  const Seen all = find({.state = "LISTEN"}, seen, look);
  return all.empty() ? nullptr : *std::ranges::max_element(all, {}, &SocketSeen::recv_q);
}

double fill(const Testimony& seen, const Look& look) {
  const SocketSeen* queue = listener(seen, look);
  return queue == nullptr || queue->send_q <= 0 ? -1 : queue->recv_q / queue->send_q;
}

double median(std::vector<double> numbers) {
  if (numbers.empty()) {
    return 0;
  }
  std::ranges::nth_element(numbers, numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2));
  return numbers[numbers.size() / 2];
}

}  // namespace

Proof all_of(std::vector<Proof> proofs) {
  return [proofs = std::move(proofs)](const Testimony& seen) {
    for (const Proof& proof : proofs) {
      if (std::string missing = proof(seen); !missing.empty()) {
        return missing;
      }
    }
    return std::string();
  };
}

Proof rises(std::string_view counter, double at_least) {
  return [=](const Testimony& seen) {
    const std::optional<double> by = increase(seen, counter);
    return by && *by >= at_least ? "" : fmt::format("{} rose by {:g}, not by {:g}", counter, by.value_or(-1), at_least);
  };
}

Proof rises_at_most(std::string_view counter, double at_most) {
  return [=](const Testimony& seen) {
    const std::optional<double> by = increase(seen, counter);
    return by && *by <= at_most ? "" : fmt::format("{} rose by {:g}", counter, by.value_or(-1));
  };
}

Proof stand(Which which, double at_least, double share) {
  return [=](const Testimony& seen) {
    const double wanted = at_least > 0 ? at_least : std::max(1.0, seen.story.count);
    return in_looks(
        seen, share, fmt::format("{:g} {}", wanted, text_of(which)),
        [&](const Look& look) { return static_cast<double>(find(which, seen, look).size()); },
        [&](double number) { return number >= wanted; });
  };
}

Proof none_stand(Which which) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, 1, "no " + text_of(which),
        [&](const Look& look) { return static_cast<double>(find(which, seen, look).size()); },
        [](double number) { return number == 0; });
  };
}

Proof nobody_listens() {
  return [](const Testimony& seen) {
    return in_looks(
        seen, 1, "no listener", [&](const Look& look) { return listener(seen, look) == nullptr ? 0 : 1; },
        [](double number) { return number == 0; });
  };
}

Proof has_timer(Which which, std::string_view timer) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, 1, fmt::format("{}: timer {}", text_of(which), timer),
        [&](const Look& look) {
          const Seen all = find(which, seen, look);
          return all.empty() ? -1 : static_cast<double>(std::ranges::count_if(all, [&](const SocketSeen* socket) {
            return socket->timer != timer;
          }));
        },
        [](double number) { return number == 0; });
  };
}

Proof has(Which which, std::string_view number, double at_least, double share) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, share, fmt::format("{}: {} of {:g}", text_of(which), number, at_least),
        [&](const Look& look) { return largest(find(which, seen, look), number); },
        [&](double value) { return value >= at_least; });
  };
}

Proof has_at_most(Which which, std::string_view number, double at_most, double share) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, share, fmt::format("{}: {} of at most {:g}", text_of(which), number, at_most),
        [&](const Look& look) {
          const Seen all = find(which, seen, look);
          return all.empty() ? -1 : largest(all, number);
        },
        [&](double value) { return value >= 0 && value <= at_most; });
  };
}

Proof grows(Which which, std::string_view number, double at_least) {
  return [=](const Testimony& seen) {
    const double by = growth(which, seen, number);
    return by >= at_least ? "" : fmt::format("{}: {} grew by {:g}, not by {:g}", text_of(which), number, by, at_least);
  };
}

Proof stays(Which which, std::string_view number) {
  return [=](const Testimony& seen) {
    const double by = growth(which, seen, number);
    return by == 0 ? "" : fmt::format("{}: {} grew by {:g}", text_of(which), number, by);
  };
}

Proof swings(Which which, std::string_view number, double times) {
  return [=](const Testimony& seen) {
    std::vector<double> values;
    for (const Look& look : seen.here.looks()) {
      if (const Seen all = find(which, seen, look); !all.empty()) {
        values.push_back(largest(all, number));
      }
    }
    if (values.empty()) {
      return text_of(which) + ": none";
    }
    const auto [least, most] = std::ranges::minmax(values);
    return most >= times * least ? ""
                                 : fmt::format("{}: {} between {:g} and {:g}", text_of(which), number, least, most);
  };
}

Proof loses(Which which, double at_least, double at_most) {
  return [=](const Testimony& seen) {
    const double sent = growth(which, seen, "data_segs_out"), again = growth(which, seen, "retrans");
    const double share = sent > 0 ? again / sent : 0;
    return share >= at_least && share <= at_most
               ? ""
               : fmt::format("{}: {:g} of {:g} segments sent again", text_of(which), again, sent);
  };
}

Proof queue_on_path(Which which, double at_least, double at_most) {
  return [=](const Testimony& seen) {
    std::vector<double> ratios;
    for (const Look& look : seen.here.looks()) {
      for (const SocketSeen* socket : find(which, seen, look)) {
        if (socket->number("minrtt") > 0) {
          ratios.push_back(socket->number("rtt") / socket->number("minrtt"));
        }
      }
    }
    const double middle = median(std::move(ratios));
    return middle >= at_least && middle <= at_most ? "" : fmt::format("rtt is {:.2f} times minrtt", middle);
  };
}

Proof accept_queue(double filled, double share) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, share, fmt::format("accept queue at {:g} of its backlog", filled),
        [&](const Look& look) { return fill(seen, look); }, [&](double number) { return number >= filled; });
  };
}

Proof accept_queue_moves(double filled_at_most) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, 0.5, fmt::format("accept queue below {:g} of its backlog", filled_at_most),
        [&](const Look& look) { return fill(seen, look); },
        [&](double number) { return number >= 0 && number <= filled_at_most; });
  };
}

Proof backlog_is(double value) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, 1, fmt::format("backlog of {:g}", value),
        [&](const Look& look) {
          const SocketSeen* queue = listener(seen, look);
          return queue == nullptr ? -1 : queue->send_q;
        },
        [&](double number) { return number == value; });
  };
}

Proof process_is(char state) {
  return [=](const Testimony& seen) {
    return in_looks(
        seen, 1, fmt::format("process in state {}", state),
        [&](const Look& look) { return culprit(seen, look).state == state ? 1 : 0; },
        [](double number) { return number == 1; });
  };
}

Proof descriptors_at_limit() {
  return [](const Testimony& seen) {
    return in_looks(
        seen, 1, "all descriptors in use",
        [&](const Look& look) {
          const ProcessSeen& process = culprit(seen, look);
          return process.descriptor_limit > 0 ? static_cast<double>(process.descriptors) / process.descriptor_limit : 0;
        },
        [](double number) { return number >= 1; });
  };
}

Proof descriptors_without_socket() {
  return [](const Testimony& seen) {
    return in_looks(
        seen, 1, "descriptors of sockets that are in no list",
        [&](const Look& look) {
          const std::set<std::uint64_t>& held = culprit(seen, look).sockets;
          const auto listed = std::ranges::count_if(
              look.sockets, [&](const SocketSeen& socket) { return held.contains(socket.inode); });
          return static_cast<double>(held.size()) - static_cast<double>(listed);
        },
        [&](double number) { return number >= seen.story.count; });
  };
}

Proof memory_grows(double kib) {
  return [=](const Testimony& seen) {
    const std::vector<Look>& looks = seen.here.looks();
    const double by = looks.empty() ? 0 : culprit(seen, looks.back()).rss_kib - culprit(seen, looks.front()).rss_kib;
    return by >= kib ? "" : fmt::format("its memory grew by {:g} KiB, not by {:g}", by, kib);
  };
}

Proof carries(double at_least_mbit, double at_most_mbit, std::string_view device) {
  return [=](const Testimony& seen) {
    const std::vector<Look>& looks = seen.here.looks();
    if (looks.size() < 2 || !looks.front().devices.contains(device) || !looks.back().devices.contains(device)) {
      return fmt::format("no device {}", device);
    }
    const Device &before = looks.front().devices.find(device)->second, &now = looks.back().devices.find(device)->second;
    const double seconds = std::chrono::duration<double>(looks.back().at - looks.front().at).count();
    const double mbit = std::max(now.received - before.received, now.sent - before.sent) * 8 / 1e6 / seconds;
    return mbit >= at_least_mbit && mbit <= at_most_mbit ? "" : fmt::format("{} carries {:.1f} Mbit/s", device, mbit);
  };
}

Proof setting_is(std::string path, std::string value) {
  return [path = std::move(path), value = std::move(value)](const Testimony& seen) {
    const std::string now = seen.here.setting(path);
    return now == value ? "" : fmt::format("{} is {}", path, now);
  };
}

Proof at_far_end(Proof proof) {
  return [proof = std::move(proof)](const Testimony& seen) {
    return seen.far == nullptr ? std::string("no other end")
                               : proof({.here = *seen.far, .far = &seen.here, .story = seen.story});
  };
}

}  // namespace tcpadvisor::truth
