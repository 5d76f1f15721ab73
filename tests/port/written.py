# SPDX-License-Identifier: Apache-2.0
"""What a program under strace wrote to its stream sockets: the sizes that the kernel took, write by write.

Erlang's driver writes with writev(2), which nothing else there uses on a socket; ours with send(2) and sendmsg(2) and the
flag MSG_DONTWAIT, which our peers leave out.
"""
import re

ERLANG, OURS = "writev", "sendto,sendmsg"
STRACE = ["strace", "-f", "--seccomp-bpf", "-y", "-v", "-s", "0", "-e", "signal=none"]
BEGIN = re.compile(r"^(\d+) +\w+\(\d+<socket:\[(\d+)\]>(.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
RESULT = re.compile(r"= (-?\d+)(?: E\w+ .*)?$")


def traced(call, trace, command):
    return [*STRACE, "-e", "trace=" + call, "-o", trace, *command]


class Stream:
    """The writes to one socket."""

    def __init__(self):
        self.sizes = []
        self.whole = None  # how many of them came before the kernel was first found full

    def add(self, wanted, taken):
        if taken > 0:
            self.sizes.append(taken)
        if taken < wanted and self.whole is None:
            self.whole = len(self.sizes) - (taken > 0)

    def certain(self):
        return self.sizes if self.whole is None else self.sizes[:self.whole]


def wanted_of(arguments):
    """Bytes that the call was given."""
    if plain := re.match(r', ""(?:\.\.\.)?, (\d+)', arguments):
        return int(plain[1])
    return sum(map(int, re.findall(r"iov_len=(\d+)", arguments)))


def streams(call, trace):
    """Streams in the order of their first writes."""
    found, unfinished = {}, {}
    for line in trace.splitlines():
        if match := BEGIN.match(line):
            pid, socket, rest = match.groups()
            if rest.endswith("<unfinished ...>"):
                unfinished[pid] = (socket, rest)
                continue
        elif match := RESUMED.match(line):
            pid, rest = match.groups()
            if pid not in unfinished:
                continue
            socket, before = unfinished.pop(pid)
            rest = before + rest
        else:
            continue
        result = RESULT.search(rest)
        if result and (call == ERLANG or "MSG_DONTWAIT" in rest):
            found.setdefault(socket, Stream()).add(wanted_of(rest), int(result[1]))
    return [stream for stream in found.values() if stream.sizes]


def short(sizes):
    """40 120x9 80"""
    runs = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1][1] += 1
        else:
            runs.append([size, 1])
    shown = [str(size) if count == 1 else f"{size}x{count}" for size, count in runs]
    return " ".join(shown[:20] + ["..."] * (len(shown) > 20)) or "none"


def compare(ours, erlang, exact):
    """Texts of what differs. Not exact: up to where the kernel took less than it was given, which is its own affair."""
    if len(ours) != len(erlang):
        return [f"writes to {len(ours)} sockets, in Erlang to {len(erlang)}"]
    found = []
    for number, (here, there) in enumerate(zip(ours, erlang), 1):
        a, b = (here.sizes, there.sizes) if exact else (here.certain(), there.certain())
        if not exact and not (here.whole is None and there.whole is None):
            length = min(len(a), len(b))
            a, b = a[:length], b[:length]
        if a != b:
            found.append(f"port {number}: {len(a)} writes: {short(a)}, in Erlang {len(b)}: {short(b)}")
    return found
