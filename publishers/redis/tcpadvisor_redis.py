#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a Redis (or Valkey) what it keeps for each client, and tells every running tcpadvisor (docs/user-queues.md).

    tcpadvisor_redis.py PID [HOST:PORT]     127.0.0.1:6379 without; REDISCLI_AUTH is the password

Runs as root on the server's host: only root may speak for another process (SCM_CREDENTIALS, unix(7)). It asks for CLIENT
LIST and for the limits each half second, and ends when the server does."""
import glob, os, socket, struct, sys, time

PERIOD_S, MOST, LINES = 0.5, 250, 25  # a round: the 250 longest queues, 25 lines a datagram
SCM_CREDENTIALS = 2                   # include/linux/socket.h; Python has no name for it


def ask(redis, *words):
    """The reply to a command, a text or a list of texts."""
    redis.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words))
    redis.flush()
    return reply(redis, words[0])


def reply(redis, command):
    head = redis.readline().decode()
    if head[:1] == "-" and command == "CONFIG":  # a server may forbid it: then its limits are not known
        return ["", ""]
    if not head or head[0] == "-":
        sys.exit(f"{command}: {head[1:].strip() or 'the server has closed the connection'}")
    if head[0] == "*":
        return [reply(redis, command) for _ in range(int(head[1:]))]
    return redis.read(int(head[1:]) + 2)[:-2].decode(errors="replace") if head[0] == "$" else head[1:].strip()


def line(client, limits):
    f = dict(word.split("=", 1) for word in client.split(" ") if "=" in word)
    kind = "slave" if "S" in f["flags"] else "pubsub" if f["sub"] != "0" or f["psub"] != "0" else "normal"
    ends = [f"[{a}]:{p}" if ":" in a else f"{a}:{p}" for a, p in (f[end].rsplit(":", 1) for end in ("laddr", "addr"))]
    queued = int(f["obl"]) + max(0, int(f["omem"]) - 40 * int(f["oll"]))  # 40: what a node of its list is itself
    high = f" high={limits[kind]}" if limits.get(kind, "0") != "0" else ""
    return queued, f"tcpadvisor-queue 1 local={ends[0]} remote={ends[1]} queued={queued}{high} busy=0 name={kind}\n"


def main(pid, where="127.0.0.1:6379"):
    host, _, port = where.rpartition(":")
    redis = socket.create_connection((host.strip("[]"), port)).makefile("rwb")
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    as_server = [(socket.SOL_SOCKET, SCM_CREDENTIALS, struct.pack("iII", int(pid), os.getuid(), os.getgid()))]
    if "REDISCLI_AUTH" in os.environ:
        ask(redis, "AUTH", os.environ["REDISCLI_AUTH"])
    while True:
        words = ask(redis, "CONFIG", "GET", "client-output-buffer-limit")[1].split()
        clients = [c for c in ask(redis, "CLIENT", "LIST").splitlines() if " laddr=/" not in c]
        lines = [text for _, text in sorted((line(c, dict(zip(words[::4], words[1::4]))) for c in clients), reverse=True)]
        for i in range(0, len(lines[:MOST]), LINES):
            for agent in glob.glob(os.environ.get("TCPADVISOR_QUEUES", "/run/tcpadvisor/queues") + "/*.sock"):
                try:
                    out.sendmsg(["".join(lines[i:min(i + LINES, MOST)]).encode()], as_server, 0, agent)
                except OSError:  # it has gone, or is busy: it hears the next round
                    pass
        time.sleep(PERIOD_S)


try:
    main(*sys.argv[1:])
except OSError as why:
    sys.exit(f"tcpadvisor_redis: {' '.join(sys.argv[2:])}: {why}")
