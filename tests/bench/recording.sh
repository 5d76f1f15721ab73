#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How large a recording becomes: recording.sh BINARY [SOCKETS] [SECONDS]. Holds that many connections over
# loopback, of which a tenth carries data all the time, and tells bytes a tick and an hour.
set -u
bin=${1:?the tcpadvisor binary} sockets=${2:-1000} seconds=${3:-20}
work=$(mktemp -d)
python3 - "$sockets" <<'P' &
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
pairs = []
for _ in range(int(sys.argv[1]) // 2):
    a = socket.create_connection(server.getsockname())
    pairs.append((a, server.accept()[0]))
busy = pairs[:: 10]
while True:
    for a, b in busy:
        a.sendall(b"x" * 700)
        b.recv(4096)
    time.sleep(0.05)
P
load=$!
trap 'kill $load 2>/dev/null; rm -rf "$work"' EXIT
sleep 2
"$bin" record -o "$work/a.rec" --for "${seconds}s" || exit 1
python3 - "$work/a.rec" <<'P'
import os, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("select count(*), sum(length(data)), max(length(data)) from tick").fetchone()
ticks, total, largest = rows
print(f"{ticks} ticks, {total / ticks / 1024:.1f} KiB each (the largest {largest / 1024:.1f}), file {os.path.getsize(sys.argv[1]) / 1024:.0f} KiB")
print(f"an hour at 1 s: {total / ticks * 3600 / 1e6:.0f} MB")
P
