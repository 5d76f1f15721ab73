#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# port.sh BUILD_DIR: messages a second, send latency and processor time of `port drive` beside real gen_tcp, with the same
# options, to the same reader, in turn; and the memory of an idle port. Markdown on stdout, progress on stderr. Needs root.
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
rounds=3 seconds=2 bytes=100 idle_ports=10000 threads=$(nproc)

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

tcpadvisor=$build/tcpadvisor
bare_send=$build/bench/bare_send
for program in "$tcpadvisor" "$bare_send"; do
  [[ -x $program ]] || fail "$program is missing: ninja -C $1 tcpadvisor bare_send"
done
for program in erl erlc; do
  command -v "$program" >/dev/null || fail "$program is missing: apt-get install erlang-base"
done
if [[ -z ${TCPADVISOR_BENCH_NETNS-} ]]; then
  ((EUID == 0)) || fail "port: needs root: its traffic lives in a network namespace of its own"
  TCPADVISOR_BENCH_NETNS=1 exec unshare -n "$0" "$@"
fi
ip link set lo up
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
reader=''
stop() {  # ends what is still running, by its own pid
  if [[ $reader ]]; then
    kill "$reader" 2>/dev/null || true
    wait "$reader" 2>/dev/null || true
  fi
  reader=''
  return 0
}
trap 'stop; rm -rf "$work"' EXIT
erlc -o "$work" "$here/../port/erlang/bench_gen_tcp.erl"

# read_with OPTIONS…: the reader of the next runs; sets $port
read_with() {
  stop
  : >"$work/reader"
  "$tcpadvisor" port serve --json "$@" >"$work/reader" &
  reader=$!
  for _ in {1..50}; do
    port=$(grep -oE '"port":[0-9]+' "$work/reader" | grep -oE '[0-9]+') && return
    sleep 0.1
  done
  fail "the reader does not listen"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
number() { grep -oE "\"$1\":[0-9.]+" "$2" | head -n 1 | grep -oE '[0-9.]+$'; }

# once WHO COMMAND…: adds its numbers to the files WHO.rate, .p50, .p99 and .cpu (µs of processor time for a message)
once() {
  local who=$1
  shift
  "$@" >"$work/out" 2>"$work/err" || fail "$1 failed: $(head -n 1 "$work/err")"
  number messages_per_s "$work/out" >>"$work/$who.rate"
  { number p50_us "$work/out" || true; } >>"$work/$who.p50"
  { number p99_us "$work/out" || true; } >>"$work/$who.p99"
  awk -v cpu="$(number cpu_seconds "$work/out")" -v messages="$(number messages "$work/out")" \
    'BEGIN { printf "%.3f\n", cpu * 1e6 / messages }' >>"$work/$who.cpu"
}
of() { median <"$work/$1.$2"; }

# compare READER CONNECTIONS DELAY_SEND: one line of the table
compare() {
  say "$1, $2 connections, delay_send $3"
  rm -f "$work"/{erl,our,bare}.*
  local bare=–
  for ((round = 0; round < rounds; ++round)); do
    once erl erl -noshell -pa "$work" -run bench_gen_tcp main "$port" "$2" "$seconds" "$bytes" "$3"
    once our "$tcpadvisor" port drive --json --connect "$port" --ports "$2" --threads "$threads" --for "${seconds}s" --size "$bytes" --set delay_send="$3"
    [[ $3 == true ]] || once bare "$bare_send" "$port" "$2" "$seconds" "$bytes"
  done
  [[ $3 == true ]] || bare=$(printf '%.0f at %.2f' "$(of bare rate)" "$(of bare cpu)")
  awk -v reader="$1" -v n="$2" -v delay="$3" -v er="$(of erl rate)" -v or="$(of our rate)" -v e50="$(of erl p50)" \
    -v o50="$(of our p50)" -v e99="$(of erl p99)" -v o99="$(of our p99)" -v ec="$(of erl cpu)" -v oc="$(of our cpu)" -v bare="$bare" \
    'BEGIN { printf "| %s | %s | %s | %.0f | %.0f | **%.1f** | %.1f / %.1f | %.1f / %.1f | %.2f / %.2f (%.1f) | %s |\n",
             reader, delay, n, er, or, or / er, e50, e99, o50, o99, ec, oc, ec / oc, bare }'
}

echo "### The port driver beside real gen_tcp"
echo
echo "$bytes-byte sends, default marks, TCP over loopback in a network namespace of its own; one sender for each connection," \
  "which sends again when its call has returned; as many threads as processors on both sides; the reader is \`tcpadvisor port serve\` for both, in turn, medians of $rounds" \
  "runs of $seconds s. Erlang/OTP $(erl -noshell -eval 'io:format("~s", [erlang:system_info(otp_release)]), halt().')," \
  "$(date -u +%F), load $(cut -d' ' -f1 /proc/loadavg) at the start."
echo
echo "| reader | delay_send | connections | gen_tcp, messages/s | port drive, messages/s | ratio (target ≥ 3) | send() of gen_tcp, p50 / p99 µs | of port drive | processor time per message, µs: gen_tcp / port drive (ratio) | bare send(2), messages/s at µs |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for rest in 1ms ''; do
  read_with ${rest:+--rest "$rest"}
  name=${rest:+"rests $rest after each read"}
  for delay in false true; do
    for connections in 1 100; do compare "${name:-reads at once}" "$connections" "$delay"; done
  done
done
echo
echo "Each message is one system call on both sides, with delay_send too: a sender that waits for each send finds an empty queue" \
  "(docs/port-driver.md). The last column is a loop of nothing but that call, in one" \
  "thread. A reader that reads at once is woken by almost every segment and takes the processor from the sender; one that rests is" \
  "not, so its rows show the senders. Processor time is user and system, of the sender only. Where three times the last column's µs" \
  "is more than gen_tcp's, no sender that makes a call for each message can reach the target."
say "memory of $idle_ports idle ports"
read_with
"$tcpadvisor" port drive --json --connect "$port" --ports "$idle_ports" --idle --for 1s >"$work/ours"
erl -noshell -pa "$work" -run bench_gen_tcp idle "$port" "$idle_ports" >"$work/erl"
echo
echo "| resident memory of the process for each of $idle_ports idle ports | bytes |"
echo "|---|---|"
echo "| gen_tcp | $(number memory_per_port_bytes "$work/erl") |"
echo "| port driver | $(number memory_per_port_bytes "$work/ours") |"
echo
echo "Repeat: \`./dev bench port\`"
