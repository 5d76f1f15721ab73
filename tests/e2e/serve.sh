# SPDX-License-Identifier: Apache-2.0
# `serve`: every endpoint, limits, strangers, signals, files read again, and Prometheus itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
trap 'kill ${pid:-} ${prometheus:-} 2>/dev/null; rm -rf "$work"' EXIT
# fetch PATH [HEADER]: the body in $body, the status in $status
fetch() {
  local answer
  answer=$(python3 - "$port" "$@" <<'PYTHON'
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
try:
    connection.request("GET", sys.argv[2], headers=dict([sys.argv[3].split(": ", 1)]) if len(sys.argv) > 3 else {})
    answer = connection.getresponse()
    print(answer.status)
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.read())
except OSError:
    print(0)
PYTHON
  )
  status=${answer%%$'\n'*} body=${answer#*$'\n'}
}
# begin ARGS...: serve in the background, as $pid, until it is ready
begin() {
  "$bin" serve --listen "127.0.0.1:$port" "$@" >"$work/out" 2>"$work/err" </dev/null &
  pid=$!
  for _ in {1..200}; do
    fetch /readyz
    [[ $status == 200 ]] && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  fail "it does not become ready: $status $(<"$work/err")"
}
# reports: what a sanitizer has said, if this program was built with one (./dev asan serve, ./dev tsan serve)
reports() { ! grep -q 'Sanitizer: ' "$work/err" || fail "a sanitizer speaks: $(grep -A 80 'Sanitizer: ' "$work/err" | head -400)"; }
# ended SIGNAL WANTED
ended() {
  kill -"$1" "$pid"
  for _ in {1..100}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  expect "serve ends with SIG$1" "$2" "$?"
  reports
}

# ---- wrong input
run serve --listen 0.0.0.0:9477
expect "another address than loopback" 2 "$code"
expect "is one clear line" "tcpadvisor: 0.0.0.0:9477 is not an address of loopback: that needs TLS and a password, tls_server_config and \
basic_auth_users in the file of --web-config, and both are missing; or write for example 127.0.0.1:9477" "$err"
run metrics --describe
expect "metrics --describe ends" 0 "$code"
expect_match "it tells the labels" 'tcpadvisor_finding .*labels: id, severity' "${out//$'\n'/ }"

# ---- all of it
printf 'interval = "500ms"\npolicy = "%s"\n' "$work/policy.toml" >"$work/config.toml"
printf 'min_count = 20\n' >"$work/policy.toml"
begin --config "$work/config.toml"
expect "one line says where" "tcpadvisor: serving on http://127.0.0.1:$port/" "$(head -1 "$work/err")"
run serve --listen "127.0.0.1:$port"
expect "a second one on the port" 1 "$code"
expect_match "says what is wrong" 'cannot listen on 127.0.0.1:[0-9]+: .*something else listens there' "$err"

python3 "$here/serve_load.py" "$port" >"$work/load"
grep '^FAILED' "$work/load" && failures=$((failures + 1))
grep -E '^/metrics beside|ticks' "$work/load"
expect_match "the load ran to its end" '[0-9]+ checks$' "$(<"$work/load")"
kill -0 "$pid" || fail "it did not survive: $(<"$work/err")"

if [[ $(awk '/^CapPrm/ {print $2}' "/proc/$pid/status") ]]; then
  for task in "/proc/$pid/task/"*; do
    [[ $(<"$task/comm") == http ]] || continue
    expect "the thread of the server holds nothing" 0000000000000000 "$(awk '/^CapPrm/ {print $2}' "$task/status")"
    expect "and gains nothing" 1 "$(awk '/^NoNewPrivs/ {print $2}' "$task/status")"
  done
fi

# ---- files read again
told() {  # told REGEX: a line of stderr, at most 10 s later
  checks=$((checks + 1))
  for _ in {1..100}; do grep -qE "$1" "$work/err" && return; sleep 0.1; done
  fail "not told: $1: $(tail -2 "$work/err")"
}
printf 'min_count = 30\n[rule.close-wait-leak]\nmin_count = 9\n' >"$work/policy.toml"
kill -HUP "$pid"
told 'reloaded: policy: min_count 20 → 30; policy: \[rule.close-wait-leak\] min_count not set → 9$'
printf 'interval = "soon"\n' >"$work/config.toml"
kill -HUP "$pid"
told 'config.toml, line 1, column 12: interval: .soon. is not a duration.*; the old configuration stays$'
printf 'interval = "2s"\npolicy = "%s"\n' "$work/policy.toml" >"$work/config.toml"
kill -HUP "$pid"
told 'after a new start: interval 500ms → 2s$'
sleep 1
fetch /metrics
expect_match "reloads are counted" 'tcpadvisor_reloads_total\{outcome="done"\} 2' "$body"
expect_match "and those that were refused" 'tcpadvisor_reloads_total\{outcome="refused"\} 1' "$body"

# ---- Prometheus
if command -v promtool >/dev/null; then
  fetch /metrics
  printf '%s\n' "$body" | promtool check metrics >"$work/lint" 2>&1
  expect "promtool finds nothing" "0 " "$? $(<"$work/lint")"
else
  echo "promtool is not installed: no check of the text"
fi
if command -v prometheus >/dev/null; then
  printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: tcpadvisor, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' \
    "$port" >"$work/prometheus.yml"
  other=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$other" \
    >"$work/prometheus.log" 2>&1 &
  prometheus=$!
  query() {
    python3 -c 'import json, sys, urllib.parse, urllib.request
answer = json.load(urllib.request.urlopen("http://127.0.0.1:%s/api/v1/query?query=%s" % (sys.argv[1], urllib.parse.quote(sys.argv[2]))))
print(len(answer["data"]["result"]))' "$other" "$1" 2>/dev/null || echo none
  }
  for _ in {1..60}; do
    [[ $(query 'rate(tcpadvisor_ticks_total[30s]) > 0') == 1 ]] && break
    sleep 0.5
  done
  expect "Prometheus has scraped, and a rate has data" 1 "$(query 'rate(tcpadvisor_ticks_total[30s]) > 0')"
  expect "states by name" 11 "$(query 'sum by (state) (tcpadvisor_connections)')"
  expect "every scrape was good" 0 "$(query 'up == 0')"
  kill "$prometheus"
  wait "$prometheus" 2>/dev/null
else
  echo "prometheus is not installed: no scrape by it"
fi

# ---- the service manager
kill -TERM "$pid"
wait "$pid"
expect "SIGTERM drains and is a success" 0 "$?"
reports
python3 - "$work/notify" >"$work/heard" <<'PYTHON' &
import socket, sys
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind(sys.argv[1])
one.settimeout(30)
try:
    while True:
        words = one.recv(4096).decode()
        print(words, flush=True)
        if "STOPPING" in words:
            break
except TimeoutError:
    pass
PYTHON
listener=$!
for _ in {1..50}; do [[ -S $work/notify ]] && break; sleep 0.1; done
export NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=5000000
begin --interval 500ms
unset NOTIFY_SOCKET WATCHDOG_USEC
sleep 1.5
kill -HUP "$pid"
sleep 0.5
ended TERM 0
wait "$listener"
expect "it says that it is ready, once the first tick is done" READY=1 "$(head -1 "$work/heard")"
expect_match "it feeds the watchdog, reloads and stops" 'WATCHDOG=1.*RELOADING=1.*READY=1.*STOPPING=1' "$(tr '\n' ' ' <"$work/heard")"

begin --interval 500ms
ended INT 130
finish
