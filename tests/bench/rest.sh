#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# rest.sh BUILD_DIR: what `serve` costs on a host that does little: 1,000 idle sockets, ticks of 1 s, a scrape every 15 s,
# beside Debian's node_exporter in the same minutes, and an older tcpadvisor if TCPADVISOR_OLD names one. Markdown on
# stdout, progress on stderr. Needs root.
set -euo pipefail
build=$(realpath "$1")
sockets=1000 settle=35 seconds=60 every=15
cpu_limit=0.3 rss_limit=24 # % of a core, MiB

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

tcpadvisor=$build/tcpadvisor hold_sockets=$build/bench/hold_sockets old=${TCPADVISOR_OLD-}
for program in "$tcpadvisor" "$hold_sockets"; do
  [[ -x $program ]] || fail "$program is missing: ninja -C $1 tcpadvisor hold_sockets"
done
[[ ! $old || -x $old ]] || fail "TCPADVISOR_OLD: '$old' is no program"
node_exporter=$(command -v prometheus-node-exporter) || fail "prometheus-node-exporter is missing: apt-get install prometheus-node-exporter"
((EUID == 0)) || fail "rest: needs root: without it nothing is loaded"

work=$(mktemp -d)
pids=()
# Ends what is still running, by its own pid.
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

# ns of processor time of all threads of a process so far, by the scheduler's clock
cpu_ns() { cat "/proc/$1/task/"*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }
memory_mib() { awk -v field="$2:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
# by_thread PID FILE: "NAME NS" of each of its threads
by_thread() { for task in "/proc/$1/task/"*; do echo "$(<"$task/comm") $(cut -d' ' -f1 "$task/schedstat")"; done >"$2"; }

mkfifo "$work/ready"
"$hold_sockets" --here "$sockets" >"$work/ready" &
pids+=($!)
read -r line <"$work/ready" || fail "hold_sockets gave up"
say "rest: $line"

declare -A pid=() port=() before=()
names=(new node)
port=([new]=9877 [old]=9878 [node]=9879)
"$tcpadvisor" serve --listen 127.0.0.1:9877 >"$work/new.log" 2>&1 &
pid[new]=$!
"$node_exporter" --web.listen-address=127.0.0.1:9879 >"$work/node.log" 2>&1 &
pid[node]=$!
if [[ $old ]]; then
  names=(new old node)
  "$old" serve --listen 127.0.0.1:9878 >"$work/old.log" 2>&1 &
  pid[old]=$!
fi
pids+=("${pid[@]}")

# for_a_while SECONDS: with a scrape of each, every 15 s
for_a_while() {
  local until=$((SECONDS + $1)) name
  while ((SECONDS < until)); do
    for name in "${names[@]}"; do
      curl -fsS -m 5 -o "$work/$name.page" "http://127.0.0.1:${port[$name]}/metrics" || fail "$name: $(tail -n 3 "$work/$name.log")"
    done
    sleep "$((until - SECONDS < every ? until - SECONDS : every))"
  done
}

sleep 3
for_a_while "$settle"
for name in "${names[@]}"; do before[$name]=$(cpu_ns "${pid[$name]}"); done
by_thread "${pid[new]}" "$work/threads.before"
start=$EPOCHREALTIME
for_a_while "$seconds"
took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
spared() { awk '$1 == "tcpadvisor_looks_spared_total" { print $2 }' "$work/$1.page"; }

# row LABEL NAME
row() {
  awk -v label="$1" -v ns=$(($(cpu_ns "${pid[$2]}") - before[$2])) -v took="$took" -v rss="$(memory_mib "${pid[$2]}" VmRSS)" \
    -v peak="$(memory_mib "${pid[$2]}" VmHWM)" -v series="$(grep -vc '^#' "$work/$2.page")" \
    'BEGIN { printf "| %s | %.2f | %s | %s | %d |\n", label, ns / took / 1e7, rss, peak, series }'
}
echo "### What serve costs at rest"
echo
echo "$sockets idle sockets, ticks of 1 s, a scrape every $every s, $seconds s after $settle s to settle; processor time by the"
echo "scheduler's clock, of all threads; side by side in the same minute."
echo
echo "| program | % of a core (target ≤ $cpu_limit) | RSS, MiB (target ≤ $rss_limit) | peak RSS, MiB | series |"
echo "|---|---|---|---|---|"
row "prometheus-node-exporter" node
[[ ! $old ]] || row "the older serve, $("$old" --version)" old
row "tcpadvisor serve" new
echo
by_thread "${pid[new]}" "$work/threads"
echo "Looks spared (\`--rest\`): $(spared new) in all. By thread, ms a second:" \
  "$(paste -d' ' "$work/threads.before" "$work/threads" | awk -v took="$took" '{ printf "%s%s %.2f", (NR > 1 ? ", " : ""), $3, ($4 - $2) / took / 1e6 }')."
# A look goes through the whole table of connections, whose size follows the memory of the host, not the connections.
buckets=$(dmesg 2>/dev/null | sed -n 's/.*TCP established hash table entries: \([0-9]*\).*/\1/p' | head -n 1)
empty_pass=$(unshare -n python3 -c '
import os, time
passes = []
for _ in range(21):
    start = time.thread_time()
    table = os.open("/proc/net/tcp", os.O_RDONLY)
    os.read(table, 65536)
    os.close(table)
    passes.append(time.thread_time() - start)
print("%.2f" % (sorted(passes)[10] * 1000))')
echo "The kernel's own way once through the table${buckets:+ of $buckets buckets} where it is empty (\`/proc/net/tcp\` in an empty"
echo "namespace): $empty_pass ms. Each look pays that, whoever takes it."
echo
echo "Repeat: \`./dev bench rest\`, with TCPADVISOR_OLD=PROGRAM beside an older one"
