#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures the distribution channel of two real Erlang nodes (docs/distribution.md). Needs root and erlang-base.
#   dist_measure.sh [EXPERIMENT...]      e.g. dist_measure.sh boundary calls; ZDBBL=64 sets the limit in KiB
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${DIST_MEASURE_INSIDE:-}" ]; then
    exec env DIST_MEASURE_INSIDE=1 unshare --net -- "$0" "$@"
fi
ip link set lo up
ebin=$(mktemp -d)
epmd & epmd=$!
trap 'kill "$epmd" 2>/dev/null; rm -rf "$ebin"' EXIT
erlc -o "$ebin" "$here"/dist_*.erl
# -start_epmd false: this epmd ends with the script. Two schedulers, so that the far node does not depend on the host.
timeout 240 erl -name near@127.0.0.1 -setcookie dist_measure -start_epmd false -epmd_module dist_relay -pa "$ebin" \
    -noinput -noshell +S 2 +zdbbl "${ZDBBL:-1024}" -kernel inet_dist_connect_options '[{sndbuf,4096}]' \
    -s dist_measure main -extra "$@"
