// SPDX-License-Identifier: Apache-2.0
// The agent itself: its loop and its server.
#include <string>

#include "agent/export/metrics.h"

namespace tcpadvisor::exported {
namespace {

using enum MetricType;

double to_double(std::uint64_t value) {
  return static_cast<double>(value);
}

template <std::uint64_t AgentNumbers::* Member>
void read_number(const MetricSource& source, Family& family) {
  family.add({}, to_double(source.agent.*Member));
}

using Http = decltype(AgentNumbers::http);
template <std::uint64_t Http::* Member>
void read_http(const MetricSource& source, Family& family) {
  family.add({}, to_double(source.agent.http.*Member));
}

void read_unanswered(const MetricSource& source, Family& family) {
  family.add({"timed_out"}, to_double(source.agent.http.timed_out));
  family.add({"displaced"}, to_double(source.agent.http.displaced));
  family.add({"without_request"}, to_double(source.agent.http.without_request));
  family.add({"wrong_protocol"}, to_double(source.agent.http.wrong_protocol));
  family.add({"handshake_failed"}, to_double(source.agent.http.handshake_failed));
}

void read_logins(const MetricSource& source, Family& family) {
  const auto& logins = source.agent.http.logins;
  family.add({"known"}, to_double(logins.known));
  family.add({"checked"}, to_double(logins.checked));
  family.add({"refused"}, to_double(logins.refused));
  family.add({"missing"}, to_double(logins.missing));
  family.add({"busy"}, to_double(logins.busy));
}

void read_answers(const MetricSource& source, Family& family) {
  for (const auto& [key, count] : source.agent.http.answers)
    family.add({key.first, std::to_string(key.second)}, to_double(count));
}

void read_reloads(const MetricSource& source, Family& family) {
  family.add({"done"}, to_double(source.agent.reloads));
  family.add({"refused"}, to_double(source.agent.failed_reloads));
}

constexpr Metric kAgent[] = {
    {{.name = "build_info",
      .type = gauge,
      .unit = "",
      .labels = {"version", "kernel"},
      .help = "1: the version of the agent, and the kernel that it looks at"},
     [](const MetricSource& source, Family& family) {
       family.add({source.agent.version, source.now().host.kernel}, 1);
     }},
    {{.name = "agent_cpu_seconds_total",
      .type = counter,
      .unit = "seconds",
      .help = "processor time of the agent, without its hooks"},
     [](const MetricSource& source, Family& family) { family.add({}, source.agent.cpu_seconds); }},
    {{.name = "snapshot_age_seconds",
      .type = gauge,
      .unit = "seconds",
      .help = "age of the last walk over all sockets; a scrape starts none"},
     [](const MetricSource& source, Family& family) { family.add({}, source.agent.snapshot_age_seconds); }},
    {{.name = "ticks_total", .type = counter, .unit = "", .help = "times that the host was looked at"},
     read_number<&AgentNumbers::ticks>},
    {{.name = "failed_ticks_total", .type = counter, .unit = "", .help = "of the ticks, those that gave nothing"},
     read_number<&AgentNumbers::failed_ticks>},
    {{.name = "missed_ticks_total",
      .type = counter,
      .unit = "",
      .help = "of the ticks, those that the server was too slow to take"},
     read_number<&AgentNumbers::missed_ticks>},
    {{.name = "looks_spared_total",
      .type = counter,
      .unit = "",
      .help = "looks that were put off because the host was quiet and well (--rest)"},
     read_number<&AgentNumbers::looks_spared>},
    {{.name = "late_ticks_total",
      .type = counter,
      .unit = "",
      .help = "of the ticks, those that began more than one interval after they were due"},
     read_number<&AgentNumbers::late_ticks>},
    {{.name = "reloads_total",
      .type = counter,
      .unit = "",
      .labels = {"outcome"},
      .help = "of configuration and policy, by SIGHUP; refused: the old ones stay"},
     read_reloads},
    {{.name = "http_requests_total",
      .type = counter,
      .unit = "",
      .labels = {"endpoint", "code"},
      .help = "requests answered, by endpoint and HTTP status"},
     read_answers},
    {{.name = "http_answers_bytes_total",
      .type = counter,
      .unit = "bytes",
      .help = "of answers and events of the server, without headers"},
     read_http<&Http::bytes>},
    {{.name = "http_connections", .type = gauge, .unit = "", .help = "connections to the server that are open"},
     read_http<&Http::open>},
    {{.name = "http_connections_limit",
      .type = gauge,
      .unit = "",
      .help = "how many connections to the server may be open"},
     read_http<&Http::limit>},
    {{.name = "http_connections_accepted_total", .type = counter, .unit = "", .help = "connections to the server"},
     read_http<&Http::accepted>},
    {{.name = "http_connections_unanswered_total",
      .type = counter,
      .unit = "",
      .labels = {"reason"},
      .help = "connections to the server that ended without an answer of ours: too slow, to make room, without a "
              "whole request, TLS where it is not spoken or the other way round, or no agreement on TLS"},
     read_unanswered},
    {{.name = "http_logins_total",
      .type = counter,
      .unit = "",
      .labels = {"outcome"},
      .help = "requests where --web-config has users: right password (known from before, or checked), wrong one, none, "
              "or too many to check"},
     read_logins},
    {{.name = "http_certificate_expiry_timestamp_seconds",
      .type = gauge,
      .unit = "seconds",
      .help = "when the certificate of the server expires, in unix time; 0: it speaks no TLS"},
     [](const MetricSource& source, Family& family) {
       family.add({}, static_cast<double>(source.agent.http.certificate_ends_s));
     }},
    {{.name = "http_accept_errors_total",
      .type = counter,
      .unit = "",
      .help = "times that a connection could not be taken, mostly because no descriptor was left"},
     read_http<&Http::accept_errors>},
    {{.name = "http_event_streams", .type = gauge, .unit = "", .help = "readers of /api/v1/events"},
     read_http<&Http::streams>},
    {{.name = "http_event_streams_limit", .type = gauge, .unit = "", .help = "how many readers of events there may be"},
     read_http<&Http::streams_limit>},
    {{.name = "http_slow_event_streams_dropped_total",
      .type = counter,
      .unit = "",
      .help = "readers of events that did not keep up"},
     read_http<&Http::slow_streams_dropped>},
};

constexpr FamilyRow kFolded{.name = "folded",
                            .type = gauge,
                            .unit = "",
                            .labels = {"what"},
                            .help =
                                "of the latest tick: groups, listeners, addresses and others that have no series of "
                                "their own and are added up as other; of port_use left out"};
/// After all others: it counts them.
constexpr FamilyRow kSeries{.name = "series", .type = gauge, .unit = "", .help = "time series of this scrape"};
constexpr FamilyRow kSeriesLimit{
    .name = "series_limit", .type = gauge, .unit = "", .help = "how many time series a scrape may have"};
constexpr FamilyRow kSeriesDropped{.name = "series_dropped_total",
                                   .type = counter,
                                   .unit = "",
                                   .help = "sets of labels that found no room in a family, added up over the ticks"};

}  // namespace

void agent_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kAgent);
  Family& folded = all.family(kFolded);
  for (const auto& [what, count_of_it] : all.folded()) folded.add({what}, to_double(count_of_it));
  constexpr std::size_t kTheseThree = 3;
  all.limit(kMostSeriesInAll - kTheseThree);
  const std::size_t series = all.series();
  Family& count = all.family(kSeries);
  Family& limit = all.family(kSeriesLimit);
  Family& lost = all.family(kSeriesDropped);
  if (source == nullptr) return;
  count.add({}, static_cast<double>(series + kTheseThree));
  limit.add({}, static_cast<double>(kMostSeriesInAll));
  lost.add({}, to_double(source->agent.series_dropped + all.dropped()));
}

}  // namespace tcpadvisor::exported
