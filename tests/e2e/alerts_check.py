# SPDX-License-Identifier: Apache-2.0
"""Rules and runbooks against what the binary offers. Usage: alerts_check.py BINARY REPOSITORY; one line for each mistake."""
import pathlib
import re
import sys

import offered as offered_by
import yaml

binary, root = sys.argv[1], pathlib.Path(sys.argv[2])
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
checks = 0


def check(good, words):
    global checks
    checks += 1
    if not good:
        print("FAILED:", words)


def run(*words):
    return offered_by.run(binary, root, *words)


offered = offered_by.table(binary, root)
check(len(offered) > 50, "metrics --format md has no table")
groups = yaml.safe_load((root / "dashboards/prometheus/rules.yaml").read_text())["groups"]
rules = [rule for group in groups for rule in group["rules"]]
records = {rule["record"] for rule in rules if "record" in rule}
alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
check(len(alerts) >= 8, "there are less than eight alerts")
# The check itself: a name, a label and a record that do not exist.
check(len(offered_by.wrong_in('tcpadvisor_nothing + tcpadvisor_connections{pid="1"} + a:tcpadvisor_b:c', offered, records)) == 3, "the check finds nothing")
for rule in rules:
    wrong = offered_by.wrong_in(rule["expr"], offered, records)
    check(not wrong, f"{rule.get('alert', rule.get('record'))}: neither metric nor label of the table: {wrong}")
tested = {test["alertname"]: [] for file in yaml.safe_load((root / "dashboards/prometheus/rules_test.yaml").read_text())["tests"]
          for test in file["alert_rule_test"]}
for file in yaml.safe_load((root / "dashboards/prometheus/rules_test.yaml").read_text())["tests"]:
    for test in file["alert_rule_test"]:
        tested[test["alertname"]].append(bool(test["exp_alerts"]))
known = set().union(offered_by.OF_PROMETHEUS, *offered.values())
for name, rule in alerts.items():
    notes = rule["annotations"]
    check(re.fullmatch(r"Tcpadvisor([A-Z][a-z]+)+", name), f"{name}: the name")
    check(rule["labels"]["severity"] in ("critical", "warning", "info"), f"{name}: severity")
    check("for" in rule, f"{name}: no `for`")
    check(notes["summary"].endswith(".") and "{{" not in notes["summary"], f"{name}: the summary is one sentence without values")
    check("Owner: " in notes["description"], f"{name}: the description names no owner")
    check(all(label in known for label in re.findall(r"\$labels\.(\w+)", notes["description"])), f"{name}: labels of its text")
    check(notes["runbook_url"].endswith(f"docs/runbooks/{name}.md"), f"{name}: link of the runbook")
    check(tested.get(name) == [False, True, False], f"{name}: tests: not yet, fires, clears")
books = {path.stem: path.read_text() for path in (root / "docs/runbooks").glob("*.md")}
check(set(books) == set(alerts), f"alert without runbook, or runbook without alert: {sorted(set(books) ^ set(alerts))}")
for name, text in sorted(books.items()):
    check(text.startswith(f"# {name}\n"), f"{name}: title of the runbook")
    check(re.findall(r"^## (.*)$", text, re.M) == HEADINGS, f"{name}: headings of the runbook")
    tried = re.search(r"<!-- tried: tcpadvisor (.*) -->\n\n```\n(.*)\n```", text)
    check(tried, f"{name}: no line that was printed")
    if tried:
        check(tried[2] in run(*tried[1].split()).split("\n"), f"{name}: `tcpadvisor {tried[1]}` does not print: {tried[2]}")
    command = re.search(r"^tcpadvisor (report|doctor).*$", text, re.M)
    check(command, f"{name}: no command")
    only = re.search(r"--only (\S+)", command[0]) if command else None
    for rule in only[1].split(",") if only else []:
        check(rule in run("explain", rule), f"{name}: no rule {rule}")
print(checks, "checks")
