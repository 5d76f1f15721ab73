#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd.py CONNECTIONS LISTENERS GROUPS: that many connections over loopback, both ends here, to that many listeners, held by that many
processes, each in a cgroup of its own if cgroup v2 can be written. Call it in a network namespace of its own. Prints one line when all are
there, "ready groups=G sockets=S", and ends, with all that it made, when its input ends."""

import os
import resource
import signal
import socket
import sys

connections, listeners, groups = map(int, sys.argv[1:])
FIRST_PORT = 10_000  # below the ports that connect() chooses: those are no names of a service
ROOT = next((line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2"), None)


def share(whole, part):
    return whole // groups + (part < whole % groups)


def cgroup_of(number):
    return f"{ROOT}/tcpadvisor-crowd-{os.getpid()}.slice/crowd{number}.service"


def hold(number, ready):
    """One process of the crowd; never returns."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    first = FIRST_PORT + sum(share(listeners, before) for before in range(number))
    doors = [socket.create_server(("127.0.0.1", first + i), backlog=16) for i in range(share(listeners, number))]
    kept = []
    for i in range(share(connections, number)):
        door = doors[i % len(doors)]
        kept += [socket.create_connection(door.getsockname()), door.accept()[0]]
    os.write(ready, b"1")
    signal.pause()


def remove_groups(made):
    for path in made:
        try:
            os.rmdir(path)
        except OSError as error:
            print(f"crowd: {path}: {error.strerror}", file=sys.stderr)


ready, told = os.pipe()
made, children = [], []
try:
    if ROOT and os.access(ROOT, os.W_OK):
        os.mkdir(os.path.dirname(cgroup_of(0)))
        made.append(os.path.dirname(cgroup_of(0)))
    for number in range(groups):
        if made:
            os.mkdir(cgroup_of(number))
            made.insert(0, cgroup_of(number))
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                if made:
                    with open(made[0] + "/cgroup.procs", "w") as file:
                        file.write(str(os.getpid()))
                hold(number, told)
            except BaseException as error:  # whatever it is, this process must not go on as its parent
                print(f"crowd: {error}", file=sys.stderr)
            os._exit(1)
        children.append(child)
    os.close(told)
    came = 0
    while part := os.read(ready, 1) if came < groups else b"":
        came += len(part)
    if came < groups:
        raise SystemExit(f"crowd: only {came} of {groups} came up")
    print(f"ready groups={len(made) and groups} sockets={2 * connections + listeners}", flush=True)
    sys.stdin.read()
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    remove_groups(made)
