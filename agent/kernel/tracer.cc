// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/tracer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "advisor/base/saturate.h"
#include "agent/kernel/decode.h"
#include "agent/kernel/drop_table.h"
#include "agent/kernel/loader.h"
#include "agent/kernel/map_entries.h"
#include "bpf/matters.h"

namespace tcpadvisor::kernel {
namespace {

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Reads an iterator to its end. EAGAIN means that it looked at a million objects without a record: it goes on.
/// One read; 0 at the end.
Result<std::size_t> read_some(int fd, std::span<std::byte> into) {
  while (true) {
    ssize_t got = read(fd, into.data(), into.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR || errno == EAGAIN) continue;
    return fail(ErrorCode::failed, fmt::format("reading an iterator: {}", std::strerror(errno)), errno);
  }
}

Result<std::vector<std::byte>> read_all(int fd) {
  std::vector<std::byte> bytes;
  std::size_t filled = 0;
  while (true) {
    if (bytes.size() - filled < 65'536) bytes.resize(std::max<std::size_t>(bytes.size() * 2, 262'144));
    auto got = read_some(fd, std::span(bytes).subspan(filled));
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    filled += *got;
  }
  bytes.resize(filled);
  return bytes;
}

/// Adds member by member. `Value` is made of std::uint64_t only.
template <typename Value>
void add_up(const Value& more, Value& sum) {
  static_assert(sizeof(Value) % sizeof(std::uint64_t) == 0);
  auto* total = reinterpret_cast<std::uint64_t*>(&sum);
  const auto* part = reinterpret_cast<const std::uint64_t*>(&more);
  // NOLINTNEXTLINE(bugprone-sizeof-expression): it may be a single number
  for (std::size_t i = 0; i < sizeof(Value) / sizeof(std::uint64_t); ++i) total[i] += part[i];
}

/// Sum over all CPUs of a per-CPU array's entry.
template <typename Value>
std::optional<Value> sum_per_cpu(int map_fd, std::uint32_t key) {
  int cpus = libbpf_num_possible_cpus();
  if (map_fd < 0 || cpus <= 0) return std::nullopt;
  std::vector<Value> values(static_cast<std::size_t>(cpus));
  if (bpf_map_lookup_elem(map_fd, &key, values.data()) != 0) return std::nullopt;
  Value sum{};
  for (const Value& value : values) add_up(value, sum);
  return sum;
}

/// The entries of map `connects`; those that are over are removed.
std::optional<std::vector<FailedConnects>> read_connects(int map_fd, std::uint64_t now_ns) {
  std::vector<FailedConnects> out;
  auto take = [&](const abi::ta_connect_key& key, const abi::ta_connect& failed) {
    bool over = is_over(now_ns, failed.last_ns, TA_CONNECT_RUN_NS);
    if (over) bpf_map_delete_elem(map_fd, &key);
    if (!over && failed.count > 0) out.push_back(decode_connect(key, failed, now_ns));
  };
  if (!each_entry<abi::ta_connect_key, abi::ta_connect>(map_fd, take)) return std::nullopt;
  std::ranges::sort(out, [](const FailedConnects& a, const FailedConnects& b) {
    return a.count != b.count ? a.count > b.count : a < b;
  });
  return out;
}

/// The entries of both maps of retransmissions; those that are over are removed.
std::optional<std::vector<Retransmits>> read_retransmits(int connections_fd, int handshakes_fd, std::uint64_t now_ns) {
  std::vector<Retransmits> all, out;
  auto take_from = [&](int map_fd) {
    return [&all, map_fd, now_ns](const abi::ta_peer_key& key, const abi::ta_retransmits& sent) {
      if (is_over(now_ns, sent.last_ns, TA_RETRANSMITS_KEPT_NS))
        bpf_map_delete_elem(map_fd, &key);
      else
        all.push_back(decode_retransmits(key, sent, now_ns));
    };
  };
  using Key = abi::ta_peer_key;
  using Sent = abi::ta_retransmits;
  if (!each_entry<Key, Sent>(connections_fd, take_from(connections_fd)) ||
      !each_entry<Key, Sent>(handshakes_fd, take_from(handshakes_fd)))
    return std::nullopt;
  std::ranges::sort(all);
  for (const Retransmits& one : all) {  // what both have becomes one
    if (out.empty() || out.back().netns != one.netns || out.back().destination != one.destination) {
      out.push_back(one);
      continue;
    }
    for (auto kind : kRetransmitKinds) out.back().segments.*kind += one.segments.*kind;
    out.back().last_ms_ago = std::min(out.back().last_ms_ago, one.last_ms_ago);
  }
  return out;
}

/// The entries of map `closers`; those that are over are removed.
std::optional<std::vector<Closes>> read_closers(int map_fd, std::uint64_t now_ns, unsigned hz) {
  std::vector<Closes> out;
  auto take = [&](std::uint32_t tgid, const abi::ta_closer& closer) {
    if (is_over(now_ns, closer.last_ns, TA_CLOSE_RUN_NS))
      bpf_map_delete_elem(map_fd, &tgid);
    else
      out.push_back(decode_closer(tgid, closer, now_ns, hz));
  };
  if (!each_entry<std::uint32_t, abi::ta_closer>(map_fd, take)) return std::nullopt;
  std::ranges::sort(
      out, [](const Closes& a, const Closes& b) { return a.gathered != b.gathered ? a.gathered > b.gathered : a < b; });
  return out;
}

class LiveTracer : public Tracer {
 public:
  using Reasons = std::map<unsigned, std::string>;
  explicit LiveTracer(Loaded loaded, Reasons reset_reasons = {}, const Reasons& drop_reasons = {})
      : loaded_(std::move(loaded)), reset_reasons_(std::move(reset_reasons)), drop_reasons_(drop_reasons) {
    if (loaded_.object) {
      walk_ = static_cast<abi::ta_walk*>(loaded_.object->variable("walk"));
      towards_ = static_cast<abi::ta_towards*>(loaded_.object->variable("towards"));
      files_ = static_cast<abi::ta_files*>(loaded_.object->variable("files"));
      networks_ = static_cast<abi::ta_networks*>(loaded_.object->variable("networks"));
      look_ = static_cast<abi::ta_look*>(loaded_.object->variable("look"));
      measuring_ = static_cast<abi::ta_u32*>(loaded_.object->variable("measuring"));
      drop_reasons_.mark_losses(static_cast<abi::ta_u8*>(loaded_.object->variable("is_loss")));
    }
    calibrate();
  }

  const std::vector<FactCoverage>& coverage() const override { return loaded_.coverage; }
  bool can_walk_sockets() const override { return loaded_.in_use.contains(FactId::snapshot) && walk_ != nullptr; }
  bool can_walk_owners() const override { return loaded_.in_use.contains(FactId::owners) && files_ != nullptr; }

  void look_at(const Look* look) override {
    if (look_ == nullptr) return;
    look_->on = look != nullptr;
    look_->max_rows = look != nullptr ? look->max_rows : 0;
    if (look == nullptr) return;
    look_->mask = look->mask;
    look_->turn = look->turn;
    std::ranges::copy(look->followed, look_->followed);
  }

  Result<SocketWalk> walk_sockets(const RowFilter& filter, const TakeRow& take) override {
    if (!can_walk_sockets()) return fail(ErrorCode::unsupported, "iter/tcp is not available here");
    std::memset(walk_, 0, sizeof *walk_);
    walk_->all = filter.all;
    walk_->min_recv_q = clamp32(filter.min_recv_q);
    walk_->min_send_q = clamp32(filter.min_send_q);
    walk_->used_j = used_jiffies();
    ask_for_port_use(filter.ports);
    if (Status read = hand_over_rows(take); !read) return std::unexpected(read.error());

    SocketWalk result;
    if (towards_ != nullptr) {
      result.port_use = decode_towards(*towards_, kMaxPortUse);
      result.destinations_uncounted = towards_->uncounted;
    }
    for (std::size_t state = 0; state < kStateCount; ++state) result.states[state] = decode_sums(walk_->states[state]);
    for (std::size_t i = 0; i < std::min<std::size_t>(walk_->ports, abi::TA_PORT_SLOTS); ++i)
      result.ports.push_back(decode_port(walk_->port[i]));
    for (const abi::ta_cgroup& group : walk_->cgroup) {
      if (group.id != 0) result.cgroups.push_back(decode_cgroup(group));
    }
    result.walked = walk_->walked;
    result.suppressed = walk_->suppressed;
    result.unaggregated = walk_->unaggregated;
    result.pid_level = walk_->pid_level;
    result.memory = decode_memory(*walk_, static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)), hz_);
    return result;
  }

  Result<OwnerWalk> walk_owners(const RowFilter& filter) override {
    if (!can_walk_owners()) return fail(ErrorCode::unsupported, "iter/task_file is not available here");
    std::memset(files_, 0, sizeof *files_);
    files_->all = filter.all;
    files_->min_recv_q = clamp32(filter.min_recv_q);
    files_->min_send_q = clamp32(filter.min_send_q);
    files_->used_j = used_jiffies();
    files_->old_j = clamp32(static_cast<std::uint64_t>(filter.old.count()) * hz_ / 1000);
    files_->max_held = kMaxHeld;
    std::ranges::transform(kIdleSlotEndsMs, files_->idle_j,
                           [this](std::uint64_t end_ms) { return clamp32(end_ms * hz_ / 1000); });
    files_->netns = clamp32(filter.netns);  // inodes of namespaces have 32 bits
    files_->number = next_walk_ = std::max(next_walk_ + 1, 1u);
    if (networks_ != nullptr) {
      networks_->walk = files_->number;
      networks_->count = 0;
      networks_->widened = networks_->uncounted = 0;
    }
    auto bytes = run("walk_files");
    if (!bytes) return std::unexpected(bytes.error());
    auto result = decode_files(*bytes);
    if (!result) return result;
    result->files = files_->files;
    result->suppressed = files_->suppressed;
    if (networks_ != nullptr) {
      result->networks = decode_networks(*networks_, hz_);
      result->networks_uncounted = networks_->uncounted;
    }
    note_what_was_looked_at(*result);
    return result;
  }

  std::optional<LifecycleTotals> lifecycle() override {
    if (!loaded_.in_use.contains(FactId::state_changes)) return std::nullopt;
    auto life = life_totals();
    if (!life) return std::nullopt;
    LifecycleTotals out;
    out.opened = life->opened;
    out.closed = life->closed;
    out.closed_by_us = life->closed_by_us;
    out.closed_by_peer = life->closed_by_peer;
    out.reset = life->reset;
    out.unread_at_close = life->unread_at_close;
    out.unread_bytes_at_close = life->unread_bytes_at_close;
    out.unsent_at_close = life->unsent_at_close;
    out.unsent_bytes_at_close = life->unsent_bytes_at_close;
    out.bytes_sent = life->bytes_sent;
    out.bytes_received = life->bytes_received;
    out.send_calls = life->send_calls;
    out.recv_calls = life->recv_calls;
    for (std::size_t state = 0; state < kStateCount; ++state) {
      auto& dwell = out.dwell_log2_ms[state];
      for (std::size_t slot = 0; slot < abi::TA_DWELL_SLOTS; ++slot)
        dwell[std::min(slot, dwell.size() - 1)] += life->dwell[state][slot];
    }
    for (unsigned reason = 0; reason < abi::TA_RESET_REASONS; ++reason) {
      if (life->resets_sent[reason] != 0) out.resets_sent[reason_name(reason)] += life->resets_sent[reason];
    }
    return out;
  }

  std::optional<BufferRefusals> refusals() override {
    if (!loaded_.in_use.contains(FactId::refusals)) return std::nullopt;
    auto sum = sum_per_cpu<abi::ta_refusals>(map("refusals"), 0);
    if (!sum) return std::nullopt;
    return BufferRefusals{sum->host_send, sum->host_recv, sum->cgroup_send, sum->cgroup_recv};
  }

  std::optional<std::vector<FailedConnects>> failed_connects() override {
    if (!loaded_.in_use.contains(FactId::connects)) return std::nullopt;
    return read_connects(map("connects"), monotonic_ns());
  }

  std::optional<std::vector<Retransmits>> retransmits() override {
    auto source = loaded_.in_use.find(FactId::retransmits);
    if (source == loaded_.in_use.end() || source->second->programs.empty()) return std::nullopt;
    return read_retransmits(map("retransmits"), map("handshakes"), monotonic_ns());
  }

  std::optional<std::vector<Drops>> drops() override {
    if (!loaded_.in_use.contains(FactId::drops)) return std::nullopt;
    return read_drops(map("drops"), map("drops_handshake"), drop_reasons_, monotonic_ns());
  }

  std::optional<std::vector<Closes>> closes() override {
    if (!loaded_.in_use.contains(FactId::state_changes)) return std::nullopt;
    return read_closers(map("closers"), monotonic_ns(), hz_);
  }

  std::map<std::string, std::uint64_t> lost() override {
    static constexpr std::pair<const char*, abi::ta_lost> kKinds[] = {{"socket_state", abi::TA_LOST_SOCK},
                                                                      {"wait_ends", abi::TA_LOST_WAIT},
                                                                      {"shared_sockets", abi::TA_LOST_SEEN},
                                                                      {"failed_connects", abi::TA_LOST_CONNECT},
                                                                      {"retransmits", abi::TA_LOST_RETRANSMIT},
                                                                      {"closes", abi::TA_LOST_CLOSER},
                                                                      {"drops", abi::TA_LOST_DROP}};
    std::map<std::string, std::uint64_t> out;
    for (auto [name, kind] : kKinds) out[name] = sum_per_cpu<std::uint64_t>(map("lost"), kind).value_or(0);
    std::uint64_t& missed = out["missed_runs"];
    for (const HookCost::Program& hook : cost().programs) {
      missed += hook.recursion_misses;
      say_whether_exact(hook);
    }
    return out;
  }

  void stop(FactId fact, const std::string& why) override {
    auto in_use = loaded_.in_use.find(fact);
    if (in_use == loaded_.in_use.end()) return;
    for (std::string_view program : in_use->second->programs) loaded_.object->detach(program);
    loaded_.in_use.erase(in_use);
    auto line = std::ranges::find(loaded_.coverage, fact, &FactCoverage::fact);
    line->in_use.clear();
    line->kind = SourceKind::none;
    line->exact = false;
    line->remark = why;
    line->attempts.back().outcome = AttemptOutcome::stopped;
    line->attempts.back().why_not = why;
    line->attempts.back().cure = fmt::format("--{} on, or a larger --budget", name_of(fact));
  }

  bool still_readable() override {
    if (loaded_.object && !sum_per_cpu<std::uint64_t>(map("lost"), 0)) return false;
    return !can_walk_sockets() || loaded_.object->iterate("walk_tcp").has_value();
  }

  Status measure(bool on) override {
    // Read by the programs at every run; a run that began before ends as it began.
    if (measuring_ != nullptr) std::atomic_ref(*measuring_).store(on ? 1 : 0, std::memory_order_relaxed);
    return {};
  }

  HookCost cost() const override {
    HookCost out;
    for (const auto& [fact, candidate] : loaded_.in_use) {
      auto row = std::ranges::find(facts(), fact, &Fact::id);
      if (candidate->programs.empty() || !row->hook) continue;
      auto sum = sum_per_cpu<abi::ta_cost>(map("costs"), *row->hook).value_or(abi::ta_cost{});
      out.programs.push_back({std::string(candidate->source), fact, sum.runs, sum.ns, missed_runs(*row, *candidate)});
    }
    return out;
  }

 private:
  static constexpr std::uint32_t kMaxHeld = 65'536;  // owners of rows: shared sockets have several

  void ask_for_port_use(const PortRange& ports) const {
    if (towards_ == nullptr) return;
    if (++towards_->walk == 0) towards_->walk = 1;
    towards_->low = ports.low;
    towards_->high = ports.high;
    towards_->count = 0;
    towards_->uncounted = 0;
  }

  /// Of each process' connections: all, one in so many, or none at all.
  void note_what_was_looked_at(OwnerWalk& walk) const {
    const bool all = files_->all != 0, some = look_ != nullptr && look_->on != 0;
    const std::uint32_t one_in = !all && some ? add_sat(look_->mask, 1u) : 1;
    for (OwnerTotals& owner : walk.owners) {
      if (!all && !some) owner.timeouts.reset();
      if (owner.timeouts) owner.timeouts->one_in = one_in;
    }
    for (NetworkTotals& network : walk.networks) {
      network.one_in = one_in;
      if (!all && !some) network.keepalive = network.nodelay = std::nullopt;
    }
  }

  std::uint32_t used_jiffies() const { return abi::TA_USED_MS * hz_ / 1000; }

  static std::uint32_t clamp32(std::uint64_t value) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, UINT32_MAX));
  }

  int map(std::string_view name) const { return loaded_.object ? loaded_.object->map_fd(name) : -1; }

  /// The sum of what the copies of the program counted.
  std::optional<abi::ta_life> life_totals() const {
    auto sum = sum_per_cpu<abi::ta_life>(map("life"), 0);
    for (std::uint32_t copy = 1; sum && copy < abi::TA_COPIES; ++copy) {
      auto more = sum_per_cpu<abi::ta_life>(map("life"), copy);
      if (!more) return std::nullopt;
      add_up(*more, *sum);
    }
    return sum;
  }

  std::uint64_t missed_by(std::string_view program) const {  // 0 also where the kernel does not count them
    bpf_prog_info info = {};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(loaded_.object->program_fd(program), &info, &size) != 0) return 0;
    return info.recursion_misses;
  }

  /// Runs that the kernel left out because the program, or for kprobes any other, was already running on that
  /// processor.
  std::uint64_t missed_runs(const Fact& fact, const Candidate& candidate) const {
    if (fact.hook == abi::TA_HOOK_STATES) {  // what the first copy missed, the second took over; bpf/lifecycle.bpf.c
      std::uint64_t missed = missed_by(candidate.programs.front());
      auto life = missed > 0 ? life_totals() : std::nullopt;
      return missed - std::min(missed, life ? life->taken_over : 0);
    }
    // Only interrupts look up routes while one is looked up on the same processor, and connect() is not called in one.
    if (fact.hook == abi::TA_HOOK_CONNECTS) return 0;
    std::uint64_t missed = 0;
    for (std::string_view program : candidate.programs) missed += missed_by(program);
    return missed;
  }

  void say_whether_exact(const HookCost::Program& hook) {
    auto line = std::ranges::find(loaded_.coverage, hook.fact, &FactCoverage::fact);
    auto source = loaded_.in_use.find(hook.fact);
    if (line == loaded_.coverage.end() || source == loaded_.in_use.end()) return;
    const Candidate& in_use = *source->second;
    line->exact = in_use.exact && hook.recursion_misses == 0;
    line->remark = in_use.remark;
    if (hook.recursion_misses == 0) return;
    if (!line->remark.empty()) line->remark += "; ";
    line->remark += fmt::format("a lower bound: {} events came while the hook was at work", hook.recursion_misses);
  }

  /// All that one pass of an iterator writes, in the network namespace of the calling thread.
  Result<std::vector<std::byte>> run(std::string_view program) {
    auto iterator = loaded_.object->iterate(program);
    if (!iterator) return std::unexpected(iterator.error());
    return read_all(iterator->get());
  }

  /// The walk's records as they come. A read may end in the middle of one.
  Status hand_over_rows(const TakeRow& take) {
    auto iterator = loaded_.object->iterate("walk_tcp");
    if (!iterator) return std::unexpected(iterator.error());
    room_.resize(sizeof(abi::ta_row) * 128);
    std::size_t filled = 0;
    while (true) {
      auto got = read_some(iterator->get(), std::span(room_).subspan(filled));
      if (!got) return std::unexpected(got.error());
      if (*got == 0) break;
      filled += *got;
      std::size_t whole = filled - filled % sizeof(abi::ta_row);
      if (Status decoded = decode_rows(std::span(room_).first(whole), hz_, take); !decoded) return decoded;
      std::copy(room_.begin() + static_cast<std::ptrdiff_t>(whole), room_.begin() + static_cast<std::ptrdiff_t>(filled),
                room_.begin());
      filled -= whole;
    }
    return decode_rows(std::span(room_).first(filled), hz_, take);  // what is left is no whole record: say so
  }

  /// The kernel's tick rate, from one walk: it stores jiffies at its end.
  void calibrate() {
    if (!can_walk_sockets()) return;
    RowFilter nothing;
    nothing.min_recv_q = nothing.min_send_q = UINT32_MAX;
    if (walk_sockets(nothing, [](SocketRow&&, std::optional<Spot>) {}) && walk_->now_j != 0)
      hz_ = jiffies_per_second(walk_->now_j, monotonic_ns());
  }

  std::string reason_name(unsigned reason) const {
    auto at = reset_reasons_.find(reason);
    if (at == reset_reasons_.end()) return "unknown";
    std::string name = at->second;
    static constexpr std::string_view kPrefix = "SK_RST_REASON_";
    return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
  }

  Loaded loaded_;
  Reasons reset_reasons_;
  DropReasons drop_reasons_;
  std::vector<std::byte> room_;  ///< for the records of one read of a walk
  abi::ta_walk* walk_ = nullptr;
  abi::ta_look* look_ = nullptr;
  abi::ta_towards* towards_ = nullptr;
  abi::ta_files* files_ = nullptr;
  abi::ta_networks* networks_ = nullptr;
  abi::ta_u32* measuring_ = nullptr;  ///< shared with the programs
  unsigned hz_ = 250;
  std::uint32_t next_walk_ = 0;
};

/// What is left when the kernel has no type information, or the user wants no BPF at all.
Loaded nothing_loaded(AttemptOutcome outcome, const std::string& why, const std::string& cure) {
  Loaded loaded;
  for (const Fact& fact : facts()) {
    FactCoverage line;
    line.fact = fact.id;
    line.exact = false;
    for (const Candidate& candidate : fact.candidates) {
      line.attempts.push_back({.source = std::string(candidate.source),
                               .kind = kind_of(fact, candidate),
                               .outcome = outcome,
                               .why_not = why,
                               .cure = cure});
    }
    loaded.coverage.push_back(std::move(line));
  }
  return loaded;
}

void raise_memory_lock_limit() {
  rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK,
            &unlimited);  // kernels before 5.11 charge maps to it; refused without CAP_SYS_RESOURCE, which is fine
}

std::unique_ptr<Tracer> try_everything(const TracerOptions& options) {
  if (options.hooks == Hooks::none && !options.iterators) {
    return std::make_unique<LiveTracer>(
        nothing_loaded(AttemptOutcome::not_tried, "not tried: --hooks none and no BPF sources", ""));
  }
  auto types = KernelTypes::open();
  if (!types) {
    return std::make_unique<LiveTracer>(
        nothing_loaded(AttemptOutcome::failed, types.error().message, "a kernel with CONFIG_DEBUG_INFO_BTF"));
  }
  raise_memory_lock_limit();
  return std::make_unique<LiveTracer>(load_all(options, *types), types->enum_names("sk_rst_reason"),
                                      types->enum_names("skb_drop_reason"));
}

}  // namespace

std::unique_ptr<Tracer> Tracer::open(const TracerOptions& options) {
  auto tracer = try_everything(options);
  malloc_trim(0);  // the kernel's types took 10 MiB and more; freed, the allocator would keep them for itself
  return tracer;
}

}  // namespace tcpadvisor::kernel
