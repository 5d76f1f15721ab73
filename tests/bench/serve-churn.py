#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""serve-churn.py BUILD_DIR [MINUTES]: `serve`, scraped every second, beside 2,000 new connections a second in a network namespace of their
own: does its memory stand still, and is every connection counted, as one or as lost? Markdown on stdout, progress on stderr. Needs root."""

import os
import subprocess
import sys
import time

from serving import BOUND, Agent, lost, of_host, say

RATE = 2_000
WARM_UP_S = 120  # windows of rules are full by then
FLAT_MIB = 2

build, minutes = os.path.realpath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30
if os.geteuid() != 0:
    raise SystemExit("bench: churn: needs root: its connections live in a network namespace of their own")


def connections_made(pid):
    """Ends of connections in the namespace of a process, as its kernel counts them."""
    with open(f"/proc/{pid}/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    counters = dict(zip(names, values))
    return int(counters["ActiveOpens"]) - int(counters["AttemptFails"]) + int(counters["PassiveOpens"])


load = subprocess.Popen(
    BOUND + ["unshare", "--net", "sh", "-c",
             f"ip link set lo up; read go; {build}/bench/churn --connections {RATE * (60 * minutes + 60)} --rate {RATE} & read stop; kill $!; sleep 9"],
    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
time.sleep(1)
agent = Agent(build + "/tcpadvisor", "--netns", f"pid:{load.pid}")


def tell(word):
    load.stdin.write(word + "\n")
    load.stdin.flush()


tell("go")

seconds, least, most, warm, slow = 60 * minutes, 1e9, 0.0, None, 0.0
start = time.monotonic()
first, made, cpu = agent.scrape(), connections_made(load.pid), agent.cpu_s()
for second in range(1, seconds + 1):
    time.sleep(max(0.0, start + second - time.monotonic()))
    if load.poll() is not None or agent.process.poll() is not None:
        raise SystemExit(f"bench: churn: it ended early, after {second} s: load {load.poll()}, agent {agent.process.poll()}")
    asked = time.monotonic()
    scrape = agent.scrape()
    slow = max(slow, time.monotonic() - asked)
    rss = agent.memory_mib()
    if second >= min(WARM_UP_S, seconds // 2):
        warm = warm or rss
        least, most = min(least, rss), max(most, rss)
    if second % 60 == 0:
        say(f"churn: {second // 60} of {minutes} min: {rss:.1f} MiB, {scrape['tcpadvisor_series']:.0f} series, lost {lost(scrape)}")
took, made = time.monotonic() - start, connections_made(load.pid) - made
cpu = agent.cpu_s() - cpu
tell("stop")
time.sleep(2)  # the tick after the last connection
if made < 2 * 0.9 * RATE * took:
    raise SystemExit(f"bench: churn: only {made / 2 / took:.0f} connections/s were made: no result")
last, peak = agent.scrape(), agent.memory_mib("VmHWM")
opened = last["tcpadvisor_connections_opened_total"] - first["tcpadvisor_connections_opened_total"]
closed = of_host(last, "tcpadvisor_connections_closed_total") - of_host(first, "tcpadvisor_connections_closed_total")
gone = {kind: value - lost(first).get(kind, 0) for kind, value in lost(last).items()}
ticks = last["tcpadvisor_ticks_total"] - first["tcpadvisor_ticks_total"]
agent.end()

counted = "yes" if opened >= made else f"**no, {made - opened:.0f} are missing**"
flat = "yes" if most - least <= 2 * FLAT_MIB and abs(rss - warm) <= FLAT_MIB else "**no**"
print(f"""### `serve` beside {RATE} new connections a second

{minutes} min, one short connection after the other in a network namespace of their own, both ends on this host; ticks of 1 s, a scrape every
second. Memory and processor time are read from /proc.

| | |
|---|---|
| ends of connections that the kernel made | {made} ({made / 2 / took:.0f} connections/s) |
| `tcpadvisor_connections_opened_total` of the whole host grew by | {opened:.0f}; each is counted: {counted} |
| `tcpadvisor_connections_closed_total` grew by | {closed:.0f} |
| `tcpadvisor_lost_total` grew by | {', '.join(f'{kind} {value:.0f}' for kind, value in gone.items() if value) or 'nothing'} |
| ticks; late by more than one | {ticks:.0f}; {last.get('tcpadvisor_late_ticks_total', 0):.0f} |
| RSS after {min(WARM_UP_S, seconds // 2)} s, at the end, MiB | {warm:.1f}, {rss:.1f} |
| least and most between, MiB | {least:.1f}, {most:.1f}; flat (±{FLAT_MIB}): {flat} |
| peak of all, MiB | {peak:.1f} |
| series at the end | {last['tcpadvisor_series']:.0f} |
| the slowest scrape, ms | {1000 * slow:.1f} |
| CPU of the agent, without its hooks | {100 * cpu / took:.2f} % of a core |
| hooks, as the agent measures them | {100 * last.get('tcpadvisor_agent_hook_time_ratio', float('nan')):.2f} % of a core |

Repeat: `./dev bench churn --for {minutes}`""")
