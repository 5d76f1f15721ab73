# SPDX-License-Identifier: Apache-2.0
# Story S1 as its user meets it: the scenario in one terminal, watch and report in another. The three queues add up, and
# the report names the peer, not a setting.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
((EUID == 0)) || skip "needs root to look into the scenario's network namespace"
need python3

run port list
expect "port list ends" 0 "$code"
expect_match "port list has the stories and symptoms" 's1 .*s2 .*s4 .*stuck_reader' "${out//$'\n'/ }"
run port scenario nosuch
expect "exit code of an unknown scenario" 2 "$code"
expect "an unknown scenario" "tcpadvisor: unknown scenario 'nosuch'; tcpadvisor port list has the names" "$err"
run port scenario s1 --transport fake
expect "exit code of a transport that is not s1's" 2 "$code"

unshare -Ur bash -c 'echo 0 >/proc/sys/user/max_net_namespaces && "$0" port scenario s1' "$bin" >"$work/out" 2>"$work/err" </dev/null
code=$?
if grep -q 'Operation not permitted' "$work/err"; then
  echo "not checked: what a host without namespaces is told, as this one does not let us make one"
else
  expect "exit code where no namespace can be made" 4 "$code"
  expect_match "where no namespace can be made" 'cannot make a network namespace: .*; --netns own plays in the namespace you are in$' "$(<"$work/err")"
  expect "and nothing else" "" "$(<"$work/out")"
fi

: >"$work/s1"
"$bin" port scenario s1 --hold 25s --json >"$work/s1" 2>"$work/s1.err" </dev/null &
scenario=$!
for _ in {1..50}; do
  grep -q '"kind":"truth"' "$work/s1" && break
  sleep 0.1
done
sleep 1
run watch --once --json --netns all
expect "watch beside it ends" 0 "$code"
python3 - "$work/out" "$work/s1" >"$work/sums" 2>&1 <<'END'
import json, sys
tick = json.loads(open(sys.argv[1]).readline())
story = [json.loads(line) for line in open(sys.argv[2])]
socket = next(s for s in story if s["kind"] == "connections")["sockets"][0]
truth = [s for s in story if s["kind"] == "truth"][-1]["connections"][0]
seen = [c for c in tick["connections"] if c["local"] == socket["local"] and c["remote"] == socket["remote"]]
if not seen: sys.exit("the connection %s is not shown" % socket["local"])
c = seen[0]
print(c["driver_q"] + c["send_q"] + c["other_end"]["recv_q"], c["other_end"]["comm"])
print("truth", truth["driver_queue"] == c["driver_q"], truth["near"]["send_q"] == c["send_q"], truth["far"]["recv_q"] == c["other_end"]["recv_q"])
END
expect "the three queues of watch add up to what was sent, and are the scenario's own" \
  "1048576 port-peer truth True True True" "$(tr '\n' ' ' <"$work/sums" | sed 's/ $//')"
run watch --once --netns all
expect_match "the screen shows the chain" 'driver queue|driver [0-9,]+' "$out"
run report --for 8s --policy lab --format json
expect "report beside it ends" 0 "$code"
python3 - "$work/out" "$scenario" >"$work/told" 2>&1 <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
mine = [f for f in report["findings"] if f["id"] == "pending-shutdown-data" and f["scope"].get("pid") == int(sys.argv[2])]
if len(mine) != 1: sys.exit("findings: %s" % [f["id"] for f in report["findings"]])
f = mine[0]
text = json.dumps(f)
risk = [e["value"] for e in f["evidence"] if e["metric"] == "bytes_at_risk"]
print("peer" if "port-peer" in f["title"] else f["title"], "knob" if f["recommendation"].get("knob") else "no-knob", "risk" if risk and risk[0] > 400000 else risk)
END
expect "the report names the peer, no setting, and the bytes at risk" "peer no-knob risk" "$(<"$work/told")"
kill -TERM "$scenario"
wait "$scenario"
expect "a scenario that is told to end" 143 "$?"
expect "a scenario says nothing on stderr" "" "$(<"$work/s1.err")"
finish
