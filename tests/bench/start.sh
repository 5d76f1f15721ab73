#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# start.sh BUILD_DIR: how long from exec to the first tick (what the first screen shows), beside `bpftool prog list`, and
# beside an older tcpadvisor if TCPADVISOR_OLD names one; in turn, in one run. Markdown on stdout, progress on stderr.
# Needs root.
set -euo pipefail
build=$(realpath "$1")
rounds=9
limit=250  # ms to the first tick

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

tcpadvisor=$build/tcpadvisor old=${TCPADVISOR_OLD-}
bpftool=$(PATH=$PATH:/usr/sbin:/sbin command -v bpftool) || fail "bpftool is missing: apt-get install bpftool"
[[ -x $tcpadvisor ]] || fail "$tcpadvisor is missing: ninja -C $1 tcpadvisor"
[[ ! $old || -x $old ]] || fail "TCPADVISOR_OLD: '$old' is no program"
((EUID == 0)) || fail "start: needs root: without it nothing is loaded"

work=$(mktemp -d)
agent=''
trap '[[ ! $agent ]] || kill "$agent" 2>/dev/null; rm -rf "$work"' EXIT

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'; }
ms_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f\n", (b - a) * 1000 }'; }
# of the time of a process so far: user and system together, in ms
cpu_ms() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print ($12 + $13) * 10 }'; }
memory_mib() { awk '$1 == "VmRSS:" { printf "%.1f\n", $2 / 1024 }' "/proc/$1/status"; }

# to_first_tick NAME PROGRAM: appends a number to $work/NAME (ms), NAME.cpu (ms) and NAME.rss (MiB).
to_first_tick() {
  local start line
  mkfifo "$work/ticks"
  start=$EPOCHREALTIME
  "$2" watch --json --netns host >"$work/ticks" 2>"$work/err" &
  agent=$!
  exec 9<"$work/ticks"
  rm "$work/ticks"
  IFS= read -r -u 9 line || fail "$2 gave no tick: $(<"$work/err")"
  ms_since "$start" >>"$work/$1"
  cpu_ms "$agent" >>"$work/$1.cpu"
  memory_mib "$agent" >>"$work/$1.rss"
  kill "$agent"
  exec 9<&-
  wait "$agent" || true
  agent=''
}

for ((round = 1; round <= rounds; round++)); do
  say "start: round $round of $rounds"
  start=$EPOCHREALTIME
  "$bpftool" prog list >/dev/null
  ms_since "$start" >>"$work/bpftool"
  [[ ! $old ]] || to_first_tick old "$old"
  to_first_tick new "$tcpadvisor"
done

peer=$(median <"$work/bpftool")
# row LABEL NAME
row() {
  local ms
  ms=$(median <"$work/$2")
  printf '| %s | %s | %s | %s | %s |\n' "$1" "$ms" "$(awk -v a="$ms" -v b="$peer" 'BEGIN { printf "%.1f", a / b }')" \
    "$(median <"$work/$2.cpu")" "$(median <"$work/$2.rss")"
}

echo "### Time from exec to the first tick"
echo
echo "\`watch --json --netns host\`, its first line; $rounds rounds in turn, medians. Processor time (steps of 10 ms) and memory"
echo "are those of the agent at that moment."
echo
echo "| program | ms (target ≤ $limit) | of bpftool's | processor time, ms | RSS, MiB |"
echo "|---|---|---|---|---|"
echo "| bpftool prog list, the whole run | $peer | 1.0 | | |"
[[ ! $old ]] || row "the older tcpadvisor, $("$old" --version)" old
row "tcpadvisor" new
echo
echo "Repeat: \`./dev bench start\`, with TCPADVISOR_OLD=PROGRAM beside an older one"
