#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD_DIR SECONDS [TARGET…]: lets each fuzz target make inputs for so long, as many at a time as there are
# processors. One line a target: what it ran, or where the input that broke it lies. What it learns stays in
# BUILD_DIR/fuzz/TARGET and is where the next run goes on. FUZZ_SEED (0: another one each time) chooses what is tried.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1 seconds=$2
shift 2
if (($# == 0)); then
  for file in "$here"/*_fuzz.cc; do
    name=${file##*/}
    set -- "$@" "${name%_fuzz.cc}"
  done
fi

fuzz() {  # fuzz NAME: writes NAME.line and ends as libFuzzer ends
  local name=$1 work=$build/fuzz/$1 log=$build/fuzz/$1.log status=0 more=()
  mkdir -p "$work"
  [[ $name != port_script ]] || more=("$here/../port/cases")
  "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -seed="${FUZZ_SEED:-0}" -rss_limit_mb=2048 -max_len=8192 \
    -print_final_stats=1 -artifact_prefix="$build/fuzz/broken-$name-" "$work" "$here/corpus/$name" "${more[@]}" \
    >"$log" 2>&1 </dev/null || status=$?
  if ((status == 0)); then
    echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions"
  else
    tail -n 30 "$log" >&2
    echo "fuzz $name: broken, exit code $status; the input: $(ls "$build/fuzz/broken-$name-"* 2>/dev/null | tail -n1)"
  fi
  return "$status"
}

failed=0
for name; do
  [[ -x $build/tests/fuzz/fuzz_$name ]] || { echo "fuzz: there is no target '$name'" >&2; exit 2; }
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || failed=1; done
  fuzz "$name" &
done
while (($(jobs -p | wc -l) > 0)); do wait -n || failed=1; done
exit "$failed"
