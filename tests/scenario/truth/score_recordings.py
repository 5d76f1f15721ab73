#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""score_recordings.py [--only ROW]... COMMAND...: examines an advisor on the recordings whose answers are known.

COMMAND is started with the name of a recording behind its arguments and prints {"findings": [{"id", "severity", "scope":
{"pid"}}]}, as `tcpadvisor report --policy lab --format json --from` does. Ends with 0 if all was said and nothing else, 1
if not, 2 on wrong usage. docs/ground-truth.md says how to read the score."""
import json
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "recordings"
LOUD = ("warning", "critical")


def told(answer):
    """What counts of an answer: (rule, process)."""
    loud = [f for f in answer["findings"] if f["severity"] in LOUD]
    quiet = [f for f in answer["findings"] if f["severity"] not in LOUD]
    return ({(f["id"], f.get("scope", {}).get("pid")) for f in some} for some in (loud, quiet))


def judge(wanted, answer):
    """Right, missed and false ones. What is only information is neither false nor, where more was wanted, right."""
    loud, quiet = told(answer)
    right, missed = set(), set()
    for want in wanted:
        key = (want["id"], want.get("pid"))
        enough = loud if want["severity"] in LOUD else loud | quiet
        (right if key in enough else missed).add(key)
    return right, missed, loud - right


def ask(command, file):
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        return None, f"ended with {done.returncode}: {done.stderr.strip()}"
    try:
        return json.loads(done.stdout), ""
    except json.JSONDecodeError:
        return None, "printed no JSON"


def main(arguments):
    only = []
    while len(arguments) > 1 and arguments[0] == "--only":
        only.append(arguments[1])
        arguments = arguments[2:]
    answers = json.loads((FOLDER / "answers.json").read_text())
    unknown = [row for row in only if row not in answers]
    if not arguments or arguments[0].startswith("--") or unknown:
        print(f"no such row: {unknown[0]}" if unknown else __doc__, file=sys.stderr)
        return 2
    sums = [0, 0, 0]
    for row, known in answers.items():
        if only and row not in only:
            continue
        answer, why = ask(arguments, FOLDER / f"{row}.rec")
        if answer is None:
            print(f"{row:18} failed  {why}")
            sums[1] += max(1, len(known["wanted"]))
            continue
        parts = judge(known["wanted"], answer)
        sums = [sums[i] + len(parts[i]) for i in range(3)]
        words = [f"{what} {rule}{f'[{pid}]' if pid else ''}"
                 for what, some in zip(("missed", "false"), parts[1:]) for rule, pid in sorted(some, key=str)]
        print(f"{row:18} {'; '.join(words) or 'ok'}")
    right, missed, false = sums
    print(f"{right} right, {missed} missed, {false} false; "
          f"precision {right / max(1, right + false):.3f}, recall {right / max(1, right + missed):.3f}")
    return 0 if missed == false == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
