#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [BUILD_DIR] [cost|snapshot|port|judge|start|rest] [--sockets N]: the benchmarks, as Markdown on stdout; progress on stderr.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage="usage: run.sh [BUILD_DIR] [cost|snapshot|port|judge|start|rest] [--sockets N]"
wrong() { echo "bench: $*; $usage" >&2; exit 2; }

build=$here/../../build/dev only='' sockets=198000
if (($#)) && [[ $1 == */* ]]; then
  build=$1
  shift
fi
arguments=("$@")
while (($#)); do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    cost | snapshot | port | judge | start | rest) only=$1; shift; continue ;;
    --only) only=${2-}; [[ $only =~ ^(cost|snapshot|port|judge|start|rest)$ ]] || wrong "--only '$only': cost, snapshot, port, judge, start or rest" ;;
    --sockets)
      sockets=${2-}
      [[ $sockets =~ ^[1-9][0-9]{0,6}$ ]] && ((sockets % 2 == 0 && sockets <= 2000000)) || wrong "--sockets '$sockets': an even number, 2 to 2000000"
      ;;
    *) wrong "unknown option '$1'" ;;
  esac
  shift 2
done

[[ -x $build/tcpadvisor ]] || wrong "'$build' is no build directory with a tcpadvisor in it"

echo "# Benchmarks"
echo
echo "Made by \`./dev bench${arguments[*]:+ ${arguments[*]}}\`, $("$build/tcpadvisor" --version), $(date -u +'%Y-%m-%d %H:%M UTC')."
echo
echo "Machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores," \
  "$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), kernel $(uname -r), load $(cut -d' ' -f1 /proc/loadavg) at the start."
for part in cost snapshot port judge start rest; do
  [[ $only && $only != "$part" ]] && continue
  echo
  case $part in
    cost) "$here/cost.sh" "$build" ;;
    snapshot) "$here/snapshot.sh" "$build" "$sockets" ;;
    port) "$here/port.sh" "$build" ;;
    start) "$here/start.sh" "$build" ;;
    rest) "$here/rest.sh" "$build" ;;
    judge)
      echo "### One verdict"
      echo
      "$build/bench/judge" --check
      ;;
  esac
done
