#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cost.sh BUILD_DIR: what the hooks add to one 64-byte send+receive pair, in instructions, beside Debian's tcptop: in
# a guest whose clock advances one nanosecond per executed instruction. Markdown on stdout, progress on stderr.
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
limit=0.15  # of what tcptop adds

say() { echo "bench: $*" >&2; }
fail() { say "$*"; exit 1; }

tcpadvisor=$build/tcpadvisor pingpong=$build/bench/pingpong
tcptop=$(PATH=$PATH:/usr/sbin:/sbin command -v tcptop) || fail "tcptop is missing: apt-get install libbpf-tools"
for program in "$tcpadvisor" "$pingpong"; do
  [[ -x $program ]] || fail "$program is missing: ninja -C $1 tcpadvisor pingpong"
done
kernel=$("$here/../vm/fetch-kernel.sh" 6.12)
version=$(<"$kernel/version")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "cost: booting $version under -icount (a few minutes)"
started=$SECONDS
"$here/../vm/guest.sh" --kernel "$kernel" --icount --modules '' --timeout 900 --with "$here/cost-guest.sh" -- \
  sh "$here/cost-guest.sh" "$tcpadvisor" "$pingpong" "$tcptop" | tr -d '\r' | tee "$work/out" | grep -v '^coverage' >&2 ||
  fail "cost: the guest failed, see above"
say "cost: done in $((SECONDS - started)) s"

# value NAME FIELD: a number of the load's line for a configuration.
value() { sed -n "s/^cost $1 pingpong .*\b$2=\([0-9]*\).*/\1/p" "$work/out"; }
base=$(value nothing median_ns_per_pair)
peer=$(value tcptop median_ns_per_pair)
long=$(value nothing-long mean_ns_per_pair)
[[ $base && $peer && $long ]] || fail "cost: the guest's output lacks a measurement"
added_by_peer=$((peer - base))
for kind in auto kprobe tp_btf auto-measured; do  # a hook that costs nothing did not run, and that is no result
  (($(value "$kind" median_ns_per_pair) >= base + 50)) || {
    sed -n "s/^coverage $kind //p" "$work/out" >&2
    fail "cost: with --hooks $kind the calls cost nothing: the hooks are not attached (its last tick is above)"
  }
done

# row LABEL NAME [FIELD BASE]
row() {
  local pair
  pair=$(value "$2" "${3-median_ns_per_pair}")
  awk -v label="$1" -v pair="$pair" -v base="${4-$base}" -v peer="$added_by_peer" \
    'BEGIN { printf "| %s | %d | %+d | %.3f |\n", label, pair, pair - base, (pair - base) / peer }'
}

echo "### Cost per send+receive pair, in instructions"
echo
echo "Guest kernel $version, qemu \`-accel tcg -icount shift=0,sleep=off -smp 1 -cpu qemu64,-cx16\`, \`mitigations=off\`; 64-byte"
echo "messages over loopback, TCP_NODELAY, one boot, medians of 9 batches of 2,000 pairs; the agent runs"
echo "\`tcpadvisor watch --json --calls on --hooks KIND --interval 10s\`, so that no tick falls into the measurement."
echo
echo "| attached | pair | added | of tcptop's |"
echo "|---|---|---|---|"
row "nothing" nothing
row "nothing, in the middle" nothing-between
row "nothing, at the end" nothing-after
row "Debian's tcptop" tcptop
row "tcpadvisor, everything on, fentry/fexit (target ≤ $limit)" auto
row "tcpadvisor, everything on, kprobe forced" kprobe
row "tcpadvisor, everything on, tp_btf forced" tp_btf
row "tcpadvisor, fentry/fexit, while it measures its own hooks (one tick in 30 s)" auto-measured
row "nothing, mean over 4 s" nothing-long mean_ns_per_pair "$long"
row "tcpadvisor, fentry/fexit, with a tick every second, mean over 4 s" auto-1s mean_ns_per_pair "$long"
echo
awk -v mean="$(value auto-1s mean_ns_per_pair)" -v base="$long" -v hooks=$(($(value auto median_ns_per_pair) - base)) \
  'BEGIN { printf "So one tick of the agent in a quiet guest is about %.1f million instructions.\n", (mean - base - hooks) * 1000 / mean }'
echo
echo "Repeat: \`./dev bench --only cost\`"
