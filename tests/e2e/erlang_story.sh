# SPDX-License-Identifier: Apache-2.0
# Story S1 with a real Erlang node: the example program and the example publisher, watch and report beside them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
((EUID == 0)) || skip "needs root for a network namespace"
need erlc
need python3

erlang=$repo/publishers/erlang
erlc -o "$work" "$erlang"/src/*.erl "$erlang"/examples/*.erl
expect "the example and the publisher compile" 0 "$?"
unshare -n sh -c "ip link set lo up && cd '$work' && exec erl -noshell -run s1 main 25" >"$work/s1" 2>&1 </dev/null &
node=$!
for _ in {1..100}; do
  grep -qs '^shutdown' "$work/s1" && break
  sleep 0.1
done
said_at_shutdown=$(sed -n 's/^shutdown.* in the queue: \([0-9]*\) bytes/\1/p' "$work/s1")
sleep 1
run watch --once --json --netns all
expect "watch beside it ends" 0 "$code"
python3 - "$work/out" "$node" >"$work/sums" 2>&1 <<'END'
import json, sys
tick = json.loads(open(sys.argv[1]).readline())
mine = [c for c in tick["connections"] if c["pid"] == int(sys.argv[2]) and (c["driver_q"] or 0) > 0]
if len(mine) != 1: sys.exit("connections with a driver queue: %s" % mine)
c = mine[0]
print(c["driver_q"] + c["send_q"] + c["other_end"]["recv_q"], c["comm"], c["driver_q"])
END
expect "the three queues add up to what was sent; the first is Erlang's own send_pend" \
  "1048576 beam.smp $said_at_shutdown" "$(<"$work/sums")"
run report --for 6s --policy lab --format json
expect "report beside it ends" 0 "$code"
python3 - "$work/out" "$node" >"$work/told" 2>&1 <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
mine = [f for f in report["findings"] if f["scope"].get("pid") == int(sys.argv[2]) and f["severity"] != "info"]
for f in mine:
    risk = [e["value"] for e in f["evidence"] if e["metric"] == "bytes_at_risk"]
    print(f["id"], "peer" if "does not read" in f["title"] else f["title"],
          "knob" if f["recommendation"].get("knob") else "no-knob", risk)
END
expect "the report names the peer, no setting, and the bytes at risk" \
  "user-queue-watermark peer no-knob [$said_at_shutdown]" "$(<"$work/told")"
kill "$node" 2>/dev/null
wait "$node" 2>/dev/null
finish
