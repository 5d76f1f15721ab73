#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cost-guest.sh TCPADVISOR PINGPONG TCPTOP: runs inside the guest, whose clock counts instructions. Prints one line per
# configuration, "cost NAME pingpong …", and "coverage NAME …" for what the agent said about its sources.
set -u
tcpadvisor=$1 pingpong=$2 tcptop=$3
out=/tmp/ticks
few="--warm-up 500 --batches 9 --round-trips 1000"    # about 0.3 s of guest time: no tick of a long interval in it
long="--warm-up 500 --batches 4 --round-trips 35000"  # about 1 s of guest time a batch, so each holds one tick

fail() { echo "cost-guest: $*"; exit 1; }

# measure NAME OPTIONS…: one run of the load.
measure() {
  name=$1; shift
  result=$("$pingpong" "$@") || fail "pingpong failed beside '$name'"
  echo "cost $name $result"
}

# with_agent NAME TICKS LOAD AGENT-OPTIONS…: the same beside the running agent, just after that many of its ticks. Between
# the first and the second tick (and then again every 30 s) it measures its own hooks, which makes them dearer.
with_agent() {
  name=$1 ticks=$2 load=$3; shift 3
  : >$out
  "$tcpadvisor" watch --json --calls on "$@" >$out 2>$out.err &
  agent=$!
  waited=0
  while [ "$(wc -l <$out)" -lt "$ticks" ]; do
    sleep 1
    waited=$((waited + 1))
    if [ $waited -gt 150 ] || ! kill -0 $agent 2>/dev/null; then
      cat $out.err
      kill $agent 2>/dev/null
      fail "the agent gave less than $ticks ticks for '$name' in $waited s"
    fi
  done
  sleep 1  # the tick that was just printed is over
  measure "$name" $load
  sleep 2
  kill -0 $agent 2>/dev/null || { cat $out.err; fail "the agent died in '$name'"; }
  kill -TERM $agent
  wait $agent
  echo "ticks $name $(wc -l <$out)"
  echo "coverage $name $(tail -n 1 $out)"
  sleep 2
}

sleep 20  # the first seconds after boot are dearer: the kernel still settles
measure nothing $few
for kind in auto kprobe tp_btf; do
  with_agent $kind 2 "$few" --hooks $kind --interval 10s
done
with_agent auto-measured 1 "$few" --hooks auto --interval 10s
measure nothing-between $few
"$tcptop" -C 3600 >/dev/null 2>$out.err &
peer=$!
sleep 10
kill -0 $peer 2>/dev/null || { cat $out.err; fail "tcptop ended at once"; }
measure tcptop $few
kill $peer
wait $peer
sleep 2
measure nothing-after $few
measure nothing-long $long
with_agent auto-1s 2 "$long" --hooks auto --interval 1s
