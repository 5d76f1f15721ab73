# SPDX-License-Identifier: Apache-2.0
# The page of `serve` in a real browser, headless, while a fault begins: as a desktop shows it, and as a phone in the dark.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
((EUID == 0)) || skip "needs root to look into the fault's network namespace"
fault=${TCPFAULT_BIN:?set TCPFAULT_BIN to the program that makes faults}
need python3
browser_tools

# A process whose name is markup, with a listener, a connection and bytes that nobody reads.
cat >"$work/hostile.py" <<'PYTHON'
import ctypes, socket, time
ctypes.CDLL(None).prctl(15, b"<img src=x>", 0, 0, 0)
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.setblocking(False)
try:
    while True:
        client.send(b"x" * 65536)
except BlockingIOError:
    pass
print("ready", flush=True)
time.sleep(300)
PYTHON
trap 'kill ${serve:-} ${hostile:-} 2>/dev/null; rm -rf "$work"' EXIT
python3 "$work/hostile.py" >"$work/hostile" &
hostile=$!
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$bin" serve --listen "127.0.0.1:$port" --policy lab >"$work/out" 2>"$work/serve" </dev/null &
serve=$!

mkdir "$work/seen"
timeout 160 node "$tools/check_live.js" "$(command -v chromium)" "$work/seen" "$port" "$serve" "$fault" >"$work/browser" 2>&1
expect "the page in a browser" 0 "$?"
cat "$work/browser"
expect "it was seen in three ways, whole and as it opens" 6 "$(find "$work/seen" -name '*.png' | wc -l)"
[[ ! ${TCPADVISOR_KEEP_SEEN:-} ]] || cp "$work/seen/"*.png "$TCPADVISOR_KEEP_SEEN"
finish
