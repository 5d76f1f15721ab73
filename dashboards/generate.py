#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the dashboards of Grafana into a folder: generate.py [FOLDER] (grafana beside this file). Each panel is a line below."""
import json
import pathlib
import re
import sys

OURS = 'job=~"$job", instance=~"$instance"'


def own(expression):
    """The series of the chosen hosts: `name` and `name{label="x"}` become `name{job…, instance…, label="x"}`."""

    def chosen(match):
        inside = match[2][1:-1] if match[2] else ""
        return f"{match[1]}{{{OURS}{', ' if inside else ''}{inside}}}"

    return re.sub(r"(?<![\w:])(tcpadvisor_\w+)(\{[^}]*\})?", chosen, expression)


def per_s(name, by=""):
    """Rate of a counter, added up by `by`."""
    return f"sum by (instance{', ' + by if by else ''}) (rate({name}[$__rate_interval]))"


def quantile(q, name, by):
    return f"histogram_quantile({q}, sum by (le, instance, {by}) (rate({name}_bucket[$__rate_interval])))"


class Panel:
    """Queries are (expression, legend). `unit` is Grafana's."""

    def __init__(self, title, about, queries, unit="short", kind="timeseries", width=12, height=8, stack=False, links=()):
        self.title, self.about, self.queries, self.unit, self.kind = title, about, queries, unit, kind
        self.width, self.height, self.stack, self.links = width, height, stack, links

    def as_json(self, number, x, y):
        table = self.kind == "table"
        defaults = {"unit": self.unit, "min": 0, "noValue": "not seen", "links": list(self.links)}
        if self.kind == "timeseries":
            defaults["custom"] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if self.stack else 10, "showPoints": "never",
                                  "spanNulls": False, "stacking": {"mode": "normal" if self.stack else "none", "group": "A"}}
            options = {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                       "tooltip": {"mode": "multi", "sort": "desc"}}
        elif table:
            defaults["custom"] = {"align": "auto", "filterable": True}
            options = {"showHeader": True, "sortBy": [{"displayName": "Value", "desc": True}]}
        else:
            defaults["thresholds"] = {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "orange", "value": 1}]}
            options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "area"}
        panel = {
            "id": number, "type": self.kind, "title": self.title, "description": self.about,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
            "targets": [{"refId": chr(ord("A") + at), "datasource": {"type": "prometheus", "uid": "${datasource}"}, "expr": own(expression),
                         "legendFormat": legend, "format": "table" if table else "time_series", "instant": table, "range": not table}
                        for at, (expression, legend) in enumerate(self.queries)]}
        if table:
            panel["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True},
                                                                       "indexByName": {}, "renameByName": {}}}]
        return panel


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"}, "query": query,
            "definition": query, "refresh": 2, "sort": 1, "multi": True, "includeAll": True, "allValue": ".+",
            "current": {"text": "All", "value": "$__all"}, "hide": 0}


def dashboard(uid, title, about, rows, variables=()):
    panels, y, number = [], 0, 0
    for row, in_row in rows:
        number += 1
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y, x, height = y + 1, 0, 0
        for panel in in_row:
            if x + panel.width > 24:
                y, x, height = y + height, 0, 0
            number += 1
            panels.append(panel.as_json(number, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "id": None, "uid": uid, "title": title, "description": about, "tags": ["tcpadvisor"], "editable": False, "graphTooltip": 1,
        "timezone": "browser", "refresh": "30s", "schemaVersion": 39, "version": 1, "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "tcpadvisor", "tags": ["tcpadvisor"], "asDropdown": True, "includeVars": True, "keepTime": True}],
        "annotations": {"list": [{
            "name": "critical findings", "datasource": {"type": "prometheus", "uid": "${datasource}"}, "enable": True, "iconColor": "red",
            "expr": own('tcpadvisor_finding{severity="critical"} > 0'), "titleFormat": "{{id}}", "textFormat": "{{instance}}"}]},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}, "hide": 0},
            variable("job", "Job", "label_values(tcpadvisor_build_info, job)"),
            variable("instance", "Instance", 'label_values(tcpadvisor_build_info{job=~"$job"}, instance)'), *variables]},
        "panels": panels}


def to_host():
    return {"title": "this host", "url": "/d/tcpadvisor-host?${datasource:queryparam}&${job:queryparam}&var-instance=${__field.labels.instance}&${__url_time_range}"}


def own_cost():
    return [
        Panel("Processor time of the agent", "Of one core, with and without its hooks in the kernel.",
              [("rate(tcpadvisor_agent_cpu_seconds_total[$__rate_interval])", "{{instance}} process"),
               ("tcpadvisor_agent_hook_time_ratio", "{{instance}} hooks")], "percentunit", width=8),
        Panel("Memory of the agent", "Resident memory of the process.", [("tcpadvisor_agent_resident_memory_bytes", "{{instance}}")], "bytes", width=8),
        Panel("Age and duration of the last look", "A scrape starts none: an old one means that the agent is late.",
              [("tcpadvisor_snapshot_age_seconds", "{{instance}} age"), ("tcpadvisor_snapshot_duration_seconds", "{{instance}} duration")], "s", width=8),
        Panel("Facts that are not known, or only in part", "What is not covered is never called fine.",
              [('sum by (instance) (tcpadvisor_fact_covered{quality="partial"})', "{{instance}} in part"),
               ("sum by (instance) (1 - max by (instance, fact) (tcpadvisor_fact_covered))", "{{instance}} not known")], width=8),
        Panel("Hooks in use", "In the kernel; a number that falls means that facts have a worse source now.",
              [("sum by (instance) (tcpadvisor_hook_attached)", "{{instance}}")], width=8),
        Panel("Lost events and series", "What could not be counted, by kind, and sets of labels without room.",
              [(per_s("tcpadvisor_lost_total", "kind") + " > 0", "{{instance}} {{kind}}"),
               (per_s("tcpadvisor_series_dropped_total") + " > 0", "{{instance}} series")],
              width=8)]


HOST = [
    ("Findings", [
        Panel("Findings", "What the rules say now; the words, evidence and advice are on the agent's own page and in /api/v1/report.",
              [("tcpadvisor_finding > 0", "{{id}}")], kind="table", height=9),
        Panel("Findings over time", "By severity.", [("sum by (instance, severity) (tcpadvisor_finding)", "{{instance}} {{severity}}")], stack=True, height=9)]),
    ("Use, saturation, errors", [
        Panel("Fullest accept queue", "Of its limit; at 100 % connections are dropped.",
              [("max by (instance) (tcpadvisor_listener_accept_queue / (tcpadvisor_listener_accept_limit > 0))", "{{instance}}")], "percentunit", "stat", 6, 5),
        Panel("Connections dropped by listeners", "A second, for any reason.", [(per_s("tcpadvisor_listen_drops_total"), "{{instance}}")], "cps", "stat", 6, 5),
        Panel("Memory of TCP against its pressure mark", "tcp_mem[1]; above it buffers are kept small.",
              [("tcpadvisor_tcp_memory_bytes / (tcpadvisor_tcp_memory_pressure_mark_bytes > 0)", "{{instance}}")], "percentunit", "stat", 6, 5),
        Panel("Segments sent again", "Of those that were sent; SYN-ACKs count among these only the second time, so it can be more than all.",
              [(per_s("tcpadvisor_segments_sent_again_total") + " / (" + per_s("tcpadvisor_segments_sent_total") + " > 0)", "{{instance}}")],
              "percentunit", "stat", 6, 5),
        Panel("Most local ports in use towards one destination", "Of those that connect() can choose from.",
              [("max by (instance) (tcpadvisor_destination_ports_used_ratio)", "{{instance}}")], "percentunit", "stat", 6, 5),
        Panel("Failed connects", "A second, from this host.", [(per_s("tcpadvisor_failed_connects_total"), "{{instance}}")], "cps", "stat", 6, 5),
        Panel("Tracked connections", "Of the limit of connection tracking.",
              [("max by (instance) (tcpadvisor_conntrack_entries / (tcpadvisor_conntrack_limit > 0))", "{{instance}}")], "percentunit", "stat", 6, 5),
        Panel("Segments thrown away", "A second, by this host.", [(per_s("tcpadvisor_dropped_segments_total"), "{{instance}}")], "pps", "stat", 6, 5)]),
    ("Queues", [
        Panel("Bytes in queues", "In programs in front of Send-Q (as they say), not acknowledged or not sent, not read.",
              [("sum by (instance) (tcpadvisor_user_queue_bytes)", "{{instance}} in programs"),
               ("sum by (instance, direction) (tcpadvisor_queue_bytes)", "{{instance}} {{direction}}")], "bytes"),
        Panel("Accept queues", "Connections that wait for accept(), and the most at once.",
              [("tcpadvisor_listener_accept_queue", "{{instance}} {{address}}:{{port}}"), ("tcpadvisor_listener_accept_peak", "{{instance}} {{address}}:{{port}} peak")]),
        Panel("Drops of listeners", "A second, by listener.", [(per_s("tcpadvisor_listener_drops_total", "address, port"), "{{instance}} {{address}}:{{port}}")], "cps"),
        Panel("Held back", "Time in which connections had data to send, by what held them back: seconds a second.",
              [(per_s("tcpadvisor_limited_seconds_total", "limit"), "{{instance}} {{limit}}")], "s")]),
    ("States and leaks", [
        Panel("Sockets by state", "All states but ESTABLISHED, LISTEN and CLOSE.",
              [('sum by (instance, state) (tcpadvisor_connections{state!~"established|listen|close"})', "{{instance}} {{state}}")], stack=True),
        Panel("Connections that begin and end", "A second; who ended them first, or a reset.",
              [(per_s("tcpadvisor_connections_opened_total"), "{{instance}} begin"), (per_s("tcpadvisor_connections_closed_total", "by"), "{{instance}} by {{by}}")], "cps"),
        Panel("Time in states", "99 % of those that left the state in this time stayed no longer.",
              [(quantile(0.99, "tcpadvisor_state_dwell_seconds", "state"), "{{instance}} {{state}}")], "s"),
        Panel("Lost at close", "Received and never read, or sent and not acknowledged, when a connection was closed.",
              [(per_s("tcpadvisor_lost_at_close_bytes_total", "direction"), "{{instance}} {{direction}}")], "Bps")]),
    ("Memory", [
        Panel("Memory of TCP and its marks", "tcp_mem in bytes.",
              [("tcpadvisor_tcp_memory_bytes", "{{instance}} in use"), ("tcpadvisor_tcp_memory_pressure_mark_bytes", "{{instance}} pressure"),
               ("tcpadvisor_tcp_memory_max_mark_bytes", "{{instance}} most")], "bytes"),
        Panel("Memory of sockets by group", "Units, containers, pods; the largest, the rest is `other`.",
              [("topk(10, sum by (instance, group) (tcpadvisor_group_buffer_memory_bytes))", "{{instance}} {{group}}")], "bytes")]),
    ("Path", [
        Panel("Segments sent again, by kind", "A second: by duplicate acknowledgements, by a timer, of the handshake.",
              [(per_s("tcpadvisor_retransmitted_segments_total", "type"), "{{instance}} {{type}}")], "pps"),
        Panel("Round trips", "Half of the connections at most so long; by network of the destination.",
              [(quantile(0.5, "tcpadvisor_srtt_seconds", "destination_network"), "{{instance}} {{destination_network}}")], "s"),
        Panel("Failed connects by destination", "A second, by what connect() said.",
              [(per_s("tcpadvisor_failed_connects_total", "destination, error"), "{{instance}} {{destination}} {{error}}")], "cps"),
        Panel("Resets sent, by reason", "A second, by the kernel's reason.", [(per_s("tcpadvisor_resets_sent_total", "reason"), "{{instance}} {{reason}}")], "pps")]),
    ("The agent itself", own_cost())]

FLEET = [
    ("Worst first", [
        Panel("Hosts by critical findings and warnings", "A critical finding counts as ten warnings. A host leads to its own dashboard.",
              [('topk(20, 10 * sum by (instance) (tcpadvisor_finding{severity="critical"}) + sum by (instance) (tcpadvisor_finding{severity="warning"}))', "{{instance}}")],
              kind="table", height=9, links=[to_host()]),
        Panel("Findings by id", "On how many hosts. The same finding on many hosts is one setting or one program.",
              [("sort_desc(count by (id, severity) (tcpadvisor_finding > 0))", "{{id}} {{severity}}")], kind="table", height=9)]),
    ("Saturation", [
        Panel("Fullest accept queues", "Of their limits, the ten fullest.",
              [("topk(10, tcpadvisor_listener_accept_queue / (tcpadvisor_listener_accept_limit > 0))", "{{instance}} {{address}}:{{port}}")], "percentunit", links=[to_host()]),
        Panel("Memory of TCP against its pressure mark", "The ten fullest hosts.",
              [("topk(10, tcpadvisor_tcp_memory_bytes / (tcpadvisor_tcp_memory_pressure_mark_bytes > 0))", "{{instance}}")], "percentunit", links=[to_host()]),
        Panel("Segments sent again", "Of those that were sent (SYN-ACKs: only the second time), the ten worst hosts.",
              [("topk(10, " + per_s("tcpadvisor_segments_sent_again_total") + " / (" + per_s("tcpadvisor_segments_sent_total") + " > 0))", "{{instance}}")],
              "percentunit", links=[to_host()]),
        Panel("CLOSE_WAIT", "The ten hosts with most.", [('topk(10, sum by (instance) (tcpadvisor_connections{state="close_wait"}))', "{{instance}}")], links=[to_host()])]),
    ("Agents", [
        Panel("Versions", "Of the agent, and of the kernels that it looks at.", [("count by (version, kernel) (tcpadvisor_build_info)", "{{version}} {{kernel}}")], kind="table", height=7),
        Panel("Facts that are not covered", "By fact, on how many hosts.",
              [('sum by (fact, quality) (tcpadvisor_fact_covered{quality="partial"}) > 0 or label_replace('
                'sum by (fact) (1 - max by (instance, fact) (tcpadvisor_fact_covered)) > 0, "quality", "unknown", "", "")',
                "{{fact}} {{quality}}")], kind="table", height=7), *own_cost()])]

PORT = [
    ("Queues in front of the kernel's", [
        Panel("The program's own queue against its mark", "As the program says; at the mark it holds senders back.",
              [("tcpadvisor_user_queue_bytes", "{{instance}} {{program}} {{queue}}"), ("tcpadvisor_user_queue_high_mark_bytes", "{{instance}} {{program}} {{queue}} mark")], "bytes"),
        Panel("Senders that wait", "With their bytes in a queue, or held back.", [("tcpadvisor_user_queue_senders", "{{instance}} {{program}} {{state}}")]),
        Panel("Queues that hold senders back", "How many of a program's queues are at their mark.", [("tcpadvisor_user_queues_busy", "{{instance}} {{program}} {{queue}}")]),
        Panel("The program against its mark", "At 100 % senders wait.",
              [("tcpadvisor_user_queue_bytes / (tcpadvisor_user_queue_high_mark_bytes > 0)", "{{instance}} {{program}} {{queue}}")], "percentunit")]),
    ("Behind them", [
        Panel("Send-Q and Recv-Q", "Of all connections of the host: not acknowledged or not sent; not read.",
              [("sum by (instance, direction) (tcpadvisor_queue_bytes)", "{{instance}} {{direction}}")], "bytes"),
        Panel("What holds connections back", "Seconds a second: the peer's window, the send buffer, or nothing but the work.",
              [(per_s("tcpadvisor_limited_seconds_total", "limit"), "{{instance}} {{limit}}")], "s"),
        Panel("Programs that wait in send()", "Seconds a second.", [(per_s("tcpadvisor_blocked_senders_seconds_total"), "{{instance}}")], "s"),
        Panel("Findings", "Of the rules about queues of programs.",
              [('tcpadvisor_finding{id=~"user-queue-.*|hidden-user-queue|message-queue-holds-senders|pending-shutdown-data|peer-not-reading|reader-too-slow"} > 0', "{{id}}")],
              kind="table")])]

GROUP_SET = (variable("group", "Unit, container or pod", 'label_values(tcpadvisor_group_connections{job=~"$job", instance=~"$instance"}, group)'),)
GROUP = [
    ("Connections", [
        Panel("By state", "Of the processes of the group.", [('sum by (instance, group, state) (tcpadvisor_group_connections{group=~"$group"})', "{{group}} {{state}}")], stack=True),
        Panel("Closing for longer than the policy's age", "Connections that wait for the program, or for its peer.",
              [('tcpadvisor_group_old_connections{group=~"$group"}', "{{group}} {{state}}")]),
        Panel("Processes with sockets", "How many processes of the group hold TCP sockets.", [('tcpadvisor_group_processes{group=~"$group"}', "{{group}}")])]),
    ("Bytes", [
        Panel("Queues", "Not read; not acknowledged, or not sent.", [('tcpadvisor_group_queue_bytes{group=~"$group"}', "{{group}} {{direction}}")], "bytes"),
        Panel("Memory of buffers", "As the kernel charges it.", [('tcpadvisor_group_buffer_memory_bytes{group=~"$group"}', "{{group}} {{direction}}")], "bytes", stack=True),
        Panel("Memory against the limit", "Of the group's memory, that of sockets, all of it, and its limit where it has one.",
              [('tcpadvisor_group_socket_memory_bytes{group=~"$group"}', "{{group}} sockets"), ('tcpadvisor_group_memory_bytes{group=~"$group"}', "{{group}} all"),
               ('tcpadvisor_group_memory_limit_bytes{group=~"$group"}', "{{group}} limit")], "bytes"),
        Panel("At the limit", "Times a second that the group's use met its limit.",
              [('sum by (instance, group) (rate(tcpadvisor_group_memory_limit_hits_total{group=~"$group"}[$__rate_interval]))', "{{group}}")])])]

ALL = {
    "host": dashboard("tcpadvisor-host", "tcpadvisor / Host", "One host, or a few: findings first, then what is used, full or lost, then why.", HOST),
    "fleet": dashboard("tcpadvisor-fleet", "tcpadvisor / Fleet", "All hosts: the worst first, and what many have in common.", FLEET),
    "port-driver": dashboard("tcpadvisor-port-driver", "tcpadvisor / Port driver", "Queues of programs in front of Send-Q, and what is behind them.", PORT),
    "group": dashboard("tcpadvisor-group", "tcpadvisor / Group", "One unit, container or pod.", GROUP, GROUP_SET)}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "grafana"
    for name, content in ALL.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


main()
