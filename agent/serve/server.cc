// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "advisor/base/saturate.h"
#include "agent/export/agent_numbers.h"
#include "agent/serve/answers.h"
#include "agent/serve/buffer.h"
#include "agent/serve/connections.h"
#include "agent/serve/gate.h"
#include "agent/serve/request.h"
#include "agent/serve/streams.h"

namespace tcpadvisor::serve {
namespace {

struct FreeBase {
  void operator()(event_base* base) const { event_base_free(base); }
};
struct FreeHttp {
  void operator()(evhttp* http) const { evhttp_free(http); }
};
struct FreeEvent {
  void operator()(event* one) const { event_free(one); }
};
using EventPtr = std::unique_ptr<event, FreeEvent>;

constexpr timeval kBeat{0, 250'000};
constexpr std::uint64_t kDrainMs = 2'000;
constexpr unsigned kAllMethods = 0xffff;  // evhttp would answer 501; we say what is allowed

thread_local std::uint64_t accept_errors = 0;  // of the loop in this thread

timeval timeval_of(std::chrono::milliseconds time) {
  return {time.count() / 1000, time.count() % 1000 * 1000};
}

Request request_of(evhttp_request* request) {
  Request wanted;
  // A method that libevent does not know has a value that its enum has no room for.
  const auto method = static_cast<int>(evhttp_request_get_command(request));
  wanted.method = method == EVHTTP_REQ_GET    ? Request::Method::get
                  : method == EVHTTP_REQ_HEAD ? Request::Method::head
                                              : Request::Method::other;
  if (const char* target = evhttp_request_get_uri(request); target != nullptr) wanted.target = target;
  const evkeyvalq* headers = evhttp_request_get_input_headers(request);
  if (const char* host = evhttp_find_header(headers, "Host"); host != nullptr) wanted.host = host;
  if (const char* accept = evhttp_find_header(headers, "Accept"); accept != nullptr) wanted.accept = accept;
  return wanted;
}

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

}  // namespace

class Server::Loop {
 public:
  Loop(ServerOptions options, std::shared_ptr<observe::Subscription> observations, os::Clock& clock)
      : options_(std::move(options)),
        observations_(std::move(observations)),
        clock_(clock),
        answers_(numbers_, static_cast<std::uint64_t>(options_.stale_after.count())),
        connections_(options_.most_connections, static_cast<std::uint64_t>(options_.patience.count()), numbers_),
        streams_(options_.most_streams, numbers_),
        gate_(numbers_, [this] { eventfd_write(decided_.get(), 1); }) {
    numbers_.version = options_.version;
    numbers_.interval_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(1, options_.interval.count()));
    admit_by(options_.access ? options_.access : std::make_shared<const Access>());
  }

  ~Loop() { streams_.end(); }

  Status open();
  void run();
  void drain() { eventfd_write(wake_.get(), 1); }
  void admit_by(AccessPtr access) {
    std::lock_guard lock(access_mutex_);
    access_ = std::move(access);
  }
  void tell_reload(bool accepted) { ++(accepted ? reloads_ : failed_reloads_); }
  std::uint64_t beats() const { return beats_; }

 private:
  /// A callback of libevent, which is C and knows no exceptions.
  template <void (Loop::*Work)()>
  static void on_event(evutil_socket_t, short, void* self) {
    try {
      (static_cast<Loop*>(self)->*Work)();
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): no memory; the next turn may have some
    }
  }
  static void on_request(evhttp_request* request, void* self);
  static bufferevent* on_connection(event_base* base, void* self);
  static void on_accept_error(evconnlistener* listener, void*);

  void beat();
  void take_observations();
  void see(const Result<observe::ObservationPtr>& what);
  void begin_to_drain();
  void handle(evhttp_request* request);
  void take_entries();
  void turn_away(evhttp_request* request, int status, std::string_view why);
  void go_on(evhttp_request* request, Entry entry, bool is_known);
  void answer(evhttp_request* request, bool is_known);
  void reply(evhttp_request* request, const Answer& answer, bool with_body);
  AccessPtr access() const {
    std::lock_guard lock(access_mutex_);
    return access_;
  }
  std::uint64_t now_ms() const { return clock_.mono_ms(); }

  const ServerOptions options_;
  std::shared_ptr<observe::Subscription> observations_;
  os::Clock& clock_;
  exported::AgentNumbers numbers_;
  Answers answers_;
  mutable std::mutex access_mutex_;
  AccessPtr access_;  ///< never null
  os::UniqueFd wake_, decided_;
  std::unique_ptr<event_base, FreeBase> base_;
  Connections connections_;  // before http_: what that frees is still referenced here
  Streams streams_;
  std::unique_ptr<evhttp, FreeHttp> http_;
  EventPtr beat_, observation_, woken_, entered_;
  Gate gate_;
  evhttp_bound_socket* bound_ = nullptr;
  std::optional<std::uint64_t> drain_until_ms_;
  std::atomic<std::uint64_t> beats_ = 0, reloads_ = 0, failed_reloads_ = 0;
};

Status Server::Loop::open() {
  const auto no_loop = [] {
    return fail(ErrorCode::failed, "cannot start an event loop: no descriptor is left, or no memory");
  };
  event_config* config = event_config_new();
  if (config == nullptr) return no_loop();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_.reset(event_base_new_with_config(config));
  event_config_free(config);
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  decided_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!base_ || !wake_ || !decided_) return no_loop();
  http_.reset(evhttp_new(base_.get()));
  beat_.reset(event_new(base_.get(), -1, EV_PERSIST, on_event<&Loop::beat>, this));
  observation_.reset(
      event_new(base_.get(), observations_->fd(), EV_READ | EV_PERSIST, on_event<&Loop::take_observations>, this));
  woken_.reset(event_new(base_.get(), wake_.get(), EV_READ, on_event<&Loop::begin_to_drain>, this));
  entered_.reset(event_new(base_.get(), decided_.get(), EV_READ | EV_PERSIST, on_event<&Loop::take_entries>, this));
  evconnlistener* listener =
      evconnlistener_new(base_.get(), nullptr, nullptr, LEV_OPT_CLOSE_ON_EXEC, 0, options_.listening.get());
  if (!http_ || !beat_ || !observation_ || !woken_ || !entered_ || listener == nullptr) return no_loop();

  evhttp_set_max_headers_size(http_.get(), static_cast<ev_ssize_t>(options_.most_header_bytes));
  evhttp_set_max_body_size(http_.get(), static_cast<ev_ssize_t>(options_.most_body_bytes));
  evhttp_set_allowed_methods(http_.get(), static_cast<ev_uint16_t>(kAllMethods));
  const timeval patience = timeval_of(options_.patience);
  evhttp_set_timeout_tv(http_.get(), &patience);
  evhttp_set_gencb(http_.get(), on_request, this);
  evhttp_set_bevcb(http_.get(), on_connection, this);
  bound_ = evhttp_bind_listener(http_.get(), listener);
  if (bound_ == nullptr) return no_loop();
  evconnlistener_set_error_cb(listener, on_accept_error);
  event_add(beat_.get(), &kBeat);
  event_add(observation_.get(), nullptr);
  event_add(woken_.get(), nullptr);
  event_add(entered_.get(), nullptr);
  return {};
}

void Server::Loop::run() {
  sigset_t pipe;  // a reader that has gone is an error of write(), no signal
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  event_base_dispatch(base_.get());
}

void Server::Loop::beat() {
  ++beats_;
  connections_.sweep(now_ms());
  numbers_.http.accept_errors = accept_errors;
  if (bound_ != nullptr) evconnlistener_enable(evhttp_bound_socket_get_listener(bound_));
  if (!drain_until_ms_) return;
  if (connections_.drain(now_ms()) || now_ms() > *drain_until_ms_) event_base_loopbreak(base_.get());
}

void Server::Loop::begin_to_drain() {
  evhttp_del_accept_socket(http_.get(), bound_);
  bound_ = nullptr;
  streams_.end();
  drain_until_ms_ = now_ms() + kDrainMs;
  const timeval often{0, 20'000};
  event_add(beat_.get(), &often);
}

void Server::Loop::take_observations() {
  while (auto what = observations_->take()) see(*what);
  numbers_.missed_ticks = observations_->missed();
  // It stays readable after the last one.
  if (observations_->ended()) event_del(observation_.get());
}

void Server::Loop::see(const Result<observe::ObservationPtr>& what) {
  if (!what) return answers_.see_failure(what.error().message);
  numbers_.cpu_seconds = static_cast<double>(os::process_cpu_ns()) / 1e9;
  numbers_.reloads = reloads_;
  numbers_.failed_reloads = failed_reloads_;
  const AccessPtr access = this->access();
  numbers_.http.certificate_ends_s = access->tls ? access->tls->ends_s : 0;
  answers_.see(*what, now_ms());
  if (!streams_.empty()) streams_.send(answers_.answer(Page::events, exported::Exposition::prometheus, now_ms()).body);
}

bufferevent* Server::Loop::on_connection(event_base* base, void* self) {
  try {
    auto& loop = *static_cast<Loop*>(self);
    const AccessPtr access = loop.access();
    return loop.connections_.admit(base, loop.now_ms(), access->tls ? access->tls->context.get() : nullptr);
  } catch (const std::exception&) {
    return nullptr;  // evhttp makes one of its own
  }
}

/// Mostly EMFILE. The listener would be called again at once, and for ever. evhttp has taken the argument of the
/// listener's callbacks for its own.
void Server::Loop::on_accept_error(evconnlistener* listener, void*) {
  evconnlistener_disable(listener);  // until the next beat
  ++accept_errors;
}

void Server::Loop::on_request(evhttp_request* request, void* self) {
  try {
    static_cast<Loop*>(self)->handle(request);
  } catch (const std::exception&) {
    evhttp_send_error(request, HTTP_INTERNAL, nullptr);
  }
}

void Server::Loop::handle(evhttp_request* request) {
  bufferevent* connection = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
  connections_.asked(connection, now_ms());
  // Where the connection breaks, evhttp comes a second time with the same request, which then has no target.
  if (gate_.forget(request)) {
    connections_.waits_for_us(connection, false);
    return turn_away(request, 400, "the connection is broken\n");
  }
  const AccessPtr access = this->access();
  // One from before TLS was switched on, or made by evhttp itself where we had no memory.
  if (access->tls && bufferevent_openssl_get_ssl(connection) == nullptr)
    return turn_away(request, 400, "this port speaks HTTPS: use https://\n");
  std::optional<std::string_view> authorization;
  const char* header = evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
  if (header != nullptr) authorization = header;
  const Entry entry = gate_.enter(request, authorization, access->passwords);
  connections_.waits_for_us(connection, entry == Entry::waits);
  go_on(request, entry, access->passwords != nullptr);
}

void Server::Loop::take_entries() {
  eventfd_t count = 0;
  eventfd_read(decided_.get(), &count);
  for (const auto& [who, entry] : gate_.take(access()->passwords)) {
    auto* request = static_cast<evhttp_request*>(who);
    evhttp_connection* connection = evhttp_request_get_connection(request);
    if (connection == nullptr) {
      evhttp_send_reply(request, 503, nullptr, nullptr);  // who asked has left: this frees it
      continue;
    }
    connections_.waits_for_us(evhttp_connection_get_bufferevent(connection), false);
    go_on(request, entry, true);
  }
}

void Server::Loop::turn_away(evhttp_request* request, int status, std::string_view why) {
  const Request wanted = request_of(request);
  const Route route = route_of({.method = wanted.method, .target = wanted.target, .is_known = true});
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
  if (status == 401) evhttp_add_header(headers, "WWW-Authenticate", "Basic realm=\"tcpadvisor\", charset=\"UTF-8\"");
  if (status == 503) evhttp_add_header(headers, "Retry-After", "5");
  if (status == 400) evhttp_add_header(headers, "Connection", "close");
  ++numbers_.http.answers[{std::string(route.page ? path_of(*route.page) : "other"), status}];
  reply(request, {status, std::make_shared<const std::string>(why)}, wanted.method != Request::Method::head);
}

void Server::Loop::go_on(evhttp_request* request, Entry entry, bool is_known) {
  if (entry == Entry::open) answer(request, is_known);
  if (entry == Entry::refused) turn_away(request, 401, "a user and a password are needed\n");
  if (entry == Entry::busy) turn_away(request, 503, "too many passwords are being checked\n");
}

void Server::Loop::answer(evhttp_request* request, bool is_known) {
  bufferevent* connection = evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
  Request wanted = request_of(request);
  wanted.is_known = is_known;
  const Route route = route_of(wanted);
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
                    "form-action 'none'; frame-ancestors 'none'");
  const bool with_body = wanted.method != Request::Method::head;
  Answer given{.status = route.status, .body = nullptr};
  std::string_view media_type = "text/plain; charset=utf-8";
  if (route.page) {
    given = answers_.answer(*route.page, route.form, now_ms(), route.name);
    if (given.status == 200)
      media_type = given.media_type.empty() ? media_type_of(*route.page, route.form) : given.media_type;
    if (*route.page == Page::events && with_body && !streams_.has_room())
      given = {503, std::make_shared<const std::string>("too many read the events already\n")};
  } else {
    given.body = std::make_shared<const std::string>(std::string(route.why) + "\n");
    if (route.status == 405) evhttp_add_header(headers, "Allow", "GET, HEAD");
    if (wanted.method == Request::Method::other || route.status == 400)
      evhttp_add_header(headers, "Connection", "close");
  }
  const std::string endpoint(route.page ? path_of(*route.page) : "other");
  ++numbers_.http.answers[{endpoint, given.status}];
  evhttp_add_header(headers, "Content-Type", std::string(media_type).c_str());
  if (given.status == 200 && route.page == Page::events && with_body) {
    connections_.stays(connection);
    return streams_.add(request, given.body);
  }
  reply(request, given, with_body);
}

void Server::Loop::reply(evhttp_request* request, const Answer& answer, bool with_body) {
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Length",
                    std::to_string(answer.body->size()).c_str());
  BufferPtr buffer = with_body ? buffer_of(answer.body) : nullptr;
  if (with_body) numbers_.http.bytes += answer.body->size();
  evhttp_send_reply(request, answer.status, reason_of(answer.status), buffer.get());
}

Server::Server(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(ServerOptions options, std::shared_ptr<observe::Subscription> observations,
                                             os::Clock& clock) {
  auto loop = std::make_unique<Loop>(std::move(options), std::move(observations), clock);
  if (Status status = loop->open(); !status) return std::unexpected(status.error());
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

void Server::run() {
  loop_->run();
}

void Server::drain() {
  loop_->drain();
}

void Server::admit_by(AccessPtr access) {
  loop_->admit_by(std::move(access));
}

void Server::tell_reload(bool accepted) {
  loop_->tell_reload(accepted);
}

std::uint64_t Server::beats() const {
  return loop_->beats();
}

}  // namespace tcpadvisor::serve
