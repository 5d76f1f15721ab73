#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh TCPADVISOR TCPFAULT [--healthy] [--draw FILE [--for MINUTES]]: faults in network namespaces of their own, two stories of the port driver,
# `tcpadvisor serve`, and a real Prometheus with our rules; prints where to look. Everything ends with it. With --draw it ends
# by itself, after all panels are drawn to FILE. --healthy: traffic with which nothing is wrong, in place of faults and stories.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary=$1 faults=$2 draw='' minutes=2 healthy=''
shift 2
usage() { echo "demo: $1; there are --healthy, --draw FILE and --for MINUTES" >&2; exit 2; }
while (($#)); do
  case $1 in
    --healthy) healthy=1; shift; continue ;;
    --draw) draw=${2-} && [[ $draw ]] || usage "--draw needs a file" ;;
    --for) minutes=${2-} && [[ $minutes =~ ^[1-9][0-9]{0,2}$ ]] || usage "--for needs minutes, 1 to 999" ;;
    *) usage "unknown option $1" ;;
  esac
  shift 2
done
command -v prometheus >/dev/null || { echo "demo: prometheus is not installed" >&2; exit 4; }

work=$(mktemp -d)
started=()
end() {
  trap - EXIT INT TERM
  ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM
begin() {  # begin NAME COMMAND…: in the background, with its output in a file
  "${@:2}" >"$work/$1.log" 2>&1 </dev/null &
  started+=("$!")
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
agent=$(free_port) database=$(free_port)

if [[ $healthy ]]; then
  begin busy "$faults" busy-server --own-netns --hold 24h
  begin idle "$faults" fills-up --own-netns --hold 24h
else
  begin faults "$faults" demo
  for story in s1 slow_reader; do begin "$story" "$binary" port scenario "$story" --hold 24h; done
fi
begin agent "$binary" serve --listen "127.0.0.1:$agent" --policy lab
cat >"$work/prometheus.yml" <<Y
global: {scrape_interval: 2s, evaluation_interval: 5s}
rule_files: ["$here/prometheus/rules.yaml"]
scrape_configs: [{job_name: tcpadvisor, static_configs: [{targets: ["127.0.0.1:$agent"]}]}]
Y
begin prometheus prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="127.0.0.1:$database"
for ((i = 0; ; i++)); do
  for one in "${started[@]}"; do
    kill -0 "$one" 2>/dev/null || { echo "demo: something ended at once:" >&2; tail -n 3 "$work"/*.log >&2; exit 1; }
  done
  grep -qs 'ready to receive' "$work/prometheus.log" && grep -qs 'serving on' "$work/agent.log" && break
  ((i < 300)) || { echo "demo: it does not become ready:" >&2; tail -n 3 "$work"/*.log >&2; exit 1; }
  sleep 0.1
done
echo "live page    http://127.0.0.1:$agent/"
echo "metrics      http://127.0.0.1:$agent/metrics"
echo "Prometheus   http://127.0.0.1:$database/alerts"
echo "all panels   $here/render.py http://127.0.0.1:$database panels.html 5"
if command -v grafana-server >/dev/null; then echo "Grafana      import $here/grafana/*.json; data source http://127.0.0.1:$database"; fi
if [[ $draw ]]; then
  sleep "$((minutes * 60))"
  python3 "$here/render.py" "http://127.0.0.1:$database" "$draw" "$minutes"
else
  echo "Ctrl-C ends it all"
  wait -n "${started[@]}" || true
  echo "demo: something has ended:" >&2
  tail -n 3 "$work"/*.log >&2
  exit 1
fi
