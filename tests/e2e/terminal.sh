# SPDX-License-Identifier: Apache-2.0
# The live screen in a real terminal: it fits, keys work, and the terminal is as before after every way to leave.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need tmux

terminals=0
tm() { tmux -S "$work/tmux$terminals" -f /dev/null "$@" 2>/dev/null; }
trap 'tm kill-server; rm -rf "$work"' EXIT

# start WIDTH HEIGHT COMMAND: a shell in a fresh terminal that runs it
start() {
  tm kill-server
  terminals=$((terminals + 1))  # a server that is about to end would still take the next session
  TERM=xterm-256color tm -u new-session -d -x "$1" -y "$2" "env LC_ALL=C.UTF-8 PS1='\$ ' bash --norc --noprofile"
  tm set -g status off
  tm resize-window -x "$1" -y "$2"
  sleep 0.5
  tm send-keys "echo before; $3; echo code=\$?" Enter
}
screen() { tm capture-pane -p; }
# wait_for REGEX: until the screen shows it, at most 20 s
wait_for() {
  for _ in {1..100}; do
    [[ $(screen) =~ $1 ]] && return 0
    sleep 0.2
  done
  fail "the screen never showed '$1': $(screen | head -5)"
}
# The shell's screen is back, the cursor is visible, and what is typed is echoed again.
expect_restored() {
  wait_for "code=$1"
  expect_match "the text from before is back ($2)" 'before' "$(screen)"
  expect "not on the alternate screen ($2)" 0 "$(tm display -p '#{alternate_on}')"
  expect "the cursor is visible ($2)" 1 "$(tm display -p '#{cursor_flag}')"
  tm send-keys "echo again" Enter
  wait_for $'\nagain'
}
pid_of_watch() { pgrep -f "^$bin watch" -P "$(tm display -p '#{pane_pid}')"; }

for size in "80 24" "120 40"; do
  read -r width height <<<"$size"
  start "$width" "$height" "'$bin' watch --interval 300ms"
  wait_for 'ESTABLISHED'
  expect_match "header at ${width}x$height" '^tcpadvisor' "$(screen)"
  expect_match "keys in the last line at ${width}x$height" 'q quit' "$(screen | sed -n "${height}p")"
  tm send-keys 3
  wait_for '\[listeners\]'
  tm send-keys '?'
  wait_for 'Recv-Q'
  tm send-keys Escape
  wait_for '\[listeners\]'
  tm send-keys q
  expect_restored 0 "q at ${width}x$height"
done

start 120 40 "'$bin' watch --interval 300ms"
wait_for 'NETNS'
tm resize-window -x 80 -y 24
for _ in {1..50}; do [[ $(screen) != *NETNS* ]] && break; sleep 0.2; done
expect_match "the keys are in the last line after a resize" 'q quit' "$(screen | sed -n 24p)"
kill -TERM "$(pid_of_watch)"
expect_restored 143 SIGTERM

# Twelve equal connections are one line. A filter that is wrong says so, g sums list 2 by group.
if command -v python3 >/dev/null; then
  python3 - <<'P' &
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
ends = [end for _ in range(12) for end in (socket.create_connection(listener.getsockname()), listener.accept()[0])]
time.sleep(60)
P
  holder=$!
  start 80 24 "'$bin' watch --interval 300ms --netns host"
  wait_for 'ESTABLISHED'
  tm send-keys 1 / "proc:$holder" Enter
  wait_for '▸ 12 × 127.0.0.1:\* → 127.0.0.1'
  tm send-keys Enter
  wait_for '▾ 12 ×.*· 127.0.0.1'
  tm send-keys Enter
  wait_for '▸ 12 ×'
  tm send-keys / ' port:http'
  wait_for "! 'port:http': a port is a number"
  tm send-keys Escape g
  wait_for '2 \[groups\]'
  tm send-keys g
  wait_for '2 \[processes\]'
  tm send-keys q
  expect_restored 0 "filter, fold and groups"
  kill "$holder"
fi

start 80 24 "'$bin' watch --interval 300ms"
wait_for 'ESTABLISHED'
tm send-keys C-c
expect_restored 130 Ctrl-C

start 80 24 "'$bin' watch --interval 300ms --for 2s"
wait_for 'ESTABLISHED'
expect_restored 0 "--for 2s"

start 80 24 "NO_COLOR=1 '$bin' watch --interval 300ms"
wait_for 'ESTABLISHED'
expect "NO_COLOR: no colour sequences" "" "$(tm capture-pane -p -e | grep -oE $'\033\\[[0-9;]*3[0-7]m' | head -1)"
tm send-keys q
expect_restored 0 NO_COLOR

start 80 24 "LC_ALL=C '$bin' watch --interval 300ms"
wait_for 'ESTABLISHED'
expect "LC_ALL=C: plain ASCII" "" "$(screen | LC_ALL=C grep -P '[^\x00-\x7f]' | head -1)"
tm send-keys q
expect_restored 0 LC_ALL=C

start 80 24 "TERM=no-such-terminal '$bin' watch"
wait_for 'code=2'
expect_match "an unknown TERM" "TERM is 'no-such-terminal'" "$(screen)"
finish
