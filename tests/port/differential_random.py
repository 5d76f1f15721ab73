#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays random port scripts on real Erlang and on `tcpadvisor port run`, as differential_test.py does with written ones, to
find differences that nobody thought of.

  differential_random.py TCPADVISOR [--seeds N] [--start SEED] [--keep DIR]

A run of the tests plays the seeds below. What differs with others may be a race (a time-out beside a read, a caller that
goes on while the peer reads) and needs a look: what still differs when its script is played again, by differential_test.py,
is none, and becomes a script of differential/.
"""
import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # leave nothing beside the sources
import differential_test

MAX_SENDERS = 15  # fresh callers, since one that is held back cannot call again


def options(r):
    chosen = []

    def maybe(chance, text):
        if r.random() < chance:
            chosen.append(text)

    maybe(.7, f"high={r.choice([0, 1, 5, 10, 100, 1000, 8192, 20000, 100000])}")
    maybe(.6, f"low={r.choice([0, 1, 5, 50, 500, 4096, 9000])}")
    maybe(.1, "send_timeout=0")
    maybe(.15, "send_timeout_close=true")
    maybe(.25, "delay_send=true")
    maybe(.3, "exit_on_close=false")
    maybe(.2, f"packet={r.choice([1, 2, 4])}")
    maybe(.15, f"linger={r.choice(['true/0', 'true/1', 'false/0'])}")
    maybe(.3, f"mq_high={r.choice([1, 50, 1000])}")
    maybe(.3, "parallelism=true")
    maybe(.15, f"active={r.choice(['true', 'once', '2'])}")
    maybe(.2, "show_econnreset=true")
    r.shuffle(chosen)
    return chosen


def send(r, sender, largest):
    kind = r.choice(["send"] * 4 + ["command", "bang", "send_nosuspend"])
    words = [] if kind == "send" else ["kind=" + kind]
    if r.random() < .3:
        words.append("nosuspend")
    if kind == "command" and r.random() < .25:
        words.append("force")
    if kind in ("bang", "send_nosuspend") and r.random() < .1:
        words.append("noconnect")
    if kind != "send" and r.random() < .03:
        words.append("badoption")
    size = min(largest, r.choice([0, 1, 3, 10, 100, 1000, 5000, 20000, 100000]))
    return " ".join([f"send {size} from C{sender} to P", *words])


def step(r, number):
    return r.choices([
        [f"peer P reads {r.choice([1, 100, 1000, 4096, 8192, 30000, 100000])}", "wait 50ms"],
        [f"subscribe S{number} to P"],
        [f"set P {r.choice(['high', 'low'])}={r.choice([0, 5, 100, 4096, 50000, 200000])}"],
        ["get P send_cnt send_oct send_max send_avg"],
        [f"receive {r.choice(['any', '3'])} from P by R{number} timeout={r.choice(['0ms', '100ms'])}", "wait 150ms"],
        [f"peer P sends {r.choice([1, 3, 10])}"],
        [f"wait {r.choice([50, 350, 700])}ms"],
        [f"shutdown P {r.choice(['read', 'write', 'write', 'both'])} by H{number}"],
        [r.choice(["peer P shuts", "peer P closes", "peer P resets"])],
        [r.choice(["port_close P", "kill P", f"close P by X{number}"])],
    ], [12, 6, 6, 4, 3, 3, 5, 2, 2, 2])[0]


def script(seed):
    r = random.Random(seed)
    chosen = options(r)
    largest = 200 if "packet=1" in chosen else 60000 if "packet=2" in chosen else 100000
    lines = ["also unix", "transport unix", " ".join(["port P owner=O", *chosen, "sndbuf=4096 peer_recbuf=4096"])]
    senders = 0
    for number in range(r.randint(8, 26)):
        if r.random() < .5 and senders < MAX_SENDERS:
            senders += 1
            lines.append(send(r, senders, largest))
        else:
            lines += step(r, number)
    return "\n".join([*lines, "wait 200ms", "get P send_cnt send_oct send_max send_avg"]) + "\n"


def write_scripts(directory, seeds):
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"random_{seed}.port" for seed in seeds]
    for path, seed in zip(paths, seeds):
        path.write_text(f"# seed {seed}\n{script(seed)}")
    return paths


def main():
    differential_test.in_own_network()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tcpadvisor", help="the program to compare with Erlang")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="how many scripts (default 8)")
    parser.add_argument("--start", type=int, default=1, metavar="SEED", help="the first seed (default 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the scripts here")
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time (default 4)")
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1:
        parser.error("--seeds and --jobs are 1 or more")
    if (why := differential_test.cannot_compare(options.tcpadvisor)) is not None:
        return why
    with tempfile.TemporaryDirectory(prefix="port-random-") as work:
        scripts = write_scripts(options.keep or Path(work), range(options.start, options.start + options.seeds))
        jobs = [(script, "unix") for script in scripts]
        failures = differential_test.play_all(options.tcpadvisor, jobs, options.jobs)
    return differential_test.say_how_many(failures)


if __name__ == "__main__":
    sys.exit(main())
