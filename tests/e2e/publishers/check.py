# SPDX-License-Identifier: Apache-2.0
# What watch and report say of a program whose peer does not read:
#   check.py WATCH REPORT PID PEER BYTES SLACK LIMIT
# BYTES of the program are on their way, counted to SLACK; LIMIT is the mark that it tells, or "none". Prints one line.
import json, sys

watch, report = (json.load(open(path)) for path in sys.argv[1:3])
pid, peer, total, slack = map(int, sys.argv[3:7])
limit = None if sys.argv[7] == "none" else int(sys.argv[7])
chains = [c for c in watch["connections"] if c["pid"] == pid and c["driver_q"]]
if len(chains) != 1 or chains[0]["other_end"]["pid"] != peer:
    sys.exit(f"connections with a queue of the program: {chains}; queues: {watch['user_queues']}; {watch['self']['lost']}")
chain = chains[0]
places = chain["driver_q"], chain["send_q"], chain["other_end"]["recv_q"]
words = ["adds up" if min(places) > 0 and abs(sum(places) - total) <= slack else f"{places} are not {total}"]
mine = [f for f in report["findings"] if f["scope"].get("pid") == pid and f["severity"] != "info"]
for finding in mine:
    told = [e.get("threshold") for e in finding["evidence"] if e["metric"] == "bytes_at_risk"]
    words += [finding["id"], "names the peer" if f"[{peer}] does not read" in finding["title"] else finding["title"],
              "its limit" if told == [limit] else f"limits {told}", "no setting" if not finding["recommendation"].get("knob") else "a setting"]
print(", ".join(words))
