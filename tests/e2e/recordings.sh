# SPDX-License-Identifier: Apache-2.0
# Recordings: the same findings as live, after kill -9 too; what is wrong with a file is one line.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3

# A process that does not close: after a while its peers are in CLOSE_WAIT there.
cat >"$work/leak.py" <<'P'
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0), backlog=256)
time.sleep(float(sys.argv[1]))
held = []
for _ in range(40):
    a = socket.create_connection(server.getsockname())
    held.append(server.accept()[0])
    a.close()
print("leaking", flush=True)
time.sleep(float(sys.argv[2]))
for one in held:
    one.close()
time.sleep(60)
P
findings() { python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
print(sorted((f["id"], f["severity"], f["scope"].get("pid")) for f in report["findings"] if f["scope"].get("pid") == int(sys.argv[2])))' "$@"; }

python3 "$work/leak.py" 0 60 >"$work/said" &
leak=$!
trap 'kill -9 $leak $recorder 2>/dev/null; rm -rf "$work"' EXIT
recorder=
for _ in {1..50}; do [[ -s $work/said ]] && break; sleep 0.1; done

timeout 60 "$bin" record -o "$work/a.rec" --for 9s --policy lab 2>"$work/recorded" &
recorder=$!
run report --for 9s --policy lab --format json
live=$out
echo "$live" >"$work/live.json"
wait $recorder
expect "record ends by itself" 0 "$?"
expect_match "record says what it wrote" 'recorded [0-9]+ ticks to .*a\.rec: [0-9.]+ [KM]iB' "$(<"$work/recorded")"
run report --from "$work/a.rec" --policy lab --format json
expect "report --from ends" 0 "$code"
echo "$out" >"$work/past.json"
expect "a recording gives the findings of then" "$(findings "$work/live.json" $leak)" "$(findings "$work/past.json" $leak)"
expect_match "there are findings" 'close-wait-leak' "$(findings "$work/past.json" $leak)"
expect_match "the report says where it comes from" '"recorded": ".*a\.rec, of host ' "$out"
run report --from "$work/a.rec" --policy lab --at -1s --for 5s
expect_match "a moment near its end has the finding" 'close' "$out"
run report --from "$work/a.rec" --at 2001-01-01T00:00:00
expect "a moment outside is wrong usage" 2 "$code"
expect_match "and says what there is" 'is not in the recording: it goes from' "$err"
run watch --from "$work/a.rec" --once
expect "watch --from --once ends" 0 "$code"
expect_match "and shows the host" 'Linux' "$out"
run watch --from "$work/a.rec" --json
expect "watch --from --json ends" 0 "$code"
python3 - "$work/out" <<'P' || fail "watch --from --json is not one object a tick"
import json, sys
assert len([json.loads(line) for line in open(sys.argv[1])]) >= 9
P
run report --from "$work/a.rec" --policy lab --compare "$work/a.rec" --format json
expect "a recording is something to compare with" 0 "$code"
expect_match "and is the same as itself" '"worse": \[\]' "$out"
expect "nothing is new in it" "" "$(grep -A1 '"new": \[' "$work/out" | grep -v '\[\]\|"new"')"
run report --for 1s --compare "$work/a.rec" -o "$work/now.md"
expect "the host of now is compared with one that was recorded" 0 "$code"
expect_match "its differences are told" 'Changed since the report of' "$(<"$work/now.md")"
run record -o "$work/a.rec" --for 1s
expect "nothing is written over" 2 "$code"

# record writes its file and the journal beside it, report --from nothing.
if command -v strace >/dev/null; then
  writes() { grep -E 'O_(WRONLY|RDWR|CREAT)' "$1" | grep -v ENOENT | grep -oE '"[^"]*"' | sort -u | tr -d '"' | sed 's/.*traced/traced/' | sort -u | tr '\n' ' '; }
  strace -f -e trace=open,openat,creat -o "$work/calls" "$bin" record -o "$work/traced" --for 1s 2>/dev/null
  expect "record writes to two files" "traced traced-journal " "$(writes "$work/calls")"
  strace -f -e trace=open,openat,creat -o "$work/calls" "$bin" report --from "$work/traced" >/dev/null 2>&1
  expect "report --from writes to none" "" "$(writes "$work/calls")"
fi

# Names and addresses go, what is wrong stays.
run snapshot -o "$work/one.rec" --anonymize
expect "snapshot ends" 0 "$code"
run report --from "$work/one.rec"
expect "one tick is judged, too" 0 "$code"
expect_match "the report says that it is anonymous" 'names and addresses are' "${out//$'\n'/ }"
expect "no process is called as it was" "" "$(grep -o 'python3' "$work/out")"

# kill -9: at most two ticks are lost.
"$bin" record -o "$work/killed.rec" --interval 500ms 2>/dev/null &
recorder=$!
sleep 8
began=$(stat -c %W "$work/killed.rec" 2>/dev/null)
kill -9 $recorder
wait $recorder 2>/dev/null
now=$(date +%s.%N)
run report --from "$work/killed.rec" --format json
expect "a recording that was not closed is read" 0 "$code"
last=$(python3 -c '
import sqlite3, sys
print(sqlite3.connect("file:" + sys.argv[1] + "?immutable=1", uri=True).execute("select max(wall_ms) from tick").fetchone()[0] / 1000)' "$work/killed.rec")
python3 -c 'import sys; sys.exit(float(sys.argv[1]) - float(sys.argv[2]) > 1.6)' "$now" "$last" ||
  fail "kill -9 lost more than two ticks: the last is $(python3 -c 'import sys; print(float(sys.argv[1]) - float(sys.argv[2]))' "$now" "$last") s old"

# What is wrong with a file.
one_line() {  # WHAT FILE PATTERN
  run report --from "$2"
  expect "$1 is bad input" 2 "$code"
  expect_match "$1" "$3" "$err"
  expect "$1 is one line" 1 "$(wc -l <"$work/err")"
}
one_line "a file that is not there" "$work/none" 'cannot read'
: >"$work/empty"
one_line "an empty file" "$work/empty" 'is empty'
one_line "another file" "$bin" 'is not a recording'
head -c 3000 "$work/a.rec" >"$work/short"
one_line "a file without its tables" "$work/short" 'short'
head -c "$(($(stat -c %s "$work/a.rec") * 3 / 4))" "$work/a.rec" >"$work/cut"
run report --from "$work/cut" --policy lab
expect_match "what is left of a file is judged, if anything is" '^[02]$' "$code"
expect_match "and the rest is said to be missing" 'missing|damaged|no ticks' "${out//$'\n'/ }$err"
expect "in one line" 1 "$(wc -l <"$work/err")"
finish
