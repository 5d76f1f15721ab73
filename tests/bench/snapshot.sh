#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# snapshot.sh BUILD_DIR SOCKETS: the time of one snapshot with owners, and the agent's own memory and processor time,
# beside ss on the same sockets in the same run, and beside an older tcpadvisor if TCPADVISOR_OLD names one. Markdown on
# stdout, progress on stderr. Needs root.
set -euo pipefail
build=$(realpath "$1")
most=$2
rounds=5
limit=0.10  # of what `ss -tinmoe` takes

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

tcpadvisor=$build/tcpadvisor hold_sockets=$build/bench/hold_sockets old=${TCPADVISOR_OLD-}
[[ ! $old || -x $old ]] || fail "TCPADVISOR_OLD: '$old' is no program"
for program in "$tcpadvisor" "$hold_sockets"; do
  [[ -x $program ]] || fail "$program is missing: ninja -C $1 tcpadvisor hold_sockets"
done
((EUID == 0)) || fail "snapshot: needs root: its sockets live in a network namespace of their own"

work=$(mktemp -d)
agent='' holder=''
stop() {  # ends what is still running, by its own pid
  for pid in $agent $holder; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  done
  agent='' holder=''
  return 0
}
trap 'stop; rm -rf "$work"' EXIT

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'; }
# numbers FIELD FILE: that number of each tick.
numbers() { grep -oE "\"$1\": ?[0-9.]+" "$2" | grep -oE '[0-9.]+$'; }
# timed COMMAND…: its time in ms; its output goes nowhere, as a pipe into a reader would make it slower.
timed() {
  local start=$EPOCHREALTIME
  "$@" >/dev/null
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", (b - a) * 1000 }'
}
# processor time of a process in clock ticks of 10 ms
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
memory_kib() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }

# agent_at_work NETNS-OPTION: resident memory and processor time over 20 s of `watch --json`, from outside.
agent_at_work() {
  "$tcpadvisor" watch --json --for 60s --netns "$1" >"$work/long" 2>"$work/err" &
  agent=$!
  sleep 5
  local before after
  before=$(cpu_ticks "$agent") || fail "the agent died: $(<"$work/err")"
  sleep 20
  after=$(cpu_ticks "$agent") || fail "the agent died: $(<"$work/err")"
  cpu_percent=$(awk -v t=$((after - before)) 'BEGIN { printf "%.1f", t / 20 }')
  rss_mib=$(awk -v k="$(memory_kib "$agent" VmRSS)" 'BEGIN { printf "%.1f", k / 1024 }')
  peak_mib=$(awk -v k="$(memory_kib "$agent" VmHWM)" 'BEGIN { printf "%.1f", k / 1024 }')
  stop_agent
  sockets_walked=$(numbers sockets_walked "$work/long" | tail -n 1)
}
stop_agent() {
  kill "$agent"
  wait "$agent" || true
  agent=
}

watch_for_a_while() {  # watch_for_a_while PROGRAM PID
  "$1" watch --json --for 4s --netns "pid:$2" 2>"$work/err" || fail "$1: watch failed: $(<"$work/err")"
}

# with_sockets N: one row of the table.
with_sockets() {
  local sockets=$1 line pid
  say "snapshot: $sockets sockets"
  mkfifo "$work/ready"
  "$hold_sockets" "$sockets" >"$work/ready" &
  holder=$!
  read -r line <"$work/ready" || fail "hold_sockets gave up"
  rm "$work/ready"
  say "snapshot: $line"
  pid=${line##*=}
  : >"$work/ss"; : >"$work/ticks"; : >"$work/old"
  for ((round = 1; round <= rounds; round++)); do
    timed nsenter -t "$pid" -n ss -tinmoe >>"$work/ss"
    [[ ! $old ]] || watch_for_a_while "$old" "$pid" >>"$work/old"
    watch_for_a_while "$tcpadvisor" "$pid" >>"$work/ticks"
  done
  timed nsenter -t "$pid" -n ss -tinmoep >"$work/ssp"
  agent_at_work "pid:$pid"
  [[ ${sockets_walked:-0} -ge $sockets ]] || fail "the agent walked ${sockets_walked:-no} sockets of $sockets: no result"
  local ss snapshot
  [[ ! $old ]] || older+="$sockets sockets: $(numbers snapshot_duration_ms "$work/old" | median) ms. "
  ss=$(median <"$work/ss")
  snapshot=$(numbers snapshot_duration_ms "$work/ticks" | median)
  printf '| %s | %s | %s | %.1f | %s | %s | %s | %s |\n' "$sockets" "$ss" "$(<"$work/ssp")" "$snapshot" \
    "$(awk -v a="$snapshot" -v b="$ss" 'BEGIN { printf "%.3f", a / b }')" "$cpu_percent" "$rss_mib" "$peak_mib"
  stop
}

echo "### Time per snapshot, and the agent's own memory and processor time"
echo
echo "Established loopback sockets in a network namespace of their own, $rounds rounds, \`ss\` and the agent in turn; medians."
echo "A snapshot includes the owners; its time is the agent's own \`self.snapshot_duration_ms\` in \`watch --json\`. Memory and"
echo "processor time (of one core, ticks of 1 s) are read from /proc while \`watch --json\` runs."
echo
echo "| sockets | ss -tinmoe, ms | the same with -p, one run, ms | snapshot, ms | snapshot / ss -tinmoe (target ≤ $limit) | CPU % | RSS, MiB | peak RSS, MiB |"
echo "|---|---|---|---|---|---|---|---|"
say "snapshot: at rest"
agent_at_work host
printf '| at rest (%s on this host) | – | – | %.1f | – | %s | %s | %s |\n' "${sockets_walked:-?}" \
  "$(numbers snapshot_duration_ms "$work/long" | median)" "$cpu_percent" "$rss_mib" "$peak_mib"
older=''
with_sockets 1000
with_sockets "$most"
echo
[[ ! $older ]] || printf 'The older tcpadvisor in the same rounds: %s\n\n' "$older"
echo "Repeat: \`./dev bench --only snapshot --sockets $most\`"
