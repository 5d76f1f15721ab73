# SPDX-License-Identifier: Apache-2.0
# What watch, report and doctor print, for programs and for people.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3

# One socket of our own to look for.
python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(120)' >"$work/port" &
listener=$!
trap 'kill $listener 2>/dev/null; rm -rf "$work"' EXIT
for _ in {1..50}; do [[ -s $work/port ]] && break; sleep 0.1; done
port=$(<"$work/port")

run watch --once --interval 200ms
expect "watch --once ends" 0 "$code"
expect "watch --once has nothing to complain about" "" "$err"
expect_match "watch --once shows the listener" "127\.0\.0\.1:$port" "$out"
for section in 'connections (' 'processes (' 'listeners (' 'build-up (' 'findings ('; do
  [[ $out == *"$section"* ]] || fail "watch --once has no section '$section'"
done
expect "plain text has no escape sequences" "" "$(tr -cd '\033' <"$work/out")"
python3 - "$work/out" <<'P' || fail "a line is wider than 80 columns"
import sys
assert all(len(line.rstrip()) <= 80 for line in open(sys.argv[1], encoding="utf-8"))
P
COLUMNS=120 run watch --once --interval 200ms
expect_match "a wider one shows more columns" 'NETNS' "$out"
NO_COLOR=1 run watch --once --interval 200ms --color always
expect_match "--color always wins over NO_COLOR" $'\033' "$out"

run watch --json --for 4s --interval 500ms
expect "watch --json ends by itself" 0 "$code"
python3 - "$work/out" "$port" <<'P' || fail "watch --json is not as promised"
import json, sys
ticks = [json.loads(line) for line in open(sys.argv[1])]
assert 2 <= len(ticks) <= 9, f"{len(ticks)} ticks in 4 s of 500 ms"  # a busy machine makes fewer
for tick in ticks:
    for key in "ts host coverage self memory states rates connections listeners owners findings".split():
        assert key in tick, key
    assert any(l["local"].endswith(":" + sys.argv[2]) for l in tick["listeners"]), "our listener"
    assert tick["states"]["LISTEN"] >= 1
assert ticks[-1]["rates"], "rates from the second tick on"
P

run doctor
expect "doctor ends" 0 "$code"
expect_match "doctor names its facts" 'snapshot' "$out"
run doctor --json
expect "doctor --json ends" 0 "$code"
python3 - "$work/out" <<'P' || fail "doctor --json is not as promised"
import json, sys
lines = open(sys.argv[1]).read().splitlines()
assert len(lines) == 1, "one object, one line"
facts = {f["fact"]: f for f in json.loads(lines[0])["facts"]}
assert facts["snapshot"]["in_use"], "some source for snapshots always works"
P

run report --for 1s --interval 200ms --format json -o "$work/report.json"
expect "report ends" 0 "$code"
expect "report -o leaves stdout alone" "" "$out"
python3 -m json.tool "$work/report.json" >/dev/null || fail "report.json does not parse"
run report --for 1s --interval 200ms --compare "$work/report.json"
expect "a report compared with an earlier one ends" 0 "$code"
expect_match "it says with which" 'Compared +with the report of [0-9T:-]+Z: ' "$out"
python3 - "$work/report.json" "$work/calm.json" <<'P'
import json, sys
report = json.load(open(sys.argv[1]))
report["findings"] = [f for f in report["findings"] if f["severity"] == "info"]
json.dump(report, open(sys.argv[2], "w"))
report["tool"]["name"] = "another"
json.dump(report, open(sys.argv[2] + ".other", "w"))
P
run report --for 1s --interval 200ms --exit-code --compare "$work/calm.json"
expect_match "with --exit-code only new or worse counts, or too little" '^(0|12|13)$' "$code"
run report --for 1s --compare "$work/calm.json.other"
expect "what is no report of ours" "tcpadvisor: --compare $work/calm.json.other: it is no report of tcpadvisor; it takes what report --format json has written, or a recording" "$err"
expect "ends at once" 2 "$code"
rm -f -- "$work"/calm.json*
run report --for 1s --interval 200ms -o "$work/report.md"
expect_match "the name of a file chooses the form" '^# tcpadvisor: ' "$(head -1 "$work/report.md")"
run report --for 1s --interval 200ms --format text -o "$work/text.md"
expect_match "unless a form is asked for" '^tcpadvisor [0-9.]+: ' "$(head -1 "$work/text.md")"
run report --for 1s --interval 200ms --format sysctl
expect "report --format sysctl ends" 0 "$code"
expect "a fragment for sysctl.d has comments and settings only" "" "$(grep -vE '^(#.*|[a-z0-9._]+ = [0-9 ]+)?$' "$work/out")"
if unshare -n true 2>/dev/null && command -v sysctl >/dev/null; then  # only net.core.somaxconn, a namespace's own
  for fragment in "$repo"/tests/golden/report-*.conf "$work/out"; do
    if grep -qvE '^(#.*|net\.core\.somaxconn = [0-9]+)?$' "$fragment"; then
      [[ $fragment == "$repo"/* ]] && fail "$fragment has settings that this test must not write"
      continue
    fi
    expect "sysctl -p takes $fragment" "0 " "$(unshare -n sysctl -q -p "$fragment" 2>&1 >/dev/null; echo "$? ")"
  done
fi
run report --for 1s --interval 200ms -o "$work/no/such/dir"
expect "a report that cannot be written fails" 1 "$code"
expect "with one line" "tcpadvisor: cannot write $work/no/such/dir: No such file or directory" "$err"

timeout 60 bash -c "'$bin' report --for 30s -o '$work/never.json' & pid=\$!; sleep 1; kill -INT \$pid; wait \$pid" 2>/dev/null
expect "an interrupted report" 130 "$?"
timeout 60 bash -c "'$bin' watch --json >/dev/null & pid=\$!; sleep 1; kill -TERM \$pid; wait \$pid" 2>/dev/null
expect "a terminated watch" 143 "$?"
expect "nothing half written" "report.json" "$(cd "$work" && ls -- *.json*)"
finish
