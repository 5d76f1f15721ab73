# SPDX-License-Identifier: Apache-2.0
"""What `tcpadvisor metrics` offers, and what an expression names that it does not."""
import re
import subprocess

OF_PROMETHEUS = {"job", "instance", "alertname", "alertstate", "severity", "le"}


def run(binary, root, *words):
    return subprocess.run([binary, *words], capture_output=True, text=True, timeout=60, cwd=root, check=False).stdout


def table(binary, root):
    """What `metrics --format md` says: the labels of each name that a query may use."""
    offered = {}
    for line in run(binary, root, "metrics", "--format", "md").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 6 or not cells[1].startswith("`"):
            continue
        name, kind, labels = cells[1].strip("`"), cells[2], {one.strip() for one in cells[4].split(",") if one.strip()}
        for end in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            offered[name + end] = labels
    return offered


def wrong_in(words, offered, records=frozenset()):
    """Names and labels of one expression that nothing offers."""
    bare = re.sub(r'"[^"]*"', '""', words)
    names = set(re.findall(r"(?<![\w:])tcpadvisor_\w+", bare))
    wrong = [name for name in names if name not in offered]
    wrong += [name for name in re.findall(r"\w+:tcpadvisor_\w+:\w+", bare) if name not in records]
    known = set().union(OF_PROMETHEUS, *offered.values())
    for name, inside in re.findall(r"(?<![\w:])(tcpadvisor_\w+)\{([^}]*)\}", bare):
        wrong += [f"{name}{{{label}}}" for label in re.findall(r"(\w+)\s*[=!]", inside)
                  if label not in offered.get(name, set()) | OF_PROMETHEUS - {"severity"}]
    for inside in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", bare):
        wrong += [label for label in re.findall(r"\w+", inside) if label not in known]
    return wrong
