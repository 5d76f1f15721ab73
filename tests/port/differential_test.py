#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays each script of differential/ on real Erlang and on `tcpadvisor port run`, and compares the two transcripts.

  differential_test.py TCPADVISOR [--transport unix|tcp] [SCRIPT...]

Both must hold every expectation, and agree step by step: what each caller's call returned or where it is held, how many
calls it made, which ports are open, flushing or gone, how many callers wait, and (AF_UNIX, where the kernel's share is
always the same) every driver queue. Both run under strace, and the number and sizes of their writes must be the same: all
of them over AF_UNIX, and over TCP or to a peer that reads all the time up to where the kernel takes less than it is given.
Times are compared by the scripts themselves: `after=300ms` is +-50 ms on both.

differential/differences/ holds what is meant to differ: a line ending in `# Erlang: RESULT` must give RESULT there and
something else here, and docs/port-differences.md must give the reason. A difference that has gone is a failure.

Exit: 0 all agree, 1 a difference, 2 wrong use, 77 nothing to compare with (no erl, or no strace).
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # leave nothing beside the sources
import written

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "differential"
LIMIT_S = 90
SHOWN = 6  # differences of one script
COMPARED_OF_PORT = ("waiting", "suspended", "open", "gone", "limbo")
# Steps whose result is not a caller's. What `let` finds over TCP is mostly the kernel's share.
SHOWS = {"unix": ("get", "set", "let"), "tcp": ("get", "set")}
# A call that is held in the message queue looks to Erlang like one that waits for its reply.
SAME_TO_ERLANG = {"scheduled": "waiting"}


def transports(script):
    words = [line.split("#")[0].split() for line in script.read_text().splitlines()]
    return [t for line in words if line[:1] == ["also"] for t in line[1:] if t in ("unix", "tcp")]


class Erlang:
    """The interpreter, compiled once."""

    def __init__(self, work):
        self.work = Path(work)
        self.ebin = self.work / "ebin"
        self.ebin.mkdir()
        sources = sorted((HERE / "erlang").glob("port_*.erl"))
        subprocess.run(["erlc", "-o", self.ebin, *sources], check=True, timeout=120)

    def play(self, script, transport):
        """Steps by their order, what was wrong, and what was written."""
        place = Path(tempfile.mkdtemp(dir=self.work))
        out = place / "transcript"
        # One scheduler: a caller that makes ten calls in a row is not overtaken by the port's own tasks.
        flags = ["+S", "1"] + (["+spp", "true"] if "parallelism=true" in script.read_text() else [])
        trace = place / "trace"
        run = subprocess.run(
            written.traced(written.ERLANG, trace, ["erl", "-noshell", "-pa", self.ebin, *flags,
                                                   "-s", "port_script", "main", "-extra", script, transport, out]),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
            env={**os.environ, "PORT_SCRIPT_DIR": str(place), "ERL_CRASH_DUMP_SECONDS": "0"})
        lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        steps = [line for line in lines if "step" in line]
        if not lines or lines[-1].get("verdict") == "error" or "step" in lines[-1]:
            why = lines[-1].get("why") if lines and "step" not in lines[-1] else run.stdout + run.stderr
            return steps, [f"Erlang's run broke off: {why}"], []
        wrong = [f"line {s['line']}: does not hold in Erlang: {s['step']}: {s['result']}"
                 for s in steps if s["verdict"] == "failed"]
        if lines[-1].get("broken_streams"):
            wrong.append(f"Erlang lost or reordered bytes of {lines[-1]['broken_streams']}")
        return steps, wrong, written.streams(written.ERLANG, trace.read_text())


def play_ours(tcpadvisor, script, transport):
    with tempfile.NamedTemporaryFile("r", prefix="port-diff-") as trace:
        command = [tcpadvisor, "port", "run", script, "--transport", transport, "--json"]
        run = subprocess.run(written.traced(written.OURS, trace.name, command),
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        streams = written.streams(written.OURS, trace.read())
    steps = [json.loads(line) for line in run.stdout.splitlines()]
    steps = [s for s in steps if s["step"].split()[0] not in ("also", "transport", "profile")]  # Erlang has no choice
    wrong = []
    if run.returncode != 0:
        said = [line for line in run.stderr.splitlines() if str(script.name) in line or line.startswith("tcpadvisor:")]
        wrong.append((said or run.stderr.splitlines() or [f"exit code {run.returncode}"])[-1])
    return steps, wrong, streams


def same(ours, erlang):
    return SAME_TO_ERLANG.get(ours, ours) == erlang


def yes(value):
    return ("yes" if value else "no") if isinstance(value, bool) else value


def compare_step(ours, erlang, transport, steady):
    """Texts of what differs in one step."""
    found = []
    if ours["step"].split()[0] in SHOWS[transport] and ours["result"] != erlang["result"]:
        found.append(f"{ours['result']}, in Erlang {erlang['result']}")
    for name, there in (erlang["callers"] or {}).items():
        here = ours.get("callers", {}).get(name)
        if here is None:
            continue
        if not same(here["now"], there["now"]):
            found.append(f"{name} is {here['now']}, in Erlang {there['now']}")
        if here["calls"] != there["calls"]:
            found.append(f"{name} made {here['calls']} calls, in Erlang {there['calls']}")
        if here.get("returned", {}) != (there["returned"] or {}):
            found.append(f"{name} got {here.get('returned', {})}, in Erlang {there['returned'] or {}}")
    for name, there in (erlang["ports"] or {}).items() if steady else ():
        here = ours["ports"].get(name, {})
        keys = COMPARED_OF_PORT + (("q",) if transport == "unix" and there["gone"] == "no" else ())
        for key in keys:
            if yes(here.get(key)) != there[key]:
                found.append(f"{name} {key}={yes(here.get(key))}, in Erlang {there[key]}")
    return found


# While a peer reads all the time, one picture of a port says nothing about another. Its scripts wait for what has to come.
def is_steady(steps):
    draining = False
    for step in steps:
        words = step["step"].split()
        if words[:1] == ["peer"] and words[2] in ("drains", "stalls"):
            draining = words[2] == "drains"
        yield not draining


def compare(ours, erlang, transport):
    found = []
    if [s["line"] for s in ours] != [s["line"] for s in erlang]:
        return [f"not the same steps: {len(ours)} here, {len(erlang)} in Erlang"]
    for here, there, steady in zip(ours, erlang, is_steady(ours)):
        texts = compare_step(here, there, transport, steady)
        found += [f"line {here['line']}: {here['step']}: {text}" for text in texts]
    return found


def check_agreement(tcpadvisor, erlang, script, transport):
    theirs, wrong, written_there = erlang.play(script, transport)
    ours, wrong_here, written_here = play_ours(tcpadvisor, script, transport)
    wrong += wrong_here
    if not wrong:
        exact = transport == "unix" and all(is_steady(ours))
        wrong = compare(ours, theirs, transport) + written.compare(written_here, written_there, exact)
    return len(ours), wrong


def marked(script):
    """{Line: Erlang's result} of the lines that are meant to differ."""
    return {number: match[1].strip() for number, line in enumerate(script.read_text().splitlines(), 1)
            if (match := re.search(r"#\s*Erlang:\s*(.*)$", line))}


def check_difference(tcpadvisor, erlang, script, transport):
    theirs, _, _ = erlang.play(script, transport)
    ours, wrong, _ = play_ours(tcpadvisor, script, transport)
    expected = marked(script)
    if not expected:
        wrong.append("no line says '# Erlang: RESULT'")
    for here, there in zip(ours, theirs):
        line = here["line"]
        if line in expected:
            if there["result"] != expected[line]:
                wrong.append(f"line {line}: Erlang gives {there['result']}, not {expected[line]}")
            if here["result"] == there["result"]:
                wrong.append(f"line {line}: the difference has gone: both give {here['result']}")
        elif there["verdict"] == "failed":
            wrong.append(f"line {line}: does not hold in Erlang, and is not marked: {there['step']}: {there['result']}")
    return len(expected), wrong


def documented():
    """Names of the differences with a reason."""
    document = HERE.parents[1] / "docs" / "port-differences.md"
    return set(re.findall(r"`differences/([\w-]+)\.port`", document.read_text())) if document.exists() else set()


def jobs_of(wanted, only):
    scripts = [Path(s).resolve() for s in wanted]
    scripts = scripts or sorted(SCRIPTS.glob("*.port")) + sorted(SCRIPTS.glob("differences/*.port"))
    for script in scripts:
        for transport in transports(script):
            if only in (None, transport):
                yield script, transport


def in_own_network():
    """Again, where nobody else's traffic is; as root only."""
    if os.geteuid() != 0 or os.environ.get("PORT_DIFF_INSIDE"):
        return
    if subprocess.run(["unshare", "--net", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv]
        os.execvpe(command[0], command, {**os.environ, "PORT_DIFF_INSIDE": "1"})


def main():
    in_own_network()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tcpadvisor", help="the program to compare with Erlang")
    parser.add_argument("scripts", nargs="*")
    parser.add_argument("--transport", choices=("unix", "tcp"))
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time; most of them wait (default 4)")
    options = parser.parse_intermixed_args()
    if (why := cannot_compare(options.tcpadvisor)) is not None:
        return why
    failures = play_all(options.tcpadvisor, jobs_of(options.scripts, options.transport), options.jobs)
    have = {script.stem for script in SCRIPTS.glob("differences/*.port")}
    for name in sorted(have ^ documented()):
        missing = "no reason in docs/port-differences.md" if name in have else "in the document only"
        print(f"differences/{name}.port: {missing}")
        failures += 1
    return say_how_many(failures)


def cannot_compare(tcpadvisor):
    """The exit code, if there is no use in going on."""
    for program, package in (("erl", "erlang-base"), ("erlc", "erlang-base"), ("strace", "strace")):
        if shutil.which(program) is None:
            print(f"skipped: there is no {program} here; Debian's {package} has it")
            return 77
    if shutil.which(tcpadvisor) is None:
        print(f"{Path(sys.argv[0]).name}: there is no program {tcpadvisor}", file=sys.stderr)
        return 2
    return None


def say_how_many(failures):
    print(f"{failures} failed" if failures else "all as expected")
    return 1 if failures else 0


def play_all(tcpadvisor, jobs, at_once):
    """How many scripts did not agree."""
    failures = 0
    with tempfile.TemporaryDirectory(prefix="port-diff-") as work:
        erlang = Erlang(work)

        def check(job):
            script, transport = job
            differs = script.parent.name == "differences"
            look = check_difference if differs else check_agreement
            steps, wrong = look(tcpadvisor, erlang, script, transport)
            return script, transport, differs, steps, wrong

        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            print(f"{'script':<28} {'transport':<9} {'steps':>5}  result")
            for script, transport, differs, steps, wrong in pool.map(check, jobs):
                agreed = f"differs in {steps} lines, as documented" if differs else "the same"
                verdict = "DIFFERENT" if wrong else agreed
                print(f"{script.stem:<28} {transport:<9} {steps:>5}  {verdict}", flush=True)
                for text in wrong[:SHOWN]:
                    print(f"    {text}")
                if len(wrong) > SHOWN:
                    print(f"    and {len(wrong) - SHOWN} more")
                failures += bool(wrong)
    return failures


if __name__ == "__main__":
    sys.exit(main())
