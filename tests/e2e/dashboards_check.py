# SPDX-License-Identifier: Apache-2.0
"""Dashboards against their source, the metrics that there are, and the rules of Grafana's dashboard-linter.
Usage: dashboards_check.py BINARY REPOSITORY; one line for each mistake."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import offered as offered_by
import yaml

binary, root = sys.argv[1], pathlib.Path(sys.argv[2])
folder = root / "dashboards/grafana"
checks, mistakes = 0, []


def check(good, words):
    global checks
    checks += 1
    if not good:
        mistakes.append(words)


def look_at(name, board, offered):
    """What dashboard-linter calls template-*, panel-*, target-* and uneditable-dashboard."""
    check(board["editable"] is False and board["id"] is None and len(board["uid"]) <= 40 and "tcpadvisor" in board["tags"], f"{name}: head")
    variables = {one["name"]: one for one in board["templating"]["list"]}
    check(list(variables)[:3] == ["datasource", "job", "instance"], f"{name}: variables")
    check(variables["datasource"]["type"] == "datasource" and variables["datasource"]["label"] == "Data source", f"{name}: data source")
    for one in list(variables.values())[1:]:
        check(one["datasource"]["uid"] == "${datasource}" and one["query"].startswith("label_values(") and one["refresh"] == 2 and one["multi"]
              and one["allValue"] == ".+" and one["label"], f"{name}: variable {one['name']}")
        check(not offered_by.wrong_in(re.sub(r", \w+\)$", ")", one["query"]), offered), f"{name}: variable {one['name']}: metric")
    numbers = [panel["id"] for panel in board["panels"]]
    check(len(set(numbers)) == len(numbers), f"{name}: numbers of panels")
    for panel in board["panels"]:
        place = f"{name}: {panel['title']}"
        if panel["type"] == "row":
            continue
        check(panel["title"] and panel["description"].endswith("."), f"{place}: title and description")
        check(panel["type"] in ("timeseries", "stat", "table", "heatmap"), f"{place}: type")
        check(panel["datasource"]["uid"] == "${datasource}", f"{place}: data source")
        check(panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["noValue"], f"{place}: unit")
        box = panel["gridPos"]
        check(box["x"] + box["w"] <= 24, f"{place}: does not fit")
        check(panel["targets"], f"{place}: no targets")
        for target in panel["targets"]:
            expression = target["expr"]
            wrong = offered_by.wrong_in(expression, offered)
            check(not wrong, f"{place}: neither metric nor label of the table: {wrong}")
            series = re.findall(r"(tcpadvisor_\w+)\{([^}]*)\}", expression)
            check(series and len(series) == len(re.findall(r"(?<![\w:])tcpadvisor_\w+", expression)), f"{place}: a series of all hosts")
            for metric, labels in series:
                check('job=~"$job"' in labels and 'instance=~"$instance"' in labels, f"{place}: {metric}: job and instance")
                if re.search(r"_(total|bucket)$", metric):
                    check(re.search(rf"(rate|increase)\({metric}\{{[^}}]*\}}\[\$__rate_interval\]\)", expression), f"{place}: {metric}: a counter without rate")
            # What a legend names is there after adding up.
            by = re.findall(r"by \(([^)]*)\)", expression)
            if by:
                left = {label.strip() for inside in by for label in inside.split(",")}
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    check(label in left, f"{place}: the legend's {label} is not in the answer")
    boxes = [(panel["gridPos"], panel["title"]) for panel in board["panels"]]
    for at, (one, title) in enumerate(boxes):
        for other, _ in boxes[:at]:
            check(one["x"] >= other["x"] + other["w"] or other["x"] >= one["x"] + one["w"] or one["y"] >= other["y"] + other["h"] or
                  other["y"] >= one["y"] + one["h"], f"{name}: {title} lies on another")


offered = offered_by.table(binary, root)
with tempfile.TemporaryDirectory() as made:
    subprocess.run([sys.executable, str(root / "dashboards/generate.py"), made], check=True)
    fresh = {path.name: path.read_text() for path in pathlib.Path(made).iterdir()}
kept = {path.name: path.read_text() for path in folder.glob("*.json")}
check(set(kept) == set(fresh), f"files of dashboards/grafana: {sorted(set(kept) ^ set(fresh))}")
for name, text in sorted(kept.items()):
    check(text == fresh.get(name), f"{name}: not as generate.py writes it")
    look_at(name, json.loads(text), offered)
# The snippet for OpenTelemetry's Collector: YAML, and each part of a pipeline is there.
snippets = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", (root / "docs/serve.md").read_text(), re.S)]
collectors = [one for one in snippets if "service" in one]
check(len(collectors) == 1, "docs/serve.md: no configuration of the Collector")
for one in collectors:
    for kind in ("receivers", "processors", "exporters"):
        named = one["service"]["pipelines"]["metrics"][kind]
        check(named and set(named) == set(one[kind]), f"docs/serve.md: {kind} of the pipeline")
    scrape = one["receivers"]["prometheus"]["config"]["scrape_configs"][0]
    check(scrape["static_configs"][0]["targets"] == ["127.0.0.1:9477"], "docs/serve.md: target of the Collector")
# The check itself: what it must find.
found = len(mistakes)
spoilt = json.loads(kept["host.json"])
spoilt["editable"] = True
spoilt["panels"][1]["description"] = ""
spoilt["panels"][1]["targets"][0]["expr"] = "tcpadvisor_listen_drops_total"
look_at("spoilt", spoilt, offered)
noticed, mistakes = mistakes[found:], mistakes[:found]
check(len(noticed) == 3, f"three mistakes were made, found: {noticed}")
for words in mistakes:
    print("FAILED:", words)
print(checks, "checks")
