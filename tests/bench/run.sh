#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [BUILD_DIR] [PART] [--sockets N] [--for MINUTES]: the benchmarks, as Markdown on stdout; progress on stderr. All parts are
# cost, snapshot, port, judge, start, rest and serve; churn, which takes half an hour, only comes when it is named.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage="usage: run.sh [BUILD_DIR] [cost|snapshot|port|judge|start|rest|serve|churn] [--sockets N] [--for MINUTES]"
wrong() { echo "bench: $*; $usage" >&2; exit 2; }

build=$here/../../build/dev only='' sockets=198000 minutes=30
if (($#)) && [[ $1 == */* ]]; then
  build=$1
  shift
fi
arguments=("$@")
while (($#)); do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    cost | snapshot | port | judge | start | rest | serve | churn) only=$1; shift; continue ;;
    --only)
      only=${2-}
      [[ $only =~ ^(cost|snapshot|port|judge|start|rest|serve|churn)$ ]] || wrong "--only '$only': cost, snapshot, port, judge, start, rest, serve or churn"
      ;;
    --for) minutes=${2-}; [[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || wrong "--for '$minutes': a number of minutes" ;;
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
for part in ${only:-cost snapshot port judge start rest serve}; do
  echo
  case $part in
    cost) "$here/cost.sh" "$build" ;;
    snapshot) "$here/snapshot.sh" "$build" "$sockets" ;;
    port) "$here/port.sh" "$build" ;;
    start) "$here/start.sh" "$build" ;;
    rest) "$here/rest.sh" "$build" ;;
    serve) python3 -B "$here/serve-crowd.py" "$build" ;;
    churn) python3 -B "$here/serve-churn.py" "$build" "$minutes" ;;
    judge)
      echo "### One verdict"
      echo
      "$build/bench/judge" --check
      ;;
  esac
done
