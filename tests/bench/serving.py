# SPDX-License-Identifier: Apache-2.0
"""A `tcpadvisor serve` to measure, seen from outside: its pages, and what /proc says of it."""

import http.client
import os
import socket
import subprocess
import sys
import time

# Ends with its parent; what it becomes keeps that.
BOUND = ["setpriv", "--pdeathsig", "KILL"]


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


class Agent:
    def __init__(self, binary, *options):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.process = subprocess.Popen(BOUND + [binary, *options, "serve", "--listen", f"127.0.0.1:{self.port}"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(300):
            if self.process.poll() is not None:
                raise SystemExit(f"bench: serve has ended: {self.process.stderr.read()}")
            try:
                if self.page("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("bench: serve does not become ready")

    def page(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def scrape(self):
        """Every series by name and labels, as the page has them."""
        text = self.page("/metrics")[1]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}

    def memory_mib(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.terminate()
        return self.process.wait(20)


def lost(scrape):
    """What could not be counted, by kind."""
    start = 'tcpadvisor_lost_total{kind="'
    return {name[len(start):-2]: value for name, value in scrape.items() if name.startswith(start)}


def of_host(scrape, prefix):
    return sum(value for name, value in scrape.items() if name.split("{")[0] == prefix)
