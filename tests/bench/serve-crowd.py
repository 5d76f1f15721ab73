#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve-crowd.py BUILD_DIR [SECONDS]: series, memory and processor time of `serve` beside crowds of connections in a network namespace
of their own, scraped every second. Markdown on stdout, progress on stderr. Needs root."""

import os
import resource
import subprocess
import sys
import time

from serving import BOUND, Agent, lost, say

HERE = os.path.dirname(os.path.abspath(__file__))
CROWDS = [(500, 10, 10), (2_000, 1_000, 1_000), (50_000, 5_000, 300)]
MOST_SERIES, MOST_MIB = 2_000, 64
WARM_UP_S = 45  # windows of rules are full by then

build, seconds = os.path.realpath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
if os.geteuid() != 0:
    raise SystemExit("bench: serve: needs root: its connections live in a network namespace of their own")


def row(connections, listeners, groups):
    say(f"serve: {connections} connections, {listeners} listeners, {groups} groups")
    crowd = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && exec python3 \"$@\"", "sh", HERE + "/crowd.py",
                              str(connections), str(listeners), str(groups)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    agent = None
    try:
        ready = crowd.stdout.readline()
        if not ready.startswith("ready"):
            raise SystemExit("bench: serve: the crowd did not come")
        say(f"serve: {ready.strip()}")
        agent = Agent(build + "/tcpadvisor", "--netns", f"pid:{crowd.pid}")
        for _ in range(WARM_UP_S):
            agent.scrape()
            time.sleep(1)
        start, cpu, first, slowest, names = time.monotonic(), agent.cpu_s(), agent.scrape(), 0.0, set()
        changed = 0
        for _ in range(seconds):
            time.sleep(1)
            asked = time.monotonic()
            last = agent.scrape()
            slowest = max(slowest, time.monotonic() - asked)
            changed += len(names ^ set(last)) if names else 0
            names = set(last)
        share = (agent.cpu_s() - cpu) / (time.monotonic() - start)
        seen = last["tcpadvisor_snapshot_sockets"]
        if seen < 2 * connections:
            raise SystemExit(f"bench: serve: the agent saw {seen:.0f} sockets of {2 * connections}: no result")
        folded = {name.split('"')[1]: value for name, value in last.items() if name.startswith("tcpadvisor_folded{") and value}
        gone = {kind: value for kind, value in lost(last).items() if value > lost(first).get(kind, 0)}
        print(f"| {connections} | {listeners} | {groups} | {last['tcpadvisor_series']:.0f} | {changed} | "
              f"{last['tcpadvisor_series_dropped_total']:.0f} | {', '.join(f'{k} {v:.0f}' for k, v in folded.items()) or '–'} | "
              f"{agent.memory_mib():.1f} | {agent.memory_mib('VmHWM'):.1f} | {100 * share:.1f} | "
              f"{1000 * last['tcpadvisor_snapshot_duration_seconds']:.1f} | {1000 * slowest:.0f} | "
              f"{last['tcpadvisor_late_ticks_total']:.0f} | {last['tcpadvisor_snapshot_rows_suppressed']:.0f} | {', '.join(gone) or 'nothing'} |", flush=True)
    finally:
        if agent:
            agent.end()
        crowd.stdin.close()
        crowd.wait(60)


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
print(f"""### `serve` beside crowds of connections

Connections over loopback in a network namespace of their own, both ends seen, to so many listeners, held by so many processes, each in a cgroup of its
own; ticks of 1 s, scraped every second for {seconds} s. Changed: series that came or went in that time. CPU: of one core, ticks and scrapes
together, without the hooks.

| connections | listeners | groups | series (target < {MOST_SERIES}) | changed | dropped | folded | RSS, MiB (target < {MOST_MIB}) | peak RSS, MiB | CPU % | walk, ms | slowest scrape, ms | late ticks | sockets without a row | lost |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|""", flush=True)
for crowd in CROWDS:
    row(*crowd)
print("\nRepeat: `./dev bench serve`")
