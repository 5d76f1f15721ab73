# SPDX-License-Identifier: Apache-2.0
# report -> apply -> verify -> rollback from what is printed alone, on a host of its own (pids, mounts, network) where
# somaxconn caps a backlog; killed at each write; and nothing but apply and rollback opens /proc/sys for writing.
if [[ -z ${INSIDE:-} ]]; then
  [[ $(id -u) == 0 ]] || { echo "SKIPPED: needs root, for namespaces"; exit 77; }
  unshare -mpnf --mount-proc true 2>/dev/null || { echo "SKIPPED: no namespaces here"; exit 77; }
  INSIDE=1 exec unshare -mpnf --mount-proc bash "$0"
fi
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3
need strace
need sysctl
mount -t tmpfs none /run
mount -t tmpfs none /etc/sysctl.d
mount -t tmpfs none /var/lib
mkdir -p /run/systemd/system
ip link set lo up

somaxconn=/proc/sys/net/core/somaxconn
fragment=/etc/sysctl.d/99-tcpadvisor.conf
echo 16 >$somaxconn
settings() { sysctl -a 2>/dev/null | grep -E '^net\.(core|ipv4|ipv6)\.'; }
settings >"$work/start"
as_at_start() {
  expect "$1: the settings are those of the start" "" "$(diff <(settings) "$work/start")"
  expect "$1: nothing is left in sysctl.d" "" "$(ls -A /etc/sysctl.d)"
}

# A server that stands still at each burst of its clients.
cat >"$work/server.py" <<'P'
import socket, threading, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 8443))
server.listen(1024)
busy = threading.Event()
def serve():
    while True:
        while busy.is_set():
            time.sleep(0.01)
        server.accept()[0].close()
threading.Thread(target=serve, daemon=True).start()
while True:
    busy.set()
    clients = []
    for _ in range(120):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", 8443))
        clients.append(one)
    time.sleep(0.12)
    busy.clear()
    time.sleep(0.7)  # before they try again
    for one in clients:
        one.close()
    time.sleep(0.7)
P
server=
serve() {
  [[ -z $server ]] || { kill -9 "$server"; wait "$server"; } 2>/dev/null
  python3 "$work/server.py" 2>"$work/server.err" &
  server=$!
  sleep 0.3
}
trap 'kill -9 $server 2>/dev/null; rm -rf "$work"' EXIT
serve

run report --for 5s --interval 200ms --hooks none --policy lab --format json -o "$work/r.json"
expect "report ends ($err)" 0 "$code"
expect_match "somaxconn is to be raised by itself" '"applicability": "automatic"' "$(<"$work/r.json")"

# Nothing is written before somebody said yes.
run apply "$work/r.json"
expect "without a terminal and --yes" 2 "$code"
expect_match "and says what to do" '--yes writes without asking' "$err"
expect_match "the difference is shown" '- net.core.somaxconn = 16' "$out"
run apply "$work/r.json" --dry-run
expect "--dry-run" 0 "$code"
expect_match "shows the difference" '\+ net.core.somaxconn = [0-9]+' "$out"
wanted=$(grep -oE '\+ net.core.somaxconn = [0-9]+' "$work/out" | grep -oE '[0-9]+$')
chmod 755 "$work"
if setpriv --reuid=65534 --regid=65534 --clear-groups "$bin" --version >/dev/null 2>&1; then
  setpriv --reuid=65534 --regid=65534 --clear-groups "$bin" apply "$work/r.json" --yes >/dev/null 2>"$work/err"
  expect "without root" 4 "$?"
  expect_match "is told" 'needs root' "$(<"$work/err")"
fi
as_at_start "before"

# What is no report of here and now.
refuse() { # WHAT CODE REGEX
  run apply "$work/bad.json" --yes
  expect "$1" "$2" "$code"
  expect_match "$1" "$3" "$err"
  expect "$1: one line" 1 "$(wc -l <"$work/err")"
  as_at_start "$1"
}
head -c 1500 "$work/r.json" >"$work/bad.json"
refuse "a report that is cut off" 2 'it is no JSON object'
sed 's/"name": "'"$(hostname)"'"/"name": "elsewhere"/' "$work/r.json" >"$work/bad.json"
refuse "a report of another host" 2 'it is of host elsewhere'
sed 's/"start": "20../"start": "2019/' "$work/r.json" >"$work/bad.json"
refuse "a report of another boot" 2 'before this host was started'
sed -E 's/"netns_id": [0-9]+/"netns_id": 77/' "$work/r.json" >"$work/bad.json"
refuse "a report of another namespace" 4 'no network namespace net:\[77\]'
echo 17 >$somaxconn
run apply "$work/r.json" --yes
expect "a value that has moved" 2 "$code"
expect_match "is told" 'is 17 now, and the report saw 16' "$err"
expect "and stays" 17 "$(<$somaxconn)"
echo 16 >$somaxconn
as_at_start "a value that has moved"

# From the printed text: apply, restart what listens, verify, rollback.
run apply "$work/r.json" --yes
expect "apply ($err)" 0 "$code"
expect "the value" "$wanted" "$(<$somaxconn)"
expect_match "the fragment" "net.core.somaxconn = $wanted" "$(<$fragment)"
expect "sysctl takes it" "net.core.somaxconn = $wanted" "$(sysctl -p $fragment)"
expect_match "says how to verify" 'tcpadvisor verify' "$out"
expect_match "and to take it back" 'tcpadvisor rollback' "$out"
run verify --for 4s --interval 200ms --hooks none
expect "the program has not listened again ($out)" 12 "$code"
expect_match "which is said" 'not yet: net.core.somaxconn.*restart it' "${out//$'\n'/ }"
serve
run verify --for 4s --interval 200ms --hooks none
expect "the promise is kept ($out)" 0 "$code"
expect_match "with numbers" 'kept: net.core.somaxconn.*drops was [0-9,]+, promised 0' "${out//$'\n'/ }"
run apply "$work/r.json" --yes
expect "a second time the value is not what the report saw" 2 "$code"
run apply --list
expect_match "the journal" "1\. .* by root.*: applied.*net.core.somaxconn: 16 -> $wanted" "${out//$'\n'/ }"
echo "net.ipv4.tcp_sack = 1" >>$fragment
run rollback --yes
expect "a fragment that somebody has edited" 1 "$code"
expect_match "is left" 'left: /etc/sysctl.d/99-tcpadvisor.conf: somebody has changed it' "$out"
expect "while the value is taken back" 16 "$(<$somaxconn)"
sed -i '$d' $fragment
run rollback --yes
expect "rollback ($err)" 0 "$code"
as_at_start "rollback"
run rollback --yes
expect_match "there is nothing more" 'nothing to take back' "$out"

# Killed at each call that changes something, once in apply and once in rollback.
traced() { # CALLS WHEN ARGS...
  local calls=$1 when=$2
  shift 2
  {
    strace -qq -o /dev/null -e trace="$calls" -e inject="$calls":signal=KILL:when="$when" "$bin" "$@" </dev/null
  } >/dev/null 2>&1  # with what the shell says of the killed
}
kills=0
for calls in write fsync rename fchmod; do
  for ((when = 1; when < 30; when++)); do
    traced $calls $when apply "$work/r.json" --yes
    apply_code=$?
    if ((when % 3 == 0)); then traced write $((when / 3 + 1)) rollback --yes; fi
    run rollback --yes
    expect "rollback after a kill at $calls $when ($err)" 0 "$code"
    expect "the value after a kill at $calls $when" 16 "$(<$somaxconn)"
    expect "sysctl.d after a kill at $calls $when" "" "$(ls -A /etc/sysctl.d)"
    ((apply_code == 137)) || break
    kills=$((kills + 1))
  done
  expect "without a kill apply ends ($calls)" 0 "$apply_code"
done
((kills >= 12)) || fail "only $kills kills"
run apply "$work/r.json" --yes
for calls in write unlink fsync; do
  for ((when = 1; when < 12; when++)); do
    traced $calls $when rollback --yes
    (($? == 137)) || break
    kills=$((kills + 1))
  done
done
run rollback --yes
as_at_start "$kills kills"
kill -9 $server
wait $server 2>/dev/null

# Who opens /proc/sys for writing. The last one shows that the look finds it.
writers() { # ARGS...
  strace --seccomp-bpf -qq -f -e trace=open,openat,creat,openat2 -o "$work/trace" timeout "${seconds:-20}" "$bin" "$@" </dev/null >/dev/null 2>&1
  grep -E '/proc/sys/.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)|creat\("/proc/sys' "$work/trace"
}
for ways in "report --for 1s" "watch --once --hooks none" "record -o $work/rec --for 1s --hooks none" "doctor --hooks none" \
  "apply $work/r.json --dry-run" "explain net.core.somaxconn" "verify --for 1s --hooks none" "whatif somaxconn=1024 --for 1s --hooks none" "knobs"; do
  expect "opens for writing in /proc/sys of: $ways" "" "$(writers $ways)"
done
seconds=4
expect "opens for writing in /proc/sys of: serve" "" "$(writers serve --listen 127.0.0.1:9511 --hooks none)"
expect_match "serve was at work" 'net/sockstat' "$(<"$work/trace")"
seconds=20
expect_match "apply does" 'somaxconn' "$(writers apply "$work/r.json" --yes)"
run rollback --yes
as_at_start "the end"

# Where nobody has made /etc/sysctl.d yet.
mount -t tmpfs none /etc
printf 'root:x:0:0::/root:/bin/sh\n' >/etc/passwd
run apply "$work/r.json" --yes
expect "apply without /etc/sysctl.d ($err)" 0 "$code"
expect "the fragment is there" yes "$([[ -s $fragment ]] && echo yes)"
run rollback --yes
as_at_start "without /etc/sysctl.d"
umount /etc
finish
