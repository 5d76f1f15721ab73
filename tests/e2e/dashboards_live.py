# SPDX-License-Identifier: Apache-2.0
"""Every query of every panel, alert and record by a real Prometheus that scrapes a live agent while faults stand.
Usage: dashboards_live.py BINARY TCPFAULT REPOSITORY; one line for each query that does not parse, or that has no data."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

binary, tcpfault, root = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
FAULTS = ["close-wait", "slow-reader", "backlog-small", "connect-refused", "bulk", "marks-large", "close-unread"]
AT_LEAST_S, AT_MOST_S = 15, 90
# What a host without such a thing does not have.
MAY_BE_EMPTY = {
    r"group_memory_limit_bytes": "no cgroup of version 2 with a limit",
    r"conntrack_limit": "no connection tracking in this kernel",
    r"accept_peak": "no hook sees the longest queue here",
    r"user_queues_busy": "the program says nothing of its senders now and then",
    r"dropped_segments|lost_total|series_dropped": "only once it has happened",
}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def begin(words, log):
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def panels():
    for path in sorted((root / "dashboards/grafana").glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}", target["expr"]


def rules():
    for group in yaml.safe_load((root / "dashboards/prometheus/rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("record", rule.get("alert")), rule["expr"], "record" in rule


def answer(port, expression):
    for name, value in (("$__rate_interval", "10s"), ("$job", ".+"), ("$instance", ".+"), ("$group", ".+")):
        expression = expression.replace(name, value)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}", timeout=20) as got:
            return len(json.load(got)["data"]["result"]), ""
    except urllib.error.HTTPError as error:
        return 0, json.load(error).get("error", str(error))
    except OSError as error:  # it has not begun yet
        return 0, str(error)


def why_empty(expression):
    return next((why for what, why in MAY_BE_EMPTY.items() if re.search(what, expression)), None)


def ask_all(database):
    """What is wrong, how many were asked, and how many had data."""
    asked = [(place, expression, True) for place, expression in panels()] + list(rules())
    wrong, with_data = [], 0
    for place, expression, wants_data in asked:
        count, error = answer(database, expression)
        with_data += count > 0
        if error:
            wrong.append(f"FAILED: {place}: {error}")
        elif count == 0 and wants_data and not why_empty(expression):
            wrong.append(f"FAILED: {place}: no data: {expression}")
    return wrong, len(asked), with_data


def drawn_wrongly(database, page):
    """render.py draws each panel of them."""
    drawn = subprocess.run([sys.executable, str(root / "dashboards/render.py"), f"http://127.0.0.1:{database}", str(page), "1"],
                           capture_output=True, text=True, check=False, timeout=120)
    if drawn.returncode != 0:
        return [f"FAILED: render.py: {drawn.stderr.strip()}"]
    text, wanted = page.read_text(encoding="utf-8"), len({place for place, _ in panels()})
    wrong = [] if text.count("<figure>") == wanted else [f"FAILED: render.py drew {text.count('<figure>')} of {wanted} panels"]
    return wrong + ([] if "<path d=" in text and "class=stat" in text and "<td>" in text else ["FAILED: render.py drew no lines, numbers or tables"])


def main():
    agent, database = free_port(), free_port()
    with tempfile.TemporaryDirectory() as work, open(os.path.join(work, "log"), "w", encoding="utf-8") as log:
        faults = [begin([tcpfault, fault, "--own-netns", "--hold", "10m"], log) for fault in FAULTS]
        started = list(faults)
        try:
            started.append(begin([binary, "serve", "--listen", f"127.0.0.1:{agent}", "--policy", "lab", "--interval", "500ms"], log))
            config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                      "rule_files": [str((root / "dashboards/prometheus/rules.yaml").resolve())],
                      "scrape_configs": [{"job_name": "tcpadvisor", "static_configs": [{"targets": [f"127.0.0.1:{agent}"]}]}]}
            path = pathlib.Path(work) / "prometheus.yml"
            path.write_text(yaml.safe_dump(config))
            started.append(begin(["prometheus", f"--config.file={path}", f"--storage.tsdb.path={work}/tsdb",
                                  f"--web.listen-address=127.0.0.1:{database}"], log))
            time.sleep(AT_LEAST_S)
            until = time.monotonic() + AT_MOST_S
            wrong, asked, with_data = ask_all(database)
            while wrong and time.monotonic() < until:  # what takes a while on a machine with other things to do
                time.sleep(5)
                wrong, asked, with_data = ask_all(database)
            wrong += drawn_wrongly(database, pathlib.Path(work) / "panels.html")
            wrong += [f"FAILED: {one.args[1]} does not stand" for one in faults if one.poll() is not None]
        finally:
            for one in started:
                one.terminate()
            for one in started:
                one.wait(20)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{asked} checks, {with_data} with data")
    return not wrong


sys.exit(0 if main() else 1)
