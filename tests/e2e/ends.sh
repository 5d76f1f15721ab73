# SPDX-License-Identifier: Apache-2.0
# Every command that waits ends with a signal, and at its own limit. The aim is a second; a busy machine gets ten.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3

# begin ARGS...: the binary in the background, as $pid; its input never comes to an end and never says anything
mkfifo "$work/silent" "$work/unwritten"
sleep 300 >"$work/silent" &
silent=$!
trap 'kill "$silent" ${pid:-} 2>/dev/null; rm -rf "$work"' EXIT
begin() {
  : >"$work/out" >"$work/err"
  "$bin" "$@" >"$work/out" 2>"$work/err" <"$work/silent" &
  pid=$!
}
# ended: waits for $pid, at most 10 s; its exit code in $code, "still running" if it is
ended() {
  for _ in {1..100}; do
    if ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid"
      code=$?
      return
    fi
    sleep 0.1
  done
  code='still running'
  kill -KILL "$pid"
  wait "$pid" 2>/dev/null
}
# signalled ARGS...: both signals end it, each in the middle of its work
signalled() {
  local signal wanted
  for signal in INT:130 TERM:143; do
    begin "$@"
    sleep 1.5
    kill -0 "$pid" 2>/dev/null || fail "$*: ended by itself: $(<"$work/err")"
    kill -"${signal%:*}" "$pid"
    ended
    wanted=${signal#*:}
    expect "$* ends with SIG${signal%:*}" "$wanted" "$code"
  done
}
# limited WANTED ARGS...: ends by itself with that exit code
limited() {
  local wanted=$1
  shift
  begin "$@"
  ended
  expect "$* ends at its limit" "$wanted" "$code"
}

run port serve --for 1s
expect "serve ends" 0 "$code"
signalled port serve
signalled port serve --echo --rate 1K --rest 10ms

# A reader that keeps up makes sockets that are always ready; one that does not makes none that is.
"$bin" port serve --json >"$work/served" 2>/dev/null </dev/null &
server=$!
"$bin" port serve --json --stall-after 1 >"$work/stalled" 2>/dev/null </dev/null &
stalled=$!
trap 'kill "$silent" "$server" "$stalled" ${pid:-} 2>/dev/null; rm -rf "$work"' EXIT
for _ in {1..50}; do [[ -s $work/served && -s $work/stalled ]] && break; sleep 0.1; done
port_of() { grep -oE '[0-9]+' "$1" | head -1; }
for reader in "$work/served" "$work/stalled"; do
  to=$(port_of "$reader")
  limited 0 port drive --connect "$to" --for 1s
  limited 0 port drive --connect "$to" --for 1s --ports 20 --producers 3 --threads 2
  limited 0 port drive --connect "$to" --for 1s --rate 1000
  signalled port drive --connect "$to" --for 60s
done
signalled port drive --for 60s --idle
signalled port drive --for 60s --rate 1
signalled port drive --for 60s --size 16777216 --set high=1073741824
limited 0 port drive --for 1s --size 16777216 --set high=1073741824
kill "$server" "$stalled" 2>/dev/null

signalled port run -
signalled port run "$work/unwritten"
limited 1 port run - --limit 1s
expect "what was waited for is told" \
  "tcpadvisor: standard input was not read to its end: the script takes more than 1 s: --limit allows more" "$(<"$work/err")"
limited 1 port run "$work/unwritten" --limit 1s
printf 'transport unix\nport P\nwait 1h\n' >"$work/long.port"
signalled port run "$work/long.port"
limited 1 port run "$work/long.port" --limit 1s

if ((EUID == 0)); then
  for name in stuck_reader s2 s4; do signalled port scenario "$name"; done
  limited 0 port scenario stuck_reader --hold 2s
  begin port scenario stuck_reader --hold 3s --json
  for _ in {1..50}; do grep -q peer_pid "$work/out" && break; sleep 0.1; done
  sleep 0.5
  kill -KILL "$(grep -oE '"peer_pid":[0-9]+' "$work/out" | grep -oE '[0-9]+')"
  ended
  expect "a scenario whose peer was killed" 1 "$code"
  expect_match "it says so" 'stuck_reader: the peer.s process [0-9]+ has ended at [0-9.]+ s, killed by signal 9' "$(<"$work/err")"
  expect "and when it happened" 1 "$(grep -c '"what":"peer_ended"' "$work/out")"
fi

signalled watch --json
signalled report --for 10m
limited 0 watch --json --for 1s
limited 0 report --for 1s --interval 200ms
finish
