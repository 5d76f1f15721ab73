#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py TCPADVISOR BENCH_DIR [SECONDS] [HOST...]: hosts with nothing wrong, and what tcpadvisor says about them.

Builds up each host in a network namespace of its own, lets `tcpadvisor watch --json` look at it for the whole time under the default
policy, and asks for a `report --for 30s` now and then. A host is
  fine     when no finding was louder than info,
  FALSE    when one was: either the host was not healthy, or the rule is wrong,
  invalid  when it did not do the work that it should have done, or was not looked at: then it proves nothing.
Ends with 0 when all are fine. Whatever it started ends with it, also when it is killed; nothing outside the namespaces changes.
"""

import collections
import glob
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPORT_SECONDS = 30
REPORT_EVERY = 300
# Ends with its parent; what it becomes keeps that.
BOUND = ["setpriv", "--pdeathsig", "KILL"]


def say(*words):
    print(*words, flush=True)


class Host:
    """A host's processes, and the numbers that prove its load."""

    def __init__(self, command, says_ready):
        self.served = collections.Counter()
        self.ready = threading.Event()
        self.process = subprocess.Popen(BOUND + command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                        start_new_session=True)
        self.netns_pid = self.process.pid
        threading.Thread(target=self.listen, args=(says_ready,), daemon=True).start()

    def listen(self, says_ready):
        for line in self.process.stdout:
            if re.search(says_ready, line):
                if found := re.search(r"netns_pid=(\d+)", line):
                    self.netns_pid = int(found[1])
                self.ready.set()
            elif len(words := line.split()) == 2 and words[1].isdigit():
                self.served[words[0]] += int(words[1])

    def counter(self, name):
        """One of Tcp: in /proc/PID/net/snmp."""
        with open(f"/proc/{self.netns_pid}/net/snmp") as file:
            lines = [line.split() for line in file if line.startswith("Tcp:")]
        return int(dict(zip(*lines))[name])

    def end(self):
        # The group and not the process: setpriv has become the host's first process, and some hosts have several.
        try:
            os.killpg(self.process.pid, signal.SIGTERM if self.process.poll() is None else 0)
            self.process.wait(20)
        except (ProcessLookupError, PermissionError):
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


class Servers(Host):
    """nginx, redis and PostgreSQL; each has to have served so many requests a second."""

    name, wanted = "servers", {"nginx": 100, "redis": 200, "postgres": 50}

    def __init__(self, bench):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise SystemExit("healthy: PostgreSQL is not installed")
        super().__init__(["unshare", "--net", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh",
                          HERE + "/servers.sh", os.path.dirname(found[-1])], "^ready")

    def load(self, seconds):
        rates = {who: self.served[who] / seconds for who in self.wanted}
        text = ", ".join(f"{who} {rate:.0f} requests/s" for who, rate in rates.items())
        return text, all(rates[who] >= least for who, least in self.wanted.items())


class Idle(Host):
    """100,000 connections that say nothing, with both ends here."""

    name, sockets = "idle", 200_000

    def __init__(self, bench):
        super().__init__([bench + "/hold_sockets", str(self.sockets)], "ready")

    def load(self, seconds):
        standing = self.counter("CurrEstab")
        return f"{standing // 2:,} connections at the end", standing >= self.sockets


class Churn(Host):
    """5,000 new connections a second, each closed by its server after one answer."""

    name, rate = "churn", 5_000

    def __init__(self, bench):
        super().__init__(["unshare", "--net", "sh", "-c",
                          f"ip link set lo up && echo ready && exec {bench}/churn --connections 10000000 --rate {self.rate}"],
                         "^ready")

    def load(self, seconds):
        reached = (self.counter("PassiveOpens") - self.counter_at_start) / seconds
        return f"{reached:.0f} connections/s", reached >= 0.9 * self.rate


HOSTS = {host.name: host for host in (Servers, Idle, Churn)}


class Watcher:
    """What the agent says about one namespace: each finding once, with how often it was there."""

    def __init__(self, agent, host):
        self.agent, self.host = agent, ["--netns", f"pid:{host.netns_pid}"]
        self.ticks = self.reports = self.broken = 0
        self.findings = {}
        self.lock = threading.Lock()
        self.process = subprocess.Popen(BOUND + [agent] + self.host + ["watch", "--json"], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL)
        threading.Thread(target=self.listen, daemon=True).start()

    def note(self, findings, where):
        with self.lock:
            for finding in findings:
                key = (finding["severity"], finding["id"], finding.get("title", ""))
                if finding["severity"] == "info":
                    key = key[:2]  # titles have numbers that change
                if key not in self.findings:
                    self.findings[key] = {"times": 0, "first": time.strftime("%H:%M:%S"), "where": where, "finding": finding}
                    if finding["severity"] != "info":
                        say(f"healthy: {where}: {finding['severity']} {finding['id']}: {json.dumps(finding)}")
                self.findings[key]["times"] += 1

    def listen(self):
        for line in self.process.stdout:
            self.ticks += 1
            self.note(json.loads(line)["findings"], "watch")

    def report(self):
        done = subprocess.run(BOUND + [self.agent] + self.host + ["report", "--for", f"{REPORT_SECONDS}s", "--format", "json"],
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            self.reports += 1
            self.note(json.loads(done.stdout)["findings"], "report")
        else:
            self.broken += 1

    def end(self):
        alive = self.process.poll() is None
        self.process.terminate()
        self.process.wait(20)
        return alive


def verdict(host, watcher, seconds):
    """The host's line, and what was said about it."""
    alive = host.process.poll() is None
    load, reached = host.load(seconds) if alive else ("its programs ended", False)
    looked = watcher.end() and watcher.ticks >= seconds / 5 and watcher.broken == 0 and watcher.reports > 0
    loud = [key for key in watcher.findings if key[0] != "info"]
    word = "FALSE" if loud else "fine" if reached and looked else "invalid"
    say(f"{host.name}: {word}: {load}{'' if reached else ' (too little)'}; {watcher.ticks} looks of watch, "
        f"{watcher.reports} reports{'' if looked else ' (not enough)'}")
    for key, seen in sorted(watcher.findings.items()):
        say(f"  {' '.join(key)}: {seen['times']} times, first by {seen['where']} at {seen['first']}")
    return word == "fine"


def main(arguments):
    agent, bench = arguments[:2]
    rest = arguments[2:]
    seconds = int(rest.pop(0)) if rest and rest[0].isdigit() else 1_800
    if unknown := [name for name in rest if name not in HOSTS]:
        raise SystemExit(f"healthy: no host '{unknown[0]}'; there are {', '.join(HOSTS)}")
    if seconds < REPORT_SECONDS + 5:
        raise SystemExit(f"healthy: {seconds} s are too short: a report alone takes {REPORT_SECONDS}")
    hosts = []
    for name in dict.fromkeys(rest or HOSTS):
        hosts.append(HOSTS[name](bench))
        if not hosts[-1].ready.wait(180):
            raise SystemExit(f"healthy: the host {name} did not come up")
        say(f"healthy: {name} stands (netns of pid {hosts[-1].netns_pid})")
    watched = [(host, Watcher(agent, host)) for host in hosts]
    start, reports = time.monotonic(), []
    for host, _ in watched:
        host.served.clear()
        host.counter_at_start = host.counter("PassiveOpens")
    while (left := start + seconds - time.monotonic()) > 0:
        if left > REPORT_SECONDS + 3 and (not reports or time.monotonic() - reports[-1][0] >= REPORT_EVERY):
            threads = [threading.Thread(target=watcher.report, daemon=True) for _, watcher in watched]
            for thread in threads:
                thread.start()
            reports.append((time.monotonic(), threads))
        time.sleep(min(1, left))
    for _, threads in reports:
        for thread in threads:
            thread.join(REPORT_SECONDS)
    passed = [verdict(host, watcher, time.monotonic() - start) for host, watcher in watched]
    for host in hosts:
        host.end()
    say(f"healthy: {sum(passed)} of {len(passed)} hosts fine after {seconds} s under the default policy")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
