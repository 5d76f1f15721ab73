// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/chains.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "agent/watch/words.h"

namespace tcpadvisor::watch {
namespace {

auto ends(const SocketRow* row) {
  return std::tie(row->local, row->remote);
}
auto mirrored(const SocketRow* row) {
  return std::tie(row->remote, row->local);
}

bool is_connection(const SocketRow& row) {
  return row.state != TcpState::listen && row.remote.port != 0;
}

/// Rows in the order of their addresses, so that a mirror image is found by binary search.
class Ends {
 public:
  explicit Ends(const Sample& sample) {
    for (const SocketRow& row : sample.sockets) {
      if (is_connection(row)) by_ends_.push_back(&row);
    }
    std::ranges::sort(by_ends_, [](const SocketRow* a, const SocketRow* b) { return ends(a) < ends(b); });
  }

  const SocketRow* other_end(const SocketRow* row) const {
    auto candidates = std::ranges::equal_range(by_ends_, mirrored(row), std::ranges::less{}, ends);
    auto here = std::ranges::find(candidates, row->netns, &SocketRow::netns);
    if (here != candidates.end()) return *here == row ? nullptr : *here;
    // Loopback never crosses namespaces, and two namespaces may use the same addresses: then nobody can tell.
    if (row->local.is_loopback() || candidates.size() != 1) return nullptr;
    auto twins = std::ranges::equal_range(by_ends_, ends(row), std::ranges::less{}, ends);
    return twins.size() == 1 ? candidates.front() : nullptr;
  }

  const std::vector<const SocketRow*>& rows() const { return by_ends_; }

 private:
  std::vector<const SocketRow*> by_ends_;
};

std::uint64_t leaving(const SocketRow* from, const SocketRow* to) {
  return (from != nullptr ? from->send_q : 0) + (to != nullptr ? to->recv_q : 0);
}

/// The end that the line is about: more bytes leave it; if none do, the one that a process still holds.
bool comes_first(const SocketRow* a, const SocketRow* b) {
  if (leaving(a, b) != leaving(b, a)) return leaving(a, b) > leaving(b, a);
  bool a_held = a->holder == Holder::process, b_held = b->holder == Holder::process;
  if (a_held != b_held) return a_held;
  return a < b;  // any order will do as long as both ends agree on it
}

void add_wire(Line& line, const SocketRow* from, const SocketRow* to, const Glyphs& g) {
  std::optional<std::uint32_t> window = from != nullptr ? from->snd_wnd : to->rcv_wnd;
  line.add(fmt::format(" {} wire", g.arrow), Attr::dim);
  if (window) {
    bool closed = *window == 0 && from != nullptr && from->send_q > 0;
    line.add(fmt::format(" (wnd {})", queue_text(*window)), closed ? Attr::critical : Attr::dim);
  }
  line.add(fmt::format(" {} ", g.arrow), Attr::dim);
}

Line chain(const SocketRow* from, const SocketRow* to, const Glyphs& g) {
  Line line("  ");
  if (from != nullptr) {
    line.add(fmt::format("Send-Q {}", queue_text(from->send_q)), from->send_q > 0 ? Attr::title : Attr::normal);
    if (from->not_sent.value_or(0) > 0) line.add(fmt::format(" (not sent {})", queue_text(*from->not_sent)));
  } else {
    line.add("peer", Attr::dim);
  }
  add_wire(line, from, to, g);
  if (to != nullptr) {
    line.add(fmt::format("Recv-Q {}", queue_text(to->recv_q)), to->recv_q > 0 ? Attr::title : Attr::normal);
  } else {
    line.add("peer", Attr::dim);
  }
  return line;
}

}  // namespace

std::uint64_t Link::queued() const {
  return leaving(near, far) + leaving(far, near);
}

std::vector<Link> links_of(const Sample& sample) {
  Ends all(sample);
  std::vector<Link> links;
  for (const SocketRow* row : all.rows()) {
    const SocketRow* far = all.other_end(row);
    if (far == nullptr || comes_first(row, far)) links.push_back({row, far});
  }
  return links;
}

std::vector<Line> chain_lines(const Link& link, const Glyphs& g) {
  const SocketRow *near = link.near, *far = link.far;
  bool far_tells = far != nullptr && (far->state != near->state || far->holder != near->holder);
  std::vector<Line> lines;
  if (leaving(near, far) > 0 || far_tells) {
    Line line = chain(near, far, g);
    if (far != nullptr) {
      line.add(" " + owner_text(*far), Attr::dim);
      if (far->state != near->state) line.add(fmt::format(" {}", state_text(far->state)));
    }
    lines.push_back(std::move(line));
  }
  if (leaving(far, near) > 0) lines.push_back(chain(far, near, g));
  return lines;
}

}  // namespace tcpadvisor::watch
